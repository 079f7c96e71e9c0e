"""What people ask of a living run, by a request from elsewhere or at its own terminal.

What is granted, and what follows from it, is decided in `policy/requests.py`.
"""

from __future__ import annotations

from teamflow.core.events import RequestAnswered
from teamflow.run.executor import Executor


class Desk:
    """All methods belong to the loop's thread."""

    def __init__(self, executor: Executor, run: int) -> None:
        self._executor = executor
        self._run = run

    def request(self, request: int, verb: str, args: str, *, by: str) -> None:
        """Does what another process asks for, or refuses it; the answer is a record, too."""
        # Imported here: most runs are asked nothing.
        from teamflow.policy.requests import cancel_args

        if (verb, args) == ("cancel", cancel_args(None)) and self._executor.resting:
            # Nothing runs that could be cancelled, but somebody waits for files to change.
            self._executor.record(RequestAnswered(request, ok=True, message="the watch ends"))
            self._executor.leave(self._executor.state.ended)
            return
        ok, message = self.grant(verb, args, by=by)
        self._executor.record(RequestAnswered(request, ok=ok, message=message))

    def grant(self, verb: str, args: str, *, by: str) -> tuple[bool, str]:
        """Does what somebody asks for, or refuses it: whether, and what to say."""
        from teamflow.policy.requests import Asker, granted

        found = granted(self._executor.state, verb, args, Asker(by, self._run, self._executor.now()))
        if isinstance(found, str):
            return False, found
        for event in found.events:
            self._executor.record(event)
        self._executor.wake()
        return True, found.message

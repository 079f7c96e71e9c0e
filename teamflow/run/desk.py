"""What people ask of a living run, by a request from elsewhere or at its own terminal.

What is granted, and what follows from it, is decided in `policy/requests.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.capabilities import Capabilities
from teamflow.core.requested import RequestAnswered
from teamflow.run.executor import Executor


class Desk:
    """All methods belong to the loop's thread."""

    def __init__(self, executor: Executor, run: int, *, engines: Mapping[str, Capabilities]) -> None:
        """`engines`: as in `Asker`."""
        self._executor = executor
        self._run = run
        self._engines = engines

    def request(self, request: int, verb: str, args: str, *, by: str) -> None:
        """Does what another process asks for, or refuses it; the answer is a record, too.

        Once the run is being left nothing is answered: whoever asks does it himself as soon as nobody holds the run.
        """
        if self._executor.over:
            return
        if self._executor.resting and self._ends_all(verb, args):
            # Nothing runs that could be cancelled, but somebody waits for files to change.
            self._executor.record(RequestAnswered(request, ok=True, message="the watch ends"))
            self._executor.leave(self._executor.state.ended)
            return
        ok, message = self.grant(verb, args, by=by)
        self._executor.record(RequestAnswered(request, ok=ok, message=message))

    @staticmethod
    def _ends_all(verb: str, args: str) -> bool:
        # Imported here: most runs are asked nothing.
        from teamflow.policy.control import steps_args

        return (verb, args) == ("cancel", steps_args(None))

    def grant(self, verb: str, args: str, *, by: str) -> tuple[bool, str]:
        """Does what somebody asks for, or refuses it: whether, and what to say."""
        from teamflow.policy.granting import Asker
        from teamflow.policy.requests import granted

        executor = self._executor
        found = granted(executor.state, verb, args, Asker(by, self._run, executor.now(), self._engines))
        if isinstance(found, str):
            return False, found
        executor.take(found.events)
        if found.follow is not None:
            executor.followers.expect(found.follow.ripple, found.follow.later)
        return True, found.message

"""What an attempt with Codex came to: from how its turn ended and how its process did. For the app server and `exec`.

Success needs a turn that completed and has heard all it was told; the exit code alone tells nothing.
"""

from __future__ import annotations

from typing import Final

from teamflow.core.invocation import Brief, Exit
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped, Succeeded
from teamflow.core.shell import excerpt
from teamflow.engines.exits import outcome_of
from teamflow.engines.provider import Trouble, failed, failure_of

TESTED: Final = "0.169.0"
LOGIN: Final = "log in with `codex login`"
FINISHED: Final = "finished"
"""Cause of an end that the runner brought about because the work was done."""
_USAGE: Final = 2
"""Exit code of a command line that it does not understand."""


class End:
    """How far it has come."""

    def __init__(self) -> None:
        self.over = False
        """Nothing is done any more."""
        self.status = ""
        """Of the last turn: completed | interrupted | failed; empty: none has ended."""
        self.text = ""
        """Its last message."""
        self.trouble: Trouble | None = None
        self.refused: Failed | None = None
        """A request without which there is no turn was refused."""
        self.asked_to_stop = False
        self.version = ""
        self.rubbish = 0

    def refuse(self, method: str, message: str) -> None:
        known = failure_of(Trouble(text=message))
        which = f"codex {self.version}" if self.version else "codex"
        tested = f"; tested with {TESTED}" if self.version != TESTED else ""
        said = excerpt(message, width=200) or "it does not say why"
        self.refused = Failed(known or FailureClass.FATAL, f"{which} refused {method}: {said}{tested}")
        self.over = True


def outcome(state: End, end: Exit, brief: Brief) -> Outcome:
    by_exit = outcome_of(end, brief)
    if end.error is not None or end.cause not in (None, FINISHED):
        return by_exit
    if state.refused is not None:
        return state.refused._replace(exit_code=end.code)
    if state.over and state.status == "completed":
        return Succeeded(text=state.text, exit_code=end.code)
    if state.status == "interrupted":
        if state.asked_to_stop:
            return Stopped("interrupt", exit_code=end.code, signal=end.signal)
        return Failed(FailureClass.FATAL, "the agent's turn was interrupted, and not by teamflow", exit_code=end.code)
    if state.status == "failed" or (state.trouble is not None and not state.status):
        return failed(state.trouble or Trouble(), at=end.at, exit_code=end.code)
    if isinstance(by_exit, Failed) and by_exit.failure is not FailureClass.EXIT:
        return by_exit
    return _cut(state, end)


def _cut(state: End, end: Exit) -> Failed:
    lines = [line.strip() for line in end.printed.splitlines() if line.strip()]
    said = f": {excerpt(lines[-1], width=200)}" if lines else ""
    rubbish = f"; {state.rubbish} lines of its output were not understood" if state.rubbish else ""
    failure = FailureClass.FATAL if end.code == _USAGE else FailureClass.CRASH
    reason = f"the agent ended (exit code {end.code}) without the end of its turn{said}{rubbish}"
    return Failed(failure, reason, exit_code=end.code, signal=end.signal)

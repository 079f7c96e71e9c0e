"""The engine of `command` steps: a shell string or an argv. Its output is the user's; only the exit counts.

A string without anything for a shell to do is started directly, with the shell as fallback, so that what cannot be
found ends as it does in a shell: with 127 and the shell's own message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from teamflow.core.invocation import Brief, EngineEvent, Exit, Invocation
from teamflow.core.outcome import Outcome
from teamflow.core.shell import direct_argv, shell_argv
from teamflow.engines.deaf import Deaf
from teamflow.engines.exits import outcome_of
from teamflow.ports import Capabilities

CAPABILITIES: Final = Capabilities()


class CommandSession(Deaf):
    """Nothing to interpret: the bytes stay in the log."""

    __slots__ = ("_brief",)

    def __init__(self, brief: Brief) -> None:
        self._brief = brief

    def feed(self, data: bytes) -> Sequence[EngineEvent]:
        return ()

    def close(self, end: Exit) -> Outcome:
        return outcome_of(end, self._brief)


class CommandEngine:
    name = "command"
    capabilities = CAPABILITIES

    def invoke(self, brief: Brief) -> Invocation:
        """Raises ValueError for a brief that is not a command's."""
        if brief.shell is not None:
            direct = direct_argv(brief.shell)
            through_shell = shell_argv(brief.shell)
            if direct is None:
                return Invocation(through_shell)
            return Invocation(direct, fallback=through_shell)
        if not brief.argv:
            raise ValueError(f"step {brief.step} has no command")
        return Invocation(brief.argv)

    def session(self, brief: Brief) -> CommandSession:
        return CommandSession(brief)

"""What was recorded of attempts, and what is to be played in their place: plain values.

A *take* is one recorded attempt: what its agent printed, what it was told and when, how it ended. A *recording* holds
the takes of a run, or of a fixture, and what people answered. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from teamflow.core.invocation import Exit
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, Succeeded
from teamflow.core.plan import Json

BRIEF_FIELDS: Final = (
    *("cause", "cwd", "prompt", "instructions", "model", "permissions", "notice", "session", "messages", "stem"),
    *("context", "home", "step", "attempt", "base_url", "roots", "charged"),
)
"""What of a brief is recorded: a session that is told the same again knows its own words in what it hears."""


REPLAY: Final = "replay: "
"""How a reason begins that is none of the recorded run's own: something cannot be played."""


class Told(NamedTuple):
    """One input. `offset`: bytes of the agent's output before it. `note`, `end`: as in `ports.Input`."""

    offset: int
    data: str
    note: str = ""
    end: bool = False

    @property
    def lines(self) -> int:
        return self.data.count("\n")


class Wrote(NamedTuple):
    """A file that is written into the workspace at the end, relative to the directory that the agent works in."""

    path: str
    text: str


class Take(NamedTuple):
    """One recorded attempt. Paths are absolute; empty: there is none. `start`, `end`: the agent's part of `log`, in
    bytes. `brief`: what of it was recorded, by field."""

    step: str
    attempt: int
    engine: str = ""
    log: str = ""
    start: int = 0
    end: int = 0
    err: str = ""
    err_end: int = 0
    told: tuple[Told, ...] = ()
    exit: Exit = Exit(code=0)
    brief: Mapping[str, Json] = {}
    patch: str = ""
    """A patch of what it changed, against what it started from."""
    result: Succeeded | Failed | None = None
    """What it came to, where nothing was printed that could be played."""
    script: Json = None
    """What is played instead: actions of `engine: scripted`."""
    wrote: tuple[Wrote, ...] = ()

    @property
    def size(self) -> int:
        return self.end - self.start


ALWAYS: Final = -1
"""As often as it is asked."""


class Answered(NamedTuple):
    """What somebody answered: the `nth` question (from 0, or ALWAYS) of this step about this."""

    step: str
    about: str
    nth: int
    answer: str
    note: str = ""
    by: str = ""


_NO_FAULT: Final = ("conflict",)


class Missing(NamedTuple):
    """There is nothing to be played."""

    reason: str


class Recording(NamedTuple):
    """`name`: what people call it. `takes`: by step, in order. `scripts`: by step or agent, for any attempt. `faults`:
    takes that go before both, by step or agent and attempt."""

    name: str
    takes: Mapping[str, tuple[Take, ...]] = {}
    answers: tuple[Answered, ...] = ()
    scripts: Mapping[str, Sequence[Json]] = {}
    faults: Mapping[str, Mapping[int, Mapping[str, Json]]] = {}
    source: int | None = None
    """The run that it is of, where that is one of this project."""
    notes: tuple[str, ...] = ()
    """What is missing of it, for people."""
    staged: bool = False
    """Whether it is that of a test, of which something may never have been a run."""

    def take(self, step: str, attempt: int) -> Take | Missing:
        """What is played as that attempt. An attempt that goes wrong by a fault comes before those of the takes: the
        next one plays what it would have."""
        agent = step.partition("/")[0]
        for name in (step, agent):
            if name in self.scripts:
                return Take(step, attempt, script=self.scripts[name])
        takes = self.takes.get(step)
        if takes is None:
            return Missing(f"{self.name} has no attempt of {step}")
        attempt -= sum(1 for number in range(1, attempt) if "conflict" not in (self.fault(step, number) or _NO_FAULT))
        if attempt > len(takes):
            had = "1 attempt" if len(takes) == 1 else f"{len(takes)} attempts"
            return Missing(f"{self.name} has {had} of {step}, and one more is asked for")
        return takes[attempt - 1]

    def fault(self, step: str, attempt: int) -> Mapping[str, Json] | None:
        """What goes wrong with that attempt."""
        for name in (step, step.partition("/")[0]):
            if (found := self.faults.get(name, {}).get(attempt)) is not None:
                return found
        return None

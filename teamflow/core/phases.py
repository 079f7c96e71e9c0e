"""The row of phases of an attempt: which processes it is made of, one after the other.

    before       the team's hook `before_step`, where there is one
    check.1…N    the verify commands, before the work is started: `skip_if_verified`, at the first attempt only
    setup        makes the workspace ready, unless the attempt goes on in one that is
    agent        the work itself
    verify.1…N   what must succeed after it

Decides the row; what the end of a phase leads to is decided in `run/attempt.py`.
"""

from __future__ import annotations

from typing import Final

from teamflow.core.attempts import AttemptState
from teamflow.core.plan import Command
from teamflow.core.state import StepState

BEFORE: Final = "before"
SETUP: Final = "setup"
AGENT: Final = "agent"

VERIFIED: Final = "verified already: nothing was started"
"""What is told of a step whose checks were all green, and its text."""
CLEAN: Final = "nothing to mend"
"""Likewise of a step that was to mend a merge without conflicts."""


def phases(known: StepState, attempt: AttemptState) -> tuple[str, ...]:
    """The row of `attempt`, which is one of the step's; without BEFORE, which is the team's, and may come or go while
    the attempt runs."""
    step = known.step
    numbers = range(1, len(step.verify) + 1)
    checks = numbers if step.skip_if_verified and attempt.cause == "first" else ()
    setup = (SETUP,) if step.setup is not None and not _is_set_up(known, attempt) else ()
    return (*(f"check.{number}" for number in checks), *setup, AGENT, *(f"verify.{number}" for number in numbers))


def _is_set_up(known: StepState, attempt: AttemptState) -> bool:
    """Whether the attempts that this one goes on with have got beyond setup."""
    while attempt.continues is not None:
        attempt = known.attempts[attempt.continues - 1]
        if attempt.phase not in ("", BEFORE, SETUP) and not is_check(attempt.phase):
            return True
    return False


def is_check(phase: str) -> bool:
    """Whether a phase only looks whether there is anything to do."""
    return phase.startswith("check.")


def command_of(known: StepState, phase: str) -> Command:
    """The command of any phase but the agent's; an empty one where the step has been redefined since and has none."""
    step = known.step
    if phase == SETUP:
        return Command(step.setup)
    number = int(phase.partition(".")[2])
    return step.verify[number - 1] if number <= len(step.verify) else Command(None)

"""What is said when the user has committed since a run began: steps that are done stay on what they started from."""

from __future__ import annotations

from teamflow.app.uncommitted import head_of
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status
from teamflow.core.work import WORKTREE
from teamflow.policy.trees import parents

_SHOWN = 3


def moved_notes(state: RunState, root: str) -> tuple[str, ...]:
    """Sentences; () where nothing stays, or HEAD is where it was. `state`: as the run goes on."""
    stays = {known.step.id: _base(known) for known in state.steps.values() if _stays(state, known)}
    if not stays:
        return ()
    head = head_of(root)
    old = {step: base for step, base in stays.items() if base != head}
    if head is None or not old:
        return ()
    named = ", ".join(list(old)[:_SHOWN]) + (f" and {len(old) - _SHOWN} more" if len(old) > _SHOWN else "")
    stay = "stays" if len(old) == 1 else "stay"
    since = " and ".join(sorted({base[:7] for base in old.values()})[:_SHOWN])
    return (f"HEAD is {head[:7]} now, and {named} {stay} as made from {since}: --new starts everything from HEAD",)


def _stays(state: RunState, known: StepState) -> bool:
    """Whether it started from HEAD, is done, and is not looked at again."""
    step = known.step
    if step.workspace != WORKTREE or known.status is not Status.SUCCEEDED or step.reads is not None or step.cache:
        return False
    return bool(_base(known)) and not parents(state, step)


def _base(known: StepState) -> str:
    return known.ready.base if known.ready is not None and not known.ready.repo else ""

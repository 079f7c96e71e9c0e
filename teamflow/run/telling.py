"""What every agent is told of the team beside its prompt: which step it is, how to report, who may talk to it,
and where the work of those it depends on is.

Facts alone, in few words: each costs tokens at every call of its model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from teamflow.core.plan import Json
from teamflow.core.state import RunState, StepState
from teamflow.core.work import CLONE, WORKTREE

REPORTING: Final = 'Report now and then how far you are: teamflow progress PERCENT "WHAT YOU DO".'
"""Words of a command that everybody may run, whatever the permissions (`policy/lookers.py`)."""

_MOST: Final = 20
"""Dependencies that are described one by one."""


def context(
    state: RunState, known: StepState, *, run: Mapping[str, Json], cwd: str, log: Callable[[str, int], str]
) -> str:
    """The text. `log`: the path of an attempt's log."""
    step = known.step
    number = run.get("number", "")
    lines = [f"You are the agent of step {step.id} of the team {state.plan.team} (run {number}). You work in {cwd}."]
    if step.workspace in (WORKTREE, CLONE):
        lines.append(
            "It is a workspace of your own: others work on other steps at the same time, elsewhere. Leave your changes "
            "in it, committed or not; do not push, and do not switch branches."
        )
    lines.append(
        "Do not ask and wait for an answer: decide what you can, and say in your last message what you could not. "
        "Somebody may write to you meanwhile, or be asked when you try what you have no leave for."
    )
    handed = list(_handed(state, known, log=log))
    if handed:
        lines += ["What the steps that yours depends on have left:", *handed]
    return "\n".join(lines)


def _handed(state: RunState, known: StepState, *, log: Callable[[str, int], str]) -> Iterator[str]:
    edges = known.step.edges
    for edge in edges[:_MOST]:
        other = state.steps.get(edge.on)
        if other is None or other.step.kind == "ask":
            continue
        parts = [f"- {edge.on} ({other.status.value})"]
        if other.left is not None and other.left.commit:
            branch = f" on {other.left.branch}" if other.left.branch else ""
            parts.append(f"its changes are commit {other.left.commit[:12]}{branch}, which your workspace holds")
        parts += [f"{artifact.name}: {artifact.path}" for artifact in other.artifacts]
        if other.attempts:
            parts.append(f"what it printed: {log(edge.on, len(other.attempts))}")
        yield "; ".join(parts)
    if len(edges) > _MOST:
        yield f"- and {len(edges) - _MOST} more"

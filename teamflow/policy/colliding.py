"""Whose work of a run is compared while it goes on, which overlaps still matter, and whom one of them holds back. Pure.

Compared are worktrees in which work goes on, and what steps that succeeded have left. Two of which one has the other's
changes are not; nor are two that a step has been started on top of: git has merged them. Clones of other repositories
are left out, also two of the same one. Refuses to know git.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.core.overlapping import HARD, Overlap
from teamflow.core.plan import APART
from teamflow.core.requested import PauseRequested
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status
from teamflow.core.work import WORKTREE, Left, Ready
from teamflow.policy.overlaps import Pair, related
from teamflow.policy.trees import is_making

PAUSE: Final = "pause"
"""`limits.on_overlap`: the later step is held back."""


class Watched(NamedTuple):
    """`live`: steps that are at work, or will go on, in a worktree of their own; `left`: what others have left."""

    live: Mapping[str, Ready]
    left: Mapping[str, Left]


def watched(state: RunState) -> Watched:
    live, left = {}, {}
    for name, known in state.steps.items():
        if known.step.workspace != WORKTREE:
            continue
        if (ready := _worktree(state, known)) is not None:
            live[name] = ready
        elif (found := _left(known)) is not None:
            left[name] = found
    return Watched(live, left)


def _worktree(state: RunState, known: StepState) -> Ready | None:
    ready = known.ready
    if known.step.id not in state.open or ready is None or not ready.own or ready.repo or is_making(known):
        return None
    return ready


def _left(known: StepState) -> Left | None:
    left = known.left
    ended = known.status in (Status.SUCCEEDED, Status.CACHED)
    return left if ended and left is not None and left.changed and not left.repo else None


def apart(state: RunState, steps: Iterable[str]) -> frozenset[Pair]:
    """Those pairs of `steps` of which one has what the other did. Steps that only may not run at once have not."""
    needs: dict[str, tuple[str, ...]] = {}
    names = list(steps)
    pending = list(names)
    while pending:
        name = pending.pop()
        known = state.steps.get(name)
        if name not in needs and known is not None:
            needs[name] = tuple(edge.on for edge in known.step.edges if edge.when != APART)
            pending += needs[name]
    return related(needs, names)


def standing(state: RunState) -> tuple[Overlap, ...]:
    """The overlaps that were seen last, without those of steps that have ended since and left nothing, and of those
    whose work git has merged since."""
    return tuple(each for each in state.overlaps if _stands(state, each))


def _stands(state: RunState, overlap: Overlap) -> bool:
    for name in (overlap.first, overlap.second):
        known = state.steps.get(name)
        if known is None or (name not in state.open and _left(known) is None):
            return False
    return not _is_merged(state, overlap.first, overlap.second)


def _is_merged(state: RunState, first: str, second: str) -> bool:
    after = _dependents(state, first) & _dependents(state, second)
    return any((known := state.steps[name]).ready is not None or known.left is not None for name in after)


def _dependents(state: RunState, name: str) -> set[str]:
    """Steps that have, or will have, what this one did."""
    found: set[str] = set()
    pending = [name]
    while pending:
        for edge in state.dependents.get(pending.pop(), ()):
            if edge.when != APART and edge.on not in found and edge.on in state.steps:
                found.add(edge.on)
                pending.append(edge.on)
    return found


def held_back(state: RunState, seen: Iterable[Overlap], known: Mapping[Pair, frozenset[str]]) -> list[PauseRequested]:
    """Whom conflicts hold back that are not `known` (pair → files of which something has followed): the later one of
    the two that can still be, unless one of them is held back already."""
    if state.plan.limits.on_overlap != PAUSE:
        return []
    found: list[PauseRequested] = []
    held = set(state.held)
    for each in seen:
        pair = (each.first, each.second)
        if each.kind != HARD or frozenset(each.paths) <= known.get(pair, frozenset()) or held.intersection(pair):
            continue
        able = sorted((name for name in pair if name in state.open), key=lambda name: (state.order.get(name, 0), name))
        if able:
            other = each.first if able[-1] == each.second else each.second
            held.add(able[-1])
            found.append(PauseRequested((able[-1],), f"overlap with {other} in {files(each, most=1)}"))
    return found


def files(overlap: Overlap, *, most: int) -> str:
    """The files of an overlap in words, so many by name."""
    named = overlap.paths[:most]
    more = len(overlap.paths) - len(named) + overlap.more
    return ", ".join(named) + (f" and {more} more" if more else "")

"""Agents that may run at once in one directory and may edit there whatever they like: a warning of the plan.

Only of those that do not say what they write; what is said is compared in `plan/writers.py`. One warning for a team:
the remedy for two of them is that for all. What a scripted agent writes stands in its script.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Final

from teamflow.core.diagnostics import Diagnostics
from teamflow.core.plan import PROMPT, Step
from teamflow.core.work import PROJECT
from teamflow.plan.graph import connected
from teamflow.plan.writers import needs_by_number
from teamflow.team.loaded import LoadedTeam

_MOST: Final = 64
"""So many steps are compared, each with each, where no two neighbours meet."""


def report_side_by_side(
    steps: Sequence[Step], loaded: LoadedTeam, found: Diagnostics, *, git: bool, parallel: int | None
) -> None:
    """`steps` in topological order. `parallel`: how many run at once; None: not limited."""
    editing = [number for number, step in enumerate(steps) if _edits_here(step)]
    if len(editing) < 2 or parallel == 1:
        return
    needs = needs_by_number(steps)
    meeting = _meeting(itertools.pairwise(editing), steps)
    apart = connected(needs, meeting)
    if len(apart) == len(editing) - 1:
        return  # one after the other, all of them
    meeting += _meeting(itertools.combinations(editing[:_MOST], 2), steps)
    apart |= connected(needs, meeting)
    for pair in meeting:
        if pair not in apart and any(_unknown(steps[number]) for number in pair):
            _warn(steps[pair[0]], steps[pair[1]], loaded, found, git=git)
            return


def _edits_here(step: Step) -> bool:
    """Whether an agent does it that may edit the project directory itself."""
    edits = step.kind == PROMPT and step.workspace == PROJECT and step.means.grants.may_edit
    return edits and step.skip is None and step.script is None and not step.resolves


def _unknown(step: Step) -> bool:
    """Whether nothing says which files it may change."""
    return not step.writes and step.means.grants.editable is None


def _meeting(pairs: Iterable[tuple[int, int]], steps: Sequence[Step]) -> list[tuple[int, int]]:
    return [pair for pair in pairs if _one_place(steps[pair[0]], steps[pair[1]])]


def _one_place(one: Step, other: Step) -> bool:
    """Whether one works in the directory of the other, or above it."""
    if not isinstance(one.workdir, str) or not isinstance(other.workdir, str):
        return False
    a, b = f"{one.workdir}/".lstrip("/"), f"{other.workdir}/".lstrip("/")
    return a.startswith(b) or b.startswith(a)


def _warn(one: Step, other: Step, loaded: LoadedTeam, found: Diagnostics, *, git: bool) -> None:
    alone = "workspace: {mode: worktree}" if git else "a git repository, where each has a worktree of its own"
    order = f"depends_on: [{one.agent}] in {other.agent}, " if one.agent != other.agent else "limits.max_parallel: 1, "
    found.warn(
        "shared-directory",
        f"{one.id} and {other.id} may run at once in one directory, and each may change the files of the other",
        loaded.key_span("agents", other.agent),
        hint=f"use {alone}, {order}or writes that say which files are whose",
    )

"""Overlaps of workspaces for people and programs: lines of a status, of a running account, and JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from teamflow.core.overlapping import HARD, Overlap
from teamflow.core.plan import Json
from teamflow.core.state import RunState
from teamflow.policy.colliding import files, standing
from teamflow.policy.overlaps import EASED, GONE, HARDENED, News, news
from teamflow.views.sanitize import cell

_NAMED: Final = 3
_MOST: Final = 10


def words_of(overlap: Overlap) -> str:
    told = "conflict" if overlap.kind == HARD else "no conflict so far"
    return f"{overlap.first} and {overlap.second} both change {files(overlap, most=_NAMED)} ({told})"


def overlap_lines(state: RunState) -> list[str]:
    """Below the table of a run, conflicts first."""
    found = sorted(standing(state), key=lambda each: each.kind != HARD)
    lines = [cell(f"overlap: {words_of(each)}") for each in found[:_MOST]]
    return [*lines, f"and {len(found) - _MOST} more overlaps"] if len(found) > _MOST else lines


def overlaps_object(state: RunState) -> list[Json]:
    return [
        {"steps": [each.first, each.second], "kind": each.kind, "paths": [*each.paths], "more": each.more}
        for each in standing(state)
    ]


def conflict_words(state: RunState, step_id: str) -> str:
    """What a running step is in conflict with; empty: nothing."""
    found = [each for each in standing(state) if each.kind == HARD and step_id in (each.first, each.second)]
    told = (
        f"{each.second if each.first == step_id else each.first} in {files(each, most=_NAMED)}"
        for each in found[:_MOST]
    )
    return f"conflicts with {'; '.join(told)}" if found else ""


def news_lines(before: Iterable[Overlap], after: Iterable[Overlap]) -> list[str]:
    return [cell(_news(each)) for each in news(tuple(before), tuple(after))]


def _news(found: News) -> str:
    overlap = found.overlap
    pair = f"{overlap.first} and {overlap.second}"
    if found.what == GONE:
        return f"{pair} do not overlap any more"
    if found.what == HARDENED:
        return f"{pair} now conflict in {files(overlap, most=_NAMED)}"
    if found.what == EASED:
        return f"{pair} do not conflict any more: both change {files(overlap, most=_NAMED)}"
    return words_of(overlap)

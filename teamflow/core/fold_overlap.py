"""The fold's rule for overlaps of workspaces: the newest list is what holds. Used by `core/fold.py` only."""

from __future__ import annotations

from teamflow.core.events import Record
from teamflow.core.overlapping import OverlapsSeen
from teamflow.core.state import RunState


def overlaps_seen(state: RunState, record: Record, event: OverlapsSeen) -> list[str]:
    state.overlaps = event.overlaps
    return []

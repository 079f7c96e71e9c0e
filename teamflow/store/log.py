"""Records as rows of state.db and back. Apart from `sqlite.py`, which must not load what events need."""

from __future__ import annotations

from collections.abc import Iterable

from teamflow.core.codec import dump_event, event_kind, load_event
from teamflow.core.events import Record
from teamflow.store.rows import Row
from teamflow.store.text import storable


def rows(records: Iterable[Record]) -> list[Row]:
    """Raises TypeError for a value that is no JSON: nothing half-written may come of it."""
    return [(seq, at, mono, event_kind(event), storable(dump_event(event))) for seq, at, mono, event in records]


def records(stored: Iterable[Row]) -> list[Record]:
    """Raises CodecError for what a newer teamflow wrote or what is damaged."""
    return [Record(seq, at, mono, load_event(kind, data)) for seq, at, mono, kind, data in stored]

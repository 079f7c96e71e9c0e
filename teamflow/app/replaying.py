"""Which replay `run --replay` goes on with: one of the same recording and the same plan that was left before its end.

Decides it by a note beside the records of the replay. Without one, or where what is played is another thing now, a
replay is begun anew. Nothing else ever goes on with a replay: nobody but this knows what is to be played in it.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Final

from teamflow.app.session import Busy
from teamflow.core.named import NamedTuple
from teamflow.core.shell import quoted
from teamflow.core.takes import Recording
from teamflow.store.lock import holder_of

if TYPE_CHECKING:
    from teamflow.app.session import Session
    from teamflow.store.layout import Layout
    from teamflow.store.sqlite import Database

_NAME: Final = "replay.json"
_LARGEST: Final = 1 << 16
_LEFT: Final = frozenset({"created", "running", "waiting", "interrupted", "limited"})
"""Statuses of a replay that has not come to its end."""


class Note(NamedTuple):
    """`word`: the run, or the directory (absolute), that is played; `digest`: of its recording; `plan`: of the plan;
    `file`: the team file that was named, relative to the project, or empty."""

    word: str
    digest: str
    plan: str
    file: str = ""

    @property
    def command(self) -> str:
        """What goes on with it."""
        file = f"{quoted(self.file)} " if self.file else ""
        return f"teamflow run {file}--replay {quoted(self.word)}"


class Played(NamedTuple):
    """A recording that is to be played, and what is noted of that; `as_it_is`: nothing that was stopped in an earlier
    session is opened again."""

    recording: Recording
    note: Note
    as_it_is: bool = False

    def begun(self, database: Database, session: Session | Busy) -> Session | Busy:
        """Notes it beside the records of a run that is begun with it. OSError."""
        if isinstance(session, Busy):
            return session
        if not session.resumed:
            write_note(database.layout, session.row.number, self.note)
        return session._replace(as_it_is=self.as_it_is)


def note_of(recording: Recording, *, word: str, plan: str, file: str | None) -> Note:
    """The name that somebody has for the recording makes no difference."""
    same = repr(recording._replace(name="", notes=()))
    return Note(word, hashlib.sha256(same.encode("utf-8", "surrogateescape")).hexdigest(), plan, file or "")


def write_note(layout: Layout, number: int, note: Note) -> None:
    """OSError."""
    path = f"{layout.run(number)}/{_NAME}"
    descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(note._asdict(), file)
    os.replace(f"{path}.new", path)


def read_note(layout: Layout, number: int) -> Note | None:
    """None: there is none, or none that can be read."""
    try:
        with open(f"{layout.run(number)}/{_NAME}", encoding="utf-8", errors="surrogateescape") as file:
            found = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.keys() != set(Note._fields):
        return None
    return Note(**found) if all(isinstance(value, str) for value in found.values()) else None


def left_before_its_end(database: Database, note: Note) -> int | None:
    """The newest replay with that note, where it has not come to its end and nobody drives it."""
    for row in database.runs():
        if row.replay and read_note(database.layout, row.number) == note:
            left = row.status in _LEFT and holder_of(database.layout, row.number) is None
            return row.number if left else None
    return None


def goes_on(layout: Layout, number: int, replay: str) -> str:
    """Says what goes on with a replay that nobody drives."""
    note = read_note(layout, number)
    if note is None:
        return f"it is a replay of {replay}, and nothing goes on with it"
    return f"it is a replay of {replay}: only `{note.command}` goes on with it, or begins it anew"

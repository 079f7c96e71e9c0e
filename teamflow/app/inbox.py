"""What people are asked in a project: the open questions of its runs, and which one somebody means.

A run that a newer one of the same file and inputs has replaced is left out unless its runner lives: nothing goes on
with it, so its questions are moot.
"""

from __future__ import annotations

import re
from typing import Final

from teamflow.app.inspect import open_run
from teamflow.app.session import read_state
from teamflow.core.ids import listed
from teamflow.core.questions import question_id
from teamflow.store.lock import holder_of
from teamflow.store.rows import RunRow
from teamflow.store.sqlite import Database
from teamflow.views.questions import Item

_OVER: Final = frozenset({"succeeded", "failed", "cancelled"})
"""Statuses of runs in which no question can be open."""

_ID: Final = re.compile(r"(?:([0-9]{1,9})\.)?([0-9]{1,9})\Z")


class NoQuestion(Exception):
    """Nothing of that name is asked; the message says what to do."""


def open_items(database: Database) -> list[Item]:
    """Oldest first. Raises StoreError, CodecError."""
    items: list[Item] = []
    replaced: set[tuple[str, str]] = set()
    for row in database.runs():
        same = (row.file, row.inputs_digest)
        old = same in replaced
        replaced.add(same)
        if row.status not in _OVER:
            items += _items(database, row, old=old)
    return sorted(items, key=lambda item: (item.question.asked, item.run, item.question.number))


def _items(database: Database, row: RunRow, *, old: bool = False) -> list[Item]:
    alive = holder_of(database.layout, row.number) is not None
    if old and not alive:
        return []
    state, _ = read_state(database, row.number)
    return [Item(row.number, row.team, alive, question) for question in state.unanswered.values()]


def meant(database: Database, text: str, *, run: int | None) -> tuple[int, int]:
    """(run, question) of `12.1`, of a question's number in `run` (None: the newest), or of a step that asks.

    Raises NoQuestion, NoRun.
    """
    found = _ID.match(text)
    if found is None:
        return _of_step(database, text, run)
    if found[1] is not None and run not in (None, int(found[1])):
        raise NoQuestion(f"{text} is a question of run {found[1]}, not of run {run}")
    number = int(found[1]) if found[1] is not None else open_run(database, run).row.number
    return number, int(found[2])


def _of_step(database: Database, text: str, run: int | None) -> tuple[int, int]:
    items = open_items(database) if run is None else _items(database, open_run(database, run).row)
    asking = [item for item in items if item.question.step == text]
    if len(asking) == 1:
        return asking[0].run, asking[0].question.number
    names = [question_id(item.run, item.question.number) for item in asking]
    if names:
        raise NoQuestion(f"{text} asks in {len(names)} runs\n  say which question: {', '.join(names)}")
    answered = _asked_before(database, text, run)
    if answered is not None:
        return answered
    raise NoQuestion(_nothing(text, items))


def _asked_before(database: Database, text: str, run: int | None) -> tuple[int, int] | None:
    """What a step of that name has asked last, which is answered: who comes second is told so."""
    row = open_run(database, run).row
    state, _ = read_state(database, row.number)
    asked = [question.number for question in state.questions if question.step == text]
    return (row.number, asked[-1]) if asked else None


def _nothing(text: str, items: list[Item]) -> str:
    from teamflow.core.diagnostics import did_you_mean

    if not items:
        return f"{text} asks nothing, and no question is open"
    asking = {item.question.step for item in items}
    instances = [step for step in sorted(asking) if step.startswith(f"{text}/")]
    if instances:
        return f"{text} has instances that ask: {listed(instances)}"
    hint = did_you_mean(text, asking)
    return f"{text} asks nothing; {hint}" if hint else f"{text} asks nothing\n  `teamflow inbox` lists what is asked"

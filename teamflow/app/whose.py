"""Whose the worktrees, branches and hidden refs in a repository are, and how far these runs are: what the store knows.

Decides that a run that may still go on is not over, and which runs that nobody has on record are forgotten ones of this
project and which may be another's. Takes no lock; writes nothing but the note on a run that is to be forgotten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from teamflow.app.session import read_state
from teamflow.core.codec import CodecError
from teamflow.core.named import NamedTuple
from teamflow.core.status import IllegalTransition, Status
from teamflow.plan.stored import PlanFormatError
from teamflow.policy.leftover import RunFacts, Stage
from teamflow.store.errors import StoreError
from teamflow.store.layout import Layout
from teamflow.store.lock import holder_of
from teamflow.store.place import unwritable
from teamflow.store.rows import RunRow
from teamflow.store.sqlite import Database
from teamflow.targets import keeper_files
from teamflow.workspaces.naming import part
from teamflow.workspaces.ownership import Owners, directory_of, number_in

NOTE: Final = "forgotten.json"
"""In the directory of a run that is forgotten: what has to be known of it to take away its workspaces."""
_HAVE_ENDED: Final = frozenset({"succeeded", "failed", "cancelled"})
"""Statuses of a run; one with another is waiting for something, or was broken off."""


class Note(NamedTuple):
    id: str
    done: frozenset[str]


def stages(database: Database, owners: Owners, *, purged: int | None) -> dict[str, RunFacts]:
    """By id, the runs of this project and of others that have something here. `purged`: this one is to go wholly."""
    layout = database.layout
    rows = database.runs()
    known = {row.id: row for row in rows}
    newest: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.file, row.inputs_digest)
        newest[key] = max(newest.get(key, 0), row.number)
    found: dict[str, RunFacts] = {}
    for row in rows:
        directory = directory_of(row.number, row.id)
        if directory in owners.directories or row.id in owners.marks:
            goes_on = row.status not in _HAVE_ENDED
            goes_on |= row.status != "succeeded" and newest[row.file, row.inputs_digest] == row.number
            stage = Stage.OPEN if goes_on else Stage.OVER
            if is_alive(layout, row.number):
                stage = Stage.ALIVE
            found[row.id] = RunFacts(row.id, row.number, stage, directory)
    for run in _forgotten(layout, owners, known=known, taken={run.directory for run in found.values()}):
        stage = run.stage
        if stage is Stage.FORGOTTEN:
            marked = run.number == purged or os.path.exists(f"{layout.run(run.number)}/purged")
            stage = Stage.PURGED if marked else stage
            stage = Stage.ALIVE if not marked and is_alive(layout, run.number) and not _taken(known, run) else stage
        found[run.id] = run._replace(stage=stage)
    return found


def _taken(known: Mapping[str, RunRow], run: RunFacts) -> bool:
    """Whether another run that is on record has the number now."""
    return any(row.number == run.number for row in known.values())


def _forgotten(
    layout: Layout, owners: Owners, *, known: Mapping[str, RunRow], taken: Collection[str]
) -> Iterator[RunFacts]:
    """Runs that are not on record: forgotten ones of this project, and those of others."""
    directories = {name: number for name in owners.directories if (number := number_in(name)) is not None}
    notes = {note.id: (number, note) for number in _numbers(layout.runs) if (note := read_note(layout, number))}
    elsewhere, blind = _elsewhere(owners)
    numbers = {row.id: row.number for row in known.values()}
    named = set(taken)
    unclear = []
    for run in sorted(set(owners.marks) - set(known)):
        number, note = notes.get(run, (0, Note(run, frozenset())))
        mine = next((name for name in directories if name == directory_of(directories[name], run)), "")
        number = elsewhere.get(run, number or directories.get(mine, 0))
        named.add(mine)
        if number:
            numbers[run] = number
            stage = Stage.STRANGE if run in elsewhere else Stage.FORGOTTEN
            yield RunFacts(run, number, stage, directory_of(number, run), note.done)
        else:
            unclear.append(run)
    for run in unclear:
        number = 0 if blind else _guess(run, owners, others=numbers)
        yield RunFacts(run, number, Stage.STRANGE if blind else Stage.FORGOTTEN, directory_of(number, run))
    for name, number in directories.items():
        if name not in named:
            by_note = next((note for _, note in notes.values() if directory_of(number, note.id) == name), None)
            yield RunFacts(by_note.id if by_note else name, number, Stage.FORGOTTEN, name)


def _guess(run: str, owners: Owners, *, others: Mapping[str, int]) -> int:
    """The number of a run of which only refs are left, by the branches that are marked as its; 0: not clear.

    Never one that another run has: what bears that number may be its.
    """
    found = {number for number, tail in owners.branches if tail in owners.marks[run]} - set(others.values())
    return found.pop() if len(found) == 1 else 0


def _elsewhere(owners: Owners) -> tuple[dict[str, int], bool]:
    """Id → number of the runs of other projects in this repository; whether there may be more."""
    found: dict[str, int] = {}
    blind = owners.blind
    for root in owners.roots:
        try:
            database = Database.find(root, allow_network=True)
            if database is not None:
                with database:
                    found |= {row.id: row.number for row in database.runs()}
        except StoreError:
            blind = True
    return found, blind


def _numbers(directory: str) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(directory) if name.isascii() and name.isdigit())
    except OSError:
        return []


def is_alive(layout: Layout, run: int) -> bool:
    """Whether somebody drives the run, or its steps still run."""
    return holder_of(layout, run) is not None or keeper_files.is_held(layout.run(run))


def write_note(database: Database, number: int) -> None:
    """What has to be known of a run once its records are gone. StoreError."""
    row = database.run(number)
    if row is None:
        return
    known = steps_of(database, number)
    done = sorted(part(step) for step, status in known.items() if status is Status.SUCCEEDED)
    path = f"{database.layout.run(number)}/{NOTE}"
    try:
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump({"id": row.id, "done": done}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise unwritable(path, error) from error


def steps_of(database: Database, number: int) -> dict[str, Status]:
    """How the steps of a run are; none where its records cannot be read, which keeps nobody from forgetting it."""
    try:
        state, _ = read_state(database, number)
    except (CodecError, PlanFormatError, IllegalTransition, StoreError):
        return {}
    return {step: known.status for step, known in state.steps.items()}


def read_note(layout: Layout, number: int) -> Note | None:
    """None: there is none, or it is damaged."""
    try:
        with open(f"{layout.run(number)}/{NOTE}", encoding="utf-8") as file:
            given = json.load(file)
        return Note(str(given["id"]), frozenset(map(str, given["done"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None

"""Leases of slots (`core/slots.py`): which workspace on this machine has which block of ports and names.

A lease lies in `machine.db` and lasts until it is released, its workspace is gone, or its run's directory is gone;
never because of time alone, as servers may still listen. Refuses to know what the ports are used for.

Where `machine.db` was deleted, leases are taken anew: `wanted` brings back the slot that a workspace had, and a block
in which somebody listens is passed over. So it is with other users of this machine, who have databases of their own.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections import Counter
from collections.abc import Callable, Iterator

from teamflow.core.named import NamedTuple
from teamflow.core.slots import COUNT, ports
from teamflow.store.errors import StoreError
from teamflow.store.free_ports import is_free
from teamflow.store.machine import Machine
from teamflow.store.text import storable


class Owner(NamedTuple):
    """Whose lease it is. `project`: its root; `run`: the run's id, which no other run on this machine has."""

    project: str
    run: str
    step: str


class Lease(NamedTuple):
    """A row of the table `slots`. `workspace` and `directory` (the run's) are absolute; `taken`: Unix."""

    slot: int
    owner: Owner
    workspace: str
    directory: str
    boot: str
    taken: float


def take(
    machine: Machine,
    *,
    project: str,
    run: str,
    step: str,
    workspace: str,
    directory: str,
    boot: str,
    now: float,
    wanted: int | None = None,
    free: Callable[[int], bool] = is_free,
) -> int:
    """The lowest slot that nobody has and in which nobody listens; the same again for the same step of a run.

    `workspace` and `directory` must be there: a lease whose workspace is not there is over. `wanted`: what the step had
    before, where that is free. StoreError: conflict (all are taken), gone, and those of the file.
    """
    for path in (workspace, directory):
        if _gone(path):
            raise StoreError("gone", place=path, fact="is not there, so it can have no ports", remedy="run again")
    owner = Owner(storable(project), storable(run), storable(step))
    with machine.changing() as connection:
        leases = _reclaimed(connection)
        own = next((lease.slot for lease in leases if lease.owner == owner), None)
        used = {lease.slot for lease in leases}
        order = range(COUNT) if wanted is None else (wanted, *range(COUNT))
        if own is None:
            unused = (slot for slot in order if 0 <= slot < COUNT and slot not in used)
            own = next((slot for slot in unused if all(map(free, ports(slot)))), None)
        if own is None:
            raise _none_left(machine.path, leases)
        connection.execute(
            "INSERT OR REPLACE INTO slots (slot, project, run, step, workspace, directory, boot, taken)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (own, *owner, os.fsencode(workspace), os.fsencode(directory), storable(boot), now),
        )
    return own


def release(machine: Machine, *, project: str, run: str, step: str) -> bool:
    """Whether there was such a lease. StoreError."""
    with machine.changing() as connection:
        found = connection.execute(
            "DELETE FROM slots WHERE project = ? AND run = ? AND step = ?",
            (storable(project), storable(run), storable(step)),
        )
        return found.rowcount > 0


def of_run(machine: Machine, *, project: str, run: str) -> dict[str, int]:
    """Step → its slot, of the steps of a run that have one. StoreError."""
    owner = (storable(project), storable(run))
    return {lease.owner.step: lease.slot for lease in leased(machine) if lease.owner[:2] == owner}


def leased(machine: Machine) -> list[Lease]:
    """All leases, also those that are over and that nobody has noticed. StoreError."""
    with machine.reading() as connection:
        return [lease for _, lease in _read(connection) if lease is not None]


def _reclaimed(connection: sqlite3.Connection) -> list[Lease]:
    """Those that hold; the rows of others, and rows that mean nothing, are taken out."""
    found: list[Lease] = []
    over: list[tuple[int]] = []
    for row, lease in list(_read(connection)):
        if lease is None or _gone(lease.workspace) or _gone(lease.directory):
            over.append((row,))
        else:
            found.append(lease)
    connection.executemany("DELETE FROM slots WHERE rowid = ?", over)
    return found


def _read(connection: sqlite3.Connection) -> Iterator[tuple[int, Lease | None]]:
    """Each row's number, with what it says; None: it is damaged."""
    texts = "CAST(project AS BLOB), CAST(run AS BLOB), CAST(step AS BLOB), CAST(boot AS BLOB)"
    rows = connection.execute(f"SELECT rowid, {texts}, slot, workspace, directory, taken FROM slots ORDER BY slot")
    for row, *columns in rows:
        yield row, _lease(columns[:4], columns[4:])


def _lease(texts: list[bytes], columns: list[object]) -> Lease | None:
    try:
        project, run, step, boot = (text.decode() for text in texts)
    except UnicodeDecodeError:
        return None
    match columns:
        case [int(slot), bytes(workspace), bytes(directory), int() | float() as taken] if 0 <= slot < COUNT:
            paths = os.fsdecode(workspace), os.fsdecode(directory)
            return Lease(slot, Owner(project, run, step), *paths, boot, float(taken))
        case _:
            return None


def _gone(path: str) -> bool:
    """Whether there is certainly no such directory; one that cannot be looked at may be there."""
    try:
        return not os.path.isabs(path) or not stat.S_ISDIR(os.lstat(path).st_mode)
    except ValueError:
        return True
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


def _none_left(place: str, leases: list[Lease]) -> StoreError:
    listening = COUNT - len(leases)
    if len(leases) < listening:
        fact = f"programs that have no lease listen in {listening} of {COUNT} blocks of ports, the others are leased"
        return StoreError("conflict", place=place, fact=fact, remedy="end some of them; `ss -ltn` names the ports")
    (project, most), *_ = Counter(lease.owner.project for lease in leases).most_common(1)
    fact = f"no block of ports is left of {COUNT}: {len(leases)} are leased, {most} of them by {project}"
    remedy = f"remove workspaces that nobody needs (`teamflow gc` in {project})"
    return StoreError("conflict", place=place, fact=fact, remedy=remedy)

"""Forgetting runs: their records, with `purge` also their files. Never one that somebody works on, or that still lives.

Idempotent: what was begun and broken off is finished by the next call, or by `gc`.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from teamflow.app.act import Told
from teamflow.app.leftovers import end_leftovers
from teamflow.core.named import NamedTuple
from teamflow.store.lock import Holder, RunLock, creation_lock
from teamflow.store.place import unwritable
from teamflow.store.sqlite import Database
from teamflow.targets import keeper_files
from teamflow.workspaces.shared import in_git

if TYPE_CHECKING:
    from teamflow.app.uncloned import Uncloned
    from teamflow.app.unneeded import Cleared

PURGED: Final = "purged"
"""A file in a run's directory: all of it is to go."""

CACHE_LIMIT: Final = 5 * 10**9
"""Bytes of the cache's contents that `gc` leaves by default."""


def forget(
    database: Database,
    run: int,
    *,
    purge: bool,
    environ: Mapping[str, str],
    between: Callable[[], None] = lambda: None,
) -> Told:
    """Whether the run is forgotten, and what to say. `between` is called between any two effects. StoreError."""
    directory = database.layout.run(run)
    with ExitStack() as held:
        # No run is begun, or gone on with, until this one is no longer there to be found.
        with creation_lock(database.layout):
            done, said = _forget(database, run, purge=purge, held=held, between=between)
        if done and purge:
            said += _purge_workspaces(database, run, environ, between)
            if os.path.isdir(directory):
                remove(directory)
    return done, said


def _purge_workspaces(database: Database, run: int, environ: Mapping[str, str], between: Callable[[], None]) -> str:
    """What became of them, in lines of their own."""
    if not in_git(database.layout.root):
        return ""
    # Imported here: most runs have none.
    from teamflow.app.unneeded import clear

    cleared = clear(database, environ, purged=run, held=True, between=between)
    lines = [f"kept {line.what}: {line.why}" + (f"; {line.remedy}" if line.remedy else "") for line in cleared.kept]
    lines += [f"its workspaces stay: {cleared.trouble}"] if cleared.trouble else []
    return "".join(f"\n  {line}" for line in lines)


def _forget(database: Database, run: int, *, purge: bool, held: ExitStack, between: Callable[[], None]) -> Told:
    """Takes it out of the list; its lock is held until `held` closes."""
    layout = database.layout
    directory = layout.run(run)
    there = os.path.isdir(directory)
    if database.run(run) is None and not there:
        return purge, f"run {run}: there is no such run"
    if there:
        end_leftovers(layout, run)
        lock = RunLock.acquire(layout, run, Holder())
        if isinstance(lock, Holder):
            return False, f"run {run} is held by {lock}\n  end it with `teamflow cancel --all -r {run}`"
        held.callback(lock.release)
        if keeper_files.is_held(directory):
            return False, f"run {run}: its steps still run\n  end them with `teamflow cancel --all -r {run}`"
        _write_note(database, run)
        between()
    database.forget(run)
    between()
    if purge and there:
        # After it is forgotten: what is listed may be gone on with, and `gc` goes by the mark.
        _mark(directory)
        between()
    kept = "" if purge or not there else f"; its logs stay in {directory}"
    return True, f"run {run}: {'purged' if purge else 'forgotten'}{kept}"


def _write_note(database: Database, run: int) -> None:
    """What `gc` has to know to take away the workspaces of a run that is on record no more."""
    if in_git(database.layout.root):
        from teamflow.app.whose import write_note

        write_note(database, run)


def _mark(directory: str) -> None:
    path = f"{directory}/{PURGED}"
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise unwritable(path, error) from error


def remove(directory: str) -> None:
    """All of a run's files; the mark that says so goes last. StoreError."""
    try:
        for name in sorted(os.listdir(directory)):
            path = f"{directory}/{name}"
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            elif name != PURGED:
                os.unlink(path)
        os.unlink(f"{directory}/{PURGED}")
        os.rmdir(directory)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise unwritable(str(error.filename or directory), error) from error


class Collected(NamedTuple):
    """What `gc` has removed: numbers of processes, of purges that had been broken off, of cached results; bytes.

    `cleared`: what of workspaces; None: the project is in no git repository. `uncloned`: what of clones.
    """

    processes: int
    directories: int
    results: int
    freed: int
    cleared: Cleared | None = None
    uncloned: Uncloned | None = None


def collect(
    database: Database,
    *,
    cache_limit: int,
    environ: Mapping[str, str],
    between: Callable[[], None] = lambda: None,
) -> Collected:
    """Removes what nothing needs: processes that lost runner and keeper, broken-off purges, what the cache cannot hold,
    workspaces.

    `cache_limit` in bytes. `between` is called between any two effects. StoreError.
    """
    from teamflow.store.cache import Cache

    layout = database.layout
    processes = directories = 0
    before = _size(layout.directory)
    for run in _numbers(layout.runs):
        processes += len(end_leftovers(layout, run))
        directory = layout.run(run)
        if os.path.exists(f"{directory}/{PURGED}") and database.run(run) is None:
            forget(database, run, purge=True, environ=environ, between=between)
            directories += not os.path.exists(directory)
    cache = Cache(layout.cache, on_warning=lambda message: None)
    try:
        results = cache.collect(limit=cache_limit, now=time.time())
    finally:
        cache.close()
    cleared = _clear(database, environ, dry_run=False, between=between)
    without = _uncloned(database, environ, dry_run=False, between=between)
    return Collected(processes, directories, results, max(0, before - _size(layout.directory)), cleared, without)


def would_collect(database: Database, *, environ: Mapping[str, str]) -> Collected:
    """What `collect` would do about workspaces and clones; changes nothing."""
    cleared = _clear(database, environ, dry_run=True, between=lambda: None)
    return Collected(0, 0, 0, 0, cleared, _uncloned(database, environ, dry_run=True, between=lambda: None))


def _uncloned(
    database: Database, environ: Mapping[str, str], *, dry_run: bool, between: Callable[[], None]
) -> Uncloned:
    # Imported here: most runs have none.
    from teamflow.app.uncloned import uncloned

    return uncloned(database, environ, dry_run=dry_run, between=between)


def _clear(
    database: Database, environ: Mapping[str, str], *, dry_run: bool, between: Callable[[], None]
) -> Cleared | None:
    if not in_git(database.layout.root):
        return None
    from teamflow.app.unneeded import clear

    return clear(database, environ, dry_run=dry_run, between=between)


def _numbers(directory: str) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(directory) if name.isascii() and name.isdigit())
    except OSError:
        return []


def _size(directory: str) -> int:
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total

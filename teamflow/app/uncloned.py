"""Stores of cloned commits and mirrors that nothing needs: what `gc` takes away of clones.

Decides that a store goes when no run is alive, none on record names it, no clone of it lies there, and its origin has
all that is in it; a mirror when nobody has fetched it for a month. Refuses to know how a run is read: a store has a
name that nothing else has, so that a look for it is enough, also in records that cannot be understood any more.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Mapping

from teamflow.app.unneeded import KeptLine
from teamflow.app.whose import is_alive
from teamflow.core.named import NamedTuple
from teamflow.core.shell import quoted
from teamflow.store.lock import creation_lock
from teamflow.store.sqlite import Database
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.mirrors import remove, unused
from teamflow.workspaces.process import GitError
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.stores import known, opened, remove_store, stores


class Uncloned(NamedTuple):
    """Paths of what went; `kept`: stores that no run needs and that hold commits which are nowhere else."""

    stores: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    kept: tuple[KeptLine, ...] = ()
    trouble: str = ""


def uncloned(database: Database, environ: Mapping[str, str], *, dry_run: bool, between: Callable[[], None]) -> Uncloned:
    """StoreError."""
    gone: list[str] = []
    kept: list[KeptLine] = []
    mirrors: list[str] = []
    try:
        _stores(database, environ, gone, kept, dry_run=dry_run, between=between)
        for path in unused(environ):
            if not dry_run:
                between()
                remove(path)
            mirrors.append(path)
    except (OSError, WorkspaceError) as error:
        return Uncloned(tuple(gone), tuple(mirrors), tuple(kept), str(error))
    return Uncloned(tuple(gone), tuple(mirrors), tuple(kept))


def _stores(
    database: Database,
    environ: Mapping[str, str],
    gone: list[str],
    kept: list[KeptLine],
    *,
    dry_run: bool,
    between: Callable[[], None],
) -> None:
    home = os.path.realpath(database.layout.directory)
    if not stores(home):
        return
    # Nobody begins a run meanwhile, nor goes on with one.
    with creation_lock(database.layout):
        for store in _unnamed(database, home, stores(home)):
            work = _work(store, home=home, environ=environ)
            if work is not None:
                kept.append(KeptLine(store, work, "unmerged", f"rm -rf {quoted(store)}"))
                continue
            if not dry_run:
                between()
                remove_store(home, store)
            gone.append(store)


def _unnamed(database: Database, home: str, paths: Iterable[str]) -> list[str]:
    """Those that nobody needs; none while a run is alive."""
    left = {os.path.basename(path): path for path in paths}
    runs = [row.number for row in database.runs()]
    if any(is_alive(database.layout, run) for run in runs):
        return []
    for note in glob.glob(f"{glob.escape(home)}/git/trees/*/*/store"):
        directory, name = note.split("/")[-3:-1]
        if not os.path.lexists(f"{home}/work/{directory}/{name}"):
            continue  # gone, and only what was put aside of it is left
        with open(note, encoding="utf-8", errors="surrogateescape") as file:
            left.pop(os.path.basename(file.read()), None)
    for run in runs:
        texts = [row[-1] for row in database.rows(run)] if left else []
        left = {name: path for name, path in left.items() if not any(name in text for text in texts)}
    return list(left.values())


def _work(store: str, *, home: str, environ: Mapping[str, str]) -> int | None:
    """Number of a run that has left there what the origin had not when it was fetched last, and what nobody has pushed
    to it since (0: not to be told); None: there is nothing of that kind."""
    try:
        repository = opened(store, home=home, environ=environ)
        ours = {**repository.refs("refs/heads/teamflow/"), **repository.refs("refs/teamflow/")}
        there = [*known(store).refs.values(), *repository.refs("refs/remotes/origin/").values()]
        return _first(ours) if ours and _is_more(repository, ours.values(), there) else None
    except WorkspaceError as error:
        return None if error.code == "missing" else 0  # somebody was killed before anything was in it
    except (GitError, OSError):
        return 0


def _is_more(repository: Repository, tips: Iterable[str], origin: Iterable[str]) -> bool:
    there = [tip for tip in {*origin} if repository.has(tip)]
    given = "".join([*(f"{tip}\n" for tip in {*tips}), *(f"^{tip}\n" for tip in there)])
    return bool(repository.look("rev-list", "--max-count=1", "--stdin", given=given.encode("ascii")).text)


def _first(refs: Iterable[str]) -> int:
    numbers = [int(found[1]) for name in refs if (found := re.match(r"refs/heads/teamflow/([0-9]+)/", name))]
    return min(numbers, default=0)

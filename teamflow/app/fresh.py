"""A run with nothing to do, recognised by stats alone: no plan is loaded, no key is made, no loop is started.

After a run in which every step came from the cache, a certificate says what was looked at and with what stat. As long
as all of it looks the same, the next `run` with the same words would find the same again, and is recorded as such.
Anything else falls back to the long way, which decides by content. See docs/decisions/0004.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from teamflow import __version__
from teamflow.store.boot import since_boot
from teamflow.store.layout import Layout
from teamflow.store.lock import Holder, RunLock, creation_lock, this_process
from teamflow.store.rows import NewRun, Row, RunRow
from teamflow.store.sqlite import Database
from teamflow.store.ulid import ulid
from teamflow.workspaces.top_level import is_repository

if TYPE_CHECKING:
    from teamflow.core.plan import Plan

    Stat = tuple[int, int, int, int]

FORMAT = 2


def certificate_path(layout: Layout, file: str) -> str:
    """Where the certificate of a team file lies, if there is one."""
    name = hashlib.sha256(f"{__version__}\0{file}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return f"{layout.cache}/fresh/{name}"


def run_fresh(root: str, path: str, *, environ: Mapping[str, str]) -> tuple[int, str, int] | None:
    """(run, team, number of steps) if nothing that the newest run of the team file rests on has changed.

    StoreError for broken plumbing. None: this way does not tell.
    """
    file = os.path.relpath(path, root)
    certificate = certificate_path(Layout(os.path.abspath(root)), file)
    if not os.path.exists(certificate):
        return None
    database = Database.find(root, allow_network=environ.get("TEAMFLOW_ALLOW_NETWORK_FS") == "1")
    if database is None:
        return None
    if "TEAMFLOW_FAILPOINT" in environ:
        from teamflow.app.failpoints import crashing

        database = crashing(database, environ)
    with database:
        newest = database.newest_run(file=file)
        if newest is None or newest.status != "succeeded":
            return None
        kept = still_fresh(certificate, root)
        if kept is None or kept[4] != newest.inputs_digest:
            _forget(certificate)
            return None
        row = record_fresh(database, kept, newest)
        return None if row is None else (row.number, row.team, kept[6])


def _forget(certificate: str) -> None:
    """It will not come true again: the next run need not look."""
    try:
        os.unlink(certificate)
    except OSError:
        pass


def write(
    path: str,
    *,
    root: str,
    plan: Plan,
    stored: str,
    inputs_digest: str,
    inputs: str,
    rows: list[Row],
    witness: tuple[Mapping[str, Stat | None], Mapping[str, Stat]],
    artifacts: Iterable[str],
    began: int,
) -> None:
    """Best effort: without a certificate the next run goes the long way. `rows`: the records of this run.

    `stored`: the digest of the plan's data; `began` (Unix, nanoseconds): before reads and artifacts were looked at.
    """
    if not _certifiable(plan):
        return
    files, directories = dict(witness[0]), dict(witness[1])
    for name in artifacts:
        found = _stat(f"{root}/{name}")
        if found is None or not _old(found, began):
            return
        files[name] = found
    for name, digest in plan.files.items():
        # The plan was made before: what it was made of must still be there, and that since a moment ago.
        found = _stat(f"{root}/{name}")
        if found is None and not digest:
            files[name] = None
            continue
        if found is None or not _old(found, time.time_ns()) or _digest(f"{root}/{name}") != digest:
            return
        files[name] = found
    opening, *records = [(kind, data) for _, _, _, kind, data in rows]
    if opening[0] != "RunnerStarted":
        return
    kept: Any = (
        FORMAT,
        is_repository(root),
        plan.team,
        plan.file,
        inputs_digest,
        inputs,
        len(plan.steps),
        records,
        list(files.items()),
        list(directories.items()),
        stored,
    )
    body = marshal.dumps(kept)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        temporary = f"{path}.{os.getpid()}"
        with open(temporary, "wb") as file:
            file.write(hashlib.sha256(body).digest() + body)
        os.replace(temporary, path)
    except OSError:
        return


def _certifiable(plan: Plan) -> bool:
    """Whether files alone tell that nothing has changed: not secrets, the run's number, what hooks were told."""
    asks = any(step.secrets for step in plan.steps)
    return not asks and not plan.hooks and not any("run" in expression for _, expression in plan.outputs)


def _old(found: Stat, began: int) -> bool:
    """Whether a later change must show in the stat: file systems without fractions of seconds need more time."""
    margin = 20_000_000 if found[0] % 1_000_000_000 else 2_100_000_000
    return max(found[0], found[1]) < began - margin


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""


def still_fresh(path: str, root: str) -> Any | None:
    """The certificate, if all that it looked at still looks the same."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    body = data[32:]
    if hashlib.sha256(body).digest() != data[:32]:
        return None
    kept = marshal.loads(body)  # our own file, checked by its digest
    if kept[0] != FORMAT or kept[1] != is_repository(root):
        return None
    lstat, prefix = os.lstat, root + "/"
    for name, known in kept[8]:
        try:
            now = lstat(prefix + name)
        except OSError:
            if known is None:
                continue
            return None
        if known != (now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_ino):
            return None
    for name, known in kept[9]:
        if _stat(prefix + name) != known:
            return None
    return kept


def record_fresh(database: Database, kept: Any, previous: RunRow) -> RunRow | None:
    """A run of its own with the records that the long way would have written.

    None: somebody else was quicker, or no run has the plan that was certified any more.
    """
    _, _, team, file, digest, inputs, _, records, _, _, stored = kept
    now = time.time()
    mono = since_boot()
    me = this_process(since=now)
    with creation_lock(database.layout):
        newest = database.newest_run(file=file, inputs_digest=digest)
        if newest is None or newest.number != previous.number:
            return None
        # Not the plan of the newest run, which may be one of fewer steps.
        if not database.has_plan(stored):
            return None
        row = database.create_run(
            NewRun(
                id=ulid(at=now, entropy=os.urandom(10)),
                team=team,
                file=file,
                inputs_digest=digest,
                inputs=inputs,
                created=now,
                plan=stored,
            )
        )
        lock = RunLock.acquire(database.layout, row.number, me)
    if not isinstance(lock, RunLock):
        return None
    try:
        written = [("RunnerStarted", _opening(me)), *records]
        database.append(row.number, [(n, now, mono, kind, data) for n, (kind, data) in enumerate(written, 1)])
    finally:
        lock.release()
    return row


def _opening(me: Holder) -> str:
    """The fields of `RunnerStarted`: nothing is started, so how much may run at once is not asked."""
    return json.dumps({"boot": me.boot, "pid": me.pid, "max_parallel": 1})


def _stat(path: str) -> Stat | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)

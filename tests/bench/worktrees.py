"""Row W8: how long a workspace of a large repository takes to be made ready, beside `git worktree add`.

Not as whole processes: a runner makes many workspaces, and git is a process of its own in both.
"""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

from teamflow.core.work import Ready
from teamflow.ports import Order
from teamflow.workspaces.provider import GitWorkspaces
from tests.bench.bench import Bench, Result
from tests.bench.measure import Cost, Failure, duel

FILES = 50_000


def worktree_made(bench: Bench) -> Result:
    root, new = bench.directory("worktrees")
    if new:
        (root / ".teamflow").mkdir()
        (root / ".teamflow/.gitignore").write_text("*\n")
        _repository(root, bench.count(FILES), bench.environ)
    space = GitWorkspaces(
        os.path.realpath(root),
        run_id=f"{time.time_ns():026}",
        number=1,
        home=f"{root}/.teamflow",
        environ=bench.environ,
    )
    numbers = count(time.time_ns())

    def ours() -> None:
        ready = space.prepare(Order(f"s{next(numbers)}", 1, (), own=True))
        if not isinstance(ready, Ready):
            raise Failure(f"no workspace: {ready}")

    def theirs() -> None:
        name = f"plain{next(numbers)}"
        _git(root, bench.environ, "worktree", "add", "-q", "-b", name, f"{root}/.teamflow/{name}")

    found = duel(lambda: _cost(ours), lambda: _cost(theirs), rounds=bench.rounds)
    return Result(found.ratio, found)


def _cost(work: Callable[[], None]) -> Cost:
    began, before = time.perf_counter(), _cpu()
    work()
    return Cost(time.perf_counter() - began, _cpu() - before)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _git(root: Path, environ: Mapping[str, str], *words: str) -> None:
    argv = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@t", *words]
    subprocess.run(argv, check=True, env=dict(environ))


def _repository(root: Path, files: int, environ: Mapping[str, str]) -> None:
    for number in range(files):
        path = root / f"d{number // 100}/f{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{number}\n" * 20)
    _git(root, environ, "init", "-q")
    _git(root, environ, "add", ".")
    _git(root, environ, "commit", "-q", "-m", "x")
    _git(root, environ, "-c", "pack.threads=1", "repack", "-a", "-d", "-q")

"""Projects with runs made by hand, and the command line called on them: in this process, or as one of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from teamflow.core.events import Event, Record
from teamflow.core.fold import apply, initial
from teamflow.core.plan import Plan
from teamflow.plan.stored import plan_to_json
from teamflow.store.log import rows
from teamflow.store.rows import NewRun
from teamflow.store.sqlite import Database
from teamflow.store.ulid import ulid
from tests.fakes.here import here
from tests.unit.views.stories import BEGIN, records

REPOSITORY = Path(__file__).parents[3]


class Made(NamedTuple):
    """A run in a project; `append` goes on with its log."""

    root: Path
    number: int

    @property
    def directory(self) -> Path:
        return self.root / ".teamflow" / "runs" / str(self.number)

    def log(self, name: str, data: bytes) -> Path:
        path = self.directory / "logs" / name
        path.write_bytes(data)
        return path

    def secrets(self, values: Mapping[str, str]) -> None:
        (self.directory / "secrets.json").write_text(json.dumps(values))

    def append(self, events: Sequence[Event]) -> None:
        with Database.open(str(self.root)) as database:
            after = database.last_seq(self.number)
            new = [Record(after + n, BEGIN + after + n, 100.0 + after + n, event) for n, event in enumerate(events, 1)]
            database.append(self.number, rows(new))


def make_run(root: Path, plan: Plan, events: Sequence[Event], *, file: str = "team.yaml") -> Made:
    log = records(events)
    state = initial(plan)
    for record in log:
        apply(state, record)
    with Database.open(str(root)) as database:
        row = database.create_run(
            NewRun(ulid(BEGIN, os.urandom(10)), plan.team, file, "d", "{}", plan_to_json(plan).encode(), BEGIN)
        )
        if log:
            database.append(row.number, rows(log))
    return Made(root, row.number)


class Answer(NamedTuple):
    code: int
    out: str
    err: str


def call(root: Path, *words: str, **env: str) -> Answer:
    """`teamflow WORDS` in this process, with `root` as the current directory. With `env` as `process` would have it."""
    return Answer(*here(root, *words, env=environment(**env) if env else None))


@contextlib.contextmanager
def inside(root: Path) -> Iterator[None]:
    with contextlib.chdir(root):
        yield


def argv(*words: str) -> list[str]:
    return [sys.executable, "-m", "teamflow", *words]


def environment(**more: str) -> dict[str, str]:
    names = ("PATH", "HOME", "LANG", "TMPDIR")
    return {
        **{name: os.environ[name] for name in names if name in os.environ},
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONDONTWRITEBYTECODE": "1",
        **more,
    }


def process(root: Path, *words: str, **env: str) -> Answer:
    """`teamflow WORDS` as a process, to its end."""
    done = subprocess.run(
        argv(*words), cwd=root, env=environment(**env), stdin=subprocess.DEVNULL, capture_output=True, timeout=30
    )
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def started(root: Path, *words: str, **env: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv(*words),
        cwd=root,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

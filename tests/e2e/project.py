"""A project of its own and teamflow as a real process in it: what it is told, what it says, what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml

from teamflow.app.inspect import now
from teamflow.cli.opened import opened
from teamflow.cli.status import as_object
from teamflow.views.json import json_text, record_object
from teamflow.views.why import why as why_line
from tests.fakes.here import here

REPOSITORY = Path(__file__).parents[2]
SECONDS = 60.0


class Done(NamedTuple):
    """A teamflow that has ended. `out`, `err`: what it said, as text."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    def expect(self, code: int) -> Done:
        assert self.code == code, f"exit {self.code}, not {code}\n{self.said}"
        return self

    def json(self) -> Any:
        return json.loads(self.out)

    def importtime(self) -> set[str]:
        """Modules that were imported, of a call with `-X importtime`."""
        return {line.rpartition("|")[2].strip() for line in self.err.splitlines() if line.startswith("import time:")}


class Shown:
    """One run as `status --json` tells it."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.steps: dict[str, dict[str, Any]] = {step["id"]: step for step in data["steps"]}

    @property
    def statuses(self) -> dict[str, str]:
        return {name: step["status"] for name, step in self.steps.items()}

    def step(self, name: str) -> dict[str, Any]:
        return self.steps[name]

    def text(self, name: str) -> str:
        text = self.steps[name]["text"]
        assert isinstance(text, str), self.steps[name]
        return text

    def failures(self, name: str) -> list[str | None]:
        return [attempt["failure"] for attempt in self.steps[name]["attempts"]]

    def ran(self) -> set[str]:
        """Steps that have had an attempt."""
        return {name for name, step in self.steps.items() if step["attempts"]}


class Project:
    """A directory with a team file; `team` as YAML or as data. Home directory and runtime files lie beside it."""

    def __init__(
        self,
        place: Path,
        team: str | Mapping[str, Any] | None = None,
        *,
        files: Mapping[str, str] | None = None,
        git: bool = False,
    ) -> None:
        self.place = place
        self.root = place / "p"
        self.root.mkdir(parents=True)
        (place / "home").mkdir()
        (place / "runtime").mkdir(mode=0o700)
        if git:
            self.git("init", "-q", "-b", "main")
        for name, text in (files or {}).items():
            self.write(name, text)
        if team is not None:
            self.team(team)

    # -- files -----------------------------------------------------------------------------------------------

    def team(self, team: str | Mapping[str, Any], name: str = "team.yaml") -> None:
        self.write(name, team if isinstance(team, str) else yaml.safe_dump(dict(team), sort_keys=False))

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def exists(self, name: str) -> bool:
        return (self.root / name).exists()

    def lines(self, name: str) -> list[str]:
        """Of a file that may not be there."""
        path = self.root / name
        return path.read_text().splitlines() if path.exists() else []

    def age(self, seconds: float = 10.0) -> None:
        """Makes all files look older: the youth of a file makes teamflow look twice."""
        for path in [*self.root.rglob("*")]:
            if ".teamflow" in path.parts or path.is_symlink():
                continue
            found = path.stat()
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns - round(seconds * 1e9)))

    def git(self, *words: str) -> str:
        author = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t"}
        done = subprocess.run(
            ["git", *words],
            cwd=self.root,
            env={**self.environ, **author, "GIT_COMMITTER_EMAIL": "t@t"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    # -- processes -------------------------------------------------------------------------------------------

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.place / "home"),
            "XDG_RUNTIME_DIR": str(self.place / "runtime"),
            "XDG_STATE_HOME": str(self.place / "state"),
            "PYTHONPATH": str(REPOSITORY),
            "LANG": "C.UTF-8",
        }

    def popen(
        self, *words: str, env: Mapping[str, str] | None = None, python: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *python, "-m", "teamflow", *words],
            cwd=self.root,
            env={**self.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )

    def call(
        self,
        *words: str,
        env: Mapping[str, str] | None = None,
        python: Sequence[str] = (),
        seconds: float = SECONDS,
    ) -> Done:
        """teamflow with these words, to its end."""
        with self.popen(*words, env=env, python=python) as process:
            return finish(process, seconds)

    def refused(self, *words: str) -> Done:
        """Of a call that is to be refused before it starts anything (exit 2): in this process, while there is no
        database: one that this process still had open would be in the way of others who write to it."""
        if (self.root / ".teamflow/state.db").exists():
            return self.call(*words).expect(2)
        return Done(*here(self.root, *words, env=self.environ)).expect(2)

    def run(self, *words: str, env: Mapping[str, str] | None = None, seconds: float = SECONDS) -> Done:
        """`run --progress plain`, to its end."""
        return self.call("run", "--progress", "plain", *words, env=env, seconds=seconds)

    def status(self, run: int | None = None) -> Shown:
        """What `status --json` says; a test of `test_run_seeing.py` compares the two."""
        with opened(run, root=str(self.root)) as inspected:
            return Shown(json.loads(json_text(as_object(inspected))))

    def events(self, run: int | None = None) -> list[dict[str, Any]]:
        """As `events` prints them."""
        with opened(run, root=str(self.root)) as inspected:
            return [json.loads(json_text(record_object(record))) for record in inspected.records]

    def why(self, step: str) -> str:
        with opened(None, root=str(self.root)) as inspected:
            return why_line(
                inspected.state, step, inspected.records, now(), run=inspected.row.number, gone=inspected.gone
            )

    def plan(self, *words: str) -> Any:
        return self.call("plan", "--json", *words).expect(0).json()

    def log(self, step: str, attempt: int = 1, run: int = 1) -> str:
        """The raw log of an attempt."""
        name = f"{step.replace('/', '--')}.{attempt}.log"
        return (self.run_dir(run) / "logs" / name).read_bytes().decode("utf-8", "backslashreplace")

    def run_dir(self, run: int = 1) -> Path:
        return self.root / ".teamflow" / "runs" / str(run)


def finish(process: subprocess.Popen[str], seconds: float = SECONDS) -> Done:
    """The end of a process; AssertionError with what it said if it does not come."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it has not ended in {seconds} s\n{out}\n{err}") from None
    return Done(process.returncode, out, err)


PROVED: dict[str, list[str]] = {}
"""Key of the team file (`TEAM:path` or `AGENT:path`) → names of the tests that prove it by behaviour."""

Test = TypeVar("Test", bound=Callable[..., object])


def proves(*, team: Sequence[str] = (), agent: Sequence[str] = ()) -> Callable[[Test], Test]:
    """Marks a test as a proof of keys that work, for `test_keys_table.py`."""

    def mark(test: Test) -> Test:
        for key in [*(f"TEAM:{key}" for key in team), *(f"AGENT:{key}" for key in agent)]:
            PROVED.setdefault(key, []).append(test.__name__)
        return test

    return mark

"""A project in which real runs are made under the recording shim, and what its store has in the end.

A run that is killed and goes on, runs from the cache, a cancelled and a detached one, a revised file, in any order.
Everything that opens a database is recorded as well, for who closes it last writes into it.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass

from teamflow.core.plan import Plan
from teamflow.plan.stored import plan_from_json
from teamflow.store.cache import Cache, Entry
from teamflow.store.rows import Row
from teamflow.store.sqlite import Database
from tests.campaign import crash_team
from tests.campaign.power_disk import Disk
from tests.campaign.power_trace import Recorder
from tests.e2e.tool import Project, Running

TOKEN = "power/cut+token 4711"
INHERIT = "inherit_env: [LD_PRELOAD, 'POWER_*']\n"
SECRET = """
  tells: {command: './work agent 0 && echo "the token is $TOKEN"', secrets: [TOKEN]}
"""


def _team(text: str) -> str:
    return f"{INHERIT}secrets: {{TOKEN: {{env: TOKEN}}}}\n{text.replace('  bad:', SECRET + '  bad:', 1)}"


TEAM, REVISED = _team(crash_team.TEAM), _team(crash_team.REVISED)
EXPECTED = {**crash_team.EXPECTED, "tells": "succeeded"}
REVISED_EXPECTED = {**crash_team.REVISED_EXPECTED, "tells": "succeeded"}

KEPT = (
    INHERIT
    + """
defaults: {retry: {delay: 20ms}}
agents:
  made: {command: cp source.txt first.txt, reads: [source.txt], cache: true, outputs: {made: {file: first.txt}}}
  long:
    command: "i=0; while [ $i -lt 900 ]; do echo line $i of it; i=$((i+1)); done"
    reads: [source.txt]
    cache: true
  more:
    command: cat first.txt first.txt > second.txt
    reads: [first.txt]
    cache: true
    depends_on: [made]
    outputs: {made: {file: second.txt}}
  uses:
    {command: "true", reads: [source.txt], cache: true, env: {TEXT: "{{ agents.long.text }}"}}
"""
)

WIDE = (
    INHERIT
    + """
defaults: {retry: {delay: 20ms}}
agents:
  one: {command: ":", matrix: {n: [NUMBERS]}}
  fails: {command: exit 3, retry: {attempts: 4, delay: 10ms}, continue_on_error: true}
""".replace("NUMBERS", ", ".join(map(str, range(60))))
)

SLOW = INHERIT + 'agents: {quick: {command: ":"}, slow: {command: sleep 60, depends_on: [quick]}}\n'

FILES = {"made.txt": "one\n", "last.txt": "one\n", "first.txt": "one\n", "second.txt": "one\none\n"}
"""What the steps of these teams make."""


@dataclass
class Said:
    """What one call of teamflow showed: the file that its stdout went to, and the run that it was about."""

    path: str
    words: tuple[str, ...]
    run: int


@dataclass
class Truth:
    """What the store has at the end of the recording, when no power was cut."""

    rows: dict[int, list[Row]]
    plans: dict[int, dict[int, Plan]]
    entries: dict[str, Entry]


class Recording:
    """A project in which runs were made under the shim. Whoever has it may cut the power of it any number of times."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.project = Project(TEAM, files={"source.txt": "one\n", "agent.yaml": crash_team.SCRIPT, "kept.yaml": KEPT})
        self.root = self.project.root
        self.project.write("wide.yaml", WIDE)
        self.project.write("slow.yaml", SLOW)
        self.recorder = Recorder(self.project.home, beside=self.project.home)
        self.said: list[Said] = []
        self._words: dict[str, tuple[str, ...]] = {}
        self.before = {str(path): path.read_bytes() for path in self.root.iterdir()}
        with ExitStack() as undo:
            undo.callback(self.project.close)
            self._runs()
            self.calls = self.recorder.calls()
            self._check_model()
            self.modes = {str(path): path.stat().st_mode & 0o777 for path in self.root.rglob("*")}
            self.truth = read_truth(self.project)
            undo.pop_all()

    # -- what is recorded ------------------------------------------------------------------------------------

    def _runs(self) -> None:
        todo = [self._crashed, self._kept, self._kept, self._kept, self._cancelled, self._wide, self._detached]
        self.chance.shuffle(todo)
        for what in todo:
            what()
            assert self.project.gone(20)

    def _crashed(self) -> None:
        """Killed at a boundary, with or without its keeper, once or twice; the file may be revised meanwhile."""
        ended = False
        for _ in range(self.chance.randrange(3)):
            if not ended:
                point = str(self.chance.randrange(2, 250))
                running = self._start("run", "--progress", "json", env={"TEAMFLOW_FAILPOINT": point})
                ended = self._watched(running) == 0
                time.sleep(0.0 if ended else 0.4)  # the keeper goes on alone
                if self.chance.random() < 0.5:
                    self.project.kill_keeper(self._newest())
        if self.chance.random() < 0.5 and not ended:
            self._rewrite("team.yaml", REVISED)
        running = self._start("run", "--progress", "json")
        code = self._watched(running)
        assert code == 0, running.err

    def _watched(self, running: Running) -> int:
        """Its exit code; somebody looks at the status meanwhile."""
        time.sleep(0.1 + self.chance.random() * 0.4)
        looking = self._start("status", "--json")
        looking.wait()
        code = running.wait().code
        self._about(running)
        self._about(looking)
        return code

    def _kept(self) -> None:
        self._whole("run", "kept.yaml", "--progress", "json")

    def _wide(self) -> None:
        self._whole("run", "wide.yaml", "--progress", "json")

    def _whole(self, *words: str) -> None:
        running = self._start(*words)
        done = running.wait()
        assert done.code == 0, done
        self._about(running)

    def _cancelled(self) -> None:
        running = self._start("run", "slow.yaml", "--new", "--progress", "json")
        while '"step": "slow"' not in running.out:
            assert running.process.poll() is None, running.err
            time.sleep(0.01)
        self._whole("cancel", "--all", "--json")
        assert running.wait().code == 1
        self._about(running)

    def _detached(self) -> None:
        self._whole("run", "wide.yaml", "--new", "--detach")
        assert self.project.gone(30)

    def _rewrite(self, name: str, text: str) -> None:
        """As a good editor does, and recorded."""
        words = (
            "import os, sys; t = open(sys.argv[1] + '~', 'w'); t.write(sys.argv[2]); t.flush(); os.fsync(t.fileno());"
            "os.rename(t.name, sys.argv[1]); os.fsync(os.open('.', os.O_RDONLY))"
        )
        environ = {**self.project.environ, **self.recorder.environ}
        subprocess.run([sys.executable, "-c", words, name, text], cwd=self.root, env=environ, check=True, timeout=60)

    def _start(self, *words: str, env: Mapping[str, str] | None = None) -> Running:
        running = self.project.start(*words, env={**self.recorder.environ, "TOKEN": TOKEN, **(env or {})})
        self._words[str(running.screen)] = words
        return running

    def _about(self, running: Running) -> None:
        screen = str(running.screen)
        self.said.append(Said(screen, self._words[screen], self._newest()))

    def _newest(self) -> int:
        """Asked by a recorded process: who closes a database last writes into it."""
        shown = self._start("runs", "--json").wait()
        runs = json.loads(shown.out)["runs"] if shown.code == 0 else []
        return int(runs[0]["run"]) if runs else 0

    def _check_model(self) -> None:
        """The trace must explain every file; else the images would be of something else."""
        disk = Disk(str(self.root), self.before)
        for call in self.calls:
            disk.take(call)
        model = disk.content()
        real = {str(path): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}
        wrong = [
            path
            for path in sorted(model.keys() | real.keys())
            if model.get(path, b"") != real.get(path, b"") and not path.endswith("-shm")
        ]
        assert not wrong, f"the trace does not explain {wrong}"


def opened(project: Project) -> Database:
    found = Database.find(str(project.root), allow_network=True)
    assert found is not None, "state.db is not there"
    return found


def read_truth(project: Project) -> Truth:
    with opened(project) as database:
        runs = [row.number for row in database.runs()]
        rows = {run: database.rows(run) for run in runs}
        plans = {
            run: {
                revision: plan_from_json(database.plan(run, revision).decode())
                for revision in range(1, database.last_revision(run) + 1)
            }
            for run in runs
        }
    return Truth(rows, plans, read_entries(project.layout.cache))


def read_entries(directory: str) -> dict[str, Entry]:
    """All that the cache would hand out. Its own questions; only the list of keys is asked for here."""
    index = f"{directory}/index.db"
    if not os.path.exists(index):
        return {}
    try:
        with closing(sqlite3.connect(index)) as connection:
            keys = [str(key) for (key,) in connection.execute("SELECT key FROM entries")]
    except sqlite3.Error:
        keys = []  # that it is damaged is found by the cache, too, which begins anew
    cache = Cache(directory, on_warning=lambda _: None)
    try:
        return cache.get(keys, now=time.time())
    finally:
        cache.close()

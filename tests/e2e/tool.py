"""teamflow as a real process in a project of its own: started, signalled, waited for, and read from outside.

Around everything that a project starts lies a cgroup where the machine lets us make one: it tells what still lives.
Else the processes are looked for by their working directory and their environment.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from teamflow.app.session import read_state
from teamflow.core.events import Event, Record
from teamflow.core.plan import Plan
from teamflow.core.state import RunState
from teamflow.keeper import journal
from teamflow.store.layout import Layout
from teamflow.store.lock import Holder, holder_of
from teamflow.store.log import records as to_records
from teamflow.store.sqlite import Database
from tests.e2e.keeper_driver import PATIENCE, Truth, cgroup_root, level_environ, wait_for

REPOSITORY = Path(__file__).parents[2]

WORK = """#!/bin/sh
# work PHASE EXIT [SECONDS]: one line when it begins, one before it ends, with the process that leads its session
pause=${3:-$PACE}
read -r pid name state parent group leader rest < /proc/self/stat
printf 'begin %s %s %s %s\\n' "$TEAMFLOW_STEP" "$TEAMFLOW_ATTEMPT" "$1" "$leader" >> "$TEAMFLOW_PROJECT/ledger"
[ -z "$pause" ] || sleep "$pause"
printf 'end %s %s %s %s %s\\n' "$TEAMFLOW_STEP" "$TEAMFLOW_ATTEMPT" "$1" "$leader" "$2" >> "$TEAMFLOW_PROJECT/ledger"
exit "$2"
"""
"""What commands of these tests run. A line is one `write` to a file opened with O_APPEND."""

_GATE = threading.Lock()

Key = tuple[str, int, str]
"""(step, attempt, phase)"""


class Line(NamedTuple):
    """One line of the ledger; `exit` None: the line of the beginning."""

    step: str
    attempt: int
    phase: str
    leader: int
    exit: int | None

    @property
    def key(self) -> Key:
        return self.step, self.attempt, self.phase


class Done(NamedTuple):
    """A process that has ended."""

    code: int
    out: str
    err: str
    seconds: float


class Running:
    """A teamflow that was started. stdout and stderr go to files, so that nothing waits for a reader."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.process = process
        self.begun = time.monotonic()
        self._out = out
        self._err = err

    @property
    def pid(self) -> int:
        return self.process.pid

    def has_open(self, path: str) -> bool:
        """Whether it has this file open: a viewer, once it looks."""
        fds = Path(f"/proc/{self.pid}/fd")
        try:
            return any(os.readlink(fd) == path for fd in list(fds.iterdir()))
        except OSError:
            return False

    @property
    def screen(self) -> Path:
        """Where stdout goes to."""
        return self._out

    @property
    def out(self) -> str:
        return self._out.read_text(errors="backslashreplace")

    @property
    def err(self) -> str:
        return self._err.read_text(errors="backslashreplace")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def wait(self, seconds: float = PATIENCE) -> Done:
        """Its end; AssertionError with what it said if it does not come."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it has not ended in {seconds} s\n{self.out}\n{self.err}") from None
        return Done(code, self.out, self.err, time.monotonic() - self.begun)


class Terminal:
    """A teamflow in a terminal. What it shows is read by a thread, so that it never waits for a reader."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self.shown = b""
        self._descriptor = descriptor
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while data := os.read(self._descriptor, 65536):
                self.shown += data
        except OSError:
            pass

    def type(self, keys: bytes) -> None:
        os.write(self._descriptor, keys)

    def close(self) -> None:
        """The window is closed: the kernel hangs up. Idempotent."""
        if self._descriptor >= 0:
            # A descriptor in use by a read is let go of only when that returns.
            descriptor, self._descriptor = self._descriptor, -1
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, descriptor)
            os.close(null)


class Project:
    """A directory with a team file. `level`: the kill level of the keepers (empty: the best that there is)."""

    def __init__(self, team: str, *, level: str = "", files: Mapping[str, str] | None = None, home: str = "") -> None:
        self.home = Path(home or tempfile.mkdtemp(prefix="tfe-"))
        self.root = self.home / "p"
        self.root.mkdir()
        for name in ("run", "state", "user", "screens"):
            (self.home / name).mkdir(mode=0o700)
        self.truth = truth()
        self.level = level
        self._started: list[Running] = []
        self._terminals: list[Terminal] = []
        self._ptys: tuple[int, ...] = ()
        self._count = 0
        self.write("team.yaml", team)
        self.write("work", WORK)
        (self.root / "work").chmod(0o755)
        for name, text in (files or {}).items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    @property
    def environ(self) -> dict[str, str]:
        environ = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home / "user"),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "XDG_STATE_HOME": str(self.home / "state"),
            "PYTHONPATH": str(REPOSITORY),
            "LANG": "C.UTF-8",
        }
        return {**environ, **level_environ(self.level)}

    # -- processes -------------------------------------------------------------------------------------------

    def argv(self, words: Sequence[str]) -> list[str]:
        argv = [sys.executable, "-m", "teamflow", *words]
        if self.truth is not None:
            argv = ["/bin/sh", "-c", 'echo 0 > "$0/cgroup.procs"; exec "$@"', str(self.truth.path), *argv]
        return argv

    def start(
        self, *words: str, env: Mapping[str, str] | None = None, session: bool = True, attended: bool = False
    ) -> Running:
        """teamflow with these words, without a terminal; `attended`: one is its stdin, so people may be asked."""
        self._count += 1
        out, err = (self.home / "screens" / f"{self._count}.{name}" for name in ("out", "err"))
        if attended and not self._ptys:
            self._ptys = pty.openpty()
        with out.open("wb") as to, err.open("wb") as errors:
            process = subprocess.Popen(
                self.argv(words),
                cwd=self.root,
                env={**self.environ, **(env or {})},
                stdin=self._ptys[1] if attended else subprocess.DEVNULL,
                stdout=to,
                stderr=errors,
                start_new_session=session,
            )
        running = Running(process, out, err)
        self._started.append(running)
        return running

    def start_on_terminal(self, *words: str, env: Mapping[str, str] | None = None) -> Terminal:
        """teamflow in the foreground of a terminal of its own, 100 columns wide."""
        terminal, line = pty.openpty()
        fcntl.ioctl(line, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        process = subprocess.Popen(
            self.argv(words),
            cwd=self.root,
            env={**self.environ, "TERM": "xterm", **(env or {})},
            preexec_fn=lambda: os.login_tty(line),
        )
        os.close(line)
        opened = Terminal(process, terminal)
        self._terminals.append(opened)
        return opened

    def call(self, *words: str, env: Mapping[str, str] | None = None, seconds: float = 60.0) -> Done:
        return self.start(*words, env=env).wait(seconds)

    def run(self, *words: str, env: Mapping[str, str] | None = None, seconds: float = 60.0) -> Done:
        """`run --progress plain`, to its end."""
        return self.call("run", "--progress", "plain", *words, env=env, seconds=seconds)

    # -- what the store says ---------------------------------------------------------------------------------

    @property
    def layout(self) -> Layout:
        return Layout(str(self.root))

    def run_dir(self, run: int = 1) -> Path:
        return Path(self.layout.run(run))

    def runs(self) -> int:
        if not os.path.exists(self.layout.database):
            return 0
        with self._open() as database:
            return len(database.runs())

    def records(self, run: int = 1) -> list[Record]:
        """Empty where there is no run yet."""
        if not os.path.exists(self.layout.database):
            return []
        with self._open() as database:
            return list(to_records(database.rows(run)))

    def events(self, kind: type[Event], run: int = 1) -> list[Any]:
        return [record.event for record in self.records(run) if isinstance(record.event, kind)]

    def events_at(self, kind: type[Event], run: int = 1) -> list[float]:
        """When records of a kind were written (Unix)."""
        return [record.at for record in self.records(run) if isinstance(record.event, kind)]

    def state(self, run: int = 1) -> tuple[RunState, dict[int, Plan]]:
        with self._open() as database:
            return read_state(database, run)

    def _open(self) -> Database:
        found = Database.find(str(self.root), allow_network=True)
        assert found is not None, "no run was ever made"
        return found

    def status(self, run: int = 1) -> dict[str, Any]:
        done = self.call("status", "--json", "-r", str(run))
        assert done.code == 0, done
        shown: dict[str, Any] = json.loads(done.out)
        return shown

    def asked(self, run: int = 1) -> dict[str, int]:
        """Step → number of its open question."""
        if not os.path.exists(self.layout.database):
            return {}
        with self._open() as database:
            if database.run(run) is None:
                return {}
            return {question.step: number for number, question in read_state(database, run)[0].unanswered.items()}

    def statuses(self, run: int = 1) -> dict[str, str]:
        return {step_id: known.status.value for step_id, known in self.state(run)[0].steps.items()}

    def request(self, verb: str, args: Mapping[str, Any], run: int = 1) -> int:
        """Leaves a request as another terminal would, and wakes the runner."""
        return self.request_text(verb, json.dumps(args), run)

    def request_text(self, verb: str, args: str, run: int = 1) -> int:
        """As `request`, whatever stands in it."""
        from teamflow.store.wake import wake

        with self._open() as database:
            made = database.insert_request(run, verb, args, expected_seq=None, at=time.time(), by="test@here")
            wake(database.layout, run, env=self.environ)
        return made

    def journal(self, run: int = 1) -> list[dict[str, Any]]:
        try:
            return journal.read((self.run_dir(run) / "keeper.journal").read_bytes())
        except FileNotFoundError:
            return []

    def holder(self, run: int = 1) -> Holder | None:
        return holder_of(self.layout, run)

    def keeper(self, run: int = 1) -> int | None:
        """The pid of the living keeper, as far as its file says."""
        try:
            return int(json.loads((self.run_dir(run) / "keeper.json").read_text())["pid"])
        except (OSError, ValueError, KeyError):
            return None

    def kill_keeper(self, run: int = 1) -> bool:
        """SIGKILL to the run's keeper; False if there is none that is ours."""
        pid = self.keeper(run)
        if pid is None or (self.truth is not None and pid not in self.truth.pids()):
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    # -- what the commands themselves wrote ------------------------------------------------------------------

    def ledger(self) -> list[Line]:
        try:
            text = (self.root / "ledger").read_text()
        except FileNotFoundError:
            return []
        lines = []
        for line in text.splitlines():
            word, step, attempt, phase, leader, *rest = line.split()
            lines.append(Line(step, int(attempt), phase, int(leader), int(rest[0]) if word == "end" else None))
        return lines

    def begun(self, step: str) -> bool:
        return any(line.step == step for line in self.ledger())

    # -- what lives ------------------------------------------------------------------------------------------

    def alive(self) -> set[int]:
        """All processes that came of this project and live, the runner's and the keeper's too."""
        return self.truth.pids() if self.truth is not None else marked(str(self.home))

    def gone(self, seconds: float = PATIENCE) -> bool:
        """Waits until nothing lives."""
        return bool(wait_for(lambda: not self.alive(), seconds, 0.01))

    def close(self) -> None:
        """Ends what is left, whatever it is."""
        for terminal in self._terminals:
            terminal.close()
            if terminal.process.poll() is None:
                terminal.process.kill()
            terminal.process.wait(30)
        for running in self._started:
            if running.process.poll() is None:
                running.kill()
        for descriptor in self._ptys:
            os.close(descriptor)
        self._ptys = ()
        if self.truth is not None:
            self.truth.close()
        else:
            for pid in marked(str(self.home)):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def truth() -> Truth | None:
    """A cgroup of its own, where there can be one. One caller at a time: the look makes a directory for a moment."""
    with _GATE:
        return Truth() if cgroup_root() else None


def marked(home: str) -> set[int]:
    """Living processes that work below `home` or have it in their environment; not what hides from both."""
    found = set()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            state = Path(f"/proc/{name}/stat").read_text().rpartition(") ")[2][:1]
            there = os.readlink(f"/proc/{name}/cwd").startswith(home)
            there = there or home.encode() in Path(f"/proc/{name}/environ").read_bytes()
        except OSError:
            continue
        if there and state not in "ZX":
            found.add(int(name))
    return found


def until(condition: Callable[[], Any], what: str, *, seconds: float = PATIENCE, step: float = 0.005) -> Any:
    """What the condition gives, as soon as that is true; AssertionError naming `what` if it never is."""
    value = wait_for(condition, seconds, step)
    assert value, f"{what}: not within {seconds} s"
    return value

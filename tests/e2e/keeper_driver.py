"""A real keeper under test, a client that speaks its protocol, and a cgroup of the test's own that tells what lives.

The cgroup is made around the keeper and is never shown to it: what is in it is the truth about what was left.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PROGRAM = Path(__file__).parents[2] / "teamflow" / "keeper" / "__main__.py"
Message = dict[str, Any]
NOBODY = 65534
PLAIN_PYTHON = "/usr/bin/python3"

PATIENCE = 60.0
"""Seconds for what is to come about: long, for it proves nothing that a busy machine was quick."""


def cgroup_root() -> Path | None:
    """The directory of our own v2 cgroup, if cgroups can be made in it."""
    from teamflow.keeper import cgroups

    try:
        home = Path(cgroups.own()[0])
        probe = home / f"tf-probe-{os.getpid()}"
        probe.mkdir()
        usable = (probe / "cgroup.kill").exists()
        probe.rmdir()
    except (OSError, cgroups.Unavailable):
        return None
    return home if usable else None


def levels() -> list[str]:
    """The kill levels that this machine has."""
    return ["cgroup", "walk"] if cgroup_root() else ["walk"]


PORTABLE = "groups"
"""The kill level of systems other than Linux, and with it all that the keeper does there instead of Linux's means."""


def every_level() -> list[Any]:
    """As parameters of a test: those of this machine, and the portable one for the slow suites."""
    return [*levels(), pytest.param(PORTABLE, marks=pytest.mark.slow)]


def level_environ(level: str) -> dict[str, str]:
    """The variable that makes a keeper (and a runner) have that level; "": the best."""
    if level == PORTABLE:
        return {"TEAMFLOW_KEEPER_PLATFORM": "portable"}
    return {"TEAMFLOW_KILL_LEVEL": level} if level else {}


def has_pidns() -> bool:
    from teamflow.keeper import containment

    try:
        return bool(containment.Namespaces().wrap([b"true"]))
    except containment.Impossible:
        return False


def has_plain_user() -> bool:
    """Whether we can become a user without rights who can run a Python and read this checkout."""
    argv = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", PLAIN_PYTHON, "-I", "-S"]
    try:
        done = subprocess.run([*argv, "-c", f"open({str(PROGRAM)!r})"], capture_output=True, check=False)
    except OSError:
        return False
    return os.getuid() == 0 and done.returncode == 0


class Truth:
    """A cgroup around one keeper."""

    def __init__(self) -> None:
        root = cgroup_root()
        assert root is not None
        self.path = Path(tempfile.mkdtemp(prefix="tf-truth-", dir=root))

    def pids(self) -> set[int]:
        """All processes in it that are no zombies."""
        found = set()
        for directory, _, _ in os.walk(self.path):
            try:
                text = Path(directory, "cgroup.procs").read_text()
            except OSError:
                continue
            found |= {pid for pid in map(int, text.split()) if _alive(pid)}
        return found

    def close(self) -> None:
        """Kills what is in it."""
        (self.path / "cgroup.kill").write_text("1")
        wait_for(lambda: not self.pids())
        for directory, _, _ in os.walk(self.path, topdown=False):
            for _ in range(100):
                try:
                    os.rmdir(directory)
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except OSError:
        return False
    return state not in "ZX"


def _group(pid: int) -> int:
    """0 for what has ended meanwhile, which is then no group's."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE, step: float = 0.002) -> Any:
    """What a condition gives as soon as that is true, or what it gives after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > until:
            return value
        time.sleep(step)


class Closed(Exception):
    """The keeper closed the connection."""


class Client:
    """One connection."""

    def __init__(self, path: str, after: int | None = 0) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.messages: list[Message] = []
        self._rest = b""
        self.welcome: Message = {}
        if after is not None:
            self.send(op="hello", after=after)
            self.welcome = self.wait(lambda m: m.get("op") == "welcome")

    def send(self, **message: Any) -> None:
        self.send_raw(json.dumps(message).encode() + b"\n")

    def send_raw(self, data: bytes) -> None:
        self.sock.settimeout(PATIENCE)
        self.sock.sendall(data)

    def read(self, seconds: float) -> None:
        """Reads once; Closed at the end of the stream."""
        self.sock.settimeout(max(seconds, 0.001))
        try:
            data = self.sock.recv(1 << 18)
        except TimeoutError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.messages += [json.loads(line) for line in lines]

    def wait(self, wanted: Callable[[Message], bool], seconds: float = PATIENCE) -> Message:
        """The first message that is wanted."""
        until = time.monotonic() + seconds
        seen = 0
        while True:
            for message in self.messages[seen:]:
                if wanted(message):
                    return message
            seen = len(self.messages)
            if time.monotonic() > until:
                raise AssertionError(f"not told within {seconds} s; told: {self.messages[-20:]}")
            self.read(until - time.monotonic())

    def entry(self, kind: str, step: str, attempt: int = 1, phase: str = "agent", seconds: float = PATIENCE) -> Message:
        """The entry of a kind about a phase."""
        wanted = (kind, step, attempt, phase)
        return self.wait(lambda m: (m.get("e"), m.get("step"), m.get("attempt"), m.get("phase")) == wanted, seconds)

    def close(self) -> None:
        self.sock.close()


class Reaped(NamedTuple):
    """As `reaper.Reaped`, from another process."""

    gone: bool
    killed: list[int]
    why: str


class Keeper:
    """A keeper in a directory of its own, inside a Truth if the machine has one."""

    def __init__(
        self,
        level: str = "",
        *options: str,
        directory: str = "",
        plain_user: bool = False,
        program: Path = PROGRAM,
    ) -> None:
        self.home = directory or tempfile.mkdtemp(prefix="tfk-")
        self.plain_user = plain_user
        self.run = self.home + "/run"
        self.path = self.home + "/s"
        self.level = level
        self.program = program
        self.truth = Truth() if cgroup_root() else None
        os.makedirs(self.run, exist_ok=True)
        if plain_user:
            os.chown(self.home, NOBODY, NOBODY)
            os.chown(self.run, NOBODY, NOBODY)
        self.process = self.spawn(*options)
        self.clients: list[Client] = []

    def spawn(self, *options: str) -> subprocess.Popen[bytes]:
        """Starts the program and waits until it listens or ends."""
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", **level_environ(self.level)}
        reading, writing = os.pipe()
        python = sys.executable
        become: list[str] = []
        if self.plain_user:
            python = PLAIN_PYTHON
            become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        argv = [
            *become,
            python,
            "-I",
            "-S",
            str(self.program),
            self.run,
            self.path,
            "--ready-fd",
            str(writing),
            *options,
        ]
        if self.truth:
            script = 'echo 0 > "$0/cgroup.procs"; exec "$@"'
            argv = ["/bin/sh", "-c", script, str(self.truth.path), *argv]
        process = subprocess.Popen(
            argv, env=env, pass_fds=[writing], start_new_session=True, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        return process

    def client(self, after: int | None = 0) -> Client:
        client = Client(self.path, after)
        self.clients.append(client)
        if after is not None:
            client.send(op="env", id="e", vars={"PATH": "/usr/local/bin:/usr/bin:/bin", "BASE": "1"})
        return client

    def start(self, client: Client, step: str, argv: list[str] | str, **more: Any) -> None:
        """Sends a start; a string runs under `sh -c`."""
        message = self.request(step, argv, **more)
        client.send(**message)

    def request(self, step: str, argv: list[str] | str, **more: Any) -> Message:
        words = ["/bin/sh", "-c", argv] if isinstance(argv, str) else argv
        base = {"op": "start", "step": step, "attempt": 1, "phase": "agent", "argv": words, "cwd": self.home}
        return {**base, "env": "e", "log": self.log(step), "grace": 0.3, **more}

    def log(self, step: str) -> str:
        return f"{self.home}/logs/{step}/out.log"

    def output(self, step: str) -> str:
        return Path(self.log(step)).read_text()

    def journal(self) -> list[Message]:
        from teamflow.keeper import journal

        return journal.read(Path(self.run, "keeper.journal").read_bytes())

    def reap(self, *, deadline: float = PATIENCE) -> Reaped:
        """What `reaper.reap` makes of what a killed keeper left."""
        return self._reaped("reap(sys.argv[1], deadline=float(sys.argv[2]))", str(deadline))

    def reap_attempt(self, pid: int, start: int) -> Reaped:
        return self._reaped("reap_attempt(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))", str(pid), str(start))

    def _reaped(self, call: str, *words: str) -> Reaped:
        """In a process of its own: the platform is chosen when the keeper's modules are imported."""
        script = (
            "import json, sys; from teamflow.keeper import reaper\n"
            f"done = reaper.{call}\nprint(json.dumps([done.gone, done.killed, done.why]))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, self.run, *words],
            cwd=PROGRAM.parents[2],
            env={"PATH": "/usr/bin:/bin", **level_environ(self.level)},
            stdout=subprocess.PIPE,
            check=True,
        )
        return Reaped(*json.loads(done.stdout))

    def left(self) -> set[int]:
        """What lives besides the keeper and the programs that it asks (its group), by the test's own cgroup."""
        assert self.truth is not None
        return {pid for pid in self.truth.pids() if _group(pid) != self.process.pid}

    def close(self) -> None:
        """Ends the keeper and all of its own, whatever state they are in."""
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        if self.process.stderr:
            self.process.stderr.close()
        if self.truth:
            self.truth.close()
        shutil.rmtree(self.home, ignore_errors=True)

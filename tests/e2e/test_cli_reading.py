"""Runs that are really run, read from another terminal while they run and after."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.cli.made import argv, call, environment, process, started

WAITS = """
agents:
  slow: {command: "echo one; while [ ! -e go ]; do sleep 0.02; done; echo two"}
  after: {command: "echo three", depends_on: [slow]}
"""


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run whose first step has printed `one` and waits for the file `go`."""
    (tmp_path / "team.yaml").write_text(WAITS)
    with started(tmp_path, "run", "--progress", "quiet") as runner:
        until(lambda: (tmp_path / ".teamflow/runs/1/logs/slow.1.log").exists())
        try:
            yield runner
        finally:
            (tmp_path / "go").touch()
            runner.communicate(timeout=60)


def until(holds: Callable[[], bool], *, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read_until(stream: subprocess.Popen[bytes], word: bytes, *, seconds: float = 60.0) -> bytes:
    assert stream.stdout is not None
    descriptor, found = stream.stdout.fileno(), b""
    deadline = time.monotonic() + seconds
    while word not in found:
        assert time.monotonic() < deadline, found
        if select.select([descriptor], [], [], 0.05)[0]:
            data = os.read(descriptor, 65536)
            assert data, (found, stream.stderr.read() if stream.stderr else b"")
            found += data
    return found


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, root: Path, *words: str, rows: int = 24, columns: int = 90) -> None:
        self.out = b""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            argv(*words),
            cwd=root,
            env=environment(TERM="xterm-256color"),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._master = master

    def read(self, done: Callable[[bytes], bool], *, seconds: float = 60.0) -> None:
        """Reads until `done`, or until the process has closed its terminal."""
        deadline = time.monotonic() + seconds
        while not done(self.out):
            assert time.monotonic() < deadline, self.out[-2000:]
            if select.select([self._master], [], [], 0.05)[0]:
                try:
                    data = os.read(self._master, 65536)
                except OSError:
                    return
                self.out += data

    def end(self) -> int:
        self.read(lambda out: False)
        os.close(self._master)
        return self.process.wait(60)


@pytest.mark.parametrize("template", ["default", pytest.param("review", marks=pytest.mark.slow)])
def test_a_template_runs_and_tells(tmp_path: Path, template: str) -> None:
    assert call(tmp_path, "init", "--template", template).code == 0
    ran = process(tmp_path, "run")
    assert ran.code == 0, ran
    assert "run 1 of " in ran.err
    assert len(ran.err.split("run 1 of ")[-1].splitlines()) <= 15
    found = json.loads(call(tmp_path, "status", "--json", "--exit-status").out)
    assert found["status"] == "succeeded"
    assert all(step["status"] == "succeeded" for step in found["steps"])
    last = found["steps"][-1]
    assert last["text"] in ("Hello, the page has 3 lines", "reviews: 3")
    logs = call(tmp_path, "logs").out
    assert f"{last['id']} | {last['text']}\n" in logs
    assert '{"type"' not in logs


def test_plan_knows_what_the_cache_holds(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text("agents:\n  a: {command: cat in.txt, reads: [in.txt]}\n")
    (tmp_path / "in.txt").write_text("x")

    def action() -> tuple[str, str, int]:
        answer = call(tmp_path, "plan", "--json", "--detailed-exitcode")
        (step,) = json.loads(answer.out)["steps"]
        return step["action"], step["reason"], answer.code

    assert action() == ("run", "never ran", 10)
    assert process(tmp_path, "run").code == 0
    kind, reason, code = action()
    assert (kind, code) == ("cached", 0)
    assert "run 1" in reason
    (tmp_path / "in.txt").write_text("y")
    assert action() == ("run", "reads: in.txt changed", 10)
    assert process(tmp_path, "run").code == 0
    assert call(tmp_path, "why", "a").out.endswith("it ran because reads: in.txt changed\n")


def test_logs_and_events_follow_a_run(tmp_path: Path, waiting: subprocess.Popen[bytes]) -> None:
    with (
        started(tmp_path, "logs", "-f") as everything,
        started(tmp_path, "logs", "slow", "-f") as one,
        started(tmp_path, "events", "-f") as events,
        started(tmp_path, "status", "-w", "--exit-status") as status,
    ):
        seen = read_until(everything, b"slow | one\n")
        assert read_until(one, b"one\n") == b"one\n"
        read_until(events, b"AttemptStarted")
        read_until(status, b"slow: started\n")
        assert "running" in call(tmp_path, "status").out
        assert call(tmp_path, "why", "after").out == "after: pending: waits for slow (running)\n"
        (tmp_path / "go").touch()
        assert seen + everything.communicate(timeout=60)[0] == b"slow | one\nslow | two\nafter | three\n"
        assert one.communicate(timeout=60)[0] == b"two\n"
        assert b'"RunEnded"' in events.communicate(timeout=60)[0]
        assert b"after: succeeded" in status.communicate(timeout=60)[0]
        assert [each.returncode for each in (everything, one, events, status)] == [0, 0, 0, 0]


@pytest.mark.slow
def test_following_a_step_shows_every_attempt_that_comes(tmp_path: Path) -> None:
    command = "echo $TEAMFLOW_ATTEMPT; while [ ! -e go ]; do sleep 0.02; done; exit 1"
    step = f"{{command: {json.dumps(command)}, retry: {{attempts: 3, delay: 1ms}}}}"
    (tmp_path / "team.yaml").write_text(f"agents:\n  a: {step}\n")
    with started(tmp_path, "run", "--progress", "quiet") as runner:
        until(lambda: (tmp_path / ".teamflow/runs/1/logs/a.1.log").exists())
        with started(tmp_path, "logs", "a", "-f") as following:
            read_until(following, b"1\n")
            (tmp_path / "go").touch()
            assert following.communicate(timeout=60)[0] == b"2\n3\n"
        runner.communicate(timeout=60)
    assert call(tmp_path, "logs", "a").out == "3\n"
    assert call(tmp_path, "logs", "a", "--attempt", "2").out == "2\n"


@pytest.mark.slow
def test_a_log_that_is_truncated_is_read_again(tmp_path: Path, waiting: subprocess.Popen[bytes]) -> None:
    with started(tmp_path, "logs", "slow", "-f") as following:
        read_until(following, b"one\n")
        os.truncate(tmp_path / ".teamflow/runs/1/logs/slow.1.log", 0)
        read_until(following, b"the log was truncated")
        (tmp_path / "go").touch()
        assert following.communicate(timeout=60)[0].endswith(b"two\n")


def test_cancel_from_another_terminal(tmp_path: Path, waiting: subprocess.Popen[bytes]) -> None:
    assert call(tmp_path, "cancel", "slow") == (0, "cancelling slow\n", "")
    assert waiting.wait(timeout=60) == 1
    assert "cancelled by " in call(tmp_path, "why", "slow").out
    assert call(tmp_path, "why", "after").out == "after: skipped: slow was cancelled\n"
    assert call(tmp_path, "cancel", "slow").code == 1


@pytest.mark.slow
def test_a_runner_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(WAITS)
    with started(tmp_path, "run", "--progress", "quiet") as runner:
        until(lambda: (tmp_path / ".teamflow/runs/1/logs/slow.1.log").exists())
        with started(tmp_path, "logs", "-f") as following:
            read_until(following, b"slow | one\n")
            runner.kill()
            runner.wait(timeout=60)
            _, err = following.communicate(timeout=60)
            assert b"its runner is gone: `teamflow run` goes on" in err
    assert call(tmp_path, "status").out.startswith("run 1 of team: interrupted (its runner is gone)")
    found = json.loads(call(tmp_path, "status", "--json").out)
    assert (found["status"], found["runner"]) == ("running", None)
    assert call(tmp_path, "status", "--exit-status").code == 130
    (tmp_path / "go").touch()
    assert process(tmp_path, "run").code == 0
    assert call(tmp_path, "logs").out == "slow | one\nslow | two\nafter | three\n"


@pytest.mark.slow
def test_the_live_table_and_hostile_output(tmp_path: Path) -> None:
    hostile = r"printf '\033]0;owned\007\033[2Jpeek\n\033[31mlast words\n'"
    (tmp_path / "team.yaml").write_text(f"agents:\n  bad: {{command: {json.dumps(hostile + '; sleep 0.6; exit 3')}}}\n")
    terminal = Terminal(tmp_path, "run")
    assert terminal.end() == 1
    text = terminal.out.decode()
    assert "\x1b]0;" not in text
    assert "\x1b[2J" not in text
    assert "\x1b[31m" not in text
    assert "running" in text
    assert "bad | last words" in text
    assert text.index("\x1b[?25l") < text.rindex("\x1b[?25h")
    assert "teamflow logs bad" in text
    quiet = process(tmp_path, "run")
    assert "\x1b" not in quiet.err
    assert "bad | last words" in quiet.err


@pytest.mark.slow
def test_ctrl_c_leaves_the_view_and_not_the_run(tmp_path: Path, waiting: subprocess.Popen[bytes]) -> None:
    terminal = Terminal(tmp_path, "status", "-w")
    terminal.read(lambda out: b"slow" in out and b"running" in out)
    os.kill(terminal.process.pid, signal.SIGINT)
    assert terminal.end() == 130
    assert b"the run goes on" in terminal.out
    assert terminal.out.rstrip().endswith(b"shows it again")
    assert re.search(rb"\x1b\[\?25h", terminal.out)
    assert waiting.poll() is None


def test_a_narrow_screen_goes_without_columns_and_keeps_names_and_statuses(
    tmp_path: Path, waiting: subprocess.Popen[bytes]
) -> None:
    terminal = Terminal(tmp_path, "status", "-w", columns=40)
    terminal.read(lambda out: b"slow" in out and b"running" in out)
    os.kill(terminal.process.pid, signal.SIGINT)
    assert terminal.end() == 130
    assert b"STATUS" in terminal.out
    assert b"ENGINE" not in terminal.out
    assert waiting.poll() is None

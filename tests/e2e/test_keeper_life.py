"""Start and exit of processes by a real keeper: codes, signals, what a child gets, who may start and who owns."""

import errno
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.keeper_driver import PORTABLE, PROGRAM, Client, Closed, Keeper, has_plain_user, wait_for
from tests.fakes.pythons import python_or_skip


def test_welcome_and_files_say_who_it_is(keeper: Keeper) -> None:
    client = keeper.client()
    about = json.loads(Path(keeper.run, "keeper.json").read_text())
    assert client.welcome["level"] == about["level"] == keeper.level
    assert client.welcome["pid"] == about["pid"] == keeper.process.pid
    fields = Path(f"/proc/{about['pid']}/stat").read_text().rpartition(") ")[2].split()
    assert _is_start(about["start"], int(fields[19]), keeper)
    assert int(fields[3]) == about["pid"], "it leads a session"
    assert about["boot"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert stat.S_IMODE(os.stat(keeper.path).st_mode) == 0o600
    assert {os.readlink(f"/proc/{about['pid']}/fd/{fd}") for fd in (0, 1, 2)} == {"/dev/null"}


def _is_start(told: int, ticks: int, keeper: Keeper) -> bool:
    """Ticks since boot as the kernel has them; seconds since 1970, more or less, where there is only ps to ask."""
    if keeper.level != PORTABLE:
        return told == ticks
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    return abs(told - (time.time() - up + ticks / os.sysconf("SC_CLK_TCK"))) < 2


@pytest.mark.parametrize(
    ("argv", "code", "number"),
    [
        ("exit 0", 0, None),
        ("exit 7", 7, None),
        ("exit 255", 255, None),
        ("kill -9 $$", None, 9),
        ("kill -TERM $$", None, 15),
        ("kill -SEGV $$", None, 11),
        (["/bin/true"], 0, None),
        (["false"], 1, None),
        ("no-such-program-here", 127, None),
        ("/etc/passwd", 126, None),
    ],
)
def test_exit_codes_and_signals(
    any_keeper: Keeper, argv: list[str] | str, code: int | None, number: int | None
) -> None:
    client = any_keeper.client()
    any_keeper.start(client, "s", argv)
    entry = client.entry("exit", "s")
    assert (entry["code"], entry["signal"], entry["cause"]) == (code, number, None)
    assert set(entry["rusage"]) == {"utime", "stime", "maxrss"}
    assert entry["err_size"] is None


def test_what_cannot_start_is_a_fail_entry(any_keeper: Keeper, tmp_path: Path) -> None:
    client = any_keeper.client()
    script = tmp_path / "script"
    script.write_text("exit 3\n")
    script.chmod(0o755)
    cases = {
        "missing": (["no-such-program-here"], {}, 2),
        "not executable": (["/etc/passwd"], {}, 13),
        "a directory": (["/tmp"], {}, 13),
        "no interpreter": ([str(script)], {}, 8),
        "cwd gone": (["true"], {"cwd": "/no/such/directory"}, 2),
        "log impossible": (["true"], {"log": "/proc/nothing/out.log"}, 2),
        "nul": (["true", "a\0b"], {}, 22),
        "no such environment": (["true"], {"env": "unknown"}, 0),
        "too long": (["true", "x" * 3_000_000], {}, 7),
    }
    for step, (argv, more, number) in cases.items():
        any_keeper.start(client, step, argv, note={"k": step}, **more)
        entry = client.entry("fail", step)
        assert entry["errno"] == number, step
        assert entry["error"]
        assert entry["note"] == {"k": step}
    any_keeper.start(client, "after", ["true"])
    assert client.entry("exit", "after")["code"] == 0


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["no-such-program-here", "x"], 127, "not found"),
        (["/etc/passwd"], 126, "denied"),
        (["./script"], 3, ""),
    ],
)
def test_fallback_gives_what_the_shell_gives(any_keeper: Keeper, argv: list[str], code: int, said: str) -> None:
    script = Path(any_keeper.home, "script")
    script.write_text("exit 3\n")
    script.chmod(0o755)
    client = any_keeper.client()
    any_keeper.start(client, "s", argv, fallback=["/bin/sh", "-c", " ".join(argv)])
    assert client.entry("start", "s")["fallback"] is True
    assert client.entry("exit", "s")["code"] == code
    assert said in any_keeper.output("s")


def test_program_is_looked_up_along_the_childs_path(any_keeper: Keeper) -> None:
    home = Path(any_keeper.home)
    for name in ("one", "two"):
        (home / name).mkdir()
        (home / name / "tool").write_text(f"#!/bin/sh\necho {name}\n")
        (home / name / "tool").chmod(0o755)
    (home / "tool").write_text("#!/bin/sh\necho cwd\n")
    (home / "tool").chmod(0o755)
    client = any_keeper.client()
    cases = {
        "absolute": (f"{home}/one:{home}/two:/bin", "one\n"),
        "relative": ("two:/bin", "two\n"),
        "empty elements are no directory": (f"::{home}/two:", "two\n"),
    }
    for step, (path, output) in cases.items():
        any_keeper.start(client, step, ["tool"], env_add={"PATH": path})
        assert client.entry("exit", step)["code"] == 0, any_keeper.output(step)
        assert any_keeper.output(step) == output
    any_keeper.start(client, "shell", ["tool"], env_add={"PATH": ":/bin"}, fallback=["/bin/sh", "-c", "tool"])
    client.entry("exit", "shell")
    assert any_keeper.output("shell") == "cwd\n", "what an empty element means is the shell's business"


def test_a_child_has_three_files_and_a_clean_slate(keeper: Keeper) -> None:
    client = keeper.client()
    keeper.start(client, "first", "sleep 5", stdin="pipe")
    client.entry("start", "first")
    look = (
        "import os, signal\n"
        "print(sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:-1])\n"
        "print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))\n"
        "print([n for n in range(1, 65) if n not in (13, 25) and n not in (32, 33)"
        " and signal.getsignal(n) == signal.SIG_IGN])\n"
        "print(os.getsid(0) == os.getpid(), os.getcwd())\n"
    )
    keeper.start(client, "look", [sys.executable, "-I", "-S", "-c", look], env_add={"X": "é\udcff", "BASE": None})
    assert client.entry("exit", "look")["code"] == 0
    assert keeper.output("look") == f"[0, 1, 2]\nset()\n[]\nTrue {keeper.home}\n"
    keeper.start(client, "ignored", ["/bin/sh", "-c", "grep SigIgn /proc/self/status"])
    client.entry("exit", "ignored")
    # The C library leaves its own two signals, 32 and 33, ignored in whatever it spawns.
    assert int(keeper.output("ignored").split()[1], 16) & ~0x180000000 == 0
    keeper.start(client, "env", ["env"], env_add={"X": "é\udcff", "BASE": None})
    client.entry("exit", "env")
    lines = Path(keeper.log("env")).read_bytes().splitlines()
    run = json.loads(Path(keeper.run, "keeper.json").read_text())["run"]
    assert sorted(lines) == [
        b"PATH=/usr/local/bin:/usr/bin:/bin",
        f"TEAMFLOW_ATTEMPT_ID={run}:env:1".encode(),
        b"X=\xc3\xa9\xff",
    ]


def test_both_streams_go_to_one_file_or_to_two(any_keeper: Keeper) -> None:
    client = any_keeper.client()
    Path(any_keeper.home, "logs/one").mkdir(parents=True)
    Path(any_keeper.log("one")).write_text("before\n")
    any_keeper.start(client, "one", "echo out; echo err >&2; echo out")
    assert client.entry("start", "one")["log_offset"] == 7
    assert client.entry("exit", "one")["log_size"] == 19
    assert any_keeper.output("one") == "before\nout\nerr\nout\n"
    err = f"{any_keeper.home}/logs/two/err.log"
    any_keeper.start(client, "two", "echo out; echo error >&2", err=err)
    entry = client.entry("exit", "two")
    assert (entry["log_size"], entry["err_size"]) == (4, 6)
    assert stat.S_IMODE(os.stat(err).st_mode) == 0o600
    assert Path(err).read_text() == "error\n"


def test_a_daemon_that_keeps_the_output_open_delays_nothing_and_is_ended(keeper: Keeper) -> None:
    client = keeper.client()
    keeper.start(client, "d", "setsid sleep 300 & echo done; exit 5")
    assert client.entry("exit", "d")["code"] == 5
    assert wait_for(lambda: not keeper.left()) if keeper.truth else True


@pytest.mark.slow
def test_start_times_in_the_journal_are_those_of_the_kernel(any_keeper: Keeper) -> None:
    client = any_keeper.client()
    for number in range(60):
        any_keeper.start(client, f"s{number}", ["sleep", "20"])
    for number in range(60):
        entry = client.entry("start", f"s{number}")
        fields = Path(f"/proc/{entry['pid']}/stat").read_text().rpartition(") ")[2].split()
        assert _is_start(entry["start"], int(fields[19]), any_keeper)
        assert abs(entry["t"] - int(fields[19]) / os.sysconf("SC_CLK_TCK")) < 1
    client.send(op="stop_all", grace=0)
    assert client.entry("exit", "s59")["signal"] == 9


def test_a_second_keeper_is_refused(any_keeper: Keeper) -> None:
    argv = [sys.executable, "-I", "-S", str(PROGRAM), any_keeper.run, any_keeper.path]
    second = subprocess.run(argv, capture_output=True, timeout=60, check=False)
    assert second.returncode == 3
    assert b"keeper.lock" in second.stderr
    assert any_keeper.client().welcome["seq"] == 0, "the first one is not disturbed"


@pytest.mark.parametrize(
    "arguments",
    [[], ["/tmp"], ["/no/such/dir", "/tmp/s"], ["/tmp", "/tmp/s", "--linger"], ["/tmp", "/tmp/s", "--x", "1"]],
)
def test_wrong_arguments(arguments: list[str]) -> None:
    argv = [sys.executable, "-I", "-S", str(PROGRAM), *arguments]
    done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


def test_an_impossible_forced_level_is_an_error(tmp_path: Path) -> None:
    argv = [sys.executable, "-I", "-S", str(PROGRAM), str(tmp_path), str(tmp_path / "s")]
    env = {"TEAMFLOW_KILL_LEVEL": "magic"}
    done = subprocess.run(argv, capture_output=True, timeout=60, env=env, check=False)
    assert done.returncode == 2
    assert b"magic" in done.stderr


@pytest.mark.skipif(not has_plain_user(), reason="there is no other user to become")
def test_a_level_that_is_forced_and_not_allowed_is_an_error() -> None:
    keeper = Keeper("cgroup", plain_user=True)
    try:
        assert keeper.process.wait(60) == 2
        assert keeper.process.stderr
        assert b"TEAMFLOW_KILL_LEVEL=cgroup" in keeper.process.stderr.read()
        assert not Path(keeper.run, "keeper.json").exists()
    finally:
        keeper.close()


@pytest.mark.parametrize("shape", ["file", "directory", "zipapp"])
def test_it_runs_as_file_directory_and_zipapp(shape: str, tmp_path: Path) -> None:
    program = {"file": PROGRAM, "directory": PROGRAM.parent}.get(shape)
    if program is None:
        program = tmp_path / "keeper.pyz"
        subprocess.run([sys.executable, "-m", "zipapp", str(PROGRAM.parent), "-o", str(program)], check=True)
    argv = [sys.executable, "-I", "-S", str(program), str(tmp_path), str(tmp_path / "s"), "--linger", "0"]
    process = subprocess.Popen(argv)
    assert wait_for(lambda: (tmp_path / "keeper.json").exists())
    client = Client(str(tmp_path / "s"))
    client.send(op="quit")
    client.wait(lambda m: m.get("op") == "bye")
    client.close()
    assert process.wait(60) == 0


@pytest.mark.parametrize("minor", [9, 11, *(pytest.param(n, marks=pytest.mark.slow) for n in (10, 12, 13, 14))])
def test_it_runs_on_every_python_that_is_here(minor: int, tmp_path: Path) -> None:
    python = python_or_skip(minor)
    process = subprocess.Popen([python, "-I", "-S", str(PROGRAM), str(tmp_path), str(tmp_path / "s")])
    try:
        assert wait_for((tmp_path / "keeper.json").exists)
        client = Client(str(tmp_path / "s"))
        for step, level in (("a", None), ("b", "pidns")):
            client.send(
                op="start", step=step, attempt=1, phase="agent", argv=["/bin/sh", "-c", "read x; exit $x"], cwd="/",
                log=str(tmp_path / "out.log"), stdin={"data": "7\n"}, timeout=9, idle=9, isolation=level,
            )  # fmt: skip
        assert client.entry("exit", "a")["code"] == 7
        client.wait(lambda m: m.get("step") == "b" and m.get("e") in ("exit", "fail"))
        client.send(op="quit")
        assert process.wait(60) == 0
        client.close()
    finally:
        process.kill()
        process.wait()


def test_a_repeated_start_starts_once(any_keeper: Keeper) -> None:
    client = any_keeper.client()
    for _ in range(3):
        any_keeper.start(client, "s", "echo x")
    client.entry("exit", "s")
    any_keeper.start(client, "s", "echo x")
    any_keeper.start(client, "s", "echo y", phase="verify.1")
    client.entry("exit", "s", phase="verify.1")
    assert any_keeper.output("s") == "x\ny\n"
    assert [entry["e"] for entry in any_keeper.journal()] == ["start", "exit", "start", "exit"]


def test_the_newest_that_says_hello_owns(any_keeper: Keeper) -> None:
    first = any_keeper.client()
    any_keeper.start(first, "a", "sleep 20")
    first.entry("start", "a")
    second = any_keeper.client(None)
    any_keeper.start(second, "b", "true")
    assert second.wait(lambda m: m.get("error") == "not_owner")["of"] == "start"
    second.send(op="hello", after=0)
    second.entry("start", "a")
    assert first.wait(lambda m: m.get("op") == "superseded")
    with pytest.raises(Closed):
        first.read(2)
    second.send(op="stop_all", grace=0)
    second.entry("exit", "a")


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"1 2", b"\xff\xfe", b'{"op":"start"}', b'{"op":"nonsense"}', b'{"op":"stop"}', b"[" * 100_000],
)
def test_nonsense_is_answered_and_survived(any_keeper: Keeper, line: bytes) -> None:
    client = any_keeper.client()
    client.send_raw(line + b"\n")
    assert client.wait(lambda m: m.get("op") == "error")["error"] in ("malformed", "unknown_op")
    any_keeper.start(client, "s", "true")
    assert client.entry("exit", "s")["code"] == 0


def test_who_comes_back_reads_on_from_its_number(any_keeper: Keeper) -> None:
    first = any_keeper.client()
    for number in range(5):
        any_keeper.start(first, f"s{number}", "true")
        first.entry("exit", f"s{number}")
    any_keeper.start(first, "late", "sleep 0.15; exit 9")
    first.entry("start", "late")
    first.sock.close()
    second = any_keeper.client(after=7)
    assert second.welcome["seq"] >= 11
    second.entry("exit", "late")
    assert [m["seq"] for m in second.messages if "seq" in m and "e" in m] == list(range(8, 13))
    assert second.entry("exit", "late")["code"] == 9
    third = any_keeper.client(after=99)
    assert third.welcome["seq"] == 12


def test_a_client_killed_in_the_middle_of_a_line_harms_nobody(any_keeper: Keeper) -> None:
    client = any_keeper.client()
    any_keeper.start(client, "s", "sleep 0.1; exit 4")
    client.entry("start", "s")
    client.send_raw(b'{"op":"start","step":"half')
    client.sock.close()
    again = any_keeper.client()
    assert again.entry("exit", "s")["code"] == 4
    assert all(entry["step"] == "s" for entry in any_keeper.journal())


@pytest.mark.slow
def test_quit_is_refused_while_something_runs() -> None:
    keeper = Keeper("", "--linger", "0.1")
    try:
        client = keeper.client()
        gate = Path(keeper.home, "gate")
        os.mkfifo(gate)
        keeper.start(client, "s", f"read x < {gate}")
        client.send(op="quit")
        assert client.wait(lambda m: m.get("op") == "error")["error"] == "running"
        gate.write_text("\n")
        client.entry("exit", "s")
        client.send(op="ping")
        client.wait(lambda m: m.get("op") == "pong")
        client.send(op="quit")
        client.wait(lambda m: m.get("op") == "bye")
        assert keeper.process.wait(60) == 0
        assert sorted(os.listdir(keeper.run)) == ["keeper.intents", "keeper.journal", "keeper.lock"]
        assert not os.path.exists(keeper.path)
        if keeper.truth:
            assert [path.name for path in keeper.truth.path.iterdir() if path.is_dir()] == []
    finally:
        keeper.close()


@pytest.mark.slow
def test_it_goes_when_nobody_is_there_and_nothing_runs() -> None:
    keeper = Keeper("", "--linger", "0.1")
    try:
        client = keeper.client()
        keeper.start(client, "s", "sleep 0.3; setsid sleep 300 & exit 0")
        client.entry("start", "s")
        client.sock.close()
        assert keeper.process.wait(60) == 0
        assert [entry["e"] for entry in keeper.journal()] == ["start", "exit"]
        assert not keeper.truth or not keeper.truth.pids()
    finally:
        keeper.close()


@pytest.mark.slow
def test_term_stops_everything_and_ends_the_keeper(keeper: Keeper) -> None:
    client = keeper.client()
    keeper.start(client, "s", "trap '' INT; sleep 300 & sleep 300", grace=0.2)
    client.entry("start", "s")
    for ignored in (signal.SIGHUP, signal.SIGINT):
        keeper.process.send_signal(ignored)
    time.sleep(0.05)
    keeper.process.send_signal(signal.SIGTERM)
    assert client.entry("exit", "s")["cause"] == "keeper_stopped"
    assert keeper.process.wait(60) == 0
    assert not keeper.truth or not keeper.truth.pids()


@pytest.mark.slow
def test_two_hundred_phases_in_a_burst(any_keeper: Keeper) -> None:
    client = any_keeper.client()
    batch = [any_keeper.request(f"s{n}", [["/bin/true"], ["/bin/false"]][n % 2]) for n in range(200)]
    client.send_raw(b"".join(json.dumps(message).encode() + b"\n" for message in batch))
    for n in range(200):
        assert client.entry("exit", f"s{n}")["code"] == n % 2
    entries = any_keeper.journal()
    assert [entry["seq"] for entry in entries] == list(range(1, 401))
    assert [m for m in client.messages if "e" in m] == entries


@pytest.mark.parametrize("hard", [4096, pytest.param(50, marks=pytest.mark.slow)])
def test_more_phases_than_the_limit_on_open_files_allows(any_keeper: Keeper, hard: int) -> None:
    """It raises its own limit as far as it may; what it starts has the one that it was given."""
    client = any_keeper.client()
    resource.prlimit(any_keeper.process.pid, resource.RLIMIT_NOFILE, (40, hard))
    steps = [f"s{number}" for number in range(24)]
    for step in steps:
        script = f"read x; ulimit -Sn; ulimit -Hn; echo $x >&2; sleep {0.2 if hard == 4096 else 3}"
        any_keeper.start(client, step, script, stdin={"data": f"{step}\n"}, err=any_keeper.log(step) + ".err")
    ends = [client.wait(lambda m, step=step: m.get("step") == step and m["e"] in ("exit", "fail")) for step in steps]
    codes = [end.get("code") for end in ends]
    assert codes.count(0) == 24 if hard == 4096 else 0 < codes.count(0) < 24
    for step, end in zip(steps, ends, strict=True):
        if end["e"] == "exit":
            assert any_keeper.output(step) == f"40\n{hard}\n"
            assert Path(any_keeper.log(step) + ".err").read_text() == f"{step}\n"
        else:
            assert end["errno"] == errno.EMFILE
    any_keeper.start(client, "later", "exit 5")
    assert client.entry("exit", "later")["code"] == 5

"""Names, requests, limits, /proc: the small parts that can be tried without a keeper."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamflow.keeper import cgroups, feed, job, limits, marks, names, proc_linux, spawn, wire

START = {"step": "s", "attempt": 1, "phase": "agent", "argv": ["true"], "cwd": "/", "log": "/tmp/out.log"}
junk = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
junk |= st.dictionaries(st.text(max_size=3), st.integers(), max_size=2) | st.floats()


@given(st.text(min_size=1), st.integers(0, 1 << 40))
def test_a_mark_is_a_limit_that_tells_its_run(path: str, number: int) -> None:
    run = names.run_hash("/" + path)
    mark = names.limit_mark(run, number)
    assert 1 << 62 <= mark < 1 << 63
    assert names.carries_run(run, mark)
    assert mark & 0xFFFFFF == number & 0xFFFFFF
    assert not names.carries_run(names.run_hash("/other" + path), mark)
    assert not names.carries_run(run, -1)


def test_the_hash_is_fnv() -> None:
    assert names.run_hash("") == "cbf29ce484222325"
    assert names.run_hash("foobar") == "85944171f73967e8"


@given(
    st.sampled_from(
        [*sorted({*START, "fallback", "err", "env", "env_add", "stdin", "timeout", "idle", "idle_paths", "files"})]
    ),
    junk,
)
def test_any_value_anywhere_is_taken_or_malformed(key: str, value: object) -> None:
    try:
        job.Request({**START, key: value})
    except wire.Malformed:
        pass


def test_a_request_has_defaults() -> None:
    request = job.Request(dict(START))
    assert (request.grace, request.stdin, request.stdin_eof, request.err) == (10.0, None, True, None)
    assert job.Request({**START, "stdin": {"data": "é\udcff"}}).stdin == b"\xc3\xa9\xff"
    assert job.Request({**START, "files": {"/a": "é\udcff"}}).files == [(b"/a", b"\xc3\xa9\xff")]
    for wrong in (
        {"stdin": {"data": "\ud800"}},
        {"files": {"/a": "\ud800"}},
        {"files": {"a": ""}},
        {"files": {"/a": 1}},
    ):
        with pytest.raises(wire.Malformed):
            job.Request({**START, **wrong})
    assert (job.Request({**START, "stdin": "pipe"}).stdin, job.Request({**START, "stdin": "pipe"}).stdin_eof) == (
        b"",
        False,
    )


@pytest.mark.parametrize(
    ("log", "where"),
    [
        (b"/a/out.log", b"/a/in.log"),
        (b"/a/b.out.log", b"/a/b.in.log"),
        (b"/a/verify.1.log", b"/a/verify.1.in.log"),
        (b"/a/shout.log", b"/a/shout.in.log"),
        (b"/a/log", b"/a/log.in.log"),
    ],
)
def test_where_input_is_recorded(log: bytes, where: bytes) -> None:
    assert feed.in_log(log) == where


def test_a_process_whose_name_is_a_trap() -> None:
    line = b"42 (a) R 1 (b)) S 7 8 9 0 -1 1 2 3 4 5 6 7 8 9 20 0 1 0 4711 1 1\n"
    found = proc_linux.Process(line)
    assert (found.pid, found.parent, found.session, found.start, found.alive) == (42, 7, 9, 4711, True)
    assert not proc_linux.Process(line.replace(b") S", b") Z")).alive


def test_a_signal_does_not_reach_another_process_of_the_same_number() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        start = proc_linux.start_time(child.pid)
        assert not proc_linux.signal(child.pid, start + 1, 9)
        assert not marks.signal_marked(child.pid, 1 << 62, 9)
        assert not proc_linux.signal_in_cgroup(child.pid, "/no/such/group", 9)
        assert child.poll() is None
        assert proc_linux.signal(child.pid, start, 9)
        assert child.wait(60) == -9
        assert not proc_linux.signal(child.pid, start, 9)
    finally:
        child.kill()
        child.wait()


def test_a_mark_is_inherited_and_dropped() -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from teamflow.keeper import marks as worn, proc_linux as proc\n"
        "import os, subprocess\n"
        "marks = worn.Marks(); marks.wear((1 << 62) + 5)\n"
        "child = subprocess.Popen(['env', '-i', '/usr/bin/setsid', '/bin/sleep', '60'])\n"
        "print(proc.limit_mark(child.pid) - (1 << 62)); child.kill(); marks.drop()\n"
        "print(proc.limit_mark(os.getpid()))\n"
    )
    argv = [sys.executable, "-c", script, str(Path(__file__).parents[3])]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "5\n-1\n"


def test_an_escaped_path_of_mountinfo() -> None:
    assert cgroups._unescaped(r"/a\040b\134c") == "/a b\\c"
    assert cgroups._unescaped("/plain") == "/plain"


def test_a_program_is_found_like_the_shell_does(tmp_path: Path) -> None:
    for name, mode in (("one", 0o644), ("two", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tool").write_text("")
        (tmp_path / name / "tool").chmod(mode)
    (tmp_path / "dir" / "tool").mkdir(parents=True)
    base = os.fsencode(tmp_path)
    path = b":".join(base + b"/" + name for name in (b"none", b"dir", b"one", b"two"))
    assert spawn.find(b"tool", path) == base + b"/two/tool"
    assert spawn.find(b"tool", base + b"/one") == base + b"/one/tool", "so that the kernel says why not"
    assert spawn.find(b"tool", b"::") is None
    assert spawn.find(b"./tool", b"") == b"./tool"


def _newest(top: Path, enough: float = 1e12) -> float:
    return [found for found in limits.newest([os.fsencode(top)], enough) if found is not None][-1]


def test_the_newest_file_counts_but_not_in_git(tmp_path: Path) -> None:
    assert _newest(tmp_path) == 0
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "a" / "b" / "file").write_text("x")
    (tmp_path / ".git" / "index").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path)
    for path in [*tmp_path.rglob("*"), tmp_path]:
        os.utime(path, (1000, 1000), follow_symlinks=False)
    os.utime(tmp_path / "a" / "b" / "file", (5000, 5000))
    os.utime(tmp_path / ".git" / "index", (9000, 9000))
    assert _newest(tmp_path) == 5000
    assert _newest(tmp_path / "missing") == 0


def test_a_great_tree_is_looked_at_in_slices(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / str(number)).mkdir()
        for other in range(30):
            (tmp_path / str(number) / str(other)).touch()
    steps = list(limits.newest([os.fsencode(tmp_path)], 1e12))
    assert steps[-1] is not None
    assert all(step is None for step in steps[:-1])
    assert next(limits.newest([os.fsencode(tmp_path)], 0)) is not None, "one that is new enough ends it"


def test_the_keeper_is_written_for_python_3_9() -> None:
    """Where an old Python is there, it runs the program; the syntax is checked everywhere."""
    import ast

    for path in Path(cgroups.__file__).parent.glob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("platform", ["", "portable"])
def test_the_keeper_imports_nothing_that_is_slow_to_import(platform: str) -> None:
    levels = "keeper.groups, keeper.polling" if platform else "keeper.cgroups, keeper.walk"
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "package = type(sys)('keeper'); package.__path__ = [sys.argv[1] + '/teamflow/keeper']\n"
        "sys.modules['keeper'] = package\n"
        f"import keeper.program, {levels}\n"
        "print(*sorted(sys.modules))\n"
    )
    argv = [sys.executable, "-I", "-S", "-c", script, str(Path(__file__).parents[3])]
    env = {"TEAMFLOW_KEEPER_PLATFORM": platform}
    modules = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout.split()
    assert ("keeper.proc_linux" in modules) == (platform == "")
    assert ("keeper.proc_ps" in modules) == (platform != "")
    slow = {
        "os",
        "re",
        "json",
        "typing",
        "signal",
        "socket",
        "ctypes",
        "subprocess",
        "argparse",
        "threading",
        "enum",
        "teamflow",
    }
    assert not slow & set(modules)

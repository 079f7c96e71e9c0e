"""What ps and sysctl tell, here and as the manuals of other systems have it."""

import os
import subprocess
import sys
import time

import pytest

from teamflow.keeper import answers, names, proc_linux, proc_ps

RUN = names.run_hash("/some/run")


class _Told:
    """A look whose second question is answered beforehand."""

    def __init__(self, plain: bytes) -> None:
        self._plain = plain

    def plain(self, pid: int) -> bytes:
        return self._plain


def _process(line: bytes, plain: bytes = b"") -> proc_ps.Process:
    return proc_ps.Process(line, _Told(plain))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"  501  1  501  501 Ss   Fri Nov 20 08:25:09 2026 sleep 5 A=b", (501, 1, 501, 501, 1795163109, True)),
        (b"501 499 480      0 S+   Fri Nov 20 08:25:09 2026     /bin/sh -c x", (501, 499, 480, 480, 1795163109, True)),
        (b"501 499 480 ffffff80 R  Fri 20 Nov 08:25:09 2026 /bin/sh", (501, 499, 480, 480, 1795163109, True)),
        (b"501 1 501 501 Z    Mon Jan  5 00:00:00 1970 ", (501, 1, 501, 501, 345600, False)),
        (b"7 2 0 0 I Thu Jan  1 00:00:02 1970 [kworker/0:4-x y]", (7, 2, 0, 0, 2, True)),
    ],
    ids=["linux", "macos", "another order", "zombie", "kernel thread"],
)
def test_lines(line: bytes, expected: tuple[object, ...]) -> None:
    found = _process(line)
    assert (found.pid, found.parent, found.group, found.session, found.start, found.alive) == expected


@pytest.mark.parametrize("line", [b"", b"PID PPID", b"1 2 3 4 S Fri Nov 20", b"a b c d S Fri Nov 20 08:25:09 2026 x"])
def test_what_is_no_line(line: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        _process(line)


def test_the_mark_counts_in_the_environment_and_not_among_the_words() -> None:
    begin = b"501 1 501 501 S Fri Nov 20 08:25:09 2026 "
    mark = names.marker(RUN, "build/api", 3)
    item = b"TEAMFLOW_ATTEMPT_ID=" + mark.encode()
    assert proc_ps.marker(_process(begin + b"sleep 5 A=b c " + item + b" PATH=/bin", b" sleep 5")) == mark
    assert proc_ps.marker(_process(begin + b"sleep 5 " + item, b" sleep 5")) == mark
    assert proc_ps.marker(_process(begin + b"sh -c grep " + item + b" PATH=/bin", b" sh -c grep " + item)) is None
    other = b"TEAMFLOW_ATTEMPT_ID=x:y:1"
    both = begin + b"grep " + other + b" " + item + b" A=b"
    assert proc_ps.marker(_process(both, b" grep " + other)) == mark
    assert proc_ps.marker(_process(begin + b"sleep 5 PATH=/bin", b" sleep 5")) is None
    assert proc_ps.marker(_process(begin + b"sleep 5 " + item)) is None, "it is gone by now"


@pytest.mark.parametrize(
    ("told", "boot"),
    [
        ("{ sec = 1763625600, usec = 12 } Thu Nov 20 08:00:00 2025", "1763625600"),
        ("0A1B2C3D-0000-0000-0000-000000000000", "0A1B2C3D-0000-0000-0000-000000000000"),
    ],
)
def test_boots(told: str, boot: str) -> None:
    assert proc_ps.boot_of(told) == boot


def test_it_agrees_with_proc() -> None:
    assert proc_ps.boot_id() == proc_linux.boot_id()
    assert abs(proc_ps.boottime() - proc_linux.boottime()) < 60
    before = proc_ps.moment()
    with subprocess.Popen(
        ["/bin/sh", "-c", "setsid sleep 60; true"], env={**os.environ, names.MARKER: "a:b:1"}
    ) as child:
        until = time.monotonic() + 60
        while not (below := [one for one in proc_ps.processes() if (one.parent, one.session) == (child.pid, one.pid)]):
            assert time.monotonic() < until
        (inner,) = below
        outer = proc_ps.process(child.pid)
        truth = proc_linux.process(inner.pid)
        assert outer is not None
        assert truth is not None
        assert (outer.parent, outer.group) == (os.getpid(), os.getpgrp())
        assert (inner.group, inner.session, inner.alive) == (inner.pid, truth.session, True)
        assert proc_ps.marker(inner) == proc_linux.marker(truth) == "a:b:1"
        begun = time.time() - proc_linux.boottime() + truth.start * proc_linux.TICKS_NS / 1e9
        assert proc_ps.same(inner.start, round(begun))
        assert proc_ps.same(proc_ps.birth(child.pid, before), outer.start)
        assert proc_ps.same(proc_ps.birth(child.pid, before - 60), outer.start), (
            "asked for, where starting it took long"
        )
        assert not proc_ps.signal(inner.pid, inner.start - 10, 9)
        assert proc_ps.signal(inner.pid, inner.start + 1, 9)
        child.wait()
        assert proc_ps.process(inner.pid) is None
        assert not proc_ps.signal(child.pid, outer.start - 10, 9)


def test_many_are_signalled_by_one_look() -> None:
    """Also when the last is old, as after a ps that took long: else trees that fork are never caught up with."""
    children = [subprocess.Popen(["sleep", "60"]) for _ in range(60)]
    proc_ps.processes()
    look = proc_ps._known.look
    assert look is not None
    look.at -= 2 * proc_ps.FRESH
    begun = time.monotonic()
    assert all(proc_ps.signal(child.pid, look.found[child.pid].start, 9) for child in children)
    took = time.monotonic() - begun
    assert [child.wait(60) for child in children] == [-9] * len(children)
    begun = time.monotonic()
    for child in children[:20]:
        proc_ps.process(child.pid)
    assert took < time.monotonic() - begun, "asking for each alone takes three times as long"


def test_a_program_that_says_nothing_is_no_answer() -> None:
    assert answers.answer([b"sh", b"-c", b"echo a; echo $LC_ALL; echo no >&2; exit 3"]) == b"a\nC\n"
    assert answers.answer([b"no-such-program"]) == b""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        answers.answer([b"true"])
        answers.answer([b"no-such-program"])
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_modules_say_the_same_names() -> None:
    """What the seam promises has both sides."""
    script = "from teamflow.keeper import proc; print(all(hasattr(proc, n) for n in proc.__all__), proc.PORTABLE)"
    for platform, portable in (("", "False"), ("portable", "True")):
        env = {"TEAMFLOW_KEEPER_PLATFORM": platform, "PYTHONPATH": os.getcwd()}
        done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["True", portable]

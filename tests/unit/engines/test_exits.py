"""The table from exits to outcomes, and the engine of commands."""

from __future__ import annotations

import pytest

from teamflow.core.invocation import Brief, Exit, Invocation
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped, Succeeded
from teamflow.engines.command import CommandEngine
from teamflow.engines.exits import duration, outcome_of, size
from teamflow.engines.registry import ENGINES, engine

LINT = Brief("lint", 1, "first", "/w", shell="ruff check src", timeout=1800, idle_timeout=90, log_limit=2 * 1024**3)


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (Exit(code=0), Succeeded()),
        (Exit(code=1), Failed(FailureClass.EXIT, "`ruff check src` exited 1", exit_code=1)),
        (
            Exit(code=127),
            Failed(FailureClass.EXIT, "`ruff check src` exited 127 (command not found)", exit_code=127),
        ),
        (Exit(signal=11), Failed(FailureClass.CRASH, "`ruff check src` was killed by SIGSEGV", signal=11)),
        (Exit(signal=41), Failed(FailureClass.CRASH, "`ruff check src` was killed by signal 41", signal=41)),
        (
            Exit(signal=9, cause="timeout"),
            Failed(
                FailureClass.TIMEOUT,
                "`ruff check src` did not end in time and was stopped after 30m (timeout)",
                signal=9,
            ),
        ),
        (
            Exit(code=0, cause="timeout"),
            Failed(
                FailureClass.TIMEOUT,
                "`ruff check src` did not end in time and was stopped after 30m (timeout)",
                exit_code=0,
            ),
        ),
        (
            Exit(signal=15, cause="idle"),
            Failed(
                FailureClass.IDLE,
                "`ruff check src` gave no output for 90s and was stopped (idle_timeout)",
                signal=15,
            ),
        ),
        (
            Exit(signal=9, cause="log_limit", log_start=100, log_end=100 + 3 * 1024**3, err_end=0),
            Failed(
                FailureClass.LOG_LIMIT,
                "`ruff check src` wrote 3GiB, more than 2GiB, and was stopped (limits.log_size)",
                signal=9,
            ),
        ),
        (Exit(signal=15, cause="cancel"), Stopped("cancel", signal=15)),
        (Exit(code=0, cause="interrupt"), Stopped("interrupt", exit_code=0)),
        (Exit(signal=9, cause="keeper_stopped"), Stopped("orphaned", signal=9)),
        (
            Exit(cause="lost"),
            Failed(
                FailureClass.LOST,
                "`ruff check src` is lost: its keeper was killed, and with it whatever still ran",
            ),
        ),
        (Exit(), Failed(FailureClass.LOST, "`ruff check src`: how it ended is not known")),
        (
            Exit(error="ruff: No such file or directory"),
            Failed(
                FailureClass.START,
                "`ruff check src` could not be started: ruff: No such file or directory "
                "(is it installed, and on the PATH that the step gets?)",
            ),
        ),
        (
            Exit(error="strange"),
            Failed(FailureClass.START, "`ruff check src` could not be started: strange"),
        ),
    ],
)
def test_table(end: Exit, outcome: Outcome) -> None:
    assert outcome_of(end, LINT) == outcome
    session = CommandEngine().session(LINT)
    assert session.feed(b"\x00\xff any bytes") == ()
    assert session.close(end) == outcome


def test_other_subjects() -> None:
    argv = Brief("x", 1, "first", "/w", argv=("tool", "a b"))
    assert outcome_of(Exit(code=127), argv) == Failed(FailureClass.EXIT, "`tool 'a b'` exited 127", exit_code=127)
    agent = Brief("x", 1, "first", "/w", prompt="secret words")
    assert outcome_of(Exit(code=2), agent) == Failed(FailureClass.EXIT, "the agent exited 2", exit_code=2)
    long = Brief("x", 1, "first", "/w", shell="echo " + "x" * 200 + "\nmore")
    failed = outcome_of(Exit(code=2), long)
    assert isinstance(failed, Failed)
    assert len(failed.reason) < 80


def test_one_that_opens_no_session_may_wait_for_its_servers() -> None:
    brief = Brief("x", 1, "first", "/w", prompt="go")
    reason = "the agent opened no session in time and was stopped"
    for servers, told in (((), ""), (("docs", "db"), " (perhaps for its MCP servers: docs, db)")):
        agent = brief._replace(servers={name: {"command": "x"} for name in servers})
        failed = outcome_of(Exit(signal=15, cause="no_session"), agent)
        assert failed == Failed(FailureClass.TRANSIENT, reason + told, signal=15)


def test_silence_says_how_long() -> None:
    brief = Brief("x", 1, "first", "/w", prompt="go", silence=1200.0)
    said = "the agent gave no sign of life for"
    silent = Exit(signal=15, cause="silent")
    for given, told in (
        (brief, f"{said} 20m (for 1h, if a tool was at work) and was stopped"),
        (brief._replace(idle_timeout=90.0), f"{said} 90s (for 270s, if a tool was at work) and was stopped"),
        (brief._replace(silence=None), f"{said} too long and was stopped"),
    ):
        assert outcome_of(silent, given) == Failed(FailureClass.IDLE, told, signal=15)


@pytest.mark.parametrize("seconds", [0.5, 1, 1.5, 59, 60, 90, 119, 120, 3600, 5400, 7200, 86400, 90061])
def test_durations_read_back(seconds: float) -> None:
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    text, total = duration(seconds), 0.0
    while text:
        digits = text[: len(text) - len(text.lstrip("0123456789."))]
        rest = text[len(digits) :]
        unit = rest[: len(rest) - len(rest.lstrip("msh"))]
        total += float(digits) * units[unit]
        text = rest[len(unit) :]
    assert total == seconds


def test_sizes() -> None:
    assert [size(n) for n in (0, 17, 1024, 1536, 2 * 1024**3)] == [
        "0 bytes",
        "17 bytes",
        "1KiB",
        "1.5KiB",
        "2GiB",
    ]


def test_invocations() -> None:
    made = CommandEngine().invoke
    assert made(LINT) == Invocation(("ruff", "check", "src"), fallback=("/bin/sh", "-c", "ruff check src"))
    assert made(Brief("x", 1, "first", "/w", shell="a | b")) == Invocation(("/bin/sh", "-c", "a | b"))
    assert made(Brief("x", 1, "first", "/w", argv=("a", "$b"))) == Invocation(("a", "$b"))
    with pytest.raises(ValueError, match="no command"):
        made(Brief("x", 1, "first", "/w", prompt="hello"))


def test_registry() -> None:
    for name in ENGINES:
        assert engine(name).name == name
    assert engine("command") is engine("command")

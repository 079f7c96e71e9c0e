"""What every engine does: it translates, performs nothing, and makes an outcome of whatever came out."""

from __future__ import annotations

import asyncio
import fnmatch
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamflow.core.codec import outcome_from_object, outcome_object
from teamflow.core.invocation import Brief, Exit, Invocation
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded
from teamflow.core.plan import EngineDefinition, Json
from teamflow.engines.registry import ENGINES, custom_engine, engine
from teamflow.keeper import names
from teamflow.ports import Start
from teamflow.targets.local import LocalTarget
from tests.contract.test_target import Recorder, alive

TOLD = Brief("a", 1, "first", "/w", prompt="Do it.", timeout=60, session="s", model="m", stem="/run/logs/a.1")
AGENTS = ("claude", "codex", "codex-exec", "gemini", "opencode", "copilot", "claude-agent-acp")
BRIEFS = {
    **dict.fromkeys(AGENTS, TOLD),
    "command": Brief("a", 1, "first", "/w", shell="make all", timeout=60),
    "scripted": Brief("a", 1, "first", "/w", prompt="Do it.", script=[{"say": "x"}], timeout=60),
    "custom-text": TOLD,
    "custom-json": TOLD,
    "custom-lines": TOLD,
}
_PATHS = EngineDefinition(
    ("mine", "--json"),
    message="text",
    error="error",
    session="[text=x].session",
    usage={"input_tokens": "in", "usd": "usage[-1].usd"},
    resume=("--resume", "{{ session }}"),
    model=("--model={{ model }}",),
)
CUSTOM = {
    "custom-text": EngineDefinition(("mine",), prompt=("{{ prompt }}",), model=("{{ model }}",)),
    "custom-json": _PATHS._replace(output="json", prompt=("{{ prompt_file }}",)),
    "custom-lines": _PATHS._replace(output="json-lines"),
}
ALL = {
    **{name: engine(name) for name in ENGINES},
    **{name: custom_engine(name, definition) for name, definition in CUSTOM.items()},
}
"""Every engine, and each kind of output of those that a team file defines."""

EXITS = st.builds(
    Exit,
    code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    cause=st.none()
    | st.sampled_from(
        [
            "timeout",
            "idle",
            "log_limit",
            "cancel",
            "interrupt",
            "orphaned",
            "lost",
            "finished",
            "silent",
            "storm",
            "other",
        ]
    ),
    error=st.none() | st.sampled_from(["No such file or directory: 'x'", "Permission denied"]),
    log_end=st.integers(0, 2**40),
)

_WORDS = (
    b'{"text": "x"',
    b', "session": "s"',
    b', "error": true',
    b', "in": 3',
    b', "usage": [{"usd": 1}]',
    b"}",
    b"\n",
)
OUTPUT = st.binary(max_size=200) | st.lists(st.sampled_from(_WORDS) | st.binary(max_size=3), max_size=12).map(b"".join)
"""Any bytes, and some that are nearly what an engine prints."""


@pytest.mark.parametrize("name", ENGINES)
def test_keys_of_a_cloud_are_no_login_of_an_agent(name: str) -> None:
    """They open more than a model; a team file that wants it so says it by `inherit_env`."""
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "SSH_PRIVATE_KEY")
    patterns = engine(name).capabilities.login
    assert not [key for key in keys for pattern in patterns if fnmatch.fnmatchcase(key, pattern)]


def test_there_is_a_brief_for_every_engine() -> None:
    assert set(BRIEFS) == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_invocations_are_values(name: str) -> None:
    first, second = ALL[name].invoke(BRIEFS[name]), ALL[name].invoke(BRIEFS[name])
    assert first == second
    assert isinstance(first, Invocation)
    assert first.argv
    assert all(isinstance(word, str) and "\0" not in word for word in first.argv)
    assert first.protocol is ALL[name].capabilities.protocol
    assert all(os.path.isabs(path) for path, _ in first.files)


@pytest.mark.parametrize("name", ALL)
@given(data=OUTPUT, cut=st.integers(0, 200), end=EXITS)
def test_anything_becomes_an_outcome(name: str, data: bytes, cut: int, end: Exit) -> None:
    whole, halves = ALL[name].session(BRIEFS[name]), ALL[name].session(BRIEFS[name])
    events = list(whole.feed(data))
    assert [*halves.feed(data[:cut]), *halves.feed(data[cut:])] == events
    outcome = whole.close(end)
    assert halves.close(end) == outcome
    assert outcome_from_object(outcome_object(outcome)) == outcome
    if isinstance(outcome, Succeeded):
        assert (end.code, end.signal, end.cause, end.error) == (0, None, None, None)
    if isinstance(outcome, Failed):
        assert outcome.reason
        assert "\n" not in outcome.reason
    if end.error is None and end.cause in ("cancel", "interrupt", "orphaned"):
        assert isinstance(outcome, Stopped)


def test_commands_load_no_other_engine() -> None:
    code = """
import sys
from teamflow.engines.registry import engine
engine("command")
heavy = {"asyncio", "subprocess", "socket", "jsonschema", "pydantic", "teamflow.engines.scripted"}
sys.exit(", ".join(sorted(heavy & set(sys.modules))) or 0)
"""
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], {**os.environ, "PYTHONPATH": os.getcwd()})
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


# --- engines on a real target


def run_on_target(tmp_path: Path, name: str, brief: Brief, *, level: str | None = None) -> tuple[Recorder, Path]:
    """Starts what the engine wants and waits for its end."""
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    log = run_dir / "out.log"
    environ = {"PATH": os.environ["PATH"], **({"TEAMFLOW_KILL_LEVEL": level} if level else {})}

    async def scenario() -> Recorder:
        target, events = LocalTarget(str(run_dir), environ=environ), Recorder()
        await target.open(events, after=0)
        target.environment("base", {"PATH": os.environ["PATH"]})
        invocation = engine(name).invoke(brief)
        assert isinstance(invocation, Invocation)
        err = str(run_dir / "err.log") if invocation.protocol else None
        target.start(
            Start(
                "a", 1, "agent", invocation, str(tmp_path), "base", {}, str(log), err, 20, None, (), 1, None, None, {}
            )
        )
        await events.ended("a")
        await target.close()
        return events

    return asyncio.run(scenario()), log


@pytest.mark.parametrize("level", ["walk", None])
def test_a_scripted_agent_runs_on_a_target(tmp_path: Path, level: str | None) -> None:
    script: Json = [
        {"write": {"path": "DESIGN.md", "text": "small\n"}},
        {"spawn": {"run": "echo $$ > left.pid; exec sleep 60", "as": "daemon"}},
        {"run": "while [ ! -s left.pid ]; do sleep 0.01; done"},
        {"stderr": "a warning"},
        {"outputs": {"approved": True}},
    ]
    brief = Brief("a", 1, "first", str(tmp_path), prompt="Do it.", script=script)
    events, log = run_on_target(tmp_path, "scripted", brief, level=level)
    session = engine("scripted").session(brief)
    session.feed(log.read_bytes()[: events.ends["a"].log_end])
    outcome = session.close(events.ends["a"])
    assert isinstance(outcome, Succeeded)
    assert outcome.text == '{"approved": true}'
    assert (tmp_path / "DESIGN.md").read_text() == "small\n"
    assert (log.parent / "err.log").read_text() == "a warning\n"
    assert not alive(int((tmp_path / "left.pid").read_text())), "a daemon outlived its attempt and its keeper"


@pytest.mark.parametrize(
    ("shell", "code", "output"),
    [
        ("/bin/true", 0, b""),
        ("no-such-program at all", 127, b"no-such-program: not found\n"),
        ("cat DIR", 1, b"cat: DIR: Is a directory\n"),
        ("./DIR/no-shebang arg", 7, b"arg\n"),
        ("./DIR/not-executable", 126, b"./DIR/not-executable: Permission denied\n"),
        ("false || echo shell", 0, b"shell\n"),
        ("-x", 127, b"-x: not found\n"),
    ],
)
def test_strings_act_as_in_a_shell(tmp_path: Path, shell: str, code: int, output: bytes) -> None:
    (tmp_path / "DIR").mkdir()
    (tmp_path / "DIR" / "no-shebang").write_text("echo $1\nexit 7\n")
    (tmp_path / "DIR" / "no-shebang").chmod(0o755)
    (tmp_path / "DIR" / "not-executable").write_text("#!/bin/sh\n")
    brief = Brief("a", 1, "first", str(tmp_path), shell=shell)
    events, log = run_on_target(tmp_path, "command", brief)
    assert events.ends["a"].code == code
    assert log.read_bytes().removeprefix(b"/bin/sh: 1: ").removeprefix(b"1: ") == output
    outcome = engine("command").session(brief).close(events.ends["a"])
    assert isinstance(outcome, Failed) is (code != 0)


@pytest.mark.parametrize("argv", [("no-such-program",), ("./not-executable",), ("./bad-interpreter",)])
def test_a_list_that_cannot_start_says_why(tmp_path: Path, argv: tuple[str, ...]) -> None:
    (tmp_path / "not-executable").write_text("#!/bin/sh\n")
    (tmp_path / "bad-interpreter").write_text("#!/no/such/interpreter\n")
    (tmp_path / "bad-interpreter").chmod(0o755)
    brief = Brief("a", 1, "first", str(tmp_path), argv=argv)
    events, _ = run_on_target(tmp_path, "command", brief)
    outcome = engine("command").session(brief).close(events.ends["a"])
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.START
    assert outcome.reason.startswith(f"`{argv[0]}` could not be started: ")
    assert outcome.reason.endswith(")"), outcome.reason


def test_marks_name_the_attempt(tmp_path: Path) -> None:
    events, log = run_on_target(tmp_path, "command", Brief("a", 1, "first", str(tmp_path), shell="env"))
    assert events.ends["a"].code == 0
    mark = names.marker(names.run_hash(str((tmp_path / "run").resolve())), "a", 1)
    assert f"{names.MARKER}={mark}\n" in log.read_text()

"""The reading verbs on runs made by hand."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest

from teamflow.app.outputs import CHUNK
from teamflow.cli.logs import Reading
from teamflow.cli.opened import opened
from teamflow.core.events import AttemptEnded, AttemptStarted, RunEnded, RunnerStarted, StepEnded
from teamflow.core.outcome import Failed, FailureClass, Succeeded
from teamflow.core.permissions import Means
from teamflow.core.plan import Plan, Step
from teamflow.store.layout import Layout
from teamflow.store.lock import RunLock, this_process
from tests.fakes.plans import make_plan, make_step
from tests.unit.cli.made import Made, call, make_run, process
from tests.unit.views.stories import BUSY, FAILED, busy_plan

SECRET = "tr0ub4dor&3-secret"
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


def two() -> Plan:
    return make_plan([make_step("a"), make_step("b")])


ENDED = [
    RunnerStarted("boot", 1, 2),
    AttemptStarted("a", 1, "first"),
    AttemptStarted("b", 1, "first"),
    AttemptEnded("a", 1, Succeeded()),
    StepEnded("a", "succeeded", ""),
    AttemptEnded("b", 1, Failed(FailureClass.EXIT, "exit status 1", exit_code=1)),
    StepEnded("b", "failed", "exit status 1"),
    RunEnded("failed", "step_failed", {}, "1 failed: b"),
]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    run = make_run(tmp_path, two(), ENDED)
    run.log("a.1.log", b"one\ntwo\n")
    run.log("b.1.log", b"three")
    return run


def test_status(made: Made) -> None:
    answer = call(made.root, "status")
    assert answer.code == 0
    assert answer.err == ""
    assert answer.out.startswith("run 1 of t: failed, ")
    assert "2 steps: 1 succeeded, 1 failed\n" in answer.out
    assert call(made.root, "status", "--exit-status").code == 1


def test_status_as_json(made: Made) -> None:
    found = json.loads(call(made.root, "status", "--json").out)
    steps = {step["id"]: step for step in found["steps"]}
    assert found["status"] == "failed"
    assert steps["a"]["text"] == "one\ntwo"
    assert steps["b"]["text"] is None
    assert Path(steps["a"]["attempts"][0]["log"]).read_bytes() == b"one\ntwo\n"


def test_from_a_directory_below(made: Made) -> None:
    below = made.root / "src" / "deep"
    below.mkdir(parents=True)
    assert call(below, "status").out == call(made.root, "status").out


def test_the_newest_run_or_a_number(made: Made) -> None:
    make_run(made.root, busy_plan(), FAILED)
    assert call(made.root, "status").out.startswith("run 2 of t")
    assert call(made.root, "status", "-r", "1").out.startswith("run 1 of t")
    assert call(made.root, "status", "-r", "3") == (
        2,
        "",
        f"teamflow: there is no run 3 in {made.root}\n  `teamflow runs` lists them\n",
    )
    assert call(made.root, "status", "-r", "0").code == 2


@pytest.mark.parametrize("words", [["status"], ["logs"], ["events"], ["why", "a"], ["cancel", "--all"]])
def test_no_run_yet(tmp_path: Path, words: list[str]) -> None:
    answer = call(tmp_path, *words)
    assert answer.code == 2
    assert answer.err == f"teamflow: no run yet in {tmp_path}\n  start one with `teamflow run`\n"
    assert not (tmp_path / ".teamflow").exists()


def test_runs(made: Made, tmp_path_factory: pytest.TempPathFactory) -> None:
    make_run(made.root, busy_plan(), BUSY)
    make_run(made.root, busy_plan(), [])
    lines = call(made.root, "runs").out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["RUN", "3", "2", "1"]
    assert "not started" in lines[1]
    assert "interrupted (its runner is gone)" in lines[2]
    found = json.loads(call(made.root, "runs", "--json").out)
    assert [(run["run"], run["status"], run["runner"]) for run in found["runs"]] == [
        (3, "running", False),
        (2, "running", False),
        (1, "failed", False),
    ]
    empty = tmp_path_factory.mktemp("empty")
    assert call(empty, "runs") == (0, "", "no run yet: start one with `teamflow run`\n")
    assert json.loads(call(empty, "runs", "--json").out) == {"schema_version": 1, "runs": []}


def test_a_run_with_and_without_its_runner(tmp_path: Path) -> None:
    made = make_run(tmp_path, busy_plan(), BUSY)
    assert "interrupted (its runner is gone)" in call(tmp_path, "status").out
    assert call(tmp_path, "status", "--exit-status").code == 130
    lock = RunLock.acquire(Layout(str(tmp_path)), made.number, this_process(since=1.0))
    assert isinstance(lock, RunLock)
    try:
        assert call(tmp_path, "status").out.startswith("run 1 of t: running, ")
        found = json.loads(call(tmp_path, "status", "--json").out)
        assert found["runner"]["since"] == "1970-01-01T00:00:01.000Z"
        assert call(tmp_path, "status", "--exit-status").code == 0
    finally:
        lock.release()


def test_logs_of_all_steps_and_of_one(made: Made) -> None:
    assert call(made.root, "logs") == (0, "a | one\na | two\nb | three\n", "")
    assert call(made.root, "logs", "b") == (0, "three", "")
    assert call(made.root, "logs", "a", "--since", "4") == (0, "two\n", "")
    assert call(made.root, "logs", "a", "--attempt", "1").out == "one\ntwo\n"
    assert call(made.root, "logs", "-f").out == "a | one\na | two\nb | three\n"
    assert call(made.root, "logs", "a", "-f").out == "one\ntwo\n"


def test_logs_as_json(made: Made) -> None:
    lines = [json.loads(line) for line in call(made.root, "logs", "--json").out.splitlines()]
    assert lines == [
        {"step": "a", "attempt": 1, "line": "one"},
        {"step": "a", "attempt": 1, "line": "two"},
        {"step": "a", "attempt": 1, "offset": 8},
        {"step": "b", "attempt": 1, "line": "three"},
        {"step": "b", "attempt": 1, "offset": 5},
    ]


def test_logs_that_are_not_there(made: Made) -> None:
    assert call(made.root, "logs", "a", "--attempt", "2") == (0, "", "a has no attempt 2; its newest is 1\n")
    (made.directory / "logs" / "a.1.log").unlink()
    assert call(made.root, "logs", "a") == (0, "", "")
    answer = call(made.root, "logs", "c")
    assert answer.code == 2
    assert "there is no step 'c' in this run" in answer.err
    assert call(made.root, "logs", "--attempt", "1").code == 2
    assert call(made.root, "logs", "--since", "12").code == 2
    assert "duration" in call(made.root, "logs", "a", "--since", "soon").err
    assert call(made.root, "logs", "--since", "10m") == (0, "", "no step of run 1 has an attempt to show\n")
    run = make_run(made.root, two(), [])
    assert call(made.root, "logs", "a", "-r", str(run.number)).err == (
        "a has not been started (queued): `teamflow why a` says why\n"
    )


def test_errors_of_a_step_follow_its_output(tmp_path: Path) -> None:
    """Where they are a file of their own: its text, its outputs or its protocol are read by somebody."""
    steps = [make_step("a", text_used=True), make_step("b", engine="of a later version", kind="prompt")]
    run = make_run(tmp_path, make_plan(steps), ENDED)
    for name in ("a", "b"):
        run.log(f"{name}.1.log", b"one\ntwo\n")
        run.log(f"{name}.1.err", b"warning\n")
        assert call(run.root, "logs", name).out == "one\ntwo\nwarning\n"


def test_who_prints_without_end_keeps_nobody_waiting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of each step a chunk at a time, however much of it there is; nothing is lost or doubled on the way."""
    run = make_run(tmp_path, two(), ENDED[:3])
    run.log("a.1.log", b"0123456789abcde\n" * (5 * CHUNK // 32))
    run.log("b.1.log", b"first\n")
    with opened(None, root=str(tmp_path)) as inspected:
        reading = Reading(inspected, None, attempt=None, offset=0, begun=0.0, form="lines")
        reading.take_in()
        lines = capsys.readouterr().out.splitlines()
        assert (lines.count("b | first"), len(lines), reading.behind) == (1, CHUNK // 16 + 1, True)
        run.log("b.1.log", b"first\nsecond\n")
        reading.take_in()
        assert "b | second" in capsys.readouterr().out.splitlines()
        assert reading.behind
        reading.take_in()
        assert len(capsys.readouterr().out.splitlines()) == CHUNK // 32
        assert not reading.behind
        run.append(ENDED[3:5])
        run.log("a.1.log", b"0123456789abcde\n" * (8 * CHUNK // 16))
        inspected.refresh()
        reading.take_in()
        assert len(capsys.readouterr().out.splitlines()) == 11 * CHUNK // 32, "what has ended is read to its end"
        reading.close()
        assert capsys.readouterr().out == ""


def test_what_an_agent_says_is_readable() -> None:
    from teamflow.app.outputs import Readable
    from teamflow.core.invocation import Brief
    from teamflow.engines.registry import engine

    session = engine("scripted").session(Brief(step="s", attempt=1, cause="first", cwd=""))
    data = (
        b'setup output\n{"type":"init","session":"s1"}\n{"type":"message","text":"two\\nlines"}\n'
        b'{"type":"progress","percent":40,"text":"on it"}\n{"type":"result","ok":true}\n{"json": "of verify"}\nrest'
    )
    whole = Readable(session)
    assert whole.feed(data) + whole.close() == b'setup output\ntwo\nlines\n[40%] on it\n{"json": "of verify"}\nrest'
    bytewise = Readable(engine("scripted").session(Brief(step="s", attempt=1, cause="first", cwd="")))
    parts = [bytewise.feed(data[at : at + 1]) for at in range(len(data))]
    assert b"".join(parts) + bytewise.close() == b'setup output\ntwo\nlines\n[40%] on it\n{"json": "of verify"}\nrest'


def agent_run(root: Path, step: Step, outcome: Succeeded, *printed: object) -> Made:
    made = make_run(root, make_plan([step]), [ENDED[0], ENDED[1], AttemptEnded("a", 1, outcome)])
    made.log("a.1.log", b"".join(json.dumps(line).encode() + b"\n" for line in printed))
    return made


def test_an_agent_that_asks_a_server_of_the_team_file_is_read_as_it_was_heard(tmp_path: Path) -> None:
    """Its model has another name then, without which its session would seem to have failed at the start."""
    means = Means(base_url="http://127.0.0.1:1")
    option = {"id": "model", "category": "model", "currentValue": "teamflow/m", "options": [{"value": "teamflow/m"}]}
    chunk = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "Hello."}}
    made = agent_run(
        tmp_path,
        make_step("a", kind="prompt", engine="opencode", means=means)._replace(model="m"),
        Succeeded("Hello."),
        {"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": 1, "agentCapabilities": {}}},
        {"jsonrpc": "2.0", "id": 2, "result": {"sessionId": "s", "configOptions": [option, {"id": "mode"}]}},
        {"jsonrpc": "2.0", "id": 3, "result": {}},
        {"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "s", "update": chunk}},
        {"jsonrpc": "2.0", "id": 4, "result": {"stopReason": "end_turn"}},
    )
    assert call(made.root, "logs", "a").out == "Hello.\n"


def test_an_agent_that_has_said_nothing_but_its_outputs_is_shown_with_them(tmp_path: Path) -> None:
    """Once, and as while it ran; who reads on from an offset has seen them."""
    step, found = make_step("a", kind="prompt", engine="claude"), '{"approved":false}'
    made = agent_run(tmp_path, step, Succeeded(found), {"type": "system", "subtype": "init", "session_id": "s"})
    assert call(made.root, "logs", "a").out == f"{found}\n"
    assert call(made.root, "logs").out == f"a | {found}\n"
    end = (made.directory / "logs" / "a.1.log").stat().st_size
    assert call(made.root, "logs", "a", "--since", str(end)).out == ""


def test_secrets_and_escapes_never_reach_the_terminal(tmp_path: Path) -> None:
    made = make_run(tmp_path, two(), ENDED)
    made.secrets({"TOKEN": SECRET})
    filler = b"x" * (256 * 1024 - 9)
    made.log("a.1.log", filler + SECRET.encode() + b"\x1b]0;owned\x07\x1b[2J\r\x00\n\xff\xe2\x80\xaeend\n")
    made.log("b.1.log", b"password=" + SECRET.encode())
    for words in (["logs"], ["logs", "a"], ["logs", "-f"], ["status", "--json"], ["status"]):
        answer = call(tmp_path, *words)
        assert answer.code == 0
        assert SECRET not in answer.out
        assert not STEERING.search(answer.out)
    assert call(tmp_path, "logs", "a").out == "x" * len(filler) + "***\n␀\n\ufffd<U+202E>end\n"
    assert call(tmp_path, "logs", "b").out == "password=***"


def test_events(made: Made) -> None:
    lines = [json.loads(line) for line in call(made.root, "events").out.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 9))
    assert lines[5] == {
        "seq": 6,
        "at": "2026-01-02T03:04:12.500Z",
        "kind": "AttemptEnded",
        "step": "b",
        "attempt": 1,
        "outcome": {"end": "failed", "failure": "exit", "reason": "exit status 1", "exit_code": 1},
        "phase": "agent",
    }
    assert call(made.root, "events", "-f").out == call(made.root, "events").out


def test_hints_about_an_older_run_name_it(made: Made) -> None:
    make_run(made.root, two(), [])
    assert "`teamflow status` lists the steps" in call(made.root, "path", "zzz").err
    for verb in ("path", "logs", "why", "diff", "cancel"):
        assert "`teamflow status -r 1` lists the steps" in call(made.root, verb, "zzz", "-r", "1").err, verb
    assert "`teamflow why a` says why" in call(made.root, "logs", "a").err
    make_run(made.root, two(), ENDED)
    assert "`teamflow why a -r 2` says why" in call(made.root, "logs", "a", "-r", "2").err


def test_why(made: Made) -> None:
    answer = call(made.root, "why", "b")
    assert answer.code == 0
    assert answer.out.startswith("b: failed after 4.5s at ")
    found = json.loads(call(made.root, "why", "b", "--json").out)
    assert (found["step"], found["status"], found["waits"]) == ("b", "failed", None)
    assert found["why"].startswith("failed after")


def test_why_a_step_without_reads_runs_again(made: Made) -> None:
    again = "; it ran again although run 1 had succeeded with it: it declares neither `reads` nor `cache`"
    assert "reads" not in call(made.root, "why", "a").out, "it had not run before"
    second = make_run(made.root, two(), ENDED)
    assert call(second.root, "why", "a").out.endswith(f"{again}\n")
    assert "reads" not in call(second.root, "why", "b").out, "it had failed: of course it ran again"
    assert "reads" not in call(second.root, "why", "a", "-r", "1").out
    make_run(made.root, make_plan([make_step("a", cache=True), make_step("b")]), ENDED)
    assert "reads" not in call(made.root, "why", "a").out


def test_why_stands_a_run_before_that_cannot_be_read(made: Made) -> None:
    make_run(made.root, two(), ENDED)
    with sqlite3.connect(Layout(str(made.root)).database) as database:
        database.execute("UPDATE records SET data = '{' WHERE run = 1")
    assert call(made.root, "why", "a").out.startswith("a: succeeded after ")


def test_a_step_that_is_not_there(made: Made) -> None:
    make_run(made.root, make_plan([make_step("build/api"), make_step("build/ui")]), [])
    assert "it has instances: build/api, build/ui" in call(made.root, "why", "build").err
    assert 'did you mean "build/api"?' in call(made.root, "why", "build/apo").err


@pytest.mark.parametrize(
    ("env", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colours(made: Made, env: dict[str, str], coloured: bool) -> None:
    out = call(made.root, "status", LANG="C.UTF-8", **env).out
    assert ("\x1b[" in out) == coloured
    assert "failed" in out


def test_an_encoding_that_lacks_characters(made: Made) -> None:
    made.log("a.1.log", "é漢".encode())
    answer = process(made.root, "logs", "a", PYTHONIOENCODING="ascii")
    assert answer == (0, "\\xe9\\u6f22", "")

"""What a run shows: plain, JSON and quiet progress, reports, last lines, the summary, exit codes."""

from __future__ import annotations

import json
import signal
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.project import Done, Project, Shown, finish

TEAM = """
agents:
  good: {command: "echo out; echo err >&2"}
  fails: {command: "seq 1 50; printf 'no newline'; exit 3", depends_on: {good: finished}}
  silent: {command: exit 4}
  hostile: {command: "printf '\\\\033[2Jcleared\\\\007\\\\n\\\\r\\\\033]0;title\\\\007\\\\303\\\\050\\\\0end\\\\n'"}
  skipped: {command: "true", depends_on: [fails]}
  off: {command: "true", if: "false"}
  cut: {command: "printf 'a'; sleep 0.3; printf 'b\\\\n'"}
  takes: {command: [echo, "{{ agents.good.text }}"]}
outputs: {told: agents.good.text}
"""


class World(NamedTuple):
    project: Project
    done: Done
    shown: Shown


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    project = Project(tmp_path_factory.mktemp("seeing"), TEAM)
    done = project.run("--junit", "r/junit.xml", "--events", "events.jsonl")
    if done.code == 2 or not project.exists("r/junit.xml"):
        done = project.run("--new", "--junit", "junit.xml", "--events", "events.jsonl")
    return World(project, done.expect(1), project.status())


def _lines(world: World, step: str) -> list[str]:
    return [line.partition(" | ")[2] for line in world.done.err.splitlines() if line.startswith(f"{step} | ")]


def test_plain_shows_output_lines_and_events_on_stderr(world: World) -> None:
    assert world.done.out == ""
    assert "out" in _lines(world, "good")
    assert "err" in _lines(world, "good"), "what goes to stderr is shown as well"
    assert "ab" in _lines(world, "cut"), "a line comes whole"
    assert "good: succeeded" in world.done.err
    assert "fails: failed" in world.done.err
    assert "skipped: skipped" in world.done.err


def test_the_terminal_is_not_steered(world: World) -> None:
    for word in ("\x1b", "\x07", "\0", "\r"):
        assert word not in world.done.err
        assert word not in world.project.call("logs", "hostile").expect(0).out.replace("\r\n", "\n")
    assert any("cleared" in line for line in _lines(world, "hostile"))


@pytest.mark.slow
def test_the_last_twenty_lines_of_a_failed_step(world: World) -> None:
    lines = world.done.err.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("fails: its last 20 lines"))
    tail = [line.partition(" | ")[2] for line in lines[begin + 1 : begin + 21]]
    assert tail == [*map(str, range(32, 51)), "no newline"]
    assert "silent: it printed nothing" in world.done.err


def test_the_summary_is_short_and_says_what_next(world: World) -> None:
    lines = world.done.err.splitlines()
    begin = max(number for number, line in enumerate(lines) if line.startswith("run ") and "failed" in line)
    summary = lines[begin:]
    assert len(summary) <= 15
    text = "\n".join(summary)
    assert "2 failed" in text
    assert "teamflow logs" in text
    assert "teamflow run" in text


def test_junit_and_events(world: World) -> None:
    root = ElementTree.fromstring(world.project.read("junit.xml"))
    suite = root.find("testsuite")
    assert suite is not None
    cases = {case.get("name"): case for case in suite.findall("testcase")}
    assert set(cases) == set(world.shown.statuses)
    assert cases["fails"].find("failure") is not None
    assert cases["off"].find("skipped") is not None
    assert suite.get("failures") == "2"
    events = [json.loads(line) for line in world.project.lines("events.jsonl")]
    assert events == world.project.events()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["kind"] == "RunnerStarted"
    assert events[-1]["kind"] == "RunEnded"


@pytest.mark.slow
def test_the_reading_verbs_say_the_same(world: World) -> None:
    project = world.project
    assert project.call("status", "--json").expect(0).json() == world.shown.data
    assert [json.loads(line) for line in project.call("events").expect(0).out.splitlines()] == project.events()
    assert project.call("why", "skipped").expect(0).out.strip() == project.why("skipped")


def test_status_has_what_every_reader_relies_on(world: World) -> None:
    data = world.shown.data
    assert data["schema_version"] == 1
    assert (data["status"], data["exit_reason"], data["team"], data["file"]) == (
        "failed",
        "step_failed",
        "team",
        "team.yaml",
    )
    for key in ("run", "id", "revision", "started", "ended", "usage", "steps"):
        assert key in data
    step = world.shown.step("fails")
    for key in (
        *("id", "agent", "status", "reason", "kind", "engine", "model", "target", "workspace", "depends_on", "parent"),
        *("progress", "text", "outputs", "artifacts", "diffstat", "key", "attempts"),
    ):
        assert key in step
    attempt = step["attempts"][0]
    assert (attempt["number"], attempt["cause"], attempt["outcome"], attempt["failure"], attempt["exit_code"]) == (
        1,
        "first",
        "failed",
        "exit",
        3,
    )
    assert Path(attempt["log"]).read_text().endswith("no newline")


@pytest.mark.slow
def test_json_is_the_records_on_stdout_and_nothing_else(tmp_path: Path) -> None:
    project = Project(tmp_path, "agents: {a: {command: echo hi}, b: {command: exit 2, depends_on: [a]}}")
    done = project.call("run", "--progress", "json").expect(1)
    assert [json.loads(line) for line in done.out.splitlines()] == project.events()
    assert done.err == ""


@pytest.mark.slow
def test_quiet_says_nothing_unless_something_is_wrong(tmp_path: Path) -> None:
    project = Project(tmp_path, "agents: {a: {command: echo hi}, b: {command: test -e go, depends_on: [a]}}")
    assert "b" in project.call("run", "--progress", "quiet").expect(1).err
    project.write("go", "")
    assert project.call("run", "--progress", "quiet").expect(0).said == ""


@pytest.mark.slow
def test_exit_codes(tmp_path: Path) -> None:
    project = Project(tmp_path, "agents: {a: {command: 'touch began; sleep 60', grace: 200ms}}")
    project.call("run", "--nonsense").expect(2)
    project.call("run", "--progress", "loud").expect(2)
    project.call("run", "nobody.yaml").expect(2)
    project.call("nonsense").expect(2)
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        (project.root / "began").unlink(missing_ok=True)
        process = project.popen("run")
        until = time.monotonic() + 60
        while not project.exists("began"):
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(number)
        finish(process).expect(code)
    assert project.call("status").code == 0
    assert project.call("status", "--exit-status").code == 130 or project.call("status", "--exit-status").code == 143
    project.team("agents: {a: {comand: x}}")
    assert "comand" in project.run().expect(2).err


@pytest.mark.slow
def test_a_report_that_cannot_be_written_is_said_before_anything_runs(tmp_path: Path) -> None:
    project = Project(tmp_path, "agents: {a: {command: touch ran}}")
    for option in ("--junit", "--events"):
        done = project.run(option, "no/such/dir/f")
        assert done.code in (2, 3), done
        assert "no/such/dir/f" in done.err
    assert not project.exists("ran")


@pytest.mark.slow
def test_no_team_file_is_said(tmp_path: Path) -> None:
    project = Project(tmp_path)
    done = project.run().expect(2)
    assert "team.yaml" in done.err


@pytest.mark.slow
def test_a_team_without_steps_to_run_is_said(tmp_path: Path) -> None:
    done = Project(tmp_path, "agents: {}").run()
    assert done.code in (0, 2)
    assert done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("progress", ["plain", "json", pytest.param("quiet", marks=pytest.mark.slow)])
def test_a_run_whose_reader_has_gone_goes_on_to_its_end(tmp_path: Path, progress: str) -> None:
    project = Project(tmp_path, "agents: {a: {command: 'sleep 0.3; echo hi'}, b: {command: echo ho, depends_on: [a]}}")
    words = ("run", "--progress", progress, "--events", "e.json", "--junit", "j.xml")
    process = project.popen(*words)
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    assert process.wait(60) == 0
    assert project.status().data["status"] == "succeeded"
    assert [json.loads(line)["seq"] for line in project.lines("e.json")] == [event["seq"] for event in project.events()]
    assert "<testcase" in project.read("j.xml")

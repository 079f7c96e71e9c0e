"""`run` goes on with what it finds: which run it means, which steps run again, which stay, and why."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.project import Project, finish

TEAM = """
inputs: {who: {type: string, default: me}}
agents:
  plain: {command: echo plain >> ran}
  reads: {command: echo reads >> ran, reads: [src]}
  bad: {command: "echo bad >> ran; test -e go"}
  after: {command: echo after >> ran, depends_on: [bad, plain]}
  off: {command: echo off >> ran, if: inputs.who == 'you'}
  of_off: {command: echo of_off >> ran, depends_on: [off]}
"""


def started(project: Project, *words: str, code: int = 0) -> list[str]:
    """What this call started, by its own ledger."""
    before = len(project.lines("ran"))
    project.run(*words).expect(code)
    return sorted(project.lines("ran")[before:])


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def test_failed_and_skipped_steps_run_again_and_finished_ones_stay(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM, files={"src": "1"})
    assert started(project, code=1) == ["bad", "plain", "reads"]
    assert started(project, code=1) == ["bad"]
    shown = project.status()
    assert shown.data["run"] == 1
    assert shown.statuses["plain"] == "succeeded"
    assert len(shown.step("bad")["attempts"]) == 2
    planned = {step["id"]: step for step in project.plan()["steps"]}
    assert planned["plain"]["action"] != "run"
    assert planned["plain"]["reason"]
    assert planned["bad"]["action"] == "run"
    project.write("go", "")
    assert started(project) == ["after", "bad"]
    shown = project.status()
    assert shown.data["run"] == 1
    assert shown.statuses["off"] == shown.statuses["of_off"] == "skipped"
    assert len(shown.step("bad")["attempts"]) == 3, "attempts are never erased"


@pytest.mark.slow
def test_a_changed_file_runs_what_reads_it(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM, files={"src": "1"})
    started(project, code=1)
    project.write("src", "2")
    assert started(project, code=1) == ["bad", "reads"]
    assert "src changed" in project.why("reads")


@pytest.mark.slow
def test_redefined_steps_run_again_with_what_depends_on_them(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM, files={"src": "1", "go": ""})
    project.team(TEAM.replace("test -e go", "test -e come"))
    assert started(project, code=1) == ["bad", "plain", "reads"]
    project.team(TEAM.replace("echo plain >> ran", "echo plain >> ran; true"))
    assert started(project) == ["after", "bad", "plain"]
    shown = project.status()
    assert shown.data["run"] == 1
    assert shown.data["revision"] == 2
    revised = [event["reason"] for event in project.events() if event["kind"] == "PlanRevised"]
    assert revised == ["the team file has changed"]


@pytest.mark.slow
def test_why_the_plan_is_another_one(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM, files={"src": "1"})
    started(project, code=1)
    started(project, "bad", code=1)
    started(project, "bad", "--set", "agents.bad.timeout=9s", code=1)
    revised = [event["reason"] for event in project.events() if event["kind"] == "PlanRevised"]
    assert revised == ["other steps are selected", "other settings are asked for"]


@pytest.mark.slow
def test_new_steps_run_and_removed_ones_do_not_matter(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM, files={"src": "1"})
    started(project, code=1)
    added = TEAM.replace('  bad: {command: "echo bad >> ran; test -e go"}', "  bad: {command: echo new >> ran}")
    project.team(added.replace("  of_off: {command: echo of_off >> ran, depends_on: [off]}\n", ""))
    assert started(project) == ["after", "new"]
    assert "of_off" not in {step["id"] for step in project.plan()["steps"]}


@pytest.mark.slow
def test_a_succeeded_run_is_followed_by_a_new_one(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM, files={"src": "1", "go": ""})
    assert started(project) == ["after", "bad", "plain", "reads"]
    assert started(project) == ["after", "bad", "plain"], "what has no reads runs in every new run"
    assert project.status().data["run"] == 2


@pytest.mark.slow
def test_new_starts_afresh(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM, files={"src": "1"})
    started(project, code=1)
    assert started(project, "--new", code=1) == ["bad", "plain"]
    assert project.status().data["run"] == 2
    assert started(project, code=1) == ["bad"]


@pytest.mark.slow
def test_inputs_are_those_of_the_newest_run_and_others_start_a_new_one(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM, files={"src": "1"})
    assert started(project, "-i", "who=you", code=1) == ["bad", "of_off", "off", "plain", "reads"]
    assert started(project, code=1) == ["bad"]
    assert project.status().data["inputs"] == {"who": "you"}
    assert started(project, "-i", "who=me", code=1) == ["bad", "plain"]
    assert project.status().data["run"] == 2
    assert started(project, code=1) == ["bad"]
    assert project.status().data["run"] == 2
    assert started(project, "-i", "who=you", code=1) == ["bad"]
    assert len(project.status(1).step("bad")["attempts"]) == 3


@pytest.mark.slow
def test_force_runs_a_finished_step_again(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM, files={"src": "1"})
    started(project, code=1)
    assert started(project, "--force", "reads", code=1) == ["bad", "reads"]
    assert started(project, "--force", "plain", code=1) == ["bad", "plain"]


@pytest.mark.slow
def test_a_selection_goes_on_with_the_run_and_so_does_the_whole(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM, files={"src": "1", "go": ""})
    assert started(project, "plain") == ["plain"]
    assert started(project, "reads") == ["reads"]
    assert "after" in started(project)


@pytest.mark.slow
def test_cancelled_steps_run_again_and_interrupted_ones_resume(tmp_path: Path) -> None:
    team = """
agents:
  first: {command: echo first >> ran}
  long: {command: 'echo long >> ran; test -e go || sleep 60', depends_on: [first], grace: 300ms}
  last: {command: echo last >> ran, depends_on: [long]}
"""
    project = Project(tmp_path, team)
    process = project.popen("run", "--progress", "plain")
    until(lambda: project.lines("ran") == ["first", "long"])
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 130
    shown = project.status()
    assert shown.data["status"] == "interrupted"
    assert shown.data["exit_reason"] == "interrupted"
    assert shown.statuses == {"first": "succeeded", "long": "waiting", "last": "pending"}
    process = project.popen("run", "--progress", "plain")
    until(lambda: project.lines("ran") == ["first", "long", "long"])
    project.call("cancel", "long").expect(0)
    assert finish(process).code == 1
    assert project.status().statuses["long"] == "cancelled"
    process = project.popen("run", "--progress", "plain")
    until(lambda: project.lines("ran") == ["first", "long", "long", "long"])
    process.send_signal(signal.SIGTERM)
    assert finish(process).code == 143
    project.write("go", "")
    assert started(project) == ["last", "long"]
    causes = [attempt["cause"] for attempt in project.status().step("long")["attempts"]]
    assert causes[0] == "first"
    assert causes[1] == "resume"
    assert len(causes) == 4
    assert project.status().data["run"] == 1


@pytest.mark.slow
def test_a_run_that_is_alive_is_named_and_left_alone(tmp_path: Path) -> None:
    team = "agents: {a: {command: 'echo a >> ran; sleep 600', grace: 200ms}}"
    project = Project(tmp_path, team)
    process = project.popen("run", "--progress", "plain")
    until(lambda: project.lines("ran") == ["a"])
    busy = project.run().expect(3)
    assert str(process.pid) in busy.err
    assert "run 1" in busy.err
    assert "cancel --all" in busy.err
    project.call("cancel", "--all").expect(0)
    assert finish(process).code == 1
    assert project.lines("ran") == ["a"]
    assert project.status().data["status"] == "cancelled"


@pytest.mark.slow
def test_detached_the_run_goes_on_by_itself(tmp_path: Path) -> None:
    team = "agents: {a: {command: 'sleep 0.3; echo a >> ran'}, b: {command: 'echo b >> ran', depends_on: [a]}}"
    project = Project(tmp_path, team)
    done = project.call("run", "-d").expect(0)
    assert done.out.strip() == "1"
    until(lambda: project.lines("ran") == ["a", "b"])
    until(lambda: project.status().data["status"] == "succeeded")


HANDED = """
agents:
  look: {command: cat go, reads: [go], outputs: {go: boolean}}
  make: {command: 'echo make >> ran; echo made', reads: [src], if: agents.look.outputs.go}
  use: {command: 'echo "use $MADE" >> ran', env: {MADE: "{{ agents.make.text }}"}, depends_on: {make: finished}}
  end: {command: test -e ok, depends_on: [use]}
"""


@pytest.mark.slow
def test_what_is_handed_on_is_gone_when_a_step_is_skipped_and_comes_back(tmp_path: Path) -> None:
    project = Project(tmp_path, HANDED, files={"go": "true", "src": "", "ran": ""})
    project.run().expect(1)
    assert project.lines("ran") == ["make", "use made"]
    project.write("go", "false")
    project.run().expect(1)
    assert project.lines("ran")[2:] == ["use "]
    assert "make was skipped" in project.why("use")
    project.write("go", "true")
    project.run().expect(1)
    assert project.lines("ran")[3:] == ["use made"], "make is found as it was, but use has not seen that"


@pytest.mark.slow
def test_what_ran_again_in_a_part_is_known_to_the_whole(tmp_path: Path) -> None:
    team = """
    agents:
      a: {command: echo a >> ran}
      b: {command: echo b >> ran, depends_on: [a]}
      end: {command: test -e ok}
    """
    project = Project(tmp_path, team)
    project.run().expect(1)
    project.run("a", "--force", "a")
    project.run().expect(1)
    assert project.lines("ran") == ["a", "b", "a", "b"]
    project.run("a").expect(0)
    project.run().expect(1)
    assert project.lines("ran") == ["a", "b", "a", "b"]


@pytest.mark.slow
def test_plan_shows_what_follows_a_step_that_was_skipped(tmp_path: Path) -> None:
    team = """
    agents:
      a: {command: test -e ok}
      b: {command: echo b, depends_on: [a]}
      report: {command: echo report, depends_on: {b: finished}}
    """
    project = Project(tmp_path, team)
    project.run().expect(1)
    project.write("ok", "")
    shown = {step["id"]: step["action"] for step in project.plan()["steps"]}
    before = project.status().ran()
    project.run().expect(0)
    assert before == {"a", "report"}
    assert [len(step["attempts"]) for step in project.status().data["steps"]] == [2, 1, 2]
    assert shown == {"a": "run", "b": "run", "report": "run"}

"""Steps that ask people: what is asked, and what comes of an answer. More of it is in `test_people.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, proves

TEAM = """
agents:
  build: {command: echo it works}
  gate:
    depends_on: [build]
    ask: |
      Ship what says "{{ agents.build.text }}"?
      It cannot be taken back.
    timeout: 2d
  where: {ask: Where to?, options: [staging, to production], default: staging, timeout: 1h}
  ship:
    depends_on: [gate]
    command: [echo, "to {{ agents.where.text }}: {{ agents.gate.text }}"]
  undo: {depends_on: {gate: failed}, command: [echo, "not: {{ agents.gate.text }}"]}
"""


def asked(project: Project) -> dict[str, dict[str, Any]]:
    """The open questions of the newest run, by step."""
    questions = project.status().data["questions"]
    return {one["step"]: one for one in questions if one["answered"] is None and not one["withdrawn"]}


@proves(agent=["ask", "options", "default"])
def test_people_are_asked_and_the_run_goes_on_with_what_they_say(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM)
    ended = project.run().expect(5)
    assert "2 questions are open: where, gate" in ended.err
    before = asked(project)
    assert before["gate"]["text"] == 'Ship what says "it works"?\nIt cannot be taken back.\n'
    assert (before["gate"]["kind"], before["gate"]["options"], before["gate"]["default"]) == ("approval", [], None)
    assert (before["where"]["kind"], before["where"]["default"]) == ("question", "staging")
    done = project.call("approve", "gate", "--note", "after lunch").expect(0)
    assert done.out == "gate: approved\n  no runner works on run 1: `teamflow run` goes on with it\n"
    project.call("answer", before["where"]["id"], "to production").expect(0)
    project.run().expect(0)
    assert project.status().text("ship") == "to to production: after lunch"
    assert project.status().statuses["undo"] == "skipped"
    assert "approved by" in project.why("gate")
    assert asked(project) == {}


ESCALATES = """
agents:
  build: {command: 'echo try >> tries; test -e good || exit 3', on_failure: escalate}
  test: {depends_on: [build], command: echo tested}
  tidy: {depends_on: {build: passed}, command: echo tidied}
  late: {depends_on: {build: failed}, command: echo late}
"""


@pytest.mark.slow
@proves(agent=["on_failure"])
def test_a_failure_is_put_to_somebody_who_decides_what_follows(tmp_path: Path) -> None:
    project = Project(tmp_path, ESCALATES)
    assert "a question is open: build" in project.run().expect(5).err
    question = asked(project)["build"]
    assert (question["kind"], question["options"]) == ("failure", ["retry", "relaunch", "skip", "fail"])
    assert question["text"].endswith("exited 3")
    assert project.status().statuses["test"] == "pending"
    project.call("answer", question["id"], "retry").expect(0)
    assert "a question is open: build" in project.run().expect(5).err
    assert len(project.lines("tries")) == 2
    project.call("approve", asked(project)["build"]["id"]).expect(0)
    project.write("good", "")
    project.run().expect(0)
    assert project.status().statuses == {
        "build": "succeeded",
        "test": "succeeded",
        "tidy": "succeeded",
        "late": "skipped",
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "code", "statuses"),
    [
        ("skip", 0, {"build": "skipped", "test": "skipped", "tidy": "succeeded", "late": "skipped"}),
        ("fail", 1, {"build": "failed", "test": "skipped", "tidy": "skipped", "late": "succeeded"}),
    ],
)
def test_or_lets_it_be(tmp_path: Path, answer: str, code: int, statuses: dict[str, str]) -> None:
    project = Project(tmp_path, ESCALATES)
    project.run().expect(5)
    project.call("answer", "build", answer).expect(0)
    project.run().expect(code)
    assert project.status().statuses == statuses
    assert len(project.lines("tries")) == 1
    assert ("skipped by" if answer == "skip" else "exited 3") in project.why("build")


@pytest.mark.slow
def test_what_is_asked_about_may_be_relaunched_otherwise(tmp_path: Path) -> None:
    project = Project(tmp_path, ESCALATES)
    project.run().expect(5)
    project.write("good", "")
    project.call("relaunch", "build", "--timeout", "30s").expect(0)
    assert asked(project) == {}
    project.run().expect(0)
    causes = [attempt["cause"] for attempt in project.status().step("build")["attempts"]]
    assert causes == ["first", "relaunch"]

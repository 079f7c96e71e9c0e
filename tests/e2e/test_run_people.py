"""Steps that ask people: what is asked, and what comes of an answer. More of it is in `test_people.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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

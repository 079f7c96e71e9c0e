"""Instances that only a run can name, and that may write the same files: they take turns."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.project import Project

TEAM = """
limits: {max_parallel: 4}
agents:
  plan:
    command: |
      echo '[{"id": "a", "dir": "one"}, {"id": "b", "dir": "one"}, {"id": "c", "dir": "two"}]'
    outputs: {tasks: {type: array, items: {type: object, required: [id, dir], additionalProperties: {type: string}}}}
  build:
    matrix: {task: agents.plan.outputs.tasks}
    env: {DIR: "{{ matrix.task.dir }}"}
    command: 'mkdir -p $DIR; mkdir $DIR/lock && sleep 0.3 && rmdir $DIR/lock'
    writes: ["{{ matrix.task.dir }}/**"]
  other:
    depends_on: [plan]
    command: 'mkdir -p two; sleep 0.2; mkdir two/lock && sleep 0.3 && rmdir two/lock'
    writes: ["two/**"]
"""


@pytest.mark.slow
def test_instances_that_may_write_the_same_files_take_turns(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM)
    project.run().expect(0)
    added = next(event for event in project.events() if event["kind"] == "StepsAdded")
    assert [edge[:2] for edge in added["edges"]] == [["build/b", "build/a"], ["build/c", "other"]]
    assert "other" in project.status().steps["build/c"]["depends_on"]


@pytest.mark.slow
def test_instances_that_write_apart_run_side_by_side(tmp_path: Path) -> None:
    team = TEAM.replace('"b", "dir": "one"', '"b", "dir": "three"').replace('writes: ["two/**"]', 'writes: ["four/**"]')
    project = Project(
        tmp_path, team.replace("mkdir -p two; sleep 0.2; mkdir two/lock && sleep 0.3 && rmdir two/lock", "true")
    )
    project.run().expect(0)
    added = next(event for event in project.events() if event["kind"] == "StepsAdded")
    assert "edges" not in added

"""Each of the real agents, while it waits for leave and its runner is killed: another one goes on with it as it is."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project
from tests.fakes import clis
from tests.fakes.models import Models, run, say

pytestmark = pytest.mark.slow

TEAM = """
inherit_env: [SCRIPTED_KEY, COPILOT_CACHE_HOME]
agents:
  a: {engine: %s, prompt: Make it., workspace: {mode: shared}, permissions: {run: [pytest]}}
"""


def until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def asked(project: Project) -> list[dict[str, Any]]:
    return [one for one in project.status().data["questions"] if one["answered"] is None and not one["withdrawn"]]


@pytest.mark.parametrize("name", list(clis.CLIS))
def test_no_reply_is_repeated_and_no_leave_given_twice(tmp_path: Path, name: str) -> None:
    with Models() as models:
        models.play(run("echo made >> made"), say("It is made."))
        clis.program(name)
        made = clis.ENVIRONMENTS[name](models, tmp_path / "agent")
        env = {**made, "PATH": f"{clis.place()}/node_modules/.bin:{os.environ['PATH']}"}
        project = Project(tmp_path, TEAM % name)
        project.call("run", "-d", env=env).expect(0)
        until(lambda: asked(project))
        os.kill(project.status().data["runner"]["pid"], signal.SIGKILL)
        project.call("approve", "1.1").expect(0)
        assert not project.exists("made"), "nobody was there to tell it"
        project.call("run", "-d", env=env).expect(0)
        until(lambda: project.status().data["status"] in ("succeeded", "failed"))
        assert project.status().statuses == {"a": "succeeded"}, project.status().step("a")["reason"]
        assert project.read("made") == "made\n"
        assert project.status().text("a") == "It is made."
        assert len(models.calls()) == 2
        models.check()
    notes = [
        json.loads(line)["note"]
        for path in Path(project.root, ".teamflow/runs/1/logs").glob("*.in.log")
        for line in path.read_text().splitlines()
    ]
    assert len([note for note in notes if note.startswith("answer ")]) == 1
    assert len(project.status().step("a")["attempts"]) == 1

"""Each of the real agents, stopped through the command line while a tool of its own runs: nothing of it is left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project
from tests.fakes import clis
from tests.fakes.models import Models, run

pytestmark = pytest.mark.slow

TEAM = """
inherit_env: [SCRIPTED_KEY, COPILOT_CACHE_HOME]
agents: {a: {engine: %s, prompt: Wait., workspace: {mode: shared}, permissions: edit, grace: 4s}}
"""


def until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def processes(word: str) -> list[int]:
    """Those that have a word among their arguments or in their environment."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit() and int(place.name) != os.getpid():
            try:
                held = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
            except OSError:
                continue
            if word.encode() in held:
                found.append(int(place.name))
    return found


@pytest.mark.parametrize("name", list(clis.CLIS))
def test_nothing_is_left_of_one_that_is_cancelled(tmp_path: Path, name: str) -> None:
    nap = f"31536000.{os.getpid()}"
    with Models() as models:
        models.play(run(f"sleep {nap}"))
        clis.program(name)
        made = clis.ENVIRONMENTS[name](models, tmp_path / "agent")
        env = {**made, "PATH": f"{clis.place()}/node_modules/.bin:{os.environ['PATH']}"}
        project = Project(tmp_path, TEAM % name)
        with project.popen("run", "--progress", "plain", env=env) as running:
            until(lambda: processes(f"sleep\0{nap}"))
            project.call("cancel", "a").expect(0)
            assert running.wait(60) == 1
        assert project.status().statuses == {"a": "cancelled"}
        assert project.status().step("a")["attempts"][0]["session"]
    run_id = project.status().data["id"]
    until(lambda: not processes(f"TEAMFLOW_RUN_ID={run_id}") and not processes(nap), 20)

"""What an agent is told before its turn has begun: it hears it in that turn, as soon as that runs."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project
from tests.fakes.agents import codex

TEAM = """
inherit_env: ["FAKE_*"]
agents: {a: {engine: codex, prompt: Do it., workspace: {mode: shared}}}
"""


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


@pytest.mark.slow
def test_it_is_heard_in_the_first_turn(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    slow = f"#!/bin/sh\nuntil [ -e go ]; do sleep 0.02; done\nexec '{sys.executable}' -I -S '{codex.__file__}' \"$@\"\n"
    (folder / "codex").write_text(slow)
    (folder / "codex").chmod(0o755)
    scenario = {"turns": [[{"await": "steer"}, {"say": "{heard}"}]]}
    env = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "FAKE_CODEX": json.dumps(scenario)}
    project = Project(tmp_path, TEAM)
    project.call("run", "-d", env=env).expect(0)
    until(lambda: project.status().statuses["a"] == "running")
    project.call("tell", "a", "Mind the gap.").expect(0)
    project.write("go", "")
    until(lambda: project.status().statuses["a"] == "succeeded")
    assert "Mind the gap." in project.status().text("a")
    assert len(project.status().step("a")["attempts"]) == 1

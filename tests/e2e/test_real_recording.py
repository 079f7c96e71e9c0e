"""Fixtures of runs with the real CLIs: played elsewhere, by somebody else, after the run is gone; and nothing in them
says who made them."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from teamflow.app.scrub import tells
from tests.e2e.project import Project
from tests.e2e.tool import until
from tests.fakes import clis
from tests.fakes.models import Models, run, say, write

pytestmark = pytest.mark.slow

TEAM = """
inherit_env: [SCRIPTED_KEY]
secrets: {TOKEN: {env: TOKEN}}
agents:
  make:
    engine: %s
    prompt: Make it with care.
    instructions: Never tell anybody.
    permissions: {edit: ["made", "log"], run: [pytest]}
    secrets: [TOKEN]
    workspace: {mode: worktree}
    verify: ["grep -q twice made"]
    retry: {attempts: 2, delay: 10ms}
"""
TOKEN = "a-secret-of-many-letters"


def asked(project: Project) -> list[dict[str, Any]]:
    return [one for one in project.status().data["questions"] if one["answered"] is None and not one["withdrawn"]]


def came_to(project: Project, run: int | None = None) -> list[Any]:
    step = project.status(run).step("make")
    attempts = [(each["failure"], each["usage"]) for each in step["attempts"]]
    return [step["status"], step["text"], attempts]


@pytest.mark.parametrize("name", ["claude", "opencode"])
def test_a_session_with_leave_a_killed_runner_and_a_second_turn(tmp_path: Path, name: str) -> None:
    with Models() as models:
        models.play(
            run('echo "$TOKEN in $PWD of $(id -un)" >> log; cat log; echo $HOME; hostname'),
            write("made", "once\n"),
            say("It is made once."),
            run("echo twice >> made"),
            say("It is made twice."),
        )
        clis.program(name)
        made = clis.ENVIRONMENTS[name](models, tmp_path / "first" / "agent")
        path = f"{clis.place()}/node_modules/.bin:{os.environ['PATH']}"
        env = {**made, "PATH": path, "TOKEN": TOKEN}
        project = Project(tmp_path / "first", TEAM % name, git=True)
        project.git("add", ".")
        project.git("commit", "-qm", "a")
        project.call("run", "-d", env=env).expect(0)
        until(lambda: asked(project), "it asks", seconds=120)
        os.kill(project.status().data["runner"]["pid"], signal.SIGKILL)
        project.call("approve", "1.1", "--note", "go", env=env).expect(0)
        project.call("run", "-d", env=env).expect(0)

        def over() -> bool:
            for question in asked(project):
                project.call("approve", question["id"], env=env)
            return project.status().data["status"] in ("succeeded", "failed")

        until(over, "it ends", seconds=200)
        project.call("wait", env=env)
        first = came_to(project)
        assert first[:2] == ["succeeded", "It is made twice."], project.status().step("make")
        calls = len(models.calls())
        project.call("record", "-o", "fix", env=env).expect(0)
        shutil.move(project.root / "fix", tmp_path / "fix")
        project.call("rm", "1", "--yes", env=env)
        shutil.rmtree(tmp_path / "first")
        models.check()

    names = [name for name in (getpass.getuser(), os.uname().nodename) if tells(name)]
    words = [TOKEN, str(tmp_path), os.path.expanduser("~") + "/", *names, f"@{os.uname().nodename}"]
    for path_of in (tmp_path / "fix").iterdir():
        data = path_of.read_bytes().decode("utf-8", "replace")
        for word in words:
            assert word not in data, (path_of.name, word)

    other = Project(tmp_path / "second" / "far" / "away", git=True)
    shutil.copytree(tmp_path / "fix", other.root / "fix")
    other.git("add", ".")
    other.git("commit", "-qm", "b")
    # Its check has the secret, so that is asked for; the CLI is nowhere.
    env = {"PATH": "/usr/bin:/bin", "USER": "mallory", "LOGNAME": "mallory", "TOKEN": "another-of-many-letters"}
    other.run("--replay", "fix", env=env)
    again = came_to(other)
    assert again == first, other.status().step("make")
    assert other.git("show", "teamflow/1/make:made") == "once\ntwice\n"
    assert len(models.calls()) == calls

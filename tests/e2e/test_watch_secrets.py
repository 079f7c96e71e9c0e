"""What a save changes of the environment of steps: env files, secrets, inherited variables. Nothing of it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.project import Project, finish
from tests.e2e.watched import Watched, save

pytestmark = pytest.mark.slow

TEAM = """
env_file: [vars.env]
agents:
  told: {command: 'echo "got $VALUE."; echo "$VALUE" > value; sleep 0.3', reads: [src]}
  other: {command: echo hi}
"""


def test_a_new_value_is_for_what_starts_from_now_on_and_is_hidden_like_the_old_one(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM, files={"vars.env": "VALUE=first-value-1\n", "src": "one\n"})
    with Watched(project) as watched:
        watched.until(lambda: project.lines("value") == ["first-value-1"], "the first value")
        follower = project.popen("logs", "-f")
        assert follower.stdout is not None
        first = next(line for line in follower.stdout if line.startswith("told |"))
        watched.rests(1)
        save(project.root / "vars.env", "VALUE=second-value-2\n")
        save(project.root / "src", "two\n")
        watched.until(lambda: project.lines("value") == ["second-value-2"], "the new value")
        watched.rests(2)
        assert (watched.starts("told"), watched.starts("other")) == (2, 1)
    rest = finish(follower).out
    assert first == "told | got ***.\n"
    assert "told | got ***.\n" in rest, "who began to follow before hides what came later"
    assert "-value-" not in rest
    assert watched.said.count("told | got ***.") == 2
    assert "first-value-1" in project.log("told", 1)
    assert "second-value-2" in project.log("told", 2)
    for attempt in ("1", "2"):
        shown = project.call("logs", "told", "--attempt", attempt).expect(0)
        assert "***" in shown.out
        assert "-value-" not in shown.out


def test_a_new_value_alone_runs_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM, files={"vars.env": "VALUE=first-value-1\n", "src": "one\n"})
    with Watched(project) as watched:
        watched.rests(1)
        save(project.root / "vars.env", "VALUE=second-value-2\n")
        save(project.root / "team.yaml", TEAM.replace("echo hi", "echo ho"))
        watched.rests(2)
        assert (watched.starts("told"), watched.starts("other")) == (1, 2)


SECRETS = """
secrets: {token: {env: THE_TOKEN}, missing: {env: NOT_THERE}}
agents:
  told: {command: 'echo "got $token."; echo "$token" >> value'%s}
"""


def test_a_save_may_ask_for_a_secret(tmp_path: Path) -> None:
    project = Project(tmp_path, SECRETS % "")
    with Watched(project, env={"THE_TOKEN": "s3cret-value"}) as watched:
        watched.rests(1)
        save(project.root / "team.yaml", SECRETS % ", secrets: [token]")
        watched.rests(2)
        assert project.lines("value") == ["", "s3cret-value"]
        assert "told | got ***." in watched.said
    assert "s3cret-value" not in watched.said


def test_a_save_that_asks_for_what_is_not_there_is_complained_about(tmp_path: Path) -> None:
    project = Project(tmp_path, SECRETS % ", secrets: [token]")
    with Watched(project, env={"THE_TOKEN": "s3cret-value"}) as watched:
        watched.rests(1)
        save(project.root / "team.yaml", SECRETS % ", secrets: [token, missing]")
        watched.until(lambda: "the last good plan stays in force" in watched.said, "the complaint")
        assert "secret missing: the environment variable NOT_THERE is not set (asked for by told)" in watched.said
        save(project.root / "team.yaml", SECRETS % ", secrets: [token]")
        watched.until(lambda: "is valid again" in watched.said, "the all-clear")
        assert watched.starts("told") == 1


def test_what_steps_inherit_may_change(tmp_path: Path) -> None:
    team = "inherit_env: [%s]\nagents: {told: {command: 'echo ${ONE-no}${TWO-no}'}}\n"
    project = Project(tmp_path, team % "ONE")
    with Watched(project, env={"ONE": "1", "TWO": "2"}) as watched:
        watched.rests(1)
        save(project.root / "team.yaml", (team % "TWO").replace("echo", "echo now"))
        watched.rests(2)
        assert project.status().text("told").split() == ["now", "no2"]

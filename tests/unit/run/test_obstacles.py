"""Files with which an agent is not started: where they lie, and what counts as there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from teamflow.core.invocation import Brief, Invocation, Obstacle
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.permissions import Permissions
from teamflow.engines.registry import engine
from teamflow.run.obstacles import room, unobstructed

BRIEF = Brief("a", 1, "first", "/w", prompt="x", stem="/run/a.1")


def refused(
    place: Path, brief: Brief = BRIEF, *, cwd: str = "work/sub", own: Mapping[str, str] = {}, **env: str
) -> str:
    """Why copilot is not started in a repository; empty: it is. `own`: what the team file gives it."""
    (place / "work/.git").mkdir(parents=True, exist_ok=True)
    (place / cwd).mkdir(parents=True, exist_ok=True)
    told = engine("copilot").invoke(brief)
    variables: Mapping[str, str] = {"HOME": str(place / "home"), **env}
    done = unobstructed(told, cwd=str(place / cwd), base=lambda: variables, own=own)
    if isinstance(done, Invocation):
        assert done is told
        return ""
    assert done.failure is FailureClass.START
    return done.reason


def made(path: Path, text: str = "{}") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("work/sub/.github/hooks/a.json", "{}"),
        ("work/.github/hooks/a.json", "{}"),
        ("work/.github/copilot/settings.json", '{"hooks": {}}'),
        ("work/.claude/settings.local.json", '{"h\\u006foks": {}}'),
        ("work/.claude/settings.json", "x" * (2 << 20)),
        ("home/.copilot/hooks/mine.json", "{}"),
        ("home/.copilot/settings.json", '{"hooks": {}}'),
    ],
)
def test_where_hooks_could_answer_copilot_is_not_started(path: str, text: str, tmp_path: Path) -> None:
    assert refused(tmp_path) == ""
    made(tmp_path / path, text)
    reason = refused(tmp_path)
    assert "lets hooks of copilot answer before it asks" in reason
    assert "`permissions: full`" in reason
    assert refused(tmp_path, BRIEF._replace(grants=Permissions(level="full"))) == ""
    alone = refused(tmp_path, BRIEF._replace(home=str(tmp_path / "own")))
    assert bool(alone) == (".github/hooks" in path)


def test_what_is_no_obstacle(tmp_path: Path) -> None:
    made(tmp_path / ".github/hooks/above.json")
    made(tmp_path / "work/other/.github/hooks/a.json")
    made(tmp_path / "work/.claude/settings.json", '{"permissions": {}}')
    (tmp_path / "work/.github/hooks").mkdir(parents=True)
    assert refused(tmp_path) == ""


def test_the_directory_of_copilot_is_the_one_of_the_step(tmp_path: Path) -> None:
    made(tmp_path / "elsewhere/hooks/a.json")
    assert refused(tmp_path) == ""
    assert str(tmp_path / "elsewhere/hooks") in refused(tmp_path, COPILOT_HOME=str(tmp_path / "elsewhere"))


def test_what_the_team_file_gives_goes_before_what_the_engine_says(tmp_path: Path) -> None:
    made(tmp_path / "elsewhere/a")
    found = Obstacle("a", "is there", variable="PLACE", usual=".place")
    told = Invocation(("x",), env={"PLACE": str(tmp_path / "empty")}, obstacles=(found,))
    own = {"PLACE": str(tmp_path / "elsewhere")}
    assert unobstructed(told, cwd="/", base=lambda: own, own={}) is told
    assert isinstance(unobstructed(told, cwd="/", base=dict, own=own), Failed)
    told = told._replace(final={"PLACE": str(tmp_path / "empty")})
    assert unobstructed(told, cwd="/", base=dict, own=own) is told


def test_a_relative_directory_is_one_of_the_working_directory(tmp_path: Path) -> None:
    made(tmp_path / "work/sub/mine/hooks/a.json")
    assert str(tmp_path / "work/sub/mine/hooks") in refused(tmp_path, own={"COPILOT_HOME": "mine"})


def test_a_pipe_in_the_place_of_settings_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "work/.claude").mkdir(parents=True)
    os.mkfifo(tmp_path / "work/.claude/settings.json")
    assert str(tmp_path / "work/.claude/settings.json") in refused(tmp_path)


def test_an_invocation_without_obstacles_is_not_asked_about(tmp_path: Path) -> None:
    def never() -> Mapping[str, str]:
        raise AssertionError

    plain, failed = Invocation(("x",)), Failed(FailureClass.FATAL, "no")
    assert unobstructed(plain, cwd="/", base=never, own={}) is plain
    assert unobstructed(failed, cwd="/", base=never, own={}) is failed
    here = Invocation(("x",), obstacles=(Obstacle("a\n", "is there"),))
    (tmp_path / "a\n").write_text("")
    done = unobstructed(here, cwd=str(tmp_path), base=dict, own={})
    assert isinstance(done, Failed)
    assert done.reason.endswith('a\\n" is there')


def test_directories_are_made_in_the_workspace_alone(tmp_path: Path) -> None:
    work, outside = tmp_path / "work", tmp_path / "outside"
    work.mkdir()
    outside.mkdir()
    (work / "there").mkdir()
    (work / "file").touch()
    (work / "link").symlink_to(outside)
    room(Invocation(("x",), directories=("a/b", "there", "file", "link/c", "../d", str(outside / "e"))), str(work))
    assert sorted(path.relative_to(work).as_posix() for path in work.rglob("*")) == [
        "a",
        "a/b",
        "file",
        "link",
        "there",
    ]
    assert not [*outside.iterdir()]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "work"]


def test_codex_is_given_the_directories_that_it_may_write() -> None:
    grants = Permissions(edit=("api/**", "docs/**/*", "*.md", "src/*.py", "a*/**"))
    for name in ("codex", "codex-exec"):
        told = engine(name).invoke(BRIEF._replace(grants=grants))
        assert isinstance(told, Invocation)
        assert told.directories == ("api", "docs")
        told = engine(name).invoke(BRIEF._replace(grants=Permissions()))
        assert isinstance(told, Invocation)
        assert told.directories == ()

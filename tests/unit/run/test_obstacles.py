"""Files with which an agent is not started: where they lie, and what counts as there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from teamflow.core.invocation import Brief, Invocation, Obstacle
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.permissions import Permissions
from teamflow.engines.registry import engine
from teamflow.run.obstacles import unobstructed

BRIEF = Brief("a", 1, "first", "/w", prompt="x", stem="/run/a.1")


def refused(place: Path, brief: Brief = BRIEF, *, cwd: str = "work/sub", **env: str) -> str:
    """Why copilot is not started in a repository; empty: it is."""
    (place / "work/.git").mkdir(parents=True, exist_ok=True)
    (place / cwd).mkdir(parents=True, exist_ok=True)
    told = engine("copilot").invoke(brief)
    variables: Mapping[str, str] = {"HOME": str(place / "home"), **env}
    done = unobstructed(told, cwd=str(place / cwd), env=lambda: variables)
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


def test_an_invocation_without_obstacles_is_not_asked_about(tmp_path: Path) -> None:
    def never() -> Mapping[str, str]:
        raise AssertionError

    plain, failed = Invocation(("x",)), Failed(FailureClass.FATAL, "no")
    assert unobstructed(plain, cwd="/", env=never) is plain
    assert unobstructed(failed, cwd="/", env=never) is failed
    here = Invocation(("x",), obstacles=(Obstacle("a\n", "is there"),))
    (tmp_path / "a\n").write_text("")
    done = unobstructed(here, cwd=str(tmp_path), env=dict)
    assert isinstance(done, Failed)
    assert done.reason.endswith('a\\n" is there')

"""Worktrees that meet while their steps run, on real git with real processes: told, shown, and held back on request."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Done, Project, finish, proves
from tests.e2e.test_run_workspaces import repository, sh

QUICK = {"TEAMFLOW_OVERLAP_SECONDS": "0.1"}
WAIT = "until test -e {0}/{1}; do sleep 0.05; done"
TEN = "".join(f"line {n}\n" for n in range(10))


class Living:
    """A run that goes on, and what `status --json` says of it."""

    def __init__(self, project: Project, **env: str) -> None:
        self.project = project
        self.process = project.popen("run", "--progress", "plain", env={**QUICK, **env})

    def until(self, holds: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.project.exists(".teamflow/runs") and (found := self._asked(holds)):
                return found
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)
        raise AssertionError(f"{what}: {self.project.status().data['overlaps']}")

    @staticmethod
    def _asked(holds: Callable[[], Any]) -> Any:
        try:
            return holds()
        except (LookupError, SystemExit):
            return None

    def overlaps(self) -> Any:
        return self.project.status().data["overlaps"]

    def kinds(self) -> list[str]:
        return [each["kind"] for each in self.overlaps()]

    def go(self, name: str) -> None:
        (self.project.place / name).touch()

    def end(self) -> Done:
        with self.process as process:
            return finish(process, 60)


def wait(place: Path, name: str) -> str:
    return WAIT.format(place, name)


def project_of(place: Path, agents: dict[str, Any], **more: Any) -> Project:
    return repository(place, agents, {"a.txt": TEN}, **more)


def change(line: int, to: str) -> str:
    """Of one line, at once."""
    return f"sed 's/^line {line}$/{to}/' a.txt > .git-new; mv .git-new a.txt"


@pytest.mark.slow
@proves(team=["limits.on_overlap"])
def test_two_that_edit_one_file_are_told_of_first_soft_then_hard(tmp_path: Path) -> None:
    agents = {
        "api": sh(f"{change(1, 'api')}; {wait(tmp_path, 'end')}"),
        "web": sh(f"{change(9, 'web')}; {wait(tmp_path, 'hard')}; {change(1, 'web')}; {wait(tmp_path, 'end')}"),
        "docs": sh(f"echo docs > docs.txt; {wait(tmp_path, 'end')}"),
    }
    living = Living(project_of(tmp_path, agents))
    living.until(lambda: living.kinds() == ["soft"], "soft")
    assert living.overlaps() == [{"steps": ["api", "web"], "kind": "soft", "paths": ["a.txt"], "more": 0}]
    living.go("hard")
    living.until(lambda: living.kinds() == ["hard"], "hard")
    shown = living.project.call("status").expect(0)
    assert "overlap: api and web both change a.txt (conflict)" in shown.out
    assert "conflicts with web in a.txt" in living.project.why("api")
    assert "conflicts with" not in living.project.why("docs")
    living.go("end")
    said = living.end().expect(0).said
    assert "api and web both change a.txt (no conflict so far)" in said
    assert "api and web now conflict in a.txt" in said
    assert not [event for event in living.project.events() if event["kind"] == "PauseRequested"]
    assert all("docs" not in str(event) for event in living.project.events() if event["kind"] == "OverlapsSeen")
    after = living.project.status().data["overlaps"]
    assert [each["kind"] for each in after] == ["hard"], "both branches are still to be merged"


@pytest.mark.slow
@proves(team=["limits.on_overlap"])
def test_the_later_one_is_paused_once_and_goes_on_when_somebody_says_so(tmp_path: Path) -> None:
    agents = {
        "api": sh(f"{change(1, 'api')}; {wait(tmp_path, 'end')}"),
        "web": sh(f"{change(1, 'web')}; {wait(tmp_path, 'end')}"),
    }
    living = Living(project_of(tmp_path, agents, limits={"on_overlap": "pause"}))
    living.until(lambda: living.project.status().statuses["web"] == "waiting", "paused")
    assert living.project.status().statuses["api"] == "running"
    assert "paused by overlap with api in a.txt; `teamflow resume web` lets it go on" in living.project.why("web")
    assert living.project.status().step("web")["paused"]["by"] == "overlap with api in a.txt"
    living.project.call("resume", "web").expect(0)
    living.until(lambda: len(living.project.status().step("web")["attempts"]) == 2, "resumed")
    living.until(lambda: living.kinds() == ["hard"], "still in conflict")
    living.go("end")
    said = living.end().expect(0).said
    assert said.count("pauses web") == 1
    assert [event["by"] for event in living.project.events() if event["kind"] == "PauseRequested"] == [
        "overlap with api in a.txt"
    ]


@pytest.mark.slow
def test_what_one_has_left_is_compared_with_what_goes_on_and_merging_settles_it(tmp_path: Path) -> None:
    agents = {
        "first": sh(change(1, "first")),
        "next": sh(f"{wait(tmp_path, 'go')}; {change(2, 'next')}; {wait(tmp_path, 'end')}", depends_on=["first"]),
        "other": sh(f"{wait(tmp_path, 'first')}; {change(9, 'other')}; {wait(tmp_path, 'other')}"),
        "both": sh(wait(tmp_path, "both"), depends_on=["first", "other"]),
    }
    living = Living(project_of(tmp_path, agents))
    living.until(lambda: living.project.status().statuses["next"] == "running", "next")
    living.go("first")
    found = living.until(living.overlaps, "with what was left")
    assert [each["steps"] for each in found] == [["first", "other"]]
    living.go("go")
    living.until(lambda: len(living.overlaps()) == 2, "with what goes on")
    assert [each["steps"] for each in living.overlaps()] == [["first", "other"], ["next", "other"]]
    living.go("other")
    living.until(lambda: living.project.status().statuses["both"] == "running", "both")
    living.until(lambda: [each["steps"] for each in living.overlaps()] == [["next", "other"]], "merged")
    living.go("both")
    living.go("end")
    living.end().expect(0)
    seen = [each for event in living.project.events() for each in event.get("overlaps", ())]
    assert all({each["first"], each["second"]} != {"first", "next"} for each in seen), "one has the other's changes"


@pytest.mark.slow
def test_looking_leaves_the_worktrees_as_they_are(tmp_path: Path) -> None:
    script = f"{change(1, 'x')}; touch new; git add new; git rev-parse --absolute-git-dir > {tmp_path}/$TEAMFLOW_STEP"
    agents = {name: sh(f"{script}; {wait(tmp_path, 'end')}") for name in ("api", "web")}
    living = Living(project_of(tmp_path, agents))
    living.until(lambda: living.kinds() == ["soft"] or (tmp_path / "api").exists(), "begun")
    living.until(lambda: (tmp_path / "web").exists() and (tmp_path / "api").read_text(), "both at work")
    admin = Path((tmp_path / "api").read_text().strip())
    place = Path((admin / "gitdir").read_text().strip()).parent

    def seen() -> object:
        env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
        status = subprocess.check_output(["git", "-C", place, "status", "--porcelain"], env=env)
        return status, (admin / "index").stat().st_mtime_ns, living.project.git("for-each-ref")

    before = seen()
    watched = next((tmp_path / "p/.teamflow/git/trees").rglob("api/watched"), None)
    living.until(lambda: next((tmp_path / "p/.teamflow/git/trees").rglob("api/watched"), None), "looked at")
    (place / "more").write_text("x")
    (place / "more").unlink()
    time.sleep(0.5)
    assert seen() == before, watched
    living.go("end")
    living.end().expect(0)


@pytest.mark.slow
def test_a_run_without_worktrees_compares_nothing(tmp_path: Path) -> None:
    project = project_of(tmp_path, {"one": {"command": "echo 1"}, "two": {"command": "echo 2"}})
    done = project.call("run", "--progress", "plain", python=("-X", "importtime")).expect(0)
    assert not {"teamflow.run.overlapping", "teamflow.app.overlaps"} & done.importtime()


@pytest.mark.slow
@proves(team=["limits.on_overlap"])
def test_who_is_held_back_stays_so_when_nothing_else_goes_on_and_the_end_says_how_to_go_on(tmp_path: Path) -> None:
    agents = {
        "api": sh(f"{change(1, 'api')}; {wait(tmp_path, 'end')}"),
        "web": sh(f"{change(1, 'web')}; {wait(tmp_path, 'end')}"),
    }
    living = Living(project_of(tmp_path, agents, limits={"on_overlap": "pause"}))
    living.until(lambda: living.project.status().statuses["web"] == "waiting", "paused")
    living.go("end")
    ended = living.end()
    assert ended.code != 0
    assert "`teamflow resume web` lets it go on" in ended.said
    assert living.project.status().data["overlaps"][0]["kind"] == "hard"
    living.project.call("resume", "web").expect(0)
    assert "goes on" in living.project.run(env=QUICK).expect(0).said
    assert living.project.status().statuses == {"api": "succeeded", "web": "succeeded"}
    assert len([event for event in living.project.events() if event["kind"] == "PauseRequested"]) == 1

"""Output files that git ignores reach the workspaces of the steps after, whoever has which worktree."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.project import Project
from tests.e2e.test_run_workspaces import repository, sh

IGNORED = {".gitignore": "dist/\n"}
AGENTS = {
    "build": sh("mkdir dist; printf 'made\\0' > dist/it.bin; chmod 755 dist/it.bin; echo src > src.txt")
    | {"outputs": {"it": {"file": "dist/it.bin"}}},
    # At the same time, for each waits for the other: one has the worktree of `build`, the other a fresh one.
    "first": {"command": "echo here > $MEET; cat src.txt && test -x dist/it.bin", "depends_on": ["build"]},
    "second": {"command": "cat $MEET; cat src.txt && test -x dist/it.bin", "depends_on": ["build"]},
    "edit": sh("cp dist/it.bin copy.bin; git status --porcelain --ignored", depends_on=["build"]),
    "last": {"command": ["wc", "-c", "dist/it.bin", "copy.bin"], "depends_on": ["first", "second", "edit"]},
}


def project_with(place: Path, **agents: object) -> Project:
    os.mkfifo(place / "meet")
    more = {"limits": {"max_parallel": 4}, "env": {"MEET": str(place / "meet")}}
    return repository(place / "project", {**AGENTS, **agents}, IGNORED, **more)


@pytest.mark.slow
def test_they_are_there_for_all_at_once_and_in_no_commit(tmp_path: Path) -> None:
    project = project_with(tmp_path)
    project.run().expect(0)
    status = project.status()
    assert "5 dist/it.bin" in status.text("last")
    assert "dist" not in project.git("ls-tree", "-r", "--name-only", "teamflow/1/edit")
    [kept] = status.step("build")["artifacts"]
    assert (kept["path"], kept["size"]) == ("dist/it.bin", 5)


@pytest.mark.slow
def test_a_worktree_that_is_gone_takes_none_of_them_along(tmp_path: Path) -> None:
    project = project_with(tmp_path, last={"command": "test -e dist/it.bin && test -e go", "depends_on": ["edit"]})
    project.run().expect(1)
    shutil.rmtree(project.root / ".teamflow/work")
    project.write("team.yaml", project.read("team.yaml").replace(" && test -e go", ""))
    project.run().expect(0)
    assert project.status().step("build")["attempts"][-1]["number"] == 1


@pytest.mark.slow
def test_one_that_nobody_has_any_more_is_said(tmp_path: Path) -> None:
    project = project_with(tmp_path, last={"command": "test -e go", "depends_on": ["edit"]})
    project.run().expect(1)
    shutil.rmtree(project.root / ".teamflow/work")
    shutil.rmtree(project.root / ".teamflow/runs/1/artifacts")
    project.write("team.yaml", project.read("team.yaml").replace("test -e go", "test -e dist/it.bin"))
    done = project.run().expect(1)
    said = " ".join(done.err.split())
    assert "dist/it.bin of build is in no commit, and is not kept any more: run again with --force build" in said, said
    project.run("--force", "build").expect(0)


@pytest.mark.slow
def test_two_that_made_it_differently_conflict_and_the_later_of_two_in_a_row_counts(tmp_path: Path) -> None:
    def makes(text: str, **more: object) -> dict[str, object]:
        return sh(f"mkdir -p dist; echo {text} > dist/it.txt", outputs={"it": {"file": "dist/it.txt"}}, **more)

    look = {"command": "cat dist/it.txt", "depends_on": ["one", "two"]}
    apart = repository(tmp_path / "apart", {"one": makes("1"), "two": makes("2"), "look": look}, IGNORED)
    apart.run().expect(1)
    assert apart.status().failures("look") == ["conflict"]
    assert "dist/it.txt is an output of one and two" in apart.why("look")
    same = repository(tmp_path / "same", {"one": makes("1"), "two": makes("1"), "look": look}, IGNORED)
    same.run().expect(0)
    row = {"one": makes("1"), "two": makes("2", depends_on=["one"]), "look": look}
    in_a_row = repository(tmp_path / "row", row, IGNORED)
    in_a_row.run().expect(0)
    assert in_a_row.status().text("look") == "2"


@pytest.mark.slow
def test_a_step_that_goes_on_with_new_work_of_others_has_them_too(tmp_path: Path) -> None:
    """Its worktree is made anew then: what it has left, on top of what it starts from."""
    again = tmp_path / "again"
    review = f"test -e {again} && echo true || {{ touch {again}; echo false; }}"
    agents = {
        "build": sh(
            "mkdir -p dist; echo made >> src.txt; cp src.txt dist/it.txt", outputs={"it": {"file": "dist/it.txt"}}
        ),
        "edit": sh("cat dist/it.txt; echo edit >> edit.txt", depends_on=["build"]),
        "review": {
            "command": review,
            "depends_on": ["edit"],
            "outputs": {"ok": "boolean"},
            "loop": {"until": "outputs.ok", "max": 3, "rework": "build"},
        },
    }
    project = repository(tmp_path / "project", agents, IGNORED)
    project.run().expect(0)
    assert [one["cause"] for one in project.status().step("edit")["attempts"]] == ["first", "rework"]
    assert project.git("show", "teamflow/1/edit:edit.txt") == "edit\nedit\n"

"""`gc` and `rm` on worktrees, branches and hidden refs of real runs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project

ENGINE = {"sh": {"command": ["sh", "-es"]}}


def repository(place: Path, agents: dict[str, Any]) -> Project:
    team = {"engines": ENGINE, "defaults": {"retry": {"attempts": 1, "delay": "1ms"}}, "agents": agents}
    project = Project(place, team, files={"a.txt": "a\n", ".gitignore": ".teamflow/\n*.tmp\n"}, git=True)
    project.git("add", "-A")
    project.git("commit", "-qm", "first")
    return project


def sh(script: str, **more: Any) -> dict[str, Any]:
    """One that leaves its worktree."""
    return {"engine": "sh", "prompt": script, "workspace": {"keep": "always"}, **more}


def done(place: Path) -> Project:
    """A run that has succeeded: `build` has made a commit, `idle` none."""
    project = repository(place, {"build": sh("echo b > b.txt; echo t > t.tmp"), "idle": sh("true")})
    project.run().expect(0)
    return project


def worktrees(project: Project) -> list[Path]:
    return sorted(path for path in (project.root / ".teamflow/work").glob("*/*"))


def registered(project: Project) -> int:
    return project.git("worktree", "list").count("\n") - 1


def refs(project: Project) -> list[str]:
    return project.git("for-each-ref", "--format=%(refname)").split()


def branches(project: Project) -> list[str]:
    return [name.removeprefix("refs/heads/") for name in refs(project) if name.startswith("refs/heads/teamflow/")]


@pytest.mark.slow
def test_clean_worktrees_go_and_the_branch_with_work_stays(tmp_path: Path) -> None:
    project = done(tmp_path)
    before = (refs(project), worktrees(project))
    tried = project.call("gc", "--dry-run").expect(0)
    assert tried.out.startswith("would remove 2 worktrees, 1 branch, 0 refs\n")
    assert (refs(project), worktrees(project)) == before
    told = project.call("gc").expect(0)
    assert "kept: teamflow/1/build: unmerged (teamflow merge build -r 1, or git branch -D teamflow/1/build)" in told.out
    assert branches(project) == ["teamflow/1/build"]
    assert worktrees(project) == []
    assert registered(project) == 0
    assert not list((project.root / ".git/worktrees").glob("*"))
    again = project.call("gc", "--json").expect(0).json()
    assert (again["worktrees"], again["branches"], again["refs"]) == ([], [], [])
    assert [line["what"] for line in again["kept"]] == ["teamflow/1/build"]
    project.git("merge", "-q", "teamflow/1/build")
    assert project.call("gc", "--json").expect(0).json()["branches"] == ["refs/heads/teamflow/1/build"]
    assert branches(project) == []


@pytest.mark.slow
def test_what_is_dirty_locked_or_in_use_stays(tmp_path: Path) -> None:
    project = repository(tmp_path, {name: sh("true") for name in ("changed", "new", "staged", "locked", "clean")})
    project.run().expect(0)
    at = {path.name: path for path in worktrees(project)}
    (at["changed"] / "a.txt").write_text("mine\n")
    (at["new"] / "mine.txt").write_text("mine\n")
    (at["staged"] / "a.txt").write_text("mine\n")
    project.git("-C", str(at["staged"]), "add", "a.txt")
    (at["staged"] / "a.txt").write_text("a\n")
    project.git("worktree", "lock", str(at["locked"]))
    found = project.call("gc", "--json").expect(0).json()
    assert found["worktrees"] == [str(at["clean"])]
    whys = {Path(line["what"]).name: line["why"] for line in found["kept"] if line["what"].startswith("/")}
    assert whys == {"changed": "dirty", "new": "dirty", "staged": "dirty", "locked": "locked"}


NEST = "mkdir n; cd n; git init -q; echo x > x; git add x; git -c user.name=a -c user.email=a@b commit -qm n"


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["on_failure", "never"])
def test_a_repository_inside_that_nobody_else_has_keeps_its_worktree(tmp_path: Path, keep: str) -> None:
    project = repository(tmp_path, {"build": sh(NEST, workspace={"keep": keep})})
    told = project.run().expect(0)
    (there,) = worktrees(project)
    assert f"build: {there} stays: the history of n is in no commit" in told.said
    assert "git branch -D" not in told.said
    assert project.git("-C", str(there / "n"), "log", "--format=%s") == "n\n"
    assert f"kept: {there}: dirty (git worktree remove --force {there})" in project.call("gc").expect(0).out
    assert (there / "n/.git/HEAD").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("ends", ["", "; exit 1"])
def test_what_is_not_there_is_neither_removed_nor_kept(tmp_path: Path, ends: str) -> None:
    project = repository(tmp_path, {"build": sh(f"true{ends}"), "idle": sh("true")})
    project.run().expect(1 if ends else 0)
    (gone, _) = worktrees(project)
    project.git("worktree", "remove", "--force", str(gone))
    for words in (("--dry-run",), (), ()):
        assert str(gone) not in project.call("gc", *words).expect(0).out
    record = project.root / f".teamflow/git/trees/{gone.parent.name}/build"
    assert record.exists() == bool(ends)


def shell(project: Project, said: str, word: str) -> None:
    """Runs the command in backticks that the line with that word ends with."""
    (line,) = [line for line in said.splitlines() if word in line]
    subprocess.run(line.rpartition("` ")[0].rpartition("`")[2], shell=True, check=True, cwd=project.root)


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["always", "never"])
def test_what_is_said_to_drop_a_branch_drops_it(tmp_path: Path, keep: str) -> None:
    project = repository(tmp_path / "a b", {"build": sh("echo x > x.txt", workspace={"keep": keep})})
    told = project.run().expect(0)
    assert len(worktrees(project)) == (keep == "always")
    shell(project, told.said, "drops it")
    assert (branches(project), worktrees(project)) == ([], [])


@pytest.mark.slow
def test_what_gc_says_to_let_a_branch_go_lets_it_go(tmp_path: Path) -> None:
    project = repository(tmp_path, {"build": sh("echo x > x.txt")})
    project.run().expect(0)
    (there,) = worktrees(project)
    (there / "new").write_text("")
    told = project.call("gc", "--dry-run").expect(0).out.splitlines()
    (line,) = [line for line in told if ", or git" in line]
    subprocess.run(line.partition(", or ")[2].removesuffix(")"), shell=True, check=True, cwd=project.root)
    assert (branches(project), worktrees(project)) == ([], [])


@pytest.mark.slow
def test_what_was_put_aside_is_named_and_goes_once_it_is_somewhere_else(tmp_path: Path) -> None:
    """A repository in the worktree of an attempt that was killed; the next attempt began in a fresh one."""
    build = sh(f"test -e ../../../second || {{ touch ../../../second; {NEST}; kill -9 $$; }}\nexit", workspace={})
    build["retry"] = {"attempts": 2, "delay": "1ms"}
    project = repository(tmp_path, {"build": build})
    project.run().expect(0)
    (aside,) = (project.root / ".teamflow/git/trees").glob("*/build/aside")
    inner = aside / "1/n/.git"
    assert inner.is_dir()
    for words in (("--dry-run",), (), ()):
        told = project.call("gc", *words).expect(0).out
        assert f"kept: {aside}: in no commit (rm -rf {aside})" in told
        assert inner.is_dir()
    found = project.call("gc", "--json").expect(0).json()
    assert (found["worktrees"], [line["why"] for line in found["kept"]]) == ([], ["in no commit"])
    # As after a push.
    project.git("--git-dir", str(inner), "update-ref", "refs/remotes/origin/main", "HEAD")
    assert f"would go: {aside}" in project.call("gc", "--dry-run").expect(0).out
    assert inner.is_dir()
    assert f"removed: {aside}" in project.call("gc").expect(0).out
    assert not aside.parent.parent.exists(), "nor is there a note of it any more"
    assert str(aside) not in project.call("gc").expect(0).out


@pytest.mark.slow
def test_a_run_that_can_go_on_keeps_everything_until_it_is_forgotten(tmp_path: Path) -> None:
    project = repository(tmp_path, {"build": sh("echo x > x.txt; exit 1")})
    project.run().expect(1)
    before = refs(project)
    told = project.call("gc").expect(0)
    assert "run goes on (teamflow rm 1)" in told.out
    assert refs(project) == before
    project.call("rm", "1").expect(0)
    assert "dirty" in project.call("gc").expect(0).out
    assert (worktrees(project)[0] / "x.txt").read_text() == "x\n"


@pytest.mark.slow
def test_purging_takes_all_but_the_work_and_says_so(tmp_path: Path) -> None:
    project = done(tmp_path)
    tip = project.git("rev-parse", "teamflow/1/build")
    told = project.call("rm", "--purge", "1").expect(0)
    assert "kept teamflow/1/build: unmerged" in told.out
    assert worktrees(project) == []
    assert project.git("rev-parse", "teamflow/1/build") == tip
    assert [name for name in refs(project) if "/idle/" in name] == []
    project.call("rm", "--purge", "1").expect(0)
    assert project.git("rev-parse", "teamflow/1/build") == tip


@pytest.mark.slow
def test_purging_what_was_pushed_leaves_nothing(tmp_path: Path) -> None:
    project = done(tmp_path)
    project.git("init", "-q", "--bare", str(tmp_path / "origin"))
    project.git("remote", "add", "origin", str(tmp_path / "origin"))
    project.git("push", "-q", "origin", "teamflow/1/build")
    told = project.call("rm", "--purge", "1").expect(0)
    assert "kept" not in told.out
    assert refs(project) == ["refs/heads/main", "refs/remotes/origin/teamflow/1/build"]
    assert worktrees(project) == []


@pytest.mark.slow
def test_forgetting_without_purge_leaves_workspaces_to_gc(tmp_path: Path) -> None:
    project = done(tmp_path)
    project.git("merge", "-q", "teamflow/1/build")
    project.call("rm", "1").expect(0)
    assert len(worktrees(project)) == 2
    project.call("gc").expect(0)
    assert refs(project) == ["refs/heads/main"]
    assert not list((project.root / ".teamflow/work").glob("*"))


@pytest.mark.slow
def test_a_deleted_teamflow_directory_leaves_refs_that_go_when_they_are_merged(tmp_path: Path) -> None:
    project = done(tmp_path)
    shutil.rmtree(project.root / ".teamflow")
    project.git("worktree", "prune")
    project.team({"agents": {"a": {"command": "true"}}})
    project.run().expect(0)
    tip = project.git("rev-parse", "teamflow/1/build")
    project.call("gc").expect(0)
    assert project.git("rev-parse", "teamflow/1/build") == tip
    # Run 1 is another one now: whose the branches are is not sure any more, so they stay with their marks.
    assert [name.partition("/idle/")[2] for name in refs(project) if "/idle/" in name] == ["branch/1"]


@pytest.mark.slow
def test_a_deleted_teamflow_directory_needs_no_new_run(tmp_path: Path) -> None:
    project = done(tmp_path)
    shutil.rmtree(project.root / ".teamflow")
    assert registered(project) == 2
    assert "2 worktrees" in project.call("gc", "--dry-run").expect(0).out
    assert "unmerged" in project.call("gc").expect(0).out
    assert registered(project) == 0
    assert branches(project) == ["teamflow/1/build"]
    project.git("merge", "-q", "teamflow/1/build")
    project.call("gc").expect(0)
    assert refs(project) == ["refs/heads/main"]
    shutil.rmtree(project.root / ".teamflow")
    assert "no run yet" in project.call("gc").expect(0).said
    assert not (project.root / ".teamflow").exists()


@pytest.mark.slow
def test_another_project_in_the_repository_is_left_alone(tmp_path: Path) -> None:
    project = done(tmp_path)
    other = tmp_path / "other"
    project.git("worktree", "add", "-q", str(other))
    before = refs(project)
    here = Project(tmp_path / "beside", {"agents": {"a": {"command": "true"}}})
    shutil.copy(here.root / "team.yaml", other / "team.yaml")
    here.root = other
    here.run().expect(0)
    here.call("gc").expect(0)
    assert refs(project) == before
    assert len(worktrees(project)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("verb", [("gc",), ("rm", "--purge", "1")])
def test_killed_anywhere_the_next_call_finishes(tmp_path: Path, verb: tuple[str, ...]) -> None:
    first = done(tmp_path / "0")
    first.git("merge", "-q", "teamflow/1/build")
    killed = 0
    for number in range(1, 60):
        project = first
        place = tmp_path / str(number)
        shutil.copytree(first.place, place, symlinks=True)
        project = Project.__new__(Project)
        project.__dict__.update({**first.__dict__, "place": place, "root": place / "p"})
        for link in [*project.root.glob(".git/worktrees/*/gitdir"), *project.root.glob(".teamflow/work/*/*/.git")]:
            link.write_text(link.read_text().replace(str(first.root), str(project.root)))
        ended = project.call(*verb, env={"TEAMFLOW_FAILPOINT": str(number)})
        project.call(*verb).expect(0)
        assert worktrees(project) == []
        assert branches(project) == []
        assert registered(project) == 0
        assert not list((project.root / ".teamflow/git/gone").glob("*"))
        assert os.path.exists(project.root / ".teamflow/runs/1") == (verb[0] == "gc")
        if ended.code != -signal.SIGKILL:
            break
        killed += 1
    assert killed > 5

"""Where the code goes, on real git: worktrees, commits along the edges, merging, and the checkout of the user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, proves
from tests.e2e.tool import until
from tests.e2e.watched import Watched

ENGINE = {"sh": {"command": ["sh", "-es"]}}
"""An agent that does what its prompt says, as a shell, up to `exit`: behind that stands why the last attempt failed."""


def team(agents: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"engines": ENGINE, "defaults": {"retry": {"attempts": 1, "delay": "1ms"}}, **more, "agents": agents}


def sh(script: str, **more: Any) -> dict[str, Any]:
    return {"engine": "sh", "prompt": f"{script}\nexit", **more}


def repository(place: Path, agents: dict[str, Any], files: dict[str, str] | None = None, **more: Any) -> Project:
    project = Project(place, team(agents, **more), files={"a.txt": "a\n", **(files or {})}, git=True)
    project.write(".gitignore", (files or {}).get(".gitignore", "") + ".teamflow/\n")
    project.git("add", "-A")
    project.git("commit", "-qm", "first")
    return project


def show(project: Project, commit: str, path: str) -> str:
    return project.git("show", f"{commit}:{path}")


def untouched(project: Project) -> None:
    """The user's checkout is as it was."""
    assert project.git("status", "--porcelain") == ""
    assert project.git("rev-parse", "--abbrev-ref", "HEAD").strip() == "main"
    assert project.git("log", "--oneline", "main").count("\n") == 1
    assert project.git("stash", "list") == ""


@proves(agent=["workspace.mode"])
def test_each_works_in_a_worktree_of_its_own_and_the_next_sees_what_the_one_before_did(tmp_path: Path) -> None:
    agents = {
        "one": sh("echo one > one.txt; echo more >> a.txt"),
        "two": sh("test ! -e one.txt; echo two > two.txt"),
        "both": sh("cat one.txt two.txt > both.txt", depends_on=["one", "two"]),
        "look": {"command": "cat both.txt a.txt; pwd", "depends_on": ["both"]},
    }
    project = repository(tmp_path, agents)
    project.run().expect(0)
    untouched(project)
    status = project.status()
    assert status.text("look").splitlines()[:4] == ["one", "two", "a", "more"]
    assert ".teamflow/work/" in status.text("look").splitlines()[4]
    both = status.step("both")
    assert both["branch"] == "teamflow/1/both"
    assert show(project, "teamflow/1/both", "both.txt") == "one\ntwo\n"
    assert status.step("one")["diffstat"] == {"files": 2, "added": 2, "deleted": 0}
    message = project.git("log", "-1", "--format=%B", "teamflow/1/one")
    assert message.startswith("one: echo one > one.txt")
    trailers = project.git("log", "-1", "--format=%(trailers:only,unfold)", "teamflow/1/one")
    for trailer in ("Teamflow-Run: 1 ", "Teamflow-Step: one", "Teamflow-Agent: one", "Teamflow-Engine: sh"):
        assert trailer in trailers


@pytest.mark.slow
def test_nothing_changed_is_said_and_leaves_no_commit(tmp_path: Path) -> None:
    project = repository(tmp_path, {"idle": sh("true")})
    done = project.run().expect(0)
    assert "no changes" in done.err
    assert "no changes" in project.why("idle")
    assert project.git("rev-parse", "teamflow/1/idle") == project.git("rev-parse", "main")


@pytest.mark.slow
def test_commits_of_the_agent_are_kept_and_the_rest_is_committed_on_top(tmp_path: Path) -> None:
    script = (
        "git config user.name me; git config user.email m@e; echo x > x; git add x; git commit -qm mine; echo y > y"
    )
    project = repository(tmp_path, {"build": sh(script)})
    project.run().expect(0)
    subjects = project.git("log", "--format=%s", "main..teamflow/1/build").splitlines()
    assert subjects[1] == "mine"
    assert subjects[0].startswith("build: git config user.name me")


@pytest.mark.slow
def test_a_conflict_names_the_files_and_both_sides(tmp_path: Path) -> None:
    agents = {
        "left": sh("echo left > a.txt"),
        "right": sh("echo right > a.txt"),
        "both": sh("true", depends_on=["left", "right"]),
    }
    project = repository(tmp_path, agents)
    said = project.run().expect(1).err
    assert "`teamflow why both` says what does not merge, and what mends it" in said
    assert "`on_conflict: AGENT` at both" in project.why("both")
    status = project.status()
    assert status.failures("both") == ["conflict"]
    reason = status.step("both")["reason"]
    assert "a.txt" in reason
    assert "left" in reason
    assert "right" in reason
    untouched(project)


@pytest.mark.slow
def test_uncommitted_files_of_the_user_stay_and_are_told_of(tmp_path: Path) -> None:
    project = repository(tmp_path, {"build": sh("cat a.txt > b.txt")})
    project.write("a.txt", "changed\n")
    project.write("new.txt", "new\n")
    before = project.git("status", "--porcelain")
    told = project.call("plan").expect(0)
    assert "a.txt" in told.out
    project.run().expect(0)
    assert project.git("status", "--porcelain") == before
    assert show(project, "teamflow/1/build", "b.txt") == "a\n"


@pytest.mark.slow
def test_what_git_ignores_is_not_committed_and_retry_after_verify_goes_on_in_the_same_worktree(tmp_path: Path) -> None:
    agents = {
        "build": sh("echo x >> tries; mkdir -p out; echo o > out/o", verify=["test $(wc -l < tries) -ge 2"])
        | {"retry": {"attempts": 3, "delay": "1ms"}}
    }
    project = repository(tmp_path, agents, {".gitignore": "out/\n"})
    project.run().expect(0)
    assert show(project, "teamflow/1/build", "tries") == "x\nx\n"
    assert "out/o" not in project.git("ls-tree", "-r", "--name-only", "teamflow/1/build")


@pytest.mark.slow
def test_other_retries_start_clean_and_what_the_old_attempt_left_is_kept(tmp_path: Path) -> None:
    agents = {"build": sh("test ! -e tries; echo x > tries; echo junk > junk; test -e ../../../go")}
    agents["build"]["retry"] = {"attempts": 2, "delay": "1ms", "backoff": "fixed"}
    project = repository(tmp_path, agents)
    project.run().expect(1)
    kept = project.git("for-each-ref", "--format=%(refname)", "refs/teamflow").splitlines()
    first = next(name for name in kept if name.endswith("/build/1"))
    assert show(project, first, "junk") == "junk\n"
    (project.root / "go").write_text("")
    (project.root / ".teamflow" / "go").write_text("")
    project.run().expect(0)
    assert show(project, "teamflow/1/build", "tries") == "x\n"


@pytest.mark.slow
@proves(agent=["workspace.copy", "workspace.setup"])
def test_ignored_files_are_brought_along_and_never_committed(tmp_path: Path) -> None:
    workspace = {"copy": [".env", "conf/*.local"], "setup": "echo ready > ready.tmp"}
    agents = {"build": sh("cat .env conf/x.local ready.tmp > got; echo EXTRA >> .env", workspace=workspace)}
    project = repository(tmp_path, agents, {".gitignore": ".env\n*.local\n*.tmp\n"})
    project.write(".env", "SECRET=1\n")
    project.write("conf/x.local", "local\n")
    project.run().expect(0)
    assert show(project, "teamflow/1/build", "got") == "SECRET=1\nlocal\nready\n"
    assert ".env" not in project.git("ls-tree", "-r", "--name-only", "teamflow/1/build").splitlines()


@pytest.mark.slow
def test_a_command_takes_the_worktree_of_its_dependency_and_two_at_once_do_not_share_one(tmp_path: Path) -> None:
    agents = {
        "build": sh("echo b > b; mkdir -p cache.tmp; echo c > cache.tmp/c"),
        "alone": {"command": "cat cache.tmp/c; pwd", "depends_on": ["build"]},
        "x": {"command": "pwd; sleep 1", "depends_on": ["alone"]},
        "y": {"command": "pwd; sleep 1", "depends_on": ["alone"]},
    }
    project = repository(tmp_path, agents, {".gitignore": "*.tmp\n"}, limits={"max_parallel": 4})
    project.run().expect(0)
    status = project.status()
    assert status.text("alone").splitlines()[0] == "c"
    assert status.text("x") != status.text("y")


@pytest.mark.slow
def test_a_loop_works_on_in_the_same_worktree_and_the_review_sees_each_round(tmp_path: Path) -> None:
    agents = {
        "build": sh("echo round >> rounds"),
        "review": {
            "command": "n=$(wc -l < rounds); [ $n -ge 3 ] && echo '{\"ok\": true}' || echo '{\"ok\": false}'",
            "depends_on": ["build"],
            "outputs": {"ok": "boolean"},
            "loop": {"until": "outputs.ok", "max": 5, "rework": "build"},
        },
        "ship": {"command": "cat rounds", "depends_on": ["review"]},
    }
    project = repository(tmp_path, agents)
    project.run().expect(0)
    assert project.status().text("ship") == "round\nround\nround"
    assert len(project.git("log", "--format=%s", "main..teamflow/1/build").splitlines()) == 3


@pytest.mark.slow
@proves(agent=["cache"])
def test_the_cache_gives_commits_back_also_on_top_of_what_the_user_has_committed_since(tmp_path: Path) -> None:
    agents = {
        "build": sh("cat src.txt > made; echo run >> ../../../builds", reads=["src.txt"]),
        "use": {"command": "cat made other.txt", "depends_on": ["build"]},
    }
    project = repository(tmp_path, agents, {"src.txt": "s\n", "other.txt": "1\n"})
    project.run("--new").expect(0)
    project.run("--new").expect(0)
    status = project.status()
    assert status.statuses["build"] == "cached"
    assert status.text("use") == "s\n1"
    project.write("other.txt", "2\n")
    project.git("commit", "-qam", "other")
    project.run("--new").expect(0)
    status = project.status()
    assert status.statuses["build"] == "cached"
    assert status.text("use") == "s\n2"
    project.write("src.txt", "t\n")
    project.git("commit", "-qam", "source")
    project.run("--new").expect(0)
    assert project.status().text("use") == "t\n2"


@pytest.mark.slow
def test_what_could_not_be_committed_is_told(tmp_path: Path) -> None:
    project = repository(tmp_path, {"build": sh("echo b > b; mkfifo pipe; git init -q inner; echo i > inner/i")})
    done = project.run().expect(0)
    assert "build: not committed: inner (is a repository of its own" in done.err
    assert "pipe (is no file" in done.err
    assert "not committed: inner" in project.why("build")


@pytest.mark.slow
@proves(agent=["writes"])
def test_an_edit_outside_of_writes_fails_the_attempt_and_names_the_file(tmp_path: Path) -> None:
    project = repository(
        tmp_path, {"build": sh("mkdir -p src docs; echo 1 > src/x; echo 2 > docs/y", writes=["src/**"])}
    )
    assert "`teamflow diff build` shows what it changed" in project.run().expect(1).err
    status = project.status()
    assert status.failures("build") == ["writes"]
    assert "docs/y" in status.step("build")["reason"]


def test_without_a_repository_a_worktree_is_refused_before_anything_runs(tmp_path: Path) -> None:
    project = Project(tmp_path, team({"build": sh("true", workspace={"mode": "worktree"})}))
    refused = project.run()
    assert refused.code == 2
    assert "git init" in refused.said


@pytest.mark.slow
@proves(agent=["workspace.keep"])
def test_a_worktree_goes_with_the_run_unless_it_is_to_be_kept(tmp_path: Path) -> None:
    agents = {
        "usual": sh("echo u > u"),
        "kept": sh("echo k > k", workspace={"keep": "always"}),
        "bad": sh("echo work > work; exit 1", continue_on_error=True),
        "gone": sh("echo lost? > work; exit 1", workspace={"keep": "never"}, continue_on_error=True),
    }
    project = repository(tmp_path, agents)
    project.run().expect(0)
    there = {path.name for path in project.root.glob(".teamflow/work/*/*")}
    assert there == {"kept", "bad"}
    assert project.git("worktree", "list").count("\n") == 3
    assert "would remove 1 worktree," in project.call("gc", "--dry-run").expect(0).out, (
        "the kept one, and no trace of others"
    )
    kept = project.git("for-each-ref", "--format=%(refname)", "refs/teamflow").split()
    assert any(
        "/gone/" in name and show(project, name, "work") == "lost? > work\n".replace(" > work", "") for name in kept
    )


@pytest.mark.slow
@proves(agent=["workspace.sparse"])
def test_only_what_a_step_reads_and_writes_is_checked_out(tmp_path: Path) -> None:
    sparse = {"workspace": {"sparse": True}, "reads": ["src/**"], "writes": ["src/**"]}
    project = repository(
        tmp_path, {"build": sh("ls > src/seen; test ! -e big", **sparse)}, {"src/a": "a\n", "big/b": "b\n"}
    )
    project.run().expect(0)
    assert show(project, "teamflow/1/build", "src/seen") == "src\n"
    assert show(project, "teamflow/1/build", "big/b") == "b\n", "what is not there was not deleted"
    assert project.status().step("build")["diffstat"] == {"files": 1, "added": 1, "deleted": 0}


@pytest.mark.slow
@proves(agent=["diff", "diff.max_lines", "diff.forbid"])
@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("seq 9 > nine", "9 lines changed, at most 8"),
        ("git rm -q tests/test_a.py", "tests/test_a.py"),
        ("printf 'a\\0b' > x.bin", "x.bin"),
        ('echo \'{"dependencies": {"left-pad": "1"}}\' > package.json', "left-pad"),
    ],
)
def test_the_diff_policy_judges_the_commit(tmp_path: Path, script: str, told: str) -> None:
    diff = {"max_lines": 8, "forbid": ["deleted_tests", "new_dependency", "binary"]}
    files = {"tests/test_a.py": "def test_a(): pass\n", "package.json": '{"dependencies": {}}\n'}
    project = repository(tmp_path, {"build": sh(script, diff=diff), "after": sh("true", depends_on=["build"])}, files)
    project.run().expect(1)
    status = project.status()
    assert status.failures("build") == ["writes"]
    assert told in status.step("build")["reason"]
    assert status.statuses["after"] == "skipped"


@pytest.mark.slow
def test_each_workspace_has_ports_and_names_of_its_own(tmp_path: Path) -> None:
    tell = 'echo "$TEAMFLOW_PORT_0 $TEAMFLOW_DATABASE $COMPOSE_PROJECT_NAME $TEAMFLOW_SLOT"'
    agents = {f"s{number}": sh(f"{tell}; pwd; sleep 0.5") for number in range(4)}
    agents["use"] = {"command": tell, "depends_on": ["s0"]}
    project = repository(tmp_path, agents, limits={"max_parallel": 4})
    project.run().expect(0)
    status = project.status()
    told = {name: (status.step(name)["text"] or "").splitlines()[0].split() for name in agents}
    for at in range(4):
        assert len({told[f"s{number}"][at] for number in range(4)}) == 4
    assert told["use"] == told["s0"], "it works in the same one"


@pytest.mark.slow
def test_a_step_that_is_cancelled_while_its_workspace_is_made_ends(tmp_path: Path) -> None:
    project = repository(tmp_path, {"build": sh("sleep 30"), "then": {"command": "true", "depends_on": ["build"]}})
    with project.popen("run", "--progress", "plain") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "build: started" in line:
                break
        project.call("cancel", "--all").expect(0)
        process.communicate(timeout=30)
        assert process.returncode == 1
    assert project.status().statuses == {"build": "cancelled", "then": "cancelled"}


@pytest.mark.slow
def test_dependents_of_other_kinds_get_what_their_edges_promise(tmp_path: Path) -> None:
    agents = {
        "a": sh("echo a > a"),
        "gone": sh("echo x > x", **{"if": "inputs.no"}),
        "bad": sh("echo half > half; exit 1", continue_on_error=True),
        "after-skip": {"command": "ls", "depends_on": {"a": "succeeded", "gone": "passed"}},
        "after-bad": {"command": "ls", "depends_on": {"a": "succeeded", "bad": "failed"}},
        "ask": {"ask": "Go?", "depends_on": ["a"]},
        "after-ask": {"command": "ls", "depends_on": ["ask"]},
        "shared": sh("pwd", workspace={"mode": "shared"}, depends_on=["a"]),
    }
    project = repository(tmp_path, agents, inputs={"no": {"type": "boolean", "default": False}})
    assert project.run("--no-input").code == 5
    project.call("approve", "1.1").expect(0)
    project.run().expect(0)
    status = project.status()
    assert status.statuses["gone"] == "skipped"
    for name in ("after-skip", "after-bad", "after-ask"):
        assert set(status.text(name).split()) == {"a", "a.txt", "team.yaml"}, name
    assert status.text("shared") == str(project.root)


@pytest.mark.slow
def test_in_a_watched_run_a_commit_is_a_save(tmp_path: Path) -> None:
    agents = {
        "build": sh("cat src.txt > made", reads=["src.txt"]),
        "use": {"command": "cat made", "depends_on": ["build"]},
    }
    project = repository(tmp_path, agents, {"src.txt": "one\n", "other.txt": "o\n"})
    with Watched(project) as watched:
        watched.rests(1)
        project.write("src.txt", "two\n")
        project.write("other.txt", "p\n")
        project.git("commit", "-qm", "other", "other.txt")
        project.git("commit", "-qm", "source", "src.txt")
        watched.until(lambda: project.status().step("use")["text"] == "two", "the commit is followed")
        assert len(project.status().step("build")["attempts"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("cancelled", [False, True])
def test_one_writer_at_a_time_and_why_says_who(tmp_path: Path, cancelled: bool) -> None:
    here = '"$TEAMFLOW_PROJECT"'
    agents = {
        "build": sh("echo round >> rounds"),
        "lint": {
            "command": f"pwd > {here}/where; until test -e {here}/go; do sleep 0.05; done",
            "depends_on": ["build"],
        },
        "review": {
            "command": f"until test -e {here}/where; do sleep 0.05; done; "
            "test $(wc -l < rounds) -ge 2 && echo true || echo false",
            "depends_on": ["build"],
            "outputs": {"ok": "boolean"},
            "loop": {"until": "outputs.ok", "max": 3, "rework": "build"},
        },
    }
    project = repository(tmp_path, agents, limits={"max_parallel": 3})
    with project.popen("run", "--progress", "plain") as process:
        until(lambda: "in which lint works" in (project.why("build") if project.exists("where") else ""), "build waits")
        assert len(project.status().step("build")["attempts"]) == 2
        if cancelled:
            project.call("cancel", "build").expect(0)
            until(lambda: project.status().statuses["build"] == "cancelled", "it does not wait to be cancelled")
            assert project.status().statuses["lint"] == "running"
        project.write("go", "")
        process.communicate(timeout=60)
        assert process.returncode == (1 if cancelled else 0)
    rounds = "round\n" if cancelled else "round\nround\n"
    assert show(project, "teamflow/1/build", "rounds") == rounds


@pytest.mark.slow
def test_a_part_of_a_team_starts_from_what_the_rest_has_left_before(tmp_path: Path) -> None:
    agents = {
        "build": sh("echo b > b"),
        "more": sh("cat b > c", depends_on=["build"]),
        "use": {"command": "cat c", "depends_on": ["more"]},
    }
    project = repository(tmp_path, agents)
    project.run().expect(0)
    project.run("--new", "--from", "more").expect(0)
    status = project.status()
    assert set(status.statuses) == {"more", "use"}
    assert status.text("use") == "b"
    assert show(project, "teamflow/2/more", "b") == "b\n"


@pytest.mark.slow
def test_who_has_committed_since_is_told_what_stays_as_it_was_made(tmp_path: Path) -> None:
    agents = {"w": sh("cp a.txt b.txt"), "t": {"command": "grep -q fixed b.txt", "depends_on": ["w"]}}
    project = repository(tmp_path, agents)
    project.run().expect(1)
    old = project.git("rev-parse", "HEAD")[:7]
    project.write("a.txt", "fixed\n")
    project.git("commit", "-qam", "fixed")
    new = project.git("rev-parse", "HEAD")[:7]
    note = f"HEAD is {new} now, and w stays as made from {old}: --new starts everything from HEAD"
    assert note in project.call("plan").expect(0).out
    assert f"note: {note}" in project.run().expect(1).err
    assert "HEAD is" not in project.run("--new").expect(0).err
    assert "HEAD is" not in project.call("plan").expect(0).out


@pytest.mark.slow
def test_merging_a_step_that_has_changed_nothing_takes_what_it_has_tested(tmp_path: Path) -> None:
    agents = {
        "one": sh("echo 1 > one.txt"),
        "two": sh("echo 2 > two.txt"),
        "ship": {"command": "cat one.txt two.txt", "depends_on": ["one", "two"]},
        "look": {"command": "cat a.txt"},
    }
    project = repository(tmp_path, agents)
    project.run().expect(0)
    told = project.call("merge", "ship").expect(0).out
    assert "it has changed nothing itself: this is what it began with, from one, two" in told
    assert (project.read("one.txt"), project.read("two.txt")) == ("1\n", "2\n")
    assert "main has it already" in project.call("merge", "ship").expect(0).out
    assert "works in the project directory" in project.call("merge", "look").expect(1).err

"""Merges that conflict go to the agent that `on_conflict` names, on real git."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import proves
from tests.e2e.test_run_workspaces import repository, sh, show, team, untouched

KILLED = -9
MEND = "grep -v '^[<=>]\\{7\\}' a.txt > mended; mv mended a.txt"


def agents(mend: str = MEND, *, right: str = "echo right > a.txt", **fixer: Any) -> dict[str, Any]:
    return {
        "left": sh("echo left > a.txt"),
        "right": sh(right),
        "ship": {"command": "cat a.txt", "depends_on": ["left", "right"], "on_conflict": "fixer"},
        "fixer": sh(mend, start="never", **fixer),
    }


@pytest.mark.slow
@proves(agent=["on_conflict"])
def test_a_conflict_is_mended_and_the_step_starts_from_that(tmp_path: Path) -> None:
    project = repository(tmp_path, agents())
    project.run().expect(0)
    untouched(project)
    status = project.status()
    assert status.text("ship") == "left\nright"
    fixer = status.step("fixer/ship")
    assert fixer["branch"] == "teamflow/1/fixer--ship"
    assert fixer["diffstat"] == {"files": 1, "added": 0, "deleted": 3}
    sides = project.git("rev-parse", "teamflow/1/left", "teamflow/1/right").split()
    assert project.git("rev-list", "--parents", "-n1", "teamflow/1/fixer--ship").split()[1:] == sides
    assert "<<<<<<<" not in project.git("log", "-p", "-m", "main..teamflow/1/fixer--ship")
    assert "-<<<<<<<" in project.call("diff", "fixer/ship").expect(0).out
    message = project.git("log", "-1", "--format=%B", "teamflow/1/fixer--ship")
    assert "Teamflow-Step: fixer/ship" in message


@pytest.mark.slow
def test_what_merges_starts_nothing_and_costs_nothing(tmp_path: Path) -> None:
    project = repository(tmp_path, agents("exit 1", right="echo right > b.txt"))
    planned = project.call("plan").expect(0).out
    assert "mends the merge for ship, if there is anything to mend" in planned
    project.run().expect(0)
    status = project.status()
    assert status.statuses["fixer/ship"] == "succeeded"
    assert status.text("fixer/ship") == "nothing to mend"
    assert "nothing to mend" in project.why("fixer/ship")
    assert status.text("ship") == "left"
    assert not list(project.run_dir().glob("**/fixer--ship*/*.log"))
    assert not (project.root / ".teamflow/work").exists() or not list(project.root.glob(".teamflow/work/*/fixer--ship"))
    (attempt,) = status.step("fixer/ship")["attempts"]
    assert attempt["usage"] in (None, {"input_tokens": 0, "output_tokens": 0, "usd": 0.0})
    assert project.git("branch", "--list", "teamflow/1/fixer--ship") == ""


@pytest.mark.slow
def test_it_is_told_the_files_and_both_sides(tmp_path: Path) -> None:
    fixer = {"engine": "tell", "prompt": "Mend it.", "start": "never"}
    tell = {"command": ["sh", "-c", f"cat > ../../../told; {MEND}"]}
    project = repository(
        tmp_path, {**agents(), "fixer": fixer}, engines={"sh": {"command": ["sh", "-es"]}, "tell": tell}
    )
    project.run().expect(0)
    told = project.read("told") if (project.root / "told").exists() else project.read(".teamflow/told")
    left, right = project.git("rev-parse", "teamflow/1/left", "teamflow/1/right").split()
    for line in ("Mend it.", f"- left: {left}", f"- right: {right}", "- a.txt", "does not merge for ship"):
        assert line in told


def unmarked(mend: str, **fixer: Any) -> dict[str, Any]:
    """Conflicts that git cannot show by markers."""
    return {
        "a": sh("printf '\\0a' > bin; git rm -q app/x"),
        "b": sh("printf '\\0b' > bin; echo mod >> app/x"),
        "s": {"command": "cat app/x; wc -c < bin", "depends_on": ["a", "b"], "on_conflict": "f"},
        "f": sh(mend, start="never", **fixer),
    }


FILES = {"bin": "\0", "app/x": "x\n"}


@pytest.mark.slow
def test_what_git_cannot_mark_is_decided_by_the_resolver_and_not_in_silence(tmp_path: Path) -> None:
    project = repository(tmp_path, unmarked("true"), FILES)
    project.run().expect(1)
    status = project.status()
    assert status.failures("f/s") == ["verify"]
    reason = status.step("f/s")["reason"]
    assert reason.startswith("app/x~b, bin~a, bin~b still lie there: make each file as it should be")
    assert "bin~a" in project.why("f/s")
    assert status.statuses["s"] == "skipped"
    untouched(project)
    mend = "cmp bin~a bin~b && exit 1; mv bin~b bin; rm bin~a; mv app/x~b app/x"
    project.team(team(unmarked(mend, writes=["bin", "app/x"])))
    project.run().expect(0)
    status = project.status()
    assert status.text("s") == "x\nmod\n2"
    told = project.call("diff", "f/s").expect(0).out
    assert "bin~a" in told
    assert "app/x~b" in told
    listed = project.git("ls-tree", "-r", "--name-only", "teamflow/1/f--s").split()
    assert {"app/x", "bin"} <= set(listed)
    assert not [path for path in listed if "~" in path]


@pytest.mark.slow
def test_files_beside_that_are_left_are_settled_by_the_next_attempt(tmp_path: Path) -> None:
    mend = "if test -e bin~a; then mv bin~a bin; rm bin~b; else rm app/x~b; fi"
    made = unmarked(mend, retry={"attempts": 2, "delay": "1ms"})
    made["s"]["command"] = "test ! -e app/x; wc -c < bin"
    project = repository(tmp_path, made, FILES)
    project.run().expect(0)
    status = project.status()
    assert status.failures("f/s") == ["verify", None]
    assert status.text("s") == "2"


@pytest.mark.slow
def test_markers_that_are_left_are_mended_by_the_next_attempt(tmp_path: Path) -> None:
    mend = f"echo try >> tries; if [ $(wc -l < tries) -ge 2 ]; then {MEND}; fi"
    project = repository(tmp_path, agents(mend, retry={"attempts": 2, "delay": "1ms"}))
    project.run().expect(0)
    status = project.status()
    assert status.failures("fixer/ship") == ["verify", None]
    assert status.text("ship") == "left\nright"
    assert show(project, "teamflow/1/fixer--ship", "tries") == "try\ntry\n", "it went on where it was"


@pytest.mark.slow
def test_when_it_gives_up_the_step_is_skipped_and_says_why(tmp_path: Path) -> None:
    project = repository(tmp_path, agents("true"))
    project.run().expect(1)
    status = project.status()
    assert status.statuses["fixer/ship"] == "failed"
    assert "a.txt still has conflict markers" in status.step("fixer/ship")["reason"]
    assert status.statuses["ship"] == "skipped"
    assert "fixer/ship" in status.step("ship")["reason"]
    project.team(team(agents()))
    project.run().expect(0)
    status = project.status()
    assert status.text("ship") == "left\nright"
    assert {name: len(status.step(name)["attempts"]) for name in ("left", "right", "fixer/ship")} == {
        "left": 1,
        "right": 1,
        "fixer/ship": 2,
    }


@pytest.mark.slow
def test_it_may_be_named_once_there_was_a_conflict(tmp_path: Path) -> None:
    without = agents()
    del without["ship"]["on_conflict"]
    project = repository(tmp_path, without)
    project.run().expect(1)
    assert project.status().failures("ship") == ["conflict"]
    project.team(team(agents()))
    project.run().expect(0)
    status = project.status()
    assert status.text("ship") == "left\nright"
    assert len(status.step("left")["attempts"]) == 1


@pytest.mark.slow
def test_where_nobody_has_left_anything_there_is_nothing_to_mend(tmp_path: Path) -> None:
    made = agents("exit 1")
    made["left"] |= {"if": "inputs.go"}
    made["right"] |= {"if": "inputs.go"}
    made["ship"]["depends_on"] = {"left": "passed", "right": "passed"}
    project = repository(tmp_path, made, inputs={"go": {"type": "boolean", "default": False}})
    project.run().expect(0)
    status = project.status()
    assert status.text("fixer/ship") == "nothing to mend"
    assert status.text("ship") == "a"


@pytest.mark.slow
def test_a_loop_has_it_mended_anew(tmp_path: Path) -> None:
    made = agents(f"{MEND}; echo mended >> ../../../mends")
    made["left"] = sh("echo x >> ../../../rounds; wc -l < ../../../rounds > a.txt")
    made["ship"] |= {
        "command": "n=$(head -n1 a.txt); [ $n -ge 2 ] && echo '{\"ok\": true}' || echo '{\"ok\": false}'",
        "outputs": {"ok": "boolean"},
        "loop": {"until": "outputs.ok", "max": 3, "rework": "left"},
    }
    project = repository(tmp_path, made)
    project.run().expect(0)
    assert len(project.status().step("fixer/ship")["attempts"]) == 2
    assert [line.strip() for line in show(project, "teamflow/1/fixer--ship", "a.txt").splitlines()] == ["2", "right"]


@pytest.mark.slow
@pytest.mark.parametrize("right", ["echo right > a.txt", "echo right > b.txt"])
def test_a_runner_that_is_killed_anywhere_changes_nothing(tmp_path: Path, right: str) -> None:
    project = repository(tmp_path, agents(right=right))
    kills = 0
    for number in range(60, 460, 80):
        done = project.run("--new", env={"TEAMFLOW_FAILPOINT": str(number)})
        if done.code == KILLED:
            kills += 1
            project.run().expect(0)
        status = project.status()
        assert set(status.statuses.values()) == {"succeeded"}, number
        assert status.text("ship") == ("left\nright" if "a.txt" in right else "left"), number
    assert kills >= 3

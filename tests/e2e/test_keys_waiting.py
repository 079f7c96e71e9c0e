"""Keys that wait for a later version: planned and checked, and refused by `run`, all at once, by name.

`WAITING` has a use of every key that `team/areas.py` lists with an area; `test_keys_table.py` holds it against that
table. A use is an agent (or what the team needs besides), and the words under which `run` names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from teamflow.team import areas
from tests.e2e.project import Project

Json = Any


class Use(NamedTuple):
    """How a key is used. `shown`: the key under which it is refused; the agent is `by` where there is one."""

    shown: str
    agent: Mapping[str, Json] | None = None
    team: Mapping[str, Json] = {}


COMMAND = {"command": "true"}
PROMPT = {"prompt": "x", "engine": "scripted", "script": "s.yaml", "permissions": "read"}
SERVER = {"command": "docs", "args": ["-x"], "env": {"A": "1"}}
POLICY = {"base": "main"}
MINE = {"engines": {"mine": {"command": ["mine"]}}}


def _agent(shown: str, base: Mapping[str, Json] = COMMAND, **more: Json) -> Use:
    return Use(shown, {**base, **more})


def _target(**more: Json) -> Use:
    return Use("target", {**COMMAND, "target": "gpu"}, {"targets": {"gpu": {"ssh": "gpu", **more}}})


def _policy(**more: Json) -> Use:
    needed = {"fixer": {"start": "never", **COMMAND}}
    return Use("pr", {**COMMAND, "pr": "p"}, {"pr_policies": {"p": {**POLICY, **more}, "q": POLICY}, "agents": needed})


def _pr(**more: Json) -> Use:
    needed = {"fixer": {"start": "never", **COMMAND}}
    return Use("pr", {**COMMAND, "pr": more}, {"pr_policies": {"q": POLICY}, "agents": needed})


_FEEDBACK = {"agent": "fixer", "watch": ["reviews"], "max_rounds": 2}
_POLICY_KEYS: Mapping[str, Json] = {
    "extends": "q",
    "base": "main",
    "branch": "b/{{ run.number }}",
    "title": "t",
    "body": "b",
    "draft": True,
    "labels": ["l"],
    "reviewers": ["r"],
    "feedback": _FEEDBACK,
    "feedback.watch": _FEEDBACK,
    "feedback.agent": _FEEDBACK,
    "feedback.max_rounds": _FEEDBACK,
}

TEAM: Mapping[str, Use] = {
    "targets": _target(),
    "targets.*.ssh": _target(),
    "targets.*.work_root": _target(work_root="~/t"),
    "targets.*.capacity": _target(capacity=4),
    "targets.*.labels": _target(labels=["gpu"]),
    "targets.*.bootstrap": _target(bootstrap="mkdir -p t"),
    "pr_policies": _policy(),
    **{f"pr_policies.*.{key}": _policy(**{key.partition(".")[0]: value}) for key, value in _POLICY_KEYS.items()},
}

AGENT: Mapping[str, Use] = {
    "target.labels": Use(
        "target",
        {**COMMAND, "target": {"labels": ["gpu"]}},
        {"targets": {"gpu": {"ssh": "gpu", "labels": ["gpu"]}}},
    ),
    "subagents": Use("subagents", {**PROMPT, "subagents": ["low"]}, {"agents": {"low": {"start": "never", **COMMAND}}}),
    "pr": _agent("pr", pr=True),
    **{f"pr.{key}": _pr(**{key.partition(".")[0]: value}) for key, value in _POLICY_KEYS.items()},
}

FIRST = {"command": "echo ran > first.txt"}


def _merge(into: dict[str, Json], more: Mapping[str, Json]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def team_of(uses: Mapping[str, Use]) -> dict[str, Json]:
    """One team of all uses; the agent of a use is `u0`, `u1`, … in their order."""
    team: dict[str, Json] = {"agents": {"first": FIRST}, "pr_policies": {"default": POLICY}}
    for number, use in enumerate(uses.values()):
        _merge(team, use.team)
        if use.agent is not None:
            team["agents"][f"u{number}"] = use.agent
    return team


def project_of(place: Path, uses: Mapping[str, Use]) -> Project:
    return Project(place, team_of(uses), files={"s.yaml": "- say: hi\n"})


def area_of(key: str, *, agent: bool) -> str:
    return areas.area_of(key, agent=agent)


def all_uses() -> list[tuple[str, Use, str]]:
    """(key, use, area)"""
    found = [(key, use, area_of(key, agent=False)) for key, use in TEAM.items()]
    return found + [(key, use, area_of(key, agent=True)) for key, use in AGENT.items()]


def test_run_refuses_every_waiting_key_in_one_message_and_plan_and_validate_take_them(tmp_path: Path) -> None:
    """Uses of one key differ, so a team has one use per key under which it is shown; the slow test has them all."""
    chosen: dict[str, Use] = {}
    expected: list[str] = []
    for key, use, area in all_uses():
        chosen[key] = use
        expected.append(f"{use.shown}: waits for {area}")
    project = project_of(tmp_path, chosen)
    refused = project.run("--new").expect(2)
    for line in expected:
        assert line in refused.err, (line, refused.err)
    assert not project.exists("first.txt")
    assert not project.exists(".teamflow/runs"), "nothing was started"
    project.call("validate").expect(0)
    steps = {step["id"] for step in project.plan()["steps"]}
    plain = [number for number, use in enumerate(chosen.values()) if use.agent and "matrix" not in use.agent]
    assert {f"u{number}" for number in plain} <= steps


@pytest.mark.slow
@pytest.mark.parametrize(("key", "use", "area"), [pytest.param(*item, id=item[0]) for item in all_uses()])
def test_run_refuses_the_key_by_name_steps_and_area(tmp_path: Path, key: str, use: Use, area: str) -> None:
    project = project_of(tmp_path, {key: use})
    refused = project.run().expect(2)
    steps = "u0: " if use.agent is not None and "matrix" not in use.agent else ""
    assert f"{steps}{use.shown}: waits for {area}" in refused.err
    project.call("validate").expect(0)
    project.call("plan").expect(0)
    chosen = project.run("first")
    if use.agent is None:
        chosen.expect(2)
    else:
        chosen.expect(0)
        assert project.status().statuses == {"first": "succeeded"}


@pytest.mark.slow
def test_steps_that_are_not_selected_are_not_refused(tmp_path: Path) -> None:
    uses = {"a": AGENT["subagents"], "b": AGENT["pr"], "c": TEAM["targets"]}
    project = project_of(tmp_path, uses)
    refused = project.run().expect(2).err
    for word in (
        "u0: subagents: waits for sub-agents",
        "u1: pr: waits for pull requests",
        "u2: target: waits for SSH targets",
    ):
        assert word in refused
    assert "teamflow run STEP" in refused
    project.run("first").expect(0)
    assert project.read("first.txt") == "ran\n"
    again = project.run("first", "u1", "--new").expect(2).err
    assert "u1: pr" in again
    assert "u0" not in again


@pytest.mark.slow
def test_a_use_in_defaults_or_a_persona_is_refused_too(tmp_path: Path) -> None:
    team = {
        "targets": {"t": {"ssh": "h"}},
        "defaults": {"target": "t"},
        "personas": {"p": {"pr": POLICY}},
        "agents": {"a": {"command": "true"}, "b": {"command": "true", "persona": "p"}},
    }
    refused = Project(tmp_path, team).run().expect(2).err
    assert "a, b: target: waits for SSH targets" in refused
    assert "b: pr: waits for pull requests" in refused


@pytest.mark.slow
def test_more_than_three_steps_are_counted(tmp_path: Path) -> None:
    agents = {f"a{number}": {"command": "true", "pr": POLICY} for number in range(6)}
    assert "a0, a1, a2 and 3 more: pr: waits for pull requests" in Project(tmp_path, {"agents": agents}).run().err


_EDITS = {key: value for key, value in PROMPT.items() if key != "permissions"}


@pytest.mark.slow
def test_in_git_a_prompt_that_may_edit_is_planned_with_a_worktree(tmp_path: Path) -> None:
    team = {
        "agents": {
            "edits": _EDITS,
            "shared": {**_EDITS, "workspace": {"mode": "shared"}},
            "reads": {**_EDITS, "permissions": "read"},
            "edit": {**_EDITS, "permissions": "edit"},
        }
    }
    project = Project(tmp_path, team, files={"s.yaml": "- say: hi\n", "news.txt": "new\n"}, git=True)
    project.git("commit", "-q", "--allow-empty", "-m", "start")
    shown = project.plan()
    assert {step["id"]: step["workspace"] for step in shown["steps"]} == {
        "edits": "worktree", "shared": "project", "reads": "project", "edit": "worktree",
    }  # fmt: skip
    [note] = shown["notes"]
    assert "news.txt" in note
    project.run("shared", "reads").expect(0)
    assert project.status().statuses == {"shared": "succeeded", "reads": "succeeded"}


def test_a_worktree_outside_git_is_refused_with_its_remedy(tmp_path: Path) -> None:
    refused = Project(tmp_path, {"agents": {"a": {**COMMAND, "workspace": {"mode": "worktree"}}}}).run().expect(2).err
    assert "no-repository" in refused
    assert "git init" in refused


def test_plan_says_until_when_somebody_is_to_answer(tmp_path: Path) -> None:
    agents = {"gate": {"ask": "Ship?"}, "day": {"ask": "Which?", "options": ["a", "b"], "default": "b"}}
    project = Project(tmp_path, {"defaults": {"timeout": "10m"}, "agents": agents})
    lines = {line.split()[1]: line for line in project.call("plan").expect(0).out.splitlines() if line[:1] == "!"}
    assert lines["gate"].endswith("; answer within 10m")
    assert lines["day"].endswith("; answer within 10m, else b")


@pytest.mark.slow
def test_a_worktree_of_no_commit_is_refused_with_its_remedy(tmp_path: Path) -> None:
    project = Project(tmp_path, {"agents": {"b": COMMAND, "a": _EDITS}}, files={"s.yaml": "- say: hi\n"}, git=True)
    for verb in ("plan", "run"):
        refused = project.call(verb).expect(2).err
        assert "error[no-commit]: a works in a worktree made of a commit, and the repository has none yet" in refused
        assert "git commit --allow-empty -m start" in refused
        assert "mode: shared" in refused
    assert "no run" in project.call("status").said
    project.call("plan", "b").expect(0)
    project.call("lock").expect(0)
    project.git("commit", "-q", "--allow-empty", "-m", "start")
    project.run().expect(0)


@pytest.mark.slow
def test_outside_git_it_needs_nothing(tmp_path: Path) -> None:
    team = {"agents": {"edits": _EDITS}}
    Project(tmp_path, team, files={"s.yaml": "- say: hi\n"}).run().expect(0)

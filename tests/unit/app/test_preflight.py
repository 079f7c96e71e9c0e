"""What is missing before a run, engine by engine; and whether a save may be acted on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teamflow.app.compile import Request, compile_team
from teamflow.app.preflight import may_go_on, missing
from teamflow.app.trusted import outside_of, remember
from teamflow.core.capabilities import Capabilities
from teamflow.core.plan import Plan


def plan_of(root: Path, text: str) -> Plan:
    root.mkdir(exist_ok=True)
    (root / "team.yaml").write_text(text)
    plan = compile_team(str(root), Request("team.yaml"), directory=None).plan
    assert plan is not None
    return plan


def environ(tmp_path: Path, **versions: str) -> dict[str, str]:
    place = tmp_path / "bin"
    place.mkdir(exist_ok=True)
    for name, version in versions.items():
        (place / name).write_text(f"#!/bin/sh\necho {version}\n")
        (place / name).chmod(0o755)
    return {"PATH": f"{place}:/usr/bin:/bin", "XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}


ENGINES = {
    "claude": Capabilities(program=("one", "--version"), least="2.0", install="get one"),
    "codex": Capabilities(program=("two", "--version")),
    "scripted": Capabilities(),
}


@pytest.mark.parametrize(
    ("engine", "versions", "expected"),
    [
        ("claude", {}, ["claude: `one` is not installed: `get one` (for a)"]),
        ("claude", {"one": "2.0.0"}, []),
        ("claude", {"one": "rubbish"}, []),
        ("claude", {"one": "1.9"}, ["claude: `one` 1.9 is too old, 2.0 is needed: `get one` (for a)"]),
        ("[claude, codex]", {"one": "1.9", "two": "0.1"}, []),
        ("[claude, codex]", {"one": "1.9"},
         ["claude: `one` 1.9 is too old, 2.0 is needed: `get one`; codex: `two` is not installed (for a)"]),
        ("scripted", {}, []),
    ],
)  # fmt: skip
def test_what_is_missing(tmp_path: Path, engine: str, versions: dict[str, str], expected: list[str]) -> None:
    script = "    script: s.yaml\n" if engine == "scripted" else ""
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "s.yaml").write_text("- say: x\n")
    plan = plan_of(tmp_path / "p", f"agents:\n  a:\n    engine: {engine}\n{script}    prompt: x\n")
    assert missing(plan, plan.steps, ENGINES, environ(tmp_path, **versions), root="/") == expected


def test_the_same_trouble_is_told_once_and_skipped_steps_need_nothing(tmp_path: Path) -> None:
    agents = "".join(f"  a{n}: {{prompt: x, if: 1 == {n and 1}}}\n" for n in range(6))
    plan = plan_of(tmp_path / "p", f"agents:\n{agents}")
    assert missing(plan, plan.steps, ENGINES, environ(tmp_path), root="/") == [
        "claude: `one` is not installed: `get one` (for a1, a2, a3 and 2 more)"
    ]


def test_a_save_that_changes_what_is_trusted_is_not_acted_on(tmp_path: Path) -> None:
    env = environ(tmp_path)
    (tmp_path / "part.yaml").write_text("agents:\n  a: {command: make}\n")
    text = f"include: {tmp_path}/part.yaml\nagents: {{}}\n"
    place = tmp_path / "p"
    plan = plan_of(place, text)
    where = {"root": str(place), "directory": str(place)}
    assert "changed since it was trusted" in may_go_on(plan, **where, environ=env)
    assert remember(outside_of(plan, **where), env)
    assert may_go_on(plan, **where, environ=env) == ""
    (tmp_path / "part.yaml").write_text("agents:\n  a: {command: make evil}\n")
    assert may_go_on(plan, **where, environ=env) == ""  # it is what the plan was made from that counts
    assert "part.yaml" in may_go_on(plan_of(place, text), **where, environ=env)
    assert os.listdir(tmp_path / "state" / "teamflow" / "trusted") == [outside_of(plan, **where).digest]


@pytest.mark.parametrize(
    "text",
    [
        "env: {PATH: /elsewhere}\nagents: {a: {prompt: x}}\n",
        "defaults: {env: {PATH: /elsewhere}}\nagents: {a: {prompt: x}}\n",
        "env_file: .env\nagents: {a: {prompt: x}}\n",
    ],
)
def test_who_has_a_path_of_its_own_is_not_looked_at(tmp_path: Path, text: str) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / ".env").write_text("PATH=/elsewhere\n")
    plan = plan_of(tmp_path / "p", text)
    assert missing(plan, plan.steps, ENGINES, environ(tmp_path), root=str(tmp_path / "p")) == []

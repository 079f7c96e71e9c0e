from __future__ import annotations

import json
import marshal
import subprocess
import sys

import pytest

from teamflow.core.plan import (
    Command,
    Deferred,
    DiffPolicy,
    Edge,
    EngineDefinition,
    OutputFile,
    Outputs,
    Plan,
    Retry,
    SecretSource,
    Tree,
)
from teamflow.plan.stored import PlanFormatError, plan_from_json, plan_from_plain, plan_to_json, plan_to_plain
from tests.fakes.plans import make_plan, make_step

RICH = make_plan(
    [
        make_step(
            "a",
            prompt=Deferred("{{ run.number }}"),
            command=None,
            kind="prompt",
            script=[{"say": ["x", 1, 1.5, None, True]}],
            outputs=Outputs(
                (OutputFile("d", Deferred("{{ run.id }}")), OutputFile("e", "e.md")), {"n": {"type": "integer"}}
            ),
            env=(("A", "1"), ("B", Deferred("{{ agents.x.text }}"))),
            timeout=5.0,
            retry=Retry(3, "fixed", 1.5, 9.0),
            matrix={"t": {"id": "x", "list": [1, 2]}},
            reads=("src/**", Deferred("{{ x }}")),
            writes=(),
            waits=(("pr", "pull requests"),),
            text_used=True,
        ),
        make_step(
            "b/x",
            needs={"a": "finished"},
            command=Command(None, ("echo", Deferred("{{ x }}"))),
            verify=(Command("pytest"),),
            secrets=("T",),
            needs_text=("a",),
            refers=("a",),
            taken=("z",),
            reads=(),
            continue_on_error=True,
            cache=True,
            isolation="pidns",
            workdir="sub",
            setup="npm ci",
            inherit_env=("X",),
        ),
        make_step("c", condition="inputs.x", timeout=5),
        make_step("d", skip="if: no", model="m", matrix={"t": True}),
        make_step("e", matrix={"t": 1}),
        make_step("t", workspace="worktree", tree=Tree()),
        make_step(
            "u",
            workspace="worktree",
            tree=Tree(
                (".env", Deferred("{{ agents.a.text }}")),
                keep="always",
                sparse=True,
                repo=Deferred("{{ inputs.x }}"),
                diff=DiffPolicy(600, ("binary",)),
            ),
        ),
        make_step("g", engine="mine", custom=EngineDefinition(("mine",))),
        make_step(
            "h",
            engine="mine",
            custom=EngineDefinition(
                ("mine", "-x"),
                ("{{ prompt }}",),
                (),
                "json",
                "m",
                "e",
                "s",
                {"usd": "c"},
                ("{{ session }}",),
                ("{{ model }}",),
                {"A": "1"},
            ),
        ),
    ]
)._replace(
    inputs={"x": [1, {"y": None}]},
    env=(("A", "1"),),
    env_files=(".env",),
    secrets=(SecretSource("T", "env", "TOKEN"),),
    inherit_env=("AWS_*",),
    outputs=(("o", "agents.a.text"),),
    files={"team.yaml": "abc"},
    selected=("a", "b/x"),
    waits=(("hooks", "hooks"),),
    critical_path=("a", "b/x"),
    empty=("f",),
)


def same(one: Plan, other: Plan) -> None:
    assert one == other
    assert repr(one) == repr(other)


@pytest.mark.parametrize("plan", [RICH, make_plan([]), make_plan([make_step("a")]), RICH._replace(selected=None)])
def test_both_forms_come_back(plan: Plan) -> None:
    same(plan_from_plain(marshal.loads(marshal.dumps(plan_to_plain(plan)))), plan)
    same(plan_from_json(plan_to_json(plan)), plan)


def test_a_plan_that_an_earlier_version_has_stored_loads() -> None:
    steps = [make_step("a"), make_step("b", needs=["a"])]
    raw = json.loads(plan_to_json(make_plan(steps)))
    assert "tree" not in raw["steps"][0], "a step without a worktree is stored as before"
    same(plan_from_json(json.dumps(raw)), make_plan(steps))


def test_a_tree_of_an_earlier_version_has_what_is_built_in() -> None:
    plan = make_plan([make_step("a", workspace="worktree", tree=Tree((".env",)))])
    raw = json.loads(plan_to_json(plan))
    raw["steps"][0]["tree"] = raw["steps"][0]["tree"][:1]
    same(plan_from_json(json.dumps(raw)), plan)


def test_steps_that_share_an_object_share_it_again() -> None:
    edges = tuple(Edge(f"s{i}", "succeeded", "depends_on") for i in range(50))
    steps = [make_step(f"s{i}") for i in range(50)]
    plan = make_plan([*steps, *(make_step(f"t{i}", edges=edges) for i in range(50))])
    loaded = plan_from_plain(marshal.loads(marshal.dumps(plan_to_plain(plan))))
    assert len({id(step.edges) for step in loaded.steps[50:]}) == 1


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        (),
        (99, 0, (), ()),
        (1, 1, (), ()),
        (1, 1, plan_to_plain(RICH)[2], ()),
        [1],
        (1, 2, "x", ()),
        (1, 1, ((True, 3),), ()),
    ],
)
def test_a_damaged_compiled_plan_is_refused(damaged: object) -> None:
    with pytest.raises(PlanFormatError):
        plan_from_plain(damaged)


def _with(**changes: object) -> str:
    return json.dumps({**json.loads(plan_to_json(RICH)), **changes})


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "[]",
        "{}",
        "null",
        _with(format=2),
        _with(future=1),
        _with(steps=[{"future": 1}]),
        _with(steps=[{"custom": {"future": 1}}]),
        _with(steps=3),
        _with(limits={"future": 1}),
        _with(secrets=[["a"]]),
        plan_to_json(RICH)[:-5],
    ],
)
def test_a_damaged_stored_plan_is_refused(damaged: str) -> None:
    with pytest.raises(PlanFormatError):
        plan_from_json(damaged)


def test_reading_a_plan_imports_nothing_heavy() -> None:
    script = (
        "import sys, teamflow.plan.stored, teamflow.plan.key, teamflow.plan.converge, teamflow.plan.explain\n"
        "heavy = {'pydantic', 'networkx', 'jinja2', 'yaml', 'asyncio'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

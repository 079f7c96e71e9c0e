"""What waits for a later version: the table has every key of the schema, and every use of a waiting key is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from teamflow.team import areas
from teamflow.team.areas import AGENT, TEAM, WORKS, agent_waits, run_waits, waiting
from teamflow.team.load import load
from teamflow.team.loaded import LoadedTeam
from teamflow.team.schema import keys

Team = Callable[..., LoadedTeam]


def test_the_table_and_the_schema_have_the_same_keys() -> None:
    table = [*TEAM, *(f"agent.{key}" for key in AGENT)]
    assert sorted(key.path for key in keys()) == sorted(table)


def test_every_area_is_named_once() -> None:
    named = {value for name, value in vars(areas).items() if name.isupper() and isinstance(value, str)}
    assert set(TEAM.values()) | set(AGENT.values()) == named


WAITING = {
    "target": "targets: {t: {ssh: h}}\nagents: {a: {command: x, target: t}}\n",
    "pr": "agents: {a: {command: x, pr: {base: main}}}\n",
    "start": "agents: {a: {start: never, command: x}}\n",
}  # fmt: skip
SCRIPTED = "agents: {a: {prompt: x, engine: scripted, script: s.yaml, workspace: {mode: shared}, %s}}\n"
WAITING_PROMPTS = {
    "subagents": "subagents: [a]",
}


@pytest.mark.parametrize("key", WAITING)
def test_a_waiting_key_is_found_where_it_stands(team: Team, key: str) -> None:
    loaded = team(WAITING[key])
    found = {item.key: item for item in waiting(loaded, ["a"])}
    assert key in found
    expected = WAITING[key].splitlines()
    span = loaded.key_span(*found[key].path)
    assert expected[span.line - 1][span.column - 1 :].startswith(key.rsplit(".", 1)[-1]) or key == "matrix"
    assert (found[key].agent is None) == (key.startswith("limits"))


@pytest.mark.parametrize("key", WAITING_PROMPTS)
def test_a_waiting_key_of_a_prompt(team: Team, key: str) -> None:
    loaded = team({"team.yaml": SCRIPTED % WAITING_PROMPTS[key], "s.yaml": "- say: x\n"})
    assert {item.key for item in waiting(loaded, ["a"])} == {key}


def test_what_works_does_not_wait(team: Team) -> None:
    text = """
name: n
description: d
env: {A: x}
env_file: e
inherit_env: [X_*]
secrets: {S: {env: S}}
inputs: {l: {type: array, default: [a]}}
defaults: {timeout: 5m}
limits: {max_parallel: 2, engines: {scripted: 1}, timeout: 1h, orphan_after: never, log_size: 1GB, on_overlap: pause}
personas: {p: {instructions: I, env: {B: y}}}
agents:
  a:
    prompt: x
    engine: scripted
    script: s.yaml
    persona: p
    permissions: read
  b:
    command: y
    depends_on: {a: finished}
    matrix: {k: inputs.l, m: [1, 2]}
    if: inputs.l != []
    reads: [src]
    cache: true
    env: {C: z}
    secrets: [S]
    timeout: 1m
    idle_timeout: 1m
    grace: 1s
    retry: {attempts: 2, backoff: fixed, delay: 1s, max_delay: 2s}
    verify: [v]
    outputs: {o: string, f: {file: out.txt}}
    continue_on_error: true
    workspace: {mode: worktree, setup: npm ci, copy: [.env], sparse: true, keep: on_failure}
    diff: {max_lines: 600, forbid: [binary, deleted_tests, new_dependency]}
    workdir: sub
    isolation: pidns
    target: local
    on_failure: escalate
    pr: false
    skip_if_verified: false
outputs: {o: agents.a.text}
"""
    loaded = team({"team.yaml": text, "e": "X=1\n", "s.yaml": "- say: x\n"})
    assert waiting(loaded, ["a", "b"]) == []
    assert run_waits(loaded) == ()
    assert agent_waits(loaded, loaded.resolved["b"]) == ()


def test_a_prompt_that_may_edit_waits_for_nothing(team: Team) -> None:
    loaded = team({"team.yaml": "agents: {a: {prompt: x, engine: scripted, script: s.yaml}}\n", "s.yaml": "- say: x\n"})
    assert waiting(loaded, ["a"]) == []


def test_keys_of_persona_and_defaults_count_for_those_who_use_them(team: Team) -> None:
    loaded = team(
        "targets: {t: {ssh: h}}\npersonas: {p: {pr: {base: main}}}\n"
        "defaults: {target: t, mcp_servers: {d: {command: x}}}\n"
        "agents: {a: {command: x, persona: p}, b: {command: y}}\n"
    )
    assert agent_waits(loaded, loaded.resolved["a"]) == (
        ("pr", areas.PULL_REQUESTS),
        ("target", areas.SSH),
    )
    assert agent_waits(loaded, loaded.resolved["b"]) == (("target", areas.SSH),)
    assert [item.path for item in waiting(loaded, ["a"])] == [
        ("agents", "a", "pr"),
        ("agents", "a", "target"),
    ]


def test_steps_that_are_not_selected_do_not_wait(team: Team) -> None:
    loaded = team("agents: {a: {command: x}, b: {ask: Go?}}\n")
    assert waiting(loaded, ["a"]) == []


def test_the_larger_example_waits_for_many_things(examples: Any) -> None:
    loaded = load("larger.yaml", sources=examples).team
    assert loaded is not None
    found = {item.area for item in waiting(loaded, loaded.resolved)}
    assert found >= set(AGENT.values()) - {WORKS}

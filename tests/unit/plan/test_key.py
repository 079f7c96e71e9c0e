from __future__ import annotations

from typing import Any

import pytest

from teamflow.core.permissions import Means, Permissions
from teamflow.core.plan import Command, Deferred, DiffPolicy, EngineDefinition, OutputFile, Outputs, Retry, Step, Tree
from teamflow.plan.key import (
    KeyParts,
    Upstream,
    aspects,
    changed_aspects,
    definition_key,
    difference,
    is_deferred,
    key_from_json,
    key_to_json,
    outputs_digest,
    value_digest,
)
from teamflow.plan.words import grants_in_words
from tests.fakes.plans import make_step

STEP = make_step("build/api")


def granted(**given: Any) -> Step:
    """As the planner makes it."""
    permissions = Permissions(**given)
    return STEP._replace(permissions=grants_in_words(permissions), means=Means(permissions))


@pytest.mark.parametrize(
    ("aspect", "changed"),
    [
        ("id", STEP._replace(id="build/web")),
        ("kind", STEP._replace(kind="prompt")),
        ("prompt", STEP._replace(prompt="other")),
        ("prompt", STEP._replace(prompt=Deferred("other"))),
        ("instructions", STEP._replace(instructions="Be kind.")),
        ("command", STEP._replace(command=Command("/bin/false"))),
        ("command", STEP._replace(command=Command(None, ("/bin/true",)))),
        ("script", STEP._replace(script=[{"say": "hello"}])),
        ("engine", STEP._replace(engine="codex")),
        ("engine", STEP._replace(custom=EngineDefinition(("mine",)))),
        ("model", STEP._replace(model="gpt-5")),
        ("permissions", STEP._replace(permissions="reads")),
        ("permissions", granted(edit=("a",), run=("b",))),
        ("permissions", granted(edit=())),
        ("mcp_servers", STEP._replace(means=Means(servers={"docs": {"command": "docs"}}))),
        ("isolate", STEP._replace(means=Means(isolate=True))),
        ("env", STEP._replace(env=(("A", "1"),))),
        ("env", STEP._replace(inherit_env=("AWS_*",))),
        ("secrets", STEP._replace(secrets=("TOKEN",))),
        ("workspace", STEP._replace(workdir="sub")),
        ("setup", STEP._replace(setup="npm ci")),
        ("copy", STEP._replace(tree=Tree(copy=(".env",)))),
        ("copy", STEP._replace(tree=Tree(copy=(Deferred("{{ agents.a.text }}"),)))),
        ("sparse", STEP._replace(tree=Tree(sparse=True))),
        ("diff", STEP._replace(tree=Tree(diff=DiffPolicy(600)))),
        ("diff", STEP._replace(tree=Tree(diff=DiffPolicy(None, ("binary",))))),
        ("writes", STEP._replace(writes=("src/**",))),
        ("verify", STEP._replace(verify=(Command("pytest"),))),
        ("outputs", STEP._replace(outputs=Outputs((OutputFile("a", "a.md"),)))),
        ("outputs", STEP._replace(outputs=Outputs((), {"n": {"type": "integer"}}))),
    ],
)
def test_what_changes_a_definition(aspect: str, changed: Step) -> None:
    assert definition_key(changed) != definition_key(STEP)
    assert changed_aspects(STEP, changed) == (aspect,)
    assert [name for name, digest in aspects(changed).items() if digest != aspects(STEP).get(name)] == [aspect]


@pytest.mark.parametrize(
    "changed",
    [
        STEP._replace(timeout=3.0),
        STEP._replace(idle_timeout=3.0),
        STEP._replace(grace=3.0),
        STEP._replace(retry=Retry(attempts=5)),
        STEP._replace(target="gpu-box"),
        STEP._replace(reads=("src/**",), cache=True),
        STEP._replace(height=9, level=4),
        STEP._replace(isolation="pidns"),
        STEP._replace(continue_on_error=True),
        STEP._replace(waits=(("pr", "pull requests"),)),
        STEP._replace(matrix={"unused": 1}),
        STEP._replace(tree=Tree()),
        STEP._replace(tree=Tree(keep="always")),
    ],
)
def test_what_changes_no_definition(changed: Step) -> None:
    assert definition_key(changed) == definition_key(STEP)


def test_every_part_of_an_engine_s_definition_counts() -> None:
    one = EngineDefinition(("mine",))
    others = [
        one._replace(command=("mine", "-x")), one._replace(prompt=("{{ prompt }}",)), one._replace(long_prompt=()),
        one._replace(output="json"), one._replace(message="m"), one._replace(error="e"), one._replace(session="s"),
        one._replace(usage={"usd": "c"}), one._replace(resume=("{{ session }}",)), one._replace(model=("{{ model }}",)),
        one._replace(env={"A": "1"}),
    ]  # fmt: skip
    without = {"inherit_env", "calls", "failures", "engine", "base_url", "asks_for"}
    assert len(others) == len(EngineDefinition._fields) - len(without), "what it inherits is a step's own"
    assert definition_key(STEP._replace(custom=one._replace(failures=(("auth", "x"),)))) == definition_key(
        STEP._replace(custom=one)
    ), "what a failure is called changes no result"
    keys = {definition_key(STEP._replace(custom=custom)) for custom in (None, one, *others)}
    assert len(keys) == 2 + len(others)


def test_the_order_of_variables_and_secrets_means_nothing() -> None:
    one = STEP._replace(env=(("A", "1"), ("B", "2")), secrets=("X", "Y"))
    other = STEP._replace(env=(("B", "2"), ("A", "1")), secrets=("Y", "X"))
    assert definition_key(one) == definition_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"run": ("pytest", "make")}, {"run": ("make", "pytest", "make")}),
        ({"edit": ("a/**", "b.md")}, {"edit": ("b.md", "a/**")}),
        ({"edit": ("!b", "a", "a")}, {"edit": ("!b", "a", "a")}),
    ],
)
def test_permissions_that_mean_the_same_have_one_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert definition_key(granted(**one)) == definition_key(granted(**other))
    assert changed_aspects(granted(**one), granted(**other)) == ()


def test_permissions_that_mean_something_else_have_another() -> None:
    every: list[dict[str, Any]] = [
        {}, {"level": "read"}, {"level": "full"}, {"net": "deny"}, {"ask": "deny"},
        {"run": ()}, {"edit": ()}, {"run": (), "edit": ()}, {"run": ("a",)}, {"edit": ("a",)}, {"run": ("a", "b")},
        {"run": ("a, b",)}, {"edit": ("a",), "net": "deny"}, {"edit": ("a",), "ask": "deny"}, {"edit": ("**",)},
        {"edit": ("a", "!a")}, {"edit": ("!a", "a")},
    ]  # fmt: skip
    assert len({definition_key(granted(**one)) for one in every}) == len(every)


def test_a_text_is_never_taken_for_a_template() -> None:
    text = STEP._replace(prompt="{{ run.id }}")
    assert definition_key(text) != definition_key(STEP._replace(prompt=Deferred("{{ run.id }}")))


def test_deferred_parts_count_by_value_once_rendered() -> None:
    deferred = STEP._replace(env=(("A", Deferred("{{ agents.plan.text }}")),))
    assert is_deferred(deferred)
    assert definition_key(deferred._replace(env=(("A", "x"),))) == definition_key(STEP._replace(env=(("A", "x"),)))


@pytest.mark.parametrize(
    "deferred",
    [
        STEP._replace(prompt=Deferred("x")),
        STEP._replace(command=Command(None, ("a", Deferred("x")))),
        STEP._replace(outputs=Outputs((OutputFile("a", Deferred("x")),))),
        STEP._replace(writes=(Deferred("x"),)),
        STEP._replace(reads=("y", Deferred("x"))),
        STEP._replace(tree=Tree(copy=("y", Deferred("x")))),
    ],
)
def test_every_deferred_part_of_a_definition_is_seen(deferred: Step) -> None:
    assert not is_deferred(STEP)
    assert is_deferred(deferred)


OLD = KeyParts(
    "d1",
    {"src/a.py": "1", "src/b.py": "2"},
    {"build": Upstream("o1", {"report": "r1"}, "t1"), "plan": Upstream("p")},
    {"command": "c1", "env": "e1"},
)


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (OLD, "nothing changed"),
        (OLD._replace(reads={"src/a.py": "9", "src/b.py": "2"}), "reads: src/a.py changed"),
        (OLD._replace(reads={"src/a.py": "1"}), "reads: src/b.py removed"),
        (OLD._replace(reads={**OLD.reads, "src/c.py": "3"}), "reads: src/c.py added"),
        (OLD._replace(reads={"x": "1", "y": "1", "src/a.py": "1"}), "reads: x added (and 2 more)"),
        (OLD._replace(definition="d2", aspects={"command": "c2", "env": "e1"}), "definition changed: command"),
        (OLD._replace(definition="d2", aspects={"command": "c2", "env": "e2"}), "definition changed: command, env"),
        (OLD._replace(definition="d2", aspects={}), "definition changed"),
        (OLD._replace(definition="d2", aspects={**OLD.aspects, "diff": "d"}), "definition changed: diff"),
        (OLD._replace(definition="d2", aspects={"command": "c1"}), "definition changed: env"),
        (OLD._replace(upstream={**OLD.upstream, "plan": Upstream("q")}), "outputs of plan changed"),
        (
            OLD._replace(upstream={**OLD.upstream, "build": Upstream("o1", {"report": "r2"}, "t1")}),
            "artifact report of build changed",
        ),
        (
            OLD._replace(upstream={**OLD.upstream, "build": Upstream("o1", {"report": "r1"}, "t2")}),
            "text of build changed",
        ),
        (OLD._replace(upstream={"build": OLD.upstream["build"]}), "no longer depends on plan"),
        (OLD._replace(upstream={**OLD.upstream, "lint": Upstream("l")}), "now depends on lint"),
        (
            KeyParts("d2", {**OLD.reads, "src/a.py": "9"}, OLD.upstream, {"command": "c2", "env": "e1"}),
            "definition changed: command; reads: src/a.py changed",
        ),
    ],
)
def test_why_says_what_changed(new: KeyParts, why: str) -> None:
    assert difference(OLD, new) == why
    assert (new.digest() == OLD.digest()) == (why == "nothing changed")


def test_aspects_only_explain() -> None:
    assert OLD._replace(aspects={}).digest() == OLD.digest()


def test_the_stored_form_comes_back() -> None:
    assert key_from_json(key_to_json(OLD)) == OLD
    assert key_from_json(key_to_json(KeyParts("d"))) == KeyParts("d")


@pytest.mark.parametrize(
    "stored",
    ["", "[]", "{}", "null", '{"version": 99}', key_to_json(OLD).replace('"o1"', "7"), key_to_json(OLD)[:-9]],
)
def test_a_key_of_another_version_compares_as_unknown(stored: str) -> None:
    assert key_from_json(stored) is None


def test_values_are_told_apart() -> None:
    assert len({value_digest(value) for value in (None, "", {}, [], 0, False, "0", 1, True)}) == 9
    assert value_digest({"a": 1, "b": 2}) == value_digest({"b": 2, "a": 1})
    assert value_digest("\ud800") != value_digest("?")


def test_digests_of_outputs_tell_all_values_apart() -> None:
    values = [{}, {"a": ""}, {"a": "1"}, {"a": 1}, {"a": "\0"}, {"a": "b\0c"}, {"a": "b", "c": ""}]
    assert len({outputs_digest(value) for value in values}) == len(values)
    assert outputs_digest({"a": "1", "b": "2"}) == outputs_digest({"b": "2", "a": "1"})

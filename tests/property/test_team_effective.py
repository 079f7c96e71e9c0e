"""The effective form of any team means the same as the team, and is a fixed point; any value survives its YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamflow.core.diagnostics import Diagnostics
from teamflow.core.plan import Json
from teamflow.team.check_kind import MEANINGLESS
from teamflow.team.declared import KINDS
from teamflow.team.dump import to_yaml
from teamflow.team.effective import BUILT, MERGED, Node, Origin, Setting, effective
from teamflow.team.load import load
from teamflow.team.loaded import LoadedTeam
from teamflow.team.model import Agent
from teamflow.team.resolve import BUILT_IN
from teamflow.team.resolved import PromptWork, ResolvedAgent
from teamflow.team.schema import DEFAULTS
from teamflow.team.source import parse
from tests.fakes.teams import MemoryFiles

KEYS: Mapping[str, tuple[Json, ...]] = {
    "prompt": ("do it", {"file": "p.md"}),
    "command": ("make", ["make", "all"]),
    "ask": ("Well?",),
    "options": (["yes", "no"], ["maybe"]),
    "default": ("yes",),
    "description": ("d", ""),
    "instructions": ("Be\ngood.", "i"),
    "persona": ("p", "q"),
    "engine": ("scripted", "claude/opus", ["codex", "claude/x"], "claude"),
    "model": ("m1", "m2"),
    "script": ("play.yaml",),
    "permissions": ("read", "full", {"run": ["a"]}, {"edit": [], "net": "deny"}, {}),
    "mcp_servers": ({"a": {"command": "x"}}, {"a": {"url": "u"}, "b": {"command": "y", "env": {"E": 1}}}),
    "subagents": (["h"], ["h", "q"]),
    "max_failures": (2,),
    "reads": ("src/**", ["a", "b"]),
    "writes": (["out/**"],),
    "cache": (True, False),
    "env": ({"A": "1"}, {"A": 2, "B": "yes"}, {}),
    "secrets": (["S"], []),
    "timeout": ("5m", "1h30m"),
    "idle_timeout": ("30s",),
    "grace": ("1s",),
    "retry": ({"attempts": 3}, {"delay": "1s", "backoff": "fixed"}, {}),
    "verify": ("true", ["a", "b"], []),
    "skip_if_verified": (True, False),
    "outputs": ({"a": "string"}, {"a": {"file": "x"}, "b": {"type": "array", "items": {"enum": [1, None]}}}, {}),
    "on_failure": ("stop", "escalate"),
    "continue_on_error": (True, False),
    "budget": ({"usd": 1.5}, {"tokens": "4k"}, {}),
    "workspace": (
        {"mode": "shared"},
        {"setup": "x", "keep": "never"},
        {"copy": [".env"]},
        {"sparse": True},
        {"mode": "worktree"},
        {"copy": ["x"], "sparse": False},
        {},
    ),
    "diff": ({"max_lines": 9}, {"forbid": ["binary"]}, {}),
    "workdir": ("sub",),
    "isolation": ("pidns",),
    "target": ("local", "box", {"labels": ["gpu"]}),
    "pr": (True, False, "other", {"title": "t"}, {"extends": "other", "draft": True}, {}),
    "start": ("never",),
    "on_conflict": ("mend",),
}
MEND: Mapping[str, Json] = {
    "prompt": "mend it",
    "start": "never",
    "engine": "claude",
    "permissions": "edit",
    "workspace": {"mode": "worktree"},
}
FILES = {"play.yaml": "- say: hi\n", "p.md": "Prompt.\n"}


def layer(chance: Random, *, kind: str | None = None, without: Container[str] = ()) -> dict[str, Json]:
    """Some keys, as they may stand together. `kind`: of an agent that says itself what it is."""
    keys = chance.sample(sorted(KEYS), chance.randrange(16))
    meaningless: Container[str] = MEANINGLESS[kind] if kind else ()
    made = {
        key: chance.choice(KEYS[key])
        for key in keys
        if key not in (*KINDS, "script", "default") and key not in meaningless
    }
    made = {key: value for key, value in made.items() if key not in without}
    if made.get("engine") == "scripted":
        made["script"] = "play.yaml"
    if made.get("options") == ["yes", "no"] and chance.random() < 0.5:
        made["default"] = "yes"
    if kind is None and chance.random() < 0.5:
        kind = chance.choice(KINDS)
    if kind is not None:
        made[kind] = chance.choice(KEYS[kind])
    return made


def agent(chance: Random) -> dict[str, Json]:
    made = layer(chance, kind=chance.choice(KINDS))
    if chance.random() < 0.4:
        made["matrix"] = {"k": [1, 2]}
    else:
        made.pop("max_failures", None)
    if not made.get("verify"):
        made.pop("skip_if_verified", None)
    if chance.random() < 0.4:  # its persona or defaults say what it is, if they do
        made = {key: value for key, value in made.items() if not any(key in keys for keys in MEANINGLESS.values())}
        made = {key: value for key, value in made.items() if key not in KINDS}
    return made


def team_of(seed: int) -> str:
    chance = Random(seed)
    team = {
        "defaults": layer(chance, without=("start",)),
        "personas": {name: layer(chance, without=("persona",)) for name in ("p", "q")},
        "agents": {"h": {"command": "true"}, "mend": MEND, "a": agent(chance), "b": agent(chance)},
        "secrets": {"S": {"env": "S"}},
        "targets": {"box": {"ssh": "box", "labels": ["gpu"]}},
        "pr_policies": {"default": {"base": "main"}, "other": {"labels": ["x"]}},
        "limits": chance.choice([{}, {"orphan_after": "never"}, {"log_size": "1MB", "budget": {"usd": 1}}]),
    }
    return json.dumps(team)


def read(text: str) -> LoadedTeam | None:
    return load("team.yaml", sources=MemoryFiles({"team.yaml": text, **FILES})).team


def meaning(agent: ResolvedAgent) -> ResolvedAgent:
    """Without what `config` leaves out because it does nothing: the persona's name, a script that nobody plays."""
    if isinstance(agent.work, PromptWork) and agent.work.engines[0].name != "scripted":
        agent = replace(agent, work=replace(agent.work, script=None))
    if isinstance(agent.work, PromptWork) or agent.kind == "command":
        idle = {} if agent.verify else {"skip_if_verified": False}
        return replace(agent, persona=None, max_failures=agent.max_failures if agent.matrix else None, **idle)
    # A question has no process: what layers say of one does not reach it.
    plain = replace(agent.work, default=agent.work.default if agent.work.default in agent.work.options else None)
    asks = read(json.dumps({"agents": {"x": {"ask": "?"}}}))
    assert asks is not None
    kept = ("name", "description", "depends_on", "matrix", "condition", "env", "timeout", "startable", "pr", "budget")
    same = {key: getattr(agent, key) for key in (*kept, "continue_on_error", "on_failure")}
    return replace(asks.resolved["x"], work=plain, max_failures=agent.max_failures if agent.matrix else None, **same)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 800, 200))
def test_the_effective_form_means_the_same(start: int) -> None:
    right = 0
    for seed in range(start, start + 200):
        text = team_of(seed)
        team = read(text)
        if team is not None:
            right += 1
            check_meaning(text, team)
    assert right > 60, "many of these teams are right"


def check_meaning(text: str, team: LoadedTeam) -> None:
    written = to_yaml(effective(team))
    loaded = load("team.yaml", sources=MemoryFiles({"team.yaml": written, **FILES}))
    assert loaded.team is not None, f"{list(loaded.diagnostics)}\n{text}\n{written}"
    again = loaded.team
    assert {name: meaning(agent) for name, agent in again.resolved.items()} == {
        name: meaning(agent) for name, agent in team.resolved.items()
    }, f"{text}\n{written}"
    assert again.limits == team.limits
    assert again.name == team.name
    assert again.team.defaults is None
    assert set(again.team.personas or {}) <= {"q"}, "only what may be started as a sub-agent"
    comment = re.compile(r"  # .*")
    assert comment.sub("", to_yaml(effective(again))) == comment.sub("", written)


TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "yes",
            "on",
            "null",
            "~",
            "0o17",
            "0x1F",
            "1e3",
            "1_000",
            "22:22",
            "-.5",
            "+1",
            ".inf",
            ".nan",
            "2001-01-01",
        ]
        + [
            "9" * 30,
            "<<",
            "=",
            "- x",
            "# x",
            "a # b",
            "a: b",
            "{a}",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "%",
            "@",
            "`",
            "'",
            '"',
            "\\",
        ]
        + [
            "\n",
            "a\n",
            "a\n\n",
            "\na",
            " a\nb",
            "a\n b \n",
            "a\n\tb",
            "\ta",
            "a ",
            "a\rb",
            "---",
            "...",
            "? x",
            "x" * 300,
        ]
        + ["\x85", "\u2028", "\u202e", "\ufeff", "\x1b[31m", "\x7f", "é", "日本", "\U0001f600", "a\n\u202e", "a\n# b"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXTS,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=20,
)


@pytest.mark.slow
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=5), TEXTS)
def test_every_value_survives_its_yaml(values: dict[str, Json], file: str) -> None:
    inner: dict[str, Node] = {key: Setting(value, Origin("file", file, 3)) for key, value in values.items()}
    text = to_yaml({"top": inner, "end": Setting("x", Origin(BUILT))})
    found = Diagnostics()
    source = parse(text.encode(), file="f", found=found)
    assert source is not None, f"{list(found)}\n{text}"
    assert list(found) == [], text
    assert source.value == {"top": values, "end": "x"}, text
    assert json.dumps(source.value) == json.dumps({"top": values, "end": "x"}), "1 is not true, nor 1.0"
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]", text)
    assert text.removesuffix("...\n").endswith("end: x  # built in\n")


# -- tables that must agree ------------------------------------------------------------------------------------------


def test_maps_that_are_merged_are_those_of_the_page() -> None:
    from tests.docs.generated import ROOT

    page = (ROOT / "docs/team-file.md").read_text(encoding="utf-8")
    told = re.search(r"The maps ([^.]*?) are merged one level", page.replace("\n", " "))
    assert told is not None
    assert set(re.findall(r"`(\w+)`", told[1])) == MERGED
    assert {field.alias or name for name, field in Agent.model_fields.items()} >= MERGED


def test_built_in_values_are_those_of_resolution_and_of_the_table() -> None:
    team = read('{"agents": {"a": {"prompt": "x", "verify": "v"}, "b": {"command": "x"}}}')
    assert team is not None
    found = effective(team)
    agents = found["agents"]
    assert isinstance(agents, dict)
    prompt, command = agents["a"], agents["b"]
    assert isinstance(prompt, dict)
    assert isinstance(command, dict)
    shown = {**flat(prompt, "agent"), **flat(found["limits"], "limits"), "version": "1"}
    del shown["agent.prompt"], shown["agent.verify"]
    assert flat(prompt, "")[".retry.attempts"] == str(BUILT_IN.attempts_of_prompt)
    assert flat(command, "")[".retry.attempts"] == str(BUILT_IN.attempts_of_others)
    shown["agent.retry.attempts"] = DEFAULTS["agent.retry.attempts"]
    # Not written out: how many cores there are, and what would be a wish for a workspace if it were.
    left_out = {
        "limits.max_parallel": "number of cores",
        "agent.workspace.keep": "on_failure",
        "agent.workspace.sparse": "false",
        "name": "the file's name",
        "engines.*.prompt": "stdin",
        "engines.*.output": "text",
    }
    assert shown == {key: text for key, text in DEFAULTS.items() if key not in left_out}
    assert {key: DEFAULTS[key] for key in left_out} == left_out


def flat(node: Node, path: str) -> dict[str, str]:
    if isinstance(node, Setting):
        return {path: node.value if isinstance(node.value, str) else json.dumps(node.value)}
    return {key: text for name, inner in node.items() for key, text in flat(inner, f"{path}.{name}").items()}


def test_what_an_engine_leaves_out_is_built_in() -> None:
    team = read(
        '{"engines": {"e": {"command": ["x"], "output": "json", "message": "a"}}, "agents": {"a": {"command": "x"}}}'
    )
    assert team is not None
    engines = effective(team)["engines"]
    assert isinstance(engines, dict)
    assert flat(engines["e"], "") == {".command": '["x"]', ".output": "json", ".message": "a", ".prompt": "stdin"}

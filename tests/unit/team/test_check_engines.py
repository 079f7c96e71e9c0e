"""Engines that a team defines: every way to define one wrong, and what they come to in a plan's words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from teamflow.core.plan import EngineDefinition
from teamflow.team.engines import engine_definitions
from teamflow.team.loaded import Loaded, LoadedTeam

AGENTS = "agents: {a: {command: x}}\n"

WRONG = {
    "built-in-engine": [
        f"{name}: {{command: [x]}}"
        for name in ("claude", "claude-agent-acp", "scripted", "acp", "command", "ask", "person")
    ]
    + ["claude: {engine: claude, model: m}"],
    "unknown-engine": [
        f"e: {{engine: {engine}}}"
        for engine in ("cluade", "claude/opus", "e", "scripted", "command", "acp", "'{{ x }}'")
    ],
    "bad-base-url": ["e: {engine: claude, base_url: 'h:1'}", "e: {engine: claude, base_url: 'http://me:x@h'}"],
    "engine-words": [
        "e: {command: ['{{ model }}']}",
        "e: {command: [x, '{{ inputs.a }}']}",
        "e: {command: [x, '{% if a %}']}",
        "e: {command: [x, '{{ prompt']}",
        "e: {command: [x], prompt: [-p]}",
        "e: {command: [x], prompt: [-p, '{{ session }} {{ prompt }}']}",
        "e: {command: [x], prompt: [-p, '{{ prompt | upper }} {{ prompt }}']}",
        "e: {command: [x], prompt: ['{{ prompt }}', '{{ prompt_file }}']}",
        "e: {command: [x], prompt: argument, long_prompt: ['{{ prompt }} {{ prompt_file }}']}",
        "e: {command: [x], prompt: argument, long_prompt: [-f]}",
        "e: {command: [x], model: [-m]}",
        "e: {command: [x], model: ['{{ model }}', '{{ prompt }}']}",
        "e: {command: [x], output: json, message: m, session: s, resume: [--continue]}",
        "e: {command: [x], env: {A: '{{ session }}'}}",
        "e: {engine: claude, env: {A: '{{ model }}'}}",
        "e: {engine: claude, env: {A: '{% if a %}'}}",
    ],
    "bad-json-path": [
        "e: {command: [x], output: json, message: a b}",
        "e: {command: [x], output: json, message: a., error: e}",
        "e: {command: [x], output: json, message: m, error: '[x'}",
        "e: {command: [x], output: json, message: m, usage: {usd: '.cost'}}",
        "e: {command: [x], output: json-lines, message: '[-1].text'}",
    ],
    "missing-key": [
        "e: {}",
        "e: {command: [x], output: json}",
        "e: {command: [x], output: json-lines, error: e}",
        "e: {command: [x], output: json, message: m, resume: ['{{ session }}']}",
    ],
    "key-without-meaning": [
        "e: {command: [x], message: m}",
        "e: {command: [x], output: text, error: e}",
        "e: {command: [x], output: text, usage: {usd: c}}",
        "e: {command: [x], session: s}",
        "e: {command: [x], resume: ['{{ session }}']}",
        "e: {command: [x], output: json, message: m, session: s}",
        "e: {command: [x], long_prompt: file}",
        "e: {command: [x], base_url: 'http://h'}",
        "e: {command: [x], engine: claude}",
        "e: {engine: claude, resume: ['{{ session }}']}",
        "e: {engine: claude, failures: {auth: x}}",
        "e: {engine: claude, output: json}",
        "e: {command: [x], prompt: file, long_prompt: stdin}",
        *(
            f"e: {{command: [x], output: acp, {given}}}"
            for given in (
                "message: m",
                "error: e",
                "session: s",
                "calls: c",
                "usage: {usd: c}",
                "resume: ['{{ session }}']",
                "prompt: stdin",
                "prompt: argument",
            )
        ),
    ],
    "template-in-shell": [
        "e: {command: [sh, -c], prompt: argument}",
        "e: {command: [ssh, box, bash, -lc], prompt: ['{{ prompt }}']}",
        "e: {command: [sh], prompt: [-c, 'tool {{ prompt_file }}']}",
        "e: {command: [bash], model: [-c, 'x {{ model }}']}",
        "e: {command: [bash, -e], output: json, message: m, session: s, resume: [-c, 'x {{ session }}']}",
    ],
    "wrong-value": [
        "e: {command: [x], prompt: args}",
        "e: {command: [x], output: yaml}",
        "e: {command: [x], model: large}",
        "e: {engine: claude, model: [large]}",
    ],
    "wrong-type": [
        "e: {command: x -p}",
        "e: {command: []}",
        "e: {engine: '', model: m}",
        "e: {command: [x], resume: --resume}",
    ],
    "unknown-key": [
        "e: {command: [x], models: [y]}",
        "e: {command: [x], output: json, message: m, usage: {tokens: t}}",
    ],
    "bad-name": ["E1: {command: [x]}", "e: {command: [x], env: {1A: x}}", "e: {engine: claude, env: {1A: x}}"],
}

RIGHT = [
    "e: {command: [x, acp], output: acp, model: ['{{ model }}'], env: {M: '{{ model }}'}, inherit_env: X,"
    " failures: {auth: log in}}",
    "e: {command: [x, acp], output: acp}",
    "e: {command: [x, '', -y]}",
    "e: {command: [sh, -c, 'tool \"$1\"', sh], prompt: argument}",
    "e: {command: [sh, tool.sh], prompt: argument, long_prompt: file}",
    "e: {command: [x], prompt: ['--p={{prompt}}', --, '{{ prompt }}'], model: ['{{model}}'], env: {M: '{{ model }}'}}",
    "e: {command: [x], output: json-lines, message: '[role=assistant].content[-1].text', error: e, inherit_env: X_*,"
    " usage: {input_tokens: 'u.i', output_tokens: 'u[\"o p\"]', usd: c}, session: s, resume: [r, '{{ session }}']}",
    "x-note: {any: thing}\n  e: {command: [x], x-note: 1}",
    "e: {engine: claude, base_url: 'http://h:1/v1', model: m, env: {A: 1, B: 'a{b}'}, inherit_env: [X, Y_*]}",
    "e: {engine: codex-exec}",
]  # fmt: skip


def team_of(engine: str) -> str:
    return f"engines:\n  {engine}\n{AGENTS}"


@pytest.mark.parametrize(("code", "engine"), [(code, engine) for code, each in WRONG.items() for engine in each])
def test_what_is_wrong_is_told_once(read: Callable[..., Loaded], code: str, engine: str) -> None:
    loaded = read(team_of(engine))
    assert [item.code for item in loaded.diagnostics] == [code], [item.message for item in loaded.diagnostics]
    assert all(item.span is not None and item.span.line == 2 for item in loaded.diagnostics)


@pytest.mark.parametrize("engine", RIGHT)
def test_what_is_right(team: Callable[..., LoadedTeam], engine: str) -> None:
    team(team_of(engine))


TAKES = "engines: {e: {command: [x], model: [-m, '{{ model }}']}, by_env: {command: [x], env: {M: '{{model}}'}}}\n"
TAKES_NONE = "engines: {e: {command: [x], env: {M: fixed}}, other: {command: [x], model: ['{{ model }}']}}\n"
MODELS = [
    ("agents: {a: {prompt: x, engine: e/large}}\n", "e/large"),
    ("agents: {a: {prompt: x, engine: e, model: large}}\n", "large"),
    ("defaults: {engine: e}\nagents: {a: {prompt: x, model: large}}\n", "large"),
    ("personas: {p: {model: large}}\ndefaults: {engine: e}\nagents: {a: {prompt: x, persona: p}}\n", "a"),
    ("personas: {p: {engine: e/large}}\nagents: {a: {prompt: x, persona: p}}\n", "e/large"),
    ("agents: {a: {prompt: x, engine: [other/m, e/large]}}\n", "e/large"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "at"), MODELS)
def test_a_model_needs_an_engine_that_takes_one(read: Callable[..., Loaded], text: str, at: str) -> None:
    loaded = read(TAKES_NONE + text)
    [found] = loaded.diagnostics
    assert found.code == "engine-model"
    assert found.span is not None
    line = (TAKES_NONE + text).splitlines()[found.span.line - 1]
    assert line[found.span.column - 1 :].startswith(at)


@pytest.mark.parametrize(
    "agent",
    [
        "engine: e/m",
        "engine: e, model: m",
        "engine: by_env, model: m",
        "engine: claude, model: m",
        "model: m",
        "engine: e",
    ],
)
def test_models_that_can_be_told(team: Callable[..., LoadedTeam], agent: str) -> None:
    team(f"{TAKES}agents: {{a: {{prompt: x, {agent}}}}}\n")


def test_a_layer_that_chooses_an_engine_hides_the_model_of_weaker_ones(team: Callable[..., LoadedTeam]) -> None:
    team(f"{TAKES_NONE}defaults: {{model: m, engine: other}}\nagents: {{a: {{prompt: x, engine: e}}}}\n")


def test_an_agent_that_speaks_acp_is_asked_for_models_when_it_runs(team: Callable[..., LoadedTeam]) -> None:
    team("engines: {e: {command: [x], output: acp}}\nagents: {a: {prompt: x, engine: e/large}}\n")


@pytest.mark.parametrize("engine", ["acp", "acp/m", "[claude, acp]"])
def test_the_protocol_is_no_engine(read: Callable[..., Loaded], engine: str) -> None:
    [found] = read(f"agents: {{a: {{prompt: x, engine: {engine}}}}}\n").diagnostics
    assert (found.code, "output: acp" in (found.hint or "")) == ("unknown-engine", True)


@pytest.mark.parametrize("engine", ["opus", "gpt-5", "openai/gpt-5"])
def test_who_names_a_model_is_told_where_it_stands(read: Callable[..., Loaded], engine: str) -> None:
    [found] = read(f"agents: {{a: {{engine: {engine}, prompt: x}}}}").diagnostics
    assert found.code == "unknown-engine"
    assert (found.hint or "").endswith("A model stands behind its engine: claude/opus.")


def test_limits_and_unknown_engines_know_them(
    team: Callable[..., LoadedTeam], complaints: Callable[..., list[tuple[str, int, int]]]
) -> None:
    team(f"{TAKES}limits: {{engines: {{e: 1}}}}\n{AGENTS}")
    assert [code for code, _, _ in complaints(f"{TAKES}agents: {{a: {{prompt: x, engine: ee}}}}\n")] == [
        "unknown-engine"
    ]


def test_nothing_is_concluded_from_a_damaged_definition(complaints: Callable[..., list[tuple[str, int, int]]]) -> None:
    text = team_of("e: {command: [x], output: json, message: 3, session: s, resume: ['{{ session }}'], prompt: [-p]}")
    assert [code for code, _, _ in complaints(text)] == ["wrong-type", "engine-words"]


def test_in_the_words_of_a_plan(team: Callable[..., LoadedTeam]) -> None:
    loaded = team(
        """
engines:
  plain: {command: [x]}
  argument: {command: [x], prompt: argument, long_prompt: stdin}
  file: {command: [x], prompt: argument, long_prompt: file}
  rich:
    command: [x, -y]
    prompt: [-p, "{{ prompt }}"]
    output: json
    message: m
    error: e
    session: s
    usage: {input_tokens: i, usd: u}
    resume: ["{{ session }}"]
    model: ["{{ model }}"]
    env: {A: 1, B: "{{ model }}"}
    inherit_env: [X]
agents: {a: {command: x}}
"""
    )
    assert engine_definitions(loaded.team) == loaded.engines == {
        "plain": EngineDefinition(("x",)),
        "argument": EngineDefinition(("x",), prompt=("{{ prompt }}",), long_prompt=()),
        "file": EngineDefinition(("x",), prompt=("{{ prompt }}",), long_prompt=("{{ prompt_file }}",)),
        "rich": EngineDefinition(
            ("x", "-y"), ("-p", "{{ prompt }}"), None, "json", "m", "e", "s", {"input_tokens": "i", "usd": "u"},
            ("{{ session }}",), ("{{ model }}",), {"A": "1", "B": "{{ model }}"}, ("X",),
        ),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("agents", "at"),
    [
        ("agents: {a: {prompt: x, engine: e, model: large}}\n", "large"),
        ("agents: {a: {prompt: x, engine: [claude, e], model: large}}\n", "large"),
        ("defaults: {engine: e}\nagents: {a: {prompt: x, model: large}}\n", "large"),
        ("defaults: {engine: e, model: large}\nagents: {a: {prompt: x, engine: e/small}}\n", ""),
        ("defaults: {engine: claude, model: large}\nagents: {a: {prompt: x, engine: [claude/opus, e]}}\n", ""),
        ("agents: {a: {prompt: x, engine: f, model: large}}\n", ""),
    ],
)
def test_a_model_for_a_variant_that_has_one_stands_behind_its_name(
    read: Callable[..., Loaded], agents: str, at: str
) -> None:
    text = f"engines: {{e: {{engine: claude, model: m}}, f: {{engine: claude}}}}\n{agents}"
    found = list(read(text).diagnostics)
    assert [item.code for item in found] == (["engine-model"] if at else [])
    for item in found:
        assert item.span is not None
        assert text.splitlines()[item.span.line - 1][item.span.column - 1 :].startswith(at)
        assert "engine: NAME/large" in (item.hint or "")

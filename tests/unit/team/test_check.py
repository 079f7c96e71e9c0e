"""The rules between keys: one wrong team per rule, and right ones that must not be complained about."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from teamflow.team.loaded import Loaded, LoadedTeam

INPUTS = "inputs: {s: string, list: {type: array, items: {type: string}}}\n"
L = """  l:
    command: list
    outputs:
      tasks: {type: array, items: {type: object, properties: {goal: {type: string}, dir: {type: string}},
              additionalProperties: false}}
      words: {type: array, items: {type: string}}
      deep: {type: object, properties: {rows: {type: array, items: {type: integer}}}}
      open: {type: array, items: {type: object, additionalProperties: {type: object}}}
      free: array
      patterned: {type: array, items: {type: object, patternProperties: {"^x": {}}, additionalProperties: false}}
"""
B = "  b: {command: make, outputs: {flag: boolean, word: string, rows: array, obj: {type: object}}}\n"

WRONG = {
    "unknown-agent": [
        "  a: {command: x, depends_on: [bb]}\n",
        "  a: {prompt: x, on_conflict: nobody}\n",
        "  a: {command: x, depends_on: {bb: failed}}\n",
        "  a: {command: x, depends_on: bb}\n",
        "  a: {command: x, matrix: nobody}\n",
        "  a: {prompt: x, subagents: [nobody]}\n",
        "  a: {prompt: x, outputs: {ok: boolean}, loop: {until: outputs.ok, max: 2, rework: nobody}}\n",
        "  a: {command: x, pr: {feedback: {agent: nobody}}}\n",
    ],
    "self-dependency": [
        "  a: {command: x, depends_on: [a]}\n",
        "  a: {command: x, matrix: a}\n",
        "  a: {prompt: x, outputs: {ok: boolean}, loop: {until: outputs.ok, max: 2, rework: a}}\n",
    ],
    "unknown-reference": [
        "  a: {prompt: '{{ inputs.nope }}'}\n",
        "  a: {prompt: '{{ feedback.reason }}', outputs: {ok: boolean},\n"
        "   loop: {until: outputs.ok, max: 2, rework: b}}\n",
        "  a: {prompt: '{{ feedback.outputs.okay }}', outputs: {ok: boolean},\n"
        "   loop: {until: outputs.ok, max: 2, rework: b}}\n",
        "  a: {prompt: '{{ agents.nobody.text }}'}\n",
        "  a: {prompt: '{{ agents.b.outputs.nope }}'}\n",
        "  a: {prompt: '{{ agents.b.outputs.word.deeper }}'}\n",
        "  a: {prompt: '{{ agents.b.txet }}'}\n",
        "  a: {prompt: '{{ agents.b.instances }}'}\n",
        "  a: {prompt: '{{ agents.a.text }}'}\n",
        "  a: {prompt: '{{ agents }}'}\n",
        "  a: {prompt: '{{ matrix.x }}'}\n",
        "  a: {prompt: '{{ matrix.y }}', matrix: {x: [1]}}\n",
        "  a: {prompt: '{{ matrix.x.y }}', matrix: {x: [{z: 1}]}}\n",
        "  a: {prompt: '{{ step.nope }}'}\n",
        "  a: {prompt: '{{ run.nope }}'}\n",
        "  a: {prompt: '{{ secrets.NOPE }}'}\n",
        "  a: {command: [x, '{{ inputs.nope }}']}\n",
        "  a: {command: x, env: {A: '{{ inputs.nope }}'}}\n",
        "  a: {command: x, if: inputs.nope == 1}\n",
        "  a: {command: x, matrix: {k: inputs.nope}}\n",
        "  a: {command: x, reads: ['{{ inputs.nope }}']}\n",
        "  a: {command: x, outputs: {f: {file: '{{ inputs.nope }}'}}}\n",
        "  a: {command: x, workdir: '{{ inputs.nope }}'}\n",
        "  a: {ask: '{{ inputs.nope }}'}\n",
        "  m: {command: x, matrix: {k: [1]}}\n  a: {prompt: '{{ agents.m.text }}'}\n",
        "  my-agent: {command: x}\n  a: {prompt: '{{ agents.my-agent.text }}'}\n",
        "  h: {start: never, prompt: x}\n  a: {prompt: '{{ agents.h.text }}'}\n",
        "  a: {prompt: '{{ matrix.task.gaol }}', matrix: {task: agents.l.outputs.tasks}}\n",
        "  a: {prompt: '{{ matrix.task.dir.deeper }}', matrix: {task: agents.l.outputs.tasks}}\n",
        "  a: {prompt: '{{ matrix.item.dir }}', matrix: agents.l.outputs.words}\n",
        "  a: {prompt: '{{ matrix.item.x }}', matrix: agents.l.outputs.deep.rows}\n",
        "  a: {prompt: '{{ matrix.item.dir }}', matrix: inputs.list}\n",
        "  m: {command: x, matrix: agents.l.outputs.words}\n  a: {prompt: '{{ matrix.item.dir }}', matrix: m}\n",
        "  m: {command: x, matrix: agents.l.outputs.words}\n  a: {prompt: '{{ agents.m.text }}'}\n",
        "  m: {command: x, matrix: [1]}\n  n: {command: x, matrix: m}\n"
        "  a: {prompt: '{{ agents.m.text }}', matrix: n}\n",
    ],
    "unknown-name": [
        "  a: {prompt: '{{ nope }}'}\n",
        "  a: {prompt: '{{ outputs.x }}', outputs: {x: string}}\n",
        "  a: {prompt: '{{ feedback.text }}'}\n",
        "  a: {prompt: '{{ task }}'}\n",
        "  a: {command: x, matrix: {k: matrix.x}}\n",
        "  a: {command: x, env: {A: '{{ env.B }}'}}\n",
    ],
    "expression-type": [
        "  a: {command: x, if: agents.b.outputs.word}\n",
        "  a: {command: x, if: agents.b.text}\n",
        "  a: {command: x, if: \"'yes'\"}\n",
        "  a: {command: x, if: inputs.s}\n",
        "  a: {command: x, matrix: {k: agents.b.outputs.word}}\n",
        "  a: {command: x, matrix: inputs.s}\n",
        "  a: {command: x, matrix: inputs.s == 'x'}\n",
        "  a: {prompt: x, outputs: {n: integer}, loop: {until: outputs.n, max: 2, rework: b}}\n",
    ],
    "template-in-shell": [
        "  a: {command: 'echo {{ inputs.s }}'}\n",
        "  a: {command: 'echo {% if x %}y{% endif %}'}\n",
        "  a: {command: 'echo {{inputs.s}}'}\n",
        "  a: {command: [sh, -c, 'echo {{ inputs.s }}']}\n",
        "  a: {command: [/bin/bash, -euc, '{{ inputs.s }}']}\n",
        "  a: {command: [env, A=1, bash, -l, -c, '{{ inputs.s }}']}\n",
        "  a: {command: x, verify: ['test {{ inputs.s }}']}\n",
        "  a: {command: x, workspace: {setup: 'echo {{ inputs.s }}'}}\n",
    ],
    "bad-template": [
        "  a: {prompt: '{{ inputs.s'}\n",
        "  a: {prompt: '{{ inputs.s | nope }}'}\n",
        "  a: {prompt: '{{ inputs.s.upper() }}'}\n",
        "  a: {command: x, if: '{{ inputs.s }}'}\n",
        "  a: {command: x, if: 'inputs.s =='}\n",
    ],
    "path-outside": [
        "  a: {command: x, reads: [/etc/passwd]}\n",
        "  a: {command: x, reads: ['src/../../x']}\n",
        "  a: {command: x, writes: '../x'}\n",
        "  a: {command: x, outputs: {f: {file: /tmp/x}}}\n",
        "  a: {command: x, workdir: ..}\n",
        "  a: {prompt: x, workspace: {copy: [~/.ssh]}}\n",
        "  a: {command: x, reads: ['{{ inputs.s }}/../../x']}\n",
        "  a: {prompt: x, permissions: {edit: [../x]}}\n",
        "  a: {prompt: x, permissions: {edit: [src, '!/etc/**']}}\n",
        "  a: {command: x, reads: ['C:\\x']}\n",
    ],
    "matches-nothing": [
        "  a: {prompt: x, permissions: {run: ['pytest *']}}\n",
        "  a: {prompt: x, permissions: {run: ['test?', pytest]}}\n",
        "  a: {prompt: x, permissions: {run: [' ']}}\n",
        "  a: {prompt: x, permissions: {run: ['make && make install']}}\n",
        "  a: {prompt: x, permissions: {run: [$EDITOR]}}\n",
        "  a: {prompt: x, permissions: {run: ['make > log']}}\n",
        "  a: {prompt: x, permissions: {run: [~/bin/make]}}\n",
        "  a: {prompt: x, permissions: {run: ['{{ inputs.s }}']}}\n",
        "  a: {prompt: x, permissions: {edit: ['{{ inputs.s }}/**']}}\n",
        "  a: {prompt: x, permissions: {edit: ['!']}}\n",
        "  a: {prompt: x, permissions: {edit: ['!src', 'lib']}}\n",
        "  a: {prompt: x, permissions: {edit: ['.git/**']}}\n",
        "  a: {prompt: x, permissions: {edit: ['src/.git/config']}}\n",
        "  a: {prompt: x, permissions: {edit: [.teamflow]}}\n",
    ],
    "no-kind": ["  a: {timeout: 5m}\n"],
    "two-kinds": ["  a: {command: x, prompt: y}\n", "  a: {ask: x, prompt: y}\n"],
    "key-without-meaning": [
        "  a: {command: x, engine: claude}\n",
        "  a: {command: x, permissions: read}\n",
        "  a: {prompt: x, options: [y, z]}\n",
        "  a: {ask: x, verify: [y]}\n",
        "  a: {ask: x, reads: [y]}\n",
        "  a: {command: x, skip_if_verified: true}\n",
        "  a: {command: x, verify: y, skip_if_verified: true, outputs: {n: integer}}\n",
        "  a: {command: x, verify: y, persona: p, outputs: {f: {file: f}, n: integer}}\n"
        "personas: {p: {skip_if_verified: true}}\n",
        "  a: {command: x, max_failures: 2}\n",
        "  a: {ask: x, on_conflict: r}\n  r: {start: never, prompt: x}\n",
        "  a: {command: x}\n  r: {start: never, prompt: x, on_conflict: r}\n",
    ],
    "bad-resolver": [
        "  a: {prompt: x, on_conflict: r}\n  r: {prompt: x}\n",
        "  a: {prompt: x, on_conflict: r}\n  r: {start: never, command: x}\n",
        "  a: {prompt: x, on_conflict: r}\n  r: {start: never, prompt: x, matrix: [1]}\n",
        "  a: {prompt: x, on_conflict: r}\n  r: {start: never, prompt: x, depends_on: [a]}\n",
        "  a: {prompt: x, on_conflict: r}\n  r: {start: never, prompt: x, if: 1 == 1}\n",
        "  a: {prompt: x, on_conflict: r}\n"
        "  r: {start: never, prompt: x, outputs: {o: boolean}, loop: {until: outputs.o, max: 2, rework: a}}\n",
        "  a: {prompt: x, on_conflict: r}\n  r: {start: never, prompt: x, permissions: read}\n",
        "  a: {prompt: x, on_conflict: r}\n  r: {start: never, prompt: x, workspace: {mode: shared}}\n",
        "  a: {prompt: x, persona: p}\n  r: {prompt: x}\npersonas: {p: {on_conflict: r}}\n",
    ],
    "no-script": ["  a: {prompt: x, engine: scripted}\n"],
    "bad-answer": ["  a: {ask: x, default: y}\n", "  a: {ask: x, options: [y], default: z}\n"],
    "unknown-engine": ["  a: {prompt: x, engine: clade}\n", "  a: {prompt: x, engine: [claude, x/y]}\n",
                       "  a: {prompt: x, engine: claude/}\n"],
    "unknown-persona": ["  a: {prompt: x, persona: nobody}\n"],
    "unknown-target": ["  a: {command: x, target: gpu}\n", "  a: {command: x, target: {labels: [gpu]}}\n"],
    "unknown-policy": ["  a: {command: x, pr: true}\n", "  a: {command: x, pr: nope}\n",
                       "  a: {command: x, pr: {extends: nope}}\n"],
    "unknown-secret": ["  a: {command: x, secrets: [NOPE]}\n"],
    "no-step": [
        "  h: {start: never, prompt: x}\n  a: {command: x, depends_on: [h]}\n",
        "  h: {start: never, prompt: x}\n  a: {command: x, loop: {until: text == 'x', max: 2, rework: h}}\n",
        "  h: {start: never, command: x, matrix: [1]}\n  a: {command: x, matrix: h}\n",
    ],
    "bad-name": [
        "  A: {command: x}\n",
        "  a.b: {command: x}\n",
        "  " + "a" * 300 + ": {command: x}\n",
        "  '../x': {command: x}\n",
        "  '-rf': {command: x}\n",
        "  \"a\\nb\": {command: x}\n",
        "  ü: {command: x}\n",
        "  a: {command: x, env: {A-B: y}}\n",
        "  a: {command: x, matrix: {A: [1]}}\n",
        "  a: {command: x, outputs: {A.b: string}}\n",
    ],
    "bad-matrix": ["  a: {command: x, matrix: b}\n", "  a: {command: x, matrix: {}}\n"],
    "bad-schema": ["  a: {command: x, outputs: {o: {type: nope}}}\n",
                   "  a: {command: x, outputs: {o: {$ref: 'http://x/y'}}}\n"],
    "bad-base-url": ["  a: {prompt: x, base_url: 'localhost:1'}\n", "  a: {prompt: x, base_url: 'http://a:b@h'}\n"],
    "bad-mcp-server": ["  a: {prompt: x, mcp_servers: {d: {}}}\n",
                       "  a: {prompt: x, mcp_servers: {d: {command: x, url: y}}}\n"],
    "wrong-value": [
        "  a: {command: x, timeout: 0s}\n",
        "  a: {command: x, workspace: {mode: shared, repo: x}}\n",
        "  a: {command: x, depends_on: {b: done}}\n",
        "  a: {prompt: x, permissions: write}\n",
        "  a: {prompt: x, engine: []}\n",
    ],
    "duplicate-entry": ["  a: {command: x, depends_on: [b, b]}\n"],
    "wrong-type": [
        "  a: {command: 5}\n",
        "  a: {command: []}\n",
        "  a: {command: ''}\n",
        "  a: {command: x, env: {A: true}}\n",
        "  a: {command: x, env: {A: 1.5}}\n",
        "  a: {command: x, cache: 'yes'}\n",
        "  a: {command: x, retry: {attempts: '3'}}\n",
        "  a: {command: x, retry: 3}\n",
        "  a: x\n",
        "  a: [x]\n",
        "  a: {command: x, depends_on: 3}\n",
    ],
    "no-value": ["  a: {command: x, reads: }\n", "  a: {command: x, retry: {attempts: }}\n"],
    "bad-duration": ["  a: {command: x, timeout: 30}\n", "  a: {command: x, timeout: 30 s}\n",
                     "  a: {command: x, grace: -1s}\n"],
    "unknown-key": ["  a: {comand: x}\n", "  a: {command: x, retry: {attemps: 2}}\n", "  a: {command: x, file: y}\n"],
    "missing-key": ["  a: {prompt: x, loop: {max: 2, rework: b}}\n"],
}  # fmt: skip
CASES = [(code, agent) for code, agents in WRONG.items() for agent in agents]


@pytest.mark.parametrize(("code", "agent"), CASES)
def test_wrong_agents(read: Callable[..., Loaded], code: str, agent: str) -> None:
    loaded = read(INPUTS + "agents:\n" + B + L + agent)
    found = list(loaded.diagnostics)
    assert [item.code for item in found if item.severity.value == "error"] in ([code], [code, code])
    assert loaded.team is None
    for item in found:
        assert item.span is not None
        assert item.span.line > 2
        assert item.message[0].islower() or item.message[0] in '"'


RIGHT = [
    "  a: {prompt: '{{ agents.b.outputs.word }} {{ agents.b.text }} {{ agents.b.outputs.obj.any.depth }}'}\n",
    "  a: {prompt: '{{ inputs.s | default(1) }} {{ inputs.nope | default(1) }}'}\n",
    "  a: {prompt: '{% for x in agents.b.outputs.rows %}{{ x.y }}{% endfor %}'}\n",
    "  m: {command: x, matrix: {k: [1]}}\n  a: {prompt: '{{ agents.m.instances }}'}\n",
    "  m: {command: x, matrix: {k: [1]}}\n  a: {prompt: '{{ agents.m.text }} {{ matrix.k }}', matrix: m}\n",
    "  my-agent: {command: x}\n  a: {prompt: \"{{ agents['my-agent'].text }}\"}\n",
    "  a: {command: 'docker ps --format {{.Names}}'}\n",
    "  a: {command: \"docker inspect --format '{{json .State}}' x\"}\n",
    "  a: {command: 'echo ${#x} {a,b}'}\n",
    "  a: {command: [python3, -c, 'print(1)', '{{ inputs.s }}']}\n",
    "  a: {command: [sh, -c, 'echo \"$1\"', sh, '{{ inputs.s }}']}\n",
    "  a: {command: [sh, script.sh, '{{ inputs.s }}']}\n",
    "  a: {command: x, if: inputs.s != 'docs' and agents.b.outputs.flag}\n",
    "  a: {command: x, if: agents.b.outputs.flag}\n",
    "  a: {command: x, matrix: {k: agents.b.outputs.rows}}\n",
    "  a: {command: x, matrix: [1, 2], env: {A: '{{ matrix.item }}'}}\n",
    "  a: {command: x, matrix: inputs.s.split}\n".replace("inputs.s.split", "[1, 2]"),
    "  a: {prompt: '{{ matrix.task.goal }} {{ matrix.task.dir }}', matrix: {task: agents.l.outputs.tasks}}\n",
    "  a: {prompt: '{{ matrix.item.any.depth }}', matrix: agents.l.outputs.open}\n",
    "  a: {prompt: '{{ matrix.item.any }}', matrix: agents.l.outputs.free}\n",
    "  a: {prompt: '{{ matrix.item.any }}', matrix: 'agents.l.outputs.words | list'}\n",
    "  a: {prompt: '{{ matrix.item.xray }}', matrix: agents.l.outputs.patterned}\n",
    "  a: {prompt: '{{ matrix.item.nope | default(1) }}', matrix: agents.l.outputs.words}\n",
    "  m: {command: x, matrix: agents.l.outputs.tasks}\n  a: {prompt: '{{ matrix.item.goal }}', matrix: m}\n",
    "  a: {command: x, env: {A: 1, B: '{{ step.id }} {{ run.number }}'}, secrets: []}\n",
    "  a: {command: x, reads: src, writes: ['{{ inputs.s }}/**'], workdir: sub}\n",
    "  a: {prompt: x, outputs: {ok: boolean}, loop: {until: 'outputs.ok and text', max: 2, rework: b}}\n".replace(
        " and text", ""
    ),
    "  h: {start: never, prompt: '{{ task }} {{ feedback.text }}'}\n  a: {prompt: x, subagents: [h]}\n",
    "  a: {prompt: '{{ feedback.outputs.ok }} {{ feedback.from }}', outputs: {ok: boolean},\n"
    "   loop: {until: outputs.ok, max: 2, rework: b}}\n",
    "  a: {command: x, verify: y, skip_if_verified: true, outputs: {f: {file: f}}}\n",
    "  a: {ask: Go?, timeout: 2d}\n",
    "  a: {ask: Which?, options: [x, y], default: x, timeout: 1h}\n",
    "  a: {prompt: x, engine: [claude/opus, codex]}\n",
    "  a: {command: x, depends_on: {b: finished}}\n",
    "  a: {command: x, isolation: pidns, continue_on_error: true, grace: 0s}\n",
]


@pytest.mark.parametrize("agent", RIGHT)
def test_right_agents(team: Callable[..., LoadedTeam], agent: str) -> None:
    assert "a" in team(INPUTS + "agents:\n" + B + L + agent).resolved


TEAMS = {
    "no-agents": ["agents: {}\n"],
    "missing-key": ["name: x\n", "engines: {e: {prompt: stdin}}\nagents: {a: {command: x}}\n"],
    "wrong-type": ["- a\n", "just text\n", "5\n", "", "agents: 5\n", "agents: [a]\n"],
    "wrong-value": ["version: 2\nagents: {a: {command: x}}\n"],
    "unknown-engine": ["limits: {engines: {nope: 2}}\nagents: {a: {command: x}}\n"],
    "bad-default": ["inputs: {n: {type: integer, default: x}}\nagents: {a: {command: x}}\n"],
    "bad-schema": ["inputs: {n: {type: integer, minimum: x}}\nagents: {a: {command: x}}\n"],
    "bad-secret": ["secrets: {A: {env: X, file: y}}\nagents: {a: {command: x}}\n"],
    "bad-target": ["targets: {t: {}}\nagents: {a: {command: x}}\n",
                   "targets: {local: {ssh: x}}\nagents: {a: {command: x}}\n"],
    "policy-cycle": ["pr_policies: {a: {extends: a}}\nagents: {a: {command: x}}\n"],
    "unknown-policy": ["pr_policies: {a: {extends: b}}\nagents: {a: {command: x}}\n"],
    "template-in-shell": [
        "hooks: {failed: 'echo {{ x }}'}\nagents: {a: {command: x}}\n",
        "targets: {t: {ssh: x, bootstrap: 'echo {{ x }}'}}\nagents: {a: {command: x}}\n",
        "personas: {p: {verify: 'echo {{ x }}'}}\nagents: {a: {command: x}}\n",
        "defaults: {verify: 'echo {{ x }}'}\nagents: {a: {command: x}}\n",
    ],
    "unknown-reference": ["outputs: {o: agents.nobody.text}\nagents: {a: {command: x}}\n"],
    "unknown-name": ["outputs: {o: matrix.x}\nagents: {a: {command: x}}\n",
                     "env: {A: '{{ agents.a.text }}'}\nagents: {a: {command: x}}\n"],
    "no-kind": ["defaults: {timeout: 5m}\nagents: {a: {}}\n"],
    "bad-name": ["env: {'A=B': x}\nagents: {a: {command: x}}\n",
                 "secrets: {A-B: {env: X}}\nagents: {a: {command: x}}\n"],
}  # fmt: skip


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in TEAMS.items() for text in texts])
def test_wrong_teams(read: Callable[..., Loaded], code: str, text: str) -> None:
    assert [item.code for item in read(text).diagnostics] == [code]


def test_a_kind_may_come_from_persona_or_defaults(team: Callable[..., LoadedTeam]) -> None:
    loaded = team("personas: {p: {prompt: P}}\ndefaults: {command: d}\nagents: {a: {}, b: {persona: p}, c: {ask: C}}\n")
    assert [agent.kind for agent in loaded.resolved.values()] == ["command", "prompt", "ask"]


@pytest.mark.parametrize("agent", ["a: {command: x, script: s.yaml}", "a: {prompt: x, script: s.yaml}"])
def test_a_script_is_for_the_scripted_engine(read: Callable[..., Loaded], agent: str) -> None:
    loaded = read({"team.yaml": f"agents:\n  {agent}\n", "s.yaml": "- text: x\n"})
    assert [item.code for item in loaded.diagnostics] == ["key-without-meaning"]


def test_suggestions(read: Callable[..., Loaded]) -> None:
    loaded = read("agents:\n  build: {comand: x}\n  test: {command: y, depends_on: [biuld]}\n")
    assert [item.hint for item in loaded.diagnostics] == ['did you mean "command"?', 'did you mean "build"?']


@pytest.mark.slow
def test_ten_thousand_mistakes_are_found_in_time(read: Callable[..., Loaded]) -> None:
    text = "agents:\n" + "".join(f"  a{n}: {{command: x, depends_on: [b{n}], foo: 1}}\n" for n in range(10_000))
    codes = [item.code for item in read(text).diagnostics]
    assert (codes.count("unknown-key"), codes.count("too-many")) == (1_000, 1)
    text = text.replace(", foo: 1", "")
    assert len(list(read(text).diagnostics)) == 10_000

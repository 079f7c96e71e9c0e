from __future__ import annotations

import gc

import pytest

from teamflow.core.diagnostics import Severity
from teamflow.core.plan import Command, Deferred, Edge, Expansion, OutputFile, Retry, SecretSource
from teamflow.plan.checked import check_graph
from teamflow.plan.planner import make_plan
from teamflow.plan.selection import Selection
from tests.fakes.teams import errors_of, load_team, plan_of, step_of, try_plan

# -- edges --------------------------------------------------------------------------------------------------------


def test_edges_say_why() -> None:
    plan = plan_of("""
agents:
  plan: {command: x, outputs: {tasks: array, doc: {file: D.md}}}
  a: {command: x, depends_on: [plan]}
  b: {command: x, depends_on: {a: finished, plan: passed}}
  c: {prompt: "{{ agents.plan.outputs.tasks }} {{ agents.plan.text }} {{ agents.a.status }}"}
  d: {command: [echo, "{{ agents.a.text }}"], depends_on: [a]}
  e: {command: x, if: "agents.b.status == 'failed'", env: {D: "{{ agents.plan.outputs.doc }}"}}
""")
    edges = {step.id: step.edges for step in plan.steps}
    assert edges["a"] == (Edge("plan", "succeeded", "depends_on"),)
    assert edges["b"] == (Edge("a", "finished", "depends_on"), Edge("plan", "passed", "depends_on"))
    assert edges["c"] == (
        Edge("plan", "succeeded", "agents.plan.outputs in prompt"),
        Edge("a", "succeeded", "agents.a.status in prompt"),
    )
    assert edges["d"] == (Edge("a", "succeeded", "depends_on, agents.a.text in command"),)
    assert edges["e"] == (
        Edge("b", "succeeded", "agents.b.status in if"),
        Edge("plan", "succeeded", "agents.plan.outputs in env"),
    )
    assert {step.id: step.needs_text for step in plan.steps if step.needs_text} == {"c": ("plan",), "d": ("a",)}
    assert {step.id: step.refers for step in plan.steps if step.refers} == {
        "c": ("plan", "a"),
        "d": ("a",),
        "e": ("b", "plan"),
    }
    assert [step.id for step in plan.steps if step.text_used] == ["plan", "a"]


def test_a_file_output_uses_no_text() -> None:
    plan = plan_of("""
agents:
  a: {command: x, outputs: {doc: {file: D.md}, n: integer}}
  b: {command: x, outputs: {doc: {file: D.md}}}
  c: {command: x, outputs: {n: integer}}
  d: {command: [echo, "{{ agents.a.outputs.doc }}"]}
outputs: {doc: agents.b.outputs.doc, n: agents.c.outputs.n}
""")
    assert [step.id for step in plan.steps if step.text_used] == ["c"]


def test_all_instances_of_an_agent_come_first() -> None:
    plan = plan_of("""
agents:
  after: {command: [echo, "{{ agents.build.instances }}"]}
  build: {command: x, matrix: [a, b]}
""")
    after = step_of(plan, "after")
    assert after.dependencies == ("build/a", "build/b")
    assert after.needs_text == after.refers == ("build/a", "build/b")
    assert [step.id for step in plan.steps] == ["build/a", "build/b", "after"]


def test_run_time_matrices_and_what_pairs_with_them_are_undecided() -> None:
    plan = plan_of("""
agents:
  plan: {command: x, outputs: {tasks: array}}
  build: {prompt: "{{ matrix.t.goal }} {{ step.id }}", matrix: {t: agents.plan.outputs.tasks}}
  review: {prompt: "{{ matrix.t.goal }}", matrix: build}
""")
    build, review = step_of(plan, "build/?"), step_of(plan, "review/?")
    assert build.edges == (Edge("plan", "succeeded", "agents.plan.outputs in matrix"),)
    assert review.edges == (Edge("build/?", "succeeded", "matrix: build"),)
    assert build.prompt == Deferred("{{ matrix.t.goal }} {{ step.id }}")
    assert build.matrix == {}
    assert build.expansion == Expansion((("t", "agents.plan.outputs.tasks"),), for_matrix=("plan",))
    assert review.expansion == Expansion(pairs_with="build/?")


# -- cycles -------------------------------------------------------------------------------------------------------

CYCLE = """agents:
  a:
    command: x
    depends_on: [lint, b]
  b:
    command: [echo, "{{ agents.c.text }}"]
  c:
    command: x
    depends_on: {a: finished}
  lint: {command: x}
"""


def test_a_cycle_names_its_path_and_the_place_of_every_edge() -> None:
    [found] = errors_of(CYCLE)
    assert (found.code, found.message) == ("cycle", "these agents wait for each other: a → b → c → a")
    places = [(text, span.line, span.column) for text, span in found.related]
    assert places == [
        ("a needs b (depends_on)", 4, 24),
        ("b needs c (agents.c.text in command)", 6, 14),
        ("c needs a (depends_on)", 9, 18),
    ]
    assert list(check_graph(load_team(CYCLE))) == [found]


def test_a_long_cycle_is_told_in_one_line() -> None:
    count = 1000
    agents = "".join(f"  s{i}: {{command: x, depends_on: [s{(i + 1) % count}]}}\n" for i in range(count))
    [found] = errors_of(f"agents:\n{agents}")
    assert "… 989 more …" in found.message
    assert len(found.message) < 200
    assert len(found.related) == 50


# -- what is rendered now, and what is kept -----------------------------------------------------------------------


def test_static_texts_are_rendered_and_the_rest_is_deferred() -> None:
    plan = plan_of(
        """
inputs: {what: string, n: integer}
env: {BASE: "{{ inputs.what }}", RUN: "{{ run.number }}"}
agents:
  a:
    prompt: "Fix {{ inputs.what }} {{ env.BASE }}"
    env: {N: "{{ inputs.n }}", S: "{{ step.slug }}", T: "{{ step.attempt }}"}
    outputs: {doc: {file: "{{ inputs.what }}.md"}}
    reads: ["{{ inputs.what }}/**"]
  b: {command: [echo, "{{ matrix.i }}", "{{ agents.a.text }}"], matrix: {i: [1, 2]}}
""",
        inputs={"what": "tests", "n": 3},
    )
    a, b = step_of(plan, "a"), step_of(plan, "b/2")
    assert a.prompt == "Fix tests tests"
    assert dict(a.env) == {
        "BASE": "tests",
        "RUN": Deferred("{{ run.number }}"),
        "N": "3",
        "S": "a",
        "T": Deferred("{{ step.attempt }}"),
    }
    assert a.outputs.files == (OutputFile("doc", "tests.md"),)
    assert a.reads == ("tests/**",)
    assert b.command == Command(None, ("echo", "2", Deferred("{{ agents.a.text }}")))
    assert b.matrix == {"i": 2}
    assert dict(plan.env) == {"BASE": "tests"}


def test_rendered_and_written_out_are_the_same_definition() -> None:
    rendered = plan_of('inputs: {x: string}\nagents: {a: {prompt: "Do {{ inputs.x }}"}}', inputs={"x": "it"})
    assert step_of(rendered, "a").key == step_of(plan_of("agents: {a: {prompt: Do it}}"), "a").key


def test_conditions() -> None:
    plan = plan_of(
        """
inputs: {x: string}
agents:
  yes: {command: x, if: inputs.x == 'a'}
  no: {command: x, if: inputs.x != 'a'}
  each: {command: x, matrix: [p, q], if: matrix.item == 'p'}
  dynamic: {command: x, if: "agents.yes.status == 'failed'"}
  late: {command: x, if: run.number > 1}
""",
        inputs={"x": "a"},
    )
    assert {step.id: (step.skip, step.condition) for step in plan.steps} == {
        "yes": (None, None),
        "no": ("if: inputs.x != 'a'", None),
        "each/p": (None, None),
        "each/q": ("if: matrix.item == 'p'", None),
        "dynamic": (None, "agents.yes.status == 'failed'"),
        "late": (None, "run.number > 1"),
    }


@pytest.mark.parametrize(
    ("agent", "line", "part"),
    [
        ("command: x, if: inputs.x", 3, "if of a: this must be true or false"),
        ('command: [echo, "{{ inputs.o.missing }}"]', 3, 'command of a: inputs.o has no key "missing"'),
        ('command: x, matrix: {i: inputs.l}, env: {A: "{{ matrix.i.p + 1 }}"}', 3, "env of a/"),
    ],
)
def test_what_cannot_be_rendered_is_told_with_its_place(agent: str, line: int, part: str) -> None:
    text = f"inputs: {{x: {{}}, o: object, l: array}}\nagents:\n  a: {{{agent}}}"
    [found] = errors_of(text, inputs={"x": 3, "o": {}, "l": [{"p": 1}, {"q": 1}, {}]})
    assert found.code == "template-failed"
    assert found.message.startswith(part)
    assert found.span is not None
    assert found.span.line == line


def test_each_instance_can_have_its_own_directory() -> None:
    plan = plan_of('agents: {a: {command: make, matrix: [x, y], workdir: "services/{{ matrix.item }}"}}')
    assert [step.workdir for step in plan.steps] == ["services/x", "services/y"]


@pytest.mark.parametrize("value", ["..", "/etc", "~/x", "a/../../b"])
@pytest.mark.parametrize(
    "key", ['workdir: "{{ inputs.p }}"', 'reads: ["{{ inputs.p }}"]', 'outputs: {o: {file: "{{ inputs.p }}"}}']
)
def test_a_rendered_path_stays_in_the_workspace(value: str, key: str) -> None:
    [found] = errors_of(f"inputs: {{p: string}}\nagents: {{a: {{command: x, {key}}}}}", inputs={"p": value})
    assert found.code == "path-outside"
    assert value in found.message


def test_the_directory_of_a_step_cannot_wait_for_results() -> None:
    team = 'agents: {a: {command: x}, b: {command: x, workdir: "{{ agents.a.text }}"}}'
    [found] = errors_of(team)
    assert (found.code, found.message) == (
        "template-failed",
        "workdir of b: this has to be known before the run: it can name inputs, matrix and step",
    )


# -- instances ----------------------------------------------------------------------------------------------------


def test_an_empty_matrix_warns_and_leaves_no_steps() -> None:
    text = "inputs: {s: array}\nagents:\n  a: {command: x, matrix: {i: inputs.s}}\n  b: {command: x, depends_on: [a]}"
    plan, found = try_plan(text, inputs={"s": []})
    assert plan is not None
    assert [(item.code, item.severity) for item in found] == [("empty-matrix", Severity.WARNING)]
    assert [(step.id, step.edges, step.level) for step in plan.steps] == [("b", (), 0)]
    assert plan.empty == ("a",)


def test_duplicate_instances_have_a_place() -> None:
    [found] = errors_of("agents:\n  a:\n    command: x\n    matrix: [p, q, p]")
    assert found.code == "duplicate-instance"
    assert found.span is not None
    assert (found.span.line, found.span.column) == (4, 13)


# -- settings -----------------------------------------------------------------------------------------------------


def test_settings_come_through() -> None:
    plan = plan_of("""
name: whole
description: Everything
env: {A: one, B: two}
inherit_env: [AWS_*]
secrets: {T: {env: TOKEN}, F: {file: ~/.f}}
limits: {max_parallel: 3, engines: {claude: 1}, timeout: 1h, orphan_after: never, log_size: 1MiB, max_steps: 7}
defaults: {timeout: 30m}
personas: {eng: {instructions: Be careful., permissions: {run: [pytest], edit: ["src/**"], net: deny}}}
agents:
  a:
    {persona: eng, engine: claude/opus, prompt: x, env: {B: three}, idle_timeout: 5m, workspace: {setup: npm ci}}
  b:
    command: x
    secrets: [T]
    verify: [pytest -q, ruff check]
    retry: {attempts: 3, delay: 5s, backoff: fixed}
    grace: 2s
    workdir: sub
    continue_on_error: true
    isolation: pidns
    cache: true
  c: {ask: Sure?, timeout: 2d}
outputs: {x: agents.b.text}
""")
    a, b, c = plan.steps
    assert (plan.team, plan.description, plan.file) == ("whole", "Everything", "team.yaml")
    assert (plan.limits.max_parallel, plan.limits.engines, plan.limits.timeout) == (3, {"claude": 1}, 3600.0)
    assert (plan.limits.orphan_after, plan.limits.log_size, plan.limits.max_steps) == (None, 2**20, 7)
    assert plan.secrets == (SecretSource("T", "env", "TOKEN"), SecretSource("F", "file", "~/.f"))
    assert plan.inherit_env == ("AWS_*",)
    assert plan.outputs == (("x", "agents.b.text"),)
    assert set(plan.files) == {"team.yaml"}
    assert (a.engine, a.model, a.instructions, a.permissions) == (
        "claude",
        "opus",
        "Be careful.",
        "edits src/**; runs pytest; no network",
    )
    assert (dict(a.env), a.timeout, a.idle_timeout, a.setup) == ({"A": "one", "B": "three"}, 1800.0, 300.0, "npm ci")
    assert (b.secrets, b.verify, b.retry) == (
        ("T",),
        (Command("pytest -q"), Command("ruff check")),
        Retry(3, "fixed", 5.0, 300.0),
    )
    assert (b.grace, b.workdir, b.continue_on_error, b.isolation, b.cache) == (2.0, "sub", True, "pidns", True)
    assert (b.kind, b.engine, b.text_used, b.permissions) == ("command", "command", True, "")
    assert (c.kind, c.engine, c.prompt, c.timeout, c.cache) == ("ask", "ask", "Sure?", 172800.0, False)


def test_helpers_have_no_step() -> None:
    team = "agents:\n  a: {prompt: x, subagents: [h]}\n  h: {start: never, prompt: y}\n"
    assert [step.id for step in plan_of(team).steps] == ["a"]


def test_scripts_are_part_of_the_step() -> None:
    team = load_team(
        "agents: {a: {engine: scripted, prompt: x, script: s.yaml}}", s_dot_yaml="- say: hello\n- exit: 3\n"
    )
    plan, _ = make_plan(team, inputs={}, git=False)
    assert plan is not None
    assert plan.steps[0].script == [{"say": "hello"}, {"exit": 3}]
    assert set(plan.files) == {"team.yaml", "s.yaml"}


# -- digest -------------------------------------------------------------------------------------------------------


def test_order_of_the_file_means_nothing_to_the_digest() -> None:
    env, a, b = "env: {A: '1', B: '2'}\n", "  a: {command: x}\n", "  b: {command: y}\n"
    one = plan_of(f"{env}agents:\n{a}{b}  c: {{command: z, depends_on: [a, b]}}")
    other = plan_of(f"# moved\nagents:\n  c: {{depends_on: [b, a], command: z}}\n{b}{a}env: {{B: '2', A: '1'}}")
    assert one.digest == other.digest
    assert one.files != other.files


BASE = """
inputs: {x: {type: string, default: d}}
agents:
  a: {command: x, timeout: 5s}
  b: {command: y, depends_on: [a]}
outputs: {o: agents.b.text}
limits: {max_parallel: 2}
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("command: x", "command: z"),
        ("timeout: 5s", "timeout: 6s"),
        ("depends_on: [a]", "depends_on: {a: finished}"),
        ("agents.b.text", "agents.b.status"),
        ("max_parallel: 2", "max_parallel: 3"),
        ("agents:", "description: new\nagents:"),
        ("agents:", "inherit_env: [X]\nagents:"),
        ("command: y,", "command: y, continue_on_error: true,"),
    ],
)
def test_whatever_matters_changes_the_digest(old: str, new: str) -> None:
    before = plan_of(BASE, inputs={"x": "d"})
    assert old in BASE
    assert plan_of(BASE.replace(old, new, 1), inputs={"x": "d"}).digest != before.digest
    assert plan_of(BASE, inputs={"x": "e"}).digest != before.digest
    assert plan_of(BASE, inputs={"x": "d"}).digest == before.digest


def test_keys_that_wait_are_in_the_plan() -> None:
    plan = plan_of("agents: {a: {command: x, pr: {title: t}}, b: {command: x}}")
    assert plan.waits == ()
    assert [step.waits for step in plan.steps] == [(("pr", "pull requests"),), ()]


def test_outputs_of_what_is_not_selected_are_left_out() -> None:
    team = (
        "agents: {a: {command: x}, b: {command: x, matrix: [p, q]}}\noutputs: {a: agents.a.text, b: agents.b.instances}"
    )
    assert plan_of(team).outputs == (("a", "agents.a.text"), ("b", "agents.b.instances"))
    assert plan_of(team, selection=Selection(steps=("a", "b/p"))).outputs == (("a", "agents.a.text"),)


# -- bounds -------------------------------------------------------------------------------------------------------


def test_steps_that_would_share_a_directory_are_an_error() -> None:
    [found] = errors_of("agents:\n  a: {command: x, matrix: [b]}\n  a--b: {command: x}\n")
    assert (found.code, found.message) == ("same-slug", "a/b and a--b would share the directory name a--b")
    assert found.span is not None
    assert found.span.line == 3


@pytest.mark.slow
def test_a_plan_that_is_too_large_is_refused_before_it_is_made() -> None:
    many = "".join(f"  a{i}: {{command: x, matrix: {{n: range(inputs.n)}}}}\n" for i in range(6))
    [found] = errors_of(f"inputs: {{n: integer}}\nagents:\n{many}", inputs={"n": 19_000})
    assert (found.code, found.message) == ("plan-too-large", "this plan has 114000 steps; at most 100000 are planned")
    matrix = "command: x, matrix: {n: range(inputs.n)}"
    pair = f"  a: {{{matrix}}}\n  b: {{{matrix}, depends_on: [a]}}\n"
    [found] = errors_of(f"inputs: {{n: integer}}\nagents:\n{pair}", inputs={"n": 1001})
    assert (found.code, found.span.line if found.span else 0) == ("plan-too-large", 4)
    assert len(plan_of(f"inputs: {{n: integer}}\nagents:\n{pair}", inputs={"n": 100}).steps) == 200


def test_the_collector_is_left_as_it_was() -> None:
    assert gc.isenabled()
    plan_of("agents: {a: {command: x}}")
    assert gc.isenabled()
    gc.disable()
    try:
        plan_of("agents: {a: {command: x}}")
        assert not gc.isenabled()
    finally:
        gc.enable()

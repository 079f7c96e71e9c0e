"""Steps that may run at once and write one file: who is named, where, and with which remedy."""

from __future__ import annotations

import time

import pytest

from teamflow.core.diagnostics import Diagnostics
from teamflow.core.plan import Edge
from teamflow.plan.placing import Agents
from teamflow.plan.planner import make_plan
from teamflow.plan.selection import Selection
from teamflow.plan.uses import needs
from teamflow.plan.writers import report_overlaps
from tests.fakes.teams import errors_of, load_team, plan_of, try_plan


def told(text: str, **more: object) -> list[str]:
    """The messages about overlaps; there is nothing else to complain about."""
    _, found = try_plan(text, **more)  # type: ignore[arg-type]
    assert {item.code for item in found} <= {"overlapping-writes"}
    return [item.message.replace(" may run at once, and both may write", ":") for item in found]


def test_the_complaint_names_both_steps_a_file_both_places_and_the_edge() -> None:
    text = """
agents:
  web: {command: x, writes: ["docs/**", "src/**/*.ts"]}
  api: {command: x, writes: src/api}
"""
    (found,) = errors_of(text)
    assert found.code == "overlapping-writes"
    assert found.message == "web and api may run at once, and both may write src/api/x.ts"
    assert found.hint == (
        "add depends_on: [web] to api, so that it comes after web, or give them writes that do not meet"
    )
    assert found.span is not None
    assert (found.span.line, found.span.column) == (4, 29)
    ((word, span),) = found.related
    assert word == "web may write it, too"
    assert text.splitlines()[span.line - 1][span.column - 1 : span.end_column - 1] == '"src/**/*.ts"'
    plan_of(text.replace("writes: src/api", "writes: src/api, depends_on: [web]"))


@pytest.mark.parametrize("when", ["succeeded", "failed", "finished", "passed"])
def test_any_edge_keeps_steps_apart_also_by_others_between(when: str) -> None:
    assert told(f"""
agents:
  a: {{command: x, writes: [src]}}
  between: {{command: x, depends_on: {{a: {when}}}}}
  b: {{command: x, writes: [src], depends_on: [between]}}
  c: {{command: "x", writes: [src/c], env: {{SAID: "{{{{ agents.b.text }}}}"}}}}
""") == []  # fmt: skip


def test_a_common_dependency_and_a_common_dependent_keep_nothing_apart() -> None:
    assert told("""
agents:
  first: {command: x, writes: [src]}
  a: {command: x, writes: [src/a], depends_on: [first]}
  b: {command: x, writes: [src/b, src/a/x], depends_on: [first]}
  last: {command: x, writes: [src], depends_on: [a, b]}
""") == ["a and b: src/a/x"]


def test_instances_are_told_to_name_themselves() -> None:
    text = "agents: {build: {command: x, matrix: {task: [api, web]}, writes: ['out/%s*']}}\n"
    (found,) = errors_of(text % "")
    assert found.message == "build/api and build/web may run at once, and both may write out/x"
    assert found.hint == "give each instance of build files of its own, with {{ matrix.task }} in its writes"
    assert found.related == ()
    assert told(text % "{{ matrix.task }}/") == []
    nested = "{command: x, matrix: {d: [{id: 1, dir: src}, {id: 2, dir: src/a}]}, writes: '{{ matrix.d.dir }}'}"
    assert told(f"agents: {{b: {nested}}}\n") == ["b/1 and b/2: src/a"]
    assert told("agents: {b: {command: x, matrix: [only], writes: [out]}}\n") == []


def test_instances_of_two_agents_give_one_complaint() -> None:
    assert told("""
agents:
  a: {command: x, matrix: [1, 2, 3], writes: ["out/{{ matrix.item }}/**"]}
  b: {command: x, matrix: [1, 2, 3], writes: ["**/{{ matrix.item }}/x.log"]}
""") == ["a/1 and b/1: out/1/x.log"]  # fmt: skip


def test_neither_an_if_nor_a_workspace_nor_a_limit_of_one_exempts() -> None:
    assert told("""
inputs: {fast: {type: boolean, default: true}}
limits: {max_parallel: 1}
agents:
  a: {command: x, writes: [out], if: inputs.fast}
  b: {command: x, writes: [out], if: not inputs.fast, workspace: {mode: worktree}}
""", inputs={"fast": True}, git=True) == ["a and b: out"]  # fmt: skip


def test_files_of_another_repository_are_other_files() -> None:
    assert told("""
agents:
  a: {command: x, writes: [out]}
  b: {command: x, writes: [out], workspace: {repo: ../other}}
  c: {command: x, writes: [out/c], workspace: {repo: ../other}}
""") == ["b and c: out/c"]  # fmt: skip


def test_remedies_together_make_no_cycle() -> None:
    """`one` is declared first and comes last: following the order of the file would close a circle."""
    text = """
agents:
  one: {command: x, writes: [src/1], depends_on: [three]}
  two: {command: x, writes: [src/1, src/3]}
  three: {command: x, writes: [src/3]}
"""
    found = errors_of(text)
    assert [item.hint.split(",")[0] for item in found if item.hint] == [
        "add depends_on: [two] to one",
        "add depends_on: [two] to three",
    ]
    mended = text.replace("[three]", "[three, two]").replace("writes: [src/3]}", "writes: [src/3], depends_on: [two]}")
    assert told(mended) == []


def test_writes_of_a_persona_or_the_defaults_are_shown_at_the_agent() -> None:
    found = errors_of("defaults: {writes: [out]}\nagents:\n  a: {command: x}\n  b: {command: x}\n")
    assert [(item.span.line, item.span.column) for item in found if item.span] == [(4, 3)]


def test_an_agent_without_steps_keeps_nothing_apart() -> None:
    text = """
agents:
  a: {command: x, writes: [out]}
  none: {command: x, matrix: [], depends_on: [a]}
  b: {command: x, writes: [out], depends_on: [none]}
"""
    found = errors_of(text)
    assert [item.code for item in found if item.code != "empty-matrix"] == ["overlapping-writes"]


def test_only_what_is_selected_counts() -> None:
    text = "agents: {a: {command: x, writes: [out]}, b: {command: x, writes: [out]}}\n"
    assert told(text) == ["a and b: out"]
    assert told(text, selection=Selection(("b",))) == []


def test_what_only_a_run_can_render_is_left_to_the_run() -> None:
    assert told("""
agents:
  plan: {command: x, outputs: {dirs: array, dir: string}}
  a: {command: x, writes: ["{{ agents.plan.outputs.dir }}/**", src/a]}
  b: {command: x, writes: ["{{ agents.plan.outputs.dir }}/**", "src/**", "!{{ agents.plan.outputs.dir }}/**"]}
  c: {command: x, matrix: agents.plan.outputs.dirs, writes: [out]}
  d: {command: x, depends_on: [plan], writes: [src/a, "!src/b"]}
""") == ["a and d: src/a"]  # fmt: skip


def test_a_pattern_that_means_nothing_is_an_error() -> None:
    def complaints(writes: str) -> list[tuple[str, str]]:
        return [(item.code, item.message) for item in errors_of(f"agents: {{a: {{command: x, writes: {writes}}}}}\n")]

    assert complaints("[a/../b]") == [("path-outside", "writes of a: leads out of the workspace: 'a/../b'")]
    assert complaints("['!/x']") == [("path-outside", "writes of a: must be relative to the workspace: '!/x'")]
    assert complaints("[src, '!']") == [("path-outside", "writes of a: not a path: '!'")]


def test_so_many_complaints_are_enough() -> None:
    agents = "".join(f"  a{number}: {{command: x, writes: ['**']}}\n" for number in range(500))
    found = errors_of(f"agents:\n{agents}")
    assert len(found) == 20
    assert [item for item in found if "more overlaps are looked for" in (item.hint or "")] == found[-1:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("writes", "share"),
    [
        ("[out/{n}/**, 'log/{n}.*']", 0.1),  # measured: 0.03
        ("[out/{n}/**, CHANGELOG.md]", 0.6),  # 0.3
        ("['**/gen-{n}.py']", 0.6),  # 0.3
    ],
)
def test_two_thousand_steps_with_writes(writes: str, share: float) -> None:
    """What looking for overlaps adds to planning them. With one file in common they are a chain."""
    lines = ["agents:", "  s0: {command: x}"]
    for n in range(1, 2_001):
        after = f", depends_on: [s{n - 1}]" if "CHANGELOG" in writes else ""
        lines.append(f"  s{n}: {{command: 'x {n}', writes: {writes.format(n=n)}{after}}}")
    team = load_team("\n".join(lines))
    agents = Agents(team.resolved, {name: needs(agent, team.resolved) for name, agent in team.resolved.items()}, {})
    planning, looking = [], []
    for _ in range(5):
        began = time.process_time()
        plan, found = make_plan(team, inputs={}, git=False)
        planning.append(time.process_time() - began)
        assert plan is not None
        began = time.process_time()
        report_overlaps(plan.steps, agents, team, found)
        looking.append(time.process_time() - began)
        assert not found.has_errors
    assert min(looking) < share * (min(planning) - min(looking))


def test_pairs_of_instances_wait_only_for_their_own() -> None:
    """As a plan has them once pairing is planned: `build` and `review` of different tasks may run at once."""
    text = """
agents:
  build: {command: x, matrix: [1, 2], writes: ["src/{{ matrix.item }}/**"]}
  review: {command: x, matrix: [1, 2], depends_on: [build], writes: ["src/*/review-{{ matrix.item }}"]}
"""
    team, steps = load_team(text), plan_of(text).steps
    builds = {step.id.replace("build", "review"): step.id for step in steps[:2]}
    paired = [
        step._replace(edges=(Edge(builds[step.id], "succeeded", "matrix: build"),)) if step.id in builds else step
        for step in steps
    ]
    found = Diagnostics()
    agents = Agents(team.resolved, {name: needs(each, team.resolved) for name, each in team.resolved.items()}, {})
    report_overlaps(paired, agents, team, found)
    (one,) = found
    assert one.message == "build/1 and review/2 may run at once, and both may write src/1/review-2"
    assert one.hint == "each instance of review waits only for its own of build: let both write files of their own"

"""Steps that mend a merge for others: which there are, what they depend on, and what a resolver may not be."""

from __future__ import annotations

import pytest

from teamflow.core.plan import Edge, Plan
from teamflow.plan.explain import preview
from teamflow.plan.key import definition_key
from teamflow.plan.selection import Selection
from teamflow.plan.stored import plan_from_json, plan_from_plain, plan_to_json, plan_to_plain
from tests.fakes.teams import errors_of, plan_of, step_of, try_plan

BOTH = "  a: {prompt: x}\n  b: {prompt: x}\n"
FIXER = "  fixer: {start: never, prompt: Mend it., retry: {attempts: 3}, workspace: {keep: never}}\n"


def planned(agents: str, **more: object) -> Plan:
    return plan_of(f"agents:\n{agents}{FIXER}", git=True, **more)  # type: ignore[arg-type]


def mending(agents: str) -> dict[str, str]:
    return {step.id: step.resolves for step in planned(agents).steps if step.resolves}


def test_a_step_that_merges_gets_one_before_it_with_the_same_dependencies() -> None:
    plan = planned(f"{BOTH}  ship: {{command: x, depends_on: {{a: succeeded, b: finished}}, on_conflict: fixer}}\n")
    fixer, ship = step_of(plan, "fixer/ship"), step_of(plan, "ship")
    assert [step.id for step in plan.steps] == ["a", "b", "fixer/ship", "ship"]
    assert fixer.edges == (Edge("a", "succeeded", "depends_on"), Edge("b", "finished", "depends_on"))
    assert ship.edges == (*fixer.edges, Edge("fixer/ship", "succeeded", "on_conflict"))
    assert (fixer.agent, fixer.resolves, fixer.workspace) == ("fixer", "ship", "worktree")
    assert fixer.waits == (), "not `start`, though it is no step of its own"
    assert fixer.retry.attempts == 3
    assert fixer.tree is not None
    assert fixer.tree.keep == "never"
    assert (fixer.level, ship.level) == (1, 2)
    assert (fixer.height, ship.height) == (2, 1)
    assert fixer.key == definition_key(fixer) != definition_key(fixer._replace(resolves="other"))
    assert plan.critical_path == ("a", "fixer/ship", "ship")
    reasons = {line.step.id: line.action.reason for line in preview(plan).lines}
    assert reasons["fixer/ship"] == "mends the merge for ship, if there is anything to mend"


def test_it_outlives_storing() -> None:
    plan = planned(f"{BOTH}  ship: {{command: x, depends_on: [a, b], on_conflict: fixer}}\n")
    assert plan_from_json(plan_to_json(plan)) == plan
    assert plan_from_plain(plan_to_plain(plan)) == plan


@pytest.mark.parametrize(
    ("agents", "found"),
    [
        ("  one: {prompt: x, depends_on: [a], on_conflict: fixer}\n", {}),
        ("  one: {prompt: x, depends_on: [a, b], on_conflict: fixer}\n", {"fixer/one": "one"}),
        ("  one: {prompt: x, depends_on: [a, b], on_conflict: fixer, workspace: {mode: shared}}\n", {}),
        ("  many: {prompt: x, matrix: [1, 2]}\n  one: {command: x, depends_on: [many], on_conflict: fixer}\n",
         {"fixer/one": "one"}),
        ("  m: {prompt: x, matrix: [p, q], depends_on: [a, b], on_conflict: fixer}\n",
         {"fixer/m--p": "m/p", "fixer/m--q": "m/q"}),
        ("  m: {prompt: x, matrix: [p, q]}\n  n: {prompt: x, matrix: m, on_conflict: fixer}\n", {}),
        ("  ok: {ask: Go?, depends_on: [a, b]}\n  one: {command: x, depends_on: [ok], on_conflict: fixer}\n",
         {"fixer/one": "one"}),
        ("  c: {command: x, depends_on: [a, b]}\n  one: {command: x, depends_on: [c], on_conflict: fixer}\n", {}),
        ("  c: {command: x}\n  one: {command: x, depends_on: [a, c], on_conflict: fixer}\n", {}),
    ],
)  # fmt: skip
def test_only_who_starts_from_several_commits_has_one(agents: str, found: dict[str, str]) -> None:
    assert mending(BOTH + agents) == found


def test_defaults_may_name_it_for_all_and_outside_git_there_is_none() -> None:
    text = f"defaults: {{on_conflict: fixer}}\nagents:\n{BOTH}  c: {{prompt: x, depends_on: [a, b]}}\n{FIXER}"
    assert [step.id for step in plan_of(text, git=True).steps] == ["a", "b", "fixer/c", "c"]
    assert [step.id for step in plan_of(text, git=False).steps] == ["a", "b", "c"]


def test_an_if_of_the_step_holds_for_both() -> None:
    agents = f"{BOTH}  ship: {{command: x, depends_on: [a, b], if: agents.a.text == 'y', on_conflict: fixer}}\n"
    plan = planned(agents)
    fixer, ship = step_of(plan, "fixer/ship"), step_of(plan, "ship")
    assert fixer.condition == ship.condition is not None
    assert fixer.refers == ("a",)
    assert ship.edges[-1] == Edge("fixer/ship", "passed", "on_conflict")
    plan = planned(f"{BOTH}  ship: {{command: x, depends_on: [a, b], if: 1 == 2, on_conflict: fixer}}\n")
    assert {line.step.id: line.action.kind for line in preview(plan).lines} == {
        "a": "run", "b": "run", "fixer/ship": "skip", "ship": "skip",
    }  # fmt: skip


def test_it_is_selected_with_its_step_and_reworked_with_what_is_before_it() -> None:
    loop = "loop: {until: outputs.ok, max: 2, rework: b}, outputs: {ok: boolean}"
    agents = f"{BOTH}  ship: {{prompt: x, depends_on: [a, b], on_conflict: fixer, {loop}}}\n"
    plan = planned(agents)
    assert {step.id for step in plan.steps if step.reworked} == {"b", "fixer/ship"}
    only = planned(agents, selection=Selection(since=("ship",)))
    assert [(step.id, step.taken) for step in only.steps] == [("fixer/ship", ("a", "b")), ("ship", ("a", "b"))]
    assert step_of(only, "ship").dependencies == ("fixer/ship",)


def test_what_it_writes_is_compared_with_nobody() -> None:
    writes = "writes: [src/**]"
    text = (
        f"agents:\n  a: {{prompt: x, {writes}}}\n  b: {{prompt: x, depends_on: [a], {writes}}}\n"
        f"  c: {{prompt: x, depends_on: [a, b], on_conflict: fixer}}\n"
        f"  d: {{prompt: x, depends_on: [a, b], on_conflict: fixer}}\n"
        f"  fixer: {{start: never, prompt: x, {writes}}}\n"
    )
    assert {step.id for step in plan_of(text, git=True).steps} == {"a", "b", "fixer/c", "c", "fixer/d", "d"}


def test_results_that_nobody_hands_it_and_names_that_are_taken() -> None:
    ship = "  ship: {command: x, depends_on: [a, b], on_conflict: fixer}\n"
    (found,) = errors_of(
        f"agents:\n{BOTH}{ship}  fixer: {{start: never, prompt: 'Mend {{{{ agents.a.text }}}}.'}}\n", git=True
    )
    assert (found.code, found.span.line if found.span else 0) == ("bad-resolver", 4)
    (found,) = errors_of(f"agents:\n{BOTH}{ship}{FIXER}  fixer--ship: {{command: x}}\n", git=True)
    assert found.code == "same-slug"


def test_steps_that_only_a_run_knows_cannot_have_one() -> None:
    each = "  each: {prompt: x, matrix: agents.a.outputs.t, depends_on: [a, b], on_conflict: fixer}\n"
    agents = f"  a: {{prompt: x, outputs: {{t: {{type: array}}}}}}\n  b: {{prompt: x}}\n{each}{FIXER}"
    _, found = try_plan(f"agents:\n{agents}", git=True)
    assert [item.code for item in found] == ["late-resolver"]
    late = "  a: {prompt: x, outputs: {t: {type: array}}}\n  each: {prompt: x, matrix: agents.a.outputs.t}\n"
    assert mending(f"{late}  one: {{command: x, depends_on: [each], on_conflict: fixer}}\n") == {"fixer/one": "one"}

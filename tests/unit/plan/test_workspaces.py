"""Where each step works, and what is planned of a workspace of its own."""

from __future__ import annotations

import pytest

from teamflow.core.plan import Deferred, DiffPolicy, Tree
from teamflow.plan.explain import preview
from teamflow.plan.selection import Selection
from teamflow.views.plan import plan_text
from tests.fakes.teams import errors_of, plan_of, step_of, try_plan


def where(agents: str, *, git: bool = True, head: str = "") -> dict[str, str]:
    return {step.id: step.workspace for step in plan_of(f"{head}agents:\n{agents}", git=git).steps}


def test_a_prompt_that_may_edit_gets_a_worktree_in_git() -> None:
    agents = """
  a: {prompt: x}
  b: {prompt: x, permissions: read}
  c: {prompt: x, workspace: {mode: shared}}
  d: {prompt: x, permissions: {edit: []}}
"""
    assert where(agents) == {"a": "worktree", "b": "project", "c": "project", "d": "project"}
    assert set(where(agents, git=False).values()) == {"project"}


def test_what_has_no_worktree_works_in_what_comes_before_it() -> None:
    assert where("""
  build: {prompt: x}
  read: {prompt: x, permissions: read, depends_on: [build]}
  test: {command: x, depends_on: [read]}
  sure: {ask: Go?, depends_on: [test]}
  ship: {command: x, depends_on: [sure]}
  fix: {prompt: x, depends_on: [test]}
  shared: {command: x, depends_on: [test], workspace: {mode: shared}}
  after: {command: x, depends_on: [shared]}
  both: {command: x, depends_on: [shared, build]}
  lint: {command: x}
""") == {
        "build": "worktree", "read": "dependency", "test": "dependency", "sure": "dependency", "ship": "dependency",
        "fix": "worktree", "shared": "project", "after": "project", "both": "dependency", "lint": "project",
    }  # fmt: skip


def test_a_worktree_that_is_asked_for() -> None:
    agents = "  a: {command: x, workspace: {mode: worktree}}\n  b: {command: x, depends_on: [a]}\n"
    assert where(agents) == {"a": "worktree", "b": "dependency"}
    assert where("  a: {prompt: x, permissions: read, workspace: {mode: worktree}}\n") == {"a": "worktree"}


@pytest.mark.parametrize("workspace", ["mode: clone", "repo: ../other"])
def test_a_clone_needs_no_repository_of_the_project(workspace: str) -> None:
    plan = plan_of(f"agents: {{a: {{command: x, workspace: {{{workspace}}}}}, b: {{command: y, depends_on: [a]}}}}")
    assert [step.workspace for step in plan.steps] == ["clone", "dependency"]
    assert [area for step in plan.steps for _, area in step.waits] == []
    tree = plan.steps[0].tree
    assert tree is not None
    assert tree.repo == ("../other" if workspace.startswith("repo") else None)


def test_the_repository_may_be_a_template() -> None:
    plan = plan_of("agents: {a: {command: x, workspace: {repo: 'https://h/{{ step.agent }}'}}}")
    tree = plan.steps[0].tree
    assert tree is not None
    assert tree.repo == "https://h/a"


@pytest.mark.parametrize("keep", ["always", "never", "on_failure"])
def test_what_becomes_of_worktrees_is_planned(keep: str) -> None:
    plan = plan_of(f"agents: {{a: {{prompt: x, workspace: {{keep: {keep}}}}}}}", git=True)
    tree = plan.steps[0].tree
    assert tree is not None
    assert tree.keep == keep


def test_instances_work_as_their_agent_does() -> None:
    assert where("""
  plan: {prompt: x, outputs: {tasks: array}}
  build: {matrix: {t: agents.plan.outputs.tasks}, command: x}
  twice: {matrix: build, prompt: x}
  known: {matrix: [1, 2], command: x, depends_on: [plan]}
  alone: {matrix: [1, 2], command: x}
""") == {
        "plan": "worktree", "build/?": "dependency", "twice/?": "worktree", "known/1": "dependency",
        "known/2": "dependency", "alone/1": "project", "alone/2": "project",
    }  # fmt: skip


def test_a_selection_redefines_nothing() -> None:
    team = "agents: {a: {prompt: x}, b: {command: x, depends_on: [a]}, c: {command: x, depends_on: [b]}}"
    whole, part = plan_of(team, git=True), plan_of(team, git=True, selection=Selection(since=("c",)))
    assert [step.workspace for step in part.steps] == ["dependency"]
    assert step_of(whole, "c").key == step_of(part, "c").key


def test_an_agent_without_instances_hands_nothing_on() -> None:
    assert where("  a: {prompt: x, matrix: []}\n  b: {command: x, depends_on: [a]}\n") == {"b": "project"}


# -- what is planned of a worktree -----------------------------------------------------------------------------------


def test_a_tree_for_a_worktree_only() -> None:
    plan = plan_of("""
inputs: {x: {type: string, default: conf}}
agents:
  a:
    prompt: x
    writes: [src]
    workspace: {copy: [.env, "{{ inputs.x }}/*.json", "{{ matrix.k }}.key"], sparse: true}
    matrix: {k: [one]}
    diff: {max_lines: 600, forbid: [binary]}
  b: {command: x, depends_on: [a]}
  c: {prompt: x, workspace: {copy: "{{ agents.b.text }}"}}
""", git=True, inputs={"x": "conf"})  # fmt: skip
    tree = Tree((".env", "conf/*.json", "one.key"), sparse=True, diff=DiffPolicy(600, ("binary",)))
    assert step_of(plan, "a/one").tree == tree
    assert step_of(plan, "b").tree is None
    late = step_of(plan, "c")
    assert late.tree == Tree((Deferred("{{ agents.b.text }}"),))
    assert (late.deferred, late.refers) == (True, ("b",))
    outside = plan_of("agents: {a: {prompt: x, workspace: {copy: [.env]}}}")
    assert outside.steps[0].tree is None


def test_a_copied_path_stays_in_the_project() -> None:
    team = "inputs: {x: string}\nagents: {a: {prompt: x, workspace: {copy: '{{ inputs.x }}'}}}"
    found = errors_of(team, inputs={"x": "../secret"}, git=True)
    assert [(item.code, item.span is not None) for item in found] == [("path-outside", True)]


def test_what_a_worktree_is_made_with_is_part_of_the_definition() -> None:
    base = "agents: {a: {prompt: x, reads: [src], workspace: {copy: [.env], sparse: true}, diff: {max_lines: 5}}}"
    changes = [("copy: [.env]", "copy: [b]"), ("sparse: true", "sparse: false"), ("max_lines: 5", "max_lines: 6")]
    keys = {plan_of(base.replace(*change), git=True).steps[0].key for change in changes}
    assert len(keys | {plan_of(base, git=True).steps[0].key}) == 4
    kept = plan_of(base.replace("sparse: true", "sparse: true, keep: always"), git=True)
    assert kept.steps[0].key == plan_of(base, git=True).steps[0].key
    assert kept.digest != plan_of(base, git=True).digest


# -- outside git -----------------------------------------------------------------------------------------------------


def test_a_worktree_outside_git_is_an_error_that_names_the_remedy() -> None:
    for agent in ("prompt: x", "command: x"):
        (found,) = errors_of(f"agents: {{a: {{{agent}, workspace: {{mode: worktree}}}}}}")
        assert found.code == "no-repository"
        assert found.span is not None
        assert "git init" in (found.hint or "")
        assert "mode: shared" in (found.hint or "")
    (found,) = errors_of("defaults: {workspace: {mode: worktree}}\nagents: {a: {prompt: x}, b: {ask: Go?}}")
    assert found.code == "no-repository"


def test_a_diff_that_nobody_looks_at_is_warned_about() -> None:
    team = "agents: {a: {prompt: x, diff: {max_lines: 5}}}"
    plan, found = try_plan(team)
    assert plan is not None
    assert [item.code for item in found] == ["diff-not-judged"]
    assert try_plan(team, git=True)[1] == []


# -- what is shown ---------------------------------------------------------------------------------------------------


def test_the_table_says_whose_work_a_step_has() -> None:
    plan = plan_of("""
agents:
  a: {prompt: x, matrix: [1, 2]}
  b: {prompt: x}
  of-a: {command: x, depends_on: [a]}
  of-b: {command: x, depends_on: [b]}
  of-all: {command: x, depends_on: [a, b]}
  next: {command: x, depends_on: [of-b]}
""", git=True)  # fmt: skip
    rows = plan_text(preview(plan), columns=160, graph=False).splitlines()
    told = {row.split()[1]: row.split("local")[1].split("  ")[1].strip() for row in rows if " local " in row}
    assert {name: told[name] for name in ("b", "of-a", "of-b", "of-all", "next")} == {
        "b": "worktree", "of-a": "of a", "of-b": "of b", "of-all": "dependency", "next": "of of-b",
    }  # fmt: skip
    noted = preview(plan)._replace(notes=("look out",))
    assert plan_text(noted, columns=80).splitlines()[-1].startswith(("look out", "not in", "  "))

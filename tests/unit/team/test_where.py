"""Where an agent works, as the file settles it: what of `workspace` and `diff` reaches it, and what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from teamflow.core.plan import DiffPolicy
from teamflow.team.effective import effective
from teamflow.team.loaded import Loaded, LoadedTeam
from teamflow.team.resolved import ResolvedAgent

Team = Callable[..., LoadedTeam]
Read = Callable[..., Loaded]
_BY_DEFAULT = "defaults: {workspace: {repo: %s}}\nagents: {a: {command: x}}"

ALL = "diff: {max_lines: 600}, workspace: {copy: [.env], sparse: true, %s}"
OWN_KEYS = "prompt: x, reads: [src]"


def settled(agent: ResolvedAgent) -> tuple[object, ...]:
    return (agent.workspace.copy, agent.workspace.sparse, agent.diff)


NOTHING = ((), False, None)
EVERYTHING = ((".env",), True, DiffPolicy(600))


@pytest.mark.parametrize(
    ("agent", "reaches"),
    [
        ("prompt: x", True),
        ("prompt: x, permissions: read", False),
        ("prompt: x, permissions: {edit: []}", False),
        ("prompt: x, permissions: read, workspace: {mode: worktree}", True),
        ("prompt: x, workspace: {mode: shared}", False),
        ("command: x", False),
        ("command: x, workspace: {mode: worktree}", True),
        ("command: x, workspace: {mode: clone}", True),
        ("command: x, workspace: {repo: ../other}", True),
    ],
)
@pytest.mark.parametrize("layer", ["defaults: {%s}\n", "personas: {p: {%s}}\ndefaults: {persona: p}\n"])
def test_what_weaker_layers_ask_reaches_those_who_get_a_workspace(
    team: Team, layer: str, agent: str, reaches: bool
) -> None:
    text = layer % (ALL % "setup: s") + f"agents: {{a: {{reads: [src], {agent}}}}}\n"
    found = team(text).resolved["a"]
    assert settled(found) == (EVERYTHING if reaches else NOTHING)
    assert found.workspace.setup == "s"
    shown = effective(team(text))["agents"]
    assert isinstance(shown, dict)
    assert ("diff" in shown["a"], "copy" in shown["a"]["workspace"]) == (reaches, reaches)  # type: ignore[operator,index]


def test_a_question_has_no_workspace(team: Team) -> None:
    found = team(f"defaults: {{{ALL % 'mode: worktree, setup: x'}}}\nagents: {{a: {{ask: Go?}}}}\n").resolved["a"]
    assert settled(found) == NOTHING
    assert (found.workspace.mode, found.workspace.setup) == ("auto", None)


def test_diff_and_workspace_merge_one_level(team: Team) -> None:
    found = team(
        "defaults: {diff: {max_lines: 600, forbid: [binary]}, workspace: {copy: [.env], sparse: true}}\n"
        "agents:\n  a: {prompt: x, writes: [src], diff: {forbid: [new_dependency, deleted_tests]}, "
        "workspace: {copy: b}}\n"
    ).resolved["a"]
    assert settled(found) == (("b",), True, DiffPolicy(600, ("deleted_tests", "new_dependency")))


@pytest.mark.parametrize("diff", ["{}", "{forbid: []}"])
def test_a_policy_that_says_nothing_is_none(team: Team, diff: str) -> None:
    assert team(f"agents: {{a: {{prompt: x, diff: {diff}}}}}\n").resolved["a"].diff is None


def test_sparse_of_weaker_layers_needs_something_to_check_out(team: Team) -> None:
    loaded = team("defaults: {workspace: {sparse: true}}\nagents: {a: {prompt: x}, b: {prompt: x, reads: [s]}}\n")
    assert [agent.workspace.sparse for agent in loaded.resolved.values()] == [False, True]


@pytest.mark.parametrize(
    ("agent", "message", "hint"),
    [
        ("prompt: x, diff: {max_lines: 1}, workspace: {mode: shared}", "diff is for a workspace of its own, and this "
         "agent works in the project directory", "Remove it, or mode: shared."),
        ("prompt: x, workspace: {mode: shared, copy: .env}", "workspace.copy is for", "Remove it, or mode: shared."),
        ("prompt: x, reads: a, workspace: {mode: shared, sparse: true}", "workspace.sparse is for", "Remove it, or"),
        ("command: x, diff: {forbid: [binary]}", "this agent works in what its dependencies have left",
         "Write workspace: {mode: worktree}, or remove it."),
        ("prompt: x, permissions: read, workspace: {copy: a}", "workspace.copy is for", "Write workspace"),
        ("ask: Go?, diff: {max_lines: 1}", '"diff" means nothing with ask', "Remove it."),
        ("ask: Go?, workspace: {sparse: true}", '"workspace" means nothing with ask', "Remove it."),
        ("prompt: x, workspace: {sparse: true}", "sparse needs reads or writes", "Name what it works on"),
        ("prompt: x, workspace: {sparse: true}, reads: []", "sparse needs reads or writes", "Name what it works on"),
        ("prompt: x, diff: {max_lines: 0}", "", ""),
        ("prompt: x, diff: {forbid: [tests]}", "", ""),
        ("prompt: x, workspace: {copy: ../x}", "leads out of the workspace", "Paths are relative"),
        ("prompt: x, workspace: {copy: '{{ inputs.x }}/../..'}", "leads out of the workspace", "Paths are relative"),
    ],
)  # fmt: skip
def test_what_agents_ask_in_vain(read: Read, agent: str, message: str, hint: str) -> None:
    found = list(read(f"inputs: {{x: string}}\nagents: {{a: {{{agent}}}}}\n").diagnostics)
    assert len(found) == 1, found
    assert message in found[0].message
    assert (found[0].hint or "").startswith(hint)


def test_shared_by_defaults_counts_for_what_an_agent_writes_itself(read: Read) -> None:
    text = "defaults: {workspace: {mode: shared}}\nagents: {a: {prompt: x, diff: {max_lines: 1}}}\n"
    assert [item.code for item in read(text).diagnostics] == ["shared-workspace"]


def test_a_layer_that_could_not_be_read_gives_no_second_complaint(read: Read) -> None:
    text = "defaults: {workspace: {mode: wortree}}\nagents: {a: {command: x, diff: {max_lines: 1}}}\n"
    assert [item.code for item in read(text).diagnostics] == ["wrong-value"]


@pytest.mark.parametrize(
    "repo", ["-u", "ext::sh -c id", "ssh://-oProxyCommand=x/y", "ftp://h/x", "-h:x", "h:-x", "https:///x"]
)
@pytest.mark.parametrize("where", ["agents: {a: {command: x, workspace: {repo: %s}}}", _BY_DEFAULT])
def test_what_can_be_no_repository_is_refused_at_load(read: Read, repo: str, where: str) -> None:
    (found,) = read(where % json.dumps(repo)).diagnostics
    assert found.code == "wrong-value"


@pytest.mark.parametrize(
    "repo", ["../other", "/x", "~/x", "git@h:x/y.git", "ssh://git@h:22/x", "file:///x", ".", "{{ inputs.repo }}"]
)
def test_what_may_be_a_repository_is_left_to_the_clone(read: Read, repo: str) -> None:
    inputs = "inputs: {repo: {type: string}}\n"
    assert (
        list(read(f"{inputs}agents: {{a: {{command: x, workspace: {{repo: {json.dumps(repo)}}}}}}}").diagnostics) == []
    )


def test_credentials_of_a_repository_are_not_shown(read: Read) -> None:
    (found,) = read('agents: {a: {command: x, workspace: {repo: "ftp://me:hunter2@h/x"}}}').diagnostics
    assert "hunter2" not in found.message

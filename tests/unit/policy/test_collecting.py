"""What of worktrees, branches and hidden refs may go: one row per rule."""

from __future__ import annotations

import pytest

from teamflow.policy.collecting import decide
from teamflow.policy.leftover import Decision, Facts, Lie, RefFacts, Role, RunFacts, Stage, TreeFacts, Why

GRAPH = {"b": ("a",), "c": ("b",), "x": ("a",)}
"""`a` is merged; on it lie b, c on b, and x beside them."""
TREE = TreeFacts("R", "build", "/work/7-r/build", Lie.WHOLE, "a")


def ref(role: Role, commit: str, *, name: str = "", run: str = "R", slug: str = "build") -> RefFacts:
    if role is Role.BRANCH:
        return RefFacts(name or f"refs/heads/teamflow/7/{slug}", commit, run, slug, role)
    return RefFacts(f"refs/teamflow/{run}/{slug}/{name or role.value}", commit, run, slug, role)


def decided(stage: Stage, *items: TreeFacts | RefFacts, done: frozenset[str] = frozenset()) -> Decision:
    trees = tuple(item for item in items if isinstance(item, TreeFacts))
    refs = tuple(item for item in items if isinstance(item, RefFacts))
    return decide(Facts({"R": RunFacts("R", 7, stage, "7-r", done)}, trees, refs, GRAPH))


def whys(decision: Decision) -> list[Why]:
    return [kept.why for kept in decision.kept]


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        (TREE, None),
        (TREE._replace(dirty=True), Why.DIRTY),
        (TREE._replace(used=True), Why.IN_USE),
        (TREE._replace(leased=True), Why.LEASED),
        (TREE._replace(locked=True), Why.LOCKED),
        (TREE._replace(head="b"), Why.UNMERGED),
        (TREE._replace(lie=Lie.STRANGE), Why.FOREIGN),
        (TREE._replace(lie=Lie.UNCLEAR), Why.UNKNOWN),
        (TREE._replace(lie=Lie.HALF), None),
        (TREE._replace(lie=Lie.GONE), None),
        (TREE._replace(lie=Lie.GONE, head="b"), Why.UNMERGED),
        (TREE._replace(run="other"), Why.FOREIGN),
    ],
)
def test_a_worktree_of_a_run_that_is_over(tree: TreeFacts, why: Why | None) -> None:
    found = decided(Stage.OVER, tree)
    assert found.trees == (() if why else (tree,))
    assert whys(found) == ([why] if why else [])


@pytest.mark.parametrize(
    ("stage", "why"), [(Stage.ALIVE, Why.IN_USE), (Stage.OPEN, Why.GOES_ON), (Stage.STRANGE, Why.FOREIGN)]
)
def test_nothing_goes_of_a_run_that_is_not_over(stage: Stage, why: Why) -> None:
    found = decided(stage, TREE, ref(Role.BRANCH, "a"), ref(Role.START, "a"), ref(Role.LEFT, "a"))
    assert (found.trees, found.refs, whys(found)) == ((), (), [why])


def test_a_worktree_goes_when_its_commit_stays_behind_its_branch() -> None:
    branch = ref(Role.BRANCH, "c")
    found = decided(Stage.OVER, TREE._replace(head="b", branch=branch.name), branch)
    assert [tree.name for tree in found.trees] == ["build"]
    assert found.refs == ()
    assert whys(found) == [Why.UNMERGED]


def test_a_merged_branch_goes_once_its_worktree_goes() -> None:
    branch = ref(Role.BRANCH, "a")
    assert decided(Stage.OVER, TREE._replace(branch=branch.name), branch).refs == (branch,)
    kept = decided(Stage.OVER, TREE._replace(branch=branch.name, dirty=True), branch)
    assert (kept.refs, whys(kept)) == ((), [Why.DIRTY, Why.IN_USE])


def test_a_branch_stays_that_the_user_has_checked_out() -> None:
    found = decided(Stage.OVER, ref(Role.BRANCH, "a")._replace(held=True))
    assert (found.refs, whys(found)) == ((), [Why.IN_USE])


def test_a_branch_without_commits_of_its_own_goes_where_its_start_stays() -> None:
    branch, start = ref(Role.BRANCH, "b"), ref(Role.START, "b")
    assert decided(Stage.OVER, branch, start).refs == (branch,)


def test_a_branch_stays_that_only_the_runs_own_refs_have() -> None:
    found = decided(Stage.OVER, ref(Role.BRANCH, "c"), ref(Role.LEFT, "c"), ref(Role.START, "b"))
    assert (found.refs, whys(found)) == ((), [Why.UNMERGED])


def test_hidden_refs_stay_as_long_as_the_run_is_on_record() -> None:
    found = decided(Stage.OVER, ref(Role.START, "a"), ref(Role.LEFT, "a"), ref(Role.KEPT, "a", name="1"))
    assert (found.refs, whys(found)) == ((), [])


@pytest.mark.parametrize("stage", [Stage.FORGOTTEN, Stage.PURGED])
def test_of_a_forgotten_run_what_is_merged_goes_and_of_the_rest_one_ref_for_each_end(stage: Stage) -> None:
    left, kept = ref(Role.LEFT, "c"), ref(Role.KEPT, "x", name="1")
    found = decided(stage, ref(Role.START, "a"), left, ref(Role.STRAY, "b", name="removed"), kept)
    assert {item.name.rpartition("/")[2] for item in found.refs} == {"start", "removed"}
    assert {item.item for item in found.kept} == {left, kept}


def test_a_mark_stays_with_its_branch_and_the_branch_does_for_the_rest() -> None:
    branch, left = ref(Role.BRANCH, "c"), ref(Role.LEFT, "c")
    mark = ref(Role.MARK, "a", name="branch/1")._replace(of=branch.name)
    second = ref(Role.MARK, "a", name="branch/2")._replace(of=f"{branch.name}-2")
    found = decided(Stage.PURGED, branch, mark, left, second)
    assert found.refs == (left, second)
    assert [kept.item for kept in found.kept] == [branch]


def test_what_earlier_attempts_have_left_is_superseded_only_in_a_purge_and_after_a_success() -> None:
    kept = ref(Role.KEPT, "x", name="1")
    assert decided(Stage.PURGED, kept, done=frozenset({"build"})).refs == (kept,)
    assert decided(Stage.PURGED, kept).refs == ()
    assert decided(Stage.FORGOTTEN, kept, done=frozenset({"build"})).refs == ()


def test_what_is_superseded_keeps_nothing_else_alive() -> None:
    kept, left = ref(Role.KEPT, "c", name="1"), ref(Role.LEFT, "b")
    found = decided(Stage.PURGED, kept, left, TREE._replace(head="b"), done=frozenset({"build"}))
    assert found.refs == (kept,)
    assert [tree.name for tree in found.trees] == ["build"]
    assert [item.item for item in found.kept] == [left]


def test_a_ref_to_a_ref_is_nobodys() -> None:
    found = decided(Stage.PURGED, ref(Role.BRANCH, "a")._replace(symbolic=True))
    assert (found.refs, whys(found)) == ((), [Why.UNKNOWN])


def test_only_what_was_asked_for_goes() -> None:
    run, other = RunFacts("R", 7, Stage.PURGED, "7-r"), RunFacts("Q", 8, Stage.PURGED, "8-q")
    theirs = ref(Role.LEFT, "c", run="Q")
    facts = Facts({"R": run, "Q": other}, (), (ref(Role.LEFT, "b"), theirs), GRAPH)
    found = decide(facts, only={"R"})
    assert [item.run for item in found.refs] == ["R"]
    assert decide(facts, only={"Q"}).kept == decide(facts).kept

"""Random histories, worktrees and refs: what may go loses no commit, touches nothing in use, and goes at once."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.policy.collecting import decide, reachable
from teamflow.policy.leftover import Decision, Facts, Lie, RefFacts, Role, RunFacts, Stage, TreeFacts

EXAMPLES = int(os.environ.get("TEAMFLOW_EXAMPLES", "200"))
RUNS = ("A", "B", "C")
SLUGS = ("x", "y")
COMMITS = 10


@st.composite
def histories(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    return {
        f"c{at}": tuple(f"c{parent}" for parent in sorted(draw(st.sets(st.integers(0, at - 1), max_size=2))))
        if at
        else ()
        for at in range(COMMITS)
    }


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, tuple[str, ...]], Facts]:
    """The whole history, and the facts: with a graph of what no ref of the user's reaches."""
    history = draw(histories())
    commit = st.sampled_from(sorted(history))
    users = draw(st.sets(commit, max_size=3))
    merged = reachable(users, history)
    graph = {name: parents for name, parents in history.items() if name not in merged}
    runs = {
        name: RunFacts(
            name, at, draw(st.sampled_from(Stage)), f"{at}-r", frozenset(draw(st.sets(st.sampled_from(SLUGS))))
        )
        for at, name in enumerate(RUNS)
    }
    owner = st.sampled_from((*RUNS, "strange"))
    slug = st.sampled_from(SLUGS)
    refs = {}
    for _ in range(draw(st.integers(0, 12))):
        role, run, name = draw(st.sampled_from(Role)), draw(owner), draw(slug)
        at = draw(st.integers(1, 3))
        full = {
            Role.BRANCH: f"refs/heads/teamflow/{run}/{name}-{at}",
            Role.MARK: f"refs/teamflow/{run}/{name}/branch/{at}",
            Role.KEPT: f"refs/teamflow/{run}/{name}/{at}",
        }.get(role, f"refs/teamflow/{run}/{name}/{role}")
        flags = [draw(st.integers(0, 6)) == 0 for _ in range(2)]
        of = f"refs/heads/teamflow/{run}/{name}-{at}" if role is Role.MARK else ""
        refs[full] = RefFacts(full, draw(commit), run, name, role, *flags, of)
    branches = [ref.name for ref in refs.values() if ref.role is Role.BRANCH]
    trees = {}
    for _ in range(draw(st.integers(0, 5))):
        run, name = draw(owner), draw(slug)
        head = draw(commit)
        branch = draw(st.sampled_from([*branches, ""]))
        if branch:
            head = refs[branch].commit
        flags = [draw(st.integers(0, 5)) == 0 for _ in range(4)]
        path = f"/work/{run}/{name}"
        trees[path] = TreeFacts(run, name, path, draw(st.sampled_from(Lie)), head, branch, *flags)
    return history, Facts(runs, tuple(trees.values()), tuple(refs.values()), graph)


def after(facts: Facts, decision: Decision, *, steps: int | None = None) -> Facts:
    """The facts once the first `steps` removals are done."""
    going: list[Any] = [*decision.trees, *decision.refs][:steps]
    trees = tuple(tree for tree in facts.trees if tree not in going)
    refs = tuple(ref for ref in facts.refs if ref not in going)
    graph = facts.graph
    return Facts(facts.runs, trees, refs, graph)


def alive(facts: Facts) -> set[str]:
    """What is reachable, of what the user's own refs do not reach."""
    return reachable([ref.commit for ref in facts.refs] + [tree.head for tree in facts.trees], facts.graph)


@settings(max_examples=EXAMPLES, deadline=None)
@given(worlds(), st.data())
def test_nothing_is_lost(world: tuple[dict[str, tuple[str, ...]], Facts], data: st.DataObject) -> None:
    _, facts = world
    only = data.draw(st.none() | st.sets(st.sampled_from(RUNS)))
    found = decide(facts, only=only)
    superseded = [
        ref.commit
        for ref in found.refs
        if ref.role is Role.KEPT and facts.runs[ref.run].stage is Stage.PURGED and ref.slug in facts.runs[ref.run].done
    ]
    without = Facts(facts.runs, facts.trees, tuple(ref for ref in facts.refs if ref not in found.refs), facts.graph)
    lost = alive(facts) - alive(after(facts, found))
    assert lost <= reachable(superseded, facts.graph) - alive(without)
    # Broken off anywhere, no more is lost.
    steps = data.draw(st.integers(0, len(found.trees) + len(found.refs)))
    assert alive(facts) - alive(after(facts, found, steps=steps)) <= lost


@settings(max_examples=EXAMPLES, deadline=None)
@given(worlds())
def test_nothing_goes_that_is_used_dirty_or_anothers(world: tuple[dict[str, tuple[str, ...]], Facts]) -> None:
    _, facts = world
    found = decide(facts)
    ended = {Stage.OVER, Stage.FORGOTTEN, Stage.PURGED}
    for tree in found.trees:
        assert facts.runs[tree.run].stage in ended
        assert not any((tree.dirty, tree.used, tree.locked, tree.leased))
        assert tree.lie in (Lie.WHOLE, Lie.HALF, Lie.GONE, Lie.RECORD)
    out = {tree.branch for tree in facts.trees if tree not in found.trees}
    for ref in found.refs:
        assert facts.runs[ref.run].stage in ended
        assert not ref.symbolic
        assert ref.role is not Role.BRANCH or not (ref.held or ref.name in out)
        if facts.runs[ref.run].stage is Stage.OVER:
            assert ref.role is Role.BRANCH
    rest = {kept.item for kept in found.kept}
    assert rest.isdisjoint(found.trees)
    assert rest.isdisjoint(found.refs)
    assert {tree for tree in facts.trees if tree not in found.trees and tree.lie is not Lie.RECORD} <= rest
    assert not any(isinstance(item, TreeFacts) and item.lie is Lie.RECORD for item in rest)


@settings(max_examples=EXAMPLES, deadline=None)
@given(worlds())
def test_the_second_call_does_nothing(world: tuple[dict[str, tuple[str, ...]], Facts]) -> None:
    _, facts = world
    again = decide(after(facts, decide(facts)))
    assert (again.trees, again.refs) == ((), ())

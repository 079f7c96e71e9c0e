"""Live workspaces against each other: which pairs, what it means, and what is said once."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamflow.core.overlapping import HARD, SOFT, Overlap, OverlapsSeen
from teamflow.policy.overlaps import (
    APPEARED,
    EASED,
    GONE,
    HARDENED,
    NAMED,
    News,
    Pair,
    Snapshot,
    classify,
    may_meet,
    news,
    pairs_to_compare,
    related,
    updated,
)


def snap(tree: str, *paths: str) -> Snapshot:
    return Snapshot(tree, {path: f"{tree}:{path}" for path in paths})


def test_only_pairs_that_changed_are_compared() -> None:
    now = {"c": snap("3", "x"), "a": snap("1", "x"), "b": snap("2", "x"), "clean": snap("0")}
    assert pairs_to_compare({}, now) == (("a", "b"), ("a", "c"), ("b", "c"))
    assert pairs_to_compare(now, now) == ()
    assert pairs_to_compare(now, {**now, "b": snap("9", "x")}) == (("a", "b"), ("b", "c"))
    assert pairs_to_compare({}, now, apart={("a", "b")}) == (("a", "c"), ("b", "c"))
    assert pairs_to_compare(now, {"a": now["a"], "b": now["b"]}) == ()


def test_steps_of_which_one_needs_the_other() -> None:
    needs = {"ship": ["join"], "join": ["a", "b"], "a": ["plan"], "b": ["plan"], "plan": []}
    assert related(needs, ["ship", "a", "b"]) == {("a", "ship"), ("b", "ship")}
    assert related(needs, needs) == {
        *(("a", "join"), ("b", "join"), ("a", "plan"), ("b", "plan"), ("join", "plan")),
        *(("join", "ship"), ("a", "ship"), ("b", "ship"), ("plan", "ship")),
    }
    assert related({}, ["x", "y"]) == frozenset()
    chain = {f"s{n:05}": [f"s{n - 1:05}"] for n in range(1, 5000)}
    assert related(chain, ["s04999", "s00000", "other"]) == {("s00000", "s04999")}


@pytest.mark.parametrize(
    ("first", "second", "met"),
    [
        ({"a": "1"}, {"a": "2"}, True),
        ({"a": "1"}, {"a": "1"}, False),
        ({"a": "1"}, {"a": ""}, True),
        ({"a": ""}, {"a": ""}, False),
        ({"a": "", "b": "1"}, {"a": ""}, True),
        ({"a": "", "b": "1"}, {"a": "", "c": "1"}, True),
        ({"a": "1"}, {"b": "2"}, False),
        ({"a": "1"}, {"a/b": "2"}, True),
        ({"a": "1"}, {"ab": "2"}, False),
        ({"d/x": "", "e/x": "1"}, {"d/new": "2"}, True),
        ({"d/x": "", "e/x": "1"}, {"d/deep/new": "2"}, True),
        ({"x": "", "e/x": "1"}, {"d/new": "2"}, True),
        ({"d/x": ""}, {"f/new": "2"}, False),
        ({"d/x": "1"}, {"d/y": "2"}, False),
    ],
)
def test_what_can_conflict_at_all(first: Mapping[str, str], second: Mapping[str, str], met: bool) -> None:
    assert may_meet(first, second) is may_meet(second, first) is met


def test_what_a_comparison_means() -> None:
    ours, theirs = {"a": "1", "b": "2", "same": "3"}, {"b": "4", "a": "5", "same": "3", "c": "6"}
    assert classify("x", "y", changed=(ours, theirs), conflicts=()) == Overlap("x", "y", SOFT, ("a", "b"))
    assert classify("x", "y", changed=(ours, theirs), conflicts=None) == Overlap("x", "y", SOFT, ("a", "b"))
    assert classify("x", "y", changed=(ours, theirs), conflicts=["b"]) == Overlap("x", "y", HARD, ("b",))
    assert classify("x", "y", changed=({"a": "1"}, {"c": "2"}), conflicts=()) is None
    assert classify("x", "y", changed=({"a": "1"}, {"c": "2"}), conflicts=("a~x",)) == Overlap("x", "y", HARD, ("a~x",))
    many = {f"{n:03}": "1" for n in range(25)}
    found = classify("y", "x", changed=(many, dict.fromkeys(many, "2")), conflicts=())
    assert found == Overlap("x", "y", SOFT, tuple(sorted(many)[:NAMED]), 5)


def test_what_is_said() -> None:
    soft, hard = Overlap("a", "b", SOFT, ("x",)), Overlap("a", "b", HARD, ("x",))
    other = Overlap("a", "c", SOFT, ("y",))
    assert news([], [soft]) == (News(APPEARED, soft),)
    assert news([soft], [hard, other]) == (News(HARDENED, hard), News(APPEARED, other))
    assert news([hard], [soft]) == (News(EASED, soft),)
    assert news([hard, other], []) == (News(GONE, hard), News(GONE, other))
    assert news([soft], [soft._replace(paths=("x", "z"))]) == ()


def test_what_is_known_after_a_round() -> None:
    before = {"a": snap("1", "x"), "b": snap("2", "x"), "c": snap("3", "x")}
    known = [Overlap("a", "b", SOFT, ("x",)), Overlap("a", "c", HARD, ("x",)), Overlap("b", "c", SOFT, ("x",))]
    assert updated(known, {}, before=before, now=before) == tuple(known)
    assert updated(known, {("a", "b"): None}, before=before, now=before) == tuple(known[1:])
    assert updated(known, {}, before=before, now={"a": before["a"], "b": before["b"]}) == (known[0],)
    assert updated(known, {}, before=before, now={**before, "a": snap("9", "other")}) == (known[2],)
    assert OverlapsSeen(updated(known, {}, before=before, now={})) == OverlapsSeen(())


PATHS = st.dictionaries(st.sampled_from(["a", "a/b", "a/c", "d/e", "d/f", "g"]), st.sampled_from(["", "1", "2"]))
WORLD = st.dictionaries(st.sampled_from("pqrs"), PATHS)


def snapshots(world: Mapping[str, Mapping[str, str]]) -> dict[str, Snapshot]:
    return {step: Snapshot(repr(sorted(paths.items())), paths) for step, paths in world.items()}


def compared(world: Mapping[str, Snapshot], pairs: tuple[Pair, ...]) -> dict[Pair, Overlap | None]:
    """A merge conflicts where one has deleted what the other holds."""
    found: dict[Pair, Overlap | None] = {}
    for first, second in pairs:
        ours, theirs = world[first].paths, world[second].paths
        conflicts = [path for path in ours if path in theirs and (not ours[path]) != (not theirs[path])]
        found[first, second] = classify(first, second, changed=(ours, theirs), conflicts=conflicts)
    return found


@given(PATHS, PATHS, st.lists(st.sampled_from("xyz")))
def test_neither_side_is_special(first: dict[str, str], second: dict[str, str], conflicts: list[str]) -> None:
    one = classify("p", "q", changed=(first, second), conflicts=conflicts)
    assert one == classify("q", "p", changed=(second, first), conflicts=conflicts[::-1])
    assert may_meet(first, second) is may_meet(second, first)
    worlds = {"p": Snapshot("1", first), "q": Snapshot("2", second)}
    turned = {"q": worlds["q"], "p": worlds["p"]}
    assert pairs_to_compare({}, worlds) == pairs_to_compare({}, turned)


@given(st.lists(WORLD, max_size=5))
def test_comparing_what_changed_finds_what_comparing_all_finds(worlds: list[dict[str, dict[str, str]]]) -> None:
    before: dict[str, Snapshot] = {}
    known: tuple[Overlap, ...] = ()
    told: dict[Pair, str] = {}
    for world in worlds:
        now = snapshots(world)
        found = updated(known, compared(now, pairs_to_compare(before, now)), before=before, now=now)
        everything = [(p, q) for p in sorted(now) for q in sorted(now) if p < q]
        assert found == tuple(each for each in compared(now, tuple(everything)).values() if each is not None)
        for what, overlap in news(known, found):
            pair = (overlap.first, overlap.second)
            if what == GONE:
                del told[pair]
            else:
                assert told.get(pair) != overlap.kind
                told[pair] = overlap.kind
        assert told == {(each.first, each.second): each.kind for each in found}
        before, known = now, found

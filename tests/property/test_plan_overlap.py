"""Random patterns: overlaps are those that a search through all short paths finds, and the path named is common."""

from __future__ import annotations

import itertools
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.core.globs import covers, parse, path_matcher
from teamflow.plan.overlap import claims, meetings, overlap

LETTERS = "12./"
"""No letter behind a dot, so that no name looks like that of a file."""


def _is_path(text: str) -> bool:
    return all(name not in ("", ".", "..") for name in text.split("/"))


PATHS = [text for n in range(1, 6) for text in map("".join, itertools.product(LETTERS, repeat=n)) if _is_path(text)]

NAMES = st.sampled_from(
    ["1", "2", "12", "*", "?", "1*", "*2", "*1*", "[12]", "[!1]", "[!1]*", "1?", ".1", ".*", "[", "[.]*"]
)
PATTERNS = st.builds(
    lambda names, end: "/".join(names) + end,
    st.lists(NAMES | st.just("**"), min_size=1, max_size=3),
    st.sampled_from(["", "", "", "/"]),
)
LISTS = st.lists(st.builds("".join, st.tuples(st.sampled_from(["", "", "!"]), PATTERNS)), min_size=1, max_size=3)


def _listed(patterns: list[str]) -> set[str]:
    """What a list stands for among PATHS, one pattern after the other."""
    found: set[str] = set()
    for glob in map(parse, patterns):
        matches = set(filter(path_matcher(glob).match, PATHS))
        found = found - matches if glob.negated else found | matches
    return found


def _directories(patterns: list[str]) -> set[str]:
    """Paths that some pattern goes on below: these are no files."""
    globs = list(map(parse, patterns))
    return {"/".join(g.segments[:n]) for g in globs for n in range(len(g.segments) + g.below)}


@given(LISTS, LISTS)
@settings(max_examples=300, deadline=None)
def test_overlap_is_what_a_search_finds(one: list[str], other: list[str]) -> None:
    path = overlap(one, other)
    if path is None:
        assert _listed(one) & _listed(other) <= _directories(one + other)
    else:
        assert _is_path(path)
        assert covers(one, path)
        assert covers(other, path)


@given(LISTS, st.sampled_from(PATHS))
@settings(max_examples=200, deadline=None)
def test_a_list_overlaps_with_a_path_that_it_covers_and_no_other(patterns: list[str], path: str) -> None:
    alone = re.sub(r"[^/]$", lambda last: f"[{last[0]}]", path)
    if path not in _directories(patterns):
        assert (overlap(patterns, [alone]) is not None) == covers(patterns, path)


ANY_TEXT = st.text(alphabet="ab.*?[]!-/{}\n ü", min_size=1, max_size=8)


@given(ANY_TEXT, ANY_TEXT)
@settings(max_examples=200, deadline=None)
def test_any_two_texts(one: str, other: str) -> None:
    try:
        globs = [parse(one), parse(other)]
    except ValueError:
        return
    path = overlap([one], [other])
    if path is not None:
        assert all(path_matcher(glob).match(path) for glob in globs)
    elif not any(glob.negated for glob in globs):
        assert overlap([other], [one]) is None


@given(st.lists(PATTERNS, max_size=6, unique=True))
@settings(max_examples=200, deadline=None)
def test_what_is_not_looked_at_does_not_meet(patterns: list[str]) -> None:
    known = {claim: pattern for pattern in patterns for claim in claims([pattern])}
    pairs = {frozenset(pair) for pair in meetings(known)}
    for one, other in itertools.combinations(known, 2):
        if {one, other} not in pairs:
            both = [known[one], known[other]]
            assert _listed(both[:1]) & _listed(both[1:]) <= _directories(both)

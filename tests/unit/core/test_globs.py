"""Patterns of `reads`: the matcher against an independent, slow reading of the rules."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamflow.core.globs import PatternError, covers, parse, path_matcher

PATHS = ["a", "a.py", ".b", "src/a.py", "src/x/a.py", "src/x/y/b.txt", "src/.h/c", "xsrc/a.py", "src.py", "[x]", "q\n"]


def matching(pattern: str) -> list[str]:
    match = path_matcher(parse(pattern)).match
    return [path for path in PATHS if match(path)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a", ["a"]),
        ("*", ["a", "a.py", ".b", "src.py", "[x]", "q\n"]),
        ("*.py", ["a.py", "src.py"]),
        ("**", PATHS),
        (".", PATHS),
        ("./", PATHS),
        ("src", ["src/a.py", "src/x/a.py", "src/x/y/b.txt", "src/.h/c"]),
        ("src/", ["src/a.py", "src/x/a.py", "src/x/y/b.txt", "src/.h/c"]),
        ("src/**", ["src/a.py", "src/x/a.py", "src/x/y/b.txt", "src/.h/c"]),
        ("./src//x/./**", ["src/x/a.py", "src/x/y/b.txt"]),
        ("src/*", ["src/a.py"]),
        ("src/*/", ["src/x/a.py", "src/x/y/b.txt", "src/.h/c"]),
        ("src/*/*", ["src/x/a.py", "src/.h/c"]),
        ("**/*.py", ["a.py", "src/a.py", "src/x/a.py", "xsrc/a.py", "src.py"]),
        ("**/a.py", ["a.py", "src/a.py", "src/x/a.py", "xsrc/a.py"]),
        ("src/**/a.py", ["src/a.py", "src/x/a.py"]),
        ("**/x/**", ["src/x/a.py", "src/x/y/b.txt"]),
        ("**/**/**/y/*", ["src/x/y/b.txt"]),
        ("?", ["a"]),
        ("[a-c]*", ["a", "a.py"]),
        ("[!a]*", [".b", "src.py", "[x]", "q\n"]),
        ("[[]x]", ["[x]"]),
        ("[x", []),
        ("[]", []),
        ("[z-a]*", []),
        ("a.p[xy]", ["a.py"]),
        ("nothing", []),
    ],
)
def test_what_a_pattern_matches(pattern: str, expected: list[str]) -> None:
    assert matching(pattern) == expected


@pytest.mark.parametrize("pattern", ["", "!", "/etc/passwd", "../x", "a/../../b", "a\0b", "!/x", "!../x"])
def test_patterns_that_mean_nothing_or_leave_the_root(pattern: str) -> None:
    with pytest.raises(PatternError):
        parse(pattern)


def test_a_negated_pattern_says_so() -> None:
    assert parse("!src/**").negated
    assert parse("!src/**").segments == ("src", "**")
    assert parse("src/a").literal == "src/a"
    assert parse("src/*").literal is None


def test_a_list_is_read_from_first_to_last() -> None:
    patterns = ["src/**", "!src/gen", "src/gen/keep"]
    assert [path for path in ("src/a", "src/gen/b", "src/gen/keep", "docs/c") if covers(patterns, path)] == [
        "src/a",
        "src/gen/keep",
    ]
    assert not covers(["!src/a"], "src/a")
    assert not covers([], "src/a")


NAMES = st.text(alphabet="ab.*?[]!-x", min_size=1, max_size=6).filter(lambda name: name not in (".", "..", "**"))


@given(segment=NAMES.filter(lambda s: s.count("[") <= 1 and "]" not in s), name=NAMES)
def test_one_segment_agrees_with_fnmatch(segment: str, name: str) -> None:
    pattern = segment.replace("[", "[[]")
    if pattern.startswith("!"):
        return
    collapsed = re.sub(r"\*+", "*", pattern)
    assert bool(path_matcher(parse(collapsed + "*")).match(name)) == fnmatch.fnmatchcase(name, collapsed + "*")


@given(pattern=st.text(max_size=30), path=st.text(min_size=1, max_size=30))
def test_any_text_is_a_pattern_or_an_error(pattern: str, path: str) -> None:
    try:
        glob = parse(pattern)
    except PatternError:
        return
    path_matcher(glob).match(path)


def test_many_stars_do_not_explode() -> None:
    match = path_matcher(parse("/".join(["**", "*a*a*a*"] * 8)[3:])).match
    assert not match("a" * 40 + "/" + "b" * 40)
    assert not path_matcher(parse("*a" * 12)).match("a" * 30 + "b")

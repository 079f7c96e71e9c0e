"""Which patterns have a file in common: by examples. Random ones: tests/property/test_plan_overlap.py."""

from __future__ import annotations

import itertools

import pytest

from teamflow.core.globs import PatternError, covers
from teamflow.plan.overlap import beginning, claims, meetings, overlap
from tests.fakes.yardstick import measured


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        ("src/**", "src/api/*.py", "src/api/x.py"),
        ("src/api/**", "src/web/**", None),
        ("src/api/**", "src/api2/**", None),
        ("src/api*", "src/api2/**", None),
        ("src/api*/*", "src/api2/**", "src/api2/x"),
        ("src", "src/a/b", "src/a/b"),
        ("src", "./src//", "src/x"),
        ("src/", "src", "src/x"),
        ("src/*/", "src/*", None),
        ("src/**", "src", "src/x"),
        (".", "a/b", "a/b"),
        ("**", "**/x", "x"),
        ("**/x/*", "y/**", "y/x/x"),
        ("a/**/z", "**/b/**", "a/b/z"),
        ("**/*.lock", "src/**/*.py", None),
        ("*.py", "src/*.py", None),
        ("*a*b*", "*b*a*", "xbaabx"),
        ("[a-c]x", "[!b]x", "ax"),
        ("[!a-z]", "[a-y]", None),
        ("[z-a]*", "**", None),
        ("[!z-a]", "?", "x"),
        ("x[", "x[]", None),
        ("x[", "x[[]", "x["),
        ("?", "ü", "ü"),
        ("[ä-ü]", "[ö-ÿ]", "ö"),
        ("?", "[.]", None),
        ("[.]*", "?[.]*", "..x"),
        ("??", "[.][.]", None),
        ("a**b", "ab", "ab"),
        (".github/**", "**/*.yml", ".github/x.yml"),
        ("{a,b}", "a", None),
    ],
)
def test_two_patterns(one: str, other: str, path: str | None) -> None:
    assert overlap([one], [other]) == path
    turned = overlap([other], [one])
    assert (turned is None) == (path is None)
    for found in (path, turned):
        assert found is None or (covers([one], found) and covers([other], found))


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        ("README.md", "**/*.py", None),
        ("src/api.py", "src/**/test_*", None),
        ("**/a.py", "**/b.py", None),
        ("a.py", "**/a.py", "a.py"),
        ("a.py", "a.p*", "a.py"),
        ("a.py", "a.py/b", "a.py/b"),
        ("a.py", "**/a.py/", "a.py/x"),
        ("a.py/", "a.py/*", "a.py/x"),
        ("conf.d", "**/*.conf", "conf.d/x.conf"),
        ("lib/python3.11", "lib/**/*.py", "lib/python3.11/x.py"),
        (".config", "**/*.toml", ".config/x.toml"),
        ("LICENSE", "**/*.md", "LICENSE/x.md"),
        ("LICENS[E]", "**/*.md", None),
    ],
)
def test_a_name_with_an_ending_is_a_file_unless_a_pattern_goes_on_below_it(
    one: str, other: str, path: str | None
) -> None:
    assert overlap([one], [other]) == path
    assert (overlap([other], [one]) is None) == (path is None)


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        (["src/**", "!src/gen/**"], ["src/gen/*"], None),
        (["src/**", "!src/gen/**"], ["src/gen/*", "src/x"], "src/x"),
        (["!src/gen/**", "src/**"], ["src/gen/*"], "src/gen/x"),
        (["src/**", "!src/gen/**", "src/gen/keep"], ["src/gen/*"], "src/gen/keep"),
        (["src/**", "!**/*.py"], ["src/**", "!**/*[!y]"], "src/y"),
        (["src/**", "!**/*y"], ["src/**", "!**/*[!y]"], None),
        (["*", "!?*"], ["*"], None),
        (["*", "!x*", "!a*"], ["[ax]*"], None),
        (["!a"], ["a"], None),
        (["src/**", "!src/gen/**"], ["src/gen"], None),
        (["src/**", "!src/gen/**"], ["src/gen", "!src/gen/tmp/*"], None),
        (["src/**", "!src/gen/tmp/**"], ["src/gen"], "src/gen/x"),
        (["src/**", "!src/gen/**"], ["src/gen", "src"], "src/x"),
        (["src/**", "!src/gen/*"], ["src/gen"], "src/gen/x/x"),
        (["**/*.txt", "!a.py/x"], ["a.py"], "a.py/x.txt"),
        (["**/b.py", "!a.py/x"], ["a.py"], "a.py/b.py"),
        ([], ["**"], None),
        (["a", "b"], ["c", "b"], "b"),
    ],
)
def test_lists_of_patterns(one: list[str], other: list[str], path: str | None) -> None:
    found = overlap(one, other)
    assert found == path
    assert found is None or (covers(one, found) and covers(other, found))
    assert (overlap(other, one) is None) == (path is None)


@pytest.mark.parametrize("pattern", ["", "!", "/etc", "../x", "a/../b", "a\0b"])
def test_a_pattern_that_means_nothing_is_no_pattern(pattern: str) -> None:
    with pytest.raises(PatternError):
        overlap([pattern], ["x"])
    with pytest.raises(PatternError):
        beginning(pattern)


@pytest.mark.parametrize(
    "pattern", ["a/b", "./a", "a//b", "a/./b", "a/.b/*", ".b", "*", "a*/b", "a[b", "!a/b", "a/", "."]
)
def test_beginning_is_that_of_the_claim(pattern: str) -> None:
    (claim,) = claims([pattern.removeprefix("!")])
    assert beginning(pattern) == claim.beginning


WORST = {
    "many stars": (["*a*" * 60 + "[xy]"], ["*b*" * 60 + "[yz]"], True),
    "many directories": (["**/" + "*a*/" * 40 + "x"], ["**/" + "*b*/" * 41 + "[z]"], True),
    "long names": (["a" * 4000 + "*"], ["a" * 4000 + "*b"], True),
    "taken away, beyond deciding": (["*a" + "?" * 18, "!*a" + "?" * 18], ["*"], True),
    "nothing in common": (["[!a]" * 300], ["[a]" * 300], False),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WORST)
def test_no_patterns_take_long_and_what_cannot_be_decided_is_an_overlap(name: str) -> None:
    one, other, meets = WORST[name]
    found, rounds = measured(lambda: overlap(one, other))
    assert (found is not None) == meets
    assert rounds < 800, "measured: at most 90"


def test_only_pairs_that_may_meet_are_looked_at() -> None:
    patterns = [
        "**/*.md",
        "docs/**",
        "src/a/**",
        "src/b/**",
        "src/b/x.py",
        "**/x.py",
        "**/y.py",
        "src/y.py/z.py",
        "LICENSE",
    ]
    everything = [claim for pattern in patterns for claim in claims([pattern])]
    pairs = [{"/".join(claim.glob.segments) for claim in pair} for pair in meetings(everything)]
    for one, other in itertools.combinations(patterns, 2):
        if overlap([one], [other]) is not None:
            assert {one, other} in pairs
    assert {"**/x.py", "**/y.py"} not in pairs
    assert {"**/*.md", "src/b/x.py"} not in pairs
    assert {"src/a/**", "src/b/**"} not in pairs

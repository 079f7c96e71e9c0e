"""How references to variables are spelled, and what no longer says the same."""

from __future__ import annotations

import pytest

from teamflow.servers.references import (
    BRACE,
    CANONICAL,
    COLON,
    LENIENT,
    PLAIN,
    SHELL,
    Spelling,
    Translated,
    translated,
    variable_of,
)


@pytest.mark.parametrize(
    ("before", "after", "text", "out"),
    [
        (LENIENT, CANONICAL, "${A} ${A:-b} ${env:A} {env:A} $A", "${A} ${A:-b} ${A} ${A} $A"),
        (COLON, CANONICAL, "x${env:A}${input:my-key}", "x${A}${MY_KEY}"),
        (SHELL, CANONICAL, "$A-${A:-b}", "${A}-${A:-b}"),
        (BRACE, CANONICAL, "{env:A}", "${A}"),
        (CANONICAL, COLON, "x${A}", "x${env:A}"),
        (CANONICAL, BRACE, "x${A}", "x{env:A}"),
        (CANONICAL, SHELL, "${A:-b c}", "${A:-b c}"),
        (CANONICAL, PLAIN, "$A $ {}", "$A $ {}"),
        (CANONICAL, LENIENT, "", ""),
    ],
)
def test_a_reference_in_another_spelling(before: Spelling, after: Spelling, text: str, out: str) -> None:
    assert translated(text, before, after) == Translated(out, "")


@pytest.mark.parametrize(
    ("before", "after", "text", "why"),
    [
        (CANONICAL, SHELL, "costs $5", '"${5}" was text, and is a reference to a variable there'),
        (CANONICAL, BRACE, "{env:A}", '"{env:A}" was text, and is a reference to a variable there'),
        (BRACE, CANONICAL, "${A}", '"${A}" was text, and is a reference to a variable there'),
        (CANONICAL, COLON, "${A:-b}", "there are no defaults for variables there"),
        (CANONICAL, PLAIN, "x ${A}", "${A} is not expanded there, and stays as text"),
    ],
)
def test_what_does_not_say_the_same(before: Spelling, after: Spelling, text: str, why: str) -> None:
    assert translated(text, before, after).why == why


@pytest.mark.parametrize("spelling", [CANONICAL, LENIENT, SHELL, COLON, BRACE])
@pytest.mark.parametrize(
    "text", ["${" * 50_000, "${A:-" * 50_000, "${input:" * 10_000, "{env:" * 50_000, "$" * 100_000]
)
def test_openings_without_an_end(spelling: Spelling, text: str) -> None:
    assert translated(text, spelling, spelling).text == text


def test_the_variable_for_what_is_asked() -> None:
    assert [variable_of(text) for text in ("github-token", "1x", "é")] == ["GITHUB_TOKEN", "_1X", "_"]

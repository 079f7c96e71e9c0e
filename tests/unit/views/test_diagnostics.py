"""Complaints as text and JSON: carets under what they mean, and nothing that steers a terminal."""

from __future__ import annotations

import json
import unicodedata

import pytest

from teamflow.core.diagnostics import Diagnostic, Severity, Span
from teamflow.views.diagnostics import safe, to_json, to_text


def show(line: str, column: int, end: int, *, end_line: int = 1) -> list[str]:
    item = Diagnostic("a-code", "a message", Span("f.yaml", 1, column, end_line, end), "a hint")
    return to_text([item], {"f.yaml": line}).splitlines()


def test_a_complaint_with_an_excerpt() -> None:
    assert show("agents: {a: b}", 10, 11) == [
        "f.yaml:1:10: error[a-code]: a message",
        " 1 | agents: {a: b}",
        "   |          ^",
        "  hint: a hint",
        "",
        "1 error; teamflow explain a-code says more",
    ]


@pytest.mark.parametrize(
    ("line", "column", "end", "shown", "carets"),
    [
        ("a\tb: c", 3, 4, "a    b: c", "     ^"),
        ("日本: x", 5, 6, "日本: x", "      ^"),
        ("日本: x", 1, 3, "日本: x", "^^^^"),
        ("e\u0301: x", 5, 6, "e\u0301: x", "   ^"),
        ("a: b", 5, 5, "a: b", "    ^"),
        ("a: b", 90, 99, "a: b", "    ^"),
        ("a\x1b[31mb: c", 7, 8, "a\\x1b[31mb: c", "         ^"),
        ("a\u202eb: c", 3, 4, "a\\u202eb: c", "       ^"),
    ],
)
def test_carets_are_under_the_place(line: str, column: int, end: int, shown: str, carets: str) -> None:
    lines = show(line, column, end)
    assert lines[1] == f" 1 | {shown}"
    assert lines[2] == f"   | {carets}"


def test_a_place_of_several_lines_is_marked_to_the_end_of_the_first() -> None:
    item = Diagnostic("c", "m", Span("f", 2, 4, 3, 2))
    assert to_text([item], {"f": "x\na: [b,\n c]\n"}).splitlines()[1:3] == [" 2 | a: [b,", "   |    ^^^"]


def test_long_lines_are_cut_around_the_place() -> None:
    lines = show("x" * 10_000 + "HERE" + "y" * 10_000, 10_001, 10_005)
    assert len(lines[1]) < 200
    start = lines[2].index("^")
    assert lines[1][start : start + 4] == "HERE"
    assert max(map(len, show("x" * 10_000, 1, 10_001))) < 200


def test_places_that_cannot_be_shown_are_left_out() -> None:
    gone = Diagnostic("c", "m", Span("gone.yaml", 7, 1, 7, 2))
    beyond = Diagnostic("c", "m", Span("f", 70, 1, 70, 2))
    nowhere = Diagnostic("c", "m", severity=Severity.WARNING)
    text = to_text([gone, beyond, nowhere], {"f": "a\n"})
    assert text.splitlines()[0] == "gone.yaml:7:1: error[c]: m"
    assert "warning[c]: m" in text
    assert text.splitlines()[-1] == "2 errors and 1 warning; teamflow explain c says more"
    assert to_text([], {}) == ""


def test_related_places() -> None:
    item = Diagnostic("cycle", "m", Span("f", 1, 1, 1, 2), related=(("a waits for b", Span("f", 2, 1, 2, 2)),))
    assert "  f:2:1: a waits for b\n 2 | b: 2\n   | ^" in to_text([item], {"f": "a: 1\nb: 2\n"})


def test_nothing_from_a_file_reaches_the_terminal_as_a_command() -> None:
    nasty = "\x1b]0;t\x07\x9b31m\r\n\x00\u202e\u2066\ufeff\x7f\ud800"
    item = Diagnostic(nasty, nasty, Span(nasty, 1, 1, 1, 99), nasty, related=((nasty, Span(nasty, 1, 1, 1, 2)),))
    text = to_text([item], {nasty: nasty})
    assert {char for char in text if not char.isprintable()} <= {"\n"} or unicodedata.category("\n") == "Cc"
    assert not set(text) & set("\x1b\x07\x9b\r\x00\u202e\u2066\ufeff\x7f\ud800")
    assert not set(safe(nasty)) & set(nasty) - set("0t;]31m")


def test_colours_are_ours_alone() -> None:
    item = Diagnostic("c", "m\x1b[0m", Span("f", 1, 1, 1, 2))
    text = to_text([item], {"f": "a"}, color=True)
    assert "\x1b[1;31merror[c]\x1b[0m: m\\x1b[0m" in text
    assert "\x1b" not in to_text([item], {"f": "a"})


def test_json() -> None:
    items = [
        Diagnostic("a", "m", Span("f", 1, 2, 3, 4), "h"),
        Diagnostic("b", "n", severity=Severity.WARNING),
    ]
    made = json.loads(json.dumps(to_json(items)))
    assert made == {
        "schema_version": 1,
        "diagnostics": [
            {"code": "a", "severity": "error", "message": "m", "file": "f", "line": 1, "column": 2, "end_line": 3,
             "end_column": 4, "hint": "h"},
            {"code": "b", "severity": "warning", "message": "n", "file": None, "line": None, "column": None,
             "end_line": None, "end_column": None, "hint": None},
        ],
    }  # fmt: skip

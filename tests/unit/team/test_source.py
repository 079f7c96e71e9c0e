"""YAML 1.2, strictly: what each odd spelling means or which error it is, with both parsers."""

from __future__ import annotations

import pytest

from teamflow.core.diagnostics import Diagnostics
from teamflow.team import composer, source
from teamflow.team.source import Source, parse, parse_value


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def read(text: str | bytes, parser: str = "libyaml") -> tuple[Source | None, list[tuple[str, int, int]]]:
    found = Diagnostics()
    data = text.encode() if isinstance(text, str) else text
    kind = composer.PythonComposer if parser == "python" else composer.FastComposer
    got = parse(data, file="f.yaml", found=found, parser=kind)
    return got, [(item.code, item.span.line, item.span.column) for item in found if item.span]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[on, off, yes, no, y, n]", ["on", "off", "yes", "no", "y", "n"]),
        ("[true, True, TRUE, false, False, FALSE]", [True, True, True, False, False, False]),
        ("[null, Null, NULL, ~, ]", [None, None, None, None]),
        ("a:", {"a": None}),
        ("[22:22, 1_000, 0755, 0o755, 0xff, -7, +7]", ["22:22", "1_000", 755, 493, 255, -7, 7]),
        ("[1.5, .5, 1., 1e3, -1.5E-2, 1.2.3]", [1.5, 0.5, 1.0, 1000.0, -0.015, "1.2.3"]),
        ("[2026-01-02, 0b1, 0777_7, '1', \"true\"]", ["2026-01-02", "0b1", "0777_7", "1", "true"]),
        ("[nUll, tRue, '', nothing]", ["nUll", "tRue", "", "nothing"]),
        ("a: |\n  x\n  y\nb: >\n  x\n  y\n", {"a": "x\ny\n", "b": "x y\n"}),
        ("x-b: &b {p: 1, q: 2}\na: {<<: *b, q: 3}\n", {"x-b": {"p": 1, "q": 2}, "a": {"q": 3, "p": 1}}),
        ("a: {<<: [{p: 1}, {p: 2, q: 2}]}\n", {"a": {"p": 1, "q": 2}}),
        ("a: &x [1]\nb: *x\n", {"a": [1], "b": [1]}),
        ("'<<': 1\n", {"<<": 1}),
        ("%YAML 1.2\n---\na: b\n", {"a": "b"}),
        ("# nothing\n", None),
        ("", None),
        ("é: ü\n", {"é": "ü"}),
        ("[9223372036854775807, -9223372036854775808]", [2**63 - 1, -(2**63)]),
    ],
)
def test_values(text: str, value: object, parser: str) -> None:
    got, problems = read(text, parser)
    assert problems == []
    assert (got.value if got else None) == value
    assert repr(got.value if got else None) == repr(value), "1 is not true, 1.0 is not 1"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", ("duplicate-key", 3, 1)),
        ("a: {b: 1, b: 2}\n", ("duplicate-key", 1, 11)),
        ("a: b\n---\nc: d\n", ("yaml-documents", 2, 1)),
        ("1: a\n", ("yaml-key", 1, 1)),
        ("true: a\n", ("yaml-key", 1, 1)),
        ("? [a]\n: b\n", ("yaml-key", 1, 3)),
        ("a: {{ x }}\n", ("yaml-key", 1, 4)),
        ("a: !!str 5\n", ("yaml-tag", 1, 4)),
        ("a: !include x\n", ("yaml-tag", 1, 4)),
        ("a: &x [*x]\n", ("yaml-alias", 1, 4)),
        ("a: &x {<<: *x}\n", ("yaml-alias", 1, 4)),
        ("a: *nope\n", ("yaml-alias", 1, 4)),
        ("a: [*.py]\n", ("yaml-alias", 1, 5)),
        ("a: {<<: 1}\n", ("yaml-merge", 1, 9)),
        ("a: .inf\n", ("yaml-number", 1, 4)),
        ("a: .NaN\n", ("yaml-number", 1, 4)),
        ("a: 1e999\n", ("yaml-number", 1, 4)),
        ("a: 9223372036854775808\n", ("yaml-number", 1, 4)),
        ("a: " + "9" * 5000 + "\n", ("yaml-number", 1, 4)),
        ("a: 0x" + "f" * 5000 + "\n", ("yaml-number", 1, 4)),
        ("\ta: b\n", ("yaml-tab", 1, 1)),
        ("a:\n\t- b\n", ("yaml-tab", 2, 1)),
        ("a: b: c\n", ("yaml-syntax", 1, 5)),
        ("a: [1, 2\n", ("yaml-syntax", 1, 4)),
        ("a: '\nb\n", ("yaml-syntax", 1, 4)),
        ("a: @x\n", ("yaml-syntax", 1, 4)),
        ('a: "\\0"\n', ("yaml-character", 1, 4)),
        ("a: " + "[" * 70 + "]" * 70 + "\n", ("yaml-depth", 1, 68)),
    ],
)
def test_errors(text: str, problem: tuple[str, int, int], parser: str) -> None:
    _, problems = read(text, parser)
    code, line, column = problem
    assert [(found, at) for found, at, _ in problems] == [(code, line)]
    if parser == "libyaml" and code != "yaml-depth":
        assert problems[0][2] == column


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"a: b\n\x00c: d\n", ("yaml-character", 2, 1)),
        (b"a: \x1b[31m\n", ("yaml-character", 1, 4)),
        (b"a: b\r\nc: \x7f\n", ("yaml-character", 2, 4)),
        ("a: x\ufeffy\n".encode(), ("yaml-character", 1, 5)),
        ("a: x\u2028y\n".encode(), ("yaml-character", 1, 5)),
        ("é: \x85\n".encode(), ("yaml-character", 1, 4)),
        (b"a: b\nc: \xff\n", ("yaml-encoding", 2, 4)),
        (b"a: \xed\xa0\x80\n", ("yaml-encoding", 1, 4)),
        ("a: b\n".encode("utf-16"), ("yaml-encoding", 1, 1)),
        (b"a: " + b"x" * 2**20, ("file-too-large", 1, 1)),
    ],
)
def test_bytes_that_are_no_text(data: bytes, problem: tuple[str, int, int]) -> None:
    assert read(data) == (None, [problem])


def test_a_byte_order_mark_in_front_is_dropped() -> None:
    got, problems = read(b"\xef\xbb\xbfa: b\n")
    assert problems == []
    assert got is not None
    assert got.value == {"a": "b"}
    assert got.key_span(("a",)).column == 1


def test_all_problems_but_those_of_grammar_come_together() -> None:
    _, problems = read("a: .inf\na: !!str x\n2: y\nb: &b [*b]\n")
    assert [code for code, _, _ in problems] == ["yaml-number", "duplicate-key", "yaml-key", "yaml-alias"]


def test_aliases_that_expand_without_end_are_cut_short(parser: str) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    _, problems = read("\n".join(lines), parser)
    assert [code for code, _, _ in problems] == ["yaml-alias"]


def test_merges_that_expand_without_end_are_cut_short() -> None:
    base = ", ".join(f"k{n}: 1" for n in range(1000))
    text = f"b: &b {{{base}}}\n" + "".join(f"m{n}: {{<<: *b}}\n" for n in range(500))
    assert [code for code, _, _ in read(text)[1]] == ["yaml-alias"]


@pytest.mark.parametrize("text", ["[" * 500_000, "- " * 500_000, "{a: " * 250_000, "? " * 500_000])
def test_depth_cannot_exhaust_a_stack(text: str) -> None:
    assert [code for code, _, _ in read(text)[1]] == ["yaml-depth"]


def test_64_levels_are_read_and_65_are_not(parser: str) -> None:
    assert read("[" * 64 + "]" * 64, parser)[1] == []
    assert [code for code, _, _ in read("[" * 65 + "]" * 65, parser)[1]] == ["yaml-depth"]


def test_spans_point_at_keys_and_values() -> None:
    got, _ = read("agents:\n  build:\n    command: [make, 'all']\n    env: {A: \"x\"}\nb: |\n  text\n")
    assert got is not None
    lines = source.split_lines(got.text)

    def text_at(span_of: str, *path: str | int) -> str:
        span = getattr(got, span_of)(path)
        assert span.line == span.end_line
        return lines[span.line - 1][span.column - 1 : span.end_column - 1]

    assert text_at("key_span", "agents", "build") == "build"
    assert text_at("value_span", "agents", "build", "command") == "[make, 'all']"
    assert text_at("value_span", "agents", "build", "command", 1) == "'all'"
    assert text_at("key_span", "agents", "build", "env", "A") == "A"
    assert text_at("value_span", "agents", "build", "env", "A") == '"x"'
    assert text_at("value_span", "b") == "|"
    assert text_at("key_span", "agents", "nope") == "agents", "what is not there is at what should hold it"


def test_merged_keys_have_the_place_of_the_merged_map() -> None:
    got, _ = read("x: &x {p: 1}\na: {<<: *x, q: 2}\n")
    assert got is not None
    assert got.key_span(("a", "p")).line == 1
    assert got.key_span(("a", "q")).line == 2


def test_parse_value_is_as_strict() -> None:
    assert parse_value(b"- text: hi\n- delay: 1s\n", file="s.yaml") == ([{"text": "hi"}, {"delay": "1s"}], ())
    value, problems = parse_value(b"a: 1\na: 2\n", file="s.yaml")
    assert [item.code for item in problems] == ["duplicate-key"]
    assert value == {"a": 1}

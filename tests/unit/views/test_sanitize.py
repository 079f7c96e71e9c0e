"""What an agent prints cannot steer the terminal, however it is cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.views.sanitize import LONGEST, Stream, cell, clean

STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

PIECES = st.sampled_from(
    [
        "\x1b",
        "\x1b[",
        "\x1b[31m",
        "\x1b]0;title\x07",
        "\x1b]8;;http://x\x1b\\",
        "\x1bPq#0\x1b\\",
        "\x1bc",
        "\x9b2J",
        "\x90dcs\x9c",
        "\\",
        "m",
        "[",
        "]",
        ";",
        "0",
        "\r",
        "\n",
        "\r\n",
        "\t",
        "\x00",
        "\x07",
        "\x08",
        "\u202e",
        "\u2066",
        "\x85",
        "é",
        "漢",
        "text",
    ]
)
HOSTILE = st.one_of(st.lists(PIECES, max_size=30).map("".join), st.text(max_size=60))


def in_pieces(data: bytes, cuts: list[int]) -> str:
    stream = Stream()
    out = []
    places = sorted({min(cut, len(data)) for cut in cuts})
    for start, end in zip([0, *places], [*places, len(data)], strict=True):
        out.append(stream.feed(data[start:end]))
    return "".join(out) + stream.close()


@given(st.one_of(HOSTILE, st.text(st.characters(codec=None, categories=None), max_size=40)))
def test_nothing_that_steers_is_left(text: str) -> None:
    assert not STEERING.search(clean(text))
    shown = cell(text)
    assert not STEERING.search(shown)
    assert "\n" not in shown
    assert "\t" not in shown


@settings(max_examples=400)
@given(HOSTILE.map(lambda text: text.encode()), st.lists(st.integers(0, 200), max_size=12))
def test_cut_anywhere_it_comes_out_the_same(data: bytes, cuts: list[int]) -> None:
    whole = in_pieces(data, [])
    assert in_pieces(data, cuts) == whole
    assert in_pieces(data, list(range(len(data)))) == whole
    assert not STEERING.search(whole)


@given(st.binary(max_size=80), st.lists(st.integers(0, 80), max_size=8))
def test_bytes_that_are_no_text_do_not_matter(data: bytes, cuts: list[int]) -> None:
    assert in_pieces(data, cuts) == in_pieces(data, [])


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=200))
def test_plain_text_is_untouched(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("\x1b]0;owned\x07ok", "ok"),
        ("\x1b]52;c;c2VjcmV0\x1b\\ok", "ok"),
        ("\x1b]8;;http://evil\x1b\\text\x1b]8;;\x1b\\", "text"),
        ("\x1bP1$r\x1b\\ok", "ok"),
        ("\x9b31mok", "ok"),
        ("\x9d0;t\x9cok", "ok"),
        ("\x1bc\x1b7ok", "ok"),
        ("10%\r20%\r\n", "10%\n20%\n"),
        ("a\x00b\x07c", "a␀b␇c"),
        ("a\x08b\x7f", "a␈b␡"),
        ("\x85", "\\x85"),
        ("user\u202etxt.exe", "user<U+202E>txt.exe"),
        ("\udc80", "\ufffd"),
        ("tab\tand é 漢", "tab\tand é 漢"),
        ("\x1b[31", "␛[31"),
        ("\x1b]0;never ended\nnext line", "\nnext line"),
    ],
)
def test_examples(printed: str, shown: str) -> None:
    assert clean(printed) == shown


def test_an_endless_sequence_swallows_only_so_much() -> None:
    text = "\x1b]0;" + "x" * (LONGEST * 3)
    assert len(clean(text)) == LONGEST * 2 + len("0;")
    stream = Stream()
    held = "".join(stream.feed(b"\x1b]0;" if n == 0 else b"x" * 1000) for n in range(50))
    assert len(held) > 40_000


def test_a_cell_is_one_line() -> None:
    assert cell("a\nb\tc\n") == "a⏎b c"

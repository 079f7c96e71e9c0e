"""Output lines: the same however the bytes are cut, and never more than so much held."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from teamflow.views.logs import LONGEST, Interleaved, OutputLines, last_line, tail_lines


@given(st.binary(max_size=120), st.lists(st.integers(0, 120), max_size=10))
def test_lines_do_not_depend_on_the_cuts(data: bytes, cuts: list[int]) -> None:
    def lines(places: list[int]) -> list[str]:
        output = OutputLines("s | ")
        found = []
        for start, end in zip([0, *places], [*places, len(data)], strict=True):
            found += output.feed(data[start:end])
        return found + output.close()

    assert lines(sorted(min(cut, len(data)) for cut in cuts)) == lines([])


def test_a_line_without_end_is_cut_and_little_is_held() -> None:
    output = OutputLines()
    total = 0
    for _ in range(100):
        for line in output.feed(b"x" * 10_000):
            assert len(line) == LONGEST
            total += len(line)
    total += sum(map(len, output.close()))
    assert total == 1_000_000


def test_steps_are_told_apart_and_cannot_forge_a_prefix() -> None:
    output = Interleaved()
    lines = output.feed("a", b"one\ntw") + output.feed("b\x1b[2J", b"x\ry\n") + output.feed("a", b"o\n")
    assert lines == ["a | one", "b | x", "b | y", "a | two"]
    output.feed("c", b"rest")
    assert output.close("c") == ["c | rest"]
    assert output.close("never") == []


def test_tails() -> None:
    assert tail_lines("") == []
    assert tail_lines("\n\n") == []
    assert tail_lines("".join(f"{n}\n" for n in range(30))) == [str(n) for n in range(10, 30)]
    assert tail_lines("a\x1b[31mb\n") == ["ab"]
    assert last_line("first\nlast \x1b[0m\n\n  \n") == "last"
    assert last_line("\n") == ""
    assert last_line("10%\r20%\r") == "20%"

"""Lines out of any chunks, and what a line may be."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamflow.keeper import wire

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.text(), values, max_size=5)


@given(objects)
def test_a_line_comes_back_as_it_was(value: dict[str, object]) -> None:
    line = wire.line(value)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert wire.decode(line[:-1]) == value == json.loads(line)


@given(objects)
def test_what_json_writes_is_read(value: dict[str, object]) -> None:
    assert wire.decode(json.dumps(value, ensure_ascii=False).encode()) == value
    assert wire.decode(b" " + json.dumps(value, indent=None).encode() + b" ") == value


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_malformed(data: bytes) -> None:
    try:
        assert isinstance(wire.decode(data), dict)
    except wire.Malformed:
        pass


@pytest.mark.parametrize(
    "line", [b"", b" ", b"{", b'{"a":1}{', b'{"a":1} 2', b"[1]", b"1", b'"x"', b'{"a":NaN}', b'{"a":1,}', b"{1:2}"]
)
def test_what_is_not_one_object_is_malformed(line: bytes) -> None:
    with pytest.raises(wire.Malformed):
        wire.decode(line)


def test_nesting_without_end_is_malformed() -> None:
    with pytest.raises(wire.Malformed):
        wire.decode(b'{"a":' + b"[" * 200_000)


def test_bytes_pass_through_as_surrogates() -> None:
    assert wire.decode(wire.line({"p": "a\udcff"})[:-1]) == {"p": "a\udcff"}


@given(st.lists(st.binary(max_size=8).filter(lambda line: b"\n" not in line)), st.data())
def test_lines_do_not_depend_on_where_chunks_are_cut(lines: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(line + b"\n" for line in lines) + b"rest"
    reader = wire.Lines()
    found: list[bytes] = []
    at = 0
    while at < len(whole):
        size = data.draw(st.integers(1, len(whole) - at))
        found += reader.feed(whole[at : at + size])
        at += size
    assert found == lines
    assert reader.feed(b"\n") == [b"rest"]


def test_a_line_without_end_is_refused() -> None:
    reader = wire.Lines()
    for _ in range(wire.MAX_LINE >> 20):
        assert reader.feed(b"x" * (1 << 20)) == []
    with pytest.raises(wire.Malformed):
        reader.feed(b"x")


def test_the_slow_way_is_the_same() -> None:
    scan, encode = wire._slow()
    assert encode({"a": [1, None, "é"]}) == wire.encode({"a": [1, None, "é"]})
    assert scan('{"a":1}', 0) == ({"a": 1}, 7)

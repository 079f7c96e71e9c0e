"""JSON lines in and out: what one line means and where lines end; knows no socket and no operation.

The C halves of `json` are used directly, because importing `json` costs as much as starting Python does.
"""

MYPY = False
if MYPY:
    from typing import Any, Callable


class Malformed(ValueError):
    """A line that is not one JSON object in UTF-8, or that is longer than `MAX_LINE`."""


MAX_LINE = 64 << 20


def _refuse(what: str) -> float:
    raise ValueError("no such number in JSON: " + what)


class _Scan:
    """The settings that the C scanner reads off its context."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_refuse)
    memo: "dict[str, str]" = {}  # noqa: RUF012 (the C scanner wants the attribute)


def _slow() -> "tuple[Callable[[str, int], tuple[Any, int]], Callable[[Any], str]]":
    import json

    scan = json.JSONDecoder(parse_constant=_refuse).raw_decode
    return scan, json.JSONEncoder(separators=(",", ":")).encode


def _fast() -> "tuple[Callable[[str, int], tuple[Any, int]], Callable[[Any], str]]":
    import _json

    def unknown(value: object) -> object:
        raise TypeError("not JSON: %r" % (value,))

    scan: "Any" = _json.make_scanner(_Scan)  # type: ignore[arg-type]
    text, no = _json.encode_basestring_ascii, False
    chunks = _json.make_encoder(None, unknown, text, None, ":", ",", no, no, not no)
    join = "".join

    def encode(value: "Any") -> str:
        return join(chunks(value, 0))

    # A look at whether this Python's private halves are what we take them for.
    if scan('{"a":[1,"b"]}', 0)[0] != {"a": [1, "b"]} or encode({"a": [1.5, None]}) != '{"a":[1.5,null]}':
        raise ImportError("the C halves of json differ")
    return scan, encode


try:
    _scan, encode = _fast()
except (ImportError, AttributeError, TypeError):
    _scan, encode = _slow()


def decode(line: bytes) -> "dict[str, Any]":
    """The object on one line (without its newline); Malformed if it is none."""
    try:
        text = line.decode().strip()
        value, end = _scan(text, 0)
    except (ValueError, StopIteration, RecursionError, SystemError) as error:
        # SystemError: the C scanner takes its exception from json.decoder, which is not imported.
        raise Malformed(str(error) or "not JSON") from None
    if end != len(text):
        raise Malformed("more than one value on a line")
    if type(value) is not dict:
        raise Malformed("not an object")
    return value


def line(value: "dict[str, Any]") -> bytes:
    """One object as a line, newline included, ASCII only."""
    return encode(value).encode() + b"\n"


class Lines:
    """Whole lines out of chunks that are cut anywhere."""

    __slots__ = ("_parts", "_size")

    def __init__(self) -> None:
        self._parts: "list[bytes]" = []
        self._size = 0

    def feed(self, chunk: bytes) -> "list[bytes]":
        """The lines that this chunk completes, without newlines; Malformed if one grows over MAX_LINE."""
        found = chunk.split(b"\n")
        last = found.pop()
        if found and self._parts:
            self._parts.append(found[0])
            found[0] = b"".join(self._parts)
            self._parts = []
            self._size = 0
        if last:
            self._parts.append(last)
            self._size += len(last)
            if self._size > MAX_LINE:
                raise Malformed("a line of more than %d bytes" % MAX_LINE)
        return found

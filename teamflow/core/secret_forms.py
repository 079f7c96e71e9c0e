"""How a secret may be written: each character in each of its spellings, in any mixture. Pure.

Decides which encodings are known: percent (URLs and forms), JSON, shell quoting, the first two twice over, and base64
of something that the value lies in. Knows no text that is searched.
"""

from __future__ import annotations

from binascii import b2a_base64
from functools import lru_cache
from typing import Final

from teamflow.core.form import SHORTEST, Form, Spellings

_LINE: Final = 16
"""Characters of a line of a value that is looked for by itself."""

_ARMOR: Final = "-----"
"""What the first and the last line of a PEM begin with: public words, and everybody's."""

_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")
"""What no encoder writes in another way."""

_NAMED: Final = {"\b": "b", "\t": "t", "\n": "n", "\f": "f", "\r": "r"}


def forms(value: str) -> set[Form]:
    """Every way in which a value, or a long line of it, may turn up. Space around it does not count."""
    lines = [line.strip() for line in value.splitlines()]
    long = [line for line in lines if len(line) >= _LINE and not line.startswith(_ARMOR)]
    found: set[Form] = set()
    for part in (value.strip(), *(long if len(lines) > 1 else ())):
        if len(part) >= SHORTEST:
            found.add(tuple(map(_spellings, part)))
            found.update(tuple(map(_base64_spellings, core)) for core in _base64(_encoded(part)))
    return found


def _encoded(text: str) -> bytes:
    """As the operating system had it where the text came from there."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


@lru_cache(maxsize=1024)
def _spellings(char: str) -> Spellings:
    raw = _encoded(char)
    if char in _PLAIN:
        return (raw,)
    found = {raw, char.encode("utf-8", "surrogatepass"), *_percent(raw)}
    json = {*_json(char)}
    json |= {twice.replace(b"\\", b"\\\\").replace(b'"', b'\\"') for twice in (raw, *json)}
    found |= json
    match char:
        case " ":
            found.add(b"+")
        case "\n":
            found |= {b"\r\n", rb"\r\n", rb"\\r\\n", b"%0D%0A", b"%0d%0a"}
        case "'":
            found |= {b"'\\''", b"'\"'\"'"}
    if not char.isprintable():
        found.add("\N{REPLACEMENT CHARACTER}".encode())  # where it is made visible
    elif char.isascii():
        found.add(b"\\" + raw)  # a shell's word without quotes
    return tuple(sorted(found))


def _percent(raw: bytes) -> set[bytes]:
    upper, lower = (b"".join(b"%" + b"%02X" % byte if big else b"%%%02x" % byte for byte in raw) for big in (1, 0))
    return {form.replace(b"%", percent) for form in (upper, lower) for percent in (b"%", b"%25")}


def _json(char: str) -> set[bytes]:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    numbers = [units[at : at + 4] for at in range(0, len(units), 4)]
    found = {"".join(f"\\u{number}" for number in case) for case in (numbers, map(str.upper, numbers))}
    if char in _NAMED:
        found.add(f"\\{_NAMED[char]}")
    elif char in '"\\/':
        found.add(f"\\{char}")
    return {form.encode() for form in found}


def _base64(raw: bytes) -> set[str]:
    """What base64 makes of the value at each of the three places where it may start within something longer."""
    found: set[str] = set()
    for before in range(3):
        text = b2a_base64(bytes(before) + raw, newline=False).decode().rstrip("=")
        # The first characters depend on what stands before, the last one may on what follows.
        start = (0, 2, 3)[before]
        end = len(text) - (1 if (before + len(raw)) % 3 else 0)
        found.add(text[start:end])
    return found


def _base64_spellings(char: str) -> Spellings:
    """Base64 may stand in JSON and in URLs as well, and has two alphabets."""
    match char:
        case "+":
            return (*_spellings(char), b"-")
        case "/":
            return (*_spellings(char), b"_")
    return _spellings(char)

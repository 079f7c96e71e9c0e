"""What a plain YAML scalar means: the core schema of YAML 1.2, and nothing of 1.1.

So `on`, `yes`, `off`, `22:22`, `1_000` are text, `0755` is 755 and `0o755` is 493. Refuses to know keys.
"""

from __future__ import annotations

import re

Scalar = bool | int | float | str | None

_WORDS: dict[str, Scalar] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INT = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z")
_LONGEST_INT = 20
_INT64 = 2**63

STARTS = frozenset("-+.0123456789~ntfNTF")
"""First characters of plain scalars that may be something other than text; the empty one is null."""


class BadNumber(ValueError):
    """A number that no JSON reader could take back."""


def plain(text: str) -> Scalar:
    """The value of a plain scalar. Raises BadNumber for inf, nan and integers outside 64 bits."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return _integer(text, base=10)
    if _OCTAL.match(text):
        return _integer(text, base=8)
    if _HEX.match(text):
        return _integer(text, base=16)
    if _NOT_FINITE.match(text):
        raise BadNumber("infinity and not-a-number are not values here")
    if _FLOAT.match(text):
        number = float(text) if len(text) < 400 else float("inf")
        if number in (float("inf"), float("-inf")):
            raise BadNumber("this number is too large")
        return number
    return text


def _integer(text: str, *, base: int) -> int:
    digits = text.lstrip("+-").removeprefix("0o").removeprefix("0x").lstrip("0")
    number = int(text, base) if len(digits) <= _LONGEST_INT + 4 * (base == 8) else _INT64
    if not -_INT64 <= number < _INT64:
        raise BadNumber("this number does not fit into 64 bits")
    return number

"""Durations, sizes and counts: how the small texts of the team file become numbers.

Decides spelling and units only; refuses to know which key asks. Each parser raises ValueError with a
message that names the accepted spelling.
"""

from __future__ import annotations

import re

from teamflow.core.plan import LONGEST_DURATION

DURATION = r"^([0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h|d)){1,5}$"
SIZE = r"^[0-9]{1,12}(\.[0-9]{1,6})?(B|kB|KB|KiB|MB|MiB|GB|GiB|TB|TiB)$"
COUNT = r"^[0-9]{1,12}(\.[0-9]{1,6})?(k|M)$"

_DURATION = re.compile(DURATION[:-1] + r"\Z")
_SIZE = re.compile(SIZE[:-1] + r"\Z")
_COUNT = re.compile(COUNT[:-1] + r"\Z")
_PART = re.compile(r"([0-9.]+)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "KiB": 2**10,
    "MB": 10**6,
    "MiB": 2**20,
    "GB": 10**9,
    "GiB": 2**30,
    "TB": 10**12,
    "TiB": 2**40,
}


def parse_duration(value: object) -> float:
    """Seconds of `500ms`, `90s`, `10m`, `2h`, `2d` or several in a row (`1h30m`)."""
    if isinstance(value, str) and _DURATION.match(value):
        seconds = float(sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(value)))
        if seconds > LONGEST_DURATION:
            raise ValueError(f"a duration is at most {LONGEST_DURATION / 86_400:g}d")
        return seconds
    raise ValueError("a duration is a number with a unit: 500ms, 90s, 10m, 2h, 2d")


def parse_size(value: object) -> int:
    """Bytes of `64KiB`, `5GB`: powers of 1024 with the i, of 1000 without."""
    if isinstance(value, str) and _SIZE.match(value):
        unit = value.lstrip("0123456789.")
        return round(float(value[: -len(unit)]) * _BYTES[unit])
    raise ValueError("a size is a number with a unit: 512B, 64KiB, 5GB")


def parse_count(value: object) -> int:
    """A whole number of 0 or more, also as `500k` or `4M`."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and _COUNT.match(value):
        return round(float(value[:-1]) * (1_000 if value[-1] == "k" else 1_000_000))
    raise ValueError("a count is a whole number, or one with k or M: 500, 200k, 4M")


def show_duration(seconds: float) -> str:
    """The shortest spelling that means `seconds` again: 5400.0 is `90m`."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"

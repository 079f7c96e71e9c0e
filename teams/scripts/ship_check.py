"""The check that ship.yaml runs on what its agents wrote: `ship_check.py PART`. PYTHONPATH leads to the modules."""

from __future__ import annotations

import importlib
import sys

CASES = {
    "slug": (("Two Words",), "two-words"),
    "wrap": (("abcdefgh", 3), ["abc", "def", "gh"]),
    "count": (("a b  c",), 3),
}


def main(part: str) -> int:
    arguments, expected = CASES[part]
    got = getattr(importlib.import_module(part), part)(*arguments)
    if got != expected:
        print(f"{part}{arguments} gave {got!r}, expected {expected!r}")
        return 1
    print(f"{part}: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""The review of review-loop.yaml: `review_loop_check.py DIRECTORY` tries roman.py there and prints its verdict."""

from __future__ import annotations

import json
import sys

CASES = {1: "I", 4: "IV", 9: "IX", 14: "XIV", 40: "XL", 94: "XCIV"}


def main(directory: str) -> int:
    sys.path.insert(0, directory)
    sys.dont_write_bytecode = True
    from roman import roman

    wrong = [f"roman({n}) is {roman(n)}, not {right}" for n, right in CASES.items() if roman(n) != right]
    print(json.dumps({"approved": not wrong, "findings": "\n".join(wrong) or "all numerals are right"}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

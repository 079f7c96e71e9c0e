"""The review of feature.yaml: `feature_review.py MODULE` tries numerals/MODULE.py and prints its verdict."""

from __future__ import annotations

import importlib
import json
import sys

CASES = {
    "roman": {1: "I", 4: "IV", 9: "IX", 14: "XIV", 40: "XL", 94: "XCIV"},
    "ordinal": {1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 21: "21st", 113: "113th"},
}


def main(module: str) -> int:
    sys.path.insert(0, "numerals")
    sys.dont_write_bytecode = True
    function = getattr(importlib.import_module(module), module)
    wrong = [
        f"{module}({n}) is {function(n)}, not {right}" for n, right in CASES[module].items() if function(n) != right
    ]
    print(json.dumps({"approved": not wrong, "findings": "\n".join(wrong) or "it is right"}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

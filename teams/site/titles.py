"""The titles of pages of docs/: `titles.py NAME...` prints `{"titles": {name: title}}`."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def title(name: str) -> str:
    """The first heading of docs/NAME.md, else the name."""
    text = Path("docs", f"{name}.md").read_text(encoding="utf-8")
    return next((line[2:].strip() for line in text.splitlines() if line.startswith("# ")), name)


if __name__ == "__main__":
    print(json.dumps({"titles": {name: title(name) for name in sys.argv[1:]}}))

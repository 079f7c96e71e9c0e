"""Every link from the index leads to a page: `links.py DIRECTORY`."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def main(directory: str) -> int:
    linked = re.findall(r'href="([^"]+)"', Path(directory, "index.html").read_text(encoding="utf-8"))
    dead = [name for name in linked if not Path(directory, name).is_file()]
    print(f"{len(linked)} links, dead: {', '.join(dead) or 'none'}")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

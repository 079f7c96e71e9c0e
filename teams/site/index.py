"""The index of the site: `index.py TARGET`; $TITLES holds `{name: title}` as JSON."""

from __future__ import annotations

import html
import json
import os
import sys
from pathlib import Path


def main(target: str) -> None:
    titles: dict[str, str] = json.loads(os.environ["TITLES"])
    items = "\n".join(f'<li><a href="{name}.html">{html.escape(title)}</a>' for name, title in titles.items())
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    page = f"<!doctype html>\n<meta charset=utf-8>\n<title>teamflow</title>\n<ul>\n{items}\n</ul>\n"
    Path(target).write_text(page, encoding="utf-8")
    print(f"{len(titles)} pages")


if __name__ == "__main__":
    main(sys.argv[1])

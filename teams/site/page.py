"""One page of Markdown to one of HTML: `page.py SOURCE TARGET`. Prints how many words it has.

Knows as much Markdown as a demonstration needs: headings, paragraphs, code blocks, code, links.
"""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path


def main(source: str, target: str) -> None:
    text = Path(source).read_text(encoding="utf-8")
    title = next((line[2:].strip() for line in text.splitlines() if line.startswith("# ")), Path(source).stem)
    page = f"<!doctype html>\n<meta charset=utf-8>\n<title>{html.escape(title)}</title>\n{body(text)}\n"
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(page, encoding="utf-8")
    print(f"{len(text.split())} words")


def body(text: str) -> str:
    """Headings, code blocks and paragraphs of `text` as HTML."""
    parts = []
    for block in re.split(r"(?ms)(^```.*?^```$)|\n{2,}", text):
        if not block or not block.strip():
            continue
        if block.startswith("```"):
            code = block.partition("\n")[2].removesuffix("```")
            parts.append(f"<pre>{html.escape(code)}</pre>")
        elif heading := re.match(r"(#{1,6}) (.*)", block):
            level = len(heading[1])
            parts.append(f"<h{level}>{inline(heading[2])}</h{level}>")
        else:
            parts.append(f"<p>{inline(block.strip())}</p>")
    return "\n".join(parts)


def inline(text: str) -> str:
    """Code and links; a link to a page beside this one leads to its HTML."""
    escaped = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
    return re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", _link, escaped)


def _link(match: re.Match[str]) -> str:
    text, target = match.groups()
    if "/" not in target:
        target = target.replace(".md", ".html")
    return f'<a href="{target}">{text}</a>'


if __name__ == "__main__":
    main(*sys.argv[1:])

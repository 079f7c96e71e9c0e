"""The code blocks of a page, and what its author promises of each. Runs nothing.

A block's info string begins with its language. `no-run: reason` behind it says that the block cannot be run, and why.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_NO_RUN = re.compile(r"no-run:\s*(.*)")
_NAME = re.compile(r"# ([\w./-]+\.(?:yaml|yml|md|env))$")


class Block(NamedTuple):
    """`line`: of its fence, from 1. `reason`: why it is not run; empty: it is."""

    page: str
    line: int
    language: str
    reason: str | None
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def name(self) -> str | None:
        """The file that the block is, by the comment in its first line."""
        found = _NAME.match(self.text.split("\n", 1)[0])
        return found[1] if found else None


class Call(NamedTuple):
    """A command behind a `$ ` prompt with the output shown under it. None: no output is shown, so none is compared."""

    command: str
    code: int
    expected: list[str] | None


def blocks(page: Path, *, root: Path) -> list[Block]:
    found: list[Block] = []
    fence = ""
    lines: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").split("\n"), 1):
        if not fence:
            if opened := re.match(r"(`{3,})\s*(\S*)\s*(.*)$", line):
                fence, lines = opened[1], []
                reason = _NO_RUN.match(opened[3])
                start = (number, opened[2], reason[1].strip() if reason else None)
        elif line.strip() == fence:
            found.append(Block(str(page.relative_to(root)), *start, "\n".join(lines)))
            fence = ""
        else:
            lines.append(line)
    if fence:
        raise ValueError(f"{page}: a block is never closed")
    return found


def calls(block: Block) -> list[Call]:
    """The commands of a `sh` block; ValueError when its first line is no prompt. `# exit N` tells their exit codes."""
    result: list[Call] = []
    for line in block.text.split("\n"):
        if line.startswith("$ "):
            code = re.search(r"#\s*exit (\d+)", line)
            result.append(Call(line[2:], int(code[1]) if code else 0, None))
        elif not result:
            raise ValueError(
                f"{block.place}: begins without a prompt; write `$ COMMAND`, or no-run: REASON behind `sh`"
            )
        else:
            shown = result[-1].expected or []
            result[-1] = result[-1]._replace(expected=[*shown, line])
    return result


def agrees(expected: list[str], got: str) -> bool:
    """Line by line, whatever the figures and the blanks; a line `…` stands for any number of lines."""
    pattern = "".join("(?:[^\n]*\n)*?" if line.strip() == "…" else re.escape(loose(line)) + "\n" for line in expected)
    return re.fullmatch(pattern, "".join(f"{loose(line)}\n" for line in got.rstrip("\n").split("\n"))) is not None


def loose(line: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"\d+(?:[.:]\d+)*", "0", line)).strip()

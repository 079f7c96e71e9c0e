"""docs/engines.md is true: its YAML loads, its table is that of the code. To renew the table, run this file."""

from __future__ import annotations

import re
from pathlib import Path

from teamflow.core.script import ACTIONS, check_script, compile_script
from teamflow.engines.registry import ENGINES
from teamflow.team.load import load
from teamflow.team.source import parse_value

PAGE = Path(__file__).parents[3] / "docs" / "engines.md"
HEAD = "| action | takes | what happens |\n|---|---|---|\n"


def table() -> str:
    rows = []
    for word, action in ACTIONS.items():
        takes = action.takes.shape if action.takes else "actions by number" if word == "attempt" else ""
        rows.append(f"| `{word}` | {takes} | {action.does} |\n")
    return "".join(rows)


def files() -> dict[str, bytes]:
    """The YAML blocks by the path in their first line."""
    found = re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(found) == PAGE.read_text(encoding="utf-8").count("```yaml")
    return {name: body.encode() for name, body in found}


class Blocks:
    def __init__(self, blocks: dict[str, bytes]) -> None:
        self.blocks = blocks

    def read(self, path: str) -> bytes:
        if path not in self.blocks:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.blocks[path]


def test_the_table_is_that_of_the_code() -> None:
    assert HEAD + table() + "\n" in PAGE.read_text(encoding="utf-8")


def test_scripts_can_be_played() -> None:
    scripts = {name: body for name, body in files().items() if name.startswith("scripts/")}
    assert scripts
    for name, body in scripts.items():
        data, problems = parse_value(body, file=name)
        assert not problems
        assert check_script(data) == []
        for attempt in range(1, 5):
            assert compile_script(data, attempt=attempt)


def test_the_team_file_loads() -> None:
    loaded = load("team.yaml", sources=Blocks(files()))
    assert list(loaded.diagnostics) == []
    assert loaded.team is not None


def test_every_engine_is_on_the_page() -> None:
    assert set(re.findall(r"^\| `([a-z]+)` \| `", PAGE.read_text(encoding="utf-8"), re.MULTILINE)) == set(ENGINES)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(HEAD)
    PAGE.write_text(before + HEAD + table() + rest[rest.index("\n\n") + 1 :], encoding="utf-8")

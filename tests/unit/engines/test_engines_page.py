"""docs/engines.md is true: its YAML loads, its tables are those of the code. To renew that of the actions, run this
file; the others are made by tests/docs/generated.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from teamflow.core.capabilities import TOOL_PATIENCE
from teamflow.core.script import ACTIONS, check_script, compile_script
from teamflow.engines.provider import KINDS
from teamflow.engines.registry import BUILT_IN, ENGINES
from teamflow.run.stalls import MOST_REPEATS, MOST_RETRIES
from teamflow.team.load import load
from teamflow.team.source import parse_value
from tests.docs.blocks import blocks
from tests.fakes import clis

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "engines.md"
HEAD = "| action | takes | what happens |\n|---|---|---|\n"
TEXT = PAGE.read_text(encoding="utf-8")
TEAMS = ("team.yaml", "own.yaml", "clis.yaml", "crew.yaml", "local.yaml")


def table() -> str:
    rows = []
    for word, action in ACTIONS.items():
        takes = action.takes.shape if action.takes else "actions by number" if word == "attempt" else ""
        rows.append(f"| `{word}` | {takes} | {action.does} |\n")
    return "".join(rows)


def files() -> dict[str, bytes]:
    """The YAML blocks by the path in their first line; each has one."""
    found = [block for block in blocks(PAGE, root=ROOT) if block.language == "yaml"]
    names = [re.match(r"# (\S+)\n", block.text) for block in found]
    return {name[1]: block.text.encode() for name, block in zip(names, found, strict=True) if name is not None}


class Blocks:
    def __init__(self, given: Mapping[str, bytes]) -> None:
        self.given = given

    def read(self, path: str) -> bytes:
        if path not in self.given:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.given[path]


def test_the_table_is_that_of_the_code() -> None:
    assert HEAD + table() + "\n" in TEXT


def test_scripts_can_be_played() -> None:
    scripts = {name: body for name, body in files().items() if name.startswith("scripts/")}
    assert scripts
    for name, body in scripts.items():
        data, problems = parse_value(body, file=name)
        assert not problems
        assert check_script(data) == []
        for attempt in range(1, 5):
            assert compile_script(data, attempt=attempt)


@pytest.mark.parametrize("name", TEAMS)
def test_the_team_files_load(name: str) -> None:
    text = files()[name].decode()
    alone = text if "agents:" in text else f"{text}\nagents: {{a: {{command: x}}}}\n"
    loaded = load(name, sources=Blocks({**files(), name: alone.encode()}))
    assert list(loaded.diagnostics) == []
    assert loaded.team is not None


def test_every_engine_is_on_the_page() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| `(?:command|prompt)", TEXT, re.MULTILINE)
    assert set(rows) == set(ENGINES)
    for name in BUILT_IN:
        assert f"- **{name}**: " in TEXT


def test_they_are_tested_with_what_is_installed_for_the_tests() -> None:
    versions = clis.versions()
    for name, can in BUILT_IN.items():
        assert can.tested == versions[can.program[0]], name


def test_the_figures_of_the_watchdogs() -> None:
    assert TOOL_PATIENCE == 3
    assert "three times as long while a tool runs" in TEXT
    assert f"more than {MOST_RETRIES} retries of a call of its model, or more than {MOST_REPEATS} equal" in TEXT


def test_the_classes_of_failures() -> None:
    rows = set(re.findall(r"^\| [^|]+ \| `(\w+)` \| ", TEXT.partition("engines/provider.py")[2], re.MULTILINE))
    assert {failure.value for failure in KINDS.values()} <= rows


if __name__ == "__main__":
    before, rest = TEXT.split(HEAD)
    PAGE.write_text(before + HEAD + table() + rest[rest.index("\n\n") + 1 :], encoding="utf-8")

"""What the pages say is true: their YAML is valid, their team files plan, their commands run and print what is shown.

Each page has a fresh project outside git.

- ```` ```yaml ````: a block whose first line is `# NAME.yaml` is that file of the page's project. One with `agents:` is
  a whole team file and is planned; without a name it has a project of its own. Others are parts of a team or of an
  agent, or scripts, and are validated in a team made around them.
- ```` ```sh ````: commands behind `$ `, run in order after all files of the page are written; `# exit N` tells an exit
  code other than 0. Output under a command is compared loosely (see `blocks.agrees`).
- ```` ```json ````: parsed. `text`, `mermaid`, `python` and blocks without a language: pictures.
- `no-run: REASON` behind the language: not run. There are few of these, and a test counts them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from teamflow.core.diagnostics import Diagnostics
from teamflow.engines.registry import BUILT_IN
from teamflow.team.model import Agent, Team
from teamflow.team.testfile import load_tests
from tests.docs.blocks import Block, agrees, blocks, calls
from tests.fakes.here import here

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SHOWN = ("", "text", "mermaid", "python", "json")
MOST_UNRUN = 5
PROGRAMS = {can.program[0]: can.tested for can in BUILT_IN.values() if can.program}
"""Agent CLIs that pages may name, with the versions that they would tell."""


def run(command: list[str], project: Path) -> subprocess.CompletedProcess[str]:
    path = f"{project.parent / 'bin'}:{os.environ['PATH']}"
    environ = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return subprocess.run(
        command,
        cwd=project,
        env={**environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory of its own, with `teamflow` on PATH beside it."""
    (tmp_path / "bin").mkdir()
    shim = tmp_path / "bin" / "teamflow"
    shim.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m teamflow "$@"\n', encoding="ascii")
    shim.chmod(0o755)
    for name, version in PROGRAMS.items():
        # For commands that only look whether they are there: pages show them as on a machine that has them.
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\necho {version}\n", encoding="ascii")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "page").mkdir()
    return tmp_path / "page"


def _pages() -> list[Any]:
    """The pages. Those with many commands take seconds, and wait for `--all`."""
    long = ("docs/cli.md", "docs/engines.md", "docs/testing.md")
    names = {page: str(page.relative_to(ROOT)) for page in PAGES}
    return [pytest.param(page, id=name, marks=pytest.mark.slow if name in long else ()) for page, name in names.items()]


@pytest.mark.parametrize("page", _pages())
def test_page(page: Path, project: Path) -> None:
    found = [block for block in blocks(page, root=ROOT) if block.reason is None]
    yamls = [block for block in found if block.language == "yaml"]
    for block in yamls:
        if block.name is not None:
            write(project, block.name, block.text)
    for number, block in enumerate(yamls):
        check_yaml(block, project, number)
    for block in found:
        if block.language == "sh":
            check_commands(block, project)
        elif block.language == "json":
            json.loads(block.text)
        else:
            assert block.language in (*SHOWN, "yaml"), f"{block.place}: nobody knows how to check {block.language}"


def write(project: Path, name: str, text: str) -> Path:
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def check_yaml(block: Block, project: Path, number: int) -> None:
    value = yaml.safe_load(block.text)
    if isinstance(value, dict) and "cases" in value:
        found = Diagnostics()
        tests = load_tests(block.text.encode(), file=block.place, found=found)
        assert tests is not None, list(found)
        return
    if isinstance(value, dict) and "agents" in value:
        team = project / (block.name or "")
        if block.name is None:
            team = write(project.parent / f"own{number}", "team.yaml", block.text)
        planned = read("plan", team, project)
    else:
        team = write(project, f"part{number}.yaml", json.dumps(around(value, block)))
        planned = read("validate", team, project)
        team.unlink()
    code, out, err = planned
    assert code == 0, f"{block.place}:\n{out}{err}"


def read(verb: str, team: Path, project: Path) -> tuple[int, str, str]:
    """What a verb that only reads says to a team file: its exit code, stdout and stderr."""
    place = team.parent if team.name == "team.yaml" and team.parent != project else project
    environ = {**os.environ, "PATH": f"{project.parent / 'bin'}:{os.environ['PATH']}"}
    return here(place, verb, str(team.relative_to(place)), env=environ)


def around(value: object, block: Block) -> dict[str, object]:
    """A team with this in it: a script, keys of a team, or keys of an agent."""
    if isinstance(value, list):
        assert block.name is not None, f"{block.place}: a script needs its name in the first line: # scripts/x.yaml"
        player = {"engine": "scripted", "script": block.name, "prompt": "x", "permissions": "read"}
        return {"agents": {"a": player}}
    assert isinstance(value, dict), f"{block.place}: neither a map nor a list"
    if set(value) <= names(Agent):
        work = {} if {"prompt", "command", "ask"} & set(value) else {"command": "true"}
        return {"agents": {"a": {**work, **value}}}
    assert set(value) <= names(Team), f"{block.place}: keys of neither a team nor an agent"
    return {**value, "agents": {"a": {"command": "true"}}}


def names(model: type[Agent] | type[Team]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def check_commands(block: Block, project: Path) -> None:
    for call in calls(block):
        done = run(["sh", "-c", call.command], project)
        assert done.returncode == call.code, f"{block.place}: {call.command}: exit {done.returncode}\n{done.stdout}"
        if call.expected is not None:
            shown = "\n".join(call.expected)
            assert agrees(call.expected, done.stdout), f"{block.place}: {call.command}\n{shown}\n-- got:\n{done.stdout}"


def test_few_blocks_are_not_run_and_each_says_why() -> None:
    unrun = [block for page in PAGES for block in blocks(page, root=ROOT) if block.reason is not None]
    assert all(block.reason for block in unrun), [block.place for block in unrun if not block.reason]
    assert len(unrun) <= MOST_UNRUN, [f"{block.place}: {block.reason}" for block in unrun]


def test_output_is_compared_loosely_but_compared() -> None:
    got = "run 7 of x: done after 1.25s\n  a\nb\nc\n"
    assert agrees(["run 1 of x: done after 0.1s", "…", "c"], got)
    assert agrees(["…"], got)
    assert not agrees(["run 1 of y: done after 0.1s", "…"], got)
    assert not agrees(["run 1 of x: done after 0.1s"], got)
    assert not agrees(["…", "b"], got)

"""Help: three examples first, every verb that is there and none that is not, and little to load for it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click
import pytest

from teamflow import __version__
from teamflow.cli.main import teamflow
from teamflow.cli.toplevel import GROUPS, VERBS, help_text
from tests.unit.cli.made import REPOSITORY, call, environment, process

NOT_VERBS = {
    "__init__", "main", "errors", "front", "output", "opened", "verb", "toplevel", "live", "screens", "showing",
    "keys", "keymap",
    "recorders",
    "quick", "acting", "answering", "arguments", "bell", "interrupts",
}  # fmt: skip


@pytest.mark.parametrize("name", VERBS)
def test_the_help_of_every_verb_opens_with_three_examples(tmp_path: Path, name: str) -> None:
    answer = call(tmp_path, name, "--help")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0] == "Examples:"
    assert all(line.startswith("  teamflow ") and "  # " in line for line in lines[1:4]), lines[1:4]
    assert lines[4] == ""
    assert lines[5].startswith(f"Usage: teamflow {name} ")


def test_every_verb_is_a_command_of_its_module() -> None:
    for verb in VERBS.values():
        command = getattr(importlib.import_module(f"teamflow.cli.{verb.module}"), verb.module)
        assert isinstance(command, click.Command)
        assert command.name == verb.name
    modules = {path.stem for path in (REPOSITORY / "teamflow" / "cli").glob("*.py")}
    assert modules - NOT_VERBS == {verb.module for verb in VERBS.values()}


def test_the_text_without_click_is_that_of_the_group(tmp_path: Path) -> None:
    context = click.Context(teamflow, info_name="teamflow", **teamflow.context_settings)
    assert teamflow.list_commands(context) == [verb.name for _, verbs in GROUPS for verb in verbs]
    assert teamflow.get_help(context) + "\n" == help_text()
    options = {name for parameter in teamflow.get_params(context) for name in parameter.opts}
    assert options == {"--version", "-h", "--help"}
    assert all(f"  {name}" in help_text() or f", {name}" in help_text() for name in options)
    assert call(tmp_path, "--help").out == help_text()
    assert call(tmp_path, "--version").out == f"teamflow {__version__}\n"
    assert all(len(line) <= 80 for line in help_text().splitlines())


def test_as_processes(tmp_path: Path) -> None:
    assert process(tmp_path, "--help") == (0, help_text(), "")
    assert process(tmp_path, "-h") == (0, help_text(), "")
    assert process(tmp_path, "--version") == (0, f"teamflow {__version__}\n", "")
    assert process(tmp_path).code == 2


@pytest.mark.parametrize("word", ["frobnicate", "stat", "statsu"])
def test_a_verb_that_is_not_there(tmp_path: Path, word: str) -> None:
    answer = call(tmp_path, word)
    assert answer.code == 2
    assert f"there is no verb '{word}'" in answer.err
    assert ("status" in answer.err) == (word != "frobnicate")


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("words", "not_loaded"),
    [
        (["--version"], {"click", "json", "dataclasses", "rich"}),
        (["--help"], {"click", "json", "dataclasses", "rich"}),
        (["status"], {"rich", "pydantic", "yaml", "networkx", "jinja2", "asyncio"}),
        (["logs"], {"rich", "pydantic", "yaml", "networkx", "jinja2", "asyncio"}),
        (["why", "x"], {"rich", "pydantic", "yaml", "networkx", "jinja2", "asyncio"}),
        (["runs"], {"rich", "pydantic", "yaml", "networkx", "jinja2", "asyncio"}),
        (["events"], {"rich", "pydantic", "yaml", "networkx", "jinja2", "asyncio"}),
        (["validate"], {"rich", "sqlite3", "asyncio"}),
        (["explain", "x"], {"rich", "pydantic", "yaml", "networkx", "sqlite3", "asyncio"}),
    ],
)
def test_a_verb_loads_only_what_it_uses(tmp_path: Path, words: list[str], not_loaded: set[str]) -> None:
    import subprocess

    script = (
        "import sys; sys.argv[0] = 'teamflow'\n"
        "from teamflow.__main__ import _main\n"
        "_main(sys.argv[1:]); sys.stdout = sys.__stderr__; print('\\n'.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=tmp_path, env=environment(), capture_output=True, timeout=30
    )
    loaded = {name.partition(".")[0] for name in done.stderr.decode().split()}
    assert "teamflow" in loaded, done.stderr
    assert not loaded & not_loaded

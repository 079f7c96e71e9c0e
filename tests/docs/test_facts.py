"""Tables of docs/operations.md that nobody generates are still true: exit codes, variables, fields of JSON."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from teamflow.app.launch import ENVIRONMENT, EXIT_CODES, USAGE
from teamflow.cli.acting import report
from teamflow.cli.errors import BROKEN_PIPE, INTERNAL, INTERRUPTED
from teamflow.cli.wait import TIMED_OUT
from teamflow.core.events import QuestionAsked
from teamflow.core.state import Question
from teamflow.views.questions import Item, inbox_object, question_object
from tests.docs.generated import ROOT

PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
TEAM = "agents:\n  a: {command: echo x}\n"


def section(title: str) -> str:
    found = re.search(rf"(?ms)^## {title}\n(.*?)(?=^## |\Z)", PAGE)
    assert found is not None, title
    return found[1]


def test_exit_codes() -> None:
    told = {int(code) for row in re.findall(r"(?m)^\| ([\d, ]+) \|", section("Exit codes")) for code in row.split(",")}
    used = {*EXIT_CODES.values(), USAGE, ENVIRONMENT, INTERNAL, INTERRUPTED, BROKEN_PIPE, 10, 143}
    assert {*used, TIMED_OUT} == told


def test_environment_variables() -> None:
    names: set[str] = set()
    for path in [*(ROOT / "teamflow").rglob("*.py"), ROOT / "dev"]:
        names |= set(re.findall(r"\bTEAMFLOW_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8")))
    told = set(re.findall(r"\bTEAMFLOW_[A-Z_]*[A-Z]\b", section("Environment variables")))
    assert told == names


def fields(command: str, of: str = "") -> set[str]:
    """The field names in the row of a document."""
    row = re.search(rf"(?m)^\| {re.escape(command)} \| `\{{(.*)$", section("JSON"))
    assert row is not None, command
    listed = re.search(rf"{of}: \[\{{([^}}]*)\}}\]", row[1]) if of else re.match(r"([^`]*?)\}`", row[1])
    assert listed is not None, command
    plain = re.sub(r"\[[^\]]*\]|\{[^}]*\}", "", listed[1])
    return {name.strip().partition(":")[0] for name in plain.split(",")} - {"…"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("facts")
    (root / "team.yaml").write_text(TEAM, encoding="utf-8")
    teamflow(root, "run", "--progress", "quiet")
    return root


def teamflow(project: Path, *words: str) -> str:
    argv = [sys.executable, "-m", "teamflow", *words]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(argv, cwd=project, env=environ, check=False, capture_output=True, text=True).stdout


def test_json_of_a_run(project: Path) -> None:
    shown = json.loads(teamflow(project, "status", "--json"))
    assert set(shown) - {"schema_version"} == fields("`status --json`")
    assert set(shown["steps"][0]) == fields("its `steps[]`")
    assert set(shown["steps"][0]["attempts"][0]) == fields("its `attempts[]`")


def test_json_of_questions(capsys: pytest.CaptureFixture[str]) -> None:
    question = Question(QuestionAsked("gate", "approval", "Go?"), number=1, asked=0.0)
    assert set(question_object(question, 7)) == fields("its `questions[]`")
    (item,) = json.loads(json.dumps(inbox_object([Item(7, "t", True, question)])))["items"]
    assert set(item) == fields("`inbox --json`", "items")
    report(7, done=True, message="gate: approved", as_json=True, question="7.1")
    said = json.loads(capsys.readouterr().out)
    assert set(said) - {"schema_version"} == fields("`answer --json`, `approve --json`, `reject --json`")


def test_json_of_other_verbs(project: Path) -> None:
    planned = json.loads(teamflow(project, "plan", "--json"))
    assert set(planned) - {"schema_version"} == fields("`plan --json`")
    assert set(planned["steps"][0]) == fields("`plan --json`", "steps")
    assert set(json.loads(teamflow(project, "runs", "--json"))["runs"][0]) == fields("`runs --json`", "runs")
    assert set(json.loads(teamflow(project, "why", "a", "--json"))) - {"schema_version"} == fields("`why --json`")
    answer = json.loads(teamflow(project, "cancel", "--all", "--json"))
    assert set(answer) - {"schema_version"} == fields("`cancel --json`")
    config = json.loads(teamflow(project, "config", "--json"))
    assert set(config) - {"schema_version"} == fields("`config --json`")
    (project / "wrong.yaml").write_text("agents: {a: {comand: x}}\n", encoding="utf-8")
    told = json.loads(teamflow(project, "validate", "--json", "wrong.yaml"))
    assert set(told["diagnostics"][0]) == fields("`validate --json`", "diagnostics")

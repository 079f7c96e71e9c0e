"""The verbs that concern team files: init, list, validate, explain, schema, plan."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from teamflow.app.templates import templates
from teamflow.core.codes import CODES
from teamflow.team.schema import team_schema
from teamflow.team.testfile_schema import schema_for_tests
from tests.unit.cli.made import call

TEMPLATES = [template.name for template in templates()]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_valid_and_points_at_its_schema(tmp_path: Path, name: str) -> None:
    answer = call(tmp_path, "init", "--template", name)
    assert answer.code == 0
    assert answer.out.splitlines()[0] == "team.yaml"
    assert call(tmp_path, "validate") == (0, "", "team.yaml: valid\n")
    first = (tmp_path / "team.yaml").read_text().splitlines()[0]
    found = re.fullmatch(r"# yaml-language-server: \$schema=(.*)", first)
    assert found is not None
    assert json.loads((tmp_path / found.group(1)).read_text()) == team_schema()
    assert call(tmp_path, "plan").code == 0


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "plan.yaml").write_text("mine")
    answer = call(tmp_path, "init")
    assert answer.code == 2
    assert "plan.yaml: it is there already, and init overwrites nothing" in answer.err
    assert not (tmp_path / "team.yaml").exists()
    assert (tmp_path / "scripts" / "plan.yaml").read_text() == "mine"
    assert call(tmp_path, "init", "new/place").code == 0
    assert (tmp_path / "new" / "place" / "team.yaml").exists()
    assert call(tmp_path, "init", "new/place").code == 2
    assert call(tmp_path, "init", "--template", "nope").err.startswith("teamflow: there is no template 'nope'\n")
    (tmp_path / "file").write_text("")
    assert call(tmp_path, "init", "file").code == 2


def test_init_in_git_ignores_the_state(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True, env={**os.environ, "HOME": str(tmp_path)})
    (tmp_path / ".gitignore").write_text("*.o")
    below = tmp_path / "teams" / "first"
    below.mkdir(parents=True)
    assert "added .teamflow/ to ../../.gitignore" in call(below, "init").err
    assert (tmp_path / ".gitignore").read_text() == "*.o\n.teamflow/\n"
    assert "$schema=../../.teamflow/team.schema.json" in (below / "team.yaml").read_text()
    assert (tmp_path / ".teamflow" / "team.schema.json").exists()
    assert "added" not in call(tmp_path, "init", "second").err
    assert (tmp_path / ".gitignore").read_text().count(".teamflow") == 1


def test_outside_git_there_is_no_gitignore(tmp_path: Path) -> None:
    found = json.loads(call(tmp_path, "init", "--json").out)
    assert found["gitignore"] is None
    assert str(tmp_path / "team.yaml") in found["files"]
    assert not (tmp_path / ".gitignore").exists()


def test_list(tmp_path: Path) -> None:
    names = [line.split()[0] for line in call(tmp_path, "list", "templates").out.splitlines()]
    assert names == TEMPLATES
    assert names[0] == "default"
    assert len(names) >= 2
    found = json.loads(call(tmp_path, "list", "templates", "--json").out)
    assert [entry["name"] for entry in found["templates"]] == TEMPLATES


WRONG = "agents:\n  a: {comand: x}\n  b: {command: y, depends_on: [c]}\n"


def test_validate_reports_all_at_once(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(WRONG)
    answer = call(tmp_path, "validate")
    assert answer.code == 2
    assert "team.yaml:2:7" in answer.out
    assert "team.yaml:3:" in answer.out
    for words in (["--format", "json"], ["--json"]):
        found = json.loads(call(tmp_path, "validate", *words).out)
        assert found["schema_version"] == 1
        assert len(found["diagnostics"]) >= 2
        assert found["diagnostics"][0].keys() == {
            "code", "severity", "message", "file", "line", "column", "end_line", "end_column", "hint",
        }  # fmt: skip
        assert {entry["code"] for entry in found["diagnostics"]} <= CODES.keys()


def test_validate_names_places_from_here(tmp_path: Path) -> None:
    (tmp_path / ".git" / "refs").mkdir(parents=True)
    below = tmp_path / "below"
    below.mkdir()
    (tmp_path / "team.yaml").write_text(WRONG)
    (below / "two.yaml").write_text("agents: {a: {command: true}}\n")
    answer = call(below, "validate", "../team.yaml", "two.yaml")
    assert "../team.yaml:2:7" in answer.out
    assert "two.yaml:1:" in answer.out
    assert call(below, "validate").out.count("../team.yaml") >= 2


def test_validate_finds_cycles_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(
        "agents:\n  a: {command: x, depends_on: [b]}\n  b: {command: y, depends_on: [a]}\n"
    )
    answer = call(tmp_path, "validate")
    assert answer.code == 2
    assert "a" in answer.out
    answer = call(tmp_path, "validate", "nope.yaml")
    assert answer == (2, "", "teamflow: nope.yaml: there is no such team file\n")


def test_explain(tmp_path: Path) -> None:
    assert call(tmp_path, "explain", "unknown-key").out.startswith("unknown-key: ")
    assert call(tmp_path, "explain", "[unknown-key]").code == 0
    listed = [line.split()[0] for line in call(tmp_path, "explain").out.splitlines()]
    assert listed == sorted(CODES)
    answer = call(tmp_path, "explain", "unknown-kye")
    assert answer.code == 2
    assert 'did you mean "unknown-key"?' in answer.err
    assert json.loads(call(tmp_path, "explain", "unknown-key", "--json").out)["code"] == "unknown-key"


def test_schema(tmp_path: Path) -> None:
    assert json.loads(call(tmp_path, "schema").out) == team_schema()
    assert json.loads(call(tmp_path, "schema", "--test").out) == schema_for_tests()


PLAN = """
inputs: {who: {type: string, default: you}}
agents:
  a: {command: [echo, "{{ inputs.who }}"]}
  b: {command: echo b, depends_on: [a], reads: [in.txt]}
  c: {command: echo c, reads: [in.txt]}
"""


def test_plan_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(PLAN)
    (tmp_path / "in.txt").write_text("x")
    answer = call(tmp_path, "plan", "--json")
    assert answer.code == 0
    found = json.loads(answer.out)
    assert {step["id"]: step["action"] for step in found["steps"]}.keys() == {"a", "b", "c"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "team.yaml"]
    assert call(tmp_path, "plan", "--detailed-exitcode").code == 10
    assert [step["id"] for step in json.loads(call(tmp_path, "plan", "c", "--json").out)["steps"]] == ["c"]
    assert call(tmp_path, "plan", "--set", "x").code == 2
    assert call(tmp_path, "plan", "nope.yaml").code == 2
    assert call(tmp_path, "plan", "-i", "whom=x").code == 2


def test_plan_of_a_file_with_errors(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(WRONG)
    answer = call(tmp_path, "plan")
    assert answer.code == 2
    assert answer.out == ""
    assert "team.yaml:2:7" in answer.err

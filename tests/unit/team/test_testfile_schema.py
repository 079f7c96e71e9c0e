"""The JSON Schema of test files: committed as it is made, and what it says of a script is what the model says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from teamflow.core.diagnostics import Diagnostics
from teamflow.team.testfile import load_tests
from teamflow.team.testfile_schema import schema_for_tests, text_for_tests

ROOT = Path(__file__).parents[3]
SCHEMA = jsonschema.Draft202012Validator(schema_for_tests())


def test_the_committed_schema_is_the_one_made() -> None:
    refresh = "python -m teamflow schema --test > schemas/test.schema.json"
    assert (ROOT / "schemas" / "test.schema.json").read_text() == text_for_tests(), f"refresh it: {refresh}"


def test_it_is_a_schema_and_every_key_is_described() -> None:
    schema = schema_for_tests()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert [where for where, key in _keys(schema) if not key.get("description", "").endswith(".")] == []


def _keys(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    models = {name: part for name, part in schema["$defs"].items() if name not in ("Action", "PlainAction")}
    for name, part in {"TestFile": schema, **models}.items():
        for key, value in part.get("properties", {}).items():
            yield f"{name}.{key}", value


def test_the_example_of_the_page_is_valid_and_names_its_schema() -> None:
    page = (ROOT / "docs" / "testing.md").read_text()
    example = next(block for block in re.findall(r"```yaml\n(.*?)```", page, re.S) if "team.test.yaml" in block)
    assert "# yaml-language-server: $schema=" in example
    assert list(SCHEMA.iter_errors(yaml.safe_load(example))) == []


ACTIONS = [
    "hang", "say", "nope", "attempt", {"hang": None}, {"hang": 1}, {"say": "x"}, {"say": 1}, {"say": "a\0"}, {},
    {"say": "x", "exit": 1}, {"outputs": {}}, {"outputs": []}, {"sleep": "5m"}, {"sleep": 5}, {"exit": 256},
    {"exit": 255}, {"write": {"path": "a", "text": "b"}}, {"write": {"path": "../a", "text": "b"}},
    {"write": {"path": "a/..b", "size": "1KiB"}}, {"write": {"path": "/a", "size": "1KiB"}}, {"write": {"path": "a"}},
    {"write": {"path": "a", "text": "b", "size": "1B"}}, {"append": {"path": "", "text": "b"}}, {"run": []},
    {"run": " "}, {"run": ["", "a"]}, {"run": ["a", ""]}, {"run": "a"}, {"spawn": {"run": "a", "as": "child"}},
    {"spawn": {"as": "child"}}, {"usage": {}}, {"usage": {"usd": 0.5}}, {"usage": {"input_tokens": 0.5}},
    {"attempt": {}}, {"attempt": {"1": ["hang"]}}, {"attempt": {"0": ["hang"]}}, {"attempt": {"1234567": []}},
    {"attempt": {"1": [{"attempt": {"1": []}}]}}, {"attempt": {"1": "hang"}}, {"signal": "SIGKILL"}, {"signal": "KILL"},
    {"ask_leave": {"run": "a", "edit": "b"}}, {"fail": {"class": "auth"}}, {"fail": {"class": "crash"}}, 3, [], None,
]  # fmt: skip


@pytest.mark.parametrize("action", ACTIONS, ids=repr)
def test_an_action_is_right_for_both_or_wrong_for_both(action: object) -> None:
    tree = {"cases": {"c": {"agents": {"a": {"script": [action]}}, "expect": {"exit": 0}}}}
    found = Diagnostics()
    taken = load_tests(yaml.safe_dump(tree).encode(), file="t", found=found) is not None
    assert SCHEMA.is_valid(tree) == taken, [item.message for item in found]


@pytest.mark.parametrize("number", ["1", "01", "000001", "0000001", "0", "", "x", "1234567", "9" * 5000, "\u0663"])
def test_a_number_of_an_attempt_is_right_for_both_or_wrong_for_both(number: str) -> None:
    for case in ({"faults": {"a": {number: "hang"}}}, {"agents": {"a": {"script": [{"attempt": {number: []}}]}}}):
        tree = {"cases": {"c": {**case, "expect": {"exit": 0}}}}
        found = Diagnostics()
        taken = load_tests(yaml.safe_dump(tree).encode(), file="t", found=found) is not None
        assert SCHEMA.is_valid(tree) == taken, [item.message[:80] for item in found]

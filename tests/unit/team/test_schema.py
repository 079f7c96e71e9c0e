"""The JSON Schema: committed as it is made, and the same documents right and wrong for it and for the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from teamflow.team.loaded import LoadedTeam
from teamflow.team.schema import DEFAULTS, key_table, keys, schema_text, team_schema

ROOT = Path(__file__).parents[3]


def test_the_committed_schema_is_the_one_made() -> None:
    made = schema_text()
    refresh = "from teamflow.team.schema import schema_text; print(schema_text(), end='')"
    assert (ROOT / "schemas" / "team.schema.json").read_text() == made, f"refresh it: python -c {refresh!r}"


def test_the_committed_table_of_keys_is_the_one_made() -> None:
    text = (ROOT / "docs" / "team-file.md").read_text()
    assert text.split("<!-- keys -->\n")[1].split("<!-- /keys -->")[0].strip() == key_table().strip()


def test_it_is_a_schema_and_every_key_is_described() -> None:
    jsonschema.Draft202012Validator.check_schema(team_schema())
    assert [key.path for key in keys() if not key.meaning.endswith(".")] == []


@pytest.mark.parametrize("name", ["smallest.yaml", "larger.yaml"])
def test_the_examples_are_valid(name: str) -> None:
    text = (Path(__file__).parent / "examples" / name).read_text()
    jsonschema.validate(yaml.safe_load(text), team_schema())


def test_defaults_of_the_table_are_those_of_resolution(team: Callable[..., LoadedTeam]) -> None:
    loaded = team("agents: {p: {prompt: x}, c: {command: y}}\n")
    prompt, command = loaded.resolved["p"], loaded.resolved["c"]
    work: Any = prompt.work
    assert DEFAULTS["agent.engine"] == work.engines[0].name
    assert DEFAULTS["agent.permissions"] == work.permissions.level
    assert DEFAULTS["agent.retry.attempts"] == f"{prompt.retry.attempts} for prompt, else {command.retry.attempts}"
    assert DEFAULTS["agent.retry.backoff"] == command.retry.backoff
    assert (command.retry.delay, command.retry.max_delay, command.grace) == (10.0, 300.0, 10.0)
    assert [DEFAULTS[f"agent.{key}"] for key in ("retry.delay", "retry.max_delay", "grace")] == ["10s", "5m", "10s"]
    assert [command.cache, command.continue_on_error, command.skip_if_verified] == [False, False, False]
    assert (command.on_failure, command.target.name, command.workspace.keep) == ("stop", "local", "on_failure")
    assert (loaded.limits.orphan_after, loaded.limits.log_size) == (3600.0, 2 * 1024**3)
    assert (DEFAULTS["limits.orphan_after"], DEFAULTS["limits.log_size"]) == ("1h", "2GiB")

"""What is noted of an attempt's beginning, as a runner reads it that takes the attempt over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from teamflow.core.invocation import Brief, Invocation
from teamflow.run.recorder import limited_as_begun, noted, read_brief

NOW = Brief("a", 1, "start", "/w", prompt="x", usd=5.0, turns=9)


def begun(place: Path, brief: Brief) -> Brief:
    """The brief of now, after an attempt was begun by that one."""
    [(path, text)] = noted(Invocation(("x",)), brief._replace(stem=f"{place}/a.1")).files
    Path(path).write_text(text)
    return NOW._replace(stem=f"{place}/a.1")


@pytest.mark.parametrize(("usd", "turns"), [(0.5, 2), (None, None), (5.0, 9)])
def test_the_limits_are_those_that_it_was_begun_with(tmp_path: Path, usd: float | None, turns: int | None) -> None:
    found = limited_as_begun(begun(tmp_path, NOW._replace(usd=usd, turns=turns, prompt="then")))
    assert found == NOW._replace(stem=found.stem, usd=usd, turns=turns)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "null", '{"usd": "1", "turns": true}', '{"usd": [], "turns": 1.5}', "[" * 100_000]
)
def test_what_is_damaged_says_nothing(tmp_path: Path, text: str) -> None:
    brief = NOW._replace(stem=f"{tmp_path}/a.1")
    assert limited_as_begun(brief) == brief
    Path(f"{tmp_path}/a.1.brief.json").write_text(text)
    assert limited_as_begun(brief) == brief
    assert read_brief(f"{tmp_path}/a.1.brief.json") == {}


def test_limits_are_no_part_of_a_recording(tmp_path: Path) -> None:
    brief = begun(tmp_path, NOW)
    assert {"usd", "turns"} <= set(json.loads(Path(f"{brief.stem}.brief.json").read_text()))
    assert not {"usd", "turns"} & set(read_brief(f"{brief.stem}.brief.json"))

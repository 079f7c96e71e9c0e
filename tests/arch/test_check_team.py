"""teams/check.yaml, with which this repository checks itself: it leaves out no test, and runs none twice."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.arch.source import ROOT


def test_every_test_is_in_one_step() -> None:
    agents = yaml.safe_load((ROOT / "teams/check.yaml").read_text(encoding="utf-8"))["agents"]
    named: list[Path] = []
    for name, agent in agents.items():
        for word in agent.get("env", {}).get("TESTS", "").split():
            paths = list(ROOT.glob(word))
            assert paths, f"{name}: there is no {word}"
            for path in paths:
                named += path.rglob("test_*.py") if path.is_dir() else [path]
    assert sorted(named) == sorted((ROOT / "tests").rglob("test_*.py"))

"""What broken team files look like on a screen: each NAME.yaml beside its NAME.txt. What loads is planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from teamflow.plan.planner import make_plan
from teamflow.team.load import load
from teamflow.views.diagnostics import to_text

HERE = Path(__file__).parent / "diagnostics"
CASES = sorted(path.name for path in HERE.glob("*.yaml"))


class Directory:
    def read(self, path: str) -> bytes:
        return (HERE / path).read_bytes()


def test_there_are_many() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("name", CASES)
def test_diagnostics(name: str, *, update_golden: bool) -> None:
    loaded = load(name, sources=Directory())
    found = loaded.diagnostics
    if loaded.team is not None:
        found.extend(make_plan(loaded.team, inputs={}, git=True)[1])
    text = to_text(found, loaded.sources)
    expected = (HERE / name).with_suffix(".txt")
    if update_golden:
        expected.write_text(text)
    assert found.has_errors
    assert text == expected.read_text()

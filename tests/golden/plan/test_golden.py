"""Every team file beside this one, planned and shown; `UPDATE_GOLDEN=1` writes what is shown anew.

A first line `# inputs: {…}` gives the inputs, `# select: {…}` the selection, as JSON.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from teamflow.plan.explain import preview
from teamflow.plan.planner import make_plan
from teamflow.plan.selection import Selection
from teamflow.team.load import load
from teamflow.views.plan import plan_json, plan_text
from teamflow.views.width import width

HERE = Path(__file__).parent
TEAMS = sorted(path.stem for path in HERE.glob("*.yaml") if path.stem != "play")


class Folder:
    def read(self, path: str) -> bytes:
        return (HERE / path).read_bytes()


def _header(text: str, word: str) -> dict[str, object]:
    found = re.search(rf"^# {word}: (.*)$", text, re.MULTILINE)
    return json.loads(found.group(1)) if found else {}


@pytest.mark.parametrize("name", TEAMS)
def test_what_plan_shows(name: str) -> None:
    text = (HERE / f"{name}.yaml").read_text()
    loaded = load(f"{name}.yaml", sources=Folder())
    assert loaded.team is not None, list(loaded.diagnostics)
    selection = Selection(**{key: tuple(words) for key, words in _header(text, "select").items()})
    plan, found = make_plan(loaded.team, inputs=_header(text, "inputs"), git=True, selection=selection)
    assert plan is not None, list(found)
    shown = preview(plan)
    wide, narrow = plan_text(shown, columns=110), plan_text(shown, columns=48, ascii_only=True)
    assert max(map(width, wide.splitlines())) <= 110
    assert max(map(width, narrow.splitlines())) <= 48
    assert narrow.isascii()
    warnings = "".join(f"{item.severity}: {item.message}\n" for item in found)
    actual = f"{warnings}{wide}\n\n-- narrow --\n{narrow}\n\n-- json --\n{plan_json(shown)}\n"
    golden = HERE / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(actual)
    assert actual == golden.read_text()

"""Teams from text: a project that lies in memory, loaded and planned as the program does it."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from teamflow.core.diagnostics import Diagnostic, Severity
from teamflow.core.plan import Json, Plan, Step
from teamflow.plan.planner import make_plan
from teamflow.plan.selection import Selection
from teamflow.team.load import load
from teamflow.team.loaded import LoadedTeam


class MemoryFiles:
    """Defining files by their path in the project."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def read(self, path: str) -> bytes:
        if path not in self._files:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return self._files[path].encode()


def load_team(text: str, **files: str) -> LoadedTeam:
    """The team in `team.yaml`; other files by name, `__` for `/` and `_dot_` for a dot."""
    named = {name.replace("__", "/").replace("_dot_", "."): content for name, content in files.items()}
    loaded = load("team.yaml", sources=MemoryFiles({"team.yaml": text, **named}))
    assert loaded.team is not None, list(loaded.diagnostics)
    return loaded.team


def try_plan(
    text: str,
    *,
    inputs: Mapping[str, Json] | None = None,
    selection: Selection | None = None,
    overrides: Mapping[str, str] | None = None,
    git: bool = False,
) -> tuple[Plan | None, list[Diagnostic]]:
    plan, found = make_plan(
        load_team(text), inputs=inputs or {}, git=git, selection=selection or Selection(), overrides=overrides
    )
    assert (plan is None) == any(item.severity is Severity.ERROR for item in found)
    return plan, list(found)


def plan_of(
    text: str,
    *,
    inputs: Mapping[str, Json] | None = None,
    selection: Selection | None = None,
    overrides: Mapping[str, str] | None = None,
    git: bool = False,
) -> Plan:
    """The plan; it must have no errors."""
    plan, found = try_plan(text, inputs=inputs, selection=selection, overrides=overrides, git=git)
    assert plan is not None, found
    return plan


def errors_of(
    text: str,
    *,
    inputs: Mapping[str, Json] | None = None,
    selection: Selection | None = None,
    overrides: Mapping[str, str] | None = None,
    git: bool = False,
) -> list[Diagnostic]:
    """The complaints of a plan that cannot be made."""
    plan, found = try_plan(text, inputs=inputs, selection=selection, overrides=overrides, git=git)
    assert plan is None
    return found


def step_of(plan: Plan, step_id: str) -> Step:
    return plan.by_id()[step_id]

"""Goes on after wrong shapes: takes out what is wrong so that the rest of a team can be checked in the same go.

Decides what is taken out and which parts then count as damaged, about which no later check may draw conclusions.
The team that comes of it is only ever checked, never run.
"""

from __future__ import annotations

from teamflow.team.model import Team
from teamflow.team.source import Path, Value
from teamflow.team.structure import MOST, Complain, read_team

_ROUNDS = 5
_ENTRIES = frozenset(("agents", "personas", "inputs", "pr_policies"))
"""Sections whose entries may be empty; they keep their names, which others may refer to."""


class Salvaged:
    """A team to check, and the paths (one or two parts long) of what was wrong in it."""

    def __init__(self, team: Team | None, damaged: frozenset[Path]) -> None:
        self.team = team
        self.damaged = damaged


def read_all(tree: Value, complain: Complain) -> Salvaged:
    """The team in `tree`; with complaints about every wrong shape, what can be read besides them."""
    wrong: list[Path] = []

    def note(code: str, message: str, path: Path, *, hint: str | None = None, key: bool = False) -> None:
        wrong.append(path)
        complain(code, message, path, hint=hint, key=key)

    team = read_team(tree, note)
    if team is not None or not isinstance(tree, dict):
        return Salvaged(team, frozenset())
    if len(wrong) >= MOST:
        return Salvaged(None, frozenset())
    damaged: set[Path] = set()
    for _ in range(_ROUNDS):
        damaged.update(path[:2] for path in wrong)
        if not all(_take_out(tree, path) for path in wrong):
            break
        wrong = []
        team = read_team(tree, _collector(wrong))
        if team is not None:
            return Salvaged(team, frozenset(damaged))
    return Salvaged(None, frozenset(damaged))


def _collector(wrong: list[Path]) -> Complain:
    def note(code: str, message: str, path: Path, *, hint: str | None = None, key: bool = False) -> None:
        wrong.append(path)

    return note


def _take_out(tree: dict[str, Value], path: Path) -> bool:
    """Removes the nearest map entry at or above `path`; False when the team has no agents without it."""
    if path[:1] == ("agents",) and len(path) == 1:
        return False
    if not path:
        return False
    if len(path) == 2 and path[0] in _ENTRIES:
        section = tree.get(str(path[0]))
        if isinstance(section, dict):
            section[str(path[1])] = {}
            return True
    holder: Value = tree
    last: tuple[dict[str, Value], str] | None = None
    for part in path:
        if isinstance(holder, dict) and isinstance(part, str) and part in holder:
            last = (holder, part)
            holder = holder[part]
        else:
            break
    if last is None:
        return False
    last[0].pop(last[1], None)
    return True

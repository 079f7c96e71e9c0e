"""Checks of the lists of `permissions`: entries that nothing could ever match would narrow more than they say.

Decides by what they are matched with, `core/globs.py` and `core/command_words.py`; what is allowed is decided in
`policy/permitting.py`. Nothing is filled in here: of a step the lists are known before anything has run.
"""

from __future__ import annotations

from typing import Final

from teamflow.core.command_words import first_words, simple_commands
from teamflow.core.globs import PatternError, parse
from teamflow.core.named import NamedTuple
from teamflow.core.permissions import NEVER
from teamflow.team.check_team import shown
from teamflow.team.files import leaves_root
from teamflow.team.model import Permissions
from teamflow.team.scope import Scope
from teamflow.team.source import Path
from teamflow.team.template import is_template

CODE: Final = "matches-nothing"
_LITERAL: Final = "Permissions are the same for all instances: say what they may in plain text."


class _Fault(NamedTuple):
    why: str
    hint: str
    code: str = CODE


def check_lists(scope: Scope, given: Permissions, path: Path) -> None:
    """`path`: of the map."""
    gives = False
    for index, pattern in enumerate(given.edit or ()):
        _tell(scope, pattern, _of_pattern(pattern, gives=gives), (*path, "edit", index))
        gives = gives or not pattern.startswith("!")
    for index, entry in enumerate(given.run or ()):
        _tell(scope, entry, _of_command(entry), (*path, "run", index))


def _tell(scope: Scope, entry: str, fault: _Fault | None, path: Path) -> None:
    if fault is not None:
        place = path if scope.places.has(path) else path[:-1]
        scope.error(fault.code, f'"{shown(entry)}" {fault.why}', place, hint=fault.hint)


def _of_pattern(pattern: str, *, gives: bool) -> _Fault | None:
    """`gives`: whether one that comes before it allows something."""
    plain = pattern.removeprefix("!")
    if is_template(pattern):
        return _Fault("is matched as it stands: templates are not filled in here", _LITERAL)
    if plain and leaves_root(plain):
        return _Fault("leads out of the workspace", "Paths are relative to the workspace of the step.", "path-outside")
    try:
        segments = parse(pattern).segments
    except PatternError:
        return _Fault("is no pattern of files", 'Name files or directories, as in "src/**" or "!src/vendor".')
    if pattern.startswith("!"):
        hint = 'Put what may be edited before it, "**" for everything.'
        return None if gives else _Fault("takes away from nothing, for no pattern comes before it", hint)
    kept = next((segment for segment in segments if segment in NEVER), None)
    if kept is not None:
        return _Fault(f"is never changed, as it lies in {kept}", "Only permissions: full allow that.")
    return None


def _of_command(entry: str) -> _Fault | None:
    if first_words(entry):
        return None
    why = "can be the first words of no command"
    if not entry.strip():
        return _Fault(why, "Name a program, and words behind it where they matter.")
    if is_template(entry):
        return _Fault("is matched as it stands: templates are not filled in here", _LITERAL)
    parts = simple_commands(entry)
    if len(parts) > 1:
        return _Fault(f"{why}: it is {len(parts)} of them", "Each goes by itself; they may be joined as they like.")
    if parts:
        return _Fault(
            f"{why}: patterns stand for nothing here", "What follows the first words is free: leave them out."
        )
    hint = "Plain words alone are known for sure: no variables, substitutions, ~, braces, redirections."
    return _Fault(why, hint)

"""`lock`, from words to the file: plan, ask the agent CLIs for their versions, compare, write."""

from __future__ import annotations

import os
from collections.abc import Mapping

from teamflow.app.compile import Compiled, Request, compile_team
from teamflow.app.installed import Installed, look
from teamflow.app.locked import Locked, differences, lock_path, locked_of, read_lock, write_lock
from teamflow.app.preflight import engines_of
from teamflow.app.project import find_source, project_of
from teamflow.core.named import NamedTuple
from teamflow.team.loaded import LoadedTeam


class Done(NamedTuple):
    """`path`: of the lock, as seen from here; `changes`: in words, none where it stays as it is. Without a plan there
    is nothing but `compiled`. `troubles`: engines whose version is not known."""

    compiled: Compiled
    path: str = ""
    changes: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()


def lock_team(word: str | None, inputs: tuple[str, ...], *, environ: Mapping[str, str], directory: str) -> Done:
    """Raises NoTeamFile, LockError, OSError."""
    path = find_source(word, directory)
    root = project_of(os.path.dirname(path)).root
    compiled = compile_team(root, Request(os.path.relpath(path, root), inputs), directory=None)
    plan, loaded = compiled.plan, compiled.loaded
    if plan is None or loaded is None:
        return Done(compiled)
    engines = engines_of(plan)
    installed = look(engines, environ, again=True)
    new = locked_of(plan, installed, persona_files(loaded))
    place, team = lock_path(root, plan.file), os.path.basename(plan.file)
    old = read_lock(place, team)
    if old != new:
        write_lock(place, team, new)
    changes = differences(old or Locked({}, {}), new, whole=True)
    if old != new and not changes:
        changes = [f"{team}: nothing to lock but itself" if old is None else "names of personas changed"]
    return Done(compiled, os.path.relpath(place, directory), tuple(changes), tuple(_troubles(installed)))


def persona_files(loaded: LoadedTeam) -> dict[str, str]:
    """By the name of the persona."""
    return {name: persona.file for name, persona in (loaded.team.personas or {}).items() if persona.file}


def _troubles(installed: Mapping[str, Installed]) -> list[str]:
    return [
        f"{name} is not locked: {one.trouble or 'it is not installed'}"
        for name, one in installed.items()
        if not one.version
    ]

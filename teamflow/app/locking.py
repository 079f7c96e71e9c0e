"""`lock`, from words to the file: plan, ask the agent CLIs for their versions, compare, write."""

from __future__ import annotations

import os
from collections.abc import Mapping

from teamflow.app.compile import Compiled, Request, compile_team
from teamflow.app.installed import Installed, look
from teamflow.app.lock_file import lock_path, read_lock, write_lock
from teamflow.app.locked import Locked, differences, locked_of, models_of, news
from teamflow.app.preflight import engines_of
from teamflow.app.project import find_source, project_of
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Plan
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
    place, team = lock_path(root, plan.file), os.path.basename(plan.file)
    old = read_lock(place, team)
    new = locked_of(plan, installed, persona_files(loaded), _answered(root, plan, old, environ))
    if old != new:
        write_lock(place, team, new)
    before = old or Locked({}, {})
    unknown = "is locked" if old is None else "is new"
    changes = [*differences(before, new, whole=True, used=installed, unknown=unknown), *news(before, new)]
    if old != new and not changes:
        changes = [f"{team}: nothing to lock but itself" if old is None else "names of personas changed"]
    return Done(compiled, os.path.relpath(place, directory), tuple(changes), tuple(_troubles(installed)))


def _answered(root: str, plan: Plan, old: Locked | None, environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """As runs have told, else as it was locked."""
    locked = {} if old is None else {name: dict(one.answers) for name, one in old.engines.items()}
    for name, models in told_by_runs(root, plan, environ).items():
        locked.setdefault(name, {}).update(models)
    return locked


def told_by_runs(root: str, plan: Plan, environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Engine → model as the plan names it → the id of the one that has answered. StoreError."""
    # Imported here: `plan` and `run` ask only where there is a lock.
    from teamflow.app.answered import answered
    from teamflow.store.sqlite import Database

    database = Database.find(root, allow_network=environ.get("TEAMFLOW_ALLOW_NETWORK_FS") == "1")
    if database is None:
        return {}
    with database:
        wanted = ((name, model) for name, models in models_of(plan).items() for model in models)
        return answered(database, plan.file, wanted)


def persona_files(loaded: LoadedTeam) -> dict[str, str]:
    """By the name of the persona."""
    return {name: persona.file for name, persona in (loaded.team.personas or {}).items() if persona.file}


def _troubles(installed: Mapping[str, Installed]) -> list[str]:
    return [
        f"{name} is not locked: {one.trouble or 'it is not installed'}"
        for name, one in installed.items()
        if not one.version
    ]

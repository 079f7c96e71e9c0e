"""The engines and targets that a team file can name: those that are built in, and its own, as they are here.

A program that a team file names is looked for and never started.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from teamflow.app.brought import Brought
from teamflow.app.files import ProjectFiles
from teamflow.app.installed import find_program, look
from teamflow.app.plugins import spare_plugins
from teamflow.app.project import NoTeamFile, find_source, project_of
from teamflow.core.capabilities import Capabilities
from teamflow.engines.registry import BUILT_IN, brought, custom_engine, engine
from teamflow.views.engines import EngineLine

if TYPE_CHECKING:
    from teamflow.team.loaded import LoadedTeam


def list_engines(word: str | None, *, environ: Mapping[str, str], directory: str) -> list[EngineLine]:
    """Those of the team file that `word` names, else of the one here, where it has no errors. Raises NoTeamFile."""
    names = dict.fromkeys((*BUILT_IN, "scripted", *brought()))
    troubles = {name: trouble for name in brought() if (trouble := Brought().problem(name))}
    built_in = {name: Capabilities() if name in troubles else engine(name).capabilities for name in names}
    found = look(built_in, environ, again=True)
    lines = [
        EngineLine(
            name,
            "built in" if name not in brought() else "another package",
            one.program[0] if one.program else "",
            found[name].path if name in found else None,
            found[name].version if name in found else "",
            found[name].trouble if name in found else troubles.get(name, ""),
            tuple(_set(one, environ)),
            one,
        )
        for name, one in built_in.items()
    ]
    team = _team(word, directory)
    return lines if team is None else [*lines, *_own(team, environ, {line.name: line for line in lines})]


def _own(team: LoadedTeam, environ: Mapping[str, str], built_in: Mapping[str, EngineLine]) -> Iterator[EngineLine]:
    for name, definition in team.engines.items():
        one = custom_engine(name, definition).capabilities
        if definition.engine:
            login = (*definition.inherit_env, *(one.settings if definition.base_url else one.login))
            there = tuple(_set(one._replace(login=login), environ))
            same = built_in[definition.engine]
            yield same._replace(name=name, origin=team.file, login=there, variant=definition)
            continue
        program = definition.command[0]
        path = program if os.sep in program else find_program(program, environ.get("PATH"))
        yield EngineLine(name, team.file, program, path, "", "", tuple(_set(one, environ)), one)


def _set(one: Capabilities, environ: Mapping[str, str]) -> Iterator[str]:
    """Names of the variables with its login that are set here; their values are nobody's business. One that is named
    among its settings is no login, though it is inherited like one."""
    there = (name for name in sorted(environ) if environ[name] and name not in one.settings)
    return (name for name in there if any(fnmatchcase(name, want) for want in one.login))


def list_targets(word: str | None, *, directory: str) -> list[tuple[str, str]]:
    """(name, what it is). Raises NoTeamFile."""
    team = _team(word, directory)
    own = {} if team is None else team.team.targets or {}
    return [("local", "this machine"), *((name, one.ssh or "") for name, one in own.items())]


def _team(word: str | None, directory: str) -> LoadedTeam | None:
    """None where there is none, and none is named, or where it has errors, which `validate` tells."""
    try:
        path = find_source(word, directory)
    except NoTeamFile:
        if word is not None:
            raise
        return None
    spare_plugins()
    from teamflow.team.load import load

    root = project_of(os.path.dirname(path)).root
    files = ProjectFiles(root)
    return load(os.path.relpath(path, root), sources=files, anywhere=files.anywhere).team

"""Which project, which team file: paths only. Decides nothing about runs; opens no database.

The project is the git top level of the team file, else its directory (`docs/team-file.md`, "Words").
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.workspaces.top_level import is_repository

_WORK: Final = "/.teamflow/work/"


class Project(NamedTuple):
    """`root`: absolute. `git`: whether it is a git top level."""

    root: str
    git: bool


class NoTeamFile(Exception):
    """No team file where one was looked for; the message says where, and what to do."""


def project_of(directory: str) -> Project:
    """The project of a team file in `directory`."""
    start = os.path.realpath(directory)
    for place in _upward(start):
        if is_repository(place):
            return Project(place, git=True)
    return Project(start, git=False)


def project_around(directory: str) -> Project:
    """The project whose runs are meant in `directory`: outside git the nearest one above that has state.

    In a worktree that teamflow has made for a step, the project of that.
    """
    outer, inside, _ = f"{os.path.realpath(directory)}/".partition(_WORK)
    if inside and os.path.isdir(f"{outer}{_WORK}"):
        return project_of(outer)
    found = project_of(directory)
    if not found.git:
        for place in _upward(found.root):
            if os.path.isdir(f"{place}/.teamflow"):
                return Project(place, git=False)
    return found


def find_team_file(word: str | None, directory: str) -> str:
    """The absolute path of the team file that `word` means: a path, or a name for `teams/NAME.yaml` or `NAME.yaml`.

    None: `team.yaml` here or above, up to the project's root. Raises NoTeamFile.
    """
    here = os.path.realpath(directory)
    if word is None:
        names: tuple[str, ...] = ("team.yaml", "team.yml")
    else:
        path = os.path.join(here, word)
        if os.path.isfile(path):
            return os.path.realpath(path)
        if word.endswith((".yaml", ".yml")) or os.sep in word:
            raise NoTeamFile(f"{word}: there is no such team file")
        names = (f"teams/{word}.yaml", f"{word}.yaml", f"teams/{word}.yml", f"{word}.yml")
    root = project_around(here).root
    for place in _upward(here):
        for name in names:
            if os.path.isfile(f"{place}/{name}"):
                return os.path.realpath(f"{place}/{name}")
        if place == root:
            break
    looked = " or ".join(names[:2])
    meant = _nearest(word, here, root) if word else None
    remedy = meant or "name a team file, or make one with `teamflow init`"
    raise NoTeamFile(f"no {looked} here or above, up to {root}: {remedy}")


def _nearest(word: str, here: str, root: str) -> str | None:
    """A did-you-mean among the names that would have been found."""
    from teamflow.core.diagnostics import did_you_mean

    known: set[str] = set()
    for place in _upward(here):
        for directory in (f"{place}/teams", place):
            with suppress(OSError):
                known.update(
                    os.path.splitext(name)[0] for name in os.listdir(directory) if name.endswith((".yaml", ".yml"))
                )
        if place == root:
            break
    return did_you_mean(word, sorted(known))


def find_source(word: str | None, directory: str) -> str:
    """As `find_team_file`, for those who read the file: NoTeamFile also for a saved plan."""
    path = find_team_file(word, directory)
    if is_saved_plan(path):
        from teamflow.core.shell import quoted

        name = word or os.path.relpath(path, directory)
        command = f"`teamflow run {quoted(name)}`"
        raise NoTeamFile(f"{name}: this is a saved plan, which {command} executes: name a team file here")
    return path


def is_saved_plan(path: str) -> bool:
    """Whether a file is one that `plan -o` has written, by its first bytes; False where it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            beginning = file.read(64)
    except OSError:
        return False
    if not beginning.lstrip().startswith(b"{"):
        return False  # and nothing is imported to find that out
    from teamflow.plan.saved import begins_saved

    return begins_saved(beginning)


def _upward(place: str) -> Iterator[str]:
    while True:
        yield place
        parent = os.path.dirname(place)
        if parent == place:
            return
        place = parent

"""Whose a ref or a directory is, by its name: of which run and step, and what for. Pure; knows no store.

A branch is a run's where a mark says so: `refs/teamflow/RUN/STEP/branch/N`, as `naming` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from teamflow import git
from teamflow.core.named import NamedTuple
from teamflow.policy.leftover import RefFacts, Role, RunFacts

HIDDEN: Final = re.compile(r"refs/teamflow/([^/]+)/([^/]+)/(.+)\Z")
BRANCH: Final = re.compile(r"refs/heads/teamflow/([0-9]+)/([^/]+)\Z")
_RUN: Final = re.compile(r"([0-9]+)-[0-9a-z]+\Z")


class Owners(NamedTuple):
    """Whose things there are. `directories`: names below `work/`; `ids`: runs that have hidden refs; `roots`: the
    other work trees of the repository; `blind`: some of these cannot be looked at.

    `marks`: id of a run → last part of the names of the branches that are marked as its; `branches`: (number of the
    run that the name says, last part) of each that there is.
    """

    directories: tuple[str, ...]
    marks: Mapping[str, frozenset[str]]
    branches: frozenset[tuple[int, str]]
    roots: tuple[str, ...]
    blind: bool


def directory_of(number: int, run_id: str) -> str:
    """The name of a run's directory below `work/`."""
    return f"{number}-{run_id[-8:].lower()}"


def number_in(directory: str) -> int | None:
    """Of the run whose directory it is; None: it is not named as one."""
    found = _RUN.match(directory)
    return int(found[1]) if found else None


def marked_by(name: str) -> tuple[str, ...]:
    """Last part of the name of the branch that a hidden ref is the mark of; none where it is no mark."""
    found = HIDDEN.match(name)
    if found is None or not found[3].startswith("branch/"):
        return ()
    at = found[3].removeprefix("branch/")
    return (found[2] if at == "1" else f"{found[2]}-{at}",)


def marks_in(runs: Mapping[str, RunFacts], names: Iterable[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Full name of a branch → run and step, of each branch that a mark says is a run's."""
    for name in names:
        found = HIDDEN.match(name)
        if found and found[1] in runs:
            for tail in marked_by(name):
                yield f"{git.BRANCHES}{runs[found[1]].number}/{tail}", (found[1], found[2])


def orphans_in(runs: Mapping[str, RunFacts], names: Iterable[str], *, owned: Collection[str]) -> Iterator[str]:
    """Marks of runs whose number nobody remembers, while there is a branch that they may speak of."""
    free = {at[2] for name in names if name not in owned and (at := BRANCH.match(name))}
    for name in names:
        found = HIDDEN.match(name)
        if found and not (found[1] in runs and runs[found[1]].number) and not free.isdisjoint(marked_by(name)):
            yield name


def ref_facts(name: str, commit: str, marks: Mapping[str, tuple[str, str]], runs: Mapping[str, RunFacts]) -> RefFacts:
    if name.startswith(git.BRANCHES):
        run, slug = marks.get(name, ("", ""))
        return RefFacts(name, commit, run, slug, Role.BRANCH)
    found = HIDDEN.match(name)
    if found is None:
        return RefFacts(name, commit, "", "", Role.KEPT)
    ref = RefFacts(name, commit, found[1], found[2], _role(found[3]))
    if ref.role is not Role.MARK or found[1] not in runs:
        return ref
    return ref._replace(of=f"{git.BRANCHES}{runs[found[1]].number}/{''.join(marked_by(name))}")


def _role(what: str) -> Role:
    if what in ("start", "left"):
        return Role(what)
    if what.startswith("branch/"):
        return Role.MARK
    return Role.KEPT if re.fullmatch(r"[0-9]+(?:-[0-9]+)?", what) else Role.STRAY

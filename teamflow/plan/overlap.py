"""Whether two lists of patterns can stand for one and the same file, and for which.

Decides by what the patterns mean, not by looking at files, and exactly (`plan/automaton.py`); where that would take
too long it says that there is an overlap. Two things are taken for granted: a path is not a file where some
pattern goes on below it, and a name with an ending, like README.md, is a file where none does. Knows nothing of steps.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from teamflow.core.globs import ANY_DEPTH, Glob, is_wild, parse
from teamflow.core.named import NamedTuple
from teamflow.plan.automaton import Automaton, Last, Reading, automaton
from teamflow.plan.shortest import TooLarge, shortest

_ODD: Final = re.compile(r"\Z|[./!]|.*(?:/[./]|/\Z|\0)", re.DOTALL).match
"""Patterns that are not written as plainly as they could be, or mean nothing."""

_BEGINNING: Final = re.compile(r"[^*?\[]*")
_END: Final = re.compile(r"[^*?\]]*\Z")
_ENDING: Final = re.compile(r"[^.]\.(?!d\Z)[A-Za-z][A-Za-z0-9]{0,9}\Z")
"""How names of files end. `conf.d` is a directory, and `python3.11` may be one."""


class Claim(NamedTuple):
    """One pattern of a list, those behind it that take away from it, and what can be seen without searching."""

    glob: Glob
    without: tuple[Glob, ...]
    beginning: str
    """How all its paths begin, written with a `/` at their end."""
    name: tuple[str, str] | None
    """How the last name of all its paths begins and ends; None: there may be anything behind what the pattern says."""
    file: str | None
    """Its last name, where that looks like the name of a file."""

    @property
    def plain_file(self) -> str | None:
        """`file`, unless this goes on below a name that looks like that of a file."""
        names = itertools.chain.from_iterable(map(_directories, (self.glob, *self.without)))
        return None if any(map(_ENDING.search, names)) else self.file

    def may_meet(self, other: Claim) -> bool:
        """False where plain comparison shows that no path is common, as it does for most pairs."""
        if not _nested(self.beginning, other.beginning):
            return False
        mine, others = self.name_beside(other), other.name_beside(self)
        if mine is None or others is None:
            return True
        return _nested(mine[0], others[0]) and _nested(mine[1][::-1], others[1][::-1])

    def name_beside(self, other: Claim) -> tuple[str, str] | None:
        """`name`, unless what looks like a file is none here."""
        return None if self.file is not None and self.last_beside(other) is not Last.FILE else self.name

    def last_beside(self, other: Claim) -> Last:
        """What a plain last name stands for, as far as all patterns tell."""
        path = self.glob.segments
        if not path or self.glob.below or is_wild(path[-1]):
            return Last.EITHER
        around = (other.glob, *other.without, *self.without)
        below = any(glob.segments[: len(path)] == path and (glob.below or glob.segments != path) for glob in around)
        if below and self.glob.literal is not None:
            return Last.DIRECTORY
        as_directory = any(self.file in _directories(glob) for glob in around)
        return Last.FILE if self.file is not None and not as_directory else Last.EITHER


def claims(patterns: Sequence[str]) -> Iterator[Claim]:
    """The claims of a list. Raises PatternError."""
    globs = [parse(pattern) for pattern in patterns]
    for index, glob in enumerate(globs):
        if not glob.negated:
            yield claim_of(glob, tuple(each for each in globs[index + 1 :] if each.negated))


def claim_of(glob: Glob, without: tuple[Glob, ...] = ()) -> Claim:
    """What a pattern claims. `without`: those behind it that take away."""
    last = glob.segments[-1] if glob.segments else ANY_DEPTH
    plain = not is_wild(last)
    file = last if plain and not glob.below and _ENDING.search(last) else None
    closed = file is not None or not (plain or glob.below or last == ANY_DEPTH)
    name = (_found(_BEGINNING, last), _found(_END, last)) if closed else None
    return Claim(glob, without, _found(_BEGINNING, "/".join((*glob.segments, ""))), name, file)


def beginning(pattern: str) -> str:
    """The `beginning` of one pattern's claim, for less. Raises PatternError."""
    return _found(_BEGINNING, f"{pattern}/") if not _ODD(pattern) else claim_of(parse(pattern)).beginning


def overlap(one: Sequence[str], other: Sequence[str]) -> str | None:
    """A path that both lists of patterns stand for; None: there is none. Raises PatternError."""
    rivals = list(claims(other))
    for claim in claims(one):
        for rival in rivals:
            path = common_path(claim, rival)
            if path is not None:
                return path
    return None


def common_path(one: Claim, other: Claim) -> str | None:
    """A path that both stand for; None: there is none."""
    if not one.may_meet(other):
        return None
    lasts = (one.last_beside(other), other.last_beside(one))
    without = [automaton(glob) for glob in (*one.without, *other.without)]

    def search(*, files: bool, wordy: bool, without: Sequence[Automaton] = without) -> str | None:
        readings = [Reading(Last.FILE if files and last is Last.EITHER else last, wordy) for last in lasts]
        return shortest(automaton(one.glob, readings[0]), automaton(other.glob, readings[1]), without)

    try:
        found = search(files=False, wordy=False)
        # The shortest path may be an odd one, `src/.py`: one like those that people have says more.
        return found and (search(files=True, wordy=True) or search(files=False, wordy=True) or found)
    except TooLarge:
        pass
    try:
        return search(files=False, wordy=False, without=[])
    except TooLarge:
        return "/".join(one.glob.segments)


def _directories(glob: Glob) -> tuple[str, ...]:
    """The names that a pattern goes on below."""
    return glob.segments if glob.below else glob.segments[:-1]


class _Level(NamedTuple):
    """Claims with one beginning. `files`: by name those that are met only by the same name or by a wildcard."""

    beginning: str
    files: dict[str, list[Claim]]
    others: list[Claim]

    def add(self, claim: Claim) -> None:
        name = claim.plain_file
        bucket = self.others if name is None else self.files.setdefault(name, [])
        bucket.append(claim)

    def near(self, claim: Claim) -> Iterator[Claim]:
        files = self.files.values() if claim.plain_file is None else [self.files.get(claim.plain_file, [])]
        return itertools.chain(self.others, *files)


def meetings(all_claims: Iterable[Claim]) -> Iterator[tuple[Claim, Claim]]:
    """Pairs of different claims that may have a path in common; most of those that have none are never looked at."""
    levels: list[_Level] = []
    for claim in sorted(all_claims, key=lambda claim: claim.beginning):
        while levels and not claim.beginning.startswith(levels[-1].beginning):
            levels.pop()
        for level in levels:
            for other in level.near(claim):
                if other.may_meet(claim):
                    yield other, claim
        if not levels or levels[-1].beginning != claim.beginning:
            levels.append(_Level(claim.beginning, {}, []))
        levels[-1].add(claim)


def _nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _found(expression: re.Pattern[str], text: str) -> str:
    found = expression.search(text)
    return found[0] if found else ""

"""Patterns as automata over the characters of a path.

Decides what `core/globs.py` says of whole paths, as states: a name has a state for each of its characters, `**` two.
Knows nothing of lists of patterns, nor what two of them have in common (`plan/shortest.py`).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from teamflow.core.globs import ANY_CHARACTER, ANY_DEPTH, Characters, Glob, is_wild, name_parts
from teamflow.core.named import NamedTuple

SLASH: Final = Characters((("/", "/"),))


class Last(Enum):
    """What a plain last name stands for: a file, all files below a directory, or whichever it is."""

    EITHER = "either"
    FILE = "file"
    DIRECTORY = "directory"


class Reading(NamedTuple):
    """How narrowly a pattern is taken. `wordy`: `*` is at least one character."""

    last: Last = Last.EITHER
    wordy: bool = False


class Automaton(NamedTuple):
    """Per state the characters that it takes with where they lead. State 0 is the first."""

    moves: tuple[tuple[tuple[Characters, int], ...], ...]
    ends: frozenset[int]


AS_WRITTEN: Final = Reading()


def automaton(glob: Glob, reading: Reading = AS_WRITTEN) -> Automaton:
    """What `core/globs.path_matcher` matches, or less."""
    build = _Builder(reading)
    last = len(glob.segments) - 1
    for index, segment in enumerate(glob.segments):
        if segment == ANY_DEPTH:
            if index < last:
                build.directories()
        else:
            build.name(segment)
            if index < last:
                build.take(SLASH)
    if not glob.segments or glob.segments[last] == ANY_DEPTH:
        build.anything()
    else:
        build.tail(glob)
    return build.done()


class _Builder:
    """Adds states behind `at`, the newest. Free moves are taken without a character."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._moves: list[list[tuple[Characters, int]]] = [[]]
        self._free: dict[int, int] = {}
        self._ends: set[int] = set()
        self._at = 0

    def take(self, characters: Characters) -> None:
        self._moves[self._at].append((characters, self._add()))

    def _add(self) -> int:
        self._moves.append([])
        self._at = len(self._moves) - 1
        return self._at

    def _loop(self, *characters: Characters) -> None:
        self._moves[self._at] += [(each, self._at) for each in characters]

    def _freely(self) -> None:
        before = self._at
        self._free[before] = self._add()

    def name(self, segment: str) -> None:
        for part in name_parts(segment):
            if part is not None:
                self.take(part)
                continue
            if self._reading.wordy:
                self.take(ANY_CHARACTER)
            else:
                self._freely()
            self._loop(ANY_CHARACTER)

    def directories(self) -> None:
        """Any number of names, each with a `/` behind it."""
        self._freely()
        outside = self._at
        self.take(ANY_CHARACTER)
        self._loop(ANY_CHARACTER)
        self._moves[self._at].append((SLASH, outside))
        self._at = outside

    def anything(self) -> None:
        """One name or more."""
        self.take(ANY_CHARACTER)
        self._loop(ANY_CHARACTER, SLASH)
        self._ends.add(self._at)

    def tail(self, glob: Glob) -> None:
        """What may follow the last name."""
        last = Last.FILE if is_wild(glob.segments[-1]) else self._reading.last
        if not glob.below and last is not Last.DIRECTORY:
            self._ends.add(self._at)
        if glob.below or last is not Last.FILE:
            self.take(SLASH)
            self.anything()

    def done(self) -> Automaton:
        """Without the free moves: a state has those of all that it leads to freely."""
        moves: list[tuple[tuple[Characters, int], ...]] = []
        ends: set[int] = set()
        for state in range(len(self._moves)):
            found: list[tuple[Characters, int]] = []
            near: int | None = state
            while near is not None:
                found += self._moves[near]
                if near in self._ends:
                    ends.add(state)
                near = self._free.get(near)
            moves.append(tuple(found))
        return Automaton(tuple(moves), frozenset(ends))

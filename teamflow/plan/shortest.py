"""The shortest path that two automata take and others do not.

Decides which characters need to be told apart, and how far a search may go. A path is names with a `/` between them,
none of them empty, `.` or `..`. Knows nothing of patterns.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from teamflow.core.globs import Characters
from teamflow.plan.automaton import SLASH, Automaton

MOST_STATES: Final = 20_000
"""Where a search gives up. Patterns that people write need some hundreds."""

_PROPER: Final = 3
"""How a name stands: 0 not begun, 1 and 2 so many dots and nothing else, _PROPER: a name that a file can have."""


class TooLarge(Exception):
    """The search was given up: whether there is a path is not known."""


_Moves: TypeAlias = "list[list[tuple[int, int]]]"
"""Per state: a set of symbols as bits, and where they lead."""

_State: TypeAlias = "tuple[int, int, int, tuple[frozenset[int], ...]]"
"""A state of either automaton, how the name stands, and the states that each of the others may be in."""


def shortest(one: Automaton, other: Automaton, without: Sequence[Automaton] = ()) -> str | None:
    """A shortest path that both take and none of `without` does; None: there is none. Raises TooLarge."""
    return _Search(one, other, without).path()


class _Search:
    """One search, breadth first. Characters that all automata treat alike are one symbol."""

    def __init__(self, one: Automaton, other: Automaton, without: Sequence[Automaton]) -> None:
        machines = (one, other, *without)
        self._symbols = _symbols({each for machine in machines for moves in machine.moves for each, _ in moves})
        masks: dict[Characters, int] = {}
        numbered = [[[(self._mask(each, masks), to) for each, to in moves] for moves in m.moves] for m in machines]
        self._one, self._other, *self._without = numbered
        self._ends = [machine.ends for machine in machines]

    def _mask(self, characters: Characters, masks: dict[Characters, int]) -> int:
        mask = masks.get(characters)
        if mask is None:
            holds = [_holds(characters, symbol) for symbol in self._symbols]
            mask = masks[characters] = sum(1 << number for number, one in enumerate(holds) if one)
        return mask

    def path(self) -> str | None:
        first: _State = (0, 0, 0, tuple([frozenset({0})] * len(self._without)))
        came: dict[_State, tuple[_State, str] | None] = {first: None}
        waiting = deque([first])
        while waiting:
            state = waiting.popleft()
            if self._is_end(state):
                return _way(state, came)
            for symbol, following in self._following(state):
                if following not in came:
                    came[following] = (state, self._symbols[symbol])
                    waiting.append(following)
            if len(came) > MOST_STATES:
                raise TooLarge
        return None

    def _is_end(self, state: _State) -> bool:
        one, other, name, others = state
        if name != _PROPER or one not in self._ends[0] or other not in self._ends[1]:
            return False
        return all(ends.isdisjoint(states) for ends, states in zip(self._ends[2:], others, strict=True))

    def _following(self, state: _State) -> Iterator[tuple[int, _State]]:
        one, other, name, others = state
        for mask, to in self._one[one]:
            for rival_mask, rival in self._other[other]:
                for symbol in _bits(mask & rival_mask):
                    named = _named(name, self._symbols[symbol])
                    if named is not None:
                        yield symbol, (to, rival, named, self._others(others, 1 << symbol))

    def _others(self, others: tuple[frozenset[int], ...], bit: int) -> tuple[frozenset[int], ...]:
        return tuple(
            frozenset(to for state in states for mask, to in moves[state] if mask & bit)
            for states, moves in zip(others, self._without, strict=True)
        )


def _way(state: _State, came: dict[_State, tuple[_State, str] | None]) -> str:
    characters: list[str] = []
    step = came[state]
    while step is not None:
        state, character = step
        characters.append(character)
        step = came[state]
    return "".join(reversed(characters))


def _named(name: int, character: str) -> int | None:
    """How a name stands after one more character; None where no path goes on like this."""
    if character == "/":
        return 0 if name == _PROPER else None
    return min(name + 1, _PROPER) if character == "." else _PROPER


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _holds(characters: Characters, character: str) -> bool:
    if character == "/":
        return characters is SLASH
    return any(low <= character <= high for low, high in characters.ranges) != characters.negated


def _symbols(sets: Iterable[Characters]) -> list[str]:
    """One character for each way in which a character can stand to all the sets, pleasant ones first."""
    classes = list(sets)
    cuts = {1, ord("."), ord("/"), ord("/") + 1, 0x110000}
    for characters in classes:
        for low, high in characters.ranges:
            cuts |= {ord(low), ord(high) + 1}
    ordered = sorted(cuts)
    chosen = [_pleasant(low, high) for low, high in itertools.pairwise(ordered)]
    chosen.sort(key=lambda character: (character != "x", not character.islower(), not character.isalnum(), character))
    found: dict[tuple[bool, ...], str] = {}
    for character in chosen:
        kinds = (character == ".", character == "/", *(_holds(each, character) for each in classes))
        found.setdefault(kinds, character)
    return list(found.values())


def _pleasant(low: int, high: int) -> str:
    """One character of those from `low` up to `high`."""
    for first, last in (("x", "x"), ("a", "z"), ("0", "9"), ("A", "Z"), ("!", "~")):
        begin = max(low, ord(first))
        if begin < min(high, ord(last) + 1):
            return chr(begin)
    return chr(low)

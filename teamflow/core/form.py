"""A form: what may stand for one character after the other. What follows from that for bytes. Pure.

Knows nothing of secrets, nor how a form is looked for in much data.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

Spellings: TypeAlias = "tuple[bytes, ...]"
"""What one character may stand as; none is empty."""

Form: TypeAlias = "tuple[Spellings, ...]"


SHORTEST: Final = 8
"""Characters of a secret that is looked for; what is derived from it is never shorter in bytes."""


def join(form: Form) -> Form:
    """The same with neighbours that have one spelling made into one."""
    joined: list[Spellings] = []
    for spellings in form:
        if joined and len(spellings) == len(joined[-1]) == 1:
            joined[-1] = (joined[-1][0] + spellings[0],)
        else:
            joined.append(spellings)
    return tuple(joined)


def advance(form: Form, index: int, rest: bytes) -> Iterator[tuple[int, bytes]]:
    """A byte further. `rest`: what is left of the spelling before `index`."""
    if rest:
        yield index, rest[1:]
    elif index < len(form):
        for spelling in form[index]:
            yield index + 1, spelling[1:]


def strings(form: Form, index: int, rest: bytes, size: int) -> Iterator[bytes]:
    """All that may stand in the next `size` bytes."""
    if len(rest) >= size:
        yield rest[:size]
    elif index < len(form):
        for spelling in form[index]:
            yield from strings(form, index + 1, rest + spelling, size)


def shortest(form: Form) -> int:
    """Bytes."""
    return sum(min(map(len, spellings)) for spellings in form)


def longest(form: Form) -> int:
    """Bytes."""
    return sum(max(map(len, spellings)) for spellings in form)


def end_of(data: bytes, at: int, form: Form) -> tuple[int, bool]:
    """The furthest end of the form that starts here (-1: it does not), and whether more data might make one longer."""
    places, is_open = {at}, False
    for spellings in form:
        reached: set[int] = set()
        for place in places:
            for spelling in spellings:
                if data.startswith(spelling, place):
                    reached.add(place + len(spelling))
                elif len(data) - place < len(spelling) and spelling.startswith(data[place:]):
                    is_open = True
        if not reached:
            return -1, is_open
        places = reached
    return max(places), is_open


def start_of(data: bytes, at: int, form: Form) -> int:
    """The earliest start of the form that ends here; -1: it does not."""
    places = {at}
    for spellings in reversed(form):
        places = {
            place - len(spelling) for place in places for spelling in spellings if data.endswith(spelling, 0, place)
        }
        if not places:
            return -1
    return min(places)

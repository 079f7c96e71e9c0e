"""Where a form may stand in much data: where its anchor does, a piece of it that all its spellings must show. Pure.

Few forms: their anchors are looked for one by one, which for a handful is the fastest there is. Many: every anchor is
so long that, wherever it begins, one of every few four-byte words of the data lies within it; only those words are
looked at, in one set, so that a hundred forms cost what one does. Decides which of the two, by a guess of the cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, Protocol

from teamflow.core.form import Form, advance, join, shortest, strings
from teamflow.core.named import NamedTuple

WORD: Final = 4
"""Bytes."""

_MOST_STRIDE: Final = 8
"""Words of which one is looked at; a larger stride needs more words in the set."""

_BLOCK: Final = 1024
"""Words that are looked at once more to find the place, if any of them is known."""

_LONGEST_NEEDLE: Final = 64
_MOST_NEEDLES: Final = 16
"""Spellings of an anchor that are looked for one by one."""

_MOST_WINDOWS: Final = 128
"""Spellings of an anchor that are kept as a whole."""

_HOPELESS: Final = 1e9


class Anchored(NamedTuple):
    """A form in two parts: up to the anchor, and from there on."""

    before: Form
    after: Form


class Anchors(Protocol):
    def places(self, data: bytes) -> Iterator[tuple[int, Anchored]]:
        """Where an anchor begins, or seems to."""
        ...


def anchors(forms: Sequence[Form]) -> Anchors:
    """For forms of at least `2 * WORD` bytes; at least one."""
    stride = min(_MOST_STRIDE, *((shortest(form) - WORD + 1) // WORD for form in forms))
    return _needles(forms, at_most=2 / stride) or _Words(forms, stride)


class _Needles:
    """Anchors that are looked for one by one."""

    def __init__(self, needles: Sequence[tuple[bytes, Anchored]]) -> None:
        self._needles = needles

    def places(self, data: bytes) -> Iterator[tuple[int, Anchored]]:
        for needle, anchored in self._needles:
            at = data.find(needle)
            while at >= 0:
                yield at, anchored
                at = data.find(needle, at + 1)


def _needles(forms: Sequence[Form], *, at_most: float) -> _Needles | None:
    """None: that would cost more than `at_most`."""
    chosen: list[tuple[bytes, Anchored]] = []
    total = 0.0
    for form in forms:
        cost, at, needles = _cheapest(form)
        total += cost
        if total > at_most:
            return None
        chosen += [(needle, _anchored(form, at)) for needle in needles]
    return _Needles(chosen)


def _cheapest(form: Form) -> tuple[float, int, list[bytes]]:
    """What costs least to look for (a long needle lets the search leap): its cost, the place in the form, and all that
    may stand there."""
    best: tuple[float, int, list[bytes]] = (_HOPELESS, 0, [])
    for at in range(len(form)):
        if at and len(form[at - 1]) == 1:
            continue  # what stands before would make it longer
        needles = [b""]
        for spellings in form[at : at + _LONGEST_NEEDLE]:
            if len(needles) * len(spellings) > _MOST_NEEDLES:
                break
            needles = [needle + spelling for needle in needles for spelling in spellings]
            cost = sum(1 / len(needle) if len(needle) >= WORD else _HOPELESS for needle in needles)
            if cost < best[0]:
                best = (cost, at, needles)
    return best


class _Words:
    """Anchors by the words in them, of which every `stride`th of the data is looked at."""

    def __init__(self, forms: Sequence[Form], stride: int) -> None:
        self._stride = stride
        self._size = (stride + 1) * WORD - 1
        """So many bytes, wherever they begin, hold one of the words that are looked at."""
        self._offsets: dict[int, set[int]] = {}
        """Where in a window a word may stand."""
        self._windows: dict[bytes, list[Anchored]] = {}
        self._loose: dict[int, list[tuple[int, Anchored]]] = {}
        """Word → its place in an anchor that has too many spellings for windows."""
        for form in forms:
            self._add(form)
        self._known = frozenset(self._offsets) | frozenset(self._loose)

    def places(self, data: bytes) -> Iterator[tuple[int, Anchored]]:
        known, step = self._known, self._stride * WORD
        words = memoryview(data)[: len(data) // WORD * WORD].cast("I")[:: self._stride]
        for begin in range(0, len(words), _BLOCK):
            block = words[begin : begin + _BLOCK]
            if not known.isdisjoint(block):
                for index, word in enumerate(block, begin):
                    if word in known:
                        yield from self._at_word(data, index * step, word)

    def _at_word(self, data: bytes, place: int, word: int) -> Iterator[tuple[int, Anchored]]:
        for offset in self._offsets.get(word, ()):
            at = place - offset
            for anchored in self._windows.get(data[at : at + self._size], ()) if at >= 0 else ():
                yield at, anchored
        for offset, anchored in self._loose.get(word, ()):
            if place >= offset:
                yield place - offset, anchored

    def _add(self, form: Form) -> None:
        at = _window(form, self._size)
        anchored = _anchored(form, at)
        windows = list(islice(strings(form, at, b"", self._size), _MOST_WINDOWS + 1))
        if len(windows) > _MOST_WINDOWS:
            self._add_loose(form, at, anchored)
            return
        for window in set(windows):
            self._windows.setdefault(window, []).append(anchored)
            for offset in range(self._stride * WORD):
                self._offsets.setdefault(_number(window[offset : offset + WORD]), set()).add(offset)

    def _add_loose(self, form: Form, at: int, anchored: Anchored) -> None:
        states = {(at, b"")}
        for offset in range(self._stride * WORD):
            for word in {word for index, rest in states for word in strings(form, index, rest, WORD)}:
                self._loose.setdefault(_number(word), []).append((offset, anchored))
            states = {state for index, rest in states for state in advance(form, index, rest)}


def _window(form: Form, size: int) -> int:
    """Where to look for so many bytes: where there are fewest spellings, and rather at the end, for many secrets have
    the same beginning."""
    lengths = [min(map(len, spellings)) for spellings in form]
    best, chosen = -1, 0
    end, length, choices = len(form), 0, 0
    for at in reversed(range(len(form))):
        length += lengths[at]
        choices += len(form[at]) - 1
        while length - lengths[end - 1] >= size:
            end -= 1
            length -= lengths[end]
            choices -= len(form[end]) - 1
        if length >= size and (best < 0 or choices < best):
            best, chosen = choices, at
    return chosen


def _number(word: bytes) -> int:
    """As it is read out of the data."""
    return memoryview(word).cast("I")[0]


def _anchored(form: Form, at: int) -> Anchored:
    return Anchored(join(form[:at]), join(form[at:]))

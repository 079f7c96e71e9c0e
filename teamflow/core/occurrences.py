"""Where any of many forms stands in bytes, and what at the end of them may become one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

from teamflow.core.anchors import WORD, Anchors, anchors
from teamflow.core.form import Form, end_of, join, longest, start_of, strings


class Occurrences:
    """Looks for forms of at least 8 bytes. Nothing is compiled before the first search."""

    def __init__(self, forms: Iterable[Form]) -> None:
        self._forms = sorted(forms)
        self.longest = max((longest(form) for form in self._forms), default=0)
        """Bytes of the longest thing that may be found."""

    def __bool__(self) -> bool:
        return bool(self._forms)

    def find(self, data: bytes) -> list[tuple[int, int]]:
        """Start and end of each occurrence, overlapping ones too, by start."""
        found: set[tuple[int, int]] = set()
        for at, anchored in self._anchors.places(data) if self._forms else ():
            start = start_of(data, at, anchored.before)
            end, _ = end_of(data, at, anchored.after) if start >= 0 else (-1, False)
            if end >= 0:
                found.add((start, end))
        return sorted(found)

    def settled(self, data: bytes) -> int:
        """The length of what nothing can start in that goes on beyond the end."""
        for head in self._heads.finditer(data, max(0, len(data) - self.longest + 1)):
            at = head.start()
            for form in self._starts.get(data[at : at + WORD], ()):
                if end_of(data, at, form)[1]:
                    return at
        return len(data)

    @cached_property
    def backwards(self) -> Occurrences:
        """The same for data from its end to its beginning."""
        return Occurrences(
            tuple(tuple(spelling[::-1] for spelling in spellings) for spellings in reversed(form))
            for form in self._forms
        )

    @cached_property
    def _anchors(self) -> Anchors:
        return anchors(self._forms)

    @cached_property
    def _starts(self) -> dict[bytes, dict[Form, None]]:
        """Forms by their first bytes, and by what a cut may leave of these."""
        starts: dict[bytes, dict[Form, None]] = {}
        for form in self._forms:
            joined = join(form)
            for word in set(strings(form, 0, b"", WORD)):
                for size in range(1, WORD + 1):
                    starts.setdefault(word[:size], {})[joined] = None
        return starts

    @cached_property
    def _heads(self) -> re.Pattern[bytes]:
        """The first byte of any form."""
        return re.compile(b"|".join(re.escape(start) for start in self._starts if len(start) == 1))

"""Secrets out of everything that is shown, recorded or handed on, by value. Pure.

Decides what is put in place of a value, in whichever form it stands (`secret_forms.py`): where occurrences overlap,
all of what they cover together becomes one `***`, which is never longer than what it replaces. Values below 8
characters are left alone: they would garble the output and protect nothing (`too_short` names them). Many texts are cut
by who knows no secrets, and come here afterwards: what stands of a value before or behind a `…` counts as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from teamflow.core.events import AttemptEnded, Event, ProgressReported, QuestionAnswered, QuestionAsked
from teamflow.core.leave import LeaveAsked
from teamflow.core.outcome import Failed
from teamflow.core.overlapping import OverlapsSeen
from teamflow.core.plan import Json
from teamflow.core.requested import MessageSent, PauseRequested, RelaunchRequested

if TYPE_CHECKING:
    from teamflow.core.occurrences import Occurrences

MARK: Final = "***"
_CUT: Final = "…".encode()
_HALF: Final = 4
"""Bytes of a value that a cut may leave and that are taken out; fewer say nothing."""


class Redactor:
    """Knows the values of a run's secrets (name → value); one for all that shows or keeps something of the run."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self.know(secrets)

    def know(self, secrets: Mapping[str, str]) -> None:
        """These from now on, in place of those before, in streams that have begun as well."""
        self.too_short: tuple[str, ...] = ()
        self.forms: Occurrences | None = None
        """What is looked for; None: nothing."""
        if secrets:
            # Imported here: most runs have no secrets.
            from teamflow.core.form import SHORTEST
            from teamflow.core.occurrences import Occurrences
            from teamflow.core.secret_forms import forms

            self.too_short = tuple(name for name, value in secrets.items() if 0 < len(value.strip()) < SHORTEST)
            self.forms = Occurrences({form for value in secrets.values() for form in forms(value)})

    def text(self, text: str) -> str:
        """The text without secrets; the same object where there is none in it."""
        if not self.forms:
            return text
        data = text.encode("utf-8", "surrogatepass")
        clean = self.bytes(data)
        if halves := sorted(_halves(clean, self.forms)):
            clean, _ = _marked(clean, halves, limit=len(clean), covered=0)
        if clean is data:
            return text
        try:
            return clean.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # a value of broken UTF-8 may be a part of a character
            return clean.decode("utf-8", "replace")

    def bytes(self, data: bytes) -> bytes:
        """As `text`, for UTF-8 that may be broken and that nobody has cut."""
        found = self.forms.find(data) if self.forms else ()
        return _marked(data, found, limit=len(data), covered=0)[0] if found else data

    def json(self, value: Json) -> Json:
        """A copy of a JSON value without secrets, in keys too; a number that is one becomes `"***"`."""
        if not self.forms:
            return value
        out: dict[str, Json] = {}
        todo: list[tuple[Json, dict[str, Json] | list[Json], str | int]] = [(value, out, "")]
        while todo:
            item, into, at = todo.pop()
            if isinstance(item, Mapping):
                copy: dict[str, Json] = {}
                todo += [(entry, copy, self._key(copy, key)) for key, entry in item.items()]
                _set(into, at, copy)
            elif isinstance(item, list | tuple):
                entries: list[Json] = [None] * len(item)
                todo += [(entry, entries, index) for index, entry in enumerate(item)]
                _set(into, at, entries)
            else:
                _set(into, at, self._scalar(item))
        return out[""]

    def stream(self) -> RedactingStream:
        """For bytes that come in pieces: a value split over two of them is found as well."""
        return RedactingStream(self)

    def _key(self, copy: dict[str, Json], key: str) -> str:
        clean = unique = self.text(key)
        number = 1
        while unique in copy:
            number += 1
            unique = f"{clean}{number}"
        copy[unique] = None
        return unique

    def _scalar(self, item: Json) -> Json:
        if isinstance(item, str):
            return self.text(item)
        if isinstance(item, int | float) and self.text(str(item)) != str(item):
            return MARK
        return item


def redacted(event: Event, redactor: Redactor) -> Event:
    """What people are asked, what they note and tell, without secrets. Options are words of the team file, and answers
    are options; what engines say of a success is redacted where it comes in."""
    match event:
        case QuestionAsked(text=text) | LeaveAsked(text=text):
            return event._replace(text=redactor.text(text))
        case AttemptEnded(outcome=Failed(reason=reason, detail=detail) as failed):
            return event._replace(outcome=failed._replace(reason=redactor.text(reason), detail=redactor.text(detail)))
        case QuestionAnswered(note=note):
            return event._replace(note=redactor.text(note))
        case MessageSent(text=text) | ProgressReported(text=text):
            return event._replace(text=redactor.text(text))
        case OverlapsSeen(overlaps=overlaps):
            shown = (each._replace(paths=tuple(map(redactor.text, each.paths))) for each in overlaps)
            return event._replace(overlaps=tuple(shown))
        case PauseRequested(by=by):
            return event._replace(by=redactor.text(by))
        case RelaunchRequested(changes=changes) if changes:
            return event._replace(changes={name: redactor.json(value) for name, value in changes.items()})
        case _:
            return event


class RedactingStream:
    """Redacts as `Redactor.bytes` would redact the whole.

    Holds back only what may be the start of a secret: fewer bytes than the longest of them has.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = b""
        self._covered = 0
        """How far into what is held (or beyond) the last occurrence reaches; its mark has been given out."""

    def feed(self, data: bytes) -> bytes:
        """What of it can be shown now."""
        forms = self._redactor.forms
        data = self._held + data
        return self._release(data, forms.settled(data) if forms else len(data))

    def flush(self) -> bytes:
        """The rest, at the end of the stream."""
        return self._release(self._held, len(self._held))

    def _release(self, data: bytes, limit: int) -> bytes:
        forms = self._redactor.forms
        if not forms and not self._covered:
            self._held = data[limit:]
            return data[:limit]
        found = forms.find(data) if forms else ()
        shown, covered = _marked(data, found, limit=limit, covered=self._covered)
        self._held = data[limit:]
        self._covered = max(0, covered - limit)
        return shown


def _marked(data: bytes, found: Iterable[tuple[int, int]], *, limit: int, covered: int) -> tuple[bytes, int]:
    """The data up to `limit` with what was found there (start and end of each, by start) replaced, and how far that
    reaches. `covered`: how far something reaches that began before."""
    out: list[bytes] = []
    shown = min(covered, limit)
    for start, end in found:
        if start >= limit:
            break
        if start >= covered:
            out.append(data[shown:start])
            out.append(MARK.encode())
        covered = max(covered, end)
        shown = min(covered, limit)
    out.append(data[shown:limit])
    return b"".join(out), covered


def _halves(data: bytes, forms: Occurrences) -> Iterator[tuple[int, int]]:
    """What stands at a cut and is the beginning of a form before it, or the end of one behind it."""
    begin, cut = 0, data.find(_CUT)
    while cut >= 0:
        before = data[begin:cut].rstrip()
        start = forms.settled(before)
        if len(before) - start >= _HALF:
            yield begin + start, begin + len(before)
        begin, cut = cut + len(_CUT), data.find(_CUT, cut + len(_CUT))
        behind = data[begin : min(begin + forms.longest, cut if cut >= 0 else len(data))]
        if behind and not behind[:1].isspace():
            size = len(behind) - forms.backwards.settled(behind[::-1])
            if size >= _HALF:
                yield begin, begin + size


def _set(into: dict[str, Json] | list[Json], at: str | int, value: Json) -> None:
    if isinstance(into, dict):
        into[str(at)] = value
    elif isinstance(at, int):
        into[at] = value

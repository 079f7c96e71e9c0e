"""Secrets out of everything that is shown, recorded or handed on, by value. Pure.

Decides what counts as an occurrence: the value as it is, as it stands in JSON, in a URL and in base64 (alone or
within something longer), and each long line of a value of several lines. Where occurrences overlap, all of what they
cover together becomes one `***`, which is never longer than what it replaces. Values below 8 characters are left
alone: they would garble the output and protect nothing (`too_short` names them).
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from teamflow.core.events import Event, QuestionAnswered, QuestionAsked
from teamflow.core.plan import Json

SHORTEST: Final = 8
"""Characters of a value that is redacted."""

MARK: Final = "***"

_LINE: Final = 16
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_Text = TypeVar("_Text", str, bytes)


class Redactor:
    """Knows the values of a run's secrets (name → value)."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self.too_short = tuple(name for name, value in secrets.items() if 0 < len(value.strip()) < SHORTEST)
        forms = {form for value in secrets.values() for form in _forms(value)}
        self._texts = sorted(forms, key=lambda form: (-len(form), form))
        self._bytes = [_encoded(form) for form in self._texts]

    def text(self, text: str) -> str:
        """The text without secrets; the same object where there is none in it."""
        return _redact(text, self._texts, MARK)

    def bytes(self, data: bytes) -> bytes:
        """As `text`, for UTF-8 that may be broken."""
        return _redact(data, self._bytes, MARK.encode())

    def json(self, value: Json) -> Json:
        """A copy of a JSON value without secrets, in keys too; a number that is one becomes `"***"`."""
        if not self._texts:
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
        return RedactingStream(self._bytes)

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
    """What people are asked and what they note, without secrets. Options are words of the team file, and answers are
    options; what engines say is redacted where it comes in."""
    match event:
        case QuestionAsked(text=text):
            return event._replace(text=redactor.text(text))
        case QuestionAnswered(note=note):
            return event._replace(note=redactor.text(note))
        case _:
            return event


class RedactingStream:
    """Redacts as `Redactor.bytes` would redact the whole.

    Holds back only what may be the start of a secret: fewer bytes than the longest of them has.
    """

    def __init__(self, forms: list[bytes]) -> None:
        self._forms = forms
        self._held = b""
        self._covered = 0
        """How far into what is held (or beyond) the last occurrence reaches; its mark has been given out."""

    def feed(self, data: bytes) -> bytes:
        """What of it can be shown now."""
        if not self._forms:
            return data
        data = self._held + data
        return self._release(data, _safe_length(data, self._forms))

    def flush(self) -> bytes:
        """The rest, at the end of the stream."""
        return self._release(self._held, len(self._held))

    def _release(self, data: bytes, limit: int) -> bytes:
        out: list[bytes] = []
        covered = self._covered
        shown = min(covered, limit)
        for start, end in _occurrences(data, self._forms):
            if start >= limit:
                break
            if start >= covered:
                out.append(data[shown:start])
                out.append(MARK.encode())
            covered = max(covered, end)
            shown = min(covered, limit)
        out.append(data[shown:limit])
        self._held = data[limit:]
        self._covered = max(0, covered - limit)
        return b"".join(out)


def _redact(text: _Text, forms: list[_Text], mark: _Text) -> _Text:
    found = _occurrences(text, forms)
    if not found:
        return text
    out: list[_Text] = []
    covered = 0
    for start, end in found:
        if start >= covered:
            out.append(text[covered:start])
            out.append(mark)
        covered = max(covered, end)
    out.append(text[covered:])
    return text[:0].join(out)


def _occurrences(text: _Text, forms: Iterable[_Text]) -> list[tuple[int, int]]:
    """Start and end of each occurrence, overlapping ones too, by start."""
    found: list[tuple[int, int]] = []
    for form in forms:
        at = text.find(form)
        while at >= 0:
            found.append((at, at + len(form)))
            at = text.find(form, at + 1)
    found.sort()
    return found


def _safe_length(data: bytes, forms: Iterable[bytes]) -> int:
    """The length of what no secret can start in that goes on beyond the end."""
    safe = len(data)
    for form in forms:
        first = form[:1]
        at = data.find(first, max(0, len(data) - len(form) + 1), safe)
        while at >= 0:
            if form.startswith(data[at:]):
                safe = at
                break
            at = data.find(first, at + 1, safe)
    return safe


def _forms(value: str) -> set[str]:
    """Every way in which a value may turn up."""
    lines = value.splitlines()
    parts = {value, value.strip(), *(line.strip() for line in lines if len(lines) > 1 and len(line.strip()) >= _LINE)}
    forms: set[str] = set()
    for part in parts:
        if len(part.strip()) >= SHORTEST:
            raw = _encoded(part)
            forms |= {part, json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1], *_base64(raw)}
            forms |= {_percent(raw, "02X"), _percent(raw, "02x"), _percent(raw, "02X").replace("%20", "+")}
    return {form for form in forms if len(form) >= SHORTEST}


def _encoded(text: str) -> bytes:
    """As the operating system had it where the text came from there."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _percent(raw: bytes, digits: str) -> str:
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:{digits}}" for byte in raw)


def _base64(raw: bytes) -> set[str]:
    """What base64 makes of the value at each of the three places where it may start within something longer."""
    forms: set[str] = set()
    for before in range(3):
        text = b2a_base64(bytes(before) + raw, newline=False).decode().rstrip("=")
        # The first characters depend on what stands before, the last one may on what follows.
        start = (0, 2, 3)[before]
        end = len(text) - (1 if (before + len(raw)) % 3 else 0)
        forms |= {text[start:end], text[start:end].replace("+", "-").replace("/", "_")}
    return forms


def _set(into: dict[str, Json] | list[Json], at: str | int, value: Json) -> None:
    if isinstance(into, dict):
        into[str(at)] = value
    elif isinstance(at, int):
        into[at] = value

"""Events and outcomes as JSON and back. The stored form: keys are the field names, `kind` is the class name.

Within a store format, fields are only added, with defaults; a reader ignores none (an unknown kind or field is an
error that names it: a newer teamflow wrote it). Hits are stored as rows, without names, as there may be thousands in
one record; those of earlier versions, with names, are read as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final, Never, cast

from teamflow.core.events import EVENTS, Cached, Event, Hit
from teamflow.core.outcome import Artifact, Failed, FailureClass, Outcome, Stopped, Succeeded, Usage
from teamflow.core.overlapping import Overlap
from teamflow.core.plan import Json
from teamflow.core.requested import CancelRequested
from teamflow.core.work import Left, Ready

_OUTCOMES: Final[dict[str, type[Outcome]]] = {
    "succeeded": Succeeded,
    "failed": Failed,
    "stopped": Stopped,
}
_OUTCOME_WORD = {cls: word for word, cls in _OUTCOMES.items()}
_FIELDS: Final[dict[type[object], tuple[str, ...]]] = {
    cls: cls._fields for cls in (*EVENTS, Succeeded, Failed, Stopped, Usage, Artifact, Hit, Left, Ready, Overlap)
}
_KINDS: Final[dict[str, type[Event]]] = {cls.__name__: cls for cls in EVENTS}
_TUPLES = ("steps", "artifacts", "origin", "edges", "options", "agrees", "copied", "paths", "conflicts")
_encode: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


class CodecError(ValueError):
    """A stored record that this version cannot read."""


def event_kind(event: Event) -> str:
    return type(event).__name__


def dump_event(event: Event) -> str:
    """One JSON object without `kind` (which is a column of its own)."""
    if type(event) is Cached:
        return _encode({"hits": event.hits})
    return _encode(_plain_fields(event))


def event_object(event: Event) -> dict[str, Json]:
    """The event as plain data, with `kind`: a line of `events`."""
    return {"kind": event_kind(event), **_plain_fields(event)}


def load_event(kind: str, data: str) -> Event:
    """Raises CodecError for what a newer version wrote or what is damaged."""
    cls = _KINDS.get(kind)
    if cls is None:
        raise CodecError(f"unknown record kind {kind!r}: a newer teamflow wrote it")
    try:
        raw = json.loads(data)
    except ValueError as error:
        raise CodecError(f"damaged {kind} record: {error}") from error
    return cast("Event", _build(cls, raw))


def outcome_object(outcome: Outcome) -> dict[str, Json]:
    """The outcome as plain data; `end` says which of the three it is."""
    return {"end": _OUTCOME_WORD[type(outcome)], **_plain_fields(outcome)}


def outcome_from_object(raw: Mapping[str, Json]) -> Outcome:
    rest = {key: value for key, value in raw.items() if key != "end"}
    cls = _OUTCOMES.get(str(raw.get("end")))
    if cls is None:
        raise CodecError(f"unknown outcome {raw.get('end')!r}")
    return cast("Outcome", _build(cls, rest))


def _plain_fields(value: object) -> dict[str, Json]:
    out: dict[str, Json] = {}
    for name in _FIELDS[type(value)]:
        item = getattr(value, name)
        if item is None or item == "" or item is False or (item == () and type(value) is not CancelRequested):
            continue
        out[name] = _plain(item)
    return out


def _plain(item: object) -> Json:
    if type(item) is Hit:
        return _plain_hit(item)
    match item:
        case Succeeded() | Failed() | Stopped():
            return outcome_object(item)
        case Usage() | Artifact():
            return _plain_fields(item)
        case Left() | Ready() | Overlap():
            return {name: _plain(value) for name, value in item._asdict().items()}
        case tuple() | list():
            return [_plain(entry) for entry in item]
        case dict():
            return {str(key): _plain(entry) for key, entry in item.items()}
        case _:
            return cast("Json", item)


def _plain_hit(hit: Hit) -> dict[str, Json]:
    """Spelt out: thousands of hits make one record, and what they hold is plain already."""
    out: dict[str, Json] = {"key": hit.key, "reason": hit.reason}
    if hit.text:
        out["text"] = hit.text
    if hit.outputs is not None:
        out["outputs"] = hit.outputs
    if hit.artifacts:
        out["artifacts"] = hit.artifacts
    if hit.origin is not None:
        out["origin"] = hit.origin
    if hit.left is not None:
        out["left"] = hit.left
    return out


def _build(cls: type[object], raw: Mapping[str, Json]) -> object:
    unknown = set(raw) - set(_FIELDS[cls])
    if unknown:
        raise CodecError(f"{cls.__name__} has unknown field {min(unknown)!r}: a newer teamflow wrote it")
    values = {name: _revive(cls, name, value) for name, value in raw.items()}
    for name, default in _EMPTY.get(cls, {}).items():
        values.setdefault(name, default)
    try:
        return cls(**values)
    except TypeError as error:
        raise CodecError(f"damaged {cls.__name__} record: {error}") from error


def _revive(cls: type[object], name: str, value: Json) -> object:
    special = _SPECIAL.get((cls, name)) or _SPECIAL.get((None, name))
    if special is not None:
        return special(value)
    if name in _TUPLES and isinstance(value, list):
        return tuple(tuple(entry) if isinstance(entry, list) else entry for entry in value)
    return value


def _mapping(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise CodecError(f"expected an object, found {value!r}")
    return value


def _revive_artifacts(value: Json) -> tuple[object, ...]:
    return tuple(_build(Artifact, _mapping(entry)) for entry in cast("list[Json]", value))


def _revive_overlaps(value: Json) -> tuple[object, ...]:
    return tuple(_build(Overlap, _mapping(entry)) for entry in cast("list[Json]", value))


def _artifact_rows(value: Json) -> tuple[Artifact, ...]:
    """Of a hit: without the names of the fields, as there may be thousands in one record."""
    try:
        return tuple(Artifact(*row) for row in cast("list[list[str]]", value))  # type: ignore[arg-type]
    except TypeError as error:
        raise CodecError(f"damaged Hit record: {error}") from error


def _left(value: Json) -> Left:
    return Left(*cast("list[Never]", value)) if isinstance(value, list) else cast("Left", _build(Left, _mapping(value)))


def _hit(row: Json) -> Hit:
    if not isinstance(row, list):
        return cast("Hit", _build(Hit, _mapping(row)))
    try:
        hit = Hit(*cast("list[Never]", row))
        origin = None if hit.origin is None else cast("tuple[int, int]", tuple(hit.origin))
        left = None if hit.left is None else Left(*hit.left)
        return hit._replace(artifacts=tuple([Artifact(*each) for each in hit.artifacts]), origin=origin, left=left)
    except TypeError as error:
        raise CodecError(f"damaged Hit record: {error}") from error


_SPECIAL: Final[dict[tuple[type[object] | None, str], Callable[[Json], object]]] = {
    (None, "outcome"): lambda value: outcome_from_object(_mapping(value)),
    (None, "usage"): lambda value: _build(Usage, _mapping(value)),
    (None, "failure"): lambda value: FailureClass(str(value)),
    (None, "left"): lambda value: _left(value),
    (None, "ready"): lambda value: _build(Ready, _mapping(value)),
    (None, "overlaps"): _revive_overlaps,
    (None, "hits"): lambda value: {key: _hit(row) for key, row in _mapping(value).items()},
    (Succeeded, "artifacts"): _revive_artifacts,
    (Hit, "artifacts"): _artifact_rows,
}

_EMPTY: Final[dict[type[object], dict[str, object]]] = {
    # Fields without a default that are left out of the stored form when they are empty.
    cls: {
        name: empty
        for name, empty in (
            ("steps", None if cls.__name__ == "CancelRequested" else ()),
            ("key", None),
            ("reason", ""),
            ("message", ""),
            ("text", ""),
            ("ok", False),
            ("by", ""),
            ("percent", None),
            ("answer", None),
            ("instances", {}),
            ("exit_code", None),
            ("overlaps", ()),
        )
        if name in names and name not in cls._field_defaults  # type: ignore[attr-defined]
    }
    for cls, names in _FIELDS.items()
}

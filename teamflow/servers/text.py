"""Settings as text: JSON, JSON with comments, TOML; and new servers among what is there.

Decides what may be rewritten: in TOML all but the servers' own tables stays as it is, comments as well; JSON with
comments or trailing commas is read and never rewritten, for the comments would be lost. Opens no file.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import pyjson5
import tomlkit
from tomlkit.exceptions import TOMLKitError

from teamflow.core.named import NamedTuple
from teamflow.servers.canonical import BadServers, Table
from teamflow.servers.format import Section

Syntax: TypeAlias = Literal["json", "toml"]
_DEEPEST: Final = 100


class Parsed(NamedTuple):
    """`plain`: writing `value` anew loses no comments."""

    value: object
    plain: bool


class _Twice(ValueError):
    """A key that is there twice."""


def parse(data: bytes, syntax: Syntax) -> Parsed:
    """BadServers, with line and column where there are any."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadServers(f"byte {error.start + 1}: it is no UTF-8") from None
    try:
        return Parsed(tomllib.loads(text), plain=True) if syntax == "toml" else _parse_json(text)
    except tomllib.TOMLDecodeError as error:
        raise BadServers(f"it is no TOML: {error}") from None
    except RecursionError:
        raise BadServers("it is nested too deeply") from None
    except ValueError as error:  # a number of more digits than Python reads
        raise BadServers(str(error)) from None


def _parse_json(text: str) -> Parsed:
    try:
        return Parsed(json.loads(text, object_pairs_hook=_once, parse_constant=_constant), plain=True)
    except _Twice as error:
        raise BadServers(str(error)) from None
    except ValueError as error:
        strict = (error.pos, error.msg) if isinstance(error, json.JSONDecodeError) else (-1, str(error))
    try:
        return Parsed(pyjson5.decode(text, _DEEPEST), plain=False)
    except pyjson5.Json5NestingTooDeep:
        raise BadServers("it is nested too deeply") from None
    except pyjson5.Json5DecoderException as error:
        near = re.search(r"near (\d+)", str(error))
        lenient = (int(near[1]) - 1 if near else 0, "it is no JSON, nor JSON with comments")
    # Whichever reader came further has seen the mistake.
    position, message = strict if strict[0] >= lenient[0] else lenient
    raise BadServers(f"{_place(text, position)}: {message}")


def _place(text: str, position: int) -> str:
    before = text[: max(position, 0)]
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Twice(f"the key {json.dumps(twice)} is there twice in one map")
    return found


def _constant(text: str) -> object:
    raise ValueError(f"{text} is no JSON")


def rendered(section: Section, entries: Mapping[str, Table], syntax: Syntax) -> str:
    """A file with nothing but servers."""
    value: object = entries
    for key in reversed(section):
        value = {key: value}
    if syntax == "json":
        return _json(value, indent=2)
    return _visible(tomlkit.dumps(value)) if isinstance(value, Mapping) else ""


def merged(old: bytes, section: Section, entries: Mapping[str, Table], syntax: Syntax) -> str:
    """`old` with `entries` among its servers: those of the same name are replaced, all else stays. BadServers."""
    if not old.strip():
        return rendered(section, entries, syntax)
    parsed = parse(old, syntax)
    if not entries:
        return old.decode("utf-8-sig")
    wanted = _with(parsed.value, section, entries)
    if syntax == "toml":
        return _merged_toml(old.decode("utf-8-sig"), section[0], entries, wanted)
    if not parsed.plain:
        raise BadServers(
            "it has comments or trailing commas, which would be lost\n"
            "  write without -o and copy what you need, or remove the comments first"
        )
    text = old.decode("utf-8-sig")
    indent = re.search(r"\n([ \t]+)\"", text)
    return _json(wanted, indent=indent[1] if indent else 2 if "\n" in text.strip() or len(text) < 80 else None)


def _json(value: object, *, indent: int | str | None) -> str:
    try:
        text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent)
    except (ValueError, RecursionError) as error:
        raise BadServers(f"it cannot be written anew: {error}") from None
    return _visible(text) + "\n"


def _visible(text: str) -> str:
    """What only steers a terminal or the direction of writing, escaped: in both syntaxes it stands in strings only."""
    return re.sub(r"[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _with(value: object, section: Section, entries: Mapping[str, Table]) -> dict[str, object]:
    """Copied as far as it changes."""
    if not isinstance(value, Mapping):
        raise BadServers("the file is to be a map")
    if not section:
        return {**value, **entries}
    inner = value.get(section[0], {})
    if not isinstance(inner, Mapping):
        raise BadServers(f"{section[0]} is to be a map")
    return {**value, section[0]: _with(inner, section[1:], entries)}


def _merged_toml(text: str, key: str, entries: Mapping[str, Table], wanted: Mapping[str, object]) -> str:
    try:
        document = tomlkit.parse(text)
        there = document.get(key, {})
        for name in entries:
            if name in there:
                del document[key][name]
        if key in document and not document[key]:
            del document[key]
        before = tomlkit.dumps(document)
        text = before + ("" if before.endswith("\n") or not before else "\n") + "\n" * bool(before)
        text += rendered((key,), entries, "toml")
        if tomllib.loads(text) == wanted:
            return text
    except (TOMLKitError, tomllib.TOMLDecodeError, KeyError, ValueError, RecursionError):
        pass
    raise BadServers(
        f"new servers cannot be put beside the {key} that it has\n"
        f"  write each of them as a table [{key}.NAME], or write without -o and copy what you need"
    )

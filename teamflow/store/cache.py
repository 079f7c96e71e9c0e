"""What succeeded before, by key: `.teamflow/cache/`, index and contents, self-contained, safe to copy or delete.

    cache = Cache(layout.cache, on_warning=...)             # opens nothing yet
    cache.get(keys, now=...) → {key: Entry}                 # thousands at once
    cache.put([Entry, ...], now=...)                        # one transaction
    cache.set_parts(file, {step: (key, parts)}); cache.parts(file, step) → (key, parts) | None
    cache.add_object(descriptor) → (digest, size) | None    # contents of artifacts, before the put that names them
    cache.open_object(digest) → descriptor | None           # workspaces/artifacts.restore takes it from there
    cache.stats(root), cache.save_stats(root, blob)         # for workspaces.digest.ReadsDigester
    cache.collect(limit=bytes, now=...)                     # least recently used first

Nothing here fails: a cache that is damaged, of another format, or on a full disk finds nothing and keeps nothing, and
says so through `on_warning`. Knows keys and contents, never what made them or whether a hit may be used.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias
from zlib import crc32

from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Artifact
from teamflow.core.work import Left
from teamflow.store.cache_index import Index
from teamflow.store.objects import Objects
from teamflow.store.text import storable

DAY: Final = 86_400.0
TEXT_IN_INDEX: Final = 8 * 1024
"""Bytes; a longer text is an object."""

_Row: TypeAlias = "tuple[object, ...]"
_CHUNK: Final = 500
_GET: Final = "SELECT key, text, text_object, outputs, artifacts, run, attempt, used, crc FROM entries WHERE key IN "
_PUT: Final = "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

decode_json: Final = json.JSONDecoder().raw_decode
"""As `json.loads`, with the end: in half the time, as thousands of short texts are read before a run."""


class Entry(NamedTuple):
    """A result. `outputs` is a JSON object as text; `origin` the (run, attempt) that made it."""

    key: str
    text: str | None = None
    outputs: str | None = None
    artifacts: tuple[Artifact, ...] = ()
    origin: tuple[int, int] | None = None
    left: Left | None = None
    """The commit of what it has left in a workspace; its objects are in the repository, not here."""


class Cache:
    """For one thread at a time; any number of processes may use one directory at once."""

    def __init__(self, directory: str, *, on_warning: Callable[[str], None]) -> None:
        self._index = Index(directory, on_warning=on_warning)
        self._objects = Objects(f"{directory}/objects")
        self._directory = directory
        self._on_warning = on_warning

    def close(self) -> None:
        self._index.close()

    # -- results ---------------------------------------------------------------------------------------------

    def get(self, keys: Iterable[str], *, now: float) -> dict[str, Entry]:
        """Those that are there; contents of artifacts may have gone since, which `open_object` tells.

        `now` (Unix) is noted as their use, to the day.
        """
        wanted = list(keys)
        if not wanted or not self._index.exists():
            return {}
        nothing: list[_Row] = []
        rows = self._index.ask(lambda connection: _select(connection, wanted), otherwise=nothing)
        found: dict[str, Entry] = {}
        stale: list[str] = []
        yesterday = now - DAY
        for row in rows:
            entry = self._entry(row)
            if entry is not None:
                found[entry.key] = entry
                if not isinstance(row[7], float) or row[7] < yesterday:
                    stale.append(entry.key)
        if stale:
            self._index.ask(lambda connection: _touch(connection, stale, now), otherwise=None)
        return found

    def put(self, entries: Iterable[Entry], *, now: float) -> bool:
        """Keeps the results; the contents of their artifacts must be there. Whether it could."""
        rows = [row for entry in entries if (row := self._row(entry, now)) is not None]
        return not rows or self._index.ask(lambda connection: _write(connection, _PUT, rows), otherwise=False)

    def set_parts(self, file: str, parts: Mapping[str, tuple[str, str]]) -> bool:
        """For each step of a team file, the key of its newest result and (as JSON) what the key was made of."""
        rows = [(storable(file), storable(step), key, storable(made)) for step, (key, made) in parts.items()]
        statement = "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?)"
        return not rows or self._index.ask(lambda connection: _write(connection, statement, rows), otherwise=False)

    def parts(self, file: str, step: str) -> tuple[str, str] | None:
        """What `set_parts` was told last."""
        if not self._index.exists():
            return None
        statement = "SELECT key, parts FROM parts WHERE file = ? AND step = ?"
        found = self._one(statement, storable(file), storable(step))
        return (str(found[0]), str(found[1])) if found else None

    def drop(self, key: str) -> None:
        """Keeps no result under this key any more."""
        if self._index.exists():
            statement = "DELETE FROM entries WHERE key = ?"
            self._index.ask(lambda connection: _write(connection, statement, [(key,)]), otherwise=False)

    def last_keys(self, file: str, steps: Sequence[str]) -> dict[str, str]:
        """Of these steps of a team file, the keys that `set_parts` was told last."""
        if not steps or not self._index.exists():
            return {}
        names = {storable(step): step for step in steps}
        nothing: list[_Row] = []
        rows = self._index.ask(
            lambda connection: _last_keys(connection, storable(file), list(names)), otherwise=nothing
        )
        return {names[str(step)]: str(key) for step, key in rows}

    def forget_last(self, file: str, steps: Iterable[str]) -> None:
        """Their newest results have no key any more; what it was made of stays, to say what changed."""
        rows = [(storable(file), storable(step)) for step in steps]
        if rows and self._index.exists():
            statement = "UPDATE parts SET key = '' WHERE file = ? AND step = ?"
            self._index.ask(lambda connection: _write(connection, statement, rows), otherwise=False)

    def _row(self, entry: Entry, now: float) -> Sequence[object] | None:
        text, text_object = entry.text, None
        size = len(entry.outputs or "") + sum(kept.size for kept in entry.artifacts)
        if text is not None:
            data = text.encode("utf-8", "surrogatepass")
            size += len(data)
            if len(data) > TEXT_IN_INDEX or storable(text) != text:
                try:
                    text, text_object = None, self._objects.add_bytes(data)[0]
                except OSError as error:
                    self._no_room(error)
                    return None
        if not all(self._objects.has(kept.digest, size=kept.size) for kept in entry.artifacts):
            return None
        run, attempt = entry.origin or (None, None)
        made: object = entry.artifacts if entry.left is None else {"artifacts": entry.artifacts, "left": entry.left}
        artifacts = json.dumps(made, ensure_ascii=False) if made else "[]"
        outputs = None if entry.outputs is None else storable(entry.outputs)
        row = (entry.key, text, text_object, outputs, storable(artifacts), run, attempt)
        return (*row, size, now, _crc(row))

    def _entry(self, row: _Row) -> Entry | None:
        """None for a row that is damaged, or whose text is gone: it is no hit."""
        key, text, text_object, outputs, artifacts, run, attempt, _, crc = row
        # As `_crc`, spelt out: it is asked of thousands of rows before a run.
        told = f"{key}\0{text}\0{text_object}\0{outputs}\0{artifacts}\0{run}\0{attempt}"
        if crc != crc32(told.encode("utf-8", "surrogatepass")):
            return None
        if text_object is not None:
            data = self._objects.read(str(text_object))
            if data is None:
                return None
            text = data.decode("utf-8", "surrogatepass")
        kept = _artifacts(artifacts)
        if kept is None:
            return None
        origin = (run, attempt) if isinstance(run, int) and isinstance(attempt, int) else None
        return Entry(str(key), _text(text), _text(outputs), kept[0], origin, kept[1])

    def _one(self, statement: str, *arguments: str) -> _Row | None:
        def question(connection: sqlite3.Connection) -> _Row | None:
            found: _Row | None = connection.execute(statement, arguments).fetchone()
            return found

        return self._index.ask(question, otherwise=None)

    # -- contents --------------------------------------------------------------------------------------------

    def add_object(self, source: int) -> tuple[str, int] | None:
        """Copies what is left to read of a descriptor; its digest and size. None: there is no room."""
        try:
            return self._objects.add(source)
        except OSError as error:
            self._no_room(error)
            return None

    def open_object(self, digest: str) -> int | None:
        """A descriptor, to be closed by the caller, who checks the digest as it reads. None: it is gone."""
        return self._objects.open(digest)

    def _no_room(self, error: OSError) -> None:
        self._on_warning(f"{self._directory}: cannot keep a result: {error.strerror or error}")

    # -- stats of files --------------------------------------------------------------------------------------

    def stats(self, root: str) -> bytes:
        """The blob kept for a directory tree; empty: none."""
        if not self._index.exists():
            return b""
        statement = "SELECT data FROM stats WHERE root = ?"
        found = self._one(statement, storable(root))
        return bytes(found[0]) if found and isinstance(found[0], bytes) else b""

    def save_stats(self, root: str, blob: bytes) -> None:
        statement = "INSERT OR REPLACE INTO stats VALUES (?, ?)"
        self._index.ask(lambda connection: _write(connection, statement, [(storable(root), blob)]), otherwise=False)

    # -- room ------------------------------------------------------------------------------------------------

    def collect(self, *, limit: int, now: float) -> int:
        """Forgets the results that were of use longest ago until the rest fits into `limit` bytes; how many.

        Then removes contents that no result names, except what was added within the last hour: it may belong to a
        result that another process is about to put.
        """
        if not self._index.exists():
            return 0
        forgotten = self._index.ask(lambda connection: _forget(connection, limit), otherwise=-1)
        if forgotten < 0:
            return 0
        named = self._index.ask(_named_objects, otherwise=None)
        if named is not None:
            for digest, _, added in list(self._objects.all()):
                if digest not in named and added < now - 3600:
                    self._objects.remove(digest)
        return forgotten


def _crc(row: _Row) -> int:
    return crc32("\0".join(map(str, row)).encode("utf-8", "surrogatepass"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _select(connection: sqlite3.Connection, keys: Sequence[str]) -> list[_Row]:
    rows: list[_Row] = []
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        rows += connection.execute(f"{_GET}({','.join('?' * len(chunk))})", chunk)
    return rows


def _last_keys(connection: sqlite3.Connection, file: str, steps: Sequence[str]) -> list[_Row]:
    rows: list[_Row] = []
    for start in range(0, len(steps), _CHUNK):
        chunk = steps[start : start + _CHUNK]
        statement = f"SELECT step, key FROM parts WHERE file = ? AND step IN ({','.join('?' * len(chunk))})"
        rows += connection.execute(statement, (file, *chunk))
    return rows


def _touch(connection: sqlite3.Connection, keys: Sequence[str], now: float) -> None:
    _write(connection, "UPDATE entries SET used = ? WHERE key = ?", [(now, key) for key in keys])


def _write(connection: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]]) -> bool:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(statement, rows)
    connection.execute("COMMIT")
    return True


def _forget(connection: sqlite3.Connection, limit: int) -> int:
    connection.execute("BEGIN IMMEDIATE")
    (total,) = connection.execute("SELECT coalesce(sum(size), 0) FROM entries").fetchone()
    gone: list[tuple[str]] = []
    for key, size in connection.execute("SELECT key, size FROM entries ORDER BY used, key"):
        if total <= limit:
            break
        total -= size
        gone.append((key,))
    connection.executemany("DELETE FROM entries WHERE key = ?", gone)
    connection.execute("COMMIT")
    return len(gone)


def _named_objects(connection: sqlite3.Connection) -> set[str]:
    named: set[str] = set()
    for text_object, artifacts in connection.execute("SELECT text_object, artifacts FROM entries"):
        if text_object:
            named.add(text_object)
        made, _ = _artifacts(artifacts) or ((), None)
        named.update(kept.digest for kept in made)
    return named


def _artifacts(stored: object) -> tuple[tuple[Artifact, ...], Left | None] | None:
    """None: damaged."""
    if stored == "[]":
        return (), None
    try:
        made = decode_json(str(stored))[0]
        rows, left = (made["artifacts"], Left(*made["left"])) if isinstance(made, dict) else (made, None)
        return tuple([Artifact(*fields) for fields in rows]), left
    except (ValueError, TypeError, KeyError):
        return None

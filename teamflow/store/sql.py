"""The SQL files of this package, by name. Knows no database."""

from __future__ import annotations

import os

_HERE = os.path.dirname(__file__)
_loaded: dict[str, str] = {}


def query(name: str) -> str:
    """The statement `-- name: NAME` of queries.sql. KeyError for a name that is not there."""
    if not _loaded:
        for part in _read("queries.sql").split("-- name: ")[1:]:
            title, _, body = part.partition("\n")
            _loaded[title.strip()] = body.strip().removesuffix(";")
    return _loaded[name]


def schema() -> str:
    """All of the current format."""
    return _read("schema.sql")


def cache_schema() -> str:
    """All of the cache index's format."""
    return _read("cache.sql")


def migrations() -> dict[int, str]:
    """Format → the statements that lead to it from the one before."""
    return {
        int(name[:4]): _read(f"migrations/{name}")
        for name in sorted(os.listdir(f"{_HERE}/migrations"))
        if name.endswith(".sql")
    }


def _read(name: str) -> str:
    with open(f"{_HERE}/{name}", encoding="utf-8") as file:
        return file.read()

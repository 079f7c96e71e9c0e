"""Which file each part of a merged team came from, and where in it: paths to spans.

Decides how trees merge (`include`: maps by key, scalars and lists of the includer replace) and remembers where
every part came from. Refuses to read files.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.diagnostics import Span
from teamflow.core.named import NamedTuple
from teamflow.team.source import Path, Source, Value

_DEPTH = {"env": 1, "inputs": 1, "outputs": 1, "secrets": 1, "agents": 3, "personas": 3, "defaults": 2}
_OTHERWISE = 2
"""How many levels below a top-level key are merged by key; what lies deeper is replaced as a whole."""


class _Origin(NamedTuple):
    """`source` holds at its path `own` what the merged tree holds at the path of this origin."""

    source: Source
    own: Path


class Places:
    """Spans of a merged tree's parts. Begins with one source; `absorb` and `graft` add others."""

    def __init__(self, main: Source) -> None:
        self.main = main
        self._origins: dict[Path, _Origin] = {}
        self.texts: dict[str, str] = {main.file: main.text}

    def key_span(self, path: Path) -> Span:
        """The place of the key that `path` ends in."""
        source, own = self._locate(path)
        return source.key_span(own)

    def value_span(self, path: Path) -> Span:
        """The place of the value at `path`."""
        source, own = self._locate(path)
        return source.value_span(own)

    def has(self, path: Path) -> bool:
        """Whether the file has something at exactly `path`."""
        source, own = self._locate(path)
        return source.has(own)

    def file_of(self, path: Path) -> str:
        """The file that `path` was written in."""
        return self._locate(path)[0].file

    def _locate(self, path: Path) -> _Origin:
        if self._origins:
            for length in range(len(path), 0, -1):
                origin = self._origins.get(path[:length])
                if origin is not None:
                    return _Origin(origin.source, origin.own + path[length:])
        return _Origin(self.main, path)

    def absorb(self, tree: dict[str, Value], other: dict[str, Value], places: Places) -> None:
        """Merges `other` into `tree` where `tree` has nothing, remembering where that is from."""
        self.texts.update(places.texts)
        for key, value in other.items():
            self._merge(tree, key, value, (key,), _DEPTH.get(key, _OTHERWISE), places)

    def _merge(self, into: dict[str, Value], key: str, value: Value, path: Path, depth: int, places: Places) -> None:
        if key not in into:
            into[key] = value
            self._origins[path] = places._locate(path)
            for inner, origin in places._origins.items():
                if inner[: len(path)] == path and len(inner) > len(path):
                    self._origins[inner] = origin
            return
        own = into[key]
        if depth and isinstance(own, dict) and isinstance(value, dict):
            own = dict(own)  # an anchor may share it with another place
            into[key] = own
            for name, item in value.items():
                self._merge(own, name, item, (*path, name), depth - 1, places)

    def graft(self, keys: Mapping[str, Value], *, at: Path, source: Source) -> None:
        """Says that the parts `keys` of the map at `at` come from the top level of `source`."""
        self.texts[source.file] = source.text
        for key in keys:
            self._origins[(*at, key)] = _Origin(source, (key,))

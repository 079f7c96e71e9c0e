"""Defining files: where a name leads, and what was read on the way.

Decides which paths are allowed: relative to the file that names them and inside the project; includes and persona files
also absolute or below `~/`, which makes them files from outside. Keeps the digest of every file read, and of those that
were looked for in vain, an empty one. Refuses to know what the files mean, and whether one from outside is trusted
(`app/trusted.py`); how they are read is an argument.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable
from typing import Final, Protocol

from teamflow.core.diagnostics import Diagnostics, Span


class Reads(Protocol):
    """Reads a file by its path relative to the project; `ports.Sources` is one."""

    def read(self, path: str) -> bytes:
        """Raises OSError as open() does."""
        ...


class ReadsAnywhere(Reads, Protocol):
    """Reads also what lies outside: absolute, below `~/`, or through a link in the project."""

    def names(self, path: str) -> Iterable[str]:
        """The names in a directory; none where there is none to read."""
        ...


ABSENT: Final = ""
"""In place of the digest of a file that was looked for and is not there."""


def is_outside(path: str) -> bool:
    """Whether a path as this module gives it does not begin in the project."""
    return path.startswith(("/", "~/"))


def leaves_root(path: str) -> bool:
    """Whether a relative path of the file system leaves the directory that it starts in, or is absolute."""
    plain = posixpath.normpath(path.replace("\\", "/"))
    drive = len(path) > 1 and path[1] == ":" and path[0].isalpha()
    return plain.startswith(("/", "~", "../")) or plain == ".." or drive or "\x00" in path


class Files:
    """The files of one load. `digests`: path to sha256 in hex; `texts`: path to text, for excerpts."""

    def __init__(self, sources: Reads, found: Diagnostics, anywhere: ReadsAnywhere | None = None) -> None:
        self._sources = sources
        self._anywhere: Reads = anywhere or sources
        self._listed = anywhere
        self._found = found
        self._read: dict[str, bytes | None] = {}
        self._failures: dict[str, str] = {}
        self._refused: set[str] = set()
        self.digests: dict[str, str] = {}

    def place(self, name: str, *, named_in: str, span: Span, outside: bool = False) -> str | None:
        """The path that `name` in the file `named_in` means; None with a complaint when it is a URL, or leaves
        the project.

        `outside`: whether it may be absolute or begin with `~/`, or stand beside a file for which that holds.
        """
        if _URL.match(name):
            self._refused.add(name)
            message = f'cannot read "{name}": URLs are not read'
            self._found.error("file-unreadable", message, span, hint=_FETCHED)
            return None
        joined = _joined(name.replace("\\", "/"), named_in)
        if joined is not None and (outside or not is_outside(joined)):
            return joined
        self._refused.add(name)
        self._found.error(
            "path-outside", f'"{name}" leads out of the project', span, hint=_ANYWHERE if outside else _INSIDE
        )
        return None

    def read(self, path: str, *, span: Span | None, outside: bool = False) -> bytes | None:
        """The bytes of the file at such a path, read once; None with a complaint at every `span`.

        `outside`: whether a link in the project may lead out of it.
        """
        if path in self._refused:
            return None  # said when it was named
        if path not in self._read:
            try:
                self._keep(path, (self._anywhere if outside else self._sources).read(path))
            except OSError as error:
                self._read[path] = None
                self._failures[path] = error.strerror or type(error).__name__
        data_or_none = self._read[path]
        if data_or_none is None:
            self._found.error(
                "file-unreadable",
                f'cannot read "{path}": {self._failures[path]}',
                span,
                hint="Paths are relative to the file that names them.",
            )
        return data_or_none

    def find(self, path: str, *, span: Span) -> bytes | None:
        """The bytes of a file that nobody has named and that need not be there. One that cannot be read is an error."""
        if path not in self._read:
            try:
                self._keep(path, self._anywhere.read(path))
            except (FileNotFoundError, NotADirectoryError):
                self.digests[path] = ABSENT
                return None
            except OSError as error:
                self._read[path] = None
                self._failures[path] = error.strerror or type(error).__name__
        return self.read(path, span=span, outside=True)

    def names(self, path: str) -> list[str]:
        """The names in a directory, sorted; none where nobody can tell."""
        return sorted(self._listed.names(path)) if self._listed is not None else []

    def _keep(self, path: str, data: bytes) -> None:
        self._read[path] = data
        self.digests[path] = hashlib.sha256(data).hexdigest()

    def decoded(self) -> dict[str, str]:
        """The text of every file read, as well as it can be shown."""
        return {
            path: data.decode("utf-8", "replace").removeprefix("\ufeff")
            for path, data in self._read.items()
            if data is not None
        }


_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_FETCHED: Final = "Clone its repository, or copy the file into the project, and name it by its path."
_INSIDE: Final = "It has to lie in the project, and is named relative to the file naming it."
_ANYWHERE: Final = "Out of the project lead absolute paths and those that begin with ~/, which `run` asks about first."


def _joined(name: str, named_in: str) -> str | None:
    """`name` as seen from the project, `/` or `~/`; None: it leaves that, or is no path."""
    if name.startswith("~") and not name.startswith("~/"):
        return None
    whole = name if is_outside(name) else posixpath.join(posixpath.dirname(named_in), name)
    if not is_outside(whole):
        joined = posixpath.normpath(whole)
        return None if leaves_root(joined) else joined
    if "\x00" in whole:
        return None
    if whole.startswith("/"):
        return "/" + posixpath.normpath(whole).lstrip("/")
    rest = posixpath.normpath(whole.removeprefix("~/"))
    return None if leaves_root(rest) or rest == "." else f"~/{rest}"

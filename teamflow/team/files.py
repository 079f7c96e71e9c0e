"""Defining files: where a name leads, and what was read on the way.

Decides which paths are allowed (relative to the file that names them, inside the project) and keeps the digest of
every file read. Refuses to know what the files mean; how they are read is an argument.
"""

from __future__ import annotations

import hashlib
import posixpath
from typing import Protocol

from teamflow.core.diagnostics import Diagnostics, Span


class Reads(Protocol):
    """Reads a file by its path relative to the project; `ports.Sources` is one."""

    def read(self, path: str) -> bytes:
        """Raises OSError as open() does."""
        ...


def leaves_root(path: str) -> bool:
    """Whether a relative path of the file system leaves the directory that it starts in, or is absolute."""
    plain = posixpath.normpath(path.replace("\\", "/"))
    drive = len(path) > 1 and path[1] == ":" and path[0].isalpha()
    return plain.startswith(("/", "~", "../")) or plain == ".." or drive or "\x00" in path


class Files:
    """The files of one load. `digests`: path to sha256 in hex; `texts`: path to text, for excerpts."""

    def __init__(self, sources: Reads, found: Diagnostics) -> None:
        self._sources = sources
        self._found = found
        self._read: dict[str, bytes | None] = {}
        self._failures: dict[str, str] = {}
        self._refused: set[str] = set()
        self.digests: dict[str, str] = {}

    def place(self, name: str, *, named_in: str, span: Span) -> str | None:
        """The project path that `name` in the file `named_in` means; None with a complaint when it leaves."""
        joined = posixpath.normpath(posixpath.join(posixpath.dirname(named_in), name.replace("\\", "/")))
        if name.startswith(("/", "~")) or leaves_root(joined):
            self._refused.add(name)
            self._found.error(
                "path-outside",
                f'"{name}" leads out of the project',
                span,
                hint="Files that define a team lie in its project, and are named relative to the file naming them.",
            )
            return None
        return joined

    def read(self, path: str, *, span: Span | None) -> bytes | None:
        """The bytes of the file at a project path, read once; None with a complaint at every `span`."""
        if path in self._refused:
            return None  # said when it was named
        if path not in self._read:
            try:
                data = self._sources.read(path)
            except OSError as error:
                self._read[path] = None
                self._failures[path] = error.strerror or type(error).__name__
            else:
                self._read[path] = data
                self.digests[path] = hashlib.sha256(data).hexdigest()
        data_or_none = self._read[path]
        if data_or_none is None:
            self._found.error(
                "file-unreadable",
                f'cannot read "{path}": {self._failures[path]}',
                span,
                hint="Paths are relative to the file that names them.",
            )
        return data_or_none

    def decoded(self) -> dict[str, str]:
        """The text of every file read, as well as it can be shown."""
        return {
            path: data.decode("utf-8", "replace").removeprefix("\ufeff")
            for path, data in self._read.items()
            if data is not None
        }

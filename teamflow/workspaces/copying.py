"""Files of the project (mostly ignored ones, like `.env`) into a workspace: with their modes, links as links.

Decides that nothing tracked is written over, and that nothing comes from outside the project or from `.git`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Container, Iterable
from itertools import groupby
from typing import Final

from teamflow.core.globs import parse, path_matcher
from teamflow.workspaces.beneath import directory
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.tree import Tree

_CHUNK: Final = 1 << 24
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def chosen(project: str, patterns: Iterable[str]) -> tuple[str, ...]:
    """The files that the patterns stand for. WorkspaceError: missing, escape, unreadable; PatternError."""
    tree = Tree(project)
    found: dict[str, None] = {}
    for pattern in patterns:
        glob = parse(pattern)
        if glob.negated:
            match = path_matcher(glob).match
            found = {path: None for path in found if not match(path)}
            continue
        files = [path for path in tree.expand(glob) if not _is_ours(path)]
        if not files:
            raise WorkspaceError(
                "missing",
                pattern,
                "`copy` names it, and the project has no such file",
                remedy="make it, or take it out",
            )
        found |= dict.fromkeys(files)
    return tuple(found)


def copy(project: str, target: str, *, paths: Iterable[str], but: Container[str]) -> tuple[str, ...]:
    """Copies files; gives those that it brought. What is `but`, or is there already, stays. WorkspaceError, OSError."""
    brought: list[str] = []
    for parent, group in groupby((path for path in paths if path not in but), os.path.dirname):
        # Each directory is opened once, and its files through it: there may be ten thousand of them.
        with directory(project, parent) as source, directory(target, parent, make=True) as into:
            brought += [path for path in group if _copy(path, source=source, into=into)]
    return tuple(brought)


def _is_ours(path: str) -> bool:
    return ".git" in path.split("/") or path.startswith(".teamflow/")


def _copy(path: str, *, source: int, into: int) -> bool:
    """Between two directories. What has become something else since it was chosen is not followed."""
    name = os.path.basename(path)
    found = os.stat(name, dir_fd=source, follow_symlinks=False)
    try:
        if stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=into)
            return True
        if not stat.S_ISREG(found.st_mode):
            raise WorkspaceError("not-a-file", path, "is no file, and cannot be copied")
        with (
            open(os.open(name, _READ, dir_fd=source), "rb", buffering=0) as reader,
            open(os.open(name, _WRITE, 0o600, dir_fd=into), "wb", buffering=0) as writer,
        ):
            while chunk := reader.read(_CHUNK):
                rest = memoryview(chunk)
                while rest:
                    rest = rest[writer.write(rest) :]
            os.fchmod(writer.fileno(), stat.S_IMODE(found.st_mode) & 0o777)
    except FileExistsError:
        return False
    return True

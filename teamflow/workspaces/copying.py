"""Files of the project (mostly ignored ones, like `.env`) into a workspace: with their modes, links as links.

Decides that nothing tracked is written over, and that nothing comes from outside the project or from `.git`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Container, Iterable
from typing import Final

from teamflow.core.globs import parse, path_matcher
from teamflow.workspaces.beneath import inner_path, open_file, parent_of
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.tree import Tree

_CHUNK: Final = 1 << 24


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
    return tuple(path for path in paths if path not in but and _copy(project, target, path))


def _is_ours(path: str) -> bool:
    return ".git" in path.split("/") or path.startswith(".teamflow/")


def _copy(project: str, target: str, path: str) -> bool:
    if "/" in path:
        inner_path(project, os.path.dirname(path))  # says so where the way to it leads out
    found = os.lstat(f"{project}/{path}")
    with parent_of(target, path, make=True) as (directory, name):
        try:
            if stat.S_ISLNK(found.st_mode):
                os.symlink(os.readlink(f"{project}/{path}"), name, dir_fd=directory)
                return True
            if not stat.S_ISREG(found.st_mode):
                raise WorkspaceError("not-a-file", path, "is no file, and cannot be copied")
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            out = os.open(name, flags, 0o600, dir_fd=directory)
        except FileExistsError:
            return False
        with open(out, "wb", buffering=0) as writer, open(open_file(project, path), "rb", buffering=0) as reader:
            while chunk := reader.read(_CHUNK):
                rest = memoryview(chunk)
                while rest:
                    rest = rest[writer.write(rest) :]
            os.fchmod(writer.fileno(), stat.S_IMODE(found.st_mode) & 0o777)
    return True

"""The files of one directory tree by pattern. Each directory is listed once; links are never walked into.

Decides which names a pattern stands for, and that none of them lies outside the root. Reads no contents. `.git` (at
any depth) and the root's `.teamflow` are not walked into: only a plain path reaches into them.
"""

from __future__ import annotations

import os
import stat

from teamflow.core.globs import ANY_DEPTH, Glob, is_wild, name_matcher
from teamflow.core.named import NamedTuple
from teamflow.workspaces.errors import WorkspaceError


class Listing(NamedTuple):
    """Paths (relative to the root) of one directory's files (links count as files) and directories, sorted."""

    files: tuple[str, ...]
    directories: tuple[str, ...]


_EMPTY = Listing((), ())


class Tree:
    """A look at the files below `root` (absolute): what has been listed once is not listed again."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._real_root = os.path.realpath(root)
        self._listings: dict[str, Listing] = {}
        self._below: dict[str, tuple[str, ...]] = {}
        self._inside: set[str] = {""}
        self._absent: dict[str, None] = {}

    def expand(self, glob: Glob) -> tuple[str, ...]:
        """The files that a pattern stands for. WorkspaceError: escape, unreadable."""
        if not glob.segments:
            return self.below("")
        out: dict[str, None] = {}
        seen: set[tuple[str, int]] = set()
        stack = [("", 0)]
        while stack:
            state = stack.pop()
            if state not in seen:
                seen.add(state)
                found, following = self._step(glob, *state)
                out.update(dict.fromkeys(found))
                stack.extend(following)
        return tuple(sorted(out))

    def _step(
        self, glob: Glob, directory: str, index: int
    ) -> tuple[tuple[str, ...] | list[str], list[tuple[str, int]]]:
        """Files that one segment gives in one directory, and where to go on with which segment."""
        segment = glob.segments[index]
        last = index == len(glob.segments) - 1
        if segment == ANY_DEPTH:
            if last:
                return self.below(directory), []
            deeper = [(path, index) for path in self.listing(directory).directories]
            return (), [(directory, index + 1), *deeper]
        if not is_wild(segment):
            path = f"{directory}/{segment}" if directory else segment
            return (self.named(path, only_directory=glob.below), []) if last else ((), [(path, index + 1)])
        matches = name_matcher(segment).match
        listing = self.listing(directory)
        chosen = [path for path in listing.directories if matches(path.rpartition("/")[2])]
        if not last:
            return (), [(path, index + 1) for path in chosen]
        if glob.below:
            return [path for found in chosen for path in self.below(found)], []
        return [path for path in listing.files if matches(path.rpartition("/")[2])], []

    def named(self, path: str, *, only_directory: bool = False) -> tuple[str, ...]:
        """What a plain path stands for: itself, all files below it, or nothing."""
        self.check_parent(path)
        try:
            mode = os.lstat(f"{self.root}/{path}").st_mode
        except (FileNotFoundError, NotADirectoryError):
            self._absent[path] = None
            return ()
        except OSError as error:
            raise unreadable(path, error) from error
        if stat.S_ISDIR(mode):
            return self.below(path)
        if only_directory:
            self._absent[path] = None
            return ()
        return (path,)

    def below(self, directory: str) -> tuple[str, ...]:
        """All files below a directory, at any depth."""
        found = self._below.get(directory)
        if found is None:
            files: list[str] = []
            stack = [directory]
            while stack:
                listing = self.listing(stack.pop())
                files.extend(listing.files)
                stack.extend(listing.directories)
            found = self._below[directory] = tuple(sorted(files))
        return found

    def listing(self, directory: str) -> Listing:
        found = self._listings.get(directory)
        if found is None:
            self.check_inside(directory)
            found = self._listings[directory] = self._list(directory)
        return found

    def listed(self) -> tuple[str, ...]:
        """The directories that were listed and are there."""
        return tuple(path for path, found in self._listings.items() if found is not _EMPTY)

    def absent(self) -> tuple[str, ...]:
        """What a pattern names and is not there, or is no directory where it must be one."""
        return tuple(self._absent)

    def _list(self, directory: str) -> Listing:
        prefix = f"{directory}/" if directory else ""
        files: list[str] = []
        directories: list[str] = []
        try:
            with os.scandir(f"{self.root}/{directory}") as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        files.append(prefix + entry.name)
                    elif entry.name != ".git" and (prefix or entry.name != ".teamflow"):
                        directories.append(prefix + entry.name)
        except (FileNotFoundError, NotADirectoryError):
            self._absent[directory] = None
            return _EMPTY
        except OSError as error:
            raise unreadable(directory or ".", error) from error
        return Listing(tuple(sorted(files)), tuple(sorted(directories)))

    def check_parent(self, path: str) -> None:
        """WorkspaceError (escape) where the directory that `path` lies in is outside the root."""
        parent = path.rpartition("/")[0]
        if parent not in self._inside:
            self.check_inside(parent)

    def check_inside(self, directory: str) -> None:
        """WorkspaceError (escape) where a link on the way to `directory` leads out of the root."""
        if directory in self._inside:
            return
        at = 0
        while at >= 0:
            at = directory.find("/", at + 1)
            prefix = directory if at < 0 else directory[:at]
            if prefix in self._inside:
                continue
            try:
                mode = os.lstat(f"{self.root}/{prefix}").st_mode
            except OSError:
                return  # what is not there is said where it is opened
            if stat.S_ISLNK(mode) and not self.is_inside(f"{self.root}/{prefix}"):
                raise WorkspaceError(
                    "escape",
                    directory,
                    f"`{prefix}` is a link that leads out of {self.root}",
                    remedy="copy what is needed",
                )
            self._inside.add(prefix)

    def is_inside(self, path: str) -> bool:
        """Whether an absolute path, with its links followed, lies in the root."""
        real = os.path.realpath(path)
        return real == self._real_root or real.startswith(self._real_root.rstrip("/") + "/")


def unreadable(path: str, error: OSError) -> WorkspaceError:
    return WorkspaceError(
        "unreadable",
        path,
        f"cannot be read: {error.strerror or error}",
        remedy="make it readable, or take it out of `reads` with a `!pattern`",
    )

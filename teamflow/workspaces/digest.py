"""Digests of the files that steps read. Decides what of a file counts: its content; of a link also where it points.

    digester = ReadsDigester(root, cache)       # cache: teamflow.store.cache.Cache, or None
    digester.digests(["src/**", "!src/gen/**", "pyproject.toml"]) → {path: sha256 in hex}, by path
    digester.digests_of(paths)                  # for a list that git made
    digester.look_again()                       # files may have changed: forget what was seen, keep what is known
    digester.save()                             # what was learnt, for the next process

A file that is not there is not in the mapping. Links are never followed out of the root: such a link counts by the
text of its target alone, one within the root by that and the content of the file it leads to. Directories behind
links are not walked; pipes, sockets and devices do not count. A file that cannot be read is an error that names it.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Final, Protocol

from teamflow.core.globs import Glob, PatternError, is_wild, parse, path_matcher
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.stats import FINE, Known, Stat, known, pack, unpack
from teamflow.workspaces.tree import Tree, unreadable

_CHUNK: Final = 1024 * 1024
_TRIES: Final = 5
_KIND: Final = 0o170000
_REGULAR: Final = 0o100000
_OPEN: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class StatKeeper(Protocol):
    """Where the blob of a root's stats is kept between processes; empty bytes: nothing is known."""

    def stats(self, root: str) -> bytes: ...

    def save_stats(self, root: str, blob: bytes) -> None: ...


class ReadsDigester:
    """One process's look at the files below `root` (absolute)."""

    def __init__(self, root: str, cache: StatKeeper | None, *, clock: Callable[[], int] = time.time_ns) -> None:
        """`clock`: wall time in nanoseconds, as the file system stamps its files."""
        self._root = root
        self._clock = clock
        self._cache = cache
        self._known: dict[str, Known] = unpack(cache.stats(root)) if cache is not None else {}
        self._globs: dict[str, Glob] = {}
        self._learnt = False
        self.look_again()

    def look_again(self) -> None:
        """What was seen so far may have changed since. What is known by stat stays known."""
        self._tree = Tree(self._root)
        self._began = time.time_ns()
        self._seen: dict[str, str | None] = {}
        self._expanded: dict[str, tuple[str, ...]] = {}
        self._results: dict[tuple[str, ...], Mapping[str, str]] = {}

    def digests(self, patterns: Iterable[str]) -> Mapping[str, str]:
        """The files that the patterns stand for, by path. WorkspaceError: escape, unreadable, changing."""
        key = tuple(patterns)
        found = self._results.get(key)
        if found is None:
            found = self._results[key] = self._look(key)
        return found

    def _look(self, patterns: tuple[str, ...]) -> Mapping[str, str]:
        out: dict[str, str] = {}
        for pattern in patterns:
            # The common case first: a plain path that was a file the last time, too.
            if pattern in self._known and not is_wild(pattern):
                paths: tuple[str, ...] = (pattern,)
            else:
                glob = self._glob(pattern)
                if glob.negated:
                    _take_away(out, glob)
                    continue
                paths = self._expand(pattern, glob)
            self._add(out, paths)
        return dict(sorted(out.items())) if len(out) > 1 else out

    def holds(self, path: str, digest: str) -> bool:
        """Whether a regular file has this content, by its stat where that is known. WorkspaceError as `digests`."""
        self._tree.check_parent(path)
        try:
            found = os.lstat(f"{self._root}/{path}")
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise unreadable(path, error) from error
        if found.st_mode & _KIND != _REGULAR:
            return False
        same = self._of_file(path, found) == digest
        if same:
            self._seen[path] = digest
        return same

    def digests_of(self, paths: Iterable[str]) -> Mapping[str, str]:
        """Of these files; a directory among them (a submodule, say) stands for all files below it."""
        out: dict[str, str] = {}
        for path in paths:
            self._add(out, (path,))
        return dict(sorted(out.items()))

    def save(self) -> None:
        """Keeps what was learnt about files; of files that were not looked at only as much as stays small."""
        if self._cache is None or not self._learnt:
            return
        if len(self._known) > 10_000 + 4 * len(self._seen):
            self._known = {path: entry for path, entry in self._known.items() if path in self._seen}
        self._cache.save_stats(self._root, pack(self._known))
        self._learnt = False

    def places(self) -> frozenset[str]:
        """The directories, also ones that are not there, that were looked into since the last `look_again`."""
        parents = (path.rpartition("/")[0] for path in (*self._seen, *self._tree.absent()))
        return frozenset((*parents, *self._tree.listed(), *self._tree.absent()))

    def witness(self) -> tuple[dict[str, Stat | None], dict[str, Stat]] | None:
        """What was looked at since the last `look_again`: files (None: not there) and listed directories, by path.

        As long as all of these have the same stat, the same patterns give the same digests. None: something is so
        young, or of such a kind, that its stat proves nothing.
        """
        files: dict[str, Stat | None] = dict.fromkeys(self._tree.absent())
        for path, digest in self._seen.items():
            entry = self._known.get(path)
            if digest is not None and entry is None:
                return None
            files[path] = None if entry is None else entry[:4]
        directories: dict[str, Stat] = {}
        for path in self._tree.listed():
            found = os.lstat(f"{self._root}/{path}")
            # A directory that changed about when it was listed may have changed after it; the stat of a link
            # tells nothing of the directory behind it.
            if stat.S_ISLNK(found.st_mode) or max(found.st_mtime_ns, found.st_ctime_ns) >= self._began - FINE:
                return None
            directories[path] = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
        return files, directories

    def _glob(self, pattern: str) -> Glob:
        found = self._globs.get(pattern)
        if found is None:
            try:
                found = self._globs[pattern] = parse(pattern)
            except PatternError as error:
                raise WorkspaceError("escape", pattern, str(error)) from error
        return found

    def _expand(self, pattern: str, glob: Glob) -> tuple[str, ...]:
        found = self._expanded.get(pattern)
        if found is None:
            literal = None if glob.below else glob.literal
            found = self._tree.named(literal) if literal else self._tree.expand(glob)
            self._expanded[pattern] = found
        return found

    def _add(self, out: dict[str, str], paths: Iterable[str]) -> None:
        seen = self._seen
        for path in paths:
            if path in seen:
                digest = seen[path]
            else:
                digest = seen[path] = self._digest(path, out)
            if digest is not None:
                out[path] = digest

    def _digest(self, path: str, out: dict[str, str]) -> str | None:
        self._tree.check_parent(path)
        try:
            found = os.lstat(f"{self._root}/{path}")
        except (FileNotFoundError, NotADirectoryError):
            self._known.pop(path, None)
            return None
        except OSError as error:
            raise unreadable(path, error) from error
        kind = found.st_mode & _KIND
        if kind == _REGULAR:
            return self._of_file(path, found)
        self._known.pop(path, None)
        if stat.S_ISLNK(kind):
            return self._link(path)
        if stat.S_ISDIR(kind):
            self._add(out, self._tree.below(path))
        return None

    def _of_file(self, path: str, found: os.stat_result) -> str:
        entry = self._known.get(path)
        if (
            entry is not None
            and entry[0] == found.st_mtime_ns
            and entry[1] == found.st_ctime_ns
            and entry[2] == found.st_size
            and entry[3] == found.st_ino
        ):
            return entry[4]
        return self._learn(path, found)

    def _learn(self, path: str, found: os.stat_result) -> str:
        """Hashes a file, as often as it changes meanwhile, and remembers it where its times allow that."""
        name = f"{self._root}/{path}"
        for _ in range(_TRIES):
            hashed_at = self._clock()
            digest, after = _hash(name, path, os.O_NOFOLLOW)
            if _same(found, after):
                entry = known(found, digest, hashed_at=hashed_at)
                if entry is not None:
                    self._known[path] = entry
                    self._learnt = True
                elif self._known.pop(path, None) is not None:
                    self._learnt = True
                return digest
            found = after
        raise WorkspaceError(
            "changing",
            path,
            "changes while it is read",
            remedy="wait until nothing writes it, or take it out of `reads`",
        )

    def _link(self, path: str) -> str:
        name = f"{self._root}/{path}"
        try:
            target = os.fsencode(os.readlink(name))
        except OSError as error:
            raise unreadable(path, error) from error
        content = ""
        if self._tree.is_inside(name):
            try:
                if stat.S_ISREG(os.stat(name).st_mode):
                    content = _hash(os.path.realpath(name), path, os.O_NOFOLLOW)[0]
            except OSError:
                pass  # it leads nowhere, or in a circle
        return sha256(b"link\0" + target + b"\0" + content.encode()).hexdigest()


def _take_away(out: dict[str, str], glob: Glob) -> None:
    matches = path_matcher(glob).match
    for path in [path for path in out if matches(path)]:
        del out[path]


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_mtime_ns, before.st_ctime_ns, before.st_size, before.st_ino) == (
        after.st_mtime_ns,
        after.st_ctime_ns,
        after.st_size,
        after.st_ino,
    )


def _hash(name: str, path: str, flags: int) -> tuple[str, os.stat_result]:
    """The digest of a file, and its stat once it was read."""
    try:
        descriptor = os.open(name, _OPEN | flags)
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        state = sha256()
        while chunk := os.read(descriptor, _CHUNK):
            state.update(chunk)
        return state.hexdigest(), os.fstat(descriptor)
    except OSError as error:
        raise unreadable(path, error) from error
    finally:
        os.close(descriptor)

"""What lies in a worktree, as a tree in the object store. Changes nothing in the worktree.

Decides what is part of it: what the agent has committed, and what git would add, with files of repositories inside it
as plain files; neither ignored files nor what `copy` brought. Files that still look as the checkout left them are as
they were, whatever line-ending rules say of them. What cannot be taken in is named, never dropped in silence.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import Final

from teamflow import git
from teamflow.core.named import NamedTuple
from teamflow.workspaces.place import Place
from teamflow.workspaces.process import GitError
from teamflow.workspaces.repository import Repository

_LINK: Final = "160000"
_SPECIAL: Final = "is no file, but a pipe, socket or device"
_NESTED: Final = "is a repository of its own: its files are committed, its history is not"
_SUBMODULE: Final = "is a submodule: what was changed in it is not committed"


class Snapshot(NamedTuple):
    tree: str
    aside: tuple[str, ...]
    """Path: why it is not part of the tree, or not all of it."""


class Look:
    """One look at a worktree. `index` is ours to write; afterwards it holds what lies there."""

    def __init__(self, repository: Repository, place: Place, *, index: str, copied: Iterable[str]) -> None:
        self._repository = repository
        self._place = place
        self._index = index
        self._copied = {os.fsencode(path) for path in copied}
        self._aside: dict[bytes, str] = {}

    def take(self, *, head: str, base: str, thorough: bool = True) -> Snapshot:
        """`head`: the commit that the worktree is at; `base`: the one that it began with. GitError, OSError.

        `thorough`: all that is not part of it is named, which takes a walk through all directories."""
        hidden = self._hidden()
        known = ("-i", "-m") if os.path.exists(self._index) else ()
        self._git("read-tree", *known, head)
        differs = git.raw_entries(self._git("diff-files", "-z", "--raw", "--no-renames", "--ignore-submodules=all"))
        plain = self._own_links(head, base)
        gone = [entry.path for entry in differs if entry.kind == "D" and entry.path not in hidden] + plain
        tracked = [entry.path for entry in differs if entry.kind != "D"]
        self._remove([*gone, *(path for path in tracked if not self._is_file(path))])
        new = self._untracked(plain)
        self._add([path for path in [*tracked, *new] if self._is_readable(path)])
        self._as_checked_out(differs)
        self._remove(self._brought(base))
        if thorough:
            self._name_the_rest()
        tree = os.fsdecode(self._git("write-tree", "--missing-ok")).strip()
        aside = tuple(f"{os.fsdecode(path)}: {why}" for path, why in sorted(self._aside.items()))
        return Snapshot(tree, aside)

    def is_as_it_was(self) -> bool:
        """Whether nothing has changed since the index has held what lies there, as far as a listing tells; a False may
        be wrong. GitError."""
        found = git.paths(self._git("ls-files", "-t", "--modified", "--others", "--exclude-standard", "-z"))
        return all(line.startswith(b"? ") and line[2:] in self._copied for line in found)

    def _git(self, *words: str, given: bytes = b"", allowed: tuple[int, ...] = (0,)) -> bytes:
        tree = self._place.path
        return self._repository.look(*words, index=self._index, tree=tree, given=given, allowed=allowed).out

    def _hidden(self) -> set[bytes]:
        """What a sparse checkout has left out. What is there all the same is looked at like the rest."""
        if not os.path.exists(self._index):
            return set()
        listed = git.paths(self._git("ls-files", "-t", "-z"))
        hidden = {line[2:] for line in listed if line.startswith(b"S ")}
        present = [path for path in hidden if os.path.lexists(self._full(path))]
        if present:
            self._git("update-index", "-z", "--no-skip-worktree", "--stdin", given=git.lines_of(present))
        return hidden.difference(present)

    def _own_links(self, head: str, base: str) -> list[bytes]:
        """Repositories inside that the agent has committed as links to commits that nobody else has."""
        if head == base:
            return []
        listed = self._git("diff-tree", "-r", "-z", "--raw", "--no-renames", base, head)
        links = {entry.path for entry in git.raw_entries(listed) if entry.mode == _LINK}
        return sorted(links - self._submodules()) if links else []

    def _submodules(self) -> set[bytes]:
        """Paths that `.gitmodules` names."""
        path = f"{self._place.path}/.gitmodules"
        if not os.path.isfile(path) or os.path.islink(path):
            return set()
        try:
            found = git.settings(self._git("config", "--file", path, "--no-includes", "-z", "--list"))
        except GitError:
            return set()
        return {
            os.fsencode(value) for key, value in found if key.startswith("submodule.") and key.lower().endswith(".path")
        }

    def _untracked(self, plain: list[bytes]) -> list[bytes]:
        found = git.paths(self._git("ls-files", "--others", "--exclude-standard", "-z"))
        nested = [path.rstrip(b"/") for path in found if path.endswith(b"/")]
        new = [path for path in found if not path.endswith(b"/")]
        inner: list[bytes] = []
        for directory in dict.fromkeys([*nested, *plain]):
            inner += self._below(directory)
        ignored = self._ignored(inner)
        return [path for path in [*new, *(path for path in inner if path not in ignored)] if path not in self._copied]

    def _below(self, directory: bytes) -> Iterator[bytes]:
        """Files and links below a repository that lies in the worktree, at any depth."""
        for path, _, names in os.walk(self._full(directory)):
            inside = path[len(os.fsencode(self._place.path)) + 1 :]
            if b".git" not in inside.split(b"/"):
                yield from (inside + b"/" + name for name in names if name != b".git")
        # Links to directories are files to git.
        for path, directories, _ in os.walk(self._full(directory)):
            inside = path[len(os.fsencode(self._place.path)) + 1 :]
            directories[:] = [name for name in directories if name != b".git"]
            yield from (inside + b"/" + name for name in directories if os.path.islink(path + b"/" + name))

    def _ignored(self, paths: list[bytes]) -> set[bytes]:
        if not paths:
            return set()
        words = ("check-ignore", "-z", "--no-index", "--stdin")
        answer = self._repository.look(
            *words,
            index=self._index,
            tree=self._place.path,
            given=git.lines_of(paths),
            allowed=(0, 1),
            more={"GIT_LITERAL_PATHSPECS": "0"},  # it refuses them, and takes every path as it is
        )
        return set(git.paths(answer.out))

    def _is_file(self, path: bytes) -> bool:
        """Whether git can hold what lies at a path."""
        try:
            mode = os.lstat(self._full(path)).st_mode
        except OSError:
            return False
        return stat.S_ISREG(mode) or stat.S_ISLNK(mode)

    def _is_readable(self, path: bytes) -> bool:
        if not self._is_file(path):
            return False
        full = self._full(path)
        if os.path.islink(full):
            return True
        try:
            os.close(os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError as error:
            self._aside[path] = f"cannot be read: {error.strerror or error}"
            return False
        return True

    def _add(self, paths: list[bytes]) -> None:
        """Takes in files; where git refuses one (a name that it forbids, a file that goes away), all others still."""
        if not paths:
            return
        try:
            self._git("update-index", "--add", "--remove", "--replace", "-z", "--stdin", given=git.lines_of(paths))
        except GitError as error:
            if error.code is None:
                raise
            if len(paths) > 1:
                middle = len(paths) // 2
                self._add(paths[:middle])
                self._add(paths[middle:])
            elif os.path.lexists(self._full(paths[0])):
                self._aside[paths[0]] = f"git does not take it: {error.said.splitlines()[-1]}"

    def _remove(self, paths: Iterable[bytes]) -> None:
        lines = git.removals(paths)
        if lines:
            self._git("update-index", "-z", "--index-info", given=lines)

    def _brought(self, base: str) -> list[bytes]:
        """What `copy` brought, where the agent has committed it."""
        if not self._copied:
            return []
        listed = self._git("ls-files", "-z")
        return sorted(self._copied.intersection(git.paths(listed)) - self._tracked(base))

    def _tracked(self, commit: str) -> set[bytes]:
        return set(git.paths(self._git("ls-tree", "-r", "-z", "--full-tree", "--name-only", commit)))

    def _as_checked_out(self, differs: list[git.Entry]) -> None:
        """Gives files back their object that nobody has touched since the checkout.

        Git reads files again that are as young as its index. Line-ending rules that the commit does not follow itself
        then make them look changed. Who wrote them afterwards left a later time.
        """
        try:
            newest = os.stat(self._place.reference).st_mtime_ns
        except FileNotFoundError:
            return
        young = [entry for entry in differs if entry.kind == "M" and self._is_older(entry.path, newest)]
        same = [entry for entry in young if self._is_written_so(entry)]
        if same:
            listed = self._git("ls-files", "-s", "-z")
            modes = {line.partition(b"\t")[2]: line[:6].decode("ascii") for line in git.paths(listed)}
            rows = [(modes.get(entry.path, entry.mode), entry.before, entry.path) for entry in same]
            self._git("update-index", "-z", "--index-info", given=git.insertions(rows))

    def _is_older(self, path: bytes, newest: int) -> bool:
        try:
            found = os.lstat(self._full(path))
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_mtime_ns <= newest

    def _is_written_so(self, entry: git.Entry) -> bool:
        """Whether a file has the bytes that a checkout of its object writes."""
        name = os.fsdecode(entry.path)
        written = self._git("cat-file", "--filters", f"--path={name}", entry.before)
        with open(self._full(entry.path), "rb") as file:
            return file.read(len(written) + 1) == written

    def _name_the_rest(self) -> None:
        """Looks for what git passes over in silence."""
        special: dict[bytes, str] = {}
        stack = [os.fsencode(self._place.path)]
        start = len(stack[0]) + 1
        while stack:
            directory = stack.pop()
            try:
                with os.scandir(directory) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            if entry.name != b".git":
                                stack.append(entry.path)
                            elif len(directory) >= start:
                                special[directory[start:]] = _NESTED
                        elif not entry.is_file(follow_symlinks=False) and not entry.is_symlink():
                            special[entry.path[start:]] = _SPECIAL
            except OSError as error:
                special[directory[start:] or b"."] = f"cannot be read: {error.strerror or error}"
        ignored = self._ignored([path for path in special if path != b"."])
        self._aside |= {path: why for path, why in special.items() if path not in ignored}
        for path in self._submodules():
            if os.path.isdir(self._full(path)) and os.listdir(self._full(path)):
                self._aside.setdefault(path, _SUBMODULE)

    def _full(self, path: bytes) -> bytes:
        return os.fsencode(self._place.path) + b"/" + path

"""What git cannot show by markers where commits conflict: binary files, links, what one side has deleted or moved.

Decides what is laid out for whoever is to settle it, and what of that has to be gone afterwards. Such a file is taken
away, and what each side has made of it lies beside it as `FILE~STEP`: nothing is the answer before somebody gave one.
A submodule stays where git has left it, and the commits that the sides mean are texts beside it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from teamflow import git
from teamflow.core.ids import listed, slug
from teamflow.ports import Parent
from teamflow.workspaces.repository import Repository

LONGEST: Final = 64 * 2**20
"""Bytes of a file in which markers of a conflict are looked for."""
_BEGIN, _END = re.compile(rb"^<<<<<<< ", re.MULTILINE), re.compile(rb"^>>>>>>> ", re.MULTILINE)
_MOVED = re.compile(r"~([0-9a-f]{40,64})(_[0-9]+)?$")
"""What git puts behind the name of a file that cannot lie where it belongs."""
_LINK, _DIRECTORY, _TEXT, _PLAIN = "160000", "040000", "100644", ("100644", "100755")
_LONGEST_NAME, _RESERVE = 255, 8
_AT_ONCE: Final = 500
_OURS, _THEIRS = 2, 3

Stages = Mapping[int, str]
"""Of one path: which version (1 what both come from, 2 ours, 3 theirs) → mode and object id."""


class Sides:
    """Of one merge of several commits, one after another: what is met on the way, and laid out at the end."""

    def __init__(self, repository: Repository, parents: Sequence[Parent]) -> None:
        self._repository = repository
        self._parents = parents
        self._files = [repository.files(parent.commit) for parent in parents]
        self._shown: set[str] = set()
        self._marked: set[str] = set()
        """Mode and object of files with markers."""
        self._hidden: dict[str, dict[str, str]] = {}
        """File → what a side has made of it (mode and object) → whose that is."""
        self._lie: dict[str, str] = {}
        """Path in the merged tree → the file that belongs there."""
        self._before: dict[str, set[str]] = {}
        self._ids: set[str] = set()

    def met(self, ours: str, number: int, *, tree: str, stages: Mapping[str, Stages]) -> None:
        """Conflicts of a commit that is already merged with that of the parent `number`. GitError."""
        self._ids |= {ours, self._parents[number].commit}
        made, own = self._repository.files(tree), self._repository.files(ours)
        for path, of in stages.items():
            found = made.get(path, "")
            if not of:
                self._shown.add(path)  # git names no file: a directory that has gone two ways
            elif found not in ("", own.get(path), self._files[number].get(path)) and self._is_marked(found):
                self._shown.add(path)
                self._marked.add(found)
            elif of.get(_OURS) != of.get(_THEIRS):
                self._hide(path, of, number)
            elif 1 in of:
                self._before.setdefault(path, set()).add(of[1])

    def _hide(self, path: str, of: Stages, number: int) -> None:
        moved = _MOVED.search(path)
        file = path[: moved.start()] if moved and moved[1] in self._ids else path
        self._lie[path] = file
        self._before.setdefault(file, set()).add(of.get(1, ""))
        known = self._hidden.setdefault(file, {})
        ours, theirs = of.get(_OURS), of.get(_THEIRS)
        if ours and ours not in self._marked:
            known.setdefault(ours, self._whose(file, ours, number))
        if theirs:
            known.setdefault(theirs, slug(self._parents[number].step))

    def _whose(self, file: str, entry: str, number: int) -> str:
        """Of those that are merged already: who has it so, or all of them."""
        for parent, files in zip(self._parents[:number], self._files, strict=False):
            if files.get(file) == entry:
                return slug(parent.step)
        return "+".join(slug(parent.step) for parent in self._parents[:number])

    def laid(self, tree: str) -> tuple[str, tuple[str, ...]]:
        """The tree with all of it laid out; and all files in conflict, those that lie beside them among these.
        GitError, OSError."""
        there = self._repository.files(tree)
        gone = [path for path in self._lie if path not in self._shown and not there.get(path, "").startswith(_LINK)]
        names = _Free(set(there).difference(gone), (path for files in self._files for path in files))
        rows: list[tuple[str, str, bytes]] = []
        for file, known in sorted(self._hidden.items()):
            for parent, files in zip(self._parents, self._files, strict=True):
                entry = files.get(file)
                if entry and file not in self._shown and entry not in self._before[file]:
                    known.setdefault(entry, slug(parent.step))
            for entry, whose in known.items():
                mode, blob = self._as_file(entry)
                rows.append((mode, blob, os.fsencode(names.beside(file, whose))))
        conflicts = {*self._shown, *self._hidden, *(os.fsdecode(path) for _, _, path in rows)}
        if rows or gone:
            tree = self._with(tree, rows, gone)
        return tree, tuple(sorted(conflicts))

    def _as_file(self, entry: str) -> tuple[str, str]:
        mode, _, name = entry.partition(" ")
        if mode != _LINK:
            return mode, name
        text = f"Subproject commit {name}\n".encode("ascii")
        return _TEXT, self._repository.look("hash-object", "-w", "--no-filters", "--stdin", given=text).text

    def _with(self, tree: str, rows: Sequence[tuple[str, str, bytes]], gone: Iterable[str]) -> str:
        from tempfile import TemporaryDirectory  # only where something conflicts

        with TemporaryDirectory(prefix="teamflow-") as directory:
            index = f"{directory}/index"
            self._repository.look("read-tree", tree, index=index)
            given = git.removals(map(os.fsencode, gone)) + git.insertions(rows)
            self._repository.look("update-index", "-z", "--index-info", index=index, given=given)
            return self._repository.look("write-tree", "--missing-ok", index=index).text

    def _is_marked(self, entry: str) -> bool:
        return is_marked(_content(self._repository, entry))


class _Free:
    """Names beside files that nobody has."""

    def __init__(self, there: set[str], others: Iterable[str]) -> None:
        self._there = there
        self._taken: set[str] = set()
        for path in (*there, *others):
            parts = path.casefold().split("/")
            self._taken.update("/".join(parts[:count]) for count in range(1, len(parts) + 1))

    def beside(self, file: str, whose: str) -> str:
        directory, _, name = self._reachable(file).rpartition("/")
        label = os.fsencode(f"~{whose}")[: _LONGEST_NAME // 2]
        stem = os.fsencode(name)[: _LONGEST_NAME - _RESERVE - len(label)]
        at, found = 1, ""
        while not found or found.casefold() in self._taken:
            found = os.fsdecode(stem + label) + (f"-{at}" if at > 1 else "")
            found = f"{directory}/{found}" if directory else found
            at += 1
        self._taken.add(found.casefold())
        return found

    def _reachable(self, file: str) -> str:
        """Where a file lies in place of a directory of its path, the rest is part of the name."""
        parts = file.split("/")
        for count in range(1, len(parts)):
            above = "/".join(parts[:count])
            if above in self._there:
                return f"{above}~{'~'.join(parts[count:])}"
        return file


def is_marked(content: bytes | None) -> bool:
    """Whether a file still holds what git writes into it for a conflict."""
    return content is not None and _BEGIN.search(content) is not None and _END.search(content) is not None


def beside(repository: Repository, base: str, conflicts: Sequence[str]) -> dict[str, str]:
    """Of the files in conflict that `Sides.laid` has named, those that it has laid there: path → mode and object.
    GitError."""
    found = _entries(repository, base, conflicts)
    away = set(conflicts).difference(found)

    def is_side(path: str, entry: str) -> bool:
        if "~" not in path or entry.startswith((_LINK, _DIRECTORY)):
            return False
        # A side may hold such lines of its own: then its name tells, else that git has not written any.
        named = any(path[: at.start()] in away for at in re.finditer("~", path))
        return named or not is_marked(_content(repository, entry))

    return {path: entry for path, entry in found.items() if is_side(path, entry)}


def unmended(repository: Repository, conflicts: Sequence[str], *, base: str, tree: str) -> tuple[list[str], str]:
    """The files in conflict that are not settled in a tree, and why in words. One with markers may be gone, or be no
    text any more; what lay beside one must be gone. GitError."""
    if not conflicts:
        return [], ""
    given, now = beside(repository, base, conflicts), _entries(repository, tree, conflicts)
    left = [path for path in conflicts if path in given and path in now and not now[path].startswith(_DIRECTORY)]
    of_sides = set(given.values())  # a side may have had such lines before
    marked = [
        path
        for path in conflicts
        if path in now and path not in left and now[path] not in of_sides and is_marked(_content(repository, now[path]))
    ]
    reasons = []
    if marked:
        reasons.append(f"{listed(marked)} still {'have' if len(marked) > 1 else 'has'} conflict markers")
    if left:
        said = f"{listed(left)} still {'lie' if len(left) > 1 else 'lies'} there"
        reasons.append(f"{said}: make each file as it should be, then remove what the sides have made of it")
    return [*marked, *left], "; ".join(reasons)


def _entries(repository: Repository, tree: str, paths: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for at in range(0, len(paths), _AT_ONCE):
        words = ("ls-tree", "-z", "--full-tree", tree, "--", *paths[at : at + _AT_ONCE])
        found |= git.tree_entries(repository.look(*words).out)
    return found


def _content(repository: Repository, entry: str) -> bytes | None:
    """Of a plain file that is not too long."""
    mode, _, blob = entry.partition(" ")
    if mode not in _PLAIN or int(repository.look("cat-file", "-s", blob).text) > LONGEST:
        return None
    return repository.look("cat-file", "blob", blob).out

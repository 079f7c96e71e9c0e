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
from teamflow.workspaces.inner import ABSENT, FILES, NO_DIRECTORY, REPOSITORY, kind_of, state_of
from teamflow.workspaces.place import Place
from teamflow.workspaces.process import Answer, GitError
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.special import NESTED, SPECIAL, WAITED_FOR, special
from teamflow.workspaces.theirs import listing
from teamflow.workspaces.waiting import unfollowed

_LINK: Final = b"160000"
_NOT_OF_THE_FILE: Final = (
    "No space left", "Out of diskspace", "quota exceeded", "Read-only file system", "Input/output error",
    "unable to write", "unable to create", "insufficient permission", "unable to deflate",
)  # fmt: skip
"""Why git takes in nothing at all: the disk, and not one file, is what must be mended."""
_FORBIDDEN: Final = "git does not take a name like that"


class Snapshot(NamedTuple):
    tree: str
    aside: tuple[str, ...]
    """Path: why it is not part of the tree, or not all of it."""
    lost: tuple[bytes, ...] = ()
    """What is in no commit and not ignored either, relative to the worktree: files, and whole repositories."""
    sparse: tuple[bytes, ...] = ()
    """Files that do not lie there since the agent has made a sparse checkout of it; still part of the tree."""


class Look:
    """One look at a worktree. `index` is ours to write; afterwards it holds what lies there."""

    def __init__(
        self,
        repository: Repository,
        place: Place,
        *,
        index: str,
        copied: Iterable[str],
        also: Iterable[str] = (),
    ) -> None:
        """`also`: files that are part of it even where git is to ignore them."""
        self._repository = repository
        self._place = place
        self._index = index
        self._also = [os.fsencode(path) for path in also]
        self._copied = {os.fsencode(path) for path in copied}.difference(self._also)
        self._aside: dict[bytes, str] = {}
        self._lost: dict[bytes, None] = {}

    def take(self, *, head: str, base: str, thorough: bool = True) -> Snapshot:
        """`head`: the commit that the worktree is at; `base`: the one that it began with. GitError, OSError.

        `thorough`: all that is not part of it is named, which takes a walk through all directories."""
        odd = special(os.fsencode(self._place.path)) if thorough else {}
        hidden = self._hidden()
        known = ("-i", "-m") if os.path.exists(self._index) else ()
        self._git("read-tree", *known, head)
        differs = git.raw_entries(self._git("diff-files", "-z", "--raw", "--no-renames", "--ignore-submodules=all"))
        recorded = self._recorded()
        plain, gone = self._links(recorded, base)
        missing = [entry.path for entry in differs if entry.kind == "D" and entry.path not in hidden]
        theirs = self._hidden_by_the_agent(missing)
        tracked = [entry.path for entry in differs if entry.kind != "D"]
        dropped = [path for path in missing if path not in theirs]
        self._remove([*dropped, *gone, *plain, *(path for path in tracked if not self._is_file(path))])
        new = self._untracked(plain)
        also = [path for path in self._also if self._lies_inside(path)]
        self._add([path for path in dict.fromkeys([*tracked, *new, *also]) if self._is_readable(path)])
        self._as_checked_out(differs)
        self._remove(self._brought(base))
        inside = set(recorded).difference(plain)
        self._name({path: why for path, why in odd.items() if why != NESTED or path not in inside})
        tree = os.fsdecode(self._git("write-tree", "--missing-ok")).strip()
        aside = tuple(f"{os.fsdecode(path)}: {why}" for path, why in sorted(self._aside.items()))
        return Snapshot(tree, aside, tuple(sorted(self._lost)), tuple(sorted(theirs)))

    def is_as_it_was(self) -> bool:
        """Whether nothing has changed since the index has held what lies there, as far as a listing tells; a False may
        be wrong. GitError."""
        found = git.paths(self._git("ls-files", "-t", "--modified", "--others", "--exclude-standard", "-z"))
        return all(line.startswith(b"? ") and line[2:] in self._copied for line in found)

    def _git(self, *words: str, given: bytes = b"", allowed: tuple[int, ...] = (0,)) -> bytes:
        return self._look(*words, given=given, allowed=allowed).out

    def _look(self, *words: str, given: bytes = b"", allowed: tuple[int, ...] = (0,)) -> Answer:
        tree = self._place.path
        return self._repository.look(*words, index=self._index, tree=tree, given=given, allowed=allowed)

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

    def _hidden_by_the_agent(self, missing: list[bytes]) -> set[bytes]:
        """Of the files that are not there, those that a sparse checkout of the agent has taken away: no deletions."""
        if not missing:
            return set()
        listed = listing(self._repository, self._place, "-t", index=f"{self._index}.theirs") or ()
        skipped = {line[2:] for line in listed if line.startswith(b"S ")}.intersection(missing)
        if skipped:
            self._git("update-index", "-z", "--skip-worktree", "--stdin", given=git.lines_of(sorted(skipped)))
        return skipped

    def _links(self, recorded: dict[bytes, str], base: str) -> tuple[list[bytes], list[bytes]]:
        """Of the commits of other repositories that are recorded: whose files are to be taken in as plain ones, and
        which are not there any more. What of the others is in no commit is named."""
        if not recorded:
            return [], []
        before = self._recorded_in(base, recorded)
        modules = self._submodules()
        plain, gone = [], []
        for path, commit in recorded.items():
            kind = kind_of(self._full(path))
            if kind == ABSENT:
                gone.append(path)
            elif kind in (FILES, NO_DIRECTORY) or (kind == REPOSITORY and path not in before and path not in modules):
                plain.append(path)
            elif kind == REPOSITORY:
                full = os.fsdecode(self._full(path))
                state = state_of(self._repository, full, recorded=commit, index=f"{self._index}.inner")
                if state or before.get(path) != commit:
                    self._aside[path] = f"is a submodule: {state or f'commit {commit[:12]} may be nowhere else'}"
                    self._lost[path] = None
        return plain, gone

    def _recorded(self) -> dict[bytes, str]:
        rows = [row for row in git.paths(self._git("ls-files", "-s", "-z")) if row.startswith(_LINK)]
        return {row.partition(b"\t")[2]: row.split(b" ", 2)[1].decode("ascii") for row in rows}

    def _recorded_in(self, base: str, paths: Iterable[bytes]) -> dict[bytes, str]:
        listed = self._git("ls-tree", "-z", "--full-tree", base, "--", *(os.fsdecode(path) for path in paths))
        found = git.tree_entries(listed)
        rows = ((os.fsencode(path), entry.partition(" ")) for path, entry in found.items())
        return {path: name for path, (mode, _, name) in rows if mode == os.fsdecode(_LINK)}

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

    def _lies_inside(self, path: bytes) -> bool:
        """Whether a file lies there, and no directory above it is a link."""
        above = os.path.dirname(self._full(path))
        return self._is_file(path) and os.path.realpath(above) == above

    def _is_readable(self, path: bytes) -> bool:
        if not self._is_file(path):
            return False
        full = self._full(path)
        if os.path.islink(full):
            return True
        try:
            os.close(os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError as error:
            self._refused([path], f"cannot be read: {error.strerror or error}")
            return False
        return True

    def _add(self, paths: list[bytes]) -> None:
        """Takes in files; those that git cannot convert as their attributes say, as they are."""
        if not paths:
            return
        words = ("update-index", "--add", "--remove", "--replace", "-z", "--stdin")
        try:
            answer = self._look(*words, given=git.lines_of(paths))
            if "Ignoring path" in answer.err:
                listed = set(git.paths(self._git("ls-files", "-z")))
                self._refused([path for path in paths if path not in listed], _FORBIDDEN)
        except GitError as error:
            if error.code is None or any(word in error.said for word in _NOT_OF_THE_FILE):
                raise
            if len(paths) > 1:
                middle = len(paths) // 2
                self._add(paths[:middle])
                self._add(paths[middle:])
            else:
                self._add_as_it_is(paths[0], error)

    def _add_as_it_is(self, path: bytes, error: GitError) -> None:
        if not os.path.lexists(self._full(path)):
            return
        try:
            with open(self._full(path), "rb", opener=unfollowed) as file:
                mode = "100755" if os.fstat(file.fileno()).st_mode & stat.S_IXUSR else "100644"
                found = self._repository.look("hash-object", "-w", "--no-filters", "--stdin", given=file.read()).text
            self._git("update-index", "-z", "--index-info", given=git.insertions([(mode, found, path)]))
        except (GitError, OSError):
            self._refused([path], f"git does not take it: {error.said.splitlines()[-1]}")

    def _refused(self, paths: Iterable[bytes], why: str) -> None:
        for path in paths:
            if os.path.lexists(self._full(path)):
                self._aside[path] = why
                self._lost[path] = None

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

    def _name(self, odd: dict[bytes, str]) -> None:
        ignored = self._ignored([path for path, why in odd.items() if path != b"." and why != WAITED_FOR])
        for path, why in odd.items():
            if path not in ignored and path not in self._aside:
                self._aside[path] = why
                if why == NESTED:
                    self._lost[path + b"/.git"] = None
                elif why not in (SPECIAL, WAITED_FOR):
                    self._lost[path] = None

    def _full(self, path: bytes) -> bytes:
        return os.fsencode(self._place.path) + b"/" + path

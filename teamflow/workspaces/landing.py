"""A commit merged into the branch that the user has checked out, because they asked for it.

Decides in which order: the merge is computed and committed without touching anything; a note of what is to come is
written; then index and files are brought along in one step of git's, which loses nothing that is not committed; the
branch comes last, by its old value. Killed anywhere, what is left is a checkout as before, or one that git shows as
changed, and the next merge puts right by the note. Hooks and drivers that the repository names are not run.
"""

from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from teamflow import git
from teamflow.core.named import NamedTuple
from teamflow.core.work import Change
from teamflow.workspaces.checked_out import Branch, CheckedOut, named
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.locking import locked
from teamflow.workspaces.process import GitError
from teamflow.workspaces.waiting import unfollowed

_LINK: Final = "160000"
_STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Wanted(NamedTuple):
    """What to merge. `name`: what a person calls the commit (its branch); `message`: of a commit that merges."""

    commit: str
    name: str
    message: str
    always: bool = False
    """Makes such a commit also where the branch could just move on."""


class Landed(NamedTuple):
    """What became of it. `new == old`: it was in the branch already."""

    branch: str
    old: str
    new: str
    changes: tuple[Change, ...] = ()
    forward: bool = False
    """The branch has just moved on."""
    mended: bool = False
    """A merge that had been broken off was finished, or taken back, first."""
    submodules: bool = False
    """Some point to other commits now; what is checked out in them is as before."""


class _Note(NamedTuple):
    branch: str
    old: str
    new: str


def land(here: CheckedOut, wanted: Wanted, *, crossed: Callable[[], None] = lambda: None) -> Landed:
    """Merges. WorkspaceError: why not; nothing has changed then. `crossed` is called between the steps."""
    os.makedirs(here.own, mode=0o700, exist_ok=True)
    with locked(f"{here.own}/lock"):
        try:
            here.check_quiet()
            mended = _mend(here)
            return _land(here, wanted, mended=mended, crossed=crossed)
        except GitError as error:
            raise _told(here, error) from error


def _land(here: CheckedOut, wanted: Wanted, *, mended: bool, crossed: Callable[[], None]) -> Landed:
    branch = here.branch()
    if here.repository.is_ancestor(wanted.commit, branch.head):
        return Landed(branch.short, branch.head, branch.head, mended=mended)
    here.check_clean(branch.head)
    forward = not wanted.always and here.repository.is_ancestor(branch.head, wanted.commit)
    new = wanted.commit if forward else _merged(here, branch, wanted)
    entries = here.between(branch.head, new)
    here.check_filters(entries, new, hand=f"git merge {wanted.name}")
    here.check_free(entries)
    with _undisturbed():
        _apply(here, _Note(branch.name, branch.head, new), why=_why(wanted, forward=forward), crossed=crossed)
    return Landed(
        branch.short,
        branch.head,
        new,
        here.repository.changes(branch.head, new),
        forward=forward,
        mended=mended,
        submodules=any(entry.mode == _LINK for entry in entries),
    )


def _merged(here: CheckedOut, branch: Branch, wanted: Wanted) -> str:
    words = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", branch.head, wanted.commit)
    answer = here.run(*words, allowed=(0, 1))
    tree, *files = git.paths(answer.out)
    if answer.code:
        raise WorkspaceError(
            "conflict",
            f"{branch.short} and {wanted.name}",
            f"both have changed {named(dict.fromkeys(files))}; nothing was merged",
            remedy=f"merge by hand: `git merge {wanted.name}`",
        )
    parents = (branch.head, wanted.commit)
    return here.commit(os.fsdecode(tree), parents=parents, message=wanted.message)


def _why(wanted: Wanted, *, forward: bool) -> str:
    """As git says it in the reflog."""
    return f"merge {wanted.name}: {'Fast-forward' if forward else 'Merge made by teamflow'}"


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits: it would end git in the middle of writing files."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _apply(here: CheckedOut, note: _Note, *, why: str, crossed: Callable[[], None]) -> None:
    crossed()
    _write(here, note)
    crossed()
    try:
        here.run("read-tree", "-m", "-u", note.old, note.new)
    except GitError:
        # A full disk, a filter that failed: some files may be new already.
        _take_back(here, note)
        _forget(here)
        raise
    crossed()
    try:
        _advance(here, note, why=why)
    except GitError:
        here.run("read-tree", "-m", "-u", note.new, note.old)
        _forget(here)
        raise
    crossed()
    _forget(here)
    crossed()


def _advance(here: CheckedOut, note: _Note, *, why: str) -> None:
    """The only ref of the user's that is ever written."""
    here.repository.touch("update-ref", "--create-reflog", "-m", why, note.branch, note.new, note.old)


# What a merge that was broken off has left.


def _mend(here: CheckedOut) -> bool:
    """Finishes it where index and files are there, else takes back what is; True: there was something to do."""
    note = _read(here)
    if note is None:
        return False
    if here.repository.touch("symbolic-ref", "--quiet", "HEAD", allowed=(0, 1)).text != note.branch or (
        here.repository.commit_of(note.branch) != note.old
    ):
        _forget(here)  # it was done, or the user has gone on without it
        return False
    if not here.staged(note.new):
        _advance(here, note, why="merge: finished by teamflow")
    elif here.staged(note.old):
        _forget(here)  # the user has staged something: what lies there is theirs
        return False
    elif not _take_back(here, note):
        _forget(here)
        return False
    _forget(here)
    return True


def _take_back(here: CheckedOut, note: _Note) -> bool:
    """Gives the files that git had written already their old contents; whether there were any.

    Only those that hold what git was about to write, or the beginning of that. WorkspaceError (dirty): others.
    """
    entries = here.between(note.old, note.new)
    differing = {entry.path for entry in here.changed()}
    touched = [
        entry
        for entry in entries
        if entry.mode != _LINK and (_lies_there(here, entry.path) if entry.kind == "A" else entry.path in differing)
    ]
    foreign = [entry.path for entry in touched if not _is_ours(here, entry)]
    if foreign:
        raise WorkspaceError(
            "dirty",
            here.path,
            f"a merge was broken off, and these were changed since: {named(foreign)}",
            remedy="`git stash -u` puts them aside, `git diff` shows them; then merge again",
        )
    for entry in touched:
        if entry.kind == "A":
            os.unlink(here.full(entry.path))
            _prune(here, entry.path)
    old = [entry.path for entry in touched if entry.kind != "A"]
    here.run("checkout-index", "-f", "-u", "-z", "--stdin", given=git.lines_of(old))
    return bool(touched)


def _lies_there(here: CheckedOut, path: bytes) -> bool:
    """Whether a file or a link does, with nothing but directories above it."""
    parts = path.split(b"/")
    above = (here.mode(b"/".join(parts[:size])) for size in range(1, len(parts)))
    if not all(mode is not None and stat.S_ISDIR(mode) for mode in above):
        return False
    mode = here.mode(path)
    return mode is not None and not stat.S_ISDIR(mode)


def _is_ours(here: CheckedOut, entry: git.Entry) -> bool:
    mode = here.mode(entry.path)
    if mode is None:
        return True
    if stat.S_ISDIR(mode):
        return False
    found = _content(here, entry.path, mode)
    if found is None:
        return False
    names = [name for name in (entry.before, entry.after) if name.strip("0")]
    raw = [here.run("cat-file", "blob", name).out for name in names]
    path = f"--path={os.fsdecode(entry.path)}"
    written = [here.run("cat-file", "--filters", path, name).out for name in names]
    return any(whole.startswith(found) for whole in (*raw, *written))


def _content(here: CheckedOut, path: bytes, mode: int) -> bytes | None:
    if stat.S_ISLNK(mode):
        return os.readlink(here.full(path))
    if not stat.S_ISREG(mode):
        return None
    with open(here.full(path), "rb", opener=unfollowed) as file:
        return file.read()


def _prune(here: CheckedOut, path: bytes) -> None:
    """Directories above that are empty now."""
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        try:
            os.rmdir(here.full(path))
        except OSError:
            return


# The note.


def _write(here: CheckedOut, note: _Note) -> None:
    new = f"{here.own}/merge.new"
    with open(new, "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(note._asdict(), file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, f"{here.own}/merge")


def _read(here: CheckedOut) -> _Note | None:
    try:
        with open(f"{here.own}/merge", encoding="utf-8", errors="surrogateescape") as file:
            found = json.load(file)
        note = _Note(str(found["branch"]), str(found["old"]), str(found["new"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = here.repository.has(note.old) and here.repository.has(note.new)
    return note if whole and note.branch.startswith("refs/heads/") else None


def _forget(here: CheckedOut) -> None:
    if os.path.lexists(f"{here.own}/merge"):
        os.unlink(f"{here.own}/merge")


def _told(here: CheckedOut, error: GitError) -> WorkspaceError:
    remedy = "merge by hand with `git merge`"
    if "unrelated histories" in error.said:
        remedy = "the two have no commit in common: `git merge --allow-unrelated-histories`, if that is meant"
    return WorkspaceError("git", here.path, f"nothing was merged: {error}", remedy=remedy)

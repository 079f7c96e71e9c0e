"""Which worktree of a repository lies where: the directories `worktrees/NAME` in what all worktrees share.

Agents can write there, so a registration counts only where it names our path. Never prunes: what belongs to others, or
lies on a disk that is not mounted now, is none of ours.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.workspaces.place import Place, discard
from teamflow.workspaces.process import GitError
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.unfinished import BESIDE, UNFINISHED
from teamflow.workspaces.waiting import unfollowed

_TRIES: Final = 3


class Registration(NamedTuple):
    admin: str
    """The worktree's own git directory."""
    path: str
    head: str
    """What its HEAD holds: `ref: NAME` or an object id."""


def registrations(common: str) -> list[Registration]:
    """All worktrees but the main one, ours and others'."""
    found = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(f"{common}/worktrees") as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                link = short_text(f"{entry.path}/gitdir")
                path = os.path.dirname(os.path.join(entry.path, link)) if link.endswith("/.git") else ""
                found.append(Registration(entry.path, path, short_text(f"{entry.path}/HEAD")))
    return sorted(found)


def find(common: str, path: str) -> Registration | None:
    """Of the worktree at `path`."""
    return next((known for known in registrations(common) if known.path == path), None)


def heads(repository: Repository, *, but: str = "") -> set[str]:
    """Full names of the branches that are checked out, save in the worktree at `but`."""
    texts = {known.head for known in registrations(repository.common) if known.path != but}
    texts.add(short_text(f"{repository.common}/HEAD"))
    return {text.removeprefix("ref: ") for text in texts if text.startswith("ref: ")}


def add(repository: Repository, place: Place, *, commit: str, branch: str) -> str:
    """An empty worktree at `commit`, on the branch of that full name ('': detached). Gives its own git directory.

    To be called alone. What was registered for the path is gone before. GitError.
    """
    for left in reversed(range(_TRIES)):
        unregister(repository.common, place.path)
        try:
            repository.touch("worktree", "add", "--detach", "--no-checkout", "--end-of-options", place.path, commit)
            break
        except GitError:
            # Others' git knows nothing of our lock, and may have looked at the directory while it was half made.
            if not left:
                raise
            discard(place.path)
    known = find(repository.common, place.path)
    if known is None:
        raise GitError(("git", "worktree", "add"), 0, f"has registered nothing for {place.path}")
    attach(repository, known.admin, branch=branch, commit=commit)
    return known.admin


def attach(repository: Repository, admin: str, *, branch: str, commit: str) -> None:
    """Sets HEAD of a worktree: to a branch, or with '' to the commit itself."""
    try:
        if branch:
            repository.touch("symbolic-ref", "-m", "teamflow", "HEAD", branch, admin=admin)
        else:
            repository.touch("update-ref", "--no-deref", "-m", "teamflow", "HEAD", commit, admin=admin)
    except GitError:
        # An agent has broken it so that git does not take the directory for one of its own.
        _write(f"{admin}/HEAD", f"ref: {branch}" if branch else commit)


def mend(repository: Repository, place: Place) -> tuple[str, str]:
    """Makes the worktree and its registration point to one another again, whatever an agent has made of them.

    Gives the worktree's own git directory, and what was in the way: '', or where it lies now.
    """
    known = find(repository.common, place.path)
    admin = known.admin if known else _free(repository.common, place.name)
    os.makedirs(admin, exist_ok=True)
    for name, text in (("commondir", "../.."), ("gitdir", f"{place.path}/.git")):
        if short_text(f"{admin}/{name}") != text:
            _write(f"{admin}/{name}", text)
    if not short_text(f"{admin}/HEAD"):
        _write(f"{admin}/HEAD", "ref: refs/heads/none")
    link = f"{place.path}/.git"
    if short_text(link) == f"gitdir: {admin}":
        return admin, ""
    aside = ""
    if os.path.isdir(link) and not os.path.islink(link):
        aside = _free(place.state, "git", "")
        os.rename(link, aside)
    _write(link, f"gitdir: {admin}")
    return admin, aside


def settle(admin: str) -> None:
    """Takes away what an interrupted merge or rebase, and a killed git, have left in a worktree's own git directory."""
    for name in (*UNFINISHED, *BESIDE):
        discard(f"{admin}/{name}")


def unregister(common: str, path: str) -> None:
    """Takes away the registrations of a path, and no others."""
    for known in registrations(common):
        if known.path == path:
            discard(known.admin)


def is_locked(common: str, path: str) -> bool:
    """Whether the user has said `git worktree lock`."""
    known = find(common, path)
    return known is not None and os.path.lexists(f"{known.admin}/locked")


def _free(directory: str, name: str, below: str = "worktrees/") -> str:
    at = 0
    while os.path.lexists(f"{directory}/{below}{name}{at or ''}"):
        at += 1
    return f"{directory}/{below}{name}{at or ''}"


def short_text(path: str) -> str:
    """The text of a small regular file; empty for anything else."""
    try:
        with open(path, "rb", opener=unfollowed) as file:
            plain = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return os.fsdecode(file.read(8192)).rstrip("\n") if plain else ""
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        discard(path)
    new = f"{path}.teamflow"
    discard(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with open(descriptor, "wb") as file:
        file.write(os.fsencode(f"{text}\n"))
    os.replace(new, path)

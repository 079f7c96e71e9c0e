"""Whether a worktree holds anything that its commit does not: looked at only, and nothing is written.

Decides what counts: files that git would add, changed and deleted ones, what is staged, a merge or rebase that is not
finished, repositories inside. Ignored files and what `copy` brought do not.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection

from teamflow import git
from teamflow.workspaces.place import Place
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.unfinished import UNFINISHED
from teamflow.workspaces.waiting import unfollowed

_LARGEST = 1 << 30


def is_dirty(repository: Repository, place: Place, *, admin: str, head: str, start: str, begun: bool) -> bool:
    """`head`: the commit to compare with, '' for none. `begun`: somebody may have worked there, so that a file that is
    missing was deleted, and not yet made. GitError, OSError."""
    if admin and any(os.path.lexists(f"{admin}/{name}") for name in UNFINISHED):
        return True
    made = place.made()
    copied = {os.fsencode(path) for path in made.copied} if made else set()
    return (
        _has_repository(place.path)
        or _differs(repository, place, head=head, copied=copied, begun=begun)
        or (bool(admin and head) and _is_staged(repository, place, admin=admin, head=head, start=start, copied=copied))
    )


def _has_repository(root: str) -> bool:
    """Whether there is a `.git` below the top: its commits may be nowhere else."""

    def refuse(error: OSError) -> None:
        raise error

    for path, directories, names in os.walk(root, onerror=refuse):
        if path != root and (".git" in directories or ".git" in names):
            return True
        if path == root and ".git" in directories:
            return True
    return False


def _differs(repository: Repository, place: Place, *, head: str, copied: Collection[bytes], begun: bool) -> bool:
    os.makedirs(place.state, mode=0o700, exist_ok=True)
    with place.borrowed_index() as index:
        known = ("-i", "-m") if os.path.exists(index) else ()
        if head:
            repository.look("read-tree", *known, head, index=index, tree=place.path)
        else:
            repository.look("read-tree", "--empty", index=index, tree=place.path)
        words = ("-z", "-t", "-s", "-c", "-m", "-d", "-o", "--exclude-standard")
        rows = git.paths(repository.look("ls-files", *words, index=index, tree=place.path).out)
    return any(_counts(row, place.path, copied=copied, begun=begun) for row in rows)


def _counts(row: bytes, root: str, *, copied: Collection[bytes], begun: bool) -> bool:
    """Of one line of the listing."""
    kind, rest = row[:1], row[2:]
    if kind == b"?":
        return rest not in copied
    path = os.fsencode(root) + b"/" + rest.partition(b"\t")[2]
    if rest.startswith(b"160000 "):
        return os.path.isdir(path) and bool(os.listdir(path))
    if kind == b"S":
        return os.path.lexists(path)
    if kind == b"R":
        return begun
    if kind == b"C":
        # A deleted file is listed as changed, too.
        return begun or os.path.lexists(path)
    return kind != b"H"


def _is_staged(
    repository: Repository, place: Place, *, admin: str, head: str, start: str, copied: Collection[bytes]
) -> bool:
    """Whether the worktree's own index has a content that neither its commit nor the starting one has there."""
    index = f"{place.state}/staged.{os.getpid()}"
    try:
        if not _copy(f"{admin}/index", index):
            return False
        words = ("diff-index", "--cached", "-z", "--raw", "--no-renames", "--full-index")
        entries = git.raw_entries(repository.look(*words, head, "--", index=index, tree=place.path).out)
        first = {}
        if entries and start and start != head:
            again = repository.look(*words, start, "--", index=index, tree=place.path).out
            same = {entry.path for entry in git.raw_entries(again)}
            first = {entry.path: None for entry in entries if entry.path not in same}
        return any(entry.kind != "D" and entry.path not in copied and entry.path not in first for entry in entries)
    finally:
        for path in (index, f"{index}.lock"):
            if os.path.lexists(path):
                os.unlink(path)


def _copy(source: str, target: str) -> bool:
    """Whether there is such a regular file. An agent may have put anything in its place."""
    try:
        with open(source, "rb", opener=unfollowed) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(f"{source} is no file")
            content = file.read(_LARGEST)
    except FileNotFoundError:
        return False
    with open(target, "wb") as new:
        new.write(content)
    return True

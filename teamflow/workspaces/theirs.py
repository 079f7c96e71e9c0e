"""What the agent's own git says of a workspace: its index, and what it has begun there. Read as data, never run.

Decides nothing about what becomes of it. The index is copied, and our git lists the copy; of one that it cannot read (a
split one, a broken one) nothing can be told.
"""

from __future__ import annotations

import os
from typing import Final

from teamflow import git
from teamflow.workspaces.place import Place
from teamflow.workspaces.process import GitError
from teamflow.workspaces.registered import find
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.unfinished import UNFINISHED
from teamflow.workspaces.waiting import read_plain

_LARGEST_INDEX: Final = 1 << 30
_SMALL: Final = 4096


def admin_of(repository: Repository, place: Place) -> str:
    """The git directory that the agent's git works with; empty: there is none of ours."""
    if place.is_clone():
        return f"{place.path}/.git"
    known = find(repository.common, place.path)
    return known.admin if known is not None else ""


def listing(repository: Repository, place: Place, *words: str, index: str) -> list[bytes] | None:
    """What `ls-files -z` with these words says of the agent's index; None: our git cannot read it. `index`: a name for
    the copy."""
    admin = admin_of(repository, place)
    held = read_plain(f"{admin}/index", most=_LARGEST_INDEX) if admin else b""
    if not held:
        return []
    with open(index, "wb") as file:
        file.write(held)
    try:
        return git.paths(repository.look("ls-files", *words, "-z", index=index, tree=place.path).out)
    except GitError:
        return None
    finally:
        os.unlink(index)


def unmerged(repository: Repository, place: Place, *, index: str) -> list[str] | None:
    """The files of which the agent's index holds several versions: conflicts that nobody has settled for its git. None
    as `listing`."""
    rows = listing(repository, place, "--unmerged", index=index)
    if rows is None:
        return None
    return list(dict.fromkeys(os.fsdecode(row.partition(b"\t")[2]) for row in rows))


def begun(repository: Repository, place: Place) -> tuple[str, str]:
    """What git is in the middle of there, and what ends it; two empty texts: nothing."""
    admin = admin_of(repository, place)
    found = (UNFINISHED[name] for name in UNFINISHED if admin and os.path.lexists(f"{admin}/{name}"))
    return next(found, ("", ""))


def other_side(repository: Repository, place: Place) -> str:
    """The commit that is being merged into what is checked out, where it is one and the repository has it; else ''."""
    admin = admin_of(repository, place)
    lines = os.fsdecode(read_plain(f"{admin}/MERGE_HEAD", most=_SMALL)).split("\n") if admin else []
    if len(lines) != 2 or lines[1] or not git.is_id(lines[0]):
        return ""
    kind = repository.look("cat-file", "-t", lines[0], allowed=(0, 1, 128))
    return lines[0] if kind.code == 0 and kind.text == "commit" and repository.has(lines[0]) else ""

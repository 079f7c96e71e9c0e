"""Several commits as one: the starting commit of a step with several dependencies, and changes on top of others.

Deterministic: the same parents give the same commit. Decides what a conflict is called, and what it looks like to who
is to settle it; settles none.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from teamflow.core.ids import listed
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.work import Left
from teamflow.ports import Parent
from teamflow.workspaces.process import GitError
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.sides import Sides, Stages


class Merge(NamedTuple):
    """`conflicts`: the files in which git has left markers, or cannot; merged all through, also what lies beside these
    (`sides.py`). `sides`: the steps that have met when the first conflict was found, the last of them that which did
    not go with the others."""

    commit: str
    conflicts: tuple[str, ...]
    sides: tuple[str, ...]


def merged(repository: Repository, parents: Sequence[Parent], *, message: str) -> str | Failed:
    """The commit that these parents make, in order; one that is in the history of another adds nothing. GitError."""
    found = merge(repository, parents, message=message, through=False)
    return _conflict(found.conflicts, found.sides[:-1], found.sides[-1]) if found.conflicts else found.commit


def merge(repository: Repository, parents: Sequence[Parent], *, message: str, through: bool) -> Merge:
    """The same. `through`: what conflicts is merged nevertheless, with markers, or with the sides laid out where there
    can be none; else the first conflict is the end. GitError, OSError."""
    kept = _independent(repository, parents)
    if len(kept) == 1:
        return Merge(kept[0].commit, (), ())
    commits = [parent.commit for parent in kept]
    date = _newest(repository, commits)
    text = message or f"Merge {', '.join(parent.step for parent in kept)}"
    at, seen = commits[0], [kept[0].step]
    sides: Sides | None = None
    conflicts: tuple[str, ...] = ()
    for number, parent in enumerate(kept[1:], 1):
        tree, stages = _merge(repository, at, parent.commit)
        seen.append(parent.step)
        if stages and not through:
            return Merge(at, tuple(stages), tuple(seen))
        if stages:
            sides = sides or Sides(repository, kept)
            sides.met(at, number, tree=tree, stages=stages)
        last = parent is kept[-1]
        if last and sides is not None:
            tree, conflicts = sides.laid(tree)
        at = repository.commit(tree, parents=commits if last else [at, parent.commit], message=text, date=date)
    return Merge(at, conflicts, tuple(seen))


def on_top(repository: Repository, left: Left, *, base: str) -> Left | None:
    """The changes of `left` on top of `base`; None: they do not apply, or its commits are not there. GitError."""
    if not (repository.has(left.base) and repository.has(left.commit)):
        return None
    if left.base == base:
        return left._replace(branch="")
    if not left.changed:
        return Left(base, base)
    date = _newest(repository, [left.commit, base])
    # Made-up histories: a merge has no other way to be told what both sides come from.
    root = repository.commit(repository.tree_of(left.base), parents=[], message="base", date=0)
    ours = repository.commit(repository.tree_of(base), parents=[root], message="ours", date=0)
    theirs = repository.commit(repository.tree_of(left.commit), parents=[root], message="theirs", date=0)
    tree, conflicts = _merge(repository, ours, theirs)
    if conflicts:
        return None
    if tree == repository.tree_of(base):
        return Left(base, base)
    commit = repository.commit(tree, parents=[base], message=repository.message_of(left.commit), date=date)
    return counted(repository, commit, base)


def conflicts(repository: Repository, ours: str, theirs: str) -> list[str]:
    """The files in conflict when two commits are merged, whatever they come from. GitError."""
    return list(_merge(repository, ours, theirs)[1])


def counted(repository: Repository, commit: str, base: str) -> Left:
    changes = repository.changes(base, commit)
    added, deleted = sum(change.added for change in changes), sum(change.deleted for change in changes)
    return Left(commit, base, "", len(changes), added, deleted)


def _independent(repository: Repository, parents: Sequence[Parent]) -> list[Parent]:
    first = {parent.commit: parent for parent in reversed(parents)}
    unique = [parent for parent in parents if first[parent.commit] is parent]
    if len(unique) == 1:
        return unique
    answer = repository.look("merge-base", "--independent", *(parent.commit for parent in unique))
    needed = set(answer.text.split())
    return [parent for parent in unique if parent.commit in needed]


def _newest(repository: Repository, commits: Sequence[str]) -> int:
    words = ("rev-list", "--no-walk=unsorted", "--no-commit-header", "--format=%ct", *commits, "--")
    return max(map(int, repository.look(*words).text.split()))


def _merge(repository: Repository, ours: str, theirs: str) -> tuple[str, dict[str, Stages]]:
    """Id of the tree, and the files in conflict. GitError."""
    words = ("merge-tree", "--write-tree", "--no-messages", "--allow-unrelated-histories", "-z")
    answer = repository.look(*words, ours, theirs, allowed=(0, 1))
    tree, *rows = os.fsdecode(answer.out).rstrip("\0").split("\0")
    if answer.code and not tree:
        raise GitError(("git", *words), answer.code, answer.err)
    found: dict[str, dict[int, str]] = {}
    for row in rows:
        what, _, path = row.partition("\t")
        if path:
            mode, name, stage = what.split(" ")
            found.setdefault(path, {})[int(stage)] = f"{mode} {name}"
    if answer.code and not found:
        return tree, {"?": {}}
    return tree, {path: found[path] for path in sorted(found)}


def _conflict(files: Sequence[str], ours: Sequence[str], theirs: str) -> Failed:
    sides = f"`{'`, `'.join(ours)}` and `{theirs}`"
    reason = f"{sides} change the same places of {listed(files)}"
    return Failed(FailureClass.CONFLICT, reason, detail="\n".join(files))

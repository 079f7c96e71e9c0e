"""Whether an agent gets leave for what it wishes: the one place, whatever its CLI and whatever that asks about.

What a CLI keeps to by itself (a sandbox, its own lists) it never asks about; so this is the second fence for some, and
the only one for others. Pure: paths are judged by their text, links in a workspace are for the workspace's own check.
"""

from __future__ import annotations

import posixpath
from typing import Final

from teamflow.core.globs import covers
from teamflow.core.permissions import (
    ALLOW,
    DENY,
    EDIT,
    FULL,
    QUEUE,
    READ,
    Permissions,
    Verdict,
    Wish,
)
from teamflow.policy.looking import begins_with, only_looks

YES: Final = Verdict(ALLOW)


def judge(grants: Permissions, wish: Wish, *, cwd: str) -> Verdict:
    """allow, deny (with the reason, for the agent), or queue: a person is asked. `cwd`: where the agent works.

    What a level forbids outright (an edit by one that only reads) is denied; what a list does not name is asked for,
    or denied where nobody is to be asked (`ask: deny`).
    """
    if grants.level == FULL:
        return YES
    match wish.kind:
        case "read" | "tool":
            return YES
        case "edit":
            return _edit(grants, wish, cwd=cwd)
        case "run":
            return _run(grants, wish)
        case "net":
            if grants.net == DENY:
                return Verdict(DENY, "this step has no leave to use the network (permissions.net: deny)")
            return YES
        case _:
            return _otherwise(grants, f"{wish.text or 'this'} is nothing that its permissions name")


def _edit(grants: Permissions, wish: Wish, *, cwd: str) -> Verdict:
    if not grants.may_edit:
        return Verdict(DENY, "this step only reads: it has no leave to change files (permissions)")
    inside = [_inside(path, cwd) for path in wish.paths]
    outside = next((path for path, own in zip(wish.paths, inside, strict=True) if own is None), None)
    if outside is not None:
        return _otherwise(grants, f"{outside} lies outside of the workspace")
    if grants.edit is None:
        return YES if inside else _otherwise(grants, "it does not say which file it changes")
    wrong = next((path for path in inside if path is None or not covers(grants.edit, path)), None)
    if wrong is not None or not inside:
        return _otherwise(
            grants, f"{wrong or 'what it changes'} is none of {', '.join(grants.edit)} (permissions.edit)"
        )
    return YES


def _run(grants: Permissions, wish: Wish) -> Verdict:
    words = wish.argv or wish.command
    if only_looks(words):
        return YES
    if grants.run is None:
        if grants.level == EDIT:
            return YES
        return Verdict(DENY, "this step only reads: it has no leave to run commands that do more (permissions)")
    if begins_with(words, grants.run):
        return YES
    allowed = f"none of {', '.join(grants.run)}" if grants.run else "a command, and it may run none"
    return _otherwise(grants, f"`{wish.command or ' '.join(wish.argv)}` is {allowed} (permissions.run)")


def _otherwise(grants: Permissions, reason: str) -> Verdict:
    return Verdict(DENY if grants.ask == DENY or grants.level == READ else QUEUE, reason)


def _inside(path: str, cwd: str) -> str | None:
    """Relative to the workspace; None: it lies outside."""
    whole = posixpath.normpath(posixpath.join(cwd, path))
    root = posixpath.normpath(cwd)
    if whole == root or not whole.startswith(root.rstrip("/") + "/"):
        return None
    return whole[len(root.rstrip("/")) + 1 :]

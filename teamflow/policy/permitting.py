"""Whether an agent gets leave for what it wishes: the one place, whatever its CLI and whatever that asks about.

What a CLI keeps to by itself (a sandbox, its own lists) it never asks about; so this is the second fence for some, and
the only one for others. Pure: paths are judged by their text, links in a workspace are for the workspace's own check.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.core.paths import path_shown
from teamflow.core.permissions import ALLOW, DENY, FULL, NEVER, QUEUE, READ, Permissions, Verdict, Wish
from teamflow.core.shell import excerpt, shown
from teamflow.policy.looking import begins_with, only_looks, unlisted
from teamflow.policy.own_settings import folded, is_covered, is_named, setting_in

YES: Final = Verdict(ALLOW)

READS_ONLY: Final = (
    "this step only reads (permissions: read): it may look at files, and run commands that surely change nothing, like "
    "git diff, git log, git status, ls, cat, grep, rg, find, also joined by | && ;, without substitutions and without "
    "writing into files"
)
_NO_NET: Final = "this step may not use the network (permissions.net: deny): go on with what is in the workspace"
_LISTED: Final = 8
_LONGEST: Final = 120


class _Place(NamedTuple):
    """A path as it is in the workspace; `path` None: it is not known to be there, because of `why`."""

    path: str | None
    why: str = ""


def judge(grants: Permissions, wish: Wish, *, cwd: str, roots: Sequence[str] = ()) -> Verdict:
    """allow, deny (with the reason, for the agent), or queue: a person is asked.

    `cwd`: where the agent works, absolute. `roots`: the names of its workspace, absolute, as it was made and with its
    links resolved; () where that is `cwd` and has no other name.

    What a level forbids outright (an edit by one that only reads) is denied; what a list does not name is asked for,
    or denied where nobody is to be asked (`ask: deny`).
    """
    if grants.level == FULL:
        return YES
    roots = tuple(roots) or (cwd,)
    match wish.kind:
        case "read" | "tool":
            return YES
        case "edit":
            return _edit(grants, wish, cwd, roots)
        case "run":
            return _run(grants, wish, roots)
        case "net":
            return Verdict(DENY, _NO_NET) if grants.net == DENY else YES
        case _:
            return _otherwise(grants, f"{_named(wish.text) or 'this'} is nothing that the permissions of the step name")


# -- files -------------------------------------------------------------------------------------------------------


def _edit(grants: Permissions, wish: Wish, cwd: str, roots: Sequence[str]) -> Verdict:
    """The strictest of what its files come to."""
    if grants.level == READ:
        return Verdict(DENY, f"it may not change files: {READS_ONLY}")
    if grants.edit == ():
        return Verdict(DENY, "this step may change no files (permissions.edit: []): say in your answer what you would")
    if not wish.paths:
        return _otherwise(grants, "it does not say which file it changes")
    verdicts = [_edit_of(grants, path, cwd, roots) for path in wish.paths]
    return next(
        (verdict for answer in (DENY, QUEUE) for verdict in verdicts if verdict.answer == answer),
        YES,
    )


def _edit_of(grants: Permissions, path: str, cwd: str, roots: Sequence[str]) -> Verdict:
    named = path_shown(path, longest=_LONGEST)
    if not path or "\0" in path:
        return Verdict(DENY, f"{named} is no name of a file")
    place = _placed(path, cwd, roots)
    if place.path is None:
        return _otherwise(grants, f"{named} {place.why}")
    named = path_shown(place.path, longest=_LONGEST)
    parts = [folded(part) for part in place.path.split("/")]
    kept = next((part for part in parts if part in NEVER), None)
    if kept is not None:
        return Verdict(DENY, f"{named} lies in {kept}, which no step changes but with permissions: full")
    if setting_in(place.path) and not is_named(place.path, grants.edit or ()):
        return _otherwise(grants, f"{named} belongs to the settings of agents, which could widen its own permissions")
    if grants.edit is None or is_covered(grants.edit, place.path):
        return YES
    return _otherwise(grants, f"{named} is none of the files that it may edit: {_list(grants.edit)} (permissions.edit)")


def _placed(path: str, cwd: str, roots: Sequence[str]) -> _Place:
    if path.startswith("~"):
        return _Place(None, "lies in a home directory, outside of the workspace")
    if ".." in path.split("/"):
        return _Place(None, "goes back by .., maybe out of the workspace: name it without")
    whole = posixpath.normpath(posixpath.join(cwd, path))
    for root in roots:
        start = posixpath.normpath(root).rstrip("/") + "/"
        if root and whole.startswith(start):
            return _Place(whole[len(start) :])
        if root and f"{whole}/" == start:
            return _Place(None, "is the workspace itself, and no file of it")
    return _Place(None, "lies outside of the workspace")


# -- commands ----------------------------------------------------------------------------------------------------


def _run(grants: Permissions, wish: Wish, roots: Sequence[str]) -> Verdict:
    words = wish.argv or wish.command
    if only_looks(words, roots=roots):
        return YES
    named = f"`{_named(wish.command or shown(wish.argv))}`"
    if grants.level == READ:
        return Verdict(DENY, f"{named} may do more than look: {READS_ONLY}")
    if not words:
        return _otherwise(grants, "it does not say which command it runs")
    if grants.run is None or begins_with(words, grants.run, roots=roots):
        return YES
    if not grants.run:
        return _otherwise(
            grants, f"{named} may do more than look, and this step runs no such command (permissions.run)"
        )
    reason = f"{named} is none of the commands that it may run: {_list(grants.run)} (permissions.run)"
    why = unlisted(words, grants.run, roots=roots)
    return _otherwise(grants, f"{reason}: {why}" if why else reason)


def _otherwise(grants: Permissions, reason: str) -> Verdict:
    return Verdict(DENY if grants.ask == DENY or grants.level == READ else QUEUE, reason)


def _named(text: str) -> str:
    return excerpt(text, width=_LONGEST)


def _list(entries: Sequence[str]) -> str:
    more = f" and {len(entries) - _LISTED} more" if len(entries) > _LISTED else ""
    return ", ".join(_named(entry) for entry in entries[:_LISTED]) + more

"""What a command that an agent wants to run comes to: whether it only looks, and whether it begins with given words.

An allow-list over the words of simple commands: what is not surely known to change nothing does not only look. It goes
by the text alone: that a program is the one of that name, and that the git repository of the workspace has the settings
of its user, is taken for granted. Refuses to run or look up anything.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Final

from teamflow.core.command_words import Simple, doubt, first_words, simple_commands
from teamflow.core.shell import excerpt, shown
from teamflow.policy.lookers import GIT, GIT_FIRST, HARMLESS, ONE_BY_ONE, PROGRAMS, SPECIAL, VERSIONED

_LONGEST: Final = 80
_SIGNATURE: Final = re.compile(r"%[-+ ]?G")
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*\+?=.*", re.DOTALL)


def only_looks(command: str | Sequence[str], *, roots: Sequence[str] = ()) -> bool:
    """Whether it changes nothing. `command`: shell text, or the words of one.

    `roots`: the names of the workspace in which it is run, absolute; without them no absolute path is known to be
    in it.
    """
    return _all(simple_commands(command), [], roots)


def begins_with(command: str | Sequence[str], allowed: Sequence[str], *, roots: Sequence[str] = ()) -> bool:
    """Whether each part of it begins with the words of one of `allowed`, or only looks.

    What follows those words is free. A variable that is set in front (`CI=1 pytest`) is one of the words.
    """
    return _all(simple_commands(command), [prefix for prefix in map(first_words, allowed) if prefix], roots)


def unlisted(command: str | Sequence[str], allowed: Sequence[str], *, roots: Sequence[str] = ()) -> str:
    """Why it is not so that each part begins with one of `allowed`, or only looks, as the rest of a sentence; empty:
    it is so, or it is a single command, of which nothing more is to be said."""
    parts = simple_commands(command)
    if not parts:
        return f"it {doubt(command) or 'is not certain to run what it seems to'}"
    other = _other(parts, [prefix for prefix in map(first_words, allowed) if prefix], roots)
    if other is None or len(parts) == 1:
        return ""
    named = excerpt(shown(other.words), width=_LONGEST)
    return f"`{named}` is none, and each part must begin with one of them, or only look"


def _all(parts: Sequence[Simple], allowed: Sequence[tuple[str, ...]], roots: Sequence[str]) -> bool:
    return bool(parts) and _other(parts, allowed, roots) is None


def _other(parts: Sequence[Simple], allowed: Sequence[tuple[str, ...]], roots: Sequence[str]) -> Simple | None:
    """The first that neither looks nor begins with one of `allowed`.

    `cd` decides what comes after it: out of the workspace git would find the settings of somebody else, and a
    program that is named by a path is another one in another place. What has left it once is not sure to come back."""
    inside, moved = True, False
    for part in parts:
        if part.words[0] == "cd":
            inside, moved = inside and _stays(part, roots), True
        elif not _looks(part, roots, inside=inside) and not (inside and _begins(part, allowed, moved=moved)):
            return part
    return None


def _begins(part: Simple, allowed: Sequence[tuple[str, ...]], *, moved: bool) -> bool:
    program = next((word for word in part.words if not _ASSIGNMENT.fullmatch(word)), "")
    if moved and "/" in program and not program.startswith("/"):
        return False
    return any(part.words[: len(prefix)] == prefix for prefix in allowed)


def _stays(part: Simple, roots: Sequence[str]) -> bool:
    """Whether `cd` stays within the workspace."""
    return len(part.words) == 2 and not part.wild and _below(part.words[1], roots)


def _below(path: str, roots: Sequence[str]) -> bool:
    names = path.split("/")
    if ".." in names or ".git" in names or not path or path.startswith("-"):
        return False
    if not path.startswith("/"):
        return True
    whole = f"{posixpath.normpath(path)}/"
    return any(whole.startswith(f"{posixpath.normpath(root).rstrip('/')}/") for root in roots if root)


def _looks(part: Simple, roots: Sequence[str], *, inside: bool) -> bool:
    program, words = part.program, part.words[1:]
    if program in HARMLESS:
        return True
    if part.loose:
        return False
    if len(words) == 1 and words[0] in VERSIONED.get(program, ()):
        return True
    if program == "git":
        return inside and _git_looks(words, roots, wild=part.wild)
    if program in SPECIAL:
        return SPECIAL[program](words) and not (part.wild and program in ONE_BY_ONE)
    return program in PROGRAMS and PROGRAMS[program].cover(words, wild=part.wild)


def _git_looks(words: tuple[str, ...], roots: Sequence[str], *, wild: bool) -> bool:
    at = 0
    while at < len(words) and words[at].startswith("-"):
        if words[at] == "-C" and at + 1 < len(words) and not wild and _below(words[at + 1], roots):
            at += 2
        elif words[at] in GIT_FIRST:
            at += 1
        else:
            return False
    # A signature is checked by a program that may write keys and trust of its own.
    if any(map(_SIGNATURE.search, words)):
        return False
    for size in (2, 1):
        options = GIT.get(" ".join(words[at : at + size])) if len(words) >= at + size else None
        if options is not None:
            return options.cover(words[at + size :], wild=wild)
    return False

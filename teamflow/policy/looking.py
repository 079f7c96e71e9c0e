"""What a command that an agent wants to run comes to: whether it only looks, and whether it begins with given words.

An allow-list over the words of simple commands joined by `|`, `&&`, `||`, `;`: what is not surely known to be that
(substitutions, variables, redirections into files, background) is neither. Refuses to run or look up anything.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

_SHELLS: Final = frozenset(("sh", "bash", "zsh", "/bin/sh", "/bin/bash", "/bin/zsh", "/usr/bin/bash", "/usr/bin/zsh"))
_SCRIPT: Final = frozenset(("-c", "-lc", "-ec", "-cl"))
_JOINTS: Final = frozenset(("|", "||", "&&", ";"))
_NEVER: Final = frozenset("$`\n\r\0(){}<>&!*?[]~#\\")
_LOOKING: Final = frozenset(
    ("basename", "cat", "cd", "cmp", "cut", "diff", "dirname", "du", "echo", "egrep", "fgrep", "file", "grep", "head",
     "ls", "nl", "pwd", "realpath", "stat", "tail", "tr", "true", "uniq", "wc", "which")
)  # fmt: skip
"""Programs that change nothing, whatever their arguments."""
_GIT: Final = frozenset(("blame", "cat-file", "describe", "diff", "log", "ls-files", "ls-tree", "rev-list", "rev-parse",
                         "shortlog", "show", "status"))  # fmt: skip
_GIT_WRITES: Final = ("--output", "--ext-diff", "--textconv", "--open-files-in-pager", "-O")


def only_looks(command: str | Sequence[str]) -> bool:
    """Whether it changes nothing. `command`: shell text, or the words of one."""
    parts = simple_commands(command)
    return bool(parts) and all(_looks(part) for part in parts)


def begins_with(command: str | Sequence[str], allowed: Sequence[str]) -> bool:
    """Whether each part of it begins with the words of one of `allowed`, or only looks."""
    parts = simple_commands(command)
    prefixes = [prefix for prefix in (entry.split() for entry in allowed) if prefix]
    return bool(parts) and all(
        _looks(part) or any(part[: len(prefix)] == prefix for prefix in prefixes) for part in parts
    )


def simple_commands(command: str | Sequence[str]) -> list[list[str]]:
    """The words of each of the commands that are joined there; empty where that is not certain."""
    if not isinstance(command, str):
        words = list(command)
        if len(words) == 3 and words[0] in _SHELLS and words[1] in _SCRIPT:
            return simple_commands(words[2])
        return [words] if words else []
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:
        return []
    if _NEVER & set(command.replace("&&", "")) - {"!", "*", "?", "[", "]", "~", "#"}:
        return []
    parts: list[list[str]] = [[]]
    for word in words:
        if word in _JOINTS:
            parts.append([])
        elif word.strip("|&;") == "":
            return []
        else:
            parts[-1].append(word)
    return parts if all(parts) else []


def _looks(words: list[str]) -> bool:
    if not words or "=" in words[0]:
        return False
    if words[0] == "git":
        return _git_looks(words[1:])
    return words[0] in _LOOKING


def _git_looks(words: list[str]) -> bool:
    if not words or words[0] not in _GIT:
        return False
    return not any(word.startswith(_GIT_WRITES) for word in words[1:])

"""Which shell strings need no shell, and how commands are written for people. The one place that quotes.

`direct_argv` is an allow-list: what it does not know for certain to mean the same without a shell goes through
`/bin/sh -c`. It refuses to know whether a program exists: who starts it falls back to the shell when it does not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

# Bare characters that no POSIX shell treats specially in any position that is left to them here.
_CHAR: Final = r"[A-Za-z0-9_./:,@%+=-]"
_SINGLE: Final = r"'[ -&(-~]*'"
_DOUBLE: Final = r'"[ !#%-\[\]-_a-~]*"'
_BARE_WORD: Final = re.compile(rf"{_CHAR}+")
# One by one: a repetition within a repetition would try every way to take a long word apart.
_WORD: Final = re.compile(rf"(?:{_CHAR}|{_SINGLE}|{_DOUBLE})+")
_PIECE: Final = re.compile(rf"({_CHAR}+)|({_SINGLE}|{_DOUBLE})")
_BLANKS: Final = re.compile(r"[ \t]+")
_PROGRAM: Final = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./:,@%+-]*")

_KEYWORDS: Final = [
    "if",
    "then",
    "else",
    "elif",
    "fi",
    "do",
    "done",
    "case",
    "esac",
    "while",
    "until",
    "for",
    "in",
    "select",
    "function",
    "time",
    "coproc",
    "[[",
    "]]",
    "{",
    "}",
    "!",
]
_POSIX: Final = [
    "break",
    ":",
    "continue",
    ".",
    "eval",
    "exec",
    "exit",
    "export",
    "readonly",
    "return",
    "set",
    "shift",
    "times",
    "trap",
    "unset",
    "alias",
    "bg",
    "cd",
    "command",
    "false",
    "fc",
    "fg",
    "getopts",
    "hash",
    "jobs",
    "kill",
    "newgrp",
    "pwd",
    "read",
    "true",
    "type",
    "ulimit",
    "umask",
    "unalias",
    "wait",
]
_DASH: Final = ["chdir", "echo", "[", "local", "printf", "test"]
_BASH: Final = [
    "bind",
    "builtin",
    "caller",
    "compgen",
    "complete",
    "compopt",
    "declare",
    "dirs",
    "disown",
    "enable",
    "help",
    "history",
    "let",
    "logout",
    "mapfile",
    "popd",
    "pushd",
    "readarray",
    "shopt",
    "source",
    "suspend",
    "typeset",
]
_OTHERS: Final = [
    "autoload",
    "cat",
    "float",
    "integer",
    "login",
    "nameref",
    "print",
    "realpath",
    "rename",
    "setopt",
    "sleep",
    "whence",
]
"""Built into ksh, mksh or zsh, one of which may be /bin/sh; only names that change what a command can see."""

SHELL_WORDS: Final = frozenset((*_KEYWORDS, *_POSIX, *_DASH, *_BASH, *_OTHERS))
"""First words that a shell may act on itself instead of starting a program."""


def direct_argv(command: str) -> tuple[str, ...] | None:
    """The argv that `sh -c command` would execute, or None where a shell has anything to do.

    Anything to do: expansions, globs, operators, comments, escapes, assignments, line ends, non-ASCII text, a first
    word that is a builtin or keyword of some sh. Quotes are taken off where nothing in them expands.
    """
    words = _BLANKS.split(command.strip(" \t"))
    if "'" in command or '"' in command:
        found = _quoted_words(command.strip(" \t"))
        if found is None:
            return None
        words = found
    elif not all(map(_WORD.fullmatch, words)):
        return None
    program = words[0]
    if program in SHELL_WORDS or not _PROGRAM.fullmatch(program):
        return None
    return tuple(words)


def _quoted_words(command: str) -> list[str] | None:
    words: list[str] = []
    at = 0
    while True:
        match = _WORD.match(command, at)
        if match is None:
            return None
        words.append("".join(bare or quoted[1:-1] for bare, quoted in _PIECE.findall(match[0])))
        at = match.end()
        if at == len(command):
            return words
        gap = _BLANKS.match(command, at)
        if gap is None:
            return None
        at = gap.end()


def shell_argv(command: str) -> tuple[str, ...]:
    """`/bin/sh -c` of the user's string. A leading dash or plus would be read as an option: a blank stops that."""
    return ("/bin/sh", "-c", f" {command}" if command.startswith(("-", "+")) else command)


def shown(argv: Sequence[str]) -> str:
    """The command as one could type it into a shell."""
    return " ".join(map(quoted, argv))


def quoted(word: str) -> str:
    """One word, quoted for sh only where it needs it."""
    if _BARE_WORD.fullmatch(word):
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"


def run_words(file: str) -> str:
    """What starts a team file, or goes on with its run: `teamflow run`, with its name where that is not found alone."""
    return "teamflow run" if file in ("team.yaml", "team.yml") else f"teamflow run {quoted(file)}"


def excerpt(text: str, *, width: int = 60) -> str:
    """The first line of `text`, cut to `width` characters with an ellipsis, control characters made visible."""
    lines = text.strip().splitlines() or [""]
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in lines[0].strip())
    if len(line) > width:
        return line[: width - 1].rstrip() + "…"
    return line + " …" if len(lines) > 1 else line

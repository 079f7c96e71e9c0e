"""The words of a shell command, where they are certain: an allow-list over what sh, bash and zsh read alike.

Decides what of a shell's language is known here for sure: words with quotes and escapes, patterns of file names, and
simple commands joined by `|`, `&&`, `||`, `;` and line ends. Substitutions, variables, `~`, braces, comments, jobs in
the background, here-documents and redirections are not, but for those to and from /dev/null, of one output into the
other, and from a plain file.
Refuses to know what any command does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from teamflow.core.named import NamedTuple

_DEEPEST: Final = 3
"""Shells within shells."""
_SHELLS: Final = frozenset(("sh", "bash", "dash", "zsh"))
_SCRIPT: Final = frozenset(("-c", "-lc", "-cl"))
_SYSTEM: Final = re.compile(r"/(?:usr/)?bin/([^/]+)")

# A line is only known to go on where a blank stands before: else it is one word over two lines.
_BLANK: Final = re.compile(r"[ \t]+(?:\\\n[ \t]*)*")
_JOINT: Final = re.compile(r"&&|\|\||\|(?!&)|;|\n")
_END: Final = r"(?=[ \t\n|;]|&&|$)"
_QUIET: Final = re.compile(rf"(?:(?:(?<!\d)[012]?>>?|&>)[ \t]*/dev/null|(?<!\d)[012]?>&[12]){_END}")
_INPUT: Final = re.compile(r"(?<!\d)<[ \t]*(?![<>&|;#(\s])")

_BARE: Final = re.compile(r"[A-Za-z0-9_./:,@%+=^-]+|(?<=[A-Za-z0-9_^@])~")
_WILD: Final = re.compile(r"[*?\[\]]")
_SINGLE: Final = re.compile(r"'([^']*)'")
_DOUBLE: Final = re.compile(r'"((?:[^"\\$`!]|\\[^!])*)"', re.DOTALL)
# Before letters and digits a backslash is more than a quote to some shells.
_ESCAPED: Final = re.compile(r"\\([^\nA-Za-z0-9])")
_NOT: Final = re.compile(r"(?<=[ \t])!(?=[ \t])")
_IN_DOUBLE: Final = re.compile(r'\\([\\"$`\n])')
_SAFE_START: Final = re.compile(r"[A-Za-z0-9_./]")


_DOUBTS: Final = (
    ("$(", "puts in the output of another command ($(…))"),
    ("`", "puts in the output of another command (`…`)"),
    ("$", "uses a variable ($)"),
    (">", "writes into a file (>)"),
    ("<<", "has a here-document (<<)"),
    ("<(", "puts in the output of another command (<(…))"),
    ("&>", "writes into a file (&>)"),
    ("&", "goes on in the background (&)"),
    ("~", "names a home directory (~)"),
    ("{", "has words in braces ({…})"),
    ("(", "starts a shell within (…)"),
    ("#", "has a comment (#)"),
)
"""How what is not certain begins, and what it does."""


class Simple(NamedTuple):
    """One command. `wild`: some word is a pattern of file names, so it may be several; `loose`: such words may come to
    begin with a dash, as options do."""

    words: tuple[str, ...]
    wild: bool = False
    loose: bool = False

    @property
    def program(self) -> str:
        """The first word, without the directory of the system's own programs."""
        match = _SYSTEM.fullmatch(self.words[0])
        return match[1] if match else self.words[0]


class _Word(NamedTuple):
    text: str
    wild: bool
    loose: bool
    end: int


def simple_commands(command: str | Sequence[str], *, depth: int = 0) -> tuple[Simple, ...]:
    """The commands that are joined there, those of `sh -c '…'` in its place; () where that is not certain.

    `command`: shell text, or the words of one command that no shell sees.
    """
    if isinstance(command, str):
        return _inner(_parsed(command), depth)
    return _inner((Simple(tuple(command)),) if command and all(map(_printable, command)) else (), depth)


def first_words(entry: str) -> tuple[str, ...]:
    """The words of one entry of `permissions.run`; () where it can be no first words of any command."""
    found = simple_commands(entry)
    return found[0].words if len(found) == 1 and not found[0].wild else ()


def doubt(command: str | Sequence[str], *, depth: int = 0) -> str:
    """What keeps the words of it from being certain, as the rest of a sentence: `writes into a file (>)`. Empty:
    nothing, or nothing that has a name."""
    parts: tuple[Simple, ...] = ()
    rest = ""
    if isinstance(command, str):
        parts, end = _read(command)
        rest = command[end:]
    elif command:
        parts = (Simple(tuple(command)),)
    if not rest:
        scripts = (part.words[2] for part in parts if _is_script(part))
        return next(filter(None, (doubt(script, depth=depth + 1) for script in scripts if depth < _DEEPEST)), "")
    if rest.startswith('"'):
        rest = rest[min((at for sign in "$`" if (at := rest.find(sign)) >= 0), default=0) :]
    return next((words for sign, words in _DOUBTS if rest.startswith(sign)), "")


def _is_script(part: Simple) -> bool:
    return part.program in _SHELLS and len(part.words) == 3 and part.words[1] in _SCRIPT and not part.wild


def _inner(found: Sequence[Simple], depth: int) -> tuple[Simple, ...]:
    every: list[Simple] = []
    for part in found:
        if _is_script(part):
            within = simple_commands(part.words[2], depth=depth + 1) if depth < _DEEPEST else ()
            if not within:
                return ()
            every.extend(within)
        else:
            every.append(part)
    return tuple(every)


def _parsed(text: str) -> tuple[Simple, ...]:
    parts, end = _read(text)
    return parts if end == len(text) else ()


def _read(text: str) -> tuple[tuple[Simple, ...], int]:
    """The commands up to where it is not certain any more what stands there; () where it ends too early."""
    parts: list[list[_Word]] = [[]]
    joint = "\n"
    at = 0
    while at < len(text):
        if match := _BLANK.match(text, at) or _QUIET.match(text, at):
            at = match.end()
        elif match := _JOINT.match(text, at):
            if match[0] != "\n" or parts[-1]:
                if not parts[-1]:
                    return (), at
                joint = match[0]
                parts.append([])
            at = match.end()
        else:
            found = _input(text, match.end()) if (match := _INPUT.match(text, at)) else _word(text, at)
            if found is None or (found.text == "!" and not parts[-1]):
                return (), at
            if match is None:
                parts[-1].append(found)
            at = found.end
    if not parts[-1] and joint in ("\n", ";"):
        parts.pop()
    return (tuple(map(_simple, parts)) if parts and all(map(_certain, parts)) else ()), at


def _certain(words: list[_Word]) -> bool:
    return bool(words) and not words[0].wild


def _simple(words: list[_Word]) -> Simple:
    return Simple(
        tuple(word.text for word in words),
        wild=any(word.wild for word in words),
        loose=any(word.loose for word in words),
    )


def _input(text: str, at: int) -> _Word | None:
    """What stdin is read from: a plain file; bash makes connections of some names below /dev."""
    found = _word(text, at)
    if found is None or found.wild or ("/dev/" in found.text and found.text != "/dev/null"):
        return None
    return found


def _word(text: str, start: int) -> _Word | None:
    """The word that begins there; None: none that is certain."""
    if match := _NOT.match(text, start):
        return _Word("!", wild=False, loose=False, end=match.end())
    pieces: list[str] = []
    wild = loose = False
    at = start
    while at < len(text):
        if match := _WILD.match(text, at):
            if not wild:
                wild, loose = True, not _SAFE_START.match("".join(pieces))
            piece = match[0]
        elif match := _BARE.match(text, at):
            piece = match[0]
        elif match := _SINGLE.match(text, at) or _ESCAPED.match(text, at):
            piece = match[1]
        elif match := _DOUBLE.match(text, at):
            piece = _IN_DOUBLE.sub(_unescaped, match[1])
        else:
            break
        if not _printable(piece):
            return None
        pieces.append(piece)
        at = match.end()
    return None if at == start else _Word("".join(pieces), wild, loose, at)


def _unescaped(match: re.Match[str]) -> str:
    return "" if match[1] == "\n" else match[1]


def _printable(text: str) -> bool:
    return text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable()

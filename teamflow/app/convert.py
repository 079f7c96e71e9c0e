"""MCP servers out of one settings file, in the format of another program: as text, or into a file of its.

Decides which files are read and how one is replaced: whole or not at all, through links, with the mode that it has.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, Final

from teamflow.core.named import NamedTuple
from teamflow.servers.canonical import BadServers, Loss
from teamflow.servers.format import Format, Section
from teamflow.servers.formats import FORMATS, guess, read, section_of
from teamflow.servers.text import Parsed, Syntax, merged, parse, rendered
from teamflow.servers.vscode import SETTINGS

LARGEST: Final = 16 * 1024 * 1024
"""Bytes of a settings file."""


class ConvertError(Exception):
    """Servers that cannot be converted; the message says which file, where in it, and why. Nothing was written."""


class Converted(NamedTuple):
    """`text`: of the new file, or of all of the changed one. `servers`: how many are in it now that came from `file`.

    `losses`: what did not come over, in the order of the servers.
    """

    text: str
    source: str
    servers: int
    losses: tuple[Loss, ...]


def convert(file: str, *, source: str | None, target: str, out: str | None) -> Converted:
    """`source`, `target`: names of formats, None: guessed. `out`: where to write, None: nowhere. ConvertError."""
    with _about("stdin" if file == "-" else file):
        data = _read(file)
        parsed = _parse(data, file, FORMATS[source] if source else None)
        before = FORMATS[source] if source else guess("" if file == "-" else os.path.abspath(file), parsed.value)
        found = read(parsed.value, before)
    after = FORMATS[target]
    written = after.write(found.servers)
    losses = tuple(dict.fromkeys((*found.losses, *written.losses)))
    with _about(out or file):
        if out is None:
            text = rendered(after.sections[0], written.entries, after.syntax)
        else:
            there = _old(out)
            text = merged(there, _section(after, out, there), written.entries, after.syntax)
            _replace(os.path.realpath(out), text.encode(), mode=_mode(file))
    return Converted(text, before.name, len(written.entries), losses)


@contextlib.contextmanager
def _about(path: str) -> Iterator[None]:
    """Errors with the name of the file."""
    try:
        yield
    except BadServers as error:
        raise ConvertError(f"{path}: {error}") from None
    except OSError as error:
        raise ConvertError(f"{error.filename or path}: {error.strerror or error}") from None


def _read(file: str) -> bytes:
    if file == "-":
        return _bounded(sys.stdin.buffer)
    with open(file, "rb") as opened:
        return _bounded(opened)


def _bounded(opened: BinaryIO) -> bytes:
    data = opened.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise BadServers(f"it is larger than {LARGEST // 1024**2} MiB")
    return data


def _parse(data: bytes, file: str, of: Format | None) -> Parsed:
    """By the format, the name, or what can be read."""
    syntax: Syntax = of.syntax if of else "toml" if file.endswith(".toml") else "json"
    try:
        return parse(data, syntax)
    except BadServers:
        if of or os.path.splitext(file)[1]:
            raise
        with contextlib.suppress(BadServers):
            return parse(data, "toml")
        raise


def _old(out: str) -> bytes:
    try:
        with open(out, "rb") as opened:
            return _bounded(opened)
    except FileNotFoundError:
        return b""


def _section(of: Format, out: str, there: bytes) -> Section:
    inner = parse(there, of.syntax).value if there.strip() else {}
    if of.name == "opencode" and _has(inner, of) == of.sections[1]:
        raise BadServers("it is of opencode 2, which has its servers in mcp.servers: write without -o")
    if of.name != "vscode":
        return of.sections[0]
    within = isinstance(inner, dict) and "servers" not in inner and "mcp" in inner
    return SETTINGS if within or os.path.basename(out) == "settings.json" else of.sections[0]


def _has(data: object, of: Format) -> Section:
    try:
        return section_of(data, of).section
    except BadServers:
        return ()


def _mode(file: str) -> int:
    """Of a new file: no more people may read it than the one that its secrets come from."""
    try:
        return os.stat(file).st_mode & 0o666 if file != "-" else 0o600
    except OSError:
        return 0o600


def _replace(path: str, data: bytes, *, mode: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        mode = os.stat(path).st_mode & 0o7777
    descriptor, temporary = tempfile.mkstemp(prefix=".teamflow-mcp-", dir=os.path.dirname(path))  # 0600
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise

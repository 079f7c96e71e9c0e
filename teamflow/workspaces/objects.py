"""Objects from one repository's directory into another's, as files: the only thing that repositories here exchange.

By copies, never by links: what a program does to the files of one repository does nothing to another. Decides nothing
about what is copied; what is there already stays.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from teamflow.workspaces.beneath import parent_of
from teamflow.workspaces.waiting import unfollowed

_PACK: Final = re.compile(r"pack-[0-9a-f]{40,64}\.(?:pack|rev|idx)\Z")
_FAN: Final = re.compile(r"[0-9a-f]{2}\Z")
_LOOSE: Final = re.compile(r"[0-9a-f]{38,62}\Z")
_CHUNK: Final = 1 << 26


def copy_objects(source: str, root: str, *, below: str, durable: bool) -> None:
    """From the directory of objects `source` to `below` of `root`; follows no link there that leads out. `durable`: it
    is on the disk when this returns. WorkspaceError (escape), OSError."""
    for directory, names in _listed(source):
        with parent_of(root, f"{below}/{directory}/x", make=True) as (target, _):
            there = set(os.listdir(target))
            for name in names:
                if name not in there:
                    _copy(f"{source}/{directory}/{name}", target, name, durable=durable)


def _listed(source: str) -> Iterator[tuple[str, list[str]]]:
    for directory in sorted(os.listdir(source)):
        if directory == "pack":
            # The index makes a pack known: it comes last.
            packs = [name for name in os.listdir(f"{source}/pack") if _PACK.match(name)]
            yield directory, sorted(packs, key=lambda name: (name.endswith(".idx"), name))
        elif _FAN.match(directory):
            yield directory, sorted(name for name in os.listdir(f"{source}/{directory}") if _LOOSE.match(name))


def _copy(source: str, target: int, name: str, *, durable: bool) -> None:
    temporary = f"tmp_obj_{os.getpid()}_{name}"
    try:
        os.unlink(temporary, dir_fd=target)
    except FileNotFoundError:
        pass
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with (
        open(source, "rb", buffering=0, opener=unfollowed) as reader,
        open(os.open(temporary, flags, 0o444, dir_fd=target), "wb", buffering=0) as writer,
    ):
        _pour(reader.fileno(), writer.fileno())
        if durable:
            os.fsync(writer.fileno())
    os.rename(temporary, name, src_dir_fd=target, dst_dir_fd=target)


def _pour(source: int, target: int) -> None:
    """File systems that can share blocks do so."""
    try:
        while os.copy_file_range(source, target, _CHUNK):
            pass
    except OSError:
        os.lseek(source, 0, os.SEEK_SET)
        os.lseek(target, 0, os.SEEK_SET)
        while chunk := os.read(source, _CHUNK):
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(target, rest) :]

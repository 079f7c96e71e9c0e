"""What processes asked of the disk, in order: the recording shim, and its trace as values.

`power_shim.c` says what a record means. Knows no file system and no teamflow.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SHIM = Path(__file__).with_name("power_shim.c")
COMPILER = shutil.which("gcc") or shutil.which("cc")

_HEAD = struct.Struct("=I c B H I I Q q I I")
_MAGIC = 0x504F5752


class Call(NamedTuple):
    """One record. `kind`: c(reate), w(rite), t(runcate), s(ync begins), S(ync is done), m(kdir), r(ename), l(ink),
    u(nlink), x (rmdir). `offset` is the size for t."""

    kind: str
    thread: tuple[int, int]
    inode: int
    offset: int
    path: str
    second: str
    data: bytes
    directory: bool


class Recorder:
    """Records what the processes that get `environ` do below `root`. CalledProcessError: the shim does not compile."""

    def __init__(self, root: Path, *, beside: Path) -> None:
        """`beside`: a directory for the shim, the trace and the boot id that the processes see."""
        assert COMPILER is not None, "look at COMPILER first"
        shim = beside / "power_shim.so"
        subprocess.run(
            [COMPILER, "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", shim, SHIM],
            check=True,
            timeout=120,
        )
        self._trace = beside / "power.trace"
        boot = beside / "power.boot"
        boot.write_text(f"{uuid.uuid4()}\n")
        self.environ = {
            "LD_PRELOAD": str(shim),
            "POWER_TRACE": str(self._trace),
            "POWER_ROOT": str(root),
            "POWER_BOOT": str(boot),
        }

    def calls(self) -> list[Call]:
        return list(_calls(self._trace.read_bytes()))


def _calls(raw: bytes) -> Iterator[Call]:
    at = 0
    while at < len(raw):
        magic, kind, flag, first, pid, thread, inode, offset, second, size = _HEAD.unpack_from(raw, at)
        assert magic == _MAGIC, f"no record at byte {at} of the trace"
        at += _HEAD.size
        path, at = raw[at : at + first].decode(), at + first
        other, at = raw[at : at + second].decode(), at + second
        data, at = raw[at : at + size], at + size
        yield Call(kind.decode(), (pid, thread), inode, offset, path, other, data, bool(flag))

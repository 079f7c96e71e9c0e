"""Digests of files by their stat: a file that looks as it did when it was hashed is not read again.

Decides when a stat may be trusted: git's rule for racy entries. A file that changed so shortly before it was hashed
that a second change might leave no trace in its times is not remembered, and so is hashed again the next time.
The stored form is one blob in columns, which loads in a millisecond for thousands of files.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Mapping
from typing import Final, TypeAlias
from zlib import crc32

Stat: TypeAlias = "tuple[int, int, int, int]"
"""mtime, ctime (nanoseconds), size (bytes), inode."""

Known: TypeAlias = "tuple[int, int, int, int, str]"
"""mtime, ctime (nanoseconds), size (bytes), inode, and the digest in hex."""

_MAGIC: Final = b"tfstat1\n"
_DIGEST: Final = 32
FINE: Final = 20_000_000
"""Nanoseconds: two changes closer than this may carry the same time."""
_COARSE: Final = 2_100_000_000


def known(found: os.stat_result, digest: str, *, hashed_at: int) -> Known | None:
    """What to remember of a file; None where its times are too young to be trusted.

    `found` is its stat from before it was hashed; `hashed_at` the wall time (ns) before that stat.
    """
    newest = max(found.st_mtime_ns, found.st_ctime_ns)
    # File systems that keep whole or even seconds show it by times without a fraction.
    margin = _COARSE if found.st_mtime_ns % 1_000_000_000 == 0 else FINE
    if newest >= hashed_at - margin:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, digest)


def pack(files: Mapping[str, Known]) -> bytes:
    """The blob for a mapping from paths."""
    columns = array("q")
    inodes = array("Q")
    digests = bytearray()
    for mtime, ctime, size, inode, digest in files.values():
        columns.extend((mtime, ctime, size))
        inodes.append(inode)
        digests += bytes.fromhex(digest)
    paths = os.fsencode("\0".join(files))
    body = b"".join(
        (len(files).to_bytes(8, "little"), columns.tobytes(), inodes.tobytes(), bytes(digests), paths),
    )
    return _MAGIC + crc32(body).to_bytes(4, "little") + body


def unpack(blob: bytes) -> dict[str, Known]:
    """The mapping of a blob; empty for one that is damaged or of another format."""
    start = len(_MAGIC) + 4
    body = memoryview(blob)[start:]
    if blob[: len(_MAGIC)] != _MAGIC or crc32(body).to_bytes(4, "little") != blob[len(_MAGIC) : start]:
        return {}
    count = int.from_bytes(body[:8], "little")
    if not count:
        return {}
    numbers = array("q")
    numbers.frombytes(body[8 : 8 + 24 * count])
    inodes = array("Q")
    inodes.frombytes(body[8 + 24 * count : 8 + 32 * count])
    after = 8 + (32 + _DIGEST) * count
    digests = body[8 + 32 * count : after].hex()
    paths = os.fsdecode(bytes(body[after:])).split("\0")
    width = 2 * _DIGEST
    rows = zip(
        numbers[0::3],
        numbers[1::3],
        numbers[2::3],
        inodes,
        [digests[at : at + width] for at in range(0, width * count, width)],
        strict=True,
    )
    return dict(zip(paths, rows, strict=True))

"""Reading what processes wrote: bounded, raw in, text out. Logs are never held in memory as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable

TEXT_LIMIT = 100 * 1024
"""Bytes of a final text that are handed over: the first and the last half are kept."""

OUTPUT_LIMIT = 1024 * 1024
"""Bytes of a final text in which declared outputs are looked for."""

TAIL_LIMIT = 8 * 1024
"""Bytes of a failed check's output that go into the next attempt."""

_CUT = "\n[… {} bytes left out …]\n"
_ROOM = len(_CUT.encode()) + 18
"""Bytes that the words on what is left out may take."""


_MARGIN = 8 * 1024
"""Bytes read beyond a cut, so that what is redacted there is seen whole."""


def read_text(
    path: str,
    *,
    redact: Callable[[str], str],
    start: int = 0,
    end: int | None = None,
    limit: int = TEXT_LIMIT,
) -> str:
    """The bytes [start, end) of a file as redacted text, without its last newline; the middle is cut beyond `limit`.

    A file that is not there reads as empty. Bad UTF-8 becomes U+FFFD. Redacted before it is cut: half a secret would
    not be known for one.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            stop = size if end is None else min(end, size)
            start = min(start, stop)
            if stop - start <= limit:
                return redact(_text(_read(file.fileno(), start, stop - start)))
            half = (limit - _ROOM) // 2
            margin = min(_MARGIN, stop - start - half)
            head = _read(file.fileno(), start, half + margin)
            tail = _read(file.fileno(), stop - half - margin, half + margin)
    except FileNotFoundError:
        return ""
    return _joined(redact(head.decode("utf-8", "replace")), redact(_text(tail)), half, stop - start - 2 * half)


def cut_text(text: str, *, limit: int = TEXT_LIMIT) -> str:
    """The text, without its middle if it is longer than `limit` bytes of UTF-8."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    if size <= limit:
        return text
    half = (limit - _ROOM) // 2
    return _joined(text, text, half, size - 2 * half)


def _joined(head: str, tail: str, half: int, left_out: int) -> str:
    """The first `half` bytes of one text and the last `half` of another; no character is cut in two."""
    first = head[:half].encode("utf-8", "replace")[:half].decode("utf-8", "ignore")
    last = tail[-half:].encode("utf-8", "replace")[-half:].decode("utf-8", "ignore")
    return first + _CUT.format(left_out) + last


def read_tail(path: str, *, start: int = 0, end: int | None = None, limit: int = TAIL_LIMIT) -> str:
    """The last `limit` bytes of [start, end) as text, from the beginning of a line where there is one."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            stop = size if end is None else min(end, size)
            begin = max(min(start, stop), stop - limit)
            data = _read(file.fileno(), begin, stop - begin)
    except FileNotFoundError:
        return ""
    if begin > start:
        data = data[data.find(b"\n") + 1 :]
    return _text(data)


def _read(fd: int, start: int, count: int) -> bytes:
    parts = []
    while count > 0:
        part = os.pread(fd, count, start)
        if not part:
            break
        parts.append(part)
        start += len(part)
        count -= len(part)
    return b"".join(parts)


def _text(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    return text[:-1] if text.endswith("\n") else text

"""Reading what processes wrote: bounded, raw in, text out. Logs are never held in memory as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable

from teamflow.core.invocation import Exit
from teamflow.core.plan import Step

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


def separate_err(step: Step, *, protocol: bool) -> bool:
    """Whether the agent phase writes stderr to a file of its own: where its stdout is read by somebody."""
    return protocol or step.text_used or step.custom is not None or bool(step.outputs.schemas)


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
    first, last = _before(head, half, redact), _after(tail, margin, redact)
    return _joined(first, last, half, stop - start - 2 * half)


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


def read_tail(
    path: str,
    *,
    redact: Callable[[str], str] = str,
    start: int = 0,
    end: int | None = None,
    limit: int = TAIL_LIMIT,
) -> str:
    """The last `limit` bytes of [start, end) as redacted text, from the beginning of a line where there is one.

    Redacted before it is cut, as `read_text`; without `redact` the caller does that.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            stop = size if end is None else min(end, size)
            first = min(start, stop)
            begin = max(first, stop - limit)
            beyond = 0 if redact is str else min(_MARGIN, begin - first)
            data = _read(file.fileno(), begin - beyond, stop - begin + beyond)
    except FileNotFoundError:
        return ""
    if begin == first:
        return redact(_text(data))
    text = _after(data, beyond, redact)[-limit:] if beyond else redact(_text(data))
    return text[text.find("\n") + 1 :]


def _before(data: bytes, count: int, redact: Callable[[str], str]) -> str:
    """What came of the first `count` bytes; the rest only shows whole what lies across that place.

    What is left of it at the other end may be half a secret, so as much is taken away as it makes alone.
    """
    whole, rest = redact(data.decode("utf-8", "replace")), redact(data[count:].decode("utf-8", "replace"))
    return whole[: max(0, len(whole) - len(rest))]


def _after(data: bytes, count: int, redact: Callable[[str], str]) -> str:
    """As `_before`, of what follows the first `count` bytes."""
    return redact(_text(data))[len(redact(data[:count].decode("utf-8", "replace"))) :]


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


def last_words(log: str, err: str, end: Exit, *, redact: Callable[[str], str]) -> str:
    """The last of what a phase printed, what it printed as errors behind it."""
    printed = read_tail(log, redact=redact, start=end.log_start, end=end.log_end)
    return printed if not end.err_end else f"{printed}\n{read_tail(err, redact=redact, end=end.err_end)}"


def _text(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    return text[:-1] if text.endswith("\n") else text

"""When a phase has gone on too long, been idle too long or written too much. Reads sizes and file times, ends nothing.

Times are boottime seconds. Sizes are looked at rarely while little is written, and more often near the limit.
"""

import posix
import time

NEVER = float("inf")
FASTEST = 4e9  # bytes per second that we expect nobody to exceed
SLICE = 0.02  # seconds in a row spent on looking at file times
ENOUGH = 200_000  # files looked at

MYPY = False
if MYPY:
    from typing import Iterator

    from .job import Request


class Limits:
    """The limits of one phase. `due` is when `check` wants to be called next."""

    __slots__ = (
        "_base", "_fds", "_files", "_interval", "_newest", "_paths", "_quiet", "_size", "_skew",
        "due", "idle", "log_limit", "look", "timeout_at", "truncated",
    )  # fmt: skip

    def __init__(self, request: "Request", fds: "tuple[int, ...]", base: int, now: float) -> None:
        self.timeout_at = NEVER if request.timeout is None else now + request.timeout
        self.idle = request.idle
        self.log_limit = request.log_limit
        self.truncated = False
        self._fds = fds
        self._base = self._size = base
        self._quiet = now
        self._paths = request.idle_paths
        self._files: "Iterator[float | None] | None" = None
        self._newest = 0.0
        self._skew = time.time() - now
        self._interval = 0.1
        if self.idle is not None:
            self._interval = min(max(self.idle / 8, 0.02), 0.1)
        self.look = now + self._interval if self.idle is not None or self.log_limit is not None else NEVER
        self.due = min(self.timeout_at, self.look)

    def sizes(self) -> int:
        """Bytes in the logs together; notices that one shrank."""
        size = 0
        for fd in self._fds:
            size += posix.fstat(fd).st_size
        if size < self._size:
            self.truncated = True
            self._base = min(self._base, size)
        return size

    def shift(self, seconds: float) -> None:
        """Time that did not count, because the phase was frozen."""
        self.timeout_at += seconds
        self._quiet += seconds
        self.look += seconds
        self.due += seconds

    def check(self, now: float) -> "str | None":
        """Why the phase has to end now, or None; sets `due` anew."""
        if now >= self.timeout_at:
            return "timeout"
        cause = self._look(now) if now >= self.look else None
        self.due = min(self.timeout_at, self.look)
        return cause

    def _look(self, now: float) -> "str | None":
        size = self.sizes()
        grown = size != self._size
        self._size = size
        if grown:
            self._quiet = now
            self._files = None
        if self.log_limit is not None and size - self._base > self.log_limit:
            return "log_limit"
        self._interval = self._pace(size, grown=grown)
        self.look = now + self._interval
        if self.idle is None:
            return None
        if now - self._quiet < self.idle:
            self.look = min(self.look, self._quiet + self.idle)
            return None
        return self._idle(now)

    def _pace(self, size: int, *, grown: bool) -> float:
        pace = min(self._interval * 2, 2.0)
        if self.idle is not None:
            pace = min(pace, max(self.idle / 8, 0.02), 1.0)
        if self.log_limit is not None and grown:
            left = self.log_limit - (size - self._base)
            pace = min(pace, max(left / FASTEST, 0.05))
        return pace

    def _idle(self, now: float) -> "str | None":
        """Output was idle: only now are files looked at, in slices, so that the loop goes on meanwhile."""
        if not self._paths:
            return "idle"
        idle = self.idle or 0.0
        if self._files is None:
            self._files = newest(self._paths, time.time() - idle)
        for found in self._files:
            if found is None:
                self.look = now
                return None
            self._files = None
            return self._judge(found, now, idle)
        return "idle"

    def _judge(self, found: float, now: float, idle: float) -> "str | None":
        """Only a time not seen at the last look counts, so that a clock set back cannot hold a phase for ever."""
        before, self._newest = self._newest, found
        if found <= 0 or found == before:
            return "idle"
        wall = time.time()
        jumped = abs(wall - now - self._skew) > 2
        self._skew = wall - now
        age = 0.0 if jumped else max(wall - found, 0.0)
        if age >= idle:
            return "idle"
        self._quiet = now - age
        self.look = min(self.look, self._quiet + idle)
        return None


def newest(paths: "list[bytes]", enough: float) -> "Iterator[float | None]":
    """The newest change below some directories (seconds since 1970, 0 if nothing is there), as the last value.

    Yields None when it has taken its slice of time. Ends early at a time over `enough`. Leaves `.git` out and follows
    no links.
    """
    best = 0.0
    seen = 0
    until = time.monotonic() + SLICE
    stack = list(paths)
    while stack and seen < ENOUGH:
        try:
            entries = list(posix.scandir(stack.pop()))
        except OSError:
            continue
        for entry in entries:
            seen += 1
            try:
                if entry.is_dir(follow_symlinks=False) and entry.name != b".git":
                    stack.append(entry.path)
                best = max(best, entry.stat(follow_symlinks=False).st_mtime)
            except OSError:
                continue
            if best > enough:
                yield best
                return
        if time.monotonic() > until:
            yield None
            until = time.monotonic() + SLICE
    yield best

"""Which files below a root have changed, as it happens: directories are watched, not files, so that a file which an
editor replaces is still followed. The one owner of `watchfiles`.

Decides how long a burst of changes is gathered. Refuses to know what a file means and whether its content differs.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable
from typing import Final

from watchfiles._rust_notify import RustNotify

QUIET_MS: Final = 5
"""Changes are told once there was none for so long,"""

LONGEST_MS: Final = 50
"""or at the latest so long after the first."""

_POLL_MS: Final = 300
"""Between two looks, where the system has no notifications to give."""


_DROPPING: Final = re.compile(r"/(4913|\.#[^/]*|#[^/]*#|[^/]*~|[^/]*\.sw[a-z]|___jb_[a-z]+___|\.DS_Store)\Z")
"""What editors leave beside a file while they work on it or save it: vim, Emacs, JetBrains; and what Finder does."""


class FileWatch:
    """Watches directories below `root` (absolute), each by itself: what lies deeper is watched when it is named.

    `tell` gets the changed paths, relative to the root, from a thread of the watch.
    """

    def __init__(self, root: str, tell: Callable[[frozenset[str]], None], *, polling: bool = False) -> None:
        """`polling`: look at every file instead of waiting for notifications."""
        self._root = root
        self._tell = tell
        self._polling = polling
        self._watched: frozenset[str] = frozenset()
        self._dead = threading.Event()
        """A watched directory itself has changed: what watched it may watch nothing any more."""
        self._stop: threading.Event | None = None
        self._threads: list[threading.Thread] = []

    def cover(self, directories: Iterable[str]) -> frozenset[str]:
        """Watches exactly these directories (relative; the root is empty) and those that lead to them.

        Gives those that were not watched before: what changed there until now was not told. Of what is not there, the
        nearest directory that is. OSError when the system gives no more watches.
        """
        wanted = frozenset(each for name in directories for each in self._way_to(name)) | {""}
        dead = self._dead.is_set()
        if wanted == self._watched and not dead:
            return frozenset()
        self._dead.clear()
        self._begin(wanted)
        new = wanted if dead else wanted - self._watched
        self._watched = wanted
        return new

    def _way_to(self, name: str) -> Iterable[str]:
        """The directory and those above it, as far as they are there."""
        parts = [part for part in name.split("/") if part]
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            if not os.path.isdir(f"{self._root}/{path}"):
                return
            yield path

    def _begin(self, wanted: frozenset[str]) -> None:
        paths = [f"{self._root}/{name}" if name else self._root for name in sorted(wanted)]
        # The new watch begins before the old one ends: what changes meanwhile is told twice, not never.
        debug, recursive, ignore_denied = False, False, True
        notify = RustNotify(paths, debug, self._polling, _POLL_MS, recursive, ignore_denied)
        self._end()
        self._stop = threading.Event()
        thread = threading.Thread(target=self._follow, args=(notify, self._stop), name="teamflow-watch", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _follow(self, notify: RustNotify, stop: threading.Event) -> None:
        while True:
            found = notify.watch(LONGEST_MS, QUIET_MS, 0, stop)
            if isinstance(found, str):
                notify.close()
                return
            paths = frozenset(self._relative(path) for _, path in found if not _DROPPING.search(path))
            if not paths.isdisjoint(self._watched):
                self._dead.set()
            if paths:
                self._tell(paths)

    def _relative(self, path: str) -> str:
        return "" if path == self._root else path.removeprefix(self._root.rstrip("/") + "/")

    def _end(self) -> None:
        if self._stop is not None:
            self._stop.set()

    def close(self) -> None:
        """Nothing is told any more once this has returned."""
        self._end()
        for thread in self._threads:
            thread.join()

"""Where a worktree lies, and what we know of it that no agent has written: the index from right after its checkout.

Decides when a worktree is ready (its record is written last), and that nothing outside `work/` is ever taken away.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count

from teamflow.core.named import NamedTuple
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.locking import locked

_numbers = count()


class Made(NamedTuple):
    """What is on record of a worktree that is ready."""

    copied: tuple[str, ...] = ()
    taken: bool = False
    """Whether a step after the one that it was made for has had it since."""


class Place(NamedTuple):
    """`root` is the directory of a run's worktrees, as it really lies; `state` what is ours, outside of it."""

    root: str
    name: str
    state: str

    @property
    def path(self) -> str:
        return f"{self.root}/{self.name}"

    @property
    def reference(self) -> str:
        """The reference index: entries and stats as teamflow itself has left them."""
        return f"{self.state}/index"

    @property
    def watched(self) -> str:
        """An index of ours that holds what lay there when somebody last looked (`watching`)."""
        return f"{self.state}/watched"

    @property
    def store(self) -> str:
        """A file that says which store has the commits of a clone; where there is none, it is a worktree."""
        return f"{self.state}/store"

    @property
    def aside(self) -> str:
        """What no commit holds of worktrees that were taken away, in directories 1, 2, …"""
        return f"{self.state}/aside"

    def is_clone(self) -> bool:
        return os.path.exists(self.store)

    def made(self) -> Made | None:
        """None: it is not there, or somebody was killed while making it."""
        try:
            with open(f"{self.state}/made", encoding="utf-8", errors="surrogateescape") as file:
                told = json.load(file)
                return Made(tuple(map(str, told["copied"])), told.get("taken") is True)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def begin(self) -> None:
        """What lies there from now on until `record` is half made, or to be taken away: nobody's work."""
        with open(f"{self.state}/making", "wb"):
            pass

    def is_half_made(self) -> bool:
        return os.path.lexists(f"{self.state}/making")

    def record(self, made: Made) -> None:
        new = f"{self.state}/made.new"
        with open(new, "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(made._asdict(), file)
        os.replace(new, f"{self.state}/made")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.state}/making")

    def forget(self) -> None:
        """It is not ready any more."""
        for name in ("made", "index", "watched"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self.state}/{name}")

    def vanish(self) -> None:
        """After it was taken away: nothing says that it was there, nor, where it was the last one, its run; but what
        was put aside stays."""
        if not os.path.lexists(self.aside):
            discard(self.state)
        for directory in (self.root, os.path.dirname(self.state)):
            with contextlib.suppress(OSError):
                os.rmdir(directory)  # not empty: others are there

    def is_there(self) -> bool:
        """Whether a directory lies there, and not a link to one."""
        try:
            return stat.S_ISDIR(os.lstat(self.path).st_mode) and os.path.realpath(self.path) == self.path
        except OSError:
            return False

    def alone(self) -> AbstractContextManager[None]:
        """For what only one may do at a time in this worktree; a git that outlives its runner still counts."""
        return locked(f"{self.state}/lock")

    @contextmanager
    def borrowed_index(self) -> Iterator[str]:
        """A copy of the reference index to work on, or the name for a new one."""
        path = f"{self.state}/index.{os.getpid()}.{threading.get_ident()}.{next(_numbers)}"
        with contextlib.suppress(FileNotFoundError):
            copy_index(self.reference, path)
        try:
            yield path
        finally:
            for name in (path, f"{path}.lock"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name)

    def put_by(self, paths: Iterable[bytes], more: Iterable[str] = ()) -> str:
        """Moves what no commit holds out of the worktree, to where it outlives it: `paths` are relative to it, `more`
        absolute. Gives the directory; '': there was nothing. OSError."""
        into = ""
        sources = [(os.fsencode(self.path) + b"/" + path, path) for path in paths]
        for source, name in [*sources, *((os.fsencode(path), os.path.basename(os.fsencode(path))) for path in more)]:
            if not os.path.lexists(source):
                continue
            into = into or self._free("aside")
            target = os.fsencode(into) + b"/" + name
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            if not os.path.lexists(target):
                os.rename(source, target)
        return into

    def _free(self, name: str) -> str:
        at = 1
        while os.path.lexists(f"{self.state}/{name}/{at}"):
            at += 1
        return f"{self.state}/{name}/{at}"

    def take_away(self, trash: str) -> None:
        """Moves what lies there into the directory `trash` and deletes it. Follows no link. OSError."""
        self.begin()
        self.forget()
        if not os.path.lexists(self.path):
            return
        if os.path.realpath(self.root) != self.root:
            raise WorkspaceError(
                "escape", self.path, "is not where teamflow has made it: a directory above it is a link"
            )
        os.makedirs(trash, mode=0o700, exist_ok=True)
        gone = f"{trash}/{os.getpid()}.{threading.get_ident()}.{next(_numbers)}"
        discard(gone)
        os.rename(self.path, gone)
        discard(gone)


def place(home: str, run: str, name: str) -> Place:
    """Of the workspace `name` of a run; `home` with all links followed. Makes what lies around it."""
    root, state = f"{home}/work/{run}", f"{home}/git/trees/{run}/{name}"
    os.makedirs(root, mode=0o755, exist_ok=True)
    os.makedirs(state, mode=0o700, exist_ok=True)
    return Place(root, name, state)


def copy_index(source: str, target: str) -> None:
    """With its time: git looks again at files that are not older than the index that has their stats."""
    found = os.stat(source)
    new = f"{target}.{os.getpid()}.{threading.get_ident()}.new"
    shutil.copyfile(source, new)
    os.utime(new, ns=(found.st_atime_ns, found.st_mtime_ns))
    os.replace(new, target)


def discard(path: str) -> None:
    """Deletes a file, a link or a whole directory, also one that forbids it. Follows no link. OSError."""
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            return
    except FileNotFoundError:
        return
    shutil.rmtree(path, onerror=_again)


def _again(action: Callable[..., object], path: str, failure: object) -> None:
    """After a failure: directories that may not be written (as module caches leave them) are opened up first."""
    error = failure[1] if isinstance(failure, tuple) else failure
    if isinstance(error, FileNotFoundError):
        return
    if not isinstance(error, PermissionError):
        raise error if isinstance(error, OSError) else OSError(str(error))
    for directory in (os.path.dirname(path), path):
        if stat.S_ISDIR(os.lstat(directory).st_mode):
            os.chmod(directory, 0o700, follow_symlinks=os.chmod not in os.supports_follow_symlinks)
    if action in (os.unlink, os.rmdir):
        action(path)
    elif stat.S_ISDIR(os.lstat(path).st_mode):
        shutil.rmtree(path)
    else:
        os.unlink(path)

"""Where an attempt works and what it has left there, as values. Decides nothing; runs nothing.

Words: a *workspace* is the directory that a step works in. One that teamflow makes holds a git work tree at a
*starting commit*; what is left there when the step has succeeded is a commit again.
"""

from __future__ import annotations

from teamflow.core.named import NamedTuple

PROJECT = "project"
"""The project directory itself: teamflow commits, stages, stashes and switches nothing in it."""
WORKTREE = "worktree"
"""A worktree and a branch of the step's own."""
CLONE = "clone"
"""A clone of another repository, of the step's own."""
DEPENDENCY = "dependency"
"""What the step's dependencies have left: their worktree where nobody else uses it, else a fresh one."""


class Ready(NamedTuple):
    """A workspace in which an attempt may begin. Paths are absolute."""

    path: str
    base: str
    """The starting commit, in full."""
    branch: str = ""
    """Short name of the step's branch (`teamflow/7/build--api`), checked out there; empty: HEAD is detached."""
    own: bool = True
    """Whether it was made for this step; False: it is a worktree that a dependency has left."""
    repo: str = ""
    """Where teamflow keeps the commits of a cloned repository, below `.teamflow/clones`; empty: the project's own."""
    copied: tuple[str, ...] = ()
    """What `copy` brought, relative to `path`: never committed."""
    slot: int | None = None
    """The leased block of ports and names; None: there is none."""
    conflicts: tuple[str, ...] = ()
    """The files that are to be mended there: `base` is a merge with git's markers in them, its parents the sides."""


class WorkspaceReady(NamedTuple):
    """Fact: the attempt has a workspace that teamflow made for it, and nobody else has it."""

    step: str
    attempt: int
    ready: Ready


class Left(NamedTuple):
    """What a step has left, as a commit on top of `base`. `commit == base`: no changes."""

    commit: str
    base: str
    branch: str = ""
    """As in `Ready`; empty: no branch names it."""
    files: int = 0
    added: int = 0
    deleted: int = 0
    """Lines, binary files not counted."""
    repo: str = ""
    """As in `Ready`."""

    @property
    def changed(self) -> bool:
        return self.commit != self.base

    @property
    def stat(self) -> str:
        """As `git diff --shortstat` says it, or "no changes"."""
        if not self.files:
            return "no changes"
        words = [f"{self.files} file{'' if self.files == 1 else 's'} changed"]
        if self.added:
            words.append(f"{self.added} insertion{'' if self.added == 1 else 's'}(+)")
        if self.deleted:
            words.append(f"{self.deleted} deletion{'' if self.deleted == 1 else 's'}(-)")
        return ", ".join(words)


class Change(NamedTuple):
    """One file between two commits. kind: A added | M modified | D deleted | T type changed (no renames: both ends).

    `binary`: no lines are counted.
    """

    path: str
    kind: str
    added: int = 0
    deleted: int = 0
    binary: bool = False

"""What a workspace complains with."""

from __future__ import annotations


class WorkspaceError(Exception):
    """A file that cannot be looked at, or a path that leaves its root. `path` is relative to the root.

    `code` is a stable word: unreadable, escape, changing, not-a-file, missing, no-git, git; of a checkout that nothing
    can be merged into: bare, detached, unborn, busy, dirty, in-the-way, filter, conflict.
    """

    def __init__(self, code: str, path: str, reason: str, *, remedy: str = "") -> None:
        super().__init__(code, path, reason, remedy)
        self.code = code
        self.path = path
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" + (f"\n  {self.remedy}" if self.remedy else "")

"""How a workspace hangs together with the repository that has its commits: a worktree of it, or a clone (`clones`).

Decides nothing; what both ways have to be able to do is here, and the first of them.
"""

from __future__ import annotations

import os
from typing import Protocol

from teamflow.workspaces import registered
from teamflow.workspaces.place import Place
from teamflow.workspaces.repository import Repository


class Seat(Protocol):
    """Whoever changes something has locked the repository (`Repository.alone`)."""

    def is_known(self, found: Place) -> bool:
        """Whether what lies there belongs to the repository."""
        ...

    def head(self, found: Place, *, base: str) -> str | None:
        """The commit that a workspace is at, with its history since `base` in the repository; None: not to be told."""
        ...

    def tip(self, found: Place, branch: str, *, base: str) -> str | None:
        """The commit of a branch (short name) as the workspace has it."""
        ...

    def add(self, found: Place, *, commit: str, branch: str) -> str:
        """An empty one at `commit`, on the branch of that full name ('': detached). Gives its git directory."""
        ...

    def mend(self, found: Place) -> str:
        """Makes it one again, whatever an agent has made of it. Gives its git directory."""
        ...

    def attach(self, found: Place, *, branch: str, commit: str) -> None:
        """Puts a mended one on a branch (full name) at a commit of the repository, or on the commit itself."""
        ...

    def settle(self, found: Place) -> None:
        """Takes away what an interrupted merge or rebase, and a killed git, have left."""
        ...

    def modules(self, found: Place) -> list[str]:
        """Where the repositories of submodules are that lie in its git directory."""
        ...

    def forget(self, path: str) -> None:
        """What lay there is gone."""
        ...

    def is_locked(self, path: str) -> bool: ...


class Worktrees:
    """Worktrees of the project's repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def is_known(self, found: Place) -> bool:
        return registered.find(self._repository.common, found.path) is not None

    def head(self, found: Place, *, base: str) -> str | None:
        known = registered.find(self._repository.common, found.path)
        return self._repository.commit_of("HEAD", admin=known.admin) if known else None

    def tip(self, found: Place, branch: str, *, base: str) -> str | None:
        return self._repository.commit_of(f"refs/heads/{branch}")

    def add(self, found: Place, *, commit: str, branch: str) -> str:
        return registered.add(self._repository, found, commit=commit, branch=branch)

    def mend(self, found: Place) -> str:
        return registered.mend(self._repository, found)[0]

    def attach(self, found: Place, *, branch: str, commit: str) -> None:
        registered.attach(self._repository, self._admin(found), branch=branch, commit=commit)

    def settle(self, found: Place) -> None:
        registered.settle(self._admin(found))

    def modules(self, found: Place) -> list[str]:
        known = registered.find(self._repository.common, found.path)
        return [f"{known.admin}/modules"] if known else []

    def forget(self, path: str) -> None:
        registered.unregister(self._repository.common, path)

    def is_locked(self, path: str) -> bool:
        return registered.is_locked(self._repository.common, path)

    def _admin(self, found: Place) -> str:
        known = registered.find(self._repository.common, found.path)
        return known.admin if known is not None else os.path.join(found.path, ".git")

"""Repositories inside a worktree: submodules and others. What of them is in no commit of the project's repository.

Decides from files and from plumbing that names no program; a repository that cannot be understood counts as changed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import Final

from teamflow import git
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.process import GitError
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.waiting import is_plain, read_plain, refuse_pipes

ABSENT: Final = "absent"
EMPTY: Final = "empty"
FILES: Final = "files"
NO_DIRECTORY: Final = "no directory"
REPOSITORY: Final = "repository"
_LARGEST: Final = 1 << 20
_USUAL: Final = frozenset(("branches", "hooks", "info", "logs", "modules", "objects", "refs"))
"""Directories of a git directory that hold nothing beside its commits (`lfs` and `annex` would)."""
_OPENED: Final = ("", "/config", "/HEAD", "/packed-refs", "/commondir", "/index", "/objects/info/alternates")


def kind_of(path: bytes) -> str:
    """What lies where a commit of another repository is recorded."""
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            return NO_DIRECTORY
        names = os.listdir(path)
    except OSError:
        return ABSENT
    if b".git" in names:
        return REPOSITORY
    return FILES if names else EMPTY


def state_of(repository: Repository, path: str, *, recorded: str, index: str) -> str:
    """How the submodule at `path` differs from the commit that is recorded of it, in words; '': it does not.

    `index`: the name of a file to work with.
    """
    directory = _git_directory(path)
    if directory is None:
        return "what was changed in it cannot be told"
    try:
        refuse_pipes(f"{directory}{name}" for name in _OPENED)
        head = repository.inside("rev-parse", "--verify", "HEAD^{commit}", directory=directory, index=index, tree=path)
        if head.text != recorded:
            return f"it is at {head.text[:12]} and not at {recorded[:12]}"
        repository.inside("read-tree", recorded, directory=directory, index=index, tree=path)
        words = ("update-index", "-q", "--really-refresh", "--ignore-submodules")
        repository.inside(*words, directory=directory, index=index, tree=path, allowed=(0, 1))
        words = ("diff-files", "--name-only", "-z", "--ignore-submodules=all")
        changed = git.paths(repository.inside(*words, directory=directory, index=index, tree=path).out)
        words = ("ls-files", "--others", "--exclude-standard", "-z")
        changed += git.paths(repository.inside(*words, directory=directory, index=index, tree=path).out)
    except (GitError, WorkspaceError, OSError):
        return "what was changed in it cannot be told"
    finally:
        for name in (index, f"{index}.lock"):
            if os.path.lexists(name):
                os.unlink(name)
    return f"{len(changed)} of its files are not committed" if changed else ""


def only_there(repository: Repository, root: str, lost: Iterable[bytes]) -> list[str]:
    """Of what no commit of the project holds, below `root`: what nothing else holds either, in words.

    The git directory of a repository counts where there are commits in it that no remote of it is known to have.
    """
    found = []
    for path in map(os.fsdecode, lost):
        inner, _, name = path.rpartition("/")
        if name != ".git":
            found.append(path)
        elif _has_own(repository, f"{root}/{path}"):
            found.append(f"the history of {inner}")
    return found


def is_elsewhere(repository: Repository, root: str) -> bool:
    """Whether nothing below `root`, where things were put aside, is only there: git directories and no other files,
    with nothing unusual in them, and no commits that no remote of theirs is known to have."""
    try:
        for at, directories, files in os.walk(root, onerror=_refuse):
            if any(os.path.islink(f"{at}/{name}") for name in directories):
                return False
            if "HEAD" in files and "objects" in directories:
                if not _USUAL.issuperset(directories) or _has_own(repository, at) or _has_hooks(at):
                    return False
                directories[:] = [name for name in directories if name == "modules"]
            elif files:
                return False
    except OSError:
        return False
    return True


def _has_hooks(directory: str) -> bool:
    hooks = f"{directory}/hooks"
    return os.path.isdir(hooks) and not all(name.endswith(".sample") for name in os.listdir(hooks))


def _refuse(error: OSError) -> None:
    raise error


def _has_own(repository: Repository, directory: str) -> bool:
    if not os.path.isdir(directory) or os.path.islink(directory):
        return True  # it lies elsewhere: nothing says that it outlives this
    try:
        words = ("rev-list", "--max-count=1", "--all", "--not", "--remotes")
        return bool(repository.within(directory, *words).text)
    except (GitError, WorkspaceError, OSError):
        return True


def _git_directory(path: str) -> str | None:
    link = f"{path}/.git"
    if os.path.isdir(link):
        return link
    if not is_plain(link):
        return None
    text = os.fsdecode(read_plain(link, most=_LARGEST)).strip()
    if not text.startswith("gitdir: "):
        return None
    return os.path.normpath(os.path.join(path, text.removeprefix("gitdir: ")))

"""Clones: repositories of a step's own, out of the store that keeps the commits of all of one origin (`stores`).

Decides what a clone's own git directory holds; one that cannot be used any more is moved aside and made anew. A clone
gets copies of the store's objects; of it come only the commits that its HEAD and its branch name, once their history is
whole.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Final

from teamflow import git
from teamflow.workspaces import registered
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.objects import copy_objects
from teamflow.workspaces.place import Place, copy_index, discard
from teamflow.workspaces.process import GitError
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.seats import Seat, Worktrees
from teamflow.workspaces.stores import known, put, user_section

_OURS: Final = "refs/heads/teamflow/"


class Clones:
    """Implements `seats.Seat` for clones out of one store."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def is_known(self, found: Place) -> bool:
        return _is_directory(_admin(found)) and _read(found.store) == self._repository.common

    def head(self, found: Place, *, base: str) -> str | None:
        return self._taken(found, "HEAD", base)

    def tip(self, found: Place, branch: str, *, base: str) -> str | None:
        return self._taken(found, f"refs/heads/{branch}", base) or self._repository.commit_of(f"refs/heads/{branch}")

    def add(self, found: Place, *, commit: str, branch: str) -> str:
        discard(found.path)
        os.mkdir(found.path)
        self._make(found, branch=branch, commit=commit)
        put(found.store, self._repository.common)
        return _admin(found)

    def mend(self, found: Place) -> str:
        admin = _admin(found)
        if not (_is_directory(admin) and all(_is_directory(f"{admin}/{name}") for name in ("objects", "refs"))):
            self._anew(found, branch="", commit=self._repository.commit_of("HEAD") or "")
        return admin

    def attach(self, found: Place, *, branch: str, commit: str) -> None:
        try:
            self._give(found)
            self._point(found, branch=branch, commit=commit)
        except (GitError, OSError, WorkspaceError):
            # An agent has broken it so that git does not take the directory for one of its own.
            self._anew(found, branch=branch, commit=commit)

    def settle(self, found: Place) -> None:
        registered.settle(_admin(found))

    def modules(self, found: Place) -> list[str]:
        return [f"{_admin(found)}/modules"]

    def forget(self, path: str) -> None:
        """Nothing else names a clone."""

    def is_locked(self, path: str) -> bool:
        return False

    # -- from the clone ----------------------------------------------------------------------------------------

    def _taken(self, found: Place, ref: str, base: str) -> str | None:
        """A commit of the clone, in the store with all of its history; None: there is none, or not all of it."""
        admin = _admin(found)
        if not (_is_directory(admin) and _is_directory(f"{admin}/objects")):
            return None
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", ref)
        try:
            answer = self._repository.within(admin, *words, allowed=(0, 1, 128))
        except (GitError, WorkspaceError):
            return None
        commit = answer.text
        if answer.code or not git.is_id(commit):
            return None
        if commit == base:
            return commit
        try:
            if not self._is_whole(commit, base):
                self._import(f"{admin}/objects", commit, base)
            return commit if self._is_whole(commit, base) else None
        except (GitError, WorkspaceError):
            return None

    def _is_whole(self, commit: str, base: str) -> bool:
        """Whether it is a commit in the store with everything that it needs beyond `base`."""
        if not self._repository.has(commit):
            return False
        words = ("rev-list", "--objects", "--quiet", commit, *([f"^{base}"] if base else []), "--")
        whole = self._repository.look(*words, allowed=(0, 1, 128)).code == 0
        return whole and self._repository.look("cat-file", "-t", commit).text == "commit"

    def _import(self, objects: str, commit: str, base: str) -> None:
        """As a pack that is checked on its way. Neither the clone's configuration nor its hooks have a say."""
        more = {"GIT_OBJECT_DIRECTORY": objects}
        wanted = f"{commit}\n" + (f"^{base}\n" if base else "")
        words = ("pack-objects", "--revs", "--stdout", "--delta-base-offset", "--quiet")
        packed = self._repository.look(*words, given=wanted.encode(), more=more).out
        self._repository.look("index-pack", "--stdin", "--fix-thin", given=packed)

    # -- into the clone ----------------------------------------------------------------------------------------

    def _give(self, found: Place) -> None:
        copy_objects(self._repository.objects, found.path, below=".git/objects", durable=False)

    def _point(self, found: Place, *, branch: str, commit: str) -> None:
        admin = _admin(found)
        for name in (f"{branch}.lock", "HEAD.lock", "packed-refs.lock"):
            with contextlib.suppress(OSError):
                os.unlink(f"{admin}/{name}")
        if branch:
            self._repository.within(admin, "update-ref", "--no-deref", "-m", "teamflow", branch, commit)
            self._repository.within(admin, "symbolic-ref", "-m", "teamflow", "HEAD", branch)
        else:
            self._repository.within(admin, "update-ref", "--no-deref", "-m", "teamflow", "HEAD", commit)

    def _anew(self, found: Place, *, branch: str, commit: str) -> None:
        admin, at = _admin(found), 0
        while os.path.lexists(f"{found.state}/git{at or ''}"):
            at += 1
        if os.path.lexists(admin):
            os.rename(admin, f"{found.state}/git{at or ''}")
        self._make(found, branch=branch, commit=commit)
        if os.path.exists(found.reference):
            copy_index(found.reference, f"{admin}/index")

    def _make(self, found: Place, *, branch: str, commit: str) -> None:
        """The git directory of a clone, in a directory where there is none."""
        admin, origin = _admin(found), known(self._repository.common)
        os.mkdir(admin)
        for name in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "refs/remotes/origin", "info", "hooks"):
            os.makedirs(f"{admin}/{name}")
        self._give(found)
        long_ids = len(commit) == 64
        rows = [f"[core]\n\trepositoryFormatVersion = {int(long_ids)}\n\tbare = false\n\tlogAllRefUpdates = true\n"]
        if long_ids:
            rows.append("[extensions]\n\tobjectFormat = sha256\n")
        if origin.url:
            fetch = "+refs/heads/*:refs/remotes/origin/*"
            rows.append(f'[remote "origin"]\n\turl = {git.quoted(origin.url)}\n\tfetch = {fetch}\n')
        rows.append(user_section(origin.who))
        put(f"{admin}/config", "".join(rows))
        refs = {_here(name): value for name, value in origin.refs.items() if not name.startswith(_OURS)}
        if branch:
            refs[branch] = commit
        put(f"{admin}/packed-refs", "".join(f"{refs[name]} {name}\n" for name in sorted(refs)))
        if origin.branch in origin.refs:
            put(f"{admin}/refs/remotes/origin/HEAD", f"ref: {_here(origin.branch)}\n")
        put(f"{admin}/HEAD", f"ref: {branch}\n" if branch else f"{commit}\n")


def seat_in(repository: Repository, repo: str) -> Seat:
    """Of the workspaces of a repository; `repo` as in `core/work.Ready`."""
    return Clones(repository) if repo else Worktrees(repository)


def _here(name: str) -> str:
    """What a branch of the origin is called in a clone; tags keep their names."""
    return name.replace("refs/heads/", "refs/remotes/origin/", 1) if name.startswith("refs/heads/") else name


def _admin(found: Place) -> str:
    return f"{found.path}/.git"


def _is_directory(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""

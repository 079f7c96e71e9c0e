"""Clones: repositories of a step's own, and the store of this project that keeps the commits of all of one origin.

The store is bare, lies in `.teamflow/clones`, and no agent is given it: it takes in what the mirror has, a clone gets
copies of its objects, and of a clone come only the commits that its HEAD and its branch name, once their history is
whole. Decides what a clone's own git directory holds; one that cannot be used any more is moved aside and made anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from typing import Final

from teamflow import git
from teamflow.core.named import NamedTuple
from teamflow.workspaces import registered
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.locking import locked
from teamflow.workspaces.mirrors import Fetched, write_bare
from teamflow.workspaces.objects import copy_objects
from teamflow.workspaces.origins import Origin
from teamflow.workspaces.place import Place, copy_index, discard
from teamflow.workspaces.process import GitError
from teamflow.workspaces.repository import Repository

_STORE: Final = re.compile(r"[0-9a-f]{24}\.git\Z")
_REF: Final = re.compile(r"refs/(?:heads|tags)/[^\x00-\x20\x7f~^:?*\[\\]+\Z")
_OURS: Final = "refs/heads/teamflow/"


class Known(NamedTuple):
    """What a store knows of its origin as it was fetched last."""

    url: str = ""
    branch: str = ""
    refs: Mapping[str, str] = {}


def store_at(home: str, repo: str) -> str:
    """Where the store lies that a record names, also after the project has been moved. WorkspaceError (escape)."""
    name = repo.rpartition("/")[2]
    if not _STORE.match(name):
        raise WorkspaceError("escape", repo, "is no store of cloned commits")
    return f"{home}/clones/{name}"


def store_of(home: str, origin: Origin) -> str:
    return f"{home}/clones/{origin.name}.git"


def stores(home: str) -> list[str]:
    """Paths of all stores of a project. One that no `Left` and no `Ready` of any run names can be taken away."""
    try:
        return [f"{home}/clones/{name}" for name in sorted(os.listdir(f"{home}/clones")) if _STORE.match(name)]
    except FileNotFoundError:
        return []


def remove_store(home: str, repo: str) -> None:
    """With the commits in it. WorkspaceError, OSError."""
    store = store_at(home, repo)
    with locked(f"{store}/teamflow.lock"):
        discard(store)
    discard(f"{home}/git/clones/{os.path.basename(store)}")


def take_in(store: str, origin: Origin, fetched: Fetched) -> None:
    """What a mirror has, into the store, whose HEAD is then that of the origin. Nothing in it goes away."""
    os.makedirs(store, mode=0o700, exist_ok=True)
    with locked(f"{store}/teamflow.lock"):
        if not os.path.exists(f"{store}/HEAD"):
            write_bare(store, "ref: refs/heads/none", long_ids=len(fetched.head) == 64)
        copy_objects(fetched.objects, store, below="objects", durable=True)
        told = {"url": origin.shown, "branch": fetched.branch, "refs": dict(fetched.refs)}
        _put(f"{store}/origin.json", json.dumps(told))
        _put(f"{store}/HEAD", f"{fetched.head}\n")


def opened(
    store: str, *, home: str, environ: Mapping[str, str], boundary: Callable[[], None] = lambda: None
) -> Repository:
    """WorkspaceError (missing)."""
    if not os.path.isfile(f"{store}/HEAD"):
        raise WorkspaceError("missing", store, "the store of cloned commits is gone, with what steps had left in it")
    own = f"{home}/git/clones/{os.path.basename(store)}"
    return Repository(store, own=own, common=store, project_dir=store, environ=environ, boundary=boundary)


class Clones:
    """Implements `seats.Seat` for clones out of one store."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def is_known(self, found: Place) -> bool:
        return _is_directory(_admin(found)) and _read(f"{found.state}/store") == self._repository.common

    def head(self, found: Place, *, base: str) -> str | None:
        return self._taken(found, "HEAD", base)

    def tip(self, found: Place, branch: str, *, base: str) -> str | None:
        return self._taken(found, f"refs/heads/{branch}", base) or self._repository.commit_of(f"refs/heads/{branch}")

    def add(self, found: Place, *, commit: str, branch: str) -> str:
        discard(found.path)
        os.mkdir(found.path)
        self._make(found, branch=branch, commit=commit)
        _put(f"{found.state}/store", self._repository.common)
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
        except GitError:
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
        except GitError:
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
        admin, known = _admin(found), _known(self._repository.common)
        os.mkdir(admin)
        for name in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "refs/remotes/origin", "info", "hooks"):
            os.makedirs(f"{admin}/{name}")
        self._give(found)
        long_ids = len(commit) == 64
        rows = [f"[core]\n\trepositoryFormatVersion = {int(long_ids)}\n\tbare = false\n\tlogAllRefUpdates = true\n"]
        if long_ids:
            rows.append("[extensions]\n\tobjectFormat = sha256\n")
        if known.url:
            fetch = "+refs/heads/*:refs/remotes/origin/*"
            rows.append(f'[remote "origin"]\n\turl = {git.quoted(known.url)}\n\tfetch = {fetch}\n')
        _put(f"{admin}/config", "".join(rows))
        refs = {_here(name): value for name, value in known.refs.items() if not name.startswith(_OURS)}
        if branch:
            refs[branch] = commit
        _put(f"{admin}/packed-refs", "".join(f"{refs[name]} {name}\n" for name in sorted(refs)))
        if known.branch in known.refs:
            _put(f"{admin}/refs/remotes/origin/HEAD", f"ref: {_here(known.branch)}\n")
        _put(f"{admin}/HEAD", f"ref: {branch}\n" if branch else f"{commit}\n")


def _here(name: str) -> str:
    """What a branch of the origin is called in a clone; tags keep their names."""
    return name.replace("refs/heads/", "refs/remotes/origin/", 1) if name.startswith("refs/heads/") else name


def _known(store: str) -> Known:
    try:
        with open(f"{store}/origin.json", encoding="utf-8", errors="surrogateescape") as file:
            told = json.load(file)
        refs = {str(name): str(value) for name, value in told["refs"].items()}
        good = {name: value for name, value in refs.items() if _REF.match(name) and git.is_id(value)}
        return Known(str(told["url"]), str(told["branch"]), good)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Known()


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


def _put(path: str, text: str) -> None:
    new = f"{path}.new"
    with open(new, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    os.replace(new, path)

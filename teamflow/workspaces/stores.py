"""The stores of a project: for each origin that is cloned, a bare repository of ours that keeps its clones' commits.

They lie in `.teamflow/clones`, and no agent is given one. Decides that a store takes in what the mirror has, and that
nothing in it goes away but with all of it. Refuses to know clones, and which stores are needed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from teamflow import git
from teamflow.core.named import NamedTuple
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.locking import locked
from teamflow.workspaces.mirrors import Fetched, write_bare
from teamflow.workspaces.objects import copy_objects
from teamflow.workspaces.origins import Origin
from teamflow.workspaces.place import discard
from teamflow.workspaces.repository import Repository

_STORE: Final = re.compile(r"[0-9a-f]{24}\.git\Z")
_REMOTE: Final = '[remote "origin"]\n'
_REF: Final = re.compile(r"refs/(?:heads|tags)/[^\x00-\x20\x7f~^:?*\[\\]+\Z")


class Known(NamedTuple):
    """What a store knows of its origin as it was fetched last."""

    url: str = ""
    branch: str = ""
    refs: Mapping[str, str] = {}
    who: Mapping[str, str] = {}
    """`user.name` and `user.email`, where the project that clones it has them of its own."""


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
    """With the commits in it, and at once: half of one is never met. WorkspaceError, OSError."""
    store = store_at(home, repo)
    gone = f"{home}/git/gone/{os.getpid()}.{os.path.basename(store)}"
    os.makedirs(os.path.dirname(gone), mode=0o700, exist_ok=True)
    discard(gone)
    with locked(f"{store}/teamflow.lock"):
        os.rename(store, gone)
    discard(gone)
    discard(f"{home}/git/clones/{os.path.basename(store)}")


def take_in(store: str, origin: Origin, fetched: Fetched, *, who: Mapping[str, str] = MappingProxyType({})) -> None:
    """What a mirror has, into the store, whose HEAD is then that of the origin. Nothing in it goes away.

    `who`: `user.name` and `user.email` of the project's own configuration, which then hold in clones, too.
    """
    os.makedirs(store, mode=0o700, exist_ok=True)
    with locked(f"{store}/teamflow.lock"):
        if not os.path.exists(f"{store}/HEAD"):
            write_bare(store, "ref: refs/heads/none", long_ids=len(fetched.head) == 64)
        copy_objects(fetched.objects, store, below="objects", durable=True)
        told = {"url": origin.shown, "branch": fetched.branch, "refs": dict(fetched.refs), "who": dict(who)}
        put(f"{store}/origin.json", json.dumps(told))
        _configure(store, origin.shown, who)
        put(f"{store}/HEAD", f"{fetched.head}\n")


def _configure(store: str, url: str, who: Mapping[str, str]) -> None:
    """Behind what makes it a repository: its remote, so that what is pushed to it is known to be there."""
    with open(f"{store}/config", encoding="utf-8", errors="surrogateescape") as file:
        head = file.read().partition(_REMOTE)[0]
    fetch = "+refs/heads/*:refs/remotes/origin/*"
    put(f"{store}/config", f"{head}{_REMOTE}\turl = {git.quoted(url)}\n\tfetch = {fetch}\n{user_section(who)}")


def user_section(who: Mapping[str, str]) -> str:
    """Of a configuration; empty: there is nothing to say in it."""
    rows = [f"\t{key.removeprefix('user.')} = {git.quoted(value)}\n" for key, value in who.items()]
    return f"[user]\n{''.join(rows)}" if rows else ""


def remote_of(store: str) -> str:
    """What git in the store calls the origin: its remote, in an old one its URL."""
    with contextlib.suppress(OSError), open(f"{store}/config", encoding="utf-8", errors="surrogateescape") as file:
        if _REMOTE in file.read():
            return "origin"
    return known(store).url or "URL"


def opened(
    store: str, *, home: str, environ: Mapping[str, str], boundary: Callable[[], None] = lambda: None
) -> Repository:
    """WorkspaceError (missing)."""
    if not os.path.isfile(f"{store}/HEAD"):
        raise WorkspaceError("missing", store, "the store of cloned commits is gone, with what steps had left in it")
    own = f"{home}/git/clones/{os.path.basename(store)}"
    return Repository(store, own=own, common=store, project_dir=store, environ=environ, boundary=boundary)


def known(store: str) -> Known:
    try:
        with open(f"{store}/origin.json", encoding="utf-8", errors="surrogateescape") as file:
            told = json.load(file)
        refs = {str(name): str(value) for name, value in told["refs"].items()}
        good = {name: value for name, value in refs.items() if _REF.match(name) and git.is_id(value)}
        who = {str(name): str(value) for name, value in told.get("who", {}).items()}
        return Known(str(told["url"]), str(told["branch"]), good, who)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Known()


def put(path: str, text: str) -> None:
    new = f"{path}.new"
    with open(new, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    os.replace(new, path)

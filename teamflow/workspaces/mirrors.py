"""The mirror of a repository that others clone: a bare one of ours in the user's cache, fetched before each use.

Decides that what is not reached is never replaced by what was there before, and which class of failure that is. This is
the one place where git may talk to somebody: by the transports of `git.TRANSPORTS`, without a terminal, with what the
user has set up to log in. A mirror that git cannot use any more is made anew. Refuses to know who needs it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from teamflow import git
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import FailureClass
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.locking import locked
from teamflow.workspaces.origins import Origin, redacted
from teamflow.workspaces.place import discard
from teamflow.workspaces.process import Answer, GitError, run

_REMOTE: Final = "teamflow"
_HEAD: Final = "refs/origin/HEAD"
_REFS: Final = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", f"+HEAD:{_HEAD}")
_FETCH: Final = (
    "fetch", "--quiet", "--force", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
    "--no-auto-maintenance", "--end-of-options", _REMOTE, *_REFS,
)  # fmt: skip
_UNUSED: Final = 30 * 86400.0
_AUTH: Final = (
    "authentication failed", "could not read username", "could not read password", "permission denied (",
    "terminal prompts disabled", "returned error: 401", "returned error: 403", "host key verification failed",
    "invalid credentials", "invalid username",
)  # fmt: skip
_NETWORK: Final = (
    "could not resolve", "connection refused", "timed out", "connection reset", "network is unreachable",
    "no route to host", "early eof", "hung up", "rpc failed", "returned error: 5", "returned error: 429",
    "temporary failure", "kex_exchange", "connection closed", "operation too slow", "failed to connect",
    "unable to connect", "couldn't connect", "gnutls", "ssl_", "recv failure", "took more than",
)  # fmt: skip
_NOT_THERE: Final = ("not found", "does not exist", "does not appear to be a git repository", "not exported")
_LESS: Final = "Could not read from remote repository"
"""What git says of an ssh that failed, on the line after the one that says why."""


class OriginError(Exception):
    """A repository that cannot be fetched now."""

    def __init__(self, failure: FailureClass, reason: str, detail: str = "") -> None:
        super().__init__(failure, reason, detail)
        self.failure = failure
        self.reason = reason
        self.detail = detail


class Fetched(NamedTuple):
    """A mirror as its origin was a moment ago."""

    objects: str
    head: str
    branch: str
    """Full name of the default branch; empty: HEAD is detached there."""
    refs: Mapping[str, str]
    """Full name → object id, of branches and tags."""


class Mirrors:
    """`root`: the directory of all of them."""

    def __init__(self, root: str, *, environ: Mapping[str, str], boundary: Callable[[], None]) -> None:
        self._root = root
        self._environ = environ
        self._boundary = boundary

    @contextmanager
    def fetched(self, origin: Origin) -> Iterator[Fetched]:
        """Nobody else touches the mirror meanwhile. OriginError, WorkspaceError, OSError."""
        os.makedirs(self._root, mode=0o700, exist_ok=True)
        path, lock = f"{self._root}/{origin.name}.git", f"{self._root}/{origin.name}.lock"
        with locked(lock):
            os.utime(lock)
            yield self._fetch(origin, path)

    def _fetch(self, origin: Origin, path: str) -> Fetched:
        _write(path, long_ids=False)
        listed = self._talk(origin, path, "ls-remote", "--symref", "--end-of-options", _REMOTE, "HEAD")
        rows = [line.split("\t") for line in listed.text.splitlines() if line.endswith("\tHEAD")]
        ids = [row[0] for row in rows if git.is_id(row[0])]
        if not ids:
            reason = f"{origin.shown} has no commit on its default branch"
            raise OriginError(FailureClass.SETUP, reason)
        branch = next((row[0].removeprefix("ref: ") for row in rows if row[0].startswith("ref: ")), "")
        long_ids = len(ids[0]) == 64
        _write(path, long_ids=long_ids)
        try:
            return self._all(origin, path, branch)
        except (OriginError, GitError):
            # The origin has just answered: it may be the mirror that is broken.
            _away(path)
            _write(path, long_ids=long_ids)
            return self._all(origin, path, branch)

    def _all(self, origin: Origin, path: str, branch: str) -> Fetched:
        self._talk(origin, path, *_FETCH)
        env = git.environment(self._environ, GIT_DIR=path)
        words = git.command("for-each-ref", "--format=%(objectname) %(refname)")
        refs = git.refs(run(words, env=env, cwd=path).out)
        head = refs.pop(_HEAD)
        run(git.command("cat-file", "-e", f"{head}^{{tree}}"), env=env, cwd=path)
        return Fetched(f"{path}/objects", head, branch, refs)

    def _talk(self, origin: Origin, path: str, *words: str) -> Answer:
        settings = {f"remote.{_REMOTE}.url": origin.url}
        given = {"GIT_DIR": path}
        if origin.is_local:
            # What runs over there reads a configuration that agents may have written; it may start nothing.
            settings[f"remote.{_REMOTE}.uploadpack"] = "GIT_ALLOW_PROTOCOL=none git upload-pack"
            given["GIT_ALLOW_PROTOCOL"] = "file"
        else:
            given |= self._login(path)
        env = git.remote_environment(self._environ, settings, **given)
        self._boundary()
        try:
            return run(git.remote_command(*words), env=env, cwd=path)
        except GitError as error:
            raise _failed(origin, error) from None
        finally:
            self._boundary()

    def _login(self, path: str) -> dict[str, str]:
        """That ssh asks nobody anything, unless the user has said how to start it."""
        if {"GIT_SSH", "GIT_SSH_COMMAND"} & self._environ.keys():
            return {}
        env = git.remote_environment(self._environ, {}, GIT_DIR=path)
        own = run(("git", "config", "--get", "core.sshCommand"), env=env, cwd=path, allowed=(0, 1)).text
        return {} if own else {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes"}


def root_of(environ: Mapping[str, str]) -> str:
    """The directory of all mirrors."""
    given = environ.get("XDG_CACHE_HOME", "")
    cache = given if given.startswith("/") else f"{environ.get('HOME') or os.path.expanduser('~')}/.cache"
    return f"{cache}/teamflow/mirrors"


def unused(environ: Mapping[str, str], *, seconds: float = _UNUSED) -> list[str]:
    """Paths of the mirrors that nobody has fetched for so long. A mirror can be made anew at any time."""
    root, found = root_of(environ), []
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(root)):
            path = f"{root}/{name}"
            if name.endswith(".git") and not os.path.islink(path):
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - os.stat(f"{path.removesuffix('.git')}.lock").st_mtime >= seconds:
                        found.append(path)
    return found


def remove(path: str) -> None:
    """Takes a mirror away that `unused` has named, once nobody fetches it. WorkspaceError, OSError."""
    with locked(f"{path.removesuffix('.git')}.lock"):
        _away(path)


def _failed(origin: Origin, error: GitError) -> OriginError:
    said = redacted(error.said)
    low = said.lower()
    if any(word in low for word in _AUTH):
        failure, what = FailureClass.AUTH, "does not let us in"
    elif any(word in low for word in _NOT_THERE):
        failure, what = FailureClass.SETUP, "is no repository that can be cloned"
    elif error.code is None or any(word in low for word in _NETWORK):
        failure, what = FailureClass.TRANSIENT, "cannot be reached"
    else:
        failure, what = FailureClass.SETUP, "cannot be fetched"
    lines = [line for line in said.splitlines() if line.strip()]
    at = next((at for at, line in enumerate(lines) if "fatal:" in line), len(lines) - 1)
    if at > 0 and _LESS in lines[at]:
        at -= 1  # what ssh said says more
    told = lines[at] if lines else ""
    return OriginError(failure, f"{origin.shown} {what}: {told.rpartition('fatal: ')[2]}", said)


def _write(path: str, *, long_ids: bool) -> None:
    """Makes the repository where there is none; its own files hold again what they must."""
    write_bare(path, "ref: refs/heads/none", long_ids=long_ids)
    for name in ("objects/info/alternates", "commondir", "shallow"):
        discard(f"{path}/{name}")


def write_bare(path: str, head: str, *, long_ids: bool) -> None:
    """The files of an empty repository without a work tree; objects and refs stay. OSError."""
    for directory in ("objects/info", "objects/pack", "refs/heads"):
        os.makedirs(f"{path}/{directory}", mode=0o700, exist_ok=True)
    extension = "\n[extensions]\n\tobjectFormat = sha256" if long_ids else ""
    config = f"[core]\n\trepositoryFormatVersion = {int(long_ids)}\n\tbare = true{extension}\n"
    for name, text in (("HEAD", f"{head}\n"), ("config", config)):
        with open(f"{path}/{name}.new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(f"{path}/{name}.new", f"{path}/{name}")


def _away(path: str) -> None:
    """By another name first: a git that still works there harms nobody."""
    try:
        gone = f"{path}.{os.getpid()}.{time.monotonic_ns()}"
        os.rename(path, gone)
    except FileNotFoundError:
        return
    except OSError as error:
        raise WorkspaceError("unreadable", path, f"cannot be taken away: {error.strerror or error}") from error
    discard(gone)

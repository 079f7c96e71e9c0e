"""What `workspace.repo` names: a URL or a path, which of them are the same repository, and what may be shown of it.

Decides which transports are allowed, and that no name is taken for an option. Refuses to know what is there.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.workspaces.errors import WorkspaceError

_SCHEMES: Final = ("https", "http", "ssh", "git", "file")
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)\Z", re.DOTALL)
_HELPER: Final = re.compile(r"[A-Za-z0-9+.-]+::")
_SCP: Final = re.compile(r"([^/:\[\]]+|\[[^/]*\]):(?!/{2})(.*)\Z", re.DOTALL)
_USERINFO: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/@\s'\"]*@")


class Origin(NamedTuple):
    """`url`: what git is to fetch, with credentials where somebody has written them; `shown`: the same without."""

    url: str
    shown: str
    name: str
    """The same for the same repository, and safe as the name of a file."""
    is_local: bool


def origin(text: str, *, project: str) -> Origin:
    """A path is relative to `project`. WorkspaceError (refused)."""
    shown = redacted(text)
    if not text or not text.isprintable() or text.startswith("-") or _HELPER.match(text):
        raise WorkspaceError("refused", shown, "is neither a URL nor a path of a repository")
    url = _URL.match(text)
    if url is not None:
        return _of_url(text, shown, *url.groups())
    remote = _SCP.match(text)
    if remote is not None:
        host, path = remote.groups()
        host = host.lower().removeprefix("git@")
        if host.startswith("-") or path.startswith("-"):
            raise WorkspaceError("refused", shown, "looks like an option")
        return Origin(text, text, _name(f"ssh://{host}/{_plain(path)}"), is_local=False)
    return _of_path(os.path.join(project, os.path.expanduser(text)))


def redacted(text: str) -> str:
    """Without what stands before an `@` in URLs."""
    return _USERINFO.sub(r"\1", text)


def _of_url(text: str, shown: str, scheme: str, place: str, path: str) -> Origin:
    scheme = scheme.lower()
    if scheme not in _SCHEMES:
        raise WorkspaceError("refused", shown, f"{scheme}: is not fetched from; {', '.join(_SCHEMES)} are")
    user, _, host = place.rpartition("@")
    if scheme == "file":
        return _of_path(path)
    if host.startswith("-") or user.startswith("-") or path.startswith("/-") or not host:
        raise WorkspaceError("refused", shown, "names no host, or looks like an option")
    if scheme == "ssh":  # the user is no secret there, and it needs one
        shown = f"ssh://{user.partition(':')[0]}{'@' if user else ''}{host}{path}"
    return Origin(text, shown, _name(f"{scheme}://{host.lower()}/{_plain(path)}"), is_local=False)


def _of_path(path: str) -> Origin:
    real = os.path.realpath(path)
    return Origin(real, real, _name(f"file://{real}"), is_local=True)


def _plain(path: str) -> str:
    return path.strip("/").removesuffix(".git")


def _name(normal: str) -> str:
    return hashlib.sha256(normal.encode("utf-8", "surrogateescape")).hexdigest()[:24]

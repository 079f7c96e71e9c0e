"""What `workspace.repo` names: which texts are the same repository, and what may be shown of it.

Which of them are allowed is said in `core/repos`. Refuses to know what is there.
"""

from __future__ import annotations

import hashlib
import os

from teamflow.core.named import NamedTuple
from teamflow.core.repos import FILE, SSH_SHORT, repo_of
from teamflow.core.repos import redacted as redacted
from teamflow.workspaces.errors import WorkspaceError


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
    try:
        scheme, user, host, path = repo_of(text)
    except ValueError as error:
        raise WorkspaceError("refused", shown, str(error)) from None
    if not scheme:
        return _of_path(os.path.join(project, os.path.expanduser(text)))
    if scheme == FILE:
        return _of_path(path)
    if scheme == SSH_SHORT:
        return Origin(text, text, _name(f"ssh://{host}/{_plain(path)}"), is_local=False)
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

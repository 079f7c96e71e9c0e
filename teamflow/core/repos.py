"""What may name a repository that is cloned: a URL, `host:path`, or a path. Pure.

Decides which transports are allowed, and that no name is taken for an option or for a helper of git. Refuses to know
what is there.
"""

from __future__ import annotations

import re
from typing import Final

from teamflow.core.named import NamedTuple

FILE: Final = "file"
SSH_SHORT: Final = "scp"
"""Scheme of `host:path`."""
_SCHEMES: Final = ("https", "http", "ssh", "git", FILE)
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)\Z", re.DOTALL)
_HELPER: Final = re.compile(r"[A-Za-z0-9+.-]+::")
_SCP: Final = re.compile(r"([^/:\[\]]+|\[[^/]*\]):(?!/{2})(.*)\Z", re.DOTALL)
_USERINFO: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/@\s'\"]*@")


class Repo(NamedTuple):
    """`scheme` empty: `path` is one of this machine, as it is written."""

    scheme: str
    user: str
    host: str
    path: str


def repo_of(text: str) -> Repo:
    """ValueError: it is none, with the reason."""
    if not text or not text.isprintable() or text.startswith("-") or _HELPER.match(text):
        raise ValueError("is neither a URL nor a path of a repository")
    url = _URL.match(text)
    if url is not None:
        return _of_url(*url.groups())
    remote = _SCP.match(text)
    if remote is None:
        return Repo("", "", "", text)
    host, path = remote.groups()
    host = host.lower().removeprefix("git@")
    if host.startswith("-") or path.startswith("-"):
        raise ValueError("looks like an option")
    return Repo(SSH_SHORT, "", host, path)


def redacted(text: str) -> str:
    """Without what stands before an `@` in URLs."""
    return _USERINFO.sub(r"\1", text)


def _of_url(scheme: str, place: str, path: str) -> Repo:
    scheme = scheme.lower()
    if scheme not in _SCHEMES:
        raise ValueError(f"{scheme}: is not fetched from; {', '.join(_SCHEMES)} are")
    user, _, host = place.rpartition("@")
    if scheme != FILE and (host.startswith("-") or user.startswith("-") or path.startswith("/-") or not host):
        raise ValueError("names no host, or looks like an option")
    return Repo(scheme, user, host, path)

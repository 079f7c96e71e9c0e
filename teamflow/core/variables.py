"""Which variables of this machine a step inherits, by their names: the basics, and what is asked for by name or glob.

Decides by names alone; the environment is an argument.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Final

BASIC: Final = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TERM", "TMPDIR", "XDG_*", "VIRTUAL_ENV", "CI", "TZ",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO",
    "SSH_AUTH_SOCK",
)  # fmt: skip
"""Variables (or globs) that every step on this machine inherits."""


def inherited(environ: Mapping[str, str], patterns: tuple[str, ...]) -> dict[str, str]:
    """The variables whose names match one of the patterns."""
    exact = {name: environ[name] for name in patterns if name in environ}
    globs = [pattern for pattern in patterns if "*" in pattern or "?" in pattern]
    for name, value in environ.items():
        if name not in exact and any(fnmatch.fnmatchcase(name, pattern) for pattern in globs):
            exact[name] = value
    return exact


def may_inherit(name: str, patterns: Iterable[str]) -> bool:
    """Whether a variable of this name is inherited, if this machine has it."""
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

"""A git directory of our own: no refs, no hooks, no drivers, and a configuration that holds no names of programs.

Decides which values of the repository's configuration are harmless and taken over. The user's own (~/.gitconfig) stays
in force. What lies here is written at each opening, and written again where somebody has changed it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Final

from teamflow import git
from teamflow.workspaces.process import run

_SWITCHES: Final = ("true", "false", "yes", "no", "on", "off", "1", "0")
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "core.autocrlf": (*_SWITCHES, "input"),
    "core.eol": ("lf", "crlf", "native"),
    "core.filemode": _SWITCHES,
    "core.symlinks": _SWITCHES,
    "core.ignorecase": _SWITCHES,
    "core.precomposeunicode": _SWITCHES,
}
_TEXTS: Final = ("user.name", "user.email", "core.excludesfile")
_LARGEST: Final = 1 << 20
_written: dict[str, dict[str, bytes]] = {}
"""Directory → what its files must hold, of those that this process has opened."""


def write(own: str, *, common: str, project_dir: str, environ: Mapping[str, str]) -> None:
    """Makes the directory `own` for the repository at `common`. GitError, OSError."""
    files = {
        "HEAD": b"ref: refs/heads/none\n",
        "config": _config(_read_settings(common, project_dir, environ)),
        "info/exclude": _copied(f"{common}/info/exclude"),
        "info/attributes": _copied(f"{common}/info/attributes"),
    }
    for directory in ("refs/heads", "objects", "info"):
        os.makedirs(f"{own}/{directory}", mode=0o700, exist_ok=True)
    _written[own] = files
    ensure(own)
    if not os.path.lexists(f"{own}/lfs"):
        # A filter that the user has set up for all repositories puts its objects where a push looks for them.
        try:
            os.symlink(f"{common}/lfs", f"{own}/lfs")
        except FileExistsError:
            pass


def ensure(own: str) -> None:
    """That its files hold what they must."""
    for name, content in _written[own].items():
        path = f"{own}/{name}"
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                if file.read() == content:
                    continue
        except OSError:
            pass
        new = f"{path}.{os.getpid()}.{threading.get_ident()}"
        with open(new, "wb") as file:
            file.write(content)
        os.replace(new, path)


def _read_settings(common: str, project_dir: str, environ: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in (f"{common}/config", f"{project_dir}/config.worktree"):
        if path.endswith("worktree") and found.get("extensions.worktreeconfig", "false") not in _SWITCHES[::2]:
            continue
        if os.path.isfile(path):
            env = git.environment(environ, GIT_DIR="/dev/null")
            answer = run(git.command("config", "--file", path, "--no-includes", "-z", "--list"), env=env, cwd="/")
            found |= dict(git.settings(answer.out))
    return found


def _config(found: Mapping[str, str]) -> bytes:
    sha256 = found.get("extensions.objectformat", "").lower() == "sha256"
    rows = [("core.repositoryformatversion", "1" if sha256 else "0"), ("core.bare", "false")]
    if sha256:
        rows.append(("extensions.objectformat", "sha256"))
    rows += [(key, found[key]) for key, words in _WORDS.items() if found.get(key, "").lower() in words]
    rows += [(key, found[key]) for key in _TEXTS if found.get(key, "").isprintable() and found.get(key)]
    lines = []
    for key, value in rows:
        section, _, name = key.partition(".")
        lines.append(f"[{section}]\n\t{name} = {git.quoted(value)}\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


def _copied(path: str) -> bytes:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return file.read(_LARGEST)
    except OSError:
        return b""

"""A git directory of our own: no refs, no hooks, no drivers, and a configuration that holds no names of programs.

Decides which values of the repository's configuration are harmless and taken over; what the file system can do is
tried, since who sets `core.ignoreCase` hides files. The user's own (~/.gitconfig) stays in force. What lies here is
written at each opening, and written again where somebody has changed it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Final

from teamflow import git
from teamflow.workspaces.place import discard
from teamflow.workspaces.process import SHORT, run
from teamflow.workspaces.waiting import read_plain, refuse_pipes, unfollowed

_SWITCHES: Final = ("true", "false", "yes", "no", "on", "off", "1", "0")
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "core.autocrlf": (*_SWITCHES, "input"),
    "core.eol": ("lf", "crlf", "native"),
    "core.precomposeunicode": _SWITCHES,
}
_TEXTS: Final = ("user.name", "user.email")
_EXCLUDES: Final = "core.excludesfile"
_TRIED: Final = ("core.filemode", "core.symlinks", "core.ignorecase", _EXCLUDES)
_LARGEST: Final = 1 << 20
_written: dict[str, dict[str, bytes]] = {}
"""Directory → what its files must hold, of those that this process has opened."""


def write(own: str, *, common: str, project_dir: str, environ: Mapping[str, str]) -> None:
    """Makes the directory `own` for the repository at `common`. GitError, OSError."""
    for directory in ("refs/heads", "objects", "info"):
        os.makedirs(f"{own}/{directory}", mode=0o700, exist_ok=True)
    if not os.path.lexists(f"{own}/lfs"):
        # A filter that the user has set up for all repositories puts its objects where a push looks for them.
        try:
            os.symlink(f"{common}/lfs", f"{own}/lfs")
        except FileExistsError:
            pass
    found = _read_settings(common, project_dir, environ)
    excluded = read_plain(f"{common}/info/exclude", most=_LARGEST)
    if listed := found.get(_EXCLUDES):
        # As content, so that no file of any other kind can be put in its place; what git looks at last has the say.
        path = os.path.join(os.path.dirname(common), os.path.expanduser(listed))
        excluded = read_plain(path, most=_LARGEST) + b"\n" + excluded
        found[_EXCLUDES] = os.devnull
    _written[own] = {
        "HEAD": b"ref: refs/heads/none\n",
        "config": _config({**found, **_tried(own)}),
        "info/exclude": excluded,
        "info/attributes": read_plain(f"{common}/info/attributes", most=_LARGEST),
    }
    ensure(own)


def _tried(own: str) -> dict[str, str]:
    """What the file system can do, as git finds it out for a new repository."""
    probe = f"{own}/Probe.{os.getpid()}.{threading.get_ident()}"
    with open(probe, "wb"):
        pass
    try:
        os.chmod(probe, 0o700)
        executable = os.stat(probe).st_mode & 0o100
        os.chmod(probe, 0o600)
        modes = executable and not os.stat(probe).st_mode & 0o100
        blind = os.path.exists(f"{own}/pROBE.{os.getpid()}.{threading.get_ident()}")
    finally:
        os.unlink(probe)
    found = {"core.filemode": modes, "core.symlinks": os.path.islink(f"{own}/lfs"), "core.ignorecase": blind}
    return {key: "true" if value else "false" for key, value in found.items()}


def ensure(own: str) -> None:
    """That its files hold what they must."""
    for name, content in _written[own].items():
        path = f"{own}/{name}"
        try:
            with open(path, "rb", opener=unfollowed) as file:
                if file.read() == content:
                    continue
        except OSError:
            pass
        new = f"{path}.{os.getpid()}.{threading.get_ident()}"
        with open(new, "wb") as file:
            file.write(content)
        if os.path.isdir(path) and not os.path.islink(path):
            discard(path)
        os.replace(new, path)


def _read_settings(common: str, project_dir: str, environ: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in (f"{common}/config", f"{project_dir}/config.worktree"):
        if path.endswith("worktree") and found.get("extensions.worktreeconfig", "false") not in _SWITCHES[::2]:
            continue
        refuse_pipes((path,))
        if os.path.isfile(path):
            env = git.environment(environ, GIT_DIR="/dev/null")
            words = git.command("config", "--file", path, "--no-includes", "-z", "--list")
            answer = run(words, env=env, cwd="/", longest=SHORT)
            found |= dict(git.settings(answer.out))
    return found


def _config(found: Mapping[str, str]) -> bytes:
    sha256 = found.get("extensions.objectformat", "").lower() == "sha256"
    rows = [("core.repositoryformatversion", "1" if sha256 else "0"), ("core.bare", "false")]
    if sha256:
        rows.append(("extensions.objectformat", "sha256"))
    rows += [(key, found[key]) for key, words in _WORDS.items() if found.get(key, "").lower() in words]
    rows += [(key, found[key]) for key in _TRIED if key in found]
    rows += [(key, found[key]) for key in _TEXTS if found.get(key, "").isprintable() and found.get(key)]
    lines = []
    for key, value in rows:
        section, _, name = key.partition(".")
        lines.append(f"[{section}]\n\t{name} = {git.quoted(value)}\n")
    return "".join(lines).encode("utf-8", "surrogateescape")

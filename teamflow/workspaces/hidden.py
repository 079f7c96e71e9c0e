"""Settings of agents that lie in a workspace and are in no commit: git ignores them, but who works there next obeys
them. Decides where to look: in the directories that git knows, not in those of packages (which bring such files).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

from teamflow.policy.own_settings import BELOW, folded, setting_in


def hidden_settings(root: str, tracked: Collection[str], *, copied: Collection[str] = ()) -> tuple[str, ...]:
    """Relative paths, sorted, of what is neither among `tracked` nor `copied` (nor below a directory of that). Links
    are not followed."""
    brought = {path.rstrip("/") for path in copied}
    known = {*tracked, *brought}
    directories = {""}
    for path in tracked:
        while (path := path.rpartition("/")[0]) and path not in directories:
            directories.add(path)
    found = set[str]()
    for directory in directories:
        for path in _named(root, directory):
            if setting_in(path):
                found.update(file for file in _files(root, path) if file not in known and not _below(file, brought))
    return tuple(sorted(found))


def _below(path: str, directories: Collection[str]) -> bool:
    while path := path.rpartition("/")[0]:
        if path in directories:
            return True
    return False


def _named(root: str, directory: str) -> Iterator[str]:
    """What lies in a directory; of one like `.github`, which git may not know at all, what lies in that."""
    for name in _listed(root, directory):
        path = f"{directory}/{name}" if directory else name
        if folded(name) not in BELOW or os.path.islink(os.path.join(root, path)):
            yield path
        else:
            yield from (f"{path}/{inner}" for inner in _listed(root, path))


def _listed(root: str, directory: str) -> list[str]:
    try:
        return os.listdir(os.path.join(root, directory))
    except OSError:
        return []


def _files(root: str, path: str) -> Iterator[str]:
    whole = os.path.join(root, path)
    if os.path.islink(whole) or not os.path.isdir(whole):
        yield path
        return
    for at, directories, names in os.walk(whole):
        inside = os.path.relpath(at, root)
        links = (name for name in directories if os.path.islink(os.path.join(at, name)))
        yield from (f"{inside}/{name}" for name in (*names, *links))

"""The file `teamflow.lock`: read, and written in one step, for all team files of a directory.

Decides its form, and what is none; what stands in it is decided in `app/locked.py`.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from teamflow.app.locked import Locked, LockedEngine, LockedFile
from teamflow.workspaces.waiting import unwaited

NAME: Final = "teamflow.lock"
FORMAT: Final = 1
_LARGEST: Final = 4 * 1024 * 1024


class LockError(Exception):
    """A lock file that cannot be used; the message says which, why, and what to do."""


def lock_path(root: str, file: str) -> str:
    """Where the lock of the team file `file` (relative to `root`) lies."""
    return os.path.join(root, os.path.dirname(file), NAME)


def read_lock(path: str, team: str) -> Locked | None:
    """What is locked of the team file of that name; None: nothing, or there is no lock. LockError."""
    found = _teams(path).get(team)
    try:
        return None if found is None else _locked(found)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise _damaged(path, f"what it says of {team} has another shape") from None


def write_lock(path: str, team: str, locked: Locked) -> None:
    """Puts what is locked of one team file in place of what was, in one step. LockError, OSError."""
    with _alone(os.path.dirname(path)):
        teams = {**_teams(path), team: _plain(locked)}
        text = json.dumps({"lock_version": FORMAT, "teams": teams}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        mode = stat.S_IMODE(os.stat(path).st_mode) if os.path.exists(path) else 0o666 & ~_umask()
        target = os.path.realpath(path)
        descriptor, temporary = tempfile.mkstemp(prefix=".teamflow-lock-", dir=os.path.dirname(target))
        try:
            with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
                os.fchmod(file.fileno(), mode)
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise


def _plain(locked: Locked) -> dict[str, object]:
    engines = {
        name: {
            "version": one.version,
            "models": list(one.models),
            **({"answers": dict(one.answers)} if one.answers else {}),
        }
        for name, one in locked.engines.items()
    }
    files = {
        path: {"sha256": one.sha256, **({"personas": list(one.personas)} if one.personas else {})}
        for path, one in locked.files.items()
    }
    return {"engines": engines, "files": files}


def _locked(found: Mapping[str, Mapping[str, Mapping[str, object]]]) -> Locked:
    engines, files = found["engines"].items(), found["files"].items()
    return Locked(
        {
            name: LockedEngine(_text(one["version"]), _texts(one.get("models")), _named(one.get("answers")))
            for name, one in engines
        },
        {path: LockedFile(_text(one["sha256"]), _texts(one.get("personas"))) for path, one in files},
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | None):
        raise TypeError(value)
    return tuple(_text(one) for one in value or ())


def _named(value: object) -> dict[str, str]:
    if not isinstance(value, dict | None):
        raise TypeError(value)
    return {_text(name): _text(one) for name, one in (value or {}).items()}


def _teams(path: str) -> dict[str, Mapping[str, Mapping[str, Mapping[str, object]]]]:
    """By team file; empty where there is no lock."""
    try:
        with open(path, "rb", opener=unwaited) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LockError(f"{path}: the lock cannot be read: {error.strerror}") from error
    if len(data) > _LARGEST:
        raise _damaged(path, "it is far too large")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        merged = any(mark in data for mark in (b"<<<<<<<", b">>>>>>>"))
        raise _damaged(path, "git has left a conflict in it" if merged else f"it is no JSON: {error}") from None
    version = found.get("lock_version") if isinstance(found, dict) else None
    if isinstance(version, int) and version > FORMAT:
        fact = f"it is of format {version}, of a newer teamflow; this one reads {FORMAT}"
        raise LockError(f"{path}: {fact}\n  update teamflow")
    teams = found.get("teams") if isinstance(found, dict) else None
    if version != FORMAT or not isinstance(teams, dict):
        raise _damaged(path, "it has no lock_version and teams")
    return teams


def _damaged(path: str, why: str) -> LockError:
    return LockError(f"{path}: the lock is damaged: {why}\n  restore it with git, or delete it and say `teamflow lock`")


@contextmanager
def _alone(directory: str) -> Iterator[None]:
    """Two who write for different team files of a directory do so one after the other."""
    descriptor = os.open(directory or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

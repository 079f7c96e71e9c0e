"""What a run's keeper leaves in files, read without talking to it: is one alive, who it is, what it wrote.

Decides nothing. See docs/keeper-protocol.md for the files.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Mapping

from teamflow.core.named import NamedTuple
from teamflow.keeper.names import SOCKET_PATH, run_hash


class Identity(NamedTuple):
    """keeper.json: the process (pid, start time, boot id), its kill level (cgroup | walk | groups) and its socket."""

    pid: int
    start: int
    boot: str
    level: str
    socket: str


def is_held(run_dir: str) -> bool:
    """Whether a keeper of this run is alive: it holds a lock for its whole life. False where there never was one."""
    try:
        fd = os.open(os.path.join(run_dir, "keeper.lock"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def identity(run_dir: str) -> Identity | None:
    """None where there is no keeper.json: the last keeper ended in order, or one is just starting."""
    try:
        with open(os.path.join(run_dir, "keeper.json"), encoding="utf-8", errors="surrogateescape") as file:
            raw = json.load(file)
        return Identity(raw["pid"], raw["start"], raw["boot"], raw["level"], raw["socket"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def journal_bytes(run_dir: str) -> bytes:
    """The journal's whole lines; empty where no keeper ever was."""
    try:
        with open(os.path.join(run_dir, "keeper.journal"), "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return b""
    return data[: data.rfind(b"\n") + 1]


def ends_after(run_dir: str, seq: int) -> bool:
    """Whether the journal knows, behind its entry `seq`, how something has ended."""
    from teamflow.keeper import journal  # Imported here: most who look for a keeper read no journal.

    return any(entry.get("e") in ("exit", "lost") for entry in journal.read(journal_bytes(run_dir))[seq:])


def last_words(run_dir: str) -> str:
    """The last line that a keeper wrote before it could not go on; empty if it wrote none."""
    for name in ("keeper.err", "keeper.log"):
        try:
            with open(os.path.join(run_dir, name), "rb") as file:
                lines = file.read()[-4096:].decode("utf-8", "replace").strip().splitlines()
        except FileNotFoundError:
            continue
        if lines:
            return lines[-1].strip()
    return ""


def socket_path(run_dir: str, environ: Mapping[str, str]) -> str:
    """Where this run's keeper shall listen: below $XDG_RUNTIME_DIR or a private directory of the temporary one.

    The directory exists afterwards, is ours and closed to others. Raises OSError if none can be made.
    """
    name = run_hash(os.path.realpath(run_dir)) + ".sock"
    runtime = environ.get("XDG_RUNTIME_DIR")
    wishes = [os.path.join(runtime, "teamflow")] if runtime and os.path.isabs(runtime) else []
    wishes += [os.path.join(place, f"teamflow-{os.geteuid()}") for place in (environ.get("TMPDIR"), "/tmp") if place]
    for directory in wishes:
        if len(os.fsencode(directory)) + 1 + len(name) <= SOCKET_PATH and _is_private(directory):
            return os.path.join(directory, name)
    # Somebody else took our name: rare, and the import is not cheap.
    from tempfile import mkdtemp

    return os.path.join(mkdtemp(prefix="teamflow-", dir="/tmp"), name)


def _is_private(directory: str) -> bool:
    """Makes it if need be. A directory of somebody else, or open to others, or a link is not used."""
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        pass
    except OSError:
        return False
    found = os.lstat(directory)
    mode = found.st_mode
    return stat.S_ISDIR(mode) and found.st_uid == os.geteuid() and not mode & 0o077

"""Whether a directory can hold state, and making it so. Decides which file systems are refused.

WAL and flock need one kernel that sees every reader and writer, so a network file system is refused. Two kinds are
let through although their names look remote: FUSE layers over local disks, and a 9p root (a sandbox's own disk).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from teamflow.store.errors import StoreError
from teamflow.store.layout import Layout

# fmt: off
_NETWORK: Final = frozenset({
    "9p", "acfs", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs",
    "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "pvfs2", "smb3", "smbfs", "vboxsf", "webdav",
})
_LOCAL_FUSE: Final = frozenset({
    "fuse.bindfs", "fuse.cryfs", "fuse.encfs", "fuse.exfat", "fuse.fuse-overlayfs", "fuse.gocryptfs", "fuse.lxcfs",
    "fuse.mergerfs", "fuse.ntfs-3g", "fuse.unionfs", "fuse.zfs",
})
# fmt: on


def prepare(layout: Layout, *, allow_network: bool = False) -> None:
    """Makes `.teamflow/` (0700, ignored by git) ready to hold state.

    StoreError: unwritable, network, full.
    """
    directory = layout.directory
    try:
        _make(directory)
    except OSError as error:
        raise unwritable(directory, error) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise unwritable(directory, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    if not allow_network:
        refuse_network(directory)


def _make(directory: str) -> None:
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        if not os.path.isdir(directory):
            raise NotADirectoryError(errno.ENOTDIR, "it is not a directory") from None
    ignore = f"{directory}/.gitignore"
    if not os.path.exists(ignore):
        with open(ignore, "w", encoding="ascii") as file:
            file.write("*\n")


def settle(layout: Layout) -> None:
    """Before the first database of a project is made: that `.teamflow/` is there, and ignored, outlives a power cut.

    What SQLite syncs is worth nothing in a directory that is gone. StoreError: unwritable.
    """
    try:
        with suppress(FileNotFoundError), open(f"{layout.directory}/.gitignore", "r+b", buffering=0) as ignore:
            if not ignore.read().strip(b"\0\n"):  # a power cut before this was reached the last time
                ignore.seek(0)
                ignore.write(b"*\n")
            os.fsync(ignore.fileno())
        sync(layout.directory)
        sync(layout.root)
    except OSError as error:
        raise unwritable(layout.directory, error) from error


def sync(path: str) -> None:
    """A file's content, or a directory's names, on the disk, where the file system can do that. OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # Some know no sync of a directory, and one that may be entered need not be one that may be read.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES):
            raise


def unwritable(place: str, error: OSError) -> StoreError:
    """The complaint for a directory or file that cannot be made or written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            "full", place=place, fact="no space left for teamflow's state", remedy="free some space and run again"
        )
    if error.errno == errno.EROFS:
        remedy = "teamflow keeps its state beside the project: work on a writable copy"
    elif error.errno in (errno.ENOTDIR, errno.EEXIST):
        remedy = "teamflow keeps its state in a directory of this name: move the file away"
    else:
        remedy = f"make it writable for this user (uid {os.geteuid()}), or work on a copy"
    return StoreError("unwritable", place=place, fact=f"cannot be written: {error.strerror or error}", remedy=remedy)


def refuse_network(directory: str) -> None:
    """StoreError (network) when `directory` lies on a network file system."""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
            lines = file.readlines()
    except OSError:
        lines = _told_by_mount()
    kind = network_kind(os.path.realpath(directory), lines)
    if kind is not None:
        raise StoreError(
            "network",
            place=directory,
            fact=f"lies on a network file system ({kind}), where locks and write-ahead logs cannot be trusted",
            remedy="work on a local copy, or set TEAMFLOW_ALLOW_NETWORK_FS=1 if only this machine ever uses it",
        )


def _told_by_mount() -> list[str]:
    """Where there is no /proc; empty where mount(8) tells nothing: then SQLite still checks its locks."""
    import subprocess

    try:
        told = subprocess.run(
            ["mount"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=5, check=False
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return mounts_of_bsd(os.fsdecode(told))


def mounts_of_bsd(text: str) -> list[str]:
    """What mount(8) prints on macOS and the BSDs (`DEVICE on PLACE (kind, …)`) as lines of /proc/self/mounts."""
    found = []
    for line in text.splitlines():
        place, _, options = line.partition(" on ")[2].rpartition(" (")
        if place and options:
            found.append(f"- {_escape(place)} {options.rstrip(')').partition(',')[0]} -")
    return found


def network_kind(directory: str, mounts: Iterable[str]) -> str | None:
    """The type of the file system that `directory` (a real path) lies on when it is to be refused, else None.

    `mounts` are the lines of /proc/self/mounts; of two mounts on one place the later one counts.
    """
    best, kind = "", ""
    for line in mounts:
        fields = line.split(" ", 3)
        if len(fields) < 4:
            continue
        point = fields[1]
        if "\\" in point:
            point = _unescape(point)
        if len(point) >= len(best) and _below(directory, point):
            best, kind = point, fields[2]
    if kind == "9p" and best == "/":
        return None
    if kind in _NETWORK or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE):
        return kind
    return None


def _below(path: str, point: str) -> bool:
    return point == "/" or path == point or path.startswith(point + "/")


_ESCAPES: Final = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\"))


def _unescape(point: str) -> str:
    for code, char in _ESCAPES:
        point = point.replace(code, char)
    return point


def _escape(point: str) -> str:
    for code, char in reversed(_ESCAPES):
        point = point.replace(char, code)
    return point

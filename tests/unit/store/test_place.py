"""Which file systems can hold state, told by lines of /proc/self/mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from teamflow.store.place import mounts_of_bsd, network_kind
from teamflow.store.sqlite import Database

ROOT = "/dev/vda / ext4 rw 0 0\n"


@pytest.mark.parametrize(
    ("mounts", "directory", "kind"),
    [
        ([ROOT], "/home/me/p/.teamflow", None),
        ([ROOT, "srv:/x /home nfs4 rw 0 0\n"], "/home/me/.teamflow", "nfs4"),
        ([ROOT, "srv:/x /home nfs4 rw 0 0\n", "/dev/vdb /home/me ext4 rw 0 0\n"], "/home/me/.teamflow", None),
        ([ROOT, "srv:/x /home nfs rw 0 0\n"], "/homes/.teamflow", None),
        ([ROOT, "//s/x /mnt/a\\040b cifs rw 0 0\n"], "/mnt/a b/.teamflow", "cifs"),
        ([ROOT, "me@s: /mnt fuse.sshfs rw 0 0\n"], "/mnt", "fuse.sshfs"),
        ([ROOT, "x /mnt fuse.unheard-of rw 0 0\n"], "/mnt/p", "fuse.unheard-of"),
        ([ROOT, "x /mnt fuse.fuse-overlayfs rw 0 0\n"], "/mnt/p", None),
        (["none / 9p rw,trans=fd 0 0\n"], "/p/.teamflow", None),
        ([ROOT, "C: /mnt/c 9p rw,aname=drvfs 0 0\n"], "/mnt/c/p", "9p"),
        ([ROOT, "a /mnt nfs rw 0 0\n", "tmpfs /mnt tmpfs rw 0 0\n"], "/mnt/p", None),
        ([ROOT, "tmpfs /mnt tmpfs rw 0 0\n", "a /mnt nfs rw 0 0\n"], "/mnt/p", "nfs"),
        ([], "/p", None),
        (["\n", "odd\n", "a b\n"], "/p", None),
    ],
)
def test_network_file_systems_are_known_by_the_innermost_mount(
    mounts: list[str], directory: str, kind: str | None
) -> None:
    assert network_kind(directory, mounts) == kind


def test_what_mount_prints_where_there_is_no_proc() -> None:
    told = (
        "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)\n"
        "devfs on /dev (devfs, local, nobrowse)\n"
        "//me@server/a%20share on /Volumes/a (new) share (smbfs, nodev, nosuid, mounted by me)\n"
        "server:/export on /Volumes/on it (nfs)\n"
        "nonsense\n"
    )
    mounts = mounts_of_bsd(told)
    assert network_kind("/Users/me/p/.teamflow", mounts) is None
    assert network_kind("/Volumes/a (new) share/p", mounts) == "smbfs"
    assert network_kind("/Volumes/on it/p", mounts) == "nfs"
    assert network_kind("/Volumes/on", mounts) is None


@pytest.mark.parametrize("torn", [b"", b"\0\0"])
def test_what_a_power_cut_left_of_the_ignore_file_is_mended(tmp_path: Path, torn: bytes) -> None:
    ignore = tmp_path / ".teamflow" / ".gitignore"
    ignore.parent.mkdir()
    ignore.write_bytes(torn)
    Database.open(str(tmp_path)).close()
    assert ignore.read_text() == "*\n"
    ignore.write_text("# mine\n")
    (tmp_path / ".teamflow" / "state.db").unlink()
    Database.open(str(tmp_path)).close()
    assert ignore.read_text() == "# mine\n"

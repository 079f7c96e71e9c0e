"""A real sshd on loopback, with a key of its own and one user key that it knows. Needs openssh-server."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
ENDS_WITHIN = 10.0
"""Seconds."""


class Sshd(NamedTuple):
    url: str
    """`ssh://USER@HOST:PORT`."""
    config: str
    """What a client is given with `-F`: the key, and the host key that it is to expect."""


@contextmanager
def sshd(directory: Path) -> Iterator[Sshd]:
    """Serves the user who runs the tests, until the block ends. `directory`: empty, or not yet there."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(directory / name)], check=True
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (directory / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nAuthorizedKeysFile {directory}/user.pub\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPidFile none\nAcceptEnv GIT_PROTOCOL\n"
    )
    public = (directory / "host.pub").read_text().split()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {public[0]} {public[1]}\n")
    (directory / "config").write_text(
        f"Host *\n  IdentityFile {directory}/user\n  IdentitiesOnly yes\n  UserKnownHostsFile {directory}/known_hosts\n"
        "  StrictHostKeyChecking yes\n  BatchMode yes\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    assert SSHD is not None
    argv = [SSHD, "-D", "-e", "-f", str(directory / "sshd_config")]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        reader = threading.Thread(target=deque, args=(server.stderr, 0))
        try:
            said = list(_until_it_listens(server.stderr))
            assert "Server listening" in said[-1], said
            # What it says afterwards is read away, for it would wait for that.
            reader.start()
            yield Sshd(f"ssh://{getpass.getuser()}@127.0.0.1:{port}", str(directory / "config"))
        finally:
            server.terminate()
            server.wait(ENDS_WITHIN)
            if reader.ident is not None:
                reader.join(ENDS_WITHIN)


def _until_it_listens(lines: Iterable[str]) -> Iterator[str]:
    yield "nothing"
    for line in lines:
        yield line
        if "Server listening" in line:
            return

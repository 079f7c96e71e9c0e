"""A real sshd on loopback, with a key of its own and one user key that it knows. Needs openssh-server."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
READY_WITHIN = 10.0
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
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(directory / "sshd_config")], stderr=log)
    try:
        _await_port(port, directory / "log", server)
        yield Sshd(f"ssh://{getpass.getuser()}@127.0.0.1:{port}", str(directory / "config"))
    finally:
        server.terminate()
        server.wait(READY_WITHIN)


def _await_port(port: int, log: Path, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_WITHIN
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)

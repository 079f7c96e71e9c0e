"""Waking a run's runner from another process: one byte to a datagram socket. Best effort by design.

Who is not woken looks at `Database.data_version` every 200 ms, so a lost byte costs that and nothing else. The
socket lies in $XDG_RUNTIME_DIR or a private directory below the temporary one, where the path fits.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
from collections.abc import Mapping
from typing import Final

from teamflow.keeper.names import SOCKET_PATH
from teamflow.store.layout import Layout

_NAME_LENGTH: Final = len("/0123456789abcdef-1234567890.wake")


def socket_directory(env: Mapping[str, str]) -> str | None:
    """A private directory for sockets, made where it is missing; None: there is none that is safe and short."""
    uid = os.geteuid()
    candidates = [f"{env['XDG_RUNTIME_DIR']}/teamflow"] if env.get("XDG_RUNTIME_DIR") else []
    candidates += [f"{base}/teamflow-{uid}" for base in (env.get("TMPDIR") or "/tmp", "/tmp")]
    for path in candidates:
        if len(os.fsencode(path)) + _NAME_LENGTH <= SOCKET_PATH and _is_private(path, uid):
            return path
    return None


def _is_private(path: str, uid: int) -> bool:
    """Makes the directory; whether it is ours and nobody else's, which in /tmp others may try to prevent."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError:
        return False
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and not found.st_mode & 0o077


def _address(layout: Layout, run: int, directory: str) -> str:
    project = hashlib.sha256(os.fsencode(os.path.realpath(layout.root))).hexdigest()[:16]
    return f"{directory}/{project}-{run}.wake"


def _channel() -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.settimeout(0)
    return channel


class WakeSocket:
    """The runner's end. `fileno` is readable when somebody has woken; then `drain` it."""

    def __init__(self, channel: socket.socket, path: str) -> None:
        self._channel = channel
        self._path = path

    @staticmethod
    def bind(layout: Layout, run: int, *, env: Mapping[str, str]) -> WakeSocket | None:
        """For the holder of the run's lock; None where no socket can be had."""
        directory = socket_directory(env)
        if directory is None:
            return None
        path = _address(layout, run, directory)
        channel = _channel()
        try:
            # What lies there is left over of a runner that died: the lock says that none lives.
            if os.path.lexists(path):
                os.unlink(path)
            channel.bind(path)
        except OSError:
            channel.close()
            return None
        return WakeSocket(channel, path)

    def fileno(self) -> int:
        return self._channel.fileno()

    def drain(self) -> None:
        """Takes what has come; never waits."""
        try:
            while self._channel.recv(64):
                pass
        except OSError:
            pass

    def close(self) -> None:
        """Idempotent."""
        if self._channel.fileno() >= 0:
            self._channel.close()
            try:
                os.unlink(self._path)
            except OSError:
                pass


def wake(layout: Layout, run: int, *, env: Mapping[str, str]) -> bool:
    """Whether a runner was there to be woken. Never waits and never fails."""
    directory = socket_directory(env)
    if directory is None:
        return False
    with _channel() as channel:
        try:
            channel.sendto(b"!", _address(layout, run, directory))
        except BlockingIOError:
            return True
        except OSError:
            return False
    return True

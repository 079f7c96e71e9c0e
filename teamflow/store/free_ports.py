"""Whether somebody serves on a port of this machine. Asks the kernel by binding; knows no leases."""

from __future__ import annotations

import errno
import socket
from typing import Final

_ADDRESSES: Final = (
    (socket.AF_INET, "127.0.0.1"),
    (socket.AF_INET, "0.0.0.0"),
    (socket.AF_INET6, "::1"),
    (socket.AF_INET6, "::"),
)
_ABSENT: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})
"""There is no IPv6, or no such address: nobody serves there."""


def is_free(port: int) -> bool:
    """Whether TCP servers could be started on it now, on the loopback and on all addresses."""
    return all(_binds(family, address, port) for family, address in _ADDRESSES)


def _binds(family: socket.AddressFamily, address: str, port: int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As servers do: connections that have ended a moment ago are in nobody's way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((address, port))
    except OSError as error:
        return error.errno in _ABSENT
    return True

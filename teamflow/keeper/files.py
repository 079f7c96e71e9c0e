"""The contents of a file, and bytes set aside in one. Knows no process."""

import posix


def slurp(path: str, limit: int = 1 << 20) -> "bytes | None":
    """Contents of a file, None if it cannot be read."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return None
    try:
        parts = []
        while limit > 0:
            part = posix.read(fd, min(limit, 1 << 16))
            if not part:
                break
            parts.append(part)
            limit -= len(part)
        return b"".join(parts)
    except OSError:
        return None
    finally:
        posix.close(fd)


def reserve(fd: int, size: int) -> None:
    """Gives an empty file so many bytes that are really there; OSError."""
    if hasattr(posix, "posix_fallocate"):
        posix.posix_fallocate(fd, 0, size)
        return
    while size > 0:
        size -= posix.write(fd, bytes(min(size, 1 << 16)))

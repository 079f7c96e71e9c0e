"""Turns an argv into a process: where the program lies, what it inherits. Decides nothing about when or why."""

import _signal  # type: ignore[import-not-found]  # importing signal costs 3 ms
import errno
import posix

PATH = b"/usr/local/bin:/usr/bin:/bin"
DUP = posix.POSIX_SPAWN_DUP2
TRY_FALLBACK = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC, errno.ELOOP, errno.ENAMETOOLONG)


class Cannot(Exception):
    """Nothing was started. `number` is an errno (0 without one), `text` a sentence for people."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number
        self.text = text


def ignored_signals() -> "list[int]":
    """Signals that this process ignores, so that a child must be given the default back."""
    found = []
    for number in range(1, _signal.NSIG):
        try:
            if _signal.getsignal(number) == _signal.SIG_IGN:
                found.append(number)
        except ValueError:
            continue
    return found


def find(name: bytes, path: bytes) -> "bytes | None":
    """Where a program lies, seen from the current directory: along PATH, without its empty elements.

    None if it is nowhere. A name with a slash is what it says. A file that may not be executed is given if there is no
    better one, so that the kernel can say why.
    """
    if b"/" in name:
        return name
    second = None
    for directory in path.split(b":"):
        if not directory:
            continue
        full = directory + b"/" + name
        try:
            if posix.stat(full).st_mode & 0o170000 != 0o100000:
                continue
        except OSError:
            continue
        if posix.access(full, posix.X_OK):
            return full
        second = second or full
    return second


def enter(cwd: bytes) -> None:
    """Makes `cwd` the current directory, which the child inherits; Cannot."""
    try:
        posix.chdir(cwd)
    except (OSError, ValueError) as error:
        raise Cannot(
            getattr(error, "errno", None) or errno.EINVAL, "cannot enter %s: %s" % (shown(cwd), said(error))
        ) from None


def spawn(argv: "list[bytes]", env: "dict[bytes, bytes]", fds: "tuple[int, int, int]", ignored: "list[int]") -> int:
    """Starts argv in the current directory, in a session and group of its own; its pid, or Cannot."""
    program = find(argv[0], env.get(b"PATH", PATH))
    if program is None:
        raise Cannot(errno.ENOENT, "%s: not found along PATH" % shown(argv[0]))
    actions = ((DUP, fds[0], 0), (DUP, fds[1], 1), (DUP, fds[2], 2))
    try:
        try:
            return posix.posix_spawn(
                program, argv, env, file_actions=actions, setsid=True, setsigmask=(), setsigdef=ignored
            )
        except RuntimeError:  # setsid is not to be had here: a group of its own must do
            return posix.posix_spawn(
                program, argv, env, file_actions=actions, setpgroup=0, setsigmask=(), setsigdef=ignored
            )
    except OSError as error:
        raise Cannot(error.errno or 0, "%s: %s" % (shown(argv[0]), said(error))) from None
    except ValueError as error:  # NUL, or a variable's name that cannot be one
        raise Cannot(errno.EINVAL, "%s: %s" % (shown(argv[0]), error)) from None


def spawn_or_fallback(
    argv: "list[bytes]",
    fallback: "list[bytes] | None",
    env: "dict[bytes, bytes]",
    fds: "tuple[int, int, int]",
    ignored: "list[int]",
) -> "tuple[int, bool]":
    """(pid, whether the fallback was run); Cannot if neither could be."""
    if fallback is not None and b"/" not in argv[0] and _has_empty(env.get(b"PATH", PATH)):
        return spawn(fallback, env, fds, ignored), True
    try:
        return spawn(argv, env, fds, ignored), False
    except Cannot as cannot:
        if fallback is None or cannot.number not in TRY_FALLBACK:
            raise
    return spawn(fallback, env, fds, ignored), True


def _has_empty(path: bytes) -> bool:
    """An empty element means the current directory to a shell, which then has to do the search."""
    return not path or b"::" in path or path.startswith(b":") or path.endswith(b":")


def open_log(path: bytes) -> int:
    """An fd that appends to a log, made 0600, its directories too if they are missing; Cannot."""
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC
    try:
        try:
            return posix.open(path, flags, 0o600)
        except FileNotFoundError:
            make_directories(path.rpartition(b"/")[0])
            return posix.open(path, flags, 0o600)
    except (OSError, ValueError) as error:
        raise Cannot(
            getattr(error, "errno", None) or errno.EINVAL, "cannot write the log %s: %s" % (shown(path), said(error))
        ) from None


def write_file(path: bytes, data: bytes) -> None:
    """Makes a file of these bytes, 0600, in place of one that is there; Cannot."""
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        fd = posix.open(path, flags, 0o600)
        try:
            left = memoryview(data)
            while left:
                left = left[posix.write(fd, left) :]
        finally:
            posix.close(fd)
    except (OSError, ValueError) as error:
        raise Cannot(
            getattr(error, "errno", None) or errno.EINVAL, "cannot write %s: %s" % (shown(path), said(error))
        ) from None


def make_directories(path: bytes) -> None:
    """Like `mkdir -p`, 0700; OSError."""
    try:
        posix.mkdir(path, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        parent = path.rpartition(b"/")[0]
        if not parent or parent == path:
            raise
        make_directories(parent)
        posix.mkdir(path, 0o700)


def said(error: Exception) -> str:
    """What the system says about an error, without the path that we name ourselves."""
    return getattr(error, "strerror", None) or str(error)


def shown(path: bytes) -> str:
    """Bytes as they go into a message."""
    return path.decode("utf-8", "surrogateescape")

"""Starts the keeper of a run as a process of its own, and ends what a dead one left behind.

Knows how a keeper is started and reached; what is said to it is `local.py`'s.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from functools import partial

from teamflow.core.named import NamedTuple
from teamflow.targets.keeper_files import Identity, identity, is_held, socket_path


class Child(NamedTuple):
    """A keeper that this process started and has to reap, and the socket to it."""

    pid: int
    sock: socket.socket


def spawn(run_dir: str, *, environ: Mapping[str, str], orphan_after: float | None) -> Child:
    """Starts a keeper and returns at once; what is written to the socket waits until the keeper reads it.

    Only while no keeper holds the run's lock. Its errors go to RUN_DIR/keeper.err. Raises OSError.
    """
    path = socket_path(run_dir, environ)
    # The listener is closed here once the keeper has its copy, or its death would leave us waiting in its queue.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        _bind(listener, path)
        sock = _dial(path)
        try:
            pid = _spawn(run_dir, path, listener.fileno(), environ=environ, orphan_after=orphan_after)
        except OSError:
            sock.close()
            raise
    return Child(pid, sock)


def dial(run_dir: str) -> socket.socket | None:
    """A connection to the living keeper, None while it is not reachable (just starting, or just gone)."""
    known = identity(run_dir)
    if known is None:
        return None
    try:
        return _dial(known.socket)
    except OSError:
        return None


def kill_keeper(run_dir: str) -> bool:
    """SIGKILL to a keeper that does not answer; False if it is not there (any more)."""
    from teamflow.keeper import proc

    known = identity(run_dir)
    return known is not None and is_held(run_dir) and _is_now(known) and proc.signal(known.pid, known.start, 9)


def reaped(pid: int) -> int | None:
    """The exit status of our keeper (negative: the signal), None while it lives or if it is not ours."""
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if done else None


def _is_now(known: Identity) -> bool:
    from teamflow.keeper import proc

    return known.boot == proc.boot_id()


def _bind(listener: socket.socket, path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(8)


def _dial(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


def _spawn(run_dir: str, path: str, listen_fd: int, *, environ: Mapping[str, str], orphan_after: float | None) -> int:
    import teamflow.keeper

    program = os.path.join(os.path.dirname(teamflow.keeper.__file__), "__main__.py")
    # A number that differs from the fd's own: dup2 onto itself would leave close-on-exec set with some C libraries.
    passed = 3 if listen_fd != 3 else 4
    orphan = "none" if orphan_after is None else f"{orphan_after:g}"
    argv = [sys.executable, "-I", "-S", program, run_dir, path, "--listen-fd", str(passed)]
    argv += ["--orphan-after", orphan]
    errors = os.path.join(run_dir, "keeper.err")
    actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_DUP2, listen_fd, passed),
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
    ]
    spawn = partial(
        os.posix_spawn,
        sys.executable,
        argv,
        environ,
        file_actions=actions,
        setsigmask=(),
        setsigdef=(signal.SIGINT, signal.SIGPIPE, signal.SIGTERM, signal.SIGHUP),
    )
    try:
        return spawn(setsid=True)
    except RuntimeError:  # setsid is not to be had here: the keeper makes its session itself
        return spawn()


def pauses(seconds: float) -> Iterator[float]:
    """Between looks at what is over at once as a rule, for so long: a quarter of a millisecond, then ever longer."""
    pause = 0.00025
    while seconds > 0:
        yield pause
        seconds -= pause
        pause = min(0.01, pause * 1.5)

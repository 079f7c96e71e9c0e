"""One git process: its input, its answer, and an error that names the command. Decides nothing about what to run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.workspaces.locking import held

LONGEST: Final = 600.0
"""Seconds that a git command may take that goes through a work tree."""
SHORT: Final = 60.0
"""Seconds for one that only looks at refs and writes them."""
_SHOWN: Final = 2000


class GitError(Exception):
    """A git command that failed, took too long or could not be started. `code`: its exit status, or None."""

    def __init__(self, words: Sequence[str], code: int | None, said: str) -> None:
        super().__init__(tuple(words), code, said)
        self.words = tuple(words)
        self.code = code
        self.said = said

    def __str__(self) -> str:
        return f"`git {' '.join(_plain(self.words))}` {self.said}"


class Answer(NamedTuple):
    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return os.fsdecode(self.out).strip()


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str,
    given: bytes = b"",
    allowed: Sequence[int] = (0,),
    longest: float = LONGEST,
) -> Answer:
    """Runs to the end. GitError: an exit status that is not `allowed`, no such program, more than `longest` seconds.

    It holds the locks that this thread holds: when we are killed, whoever comes next waits until it has ended, too.
    """
    try:
        process = subprocess.Popen(
            argv,
            env=env,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the runner: what git has begun, it ends
            pass_fds=held(),
        )
    except OSError as error:
        raise GitError(argv, None, f"could not be started: {error.strerror or error}") from error
    with process:
        try:
            out, err = process.communicate(given, timeout=longest)
        except subprocess.TimeoutExpired:
            raise GitError(argv, None, f"took more than {longest:.0f} s and was ended") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    said = os.fsdecode(err).strip()
    if process.returncode not in allowed:
        raise GitError(argv, process.returncode, f"exited {process.returncode}: {said[-_SHOWN:]}")
    return Answer(process.returncode, out, said)


def _plain(words: Sequence[str]) -> list[str]:
    """The words without the switches that all commands share."""
    rest = list(words[1:])
    while rest[:1] == ["-c"]:
        del rest[:2]
    return rest

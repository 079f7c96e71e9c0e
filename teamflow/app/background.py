"""Leaving the terminal for good, in the child that drives a detached run."""

from __future__ import annotations

import os


def leave_terminal(run_dir: str) -> None:
    """The child leaves the terminal: a session of its own, output into the run's directory."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(f"{run_dir}/runner.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, descriptor)
    os.close(null)
    os.close(log)

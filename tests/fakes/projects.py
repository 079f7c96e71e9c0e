"""Projects with a state directory, and processes around them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from teamflow.store.rows import NewRun
from teamflow.store.ulid import ulid

REPOSITORY = Path(__file__).parents[2]


def new_run(*, file: str = "team.yaml", inputs_digest: str = "d", plan: bytes = b"{}", at: float = 1000.0) -> NewRun:
    return NewRun(ulid(at, os.urandom(10)), "team", file, inputs_digest, "{}", plan, at)


def python(script: str, *arguments: object, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    """A Python process that can import teamflow and tests; pipes on all three."""
    return subprocess.Popen(
        [*before, sys.executable, "-c", script, *map(str, arguments)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], *, timeout: float = 30.0) -> str:
    """Its output, once it has ended well."""
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == 0, f"exit {process.returncode}\n{out}\n{err}"
    return out


def private_mounts() -> list[str] | None:
    """A command prefix under which a process may mount; None where the machine does not let us."""
    if shutil.which("unshare") is None:
        return None
    prefix = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    probe = subprocess.run([*prefix, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    return prefix if probe.returncode == 0 else None

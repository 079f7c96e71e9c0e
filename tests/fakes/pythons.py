"""Other versions of Python that are here."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def python_or_skip(minor: int) -> str:
    """The name of Python 3.`minor`; skips the test where it is not there, or is only a shim that finds none."""
    python = f"python3.{minor}"
    found = shutil.which(python) is not None
    if not found or subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{python} is not here")
    return python

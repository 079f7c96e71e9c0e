"""From a fresh clone: `./dev run` sets up and runs the example; what is missing is said. Slow: pip fetches packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def dev(clone: Path, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """`./dev WORDS` in a clone. The virtual environment that the tests themselves run in is left out."""
    left_out = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
    environ = {name: value for name, value in os.environ.items() if name not in left_out}
    return subprocess.run(
        ["./dev", *words],
        cwd=clone,
        env={**environ, **changes},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tmp_path / "clone")], check=True)
    return tmp_path / "clone"


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
    path.chmod(0o755)


def externally_managed() -> str | None:
    """A Python that a system manages (PEP 668), new enough and with venv; None: there is none here."""
    code = (
        "import os, sys, sysconfig, venv, ensurepip\n"
        "managed = os.path.exists(os.path.join(sysconfig.get_path('stdlib'), 'EXTERNALLY-MANAGED'))\n"
        "sys.exit(not (managed and sys.version_info >= (3, 11) and sys.prefix == sys.base_prefix))"
    )
    for directory in ("/usr/bin", "/bin"):
        for name in ("python3", "python3.14", "python3.13", "python3.12", "python3.11"):
            path = f"{directory}/{name}"
            if os.path.exists(path) and subprocess.run([path, "-c", code], check=False, stderr=-3).returncode == 0:
                return path
    return None


def test_what_dev_does_without_a_verb(clone: Path) -> None:
    shown = dev(clone)
    assert "./dev run" in shown.stdout
    assert "./dev test" in shown.stdout
    assert not (clone / ".venv").exists()


def test_no_venv_module_is_said(clone: Path, tmp_path: Path) -> None:
    """As on Debian without python3-venv: the module `ensurepip` is not there."""
    program(tmp_path / "bin/python3", f'PYTHONPATH={tmp_path}/fake exec {sys.executable} "$@"')
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake/ensurepip.py").write_text("raise ImportError('not installed')\n", encoding="ascii")
    told = dev(clone, "run", PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    assert told.returncode == 3
    assert "no venv module" in told.stderr
    assert "python3-venv" in told.stderr
    assert not (clone / ".venv").exists()


def test_an_old_python_is_said(clone: Path, tmp_path: Path) -> None:
    """No Python on PATH is new enough; `dirname` is all else that is there."""
    program(tmp_path / "bin/python3", 'case "$*" in *version_info*) exit 1 ;; esac; exit 0')
    dirname = shutil.which("dirname")
    assert dirname is not None
    (tmp_path / "bin/dirname").symlink_to(dirname)
    told = dev(clone, "run", PATH=str(tmp_path / "bin"))
    assert told.returncode == 3
    assert "3.11" in told.stderr
    assert "apt install" in told.stderr


@pytest.mark.slow
def test_one_command_sets_up_and_runs(clone: Path, tmp_path: Path) -> None:
    ran = dev(clone, "run", TEAMFLOW_VENV=str(tmp_path / "env"))
    assert ran.returncode == 0, ran.stderr
    assert "run 1 of hello: succeeded" in ran.stderr
    again = dev(clone, "shell", "status", TEAMFLOW_VENV=str(tmp_path / "env"))
    assert again.returncode == 0
    assert "5 steps: 5 succeeded" in again.stdout
    clean = subprocess.run(["git", "status", "--porcelain"], cwd=clone, check=True, capture_output=True, text=True)
    assert clean.stdout == ""


@pytest.mark.slow
def test_a_system_python_is_left_alone(clone: Path) -> None:
    """PEP 668: the environment is our own, so pip does not refuse."""
    python = externally_managed()
    if python is None:
        pytest.skip("no externally managed Python with venv on this machine")
    ran = dev(clone, "run", "ship", PYTHON=python)
    assert ran.returncode == 0, ran.stderr
    assert "run 1 of ship: succeeded" in ran.stderr
    assert "externally-managed" not in ran.stderr

"""Start-up is paid only for what is used: what each verb imports, as `python -X importtime` sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FILE = ("yaml", "pydantic", "jinja2", "networkx", "jsonschema")
"""What reading a team file needs."""
SCREEN = ("rich", "click")
LOOP = ("asyncio", "teamflow.keeper", "concurrent.futures.thread")
TEAM = """
agents:
  a: {command: cat x, reads: [x], cache: true}
  b: {command: cat x, reads: [x], cache: true, depends_on: [a]}
"""


def imported(project: Path, *words: str) -> set[str]:
    argv = [sys.executable, "-X", "importtime", "-m", "teamflow", *words]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=project, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose team has run once: the next run is cached, the one after that is certified."""
    root: Path = tmp_path_factory.mktemp("start")
    (root / "team.yaml").write_text(TEAM, encoding="utf-8")
    (root / "x").write_text("x\n", encoding="utf-8")
    assert set(LOOP[:1]) <= imported(root, "run")
    return root


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_imports_next_to_nothing(word: str, project: Path) -> None:
    found = imported(project, word)
    assert found & {*FILE, *SCREEN, *LOOP, "sqlite3", "json", "subprocess"} == set()
    assert len([name for name in found if name.startswith("teamflow")]) <= 4


def test_validate_plans_and_runs_nothing(project: Path) -> None:
    found = imported(project, "validate")
    assert (
        found & {*LOOP, "rich", "networkx", "jinja2", "sqlite3", "teamflow.core.events", "importlib.metadata"} == set()
    )


@pytest.mark.parametrize("verb", ["status", "runs", "logs", "events"])
def test_reading_a_run_reads_no_team_file(verb: str, project: Path) -> None:
    assert imported(project, verb) & {*FILE, *LOOP, "rich"} == set()


def test_a_run_with_nothing_to_do(project: Path) -> None:
    """Once by the compiled plan and the cache, then by the certificate: neither reads the file or starts a loop."""
    assert imported(project, "run") & {*FILE, *LOOP, "rich"} == set()
    found = imported(project, "run")
    assert found & {*FILE, *LOOP, *SCREEN} == set()
    assert "teamflow.app.fresh" in found

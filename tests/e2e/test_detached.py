"""`run -d`: what a detached runner records is there, also after others have opened and closed the same database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TEAM = """
agents:
  first: {command: "read line < gate", reads: [team.yaml], cache: true}
  second: {command: echo done, depends_on: [first]}
"""


def teamflow(*words: str, at: Path) -> str:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "teamflow", *words]
    done = subprocess.run(argv, cwd=at, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_readers_take_nothing_from_a_detached_runner(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(TEAM, encoding="utf-8")
    os.mkfifo(tmp_path / "gate")
    teamflow("run", "-d", at=tmp_path)
    for _ in range(3):  # the last one that closes a database without locks deletes its write-ahead log
        assert json.loads(teamflow("status", "--json", at=tmp_path))["status"] == "running"
    runner = json.loads(teamflow("status", "--json", at=tmp_path))["runner"]["pid"]
    held = [os.readlink(link) for link in Path(f"/proc/{runner}/fd").iterdir() if link.is_symlink()]
    assert not [path for path in held if path.endswith(" (deleted)") and ".teamflow" in path]
    (tmp_path / "gate").write_text("go\n", encoding="ascii")
    deadline = time.monotonic() + 60
    while json.loads(teamflow("status", "--json", at=tmp_path))["status"] == "running":
        assert time.monotonic() < deadline
    shown = json.loads(teamflow("status", "--json", at=tmp_path))
    assert [(step["id"], step["status"]) for step in shown["steps"]] == [
        ("first", "succeeded"),
        ("second", "succeeded"),
    ]
    kinds = [json.loads(line)["kind"] for line in teamflow("events", at=tmp_path).splitlines()]
    assert kinds[-1] == "RunEnded"

"""Streams of the real CLIs, replayed where there is no CLI, no login and no network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.project import Project
from tests.unit.engines.transcripts import load


def fixture_of(place: Path, engine: str, name: str, step: str) -> None:
    """A fixture made of a conversation with the real CLI."""
    transcript = next(each for each in load({"codex": "codex_sessions"}.get(engine, engine)) if each.name == name)
    place.mkdir()
    (place / "log").write_bytes(transcript.output)
    inputs = [
        json.dumps({"offset": offset, "data": text, "note": "message" if name == "steer" else "reply"})
        for offset, text in transcript.inputs
    ]
    (place / "told").write_text("".join(f"{line}\n" for line in inputs))
    brief = {key: getattr(transcript.brief, key) for key in ("prompt", "stem", "cwd", "step", "attempt", "context")}
    entry = {"engine": engine, "log": "log", "inputs": "told", "brief": brief, "exit": {"code": transcript.end.code}}
    (place / "manifest.json").write_text(json.dumps({"teamflow_recording": 1, "steps": {step: [entry]}}))


REAL = [
    ("claude", "recovered", None),
    ("claude", "steer", None),
    ("claude", "unauthorized", "auth"),
    ("codex", "a_turn_edits_says_and_is_counted-1", None),
    ("gemini", "unauthorized", "auth"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "name", "failure"), REAL)
def test_a_real_stream_needs_no_cli_no_login_and_no_network(
    tmp_path: Path, engine: str, name: str, failure: str | None
) -> None:
    team = {
        "agents": {"build": {"engine": engine, "prompt": "x", "permissions": "full" if name == "steer" else "edit"}}
    }
    project = Project(tmp_path, team)
    fixture_of(project.root / "fix", engine, name, "build")
    unshare = shutil.which("unshare")
    apart = [unshare, "-n", "-r"] if unshare is not None else []
    if apart and subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        apart = []
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "git").symlink_to(shutil.which("git") or "/usr/bin/git")
    for program in ("sh", "env"):
        (bare / program).symlink_to(shutil.which(program) or f"/bin/{program}")
    done = subprocess.run(
        [*apart, sys.executable, "-m", "teamflow", "run", "team.yaml", "--replay", "fix", "--progress", "plain"],
        cwd=project.root,
        env={**project.environ, "PATH": str(bare), "ANTHROPIC_API_KEY": "never", "OPENAI_API_KEY": "never"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    shown = project.status()
    assert shown.failures("build") == [failure], (done.stdout, done.stderr, shown.step("build"))
    player = json.loads((project.run_dir() / "logs" / "build.1.replay").read_text())
    assert player["log"] == str(project.root / "fix/log")
    assert os.path.getsize(project.run_dir() / "logs" / "build.1.log") == player["end"]

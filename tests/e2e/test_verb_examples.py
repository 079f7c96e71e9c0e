"""The three examples of every verb's help do what they say: each is typed into a shell, in a project made for it."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from teamflow.cli.toplevel import VERBS
from teamflow.store.rows import NewRun
from teamflow.store.sqlite import Database
from tests.e2e.tool import Done, Project, until

pytestmark = pytest.mark.slow

NUMBER: Final = 12
"""Of the run that lives, in the examples."""

TEAM = """
inputs: {issue: {type: string, default: "1"}}
limits: {max_parallel: 9}
defaults: {grace: 100ms}
engines:
  my-cli: {command: [sh, -c, "cat > /dev/null; test -e go || sleep 60; echo reviewed"]}
agents:
  build:
    matrix: {part: [api, web]}
    engine: scripted
    prompt: Build it.
    permissions: read
    script: build.yaml
  review: {engine: my-cli, prompt: Review it., permissions: read}
  test: {depends_on: [build], command: ./work agent 0}
  lint: {command: "test -e go || sleep 60"}
"""
ASKS = """
  ship: {ask: "Ship it?"}
  where: {ask: "Where to?", options: [staging, production]}
"""
SERVERS = '{"servers": {"docs": {"type": "http", "url": "https://docs.example.com/mcp"}}}'
NIGHTLY = """
agents:
  build: {matrix: {part: [api]}, command: ./work agent 0, timeout: 5m}
  lint: {depends_on: [build], command: "true"}
"""
SCRIPT = "- run: 'test -e go || sleep 60'\n- say: done\n"

WORKING = """
engines: {sh: {command: [sh, -s]}}
agents:
  build:
    matrix: {part: [api, web]}
    engine: sh
    workspace: {keep: always}
    prompt: "mkdir -p src && echo {{ matrix.part }} > src/{{ matrix.part }}.txt"
  lint: {command: "true"}
"""
RECORDED = """
inputs: {day: {type: integer, default: 1}}
defaults: {engine: scripted, permissions: read}
agents:
  build: {prompt: "Day {{ inputs.day }}", script: play.yaml, workspace: {mode: shared}}
  review: {prompt: Look., script: play.yaml, depends_on: [build]}
"""
TESTED = """
cases:
  a usage limit stops it:
    faults: {build: {"1": {usage_limit: {reset: 1m}}}}
    expect: {status: limited}
"""
TAKES = {"record", "test", "lock"}
"""Verbs whose examples are about a team of scripted agents that has run seven times."""
WORK = {"path", "diff", "merge"}
"""Verbs whose examples are about a run whose steps worked in worktrees."""

LIVE = {"status", "runs", "logs", "events", "why", "inbox", "answer", "approve", "cancel", "pause", "resume", "retry",
        "relaunch", "tell", "wait", "progress", "rm", "gc"}  # fmt: skip
"""Verbs whose examples are about a run that lives; the others' are about a project at rest."""

BEFORE: Final[Mapping[str, str]] = {
    "teamflow resume build/api": "teamflow pause build/api",
    "teamflow resume": "teamflow pause",
    "teamflow resume --all -r 12": "teamflow pause",
    "teamflow retry build/api": "teamflow cancel build/api && teamflow wait build/api",
    "teamflow retry --failed": "teamflow cancel build/api && teamflow wait build/api",
    "teamflow retry build --with-downstream": "teamflow cancel build && teamflow wait build",
    "teamflow wait build test": "touch go && teamflow relaunch build/api && teamflow relaunch build/web",
    "teamflow wait --any build --timeout 10m": "touch go && teamflow relaunch build/api",
}
"""What has to come first."""

ENDS: Final = {"teamflow status -w -r 12", "teamflow events -f", "teamflow wait -r 12", "teamflow logs build/api -f"}
"""They end when the run does."""

CODES: Final[Mapping[str, int]] = {
    'teamflow reject 12.1 --note "no tests"': 0,
    "teamflow wait -r 12": 1,  # it is cancelled
    "teamflow status -w -r 12": 0,
}


def examples() -> Iterator[tuple[str, str]]:
    for verb in VERBS.values():
        command = getattr(importlib.import_module(f"teamflow.cli.{verb.module}"), verb.module)
        assert len(command.examples) == 3
        yield from ((verb.name, line) for line, _ in command.examples)


def shell(project: Project, line: str, **env: str) -> Done:
    """The line as a person would type it, with `teamflow` on the PATH."""
    begun = time.monotonic()
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=project.root,
        env={**project.environ, "PATH": f"{project.root}/bin:/usr/local/bin:/usr/bin:/bin", **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)


def tool(project: Project) -> None:
    """`teamflow` on the PATH of `shell`."""
    (project.root / "bin").mkdir()
    path = project.root / "bin/teamflow"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -m teamflow "$@"\n')
    path.chmod(0o755)


def prepared(project: Project) -> None:
    """Eleven runs that nobody wants, and files that the examples name."""
    tool(project)
    (project.root / "teams").mkdir()
    for name, text in {"teams/nightly.yaml": NIGHTLY, "prompt.md": "Build.", "notes.md": "Mind the gap."}.items():
        project.write(name, text)
    (project.root / ".vscode").mkdir()
    project.write(".vscode/mcp.json", SERVERS)
    project.write(".mcp.json", SERVERS.replace("servers", "mcpServers"))
    first = shell(project, "git init -q && teamflow run nightly")
    assert first.code == 0, first
    with Database.open(str(project.root)) as database:
        plan = database.plan(1, 1)
        for number in range(2, NUMBER):
            made = database.create_run(NewRun(f"id{number}", "old", "old.yaml", "d", "{}", plan, 0.0))
            assert made.number == number
            database.append(number, database.rows(1))


def worked(project: Project) -> None:
    """Three runs in a repository with a commit."""
    (project.root / ".gitignore").write_text(".teamflow/\nbin/\n")
    who = "git -c user.name=Ana -c user.email=ana@example.org"
    done = shell(project, f"git init -q -b main && git add -A && {who} commit -q -m first")
    assert done.code == 0, done
    for _ in range(3):
        done = shell(project, "teamflow run --new")
        assert done.code == 0, done


@pytest.mark.parametrize(("verb", "line"), [(verb, line) for verb, line in examples() if verb in WORK])
def test_an_example_about_work(verb: str, line: str) -> None:
    with Project(WORKING) as project:
        tool(project)
        worked(project)
        assert shell(project, "git status --porcelain").out == ""
        done = shell(project, line)
        assert (done.code, done.err) == (0, ""), done
        if "git apply" in line:
            assert (project.root / "src/api.txt").read_text() == "api\n"
        elif verb != "merge":
            assert "build--api" in done.out or "src/api.txt" in done.out or line == "teamflow path lint -r 3"
        else:
            assert "merged into main" in done.out
            assert (project.root / "src/web.txt").exists() == ("build/web" in line)


@pytest.mark.parametrize(("verb", "line"), [(verb, line) for verb, line in examples() if verb in TAKES])
def test_an_example_about_recordings(verb: str, line: str) -> None:
    files = {"play.yaml": "- say: done\n", "team.test.yaml": TESTED}
    with Project(RECORDED, files=files) as project:
        (project.root / "teams").mkdir()
        project.write("teams/nightly.yaml", RECORDED)
        project.write("teams/play.yaml", "- say: done\n")
        tool(project)
        for _ in range(7 if verb == "record" else 1):
            assert shell(project, "teamflow run --new").code == 0
        if "--locked" in line:
            assert shell(project, "teamflow lock").code == 0
        done = shell(project, line)
        assert done.code == 0, done


@pytest.mark.parametrize(("verb", "line"), [(verb, line) for verb, line in examples() if verb not in WORK | TAKES])
def test_an_example(verb: str, line: str) -> None:
    live = verb in LIVE or (verb == "reject" and "run" not in line.split())
    with Project(TEAM + (ASKS if live else ""), files={"build.yaml": SCRIPT}) as project:
        prepared(project)
        env: dict[str, str] = {}
        if live:
            done = shell(project, "teamflow run -d")
            assert done.code == 0, done
            until(lambda: project.statuses(NUMBER).get("build/api") == "running", "the run lives")
            until(lambda: set(project.asked(NUMBER)) == {"ship", "where"}, "it asks")
        else:
            project.write("go", "")
        if verb == "progress":
            env = {"TEAMFLOW_PROJECT": str(project.root), "TEAMFLOW_RUN": "12", "TEAMFLOW_STEP": "lint"}
            env["TEAMFLOW_ATTEMPT"] = "1"
        if line in BEFORE:
            shell(project, BEFORE[line])
        if line in ENDS:
            threading.Timer(0.7, lambda: shell(project, "teamflow cancel --all -r 12")).start()
        if verb == "watch":
            line = f"timeout -s INT 5 {line}"
        if line == "teamflow init --template review":
            line = "mkdir new && cd new && " + line
        if line == "teamflow init":
            Path(project.root / "team.yaml").unlink()
        done = shell(project, line, **env)
        if verb == "watch":
            assert done.code in (0, 124, 130), done
            assert "watching" in done.err, done
            return
        assert done.code == CODES.get(line, 0), done
        assert "Traceback" not in done.err
        if live:
            shell(project, "teamflow cancel --all -r 12")
            assert project.gone()

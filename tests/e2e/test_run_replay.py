"""`run --replay`: a whole team played back without any agent, and what a replay is not counted for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, Shown
from tests.e2e.tool import until

TEAM = """
limits: {on_usage_limit: wait, budget: {day: {usd: 100}}}
secrets: {TOKEN: {env: TOKEN}}
hooks: {after_run: "echo told > hooked"}
defaults: {engine: scripted, permissions: edit, retry: {delay: 1h}, continue_on_error: true}
agents:
  plan: {prompt: go, script: plan.yaml, secrets: [TOKEN], outputs: {n: integer}, permissions: {run: [ls]}}
  build: {prompt: "{{ agents.plan.outputs.n }}", script: build.yaml, verify: [cat made], workspace: {mode: worktree}}
  limited: {prompt: x, script: limited.yaml}
  killed: {prompt: x, script: killed.yaml, retry: {attempts: 1}}
  late: {prompt: x, script: late.yaml, timeout: 300ms, grace: 50ms, retry: {attempts: 1}}
  ship: {ask: "ship it?", depends_on: [build]}
  count: {command: "cat made; cat made >> ../../../../counted", workspace: {mode: worktree}, depends_on: [build, ship]}
outputs: {n: agents.plan.outputs.n}
"""
FILES = {
    "plan.yaml": """
- attempt:
    "1": [{usage: {usd: 0.5, input_tokens: 7}}, {say: no json}]
    "2": [{usage: {usd: 0.25}}, {ask_leave: {run: make}}, {stderr: aside}, {outputs: {n: 3}}]
""",
    "build.yaml": """
- attempt:
    "1": [{say: not yet}]
    "2": [{write: {path: made, text: "made\\n"}}, {say: built}]
""",
    "limited.yaml": """
- attempt:
    "1": [{fail: {class: transient, reason: later}}]
    "2": [{say: now}]
""",
    "killed.yaml": "- say: on\n- signal: SIGKILL\n",
    "late.yaml": "- say: on\n- hang\n",
}
TOKEN = "a-secret-of-many-letters"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A run with everything in it, in the way in which people answer while it waits."""
    team = TEAM.replace("delay: 1h", "delay: 10ms")
    project = Project(tmp_path_factory.mktemp("replay"), team, files=FILES, git=True)
    project.git("add", ".")
    project.git("commit", "-qm", "a")
    env = {"TOKEN": TOKEN}
    project.run(env=env).expect(5)
    asked = [question["id"] for question in project.status().data["questions"]]
    for question in asked:
        project.call("approve", question, "--note", "good", env=env)
    project.run(env=env)
    (project.root / "team.yaml").write_text(TEAM)
    project.git("commit", "-qam", "delays of an hour")
    return project


def came_to(shown: Shown) -> dict[str, Any]:
    """Of a run, whatever its number and times. What failed before the run was gone on with is void."""
    return {
        name: (
            step["status"],
            [attempt["failure"] for attempt in _last_life(step)],
            step["text"],
            step["outputs"],
            [attempt["usage"] for attempt in _last_life(step)],
        )
        for name, step in shown.steps.items()
    }


def _last_life(step: dict[str, Any]) -> list[Any]:
    attempts = step["attempts"]
    return attempts[-1:] if step["id"] in ("late", "killed") else attempts


def test_a_whole_team_comes_to_the_same(recorded: Project) -> None:
    first = recorded.status(1)
    done = recorded.run("--replay", "1")
    number = int(recorded.status().data["run"])
    again = recorded.status()
    assert again.data["replay"] == "run 1"
    assert f"run {number} of team, a replay of run 1: " in done.out + done.err
    assert came_to(again) == came_to(first)
    assert again.data["outputs"] == first.data["outputs"] == {"n": 3}
    assert again.failures("plan") == ["output", None]
    assert again.failures("build") == ["verify", None]
    assert again.failures("late") == ["timeout"]
    assert again.failures("killed") == ["crash"]
    assert recorded.log("plan", 2, run=number) == recorded.log("plan", 2)
    assert (recorded.run_dir(number) / "logs/plan.2.err").read_text() == "aside\n"
    assert "ship: succeeded" in done.said
    assert "good" in done.said, "the answer has its note"


@pytest.mark.slow
def test_it_is_no_run_of_its_file(recorded: Project) -> None:
    recorded.run("--replay", "1")
    number = int(recorded.status().data["run"])
    assert not recorded.exists("hooked") or recorded.lines("hooked") == ["told"]
    refused = recorded.call("run", "--go-on-with", str(number)).expect(2)
    assert f"run {number}: no agent goes on with it" in refused.said
    assert "is a replay itself" in recorded.call("run", "--replay", str(number)).expect(2).said
    with_file = recorded.call("plan", env={"TOKEN": TOKEN})
    assert f"run {number}" not in with_file.said


@pytest.mark.slow
def test_nothing_is_spent_and_nobody_told(recorded: Project) -> None:
    import sqlite3

    with sqlite3.connect(recorded.root / ".teamflow/state.db") as database:
        before = database.execute("SELECT * FROM spending").fetchall()
    recorded.run("--replay", "1")
    with sqlite3.connect(recorded.root / ".teamflow/state.db") as database:
        assert database.execute("SELECT * FROM spending").fetchall() == before
    assert "0.75" in recorded.call("status").out, "it is shown as it was"


@pytest.mark.slow
def test_a_team_file_is_played_with_its_own_route(recorded: Project) -> None:
    (recorded.root / "other.yaml").write_text(
        TEAM.replace("retry: {delay: 1h}", "retry: {attempts: 1}") + "\nname: other\n"
    )
    recorded.run("other.yaml", "--replay", "1")
    shown = recorded.status()
    assert shown.failures("build") == ["verify"], "it may try once now"
    (recorded.root / "more.yaml").write_text(
        TEAM.replace("verify: [cat made]", "verify: [cat made, 'false'], retry: {attempts: 4}")
    )
    recorded.run("more.yaml", "--replay", "1")
    reason = recorded.status().step("build")["reason"]
    assert reason == "replay: run 1 has 2 attempts of build, and one more is asked for"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--replay", "99"], "there is no run 99"),
        (["--replay", "nowhere"], "there is no such directory"),
        (["--replay", ".teamflow"], "manifest.json: No such file"),
        (["--replay", "1", "ship"], "name its team file to select steps"),
        (["--replay", "1", "-i", "x=1"], "name its team file to give others"),
        (["--replay", "1", "--force", "build"], "leave it out"),
        (["--replay", "1", "--watch"], "leave --watch out"),
    ],
)
def test_what_cannot_be_replayed_is_refused(recorded: Project, words: list[str], said: str) -> None:
    assert said in recorded.refused("run", *words).said


def damaged(recorded: Project, name: str, data: bytes | None) -> Shown:
    """A replay of run 1 with this in place of one of its files."""
    path = recorded.run_dir(1) / "logs" / name
    kept = path.read_bytes()
    path.unlink() if data is None else path.write_bytes(data)
    try:
        recorded.run("--replay", "1")
        return recorded.status()
    finally:
        path.write_bytes(kept)


@pytest.mark.slow
def test_files_that_are_gone_or_damaged(recorded: Project) -> None:
    gone = damaged(recorded, "plan.2.log", None)
    assert gone.step("plan")["status"] == "succeeded", "what it came to is known without"
    cut = damaged(recorded, "plan.2.log", b"{")
    assert "what attempt 2 of plan printed is not whole any more" in cut.step("plan")["reason"]
    for data in (b"", b"\0\xff", b"[]\n", b"3\n", b'{"n": "x", "data": 3}\n', b'{"offset": -5, "data": "x"}\n'):
        shown = damaged(recorded, "plan.2.in.log", data)
        assert shown.step("plan")["status"] in ("succeeded", "failed", "waiting"), data
        shown = damaged(recorded, "plan.2.brief.json", data)
        assert shown.step("plan")["status"] == "succeeded", data


@pytest.mark.slow
def test_a_fixture_plays_the_same_elsewhere(recorded: Project, tmp_path: Path) -> None:
    env = {"USER": "mallory", "LOGNAME": "mallory"}
    told = recorded.call("record", "1", "-o", "fix", env=env).expect(0)
    assert told.err.startswith("fix: 8 attempts of 5 steps")
    assert "is as it was" in recorded.call("record", "1", "-o", "fix", env=env).expect(0).said
    fixture = recorded.root / "fix"
    for path in fixture.iterdir():
        data = path.read_bytes()
        for word in (TOKEN, str(recorded.root), str(recorded.place / "home"), "mallory"):
            assert word.encode() not in data, (path.name, word)
    other = Project(tmp_path, git=True)
    other.git("commit", "-qm", "a", "--allow-empty")
    shutil.copytree(fixture, other.root / "fix")
    other.git("add", ".")
    other.git("commit", "-qm", "b")
    other.run("--replay", "fix", env={"PATH": "/usr/bin:/bin"})
    first = recorded.status(1)
    assert came_to(other.status()) == came_to(first)
    # Two steps of it, and what lies there already.
    assert "holds another recording" in recorded.call("record", "1", "plan", "-o", "fix").expect(2).said
    recorded.call("record", "1", "plan", "-o", "fix", "--force").expect(0)
    other_run = recorded.run("--replay", "fix")
    assert "fix has no attempt of build" in other_run.said
    recorded.write("busy/file", "x")
    assert "holds something else" in recorded.call("record", "1", "-o", "busy").expect(2).said
    assert "there is no step" in recorded.call("record", "1", "nobody", "-o", "new").expect(2).said
    shutil.rmtree(fixture)


CHANGES: list[tuple[Any, str]] = [
    (b"", "manifest.json is no JSON"),
    (b"[" * 100_000, "manifest.json is no JSON"),
    ({}, "does not say teamflow_recording"),
    ({"teamflow_recording": 99}, "has format 99"),
    ({"teamflow_recording": 1, "steps": []}, "steps is no map"),
    ({"teamflow_recording": 1, "steps": {"a": [3]}}, "steps.a[0] is no map"),
    ({"teamflow_recording": 1, "steps": {"a": [{}]}}, "neither log nor result"),
    ({"teamflow_recording": 1, "steps": {"a": [{"log": "../../etc/passwd"}]}}, "names no file of the recording"),
    ({"teamflow_recording": 1, "steps": {"a": [{"log": "/etc/passwd"}]}}, "names no file of the recording"),
    ({"teamflow_recording": 1, "steps": {"a": [{"log": "link"}]}}, "link is not there"),
    ({"teamflow_recording": 1, "steps": {"a": [{"log": ".."}]}}, "names no file of the recording"),
    ({"teamflow_recording": 1, "steps": {"a": [{"log": "log", "exit": {"code": 900}}]}}, "is no exit code"),
    ({"teamflow_recording": 1, "steps": {"a": [{"log": "log", "exit": {"signal": 0}}]}}, "is no signal"),
    ({"teamflow_recording": 1, "steps": {"a": [{"log": "log", "inputs": "back"}]}}, "back:2: offsets do not go back"),
    ({"teamflow_recording": 1, "steps": {"a": [{"log": "log", "inputs": "log"}]}}, "log:1 is no JSON"),
    ({"teamflow_recording": 1, "steps": {"a": [{"result": {"failure": "x"}}]}}, "'x' is no failure class"),
    ({"teamflow_recording": 1, "faults": {"a": {"x": {}}}}, "'x' is no number of an attempt"),
    ({"teamflow_recording": 1, "faults": {"a": {"9" * 5000: {}}}}, "is no number of an attempt"),
    ({"teamflow_recording": 1, "answers": [3]}, "answers[0] is no map"),
    ({"teamflow_recording": 1, "answers": [{"nth": "x"}]}, "answers[0].nth is no number"),
    ({"teamflow_recording": 1, "answers": [{"nth": []}]}, "answers[0].nth is no number"),
    ({"teamflow_recording": 1, "plan": "log"}, "log: "),
    ({"teamflow_recording": 1}, "it has no plan of its own"),
]


@pytest.mark.parametrize(("manifest", "said"), CHANGES)
def test_damaged_fixtures_are_refused(recorded: Project, tmp_path: Path, manifest: Any, said: str) -> None:
    data = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    (tmp_path / "manifest.json").write_bytes(data)
    (tmp_path / "log").write_text("no\n")
    (tmp_path / "back").write_text('{"offset": 5}\n{"offset": 4}\n')
    (tmp_path / "link").symlink_to("/etc/passwd")
    done = recorded.refused("run", "--replay", str(tmp_path))
    assert said in done.said
    assert "Traceback" not in done.said


@pytest.mark.slow
def test_what_people_said_while_it_worked_is_said_again(tmp_path: Path) -> None:
    team = {"agents": {"a": {"engine": "scripted", "prompt": "x", "script": "s.yaml", "permissions": {"run": ["ls"]}}}}
    script = "- ask_leave: {run: make all}\n- listen: 50s\n- ask_leave: {run: make more}\n- say: done\n"
    project = Project(tmp_path, team, files={"s.yaml": script})
    project.call("run", "-d").expect(0)
    until(lambda: project.exists(".teamflow") and project.status().data["questions"], "it asks")
    project.call("approve", "1.1", "--note", "go").expect(0)
    project.call("tell", "a", "faster").expect(0)
    until(lambda: len(project.status().data["questions"]) == 2, "it asks again")
    project.call("reject", "1.2", "--note", "enough").expect(0)
    project.call("wait").expect(0)
    first = project.log("a")
    assert "faster" in first
    # Nobody is there to be asked, and nobody is; then somebody is, and is not.
    project.run("--replay", "1").expect(0)
    assert project.log("a", run=2) == first
    project.call("run", "-d", "--replay", "1").expect(0)
    project.call("wait", "-r", "3").expect(0)
    shown = project.status()
    assert project.log("a", run=3) == first
    assert [(each["answer"], each["note"]) for each in shown.data["questions"]] == [
        ("approve", "go"),
        ("reject", "enough"),
    ]
    project.call("record", "1", "-o", "fix").expect(0)
    project.run("--replay", "fix").expect(0)
    assert project.log("a", run=4) == first


def test_what_a_setup_prints_is_none_of_the_agent_s_output(tmp_path: Path) -> None:
    """It goes into the same log, in a replay as it did then."""
    team = """
agents:
  a:
    prompt: x
    engine: scripted
    script: a.yaml
    workspace: {mode: worktree, setup: "seq 2000"}
    permissions: {run: [ls]}
    outputs: {n: integer}
"""
    script = "- usage: {usd: 0.5}\n- ask_leave: {run: make}\n- outputs: {n: 3}\n"
    project = Project(tmp_path, team, files={"a.yaml": script}, git=True)
    project.git("add", ".")
    project.git("commit", "-qm", "a")
    project.run("--no-input").expect(0)
    then = project.status()
    project.run("--replay", "1").expect(0)
    again = project.status()
    assert again.data["replay"] == "run 1"
    assert came_to(again) == came_to(then)
    sessions = [[attempt["session"] for attempt in one.step("a")["attempts"]] for one in (then, again)]
    assert sessions[0] == sessions[1] != [None]

"""Guards with real processes: each stops work that goes round in circles, says why, and asks."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, finish, proves
from tests.e2e.test_run_limits import begun, wait_until

HEAD = "defaults: {engine: scripted, permissions: read, workspace: {mode: shared}, grace: 100ms}\nagents:\n"


def question(made: Project) -> dict[str, Any]:
    """The one that is open."""
    (item,) = json.loads(made.call("inbox", "--json").expect(0).out)["items"]
    found: dict[str, Any] = item
    return found


def asked(made: Project) -> str:
    item = question(made)
    assert item["kind"] == "guard"
    assert item["options"] == ["go on", "stop"]
    return str(item["text"])


@proves(agent=["guards", "guards.same_failure"])
def test_the_same_failure_is_asked_about_and_stop_fails_it(tmp_path: Path) -> None:
    step = "  work: {prompt: x, script: s.yaml, retry: {attempts: 9, delay: 1ms}, guards: {same_failure: 2}}\n"
    made = Project(tmp_path, HEAD + step, files={"s.yaml": "- {exit: 3}\n"})
    made.run().expect(5)
    assert len(made.status().step("work")["attempts"]) == 2
    assert "it has failed 2 times in the same way" in asked(made)
    made.call("answer", question(made)["id"], "stop").expect(0)
    made.run().expect(1)
    assert made.status().step("work")["failure"] == "rejected"


@pytest.mark.slow
@proves(agent=["guards.turns"])
def test_turns_are_counted_and_go_on_continues_the_session(tmp_path: Path) -> None:
    says = "".join(f"- {{say: turn {n}}}\n- {{sleep: 300ms}}\n" for n in range(12))
    step = "  work: {prompt: x, script: s.yaml, guards: {turns: 3}}\n"
    made = Project(tmp_path, HEAD + step, files={"s.yaml": says})
    with begun(made, "--watch") as process:
        wait_until(lambda: made.call("inbox", "--json").out.count('"guard"') == 1)
        assert asked(made).startswith("it has taken 3 turns and begins another (guards.turns)")
        made.call("answer", question(made)["id"], "go on").expect(0)
        wait_until(lambda: len(made.status().step("work")["attempts"]) == 2)
        second = made.status().step("work")["attempts"][1]
        assert (second["cause"], second["continues"]) == ("resume", 1)
        process.send_signal(signal.SIGINT)
        finish(process)


@pytest.mark.slow
@proves(agent=["guards.calls"], team=["engines.*.calls"])
def test_tool_calls_are_counted(tmp_path: Path) -> None:
    team = """
engines: {cli: {command: [sh], output: json-lines, message: text, calls: tool}}
agents:
  work:
    engine: cli
    permissions: read
    prompt: 'for n in 1 2 3 4 5 6 7 8 9; do echo "{\\"tool\\": {\\"name\\": \\"ls\\"}}"; sleep 0.3; done; exit 0'
    guards: {calls: 2}
"""
    made = Project(tmp_path, team)
    made.run().expect(5)
    assert asked(made).startswith("it has made 2 tool calls and begins another (guards.calls)")


@pytest.mark.slow
@proves(agent=["guards.no_progress"])
def test_output_without_anything_new_is_no_progress(tmp_path: Path) -> None:
    """Endless identical calls, and plain silence."""
    team = (
        f"{HEAD}  calls: {{prompt: x, script: again.yaml, guards: {{no_progress: 3s}}}}\n"
        "  silent: {prompt: x, script: silent.yaml, guards: {no_progress: 3s}}\n"
        "  plain: {command: sleep 60, guards: {no_progress: 3s}, retry: {attempts: 2}}\n"
    )
    again = "- {run: 'true'}\n- {sleep: 200ms}\n" * 40
    made = Project(tmp_path, team, files={"again.yaml": again, "silent.yaml": "- {sleep: 60s}\n"})
    made.run("--max-parallel", "3").expect(5)
    items = json.loads(made.call("inbox", "--json").expect(0).out)["items"]
    texts = {item["step"]: item["text"] for item in items}
    assert "no new message or tool call for 3 s" in texts["calls"]
    assert " for 3 s (guards.no_progress)" in texts["silent"]
    assert texts["plain"].startswith("no output and no changed file for 3 s (guards.no_progress)")


@pytest.mark.slow
@proves(agent=["guards.ping_pong"])
def test_two_that_only_talk_to_each_other(tmp_path: Path) -> None:
    team = """
engines: {cli: {command: [sh], inherit_env: [PYTHON, PYTHONPATH]}}
defaults: {engine: cli, permissions: read, grace: 100ms, guards: {ping_pong: 4}}
agents:
  a: {prompt: 'LOOP b hm; done'}
  b: {prompt: 'LOOP a hm; done'}
""".replace("LOOP", 'while sleep 0.3; do "$PYTHON" -m teamflow tell')
    made = Project(tmp_path, team)
    with made.popen("run", "--max-parallel", "2", "--progress", "plain", env={"PYTHON": sys.executable}) as process:
        try:
            wait_until(lambda: '"guard"' in made.call("inbox", "--json").out, 60.0)
            assert "have told each other something 4 times in turn (guards.ping_pong)" in asked(made)
        finally:
            process.terminate()
            said = finish(process)
    assert "a tells b: hm" in said.said


@pytest.mark.slow
@proves(agent=["guards.same_findings"])
def test_a_loop_that_repeats_its_findings(tmp_path: Path) -> None:
    team = f"""{HEAD}
  build: {{command: date +%N > made, writes: [made]}}
  review:
    prompt: x
    script: s.yaml
    depends_on: [build]
    outputs: {{ok: boolean, why: string}}
    loop: {{until: outputs.ok, max: 9, rework: build}}
    guards: {{same_findings: 2}}
"""
    says = """- {say: '{"ok": false, "why": "the parser, line 12"}'}\n"""
    made = Project(tmp_path, team, files={"s.yaml": says})
    made.run().expect(5)
    assert asked(made).startswith("it has found the same in 2 rounds one after the other")
    assert len(made.status().step("build")["attempts"]) == 2


@pytest.mark.slow
def test_a_frozen_attempt_makes_no_progress_and_is_not_asked_about(tmp_path: Path) -> None:
    says = "".join(f"- {{say: turn {n}}}\n- {{sleep: 300ms}}\n" for n in range(8))
    step = "  work: {prompt: x, script: s.yaml, guards: {no_progress: 1500ms}}\n"
    made = Project(tmp_path, HEAD + step, files={"s.yaml": says})
    with begun(made) as process:
        log = made.run_dir() / "logs" / "work.1.log"
        wait_until(lambda: log.exists() and "turn 2" in log.read_text())
        made.call("pause", "--freeze", "work").expect(0)
        wait_until(lambda: made.status().step("work")["status"] == "waiting")
        made.call("wait", "work", "--timeout", "2500ms").expect(124)
        made.call("resume", "work").expect(0)
        assert finish(process).code == 0
    assert len(made.status().step("work")["attempts"]) == 1

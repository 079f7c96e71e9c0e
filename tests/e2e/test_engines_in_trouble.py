"""Engines that the team file defines, in trouble and over time: failure classes, dead runners, new definitions."""

from __future__ import annotations

import hashlib
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.project import Project, finish

# -- what goes wrong ------------------------------------------------------------------------------------------------

BAD = """
engines:
  json: {command: [sh], output: json, message: text, error: error, prompt: stdin}
  lines: {command: [sh], output: json-lines, message: text, session: id, resume: [-s, "{{ session }}"]}
  text: {command: [sh]}
  missing: {command: [no-such-program], output: json, message: text}
defaults: {permissions: read, continue_on_error: true, retry: {attempts: 1, delay: 10ms}}
agents:
  rubbish: {engine: json, prompt: 'echo "[warn] {"; echo "{\\"text\\": \\"ok\\"}"; echo bye'}
  empty: {engine: json, prompt: "true"}
  words: {engine: json, prompt: "echo all done"}
  cut: {engine: json, prompt: 'printf "{\\"text\\": \\"o"'}
  nothing: {engine: json, prompt: 'echo "{\\"text\\": null}"'}
  stderr: {engine: json, prompt: 'echo "{\\"text\\": \\"x\\"}" >&2'}
  huge: {engine: json, prompt: 'head -c 18000000 /dev/zero | tr "\\000" " "; echo "{}"'}
  code: {engine: json, prompt: 'echo "{\\"text\\": \\"x\\"}"; exit 9'}
  killed: {engine: json, prompt: 'echo "{\\"text\\": \\"x\\"}"; kill -9 $$'}
  bytes: {engine: lines, prompt: 'head -c 3000000 /dev/urandom; echo; echo "{\\"text\\": \\"ok\\"}"'}
  slow: {engine: lines, prompt: 'echo "{\\"id\\": \\"s1\\"}"; sleep 60', timeout: 4s, grace: 100ms}
  idle: {engine: text, prompt: "echo x; sleep 60", idle_timeout: 300ms, grace: 100ms}
  option: {engine: lines, prompt: 'echo "{\\"id\\": \\"--help\\", \\"text\\": \\"x\\"}"'}
  missing: {engine: missing, prompt: x}
  given: {command: "echo '{\\"o\\": {}}'", outputs: {o: object}}
  unset: {engine: text, prompt: "{{ agents.given.outputs.o.x }}", workspace: {setup: "true"}}
"""
WORSE = {
    "empty": ("crash", "with no output"),
    "words": ("crash", 'no JSON in its output, which begins "all done"'),
    "cut": ("crash", "JSON that is cut off"),
    "nothing": ("crash", "nothing at text"),
    "stderr": ("crash", "with no output"),
    "huge": ("fatal", "16MiB"),
    "code": ("exit", "exited 9"),
    "killed": ("crash", "SIGKILL"),
    "slow": ("timeout", "4s"),
    "idle": ("idle", "300ms"),
    "missing": ("start", "not found"),
    "unset": ("start", 'has no key "x"'),
}


@pytest.mark.slow
def test_each_way_to_fail_has_its_class(tmp_path: Path) -> None:
    project = Project(tmp_path, BAD)
    done = project.run("--max-parallel", "6").expect(0)
    shown = project.status()
    for step, (failure, words) in WORSE.items():
        assert shown.failures(step) == [failure], (step, shown.step(step))
        assert words in shown.step(step)["reason"], step
    assert shown.text("rubbish") == shown.text("bytes") == "ok"
    assert shown.step("slow")["attempts"][0]["session"] == "s1", "what is known of a session is kept"
    assert shown.step("option")["attempts"][0]["session"] is None, "it would be an option"
    assert "Traceback" not in done.said


@pytest.mark.slow
def test_a_large_prompt_arrives_by_stdin_and_by_file(tmp_path: Path) -> None:
    team = """
engines:
  stdin: {command: [sha256sum]}
  file: {command: [sha256sum], prompt: [--, "{{ prompt_file }}"]}
inputs: {much: string}
defaults: {permissions: read}
agents: {a: {engine: stdin, prompt: "{{ inputs.much }}"}, b: {engine: file, prompt: "{{ inputs.much }}"}}
"""
    text = "línea\n" * 140_000
    project = Project(tmp_path, team, files={"much.txt": text})
    project.run("-i", "much=@much.txt").expect(0)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert {project.status().text(step).split()[0] for step in ("a", "b")} == {digest}


# -- over time ------------------------------------------------------------------------------------------------------

ONE = """
engines:
  mine:
    command: [sh, mine.sh]
    output: json-lines
    message: text
    session: id
    resume: ["{{ session }}"]
  other: {command: [sh, -c, "cat >> other; echo done"]}
agents:
  a:
    engine: mine
    prompt: x
    permissions: read
    grace: 200ms
    retry: {attempts: 2, delay: 10ms}
    verify: ["test -e ok || { touch ok; false; }"]
  b: {engine: other, prompt: y, permissions: read}
"""
MINE = """
cat > /dev/null
echo "start ${1-new}" >> ran
echo '{"id": "s1"}'
echo ready > ready
while [ ! -e go ]; do sleep 0.02; done
echo '{"text": "done"}'
"""


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_session_outlives_its_runner(tmp_path: Path, number: signal.Signals) -> None:
    project = Project(tmp_path, ONE, files={"mine.sh": MINE})
    process = project.popen("run", "--progress", "plain")
    until(lambda: project.exists("ready"))
    process.send_signal(number)
    finish(process)
    project.write("go", "")
    project.run().expect(0)
    shown = project.status()
    causes = [attempt["cause"] for attempt in shown.step("a")["attempts"]]
    if number is signal.SIGKILL:
        assert causes == ["first", "retry"], "the attempt was adopted; what failed was its verify"
        assert project.lines("ran") == ["start new", "start s1"]
    else:
        assert causes == ["first", "resume", "retry"]
        assert project.lines("ran") == ["start new", "start s1", "start s1"]
    assert {attempt["session"] for attempt in shown.step("a")["attempts"]} == {"s1"}
    assert shown.text("a") == "done"


@pytest.mark.slow
def test_redefining_an_engine_runs_its_steps_again_and_no_others(tmp_path: Path) -> None:
    project = Project(tmp_path, ONE, files={"mine.sh": MINE, "go": "", "fail": ""})
    team = ONE + "  c: {command: test ! -e fail, depends_on: [a, b]}\n"
    project.team(team)
    project.run().expect(1)
    (project.root / "fail").unlink()
    project.team(team.replace("cat >> other; echo done", "cat >> other; echo again"))
    planned = {step["id"]: (step["action"], step["reason"]) for step in project.plan()["steps"]}
    assert planned["b"] == ("run", "definition changed: engine")
    assert planned["a"][0] != "run"
    project.run().expect(0)
    assert project.status().text("b") == "again"
    assert project.read("other") == "yy"
    assert project.lines("ran") == ["start new", "start s1"]


@pytest.mark.slow
def test_a_cached_step_is_found_until_its_engine_changes(tmp_path: Path) -> None:
    team = """
engines: {mine: {command: [sh, -c, "echo ran >> ran; cat"]}}
agents: {a: {engine: mine, prompt: x, permissions: read, cache: true, reads: [src]}}
outputs: {a: agents.a.text}
"""
    project = Project(tmp_path, team, files={"src": "1"})
    for _ in range(2):
        project.run("--new").expect(0)
    assert project.lines("ran") == ["ran"]
    assert project.status().text("a") == "x"
    project.team(team.replace("; cat", "; cat; echo"))
    project.run("--new").expect(0)
    assert project.lines("ran") == ["ran", "ran"]

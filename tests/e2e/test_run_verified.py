"""`skip_if_verified`: verify looks first, once; green means that nothing is started and nothing is spent."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.e2e.project import Project, finish, proves

TEAM = """
defaults: {engine: scripted, script: work.yaml, workspace: {mode: shared}, retry: {delay: 10ms}}
agents:
  green:
    prompt: Do it.
    verify: [test -e there, 'echo looked >> looks']
    skip_if_verified: true
    outputs: {file: {file: there}}
  red:
    prompt: Do it.
    workspace: {setup: echo setup >> setups}
    verify: ['echo look >> red-looks', 'test -e red-done', 'test -e there']
    skip_if_verified: true
    env: {FILE: red-done}
  no-file:
    prompt: Do it.
    verify: [test -e there]
    skip_if_verified: true
    outputs: {file: {file: made}}
    env: {FILE: made}
  after: {depends_on: [green], env: {TEXT: "{{ agents.green.text }}"}, command: 'echo "$TEXT" > told'}
"""
WORK = "- usage: {usd: 1}\n- run: 'echo x > \"$FILE\"'\n- say: worked\n"


@pytest.mark.slow
@proves(agent=["skip_if_verified"])
def test_what_is_verified_already_is_not_started(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM, files={"there": "", "work.yaml": WORK})
    done = project.run().expect(0)
    shown = project.status()
    assert set(shown.statuses.values()) == {"succeeded"}
    green = shown.step("green")
    assert green["reason"] == "verified already: nothing was started"
    assert [attempt["phase"] for attempt in green["attempts"]] == ["check.2"]
    assert green["outputs"] == {"file": "there"}, "declared files are still handed on"
    assert green["usage"] == {"input_tokens": 0, "output_tokens": 0, "usd": 0.0}
    assert project.lines("looks") == ["looked"], "once"
    assert project.read("told") == "verified already: nothing was started\n"
    assert shown.step("red")["attempts"][0]["phase"] == "verify.3"
    assert project.lines("red-looks") == ["look", "look"], "once before, once after"
    assert project.lines("setups") == ["setup"]
    assert shown.step("no-file")["attempts"][0]["phase"] == "verify.1", "green, but what it hands on was not there"
    assert shown.data["usage"]["usd"] == 2
    assert "verified already: nothing was started" in done.err
    assert "red: goes on with setup" in done.err
    assert "verified already: nothing was started" in project.why("green")
    assert "first; only if its verify fails" in project.call("plan", "--new").expect(0).out


RETRY = """
agents:
  types:
    engine: scripted
    script: work.yaml
    workspace: {mode: shared, setup: echo setup >> setups}
    prompt: Do it.
    verify: ['echo look >> looks; test -e done']
    skip_if_verified: true
    retry: {attempts: 2}
  judge:
    depends_on: [types]
    command: test -e reworked && echo true || echo false
    outputs: {ok: boolean}
    loop: {until: outputs.ok, max: 3, rework: types}
"""
TWICE = """
- attempt:
    "1": [{say: not yet}]
    "2": [{expect: {notice_contains: verify}}, {run: touch done}]
    "3": [{expect: {prompt_contains: Feedback from judge}}, {run: touch reworked}]
"""


@pytest.mark.slow
def test_it_looks_only_before_the_first_attempt(tmp_path: Path) -> None:
    project = Project(tmp_path, RETRY, files={"work.yaml": TWICE})
    project.run().expect(0)
    assert project.status().failures("types") == ["verify", None, None]
    assert project.lines("looks") == ["look"] * 4, "check.1, and verify.1 of three attempts"


@pytest.mark.slow
def test_a_rework_of_what_was_never_started_is_set_up(tmp_path: Path) -> None:
    script = "- expect: {prompt_contains: Feedback}\n- run: touch reworked\n"
    project = Project(tmp_path, RETRY, files={"work.yaml": script, "done": ""})
    project.run().expect(0)
    attempts = project.status().step("types")["attempts"]
    assert [(attempt["cause"], attempt["phase"]) for attempt in attempts] == [
        ("first", "check.1"),
        ("rework", "verify.1"),
    ]
    assert project.lines("setups") == ["setup"]


ENDED = """
agents:
  types:
    command: echo worked >> worked
    workspace: {setup: echo setup >> setups}
    verify: ['echo look >> looks; %s']
    skip_if_verified: true
    timeout: 2s
    grace: 100ms
    retry: {attempts: 2, delay: 10ms}
"""


@pytest.mark.slow
def test_its_time_counts_as_the_attempts(tmp_path: Path) -> None:
    slow = "test $(wc -l < looks) = 1 && sleep 30; true"
    project = Project(tmp_path, ENDED % slow)
    project.run().expect(0)
    assert project.status().failures("types") == ["timeout", None]
    assert project.lines("worked") == ["worked"], "the retry does not look again"


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True])
def test_interrupted_or_killed_while_it_looks(tmp_path: Path, killed: bool) -> None:
    """Ctrl-C: the next attempt works, from its setup on. `kill -9` of the runner: the look goes on without it."""
    slow = "test $(wc -l < looks) = 1 && touch looking && sleep 1.5; true"
    project = Project(tmp_path, (ENDED % slow).replace("timeout: 2s", "timeout: 20s"))
    process = project.popen("run", "--progress", "plain")
    while not project.exists("looking"):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL if killed else signal.SIGINT)
    finish(process)
    project.run().expect(0)
    attempts = [(one["cause"], one["phase"]) for one in project.status().step("types")["attempts"]]
    if killed:
        assert attempts == [("first", "check.1")]
        assert project.lines("worked") == []
    else:
        assert attempts == [("first", "check.1"), ("resume", "verify.1")]
        assert project.lines("setups") == ["setup"]
        assert project.lines("worked") == ["worked"]

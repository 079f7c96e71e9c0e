"""Leave that running agents ask for: granted or denied by `permissions`, else asked of a person, and answered once."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, proves
from tests.fakes.agents import acp

TEAM = """
agents:
  a:
    engine: scripted
    prompt: Deploy it.
    workspace: {mode: shared}
    permissions: {run: [pytest], edit: ["src/**"]}
    script: s.yaml
"""
SCRIPT = """
- ask_leave: {run: pytest -q}
- ask_leave: {edit: src/x.py}
- ask_leave: {run: git diff}
- ask_leave: {run: make deploy}
- ask_leave: {edit: deploy.log}
"""


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def asked(project: Project) -> list[dict[str, Any]]:
    """The open questions of the newest run."""
    return [one for one in project.status().data["questions"] if one["answered"] is None and not one["withdrawn"]]


def inputs(project: Project) -> list[dict[str, Any]]:
    path = next(Path(project.root, ".teamflow", "runs", "1", "logs").glob("*.in.log"))
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path, TEAM, files={"s.yaml": SCRIPT})
    yield project
    project.call("cancel", "--all")


def begin(project: Project) -> dict[str, Any]:
    """A run in the background, up to the first question."""
    project.run("-d").expect(0)
    return until(lambda: asked(project))[0]


@proves(agent=["permissions.run", "permissions.edit"])
def test_what_the_lists_name_is_granted_and_a_person_is_asked_for_the_rest(project: Project) -> None:
    first = begin(project)
    why = "`make deploy` is none of the commands that it may run: pytest (permissions.run)"
    assert (first["kind"], first["text"], first["step"]) == ("permission", f"run make deploy\n{why}", "a")
    assert f"\n  run make deploy\n  {why}\n" in project.call("inbox").out
    assert project.status().step("a")["reason"] == "run make deploy"
    assert project.status().step("a")["status"] == "waiting"
    assert "approve 1.1" in project.why("a")
    project.call("approve", "1.1").expect(0)
    second = until(lambda: asked(project))[0]
    assert second["text"].startswith("edit deploy.log\ndeploy.log is none of the files that it may edit: src/** ")
    project.call("reject", "1.2", "--note", "not today").expect(0)
    until(lambda: project.status().statuses["a"] == "succeeded")
    assert project.status().text("a").startswith("denied: rejected by")
    assert project.status().text("a").endswith("not today")
    assert [line["note"] for line in inputs(project)] == ["reply", "reply", "reply", "answer 4", "answer 5"]
    assert refusals(project.call("logs").out) == [f"> refused: edit deploy.log (rejected by {by(project)}: not today)"]


def refusals(text: str) -> list[str]:
    return [line.partition("| ")[2] for line in text.splitlines() if "> refused: " in line]


def by(project: Project) -> str:
    return str(project.status().data["questions"][-1]["by"])


@pytest.mark.slow
def test_what_was_refused_is_told_once_whoever_adopts_it(project: Project) -> None:
    begin(project)
    project.call("reject", "1.1").expect(0)
    until(lambda: [one for one in asked(project) if one["id"] == "1.2"])
    os.kill(project.status().data["runner"]["pid"], signal.SIGKILL)
    project.run("-d").expect(0)
    project.call("reject", "1.2").expect(0)
    until(lambda: project.status().statuses["a"] == "succeeded")
    first, second = (
        f"> refused: {what} (rejected by {by(project)})" for what in ("run make deploy", "edit deploy.log")
    )
    assert refusals(project.call("logs").out) == [first, second]
    again = project.run("--replay", "1", "--progress", "plain").expect(0)
    assert refusals(again.out + again.err) == [first, second]
    assert refusals(project.call("logs", "-r", "2").out) == [first, second]


@pytest.mark.slow
def test_an_answer_reaches_it_once_whoever_was_killed_meanwhile(project: Project) -> None:
    begin(project)
    runner = project.status().data["runner"]["pid"]
    os.kill(runner, signal.SIGKILL)
    project.call("approve", "1.1").expect(0)
    project.call("approve", "1.1").expect(1)
    project.run("-d").expect(0)
    until(lambda: [one for one in asked(project) if one["id"] == "1.2"])
    os.kill(project.status().data["runner"]["pid"], signal.SIGKILL)
    project.run("-d").expect(0)
    project.call("approve", "1.2").expect(0)
    until(lambda: project.status().statuses["a"] == "succeeded")
    assert [line["n"] for line in inputs(project)] == [1, 2, 3, 4, 5]
    assert [line["note"] for line in inputs(project)][3:] == ["answer 4", "answer 5"]
    events = [event["kind"] for event in project.events()]
    assert (events.count("LeaveAsked"), events.count("AttemptStarted")) == (2, 1)


@pytest.mark.slow
@proves(agent=["permissions.ask"])
def test_nobody_is_asked_who_is_not_there(project: Project) -> None:
    project.run().expect(0)
    assert "nobody can be asked" in project.status().text("a")
    (attempt,) = project.status().step("a")["attempts"]
    assert any(text.startswith("was refused, as nobody can be asked: ") for text in attempt["warnings"])
    project.team(TEAM.replace('["src/**"]}', '["src/**"], ask: deny}'))
    project.run("-d", "--new").expect(0)
    until(lambda: project.status().statuses["a"] == "succeeded")
    assert "src/** (permissions.edit)" in project.status().text("a")
    assert not project.status().data["questions"]


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("--no-input",)])
def test_a_later_runner_that_can_ask_nobody_denies_what_is_open(project: Project, words: tuple[str, ...]) -> None:
    begin(project)
    os.kill(project.status().data["runner"]["pid"], signal.SIGKILL)
    project.run("--progress", "plain", *words).expect(0)
    (question,) = project.status().data["questions"]
    assert (question["answer"], question["by"]) == ("reject", "teamflow")
    assert "nobody can be asked in this run" in question["note"]
    assert [line["note"] for line in inputs(project)] == ["reply", "reply", "reply", "answer 4", "answer 5"]
    assert "nobody can be asked in this run" in inputs(project)[3]["data"]


@pytest.mark.slow
def test_what_nobody_could_be_asked_is_told_once_whoever_was_killed_meanwhile(project: Project) -> None:
    project.write("s.yaml", SCRIPT + "- say: waiting\n- listen: 60s\n")
    begin(project)
    os.kill(project.status().data["runner"]["pid"], signal.SIGKILL)
    with project.popen("run", "--progress", "plain", "--no-input") as second:
        until(lambda: "waiting" in project.call("logs", "a").out)
        second.send_signal(signal.SIGKILL)
    project.run("-d").expect(0)
    until(lambda: project.status().data["runner"])
    project.call("tell", "a", "Go on.").expect(0)
    until(lambda: project.status().statuses["a"] == "succeeded")
    assert [event["kind"] for event in project.events()].count("QuestionAnswered") == 1
    assert [line["note"] for line in inputs(project)].count("answer 4") == 1


@pytest.mark.slow
def test_what_was_denied_or_withdrawn_before_is_not_asked_again(project: Project) -> None:
    """A runner that comes later reads again that it was asked for, and that it has its answer."""
    project.write("s.yaml", SCRIPT + "- say: waiting\n- listen: 60s\n")
    with project.popen("run", "--progress", "plain", "--no-input") as first:
        until(lambda: "waiting" in project.call("logs", "a").out)
        first.send_signal(signal.SIGKILL)
    project.run("-d").expect(0)
    until(lambda: project.status().data["runner"])
    project.call("tell", "a", "Go on.").expect(0)
    until(lambda: project.status().statuses["a"] == "succeeded")
    assert not project.status().data["questions"]
    assert "LeaveAsked" not in [event["kind"] for event in project.events()]


@proves(agent=["permissions.net", "permissions"])
@pytest.mark.slow
def test_levels(tmp_path: Path) -> None:
    team = """
defaults: {engine: scripted, prompt: x, script: s.yaml, workspace: {mode: shared}}
agents:
  read: {permissions: read}
  edit: {permissions: edit, depends_on: [read]}
  full: {permissions: full, depends_on: [edit]}
  off: {permissions: {net: deny}, depends_on: [full]}
"""
    wishes = ("run: make", "edit: x.py", "edit: ../x.py", "other: dance", "net: example.org")
    script = "".join(f"- ask_leave: {{{wish}}}\n" for wish in wishes)
    project = Project(tmp_path, team, files={"s.yaml": script})
    said = {}
    for line in project.run().expect(0).err.splitlines():
        step, sep, text = line.partition(" | ")
        if sep and not text.startswith("> "):
            said.setdefault(step.strip(), []).append(text.partition(":")[0])
    denied, allowed = "denied", "allowed"
    assert said["read"] == [denied, denied, denied, denied, allowed]
    assert said["edit"] == [allowed, allowed, denied, denied, allowed]
    assert said["full"] == [allowed] * 5
    assert said["off"] == [allowed, allowed, denied, denied, denied]


@pytest.mark.slow
def test_deadlines_stand_still_while_it_waits_for_a_person(project: Project) -> None:
    project.team(TEAM + "    timeout: 6s\n    idle_timeout: 5s\n")
    begin(project)
    asked_at = time.monotonic()
    until(lambda: time.monotonic() - asked_at > 6.5)
    assert asked(project), "it waits still"
    project.call("approve", "1.1").expect(0)
    until(lambda: len(asked(project)) == 1 and asked(project)[0]["id"] == "1.2")
    project.call("approve", "1.2").expect(0)
    until(lambda: project.status().statuses["a"] == "succeeded")


@pytest.mark.slow
def test_what_waits_can_be_frozen_and_cancelled(project: Project) -> None:
    begin(project)
    project.call("pause", "--freeze", "a").expect(0)
    until(lambda: "frozen" in project.status().step("a")["reason"])
    project.call("approve", "1.1").expect(0)
    project.call("resume", "a").expect(0)
    until(lambda: [one for one in asked(project) if one["id"] == "1.2"])
    project.call("cancel", "a").expect(0)
    until(lambda: project.status().statuses["a"] == "cancelled")
    assert asked(project) == []
    assert "asks nothing any more" in project.call("approve", "1.2").expect(1).err


@pytest.mark.slow
def test_a_note_that_the_protocol_has_no_place_for_is_told_once_whoever_was_killed_meanwhile(tmp_path: Path) -> None:
    team = {
        "engines": {"fake": {"command": [sys.executable, "-I", "-S", acp.__file__], "output": "acp"}},
        "agents": {
            "a": {
                "engine": "fake",
                "prompt": "Deploy it.",
                "workspace": {"mode": "shared"},
                "permissions": {"run": ["pytest"]},
                "env": {"FAKE_ACP": json.dumps([{"once": {"run": "touch made"}}, {"wait": "go"}, {"say": "done"}])},
            }
        },
    }
    project = Project(tmp_path, json.dumps(team))
    begin(project)
    os.kill(project.status().data["runner"]["pid"], signal.SIGKILL)
    project.call("reject", "1.1", "--note", "use make test\nand nothing else").expect(0)
    project.run("-d").expect(0)
    until(lambda: [line for line in inputs(project) if line["note"].startswith("answer")])
    os.kill(project.status().data["runner"]["pid"], signal.SIGKILL)
    project.write("go", "")
    project.run("-d").expect(0)
    until(lambda: project.status().statuses["a"] == "succeeded")
    told = [
        line["data"] for line in inputs(project) if "use make test" in line["data"] and "session/prompt" in line["data"]
    ]
    assert len(told) == 1
    assert "and nothing else" in told[0]
    assert not Path(project.root, "made").exists()


@pytest.mark.slow
def test_half_a_secret_is_not_asked_about_either(tmp_path: Path) -> None:
    """What is asked is cut for people long before anybody who knows the secrets sees it."""
    secret = "correct-horse-battery-staple"
    command = f"make {'x' * 100} {secret} {secret} {'y' * 100}"
    team = TEAM.replace(
        "    script:", f"    verify: {command}\n    secrets: [KEY]\n    retry: {{attempts: 1}}\n    script:"
    )
    team = f"{team}secrets: {{KEY: {{env: KEY}}}}\n"
    project = Project(tmp_path, team, files={"s.yaml": f"- ask_leave: {{run: {command}}}"})
    try:
        project.run("-d", env={"KEY": secret}).expect(0)
        text = until(lambda: asked(project))[0]["text"]
        assert text.startswith(f"run make {'x' * 100} *** *** y")
        assert "\n`make" in text
        assert "x ***…` is none of the commands" in text
        project.call("approve", "1.1").expect(0)
        until(lambda: project.status().statuses["a"] == "failed")
        shown = [project.call(*words).out for words in (("inbox",), ("why", "a"), ("status", "--json"), ("logs", "a"))]
        shown += [json.dumps(project.events())]
        assert not [text for text in shown if secret[:4] in text]
    finally:
        project.call("cancel", "--all")

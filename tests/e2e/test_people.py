"""Questions to people in runs of real processes: nobody else waits for them; no crash, race or change spoils them."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator

import pytest

from teamflow.core.events import QuestionAnswered, QuestionAsked, Record, RunEnded
from teamflow.core.requested import RequestAnswered
from tests.e2e.tmux import Tmux
from tests.e2e.tool import Done, Project, until, wait_for

pytestmark = pytest.mark.slow

GATE = """
agents:
  build: {command: ./work agent 0}
  gate: {depends_on: [build], ask: "Ship it?"}
  ship: {depends_on: [gate], command: ./work agent 0}
"""


@pytest.fixture
def gate() -> Iterator[Project]:
    with Project(GATE) as project:
        yield project


def waits(project: Project, *steps: str) -> dict[str, int]:
    """Numbers of the questions, once these steps have asked."""
    return until(lambda: set(steps) <= set(found := project.asked()) and found, f"{steps} ask")  # type: ignore[no-any-return]


def detached(project: Project, *words: str) -> None:
    done = project.call("run", "-d", *words)
    assert done.code == 0, done


def over(project: Project) -> RunEnded:
    until(lambda: project.events(RunEnded), "the run ends")
    until(lambda: project.holder() is None, "the runner is gone")
    return project.events(RunEnded)[-1]  # type: ignore[no-any-return]


def ok(done: Done) -> str:
    assert done.code == 0, done
    return done.out


def at(project: Project, kind: type, step: str) -> float:
    """When the step's first record of that kind was written (Unix)."""
    return next(r.at for r in project.records() if isinstance(r.event, kind) and r.event.step == step)


# -- nobody else waits ------------------------------------------------------------------------------------------


def test_a_hundred_open_questions_take_no_slot_from_other_branches() -> None:
    numbers = ", ".join(map(str, range(100)))
    team = f"""
limits: {{max_parallel: 1}}
agents:
  ask: {{matrix: {{n: [{numbers}]}}, ask: "Number {{{{ matrix.n }}}}?"}}
  one: {{command: ./work agent 0}}
  two: {{depends_on: [one], command: ./work agent 0}}
  three: {{depends_on: [two], command: ./work agent 0}}
  after: {{depends_on: [ask], command: ./work agent 0}}
"""
    with Project(team) as project:
        detached(project)
        until(lambda: project.begun("three"), "the other branch goes on")
        assert len(waits(project, *(f"ask/{n}" for n in range(100)))) == 100
        items = json.loads(ok(project.call("inbox", "--json")))["items"]
        assert [item["id"] for item in items] == [f"1.{number}" for number in range(1, 101)]
        assert {item["text"] for item in items} == {f"Number {n}?" for n in range(100)}
        for number in range(1, 101):
            project.request("answer", {"question": number, "verb": "approve", "text": "", "note": ""})
        assert over(project).status == "succeeded"
        assert project.begun("after")


def test_an_approval_is_acted_on(gate: Project) -> None:
    detached(gate)
    waits(gate, "gate")
    done = gate.call("approve", "gate", "--note", "go")
    assert done.out == "gate: approved\n"
    assert over(gate).status == "succeeded"
    answered = next(r for r in gate.records() if isinstance(r.event, QuestionAnswered))
    assert isinstance(answered.event, QuestionAnswered)
    assert (answered.event.answer, answered.event.note) == ("approve", "go")
    assert "@" in answered.event.by


def test_a_detached_run_is_led_to_its_end_from_elsewhere(gate: Project) -> None:
    detached(gate)
    number = waits(gate, "gate")["gate"]
    inbox = ok(gate.call("inbox"))
    assert inbox.startswith("1.1  gate of team: approval, asked ")
    assert "  Ship it?\n  `teamflow approve 1.1` or `teamflow reject 1.1`\n" in inbox
    shown = gate.status()
    (step,) = [step for step in shown["steps"] if step["id"] == "gate"]
    assert (step["status"], step["waits"]["what"], step["waits"]["question"]) == ("waiting", "person", "1.1")
    ok(gate.call("approve", str(number)))
    over(gate)
    assert gate.call("inbox").err == "nothing is asked\n"
    assert gate.call("status", "--exit-status").code == 0


# -- what an answer comes to ------------------------------------------------------------------------------------


def test_a_rejection_fails_the_step_and_its_note_is_handed_on() -> None:
    team = """
defaults: {retry: {attempts: 3, delay: 10ms}}
agents:
  gate: {ask: "Ship it?"}
  ship: {depends_on: [gate], command: ./work agent 0}
  fix:
    depends_on: {gate: failed}
    env: {WHY: "{{ agents.gate.text }}"}
    command: test "$WHY" = "no tests" && ./work agent 0
"""
    with Project(team) as project:
        detached(project)
        waits(project, "gate")
        assert ok(project.call("reject", "gate", "--note", "no tests")) == "gate: rejected\n"
        over(project)
        assert project.statuses() == {"gate": "failed", "ship": "skipped", "fix": "succeeded"}
        (step,) = [step for step in project.status()["steps"] if step["id"] == "gate"]
        assert [attempt["failure"] for attempt in step["attempts"]] == ["rejected"]
        assert re.fullmatch(r"rejected by \S+@\S+: no tests", step["reason"])
        assert project.call("status", "--exit-status").code == 1
        # Another run asks again: a rejection is not remembered as anything else.
        detached(project)
        assert waits(project, "gate") == {"gate": 2}
        ok(project.call("approve", "gate"))
        assert over(project).status == "succeeded"


def test_a_deadline_takes_the_default_or_fails_without_a_retry() -> None:
    team = """
defaults: {retry: {attempts: 3, delay: 10ms}, timeout: 400ms}
agents:
  where: {ask: Where?, options: [here, there], default: there}
  who: {ask: Who?, options: [you, me]}
  gate: {ask: Go?, continue_on_error: true}
  after: {depends_on: [where], command: [test, "{{ agents.where.text }}", =, there], timeout: 1m}
"""
    with Project(team) as project:
        detached(project)
        assert over(project).exit_reason == "step_failed"
        assert project.statuses() == {"where": "succeeded", "who": "failed", "gate": "failed", "after": "succeeded"}
        steps = {step["id"]: step for step in project.status()["steps"]}
        assert [[a["failure"] for a in steps[name]["attempts"]] for name in ("who", "gate")] == [["timeout"]] * 2
        assert steps["where"]["reason"] == "nobody answered in time: there is the default"
        late = project.call("answer", "1.1", "here")
        assert late.code == 1
        assert "nobody answered in time: there is the default" in late.err


@pytest.mark.slow
def test_a_deadline_that_passes_without_a_runner() -> None:
    team = "agents: {where: {ask: Where?, options: [here, there], default: there, timeout: 2s}}\n"
    with Project(team) as project:
        done = project.run()
        assert done.code == 5
        (asked,) = project.state()[0].questions
        assert asked.deadline is not None
        assert wait_for(lambda: time.time() > asked.deadline)
        late = project.call("answer", "where", "here")
        assert (late.code, "its default, there, is taken" in late.err) == (1, True)
        assert project.events(QuestionAnswered) == []
        assert project.run().code == 0
        assert project.state()[0].steps["where"].text == "there"


def test_what_is_no_answer_changes_nothing() -> None:
    team = """
agents:
  where: {ask: Where?, options: [here, there]}
  gate: {ask: Go?}
"""
    with Project(team) as project:
        detached(project)
        waits(project, "where", "gate")
        for words, told in [
            (("answer", "1.1", "ther"), 'did you mean "there"?'),
            (("approve", "1.1"), "it takes here, there"),
            (("answer", "gate", "yes"), "`teamflow approve 1.2`"),
        ]:
            done = project.call(*words)
            assert (done.code, told in done.err) == (1, True), done
        for words in [
            ("approve", "1.3"),
            ("approve", "2.1"),
            ("approve", "gat"),
            ("reject", "1.1", "-r", "2"),
            ("answer", "1.1"),
        ]:
            assert project.call(*words).code == 2
        assert project.events(QuestionAnswered) == []
        assert [event.ok for event in project.events(RequestAnswered)] == [False] * 3
        damaged = project.request("answer", {"question": "1", "verb": "approve"})
        until(lambda: len(project.events(RequestAnswered)) == 4, "it is refused")
        assert "damaged" in project.events(RequestAnswered)[-1].message
        assert project.events(RequestAnswered)[-1].request == damaged
        ok(project.call("cancel", "--all"))
        assert over(project).status == "cancelled"
        assert project.asked() == {}
        assert "was withdrawn" in project.call("approve", "1.2").err


@pytest.mark.parametrize("alive", [True, False])
def test_of_two_answers_at_once_one_counts_and_the_other_is_told(alive: bool) -> None:
    with Project("agents: {gate: {ask: Go?}}\n") as project:
        for turn in range(1, 5):
            detached(project, "--new") if alive else project.run("--new")
            until(lambda turn=turn: project.asked(turn), "it asks")  # type: ignore[misc]
            name = f"{turn}.1"
            both = [project.start("approve", name), project.start("reject", name, "--note", "mine")]
            ends = [one.wait() for one in both]
            assert sorted(end.code for end in ends) == [0, 1], ends
            loser = next(end for end in ends if end.code)
            assert re.search(rf"{name} \(gate\) is (approved|rejected) by \S+@\S+ at \S+ \S+ UTC", loser.err), loser
            (answer,) = project.events(QuestionAnswered, turn)
            assert (answer.answer == "approve") == (ends[0].code == 0)


# -- restarts ---------------------------------------------------------------------------------------------------

KEYED = """
agents:
  build: {command: ./work agent 0, reads: [source.txt], cache: true}
  gate: {depends_on: [build], ask: "Ship it?", timeout: 1h}
  ship: {depends_on: [gate], command: ./work agent 0}
"""


def questions(project: Project) -> list[Record]:
    return [record for record in project.records() if isinstance(record.event, QuestionAsked)]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_question_outlives_its_runner(how: signal.Signals) -> None:
    with Project(KEYED, files={"source.txt": "one\n"}) as project:
        running = project.start("run", "--progress", "plain", attended=True)
        waits(project, "gate")
        running.signal(how)
        assert running.wait().code == (130 if how is signal.SIGINT else -9)
        if how is signal.SIGINT:
            assert "`teamflow approve 1.1`" in running.err, "the summary says how to answer"
        before = questions(project)
        again = project.start("run", "--progress", "plain", attended=True)
        until(lambda: again.err.count("asks 1.1"), "it is said again")
        until(lambda: project.state()[0].steps["build"].status == "cached", "build is looked up")
        time.sleep(0.3)
        assert questions(project) == before, "it is not asked again"
        ok(project.call("approve", "1.1"))
        assert again.wait().code == 0
        assert project.statuses() == {"build": "cached", "gate": "succeeded", "ship": "succeeded"}


def test_an_answer_given_while_no_runner_lives(gate: Project) -> None:
    running = gate.start("run", "--progress", "plain", attended=True)
    waits(gate, "gate")
    running.kill()
    said = ok(gate.call("approve", "gate"))
    assert said == "gate: approved\n  no runner works on run 1: `teamflow run` goes on with it\n"
    assert gate.statuses()["gate"] == "waiting"
    second = gate.call("reject", "gate")
    assert second.code == 1
    assert "1.1 (gate) is approved by" in second.err
    assert "is approved by" in gate.call("reject", "1.1").err
    assert gate.run().code == 0
    assert len(questions(gate)) == 1


def test_a_frozen_runner_gets_the_answer_when_it_goes_on(gate: Project) -> None:
    running = gate.start("run", "--progress", "plain", attended=True)
    waits(gate, "gate")
    running.signal(signal.SIGSTOP)
    asked = gate.call("approve", "gate")
    assert (asked.code, "the request stays" in asked.err) == (1, True)
    assert gate.events(QuestionAnswered) == []
    running.signal(signal.SIGCONT)
    assert running.wait().code == 0


def test_an_approval_is_of_what_was_there() -> None:
    with Project(KEYED, files={"source.txt": "one\n"}) as project:
        assert project.run().code == 5
        ok(project.call("approve", "1.1"))
        project.write("source.txt", "two\n")
        done = project.run()
        assert done.code == 5, "what was approved has been done again: it is asked anew"
        assert project.asked() == {"gate": 2}
        assert not project.begun("ship")
        project.write("source.txt", "three\n")
        running = project.start("run", "--progress", "plain", attended=True)
        until(lambda: project.asked() == {"gate": 3}, "it is asked anew")
        old = project.call("approve", "1.2")
        assert (old.code, "1.2 was withdrawn: gate now asks 1.3" in old.err) == (1, True)
        ok(project.call("approve", "1.3"))
        assert running.wait().code == 0


def test_a_question_that_is_worded_anew_is_asked_anew(gate: Project) -> None:
    assert gate.run().code == 5
    gate.write("team.yaml", GATE.replace("Ship it?", "Really?"))
    plan = ok(gate.call("plan"))
    assert re.search(r"! gate .*definition changed: prompt", plan), plan
    assert gate.run().code == 5
    assert gate.asked() == {"gate": 2}
    assert [record.event.text for record in questions(gate)] == ["Ship it?", "Really?"]
    (step,) = [step for step in gate.status()["steps"] if step["id"] == "gate"]
    assert [attempt["outcome"] for attempt in step["attempts"]] == ["stopped", None]
    gate.write(
        "team.yaml", GATE.replace('  gate: {depends_on: [build], ask: "Ship it?"}\n', "").replace("[gate]", "[build]")
    )
    assert gate.run().code == 0
    assert gate.asked() == {}


def test_a_restart_after_a_failure_keeps_what_is_asked() -> None:
    team = """
agents:
  bad: {command: test -e mended}
  gate: {ask: Go?}
"""
    with Project(team) as project:
        assert project.run().code == 5, "that somebody is waited for is said before that something has failed"
        assert project.events(RunEnded)[-1].status == "waiting"
        assert project.statuses() == {"bad": "failed", "gate": "waiting"}
        project.write("mended", "")
        assert project.run().code == 5
        assert len(questions(project)) == 1
        ok(project.call("approve", "gate"))
        assert project.run().code == 0


def test_a_run_that_was_replaced_asks_nothing() -> None:
    with Project("agents: {gate: {ask: Go?}}\n") as project:
        assert project.run().code == 5
        assert project.run("--new").code == 5
        items = json.loads(ok(project.call("inbox", "--json")))["items"]
        assert [item["id"] for item in items] == ["2.1"]
        said = ok(project.call("approve", "1.1"))
        assert "nothing will go on with it: run 2 has taken its place" in said
        assert ok(project.call("approve", "gate")).startswith("gate: approved")


def test_fail_fast_leaves_no_question_open() -> None:
    team = """
agents:
  gate: {ask: Go?}
  bad: {command: "until test -e asked; do sleep 0.02; done; exit 1"}
"""
    with Project(team) as project:
        running = project.start("run", "--fail-fast", attended=True)
        waits(project, "gate")
        project.write("asked", "")
        assert running.wait().code == 1
        assert project.statuses() == {"gate": "cancelled", "bad": "failed"}
        assert project.asked() == {}


# -- secrets ----------------------------------------------------------------------------------------------------


def test_questions_and_notes_hold_no_secrets() -> None:
    team = """
secrets: {TOKEN: {env: TOKEN}}
inputs: {what: string}
agents:
  use: {command: 'test -n "$TOKEN"', secrets: [TOKEN]}
  gate: {depends_on: [use], ask: "Use {{ inputs.what }}?"}
"""
    secret = "hunter2-hunter2"
    with Project(team) as project:
        env = {"TOKEN": secret}
        done = project.run("-i", f"what={secret}", env=env)
        assert done.code == 5
        ok(project.call("reject", "gate", "--note", f"{secret} is burnt"))
        assert project.run(env=env).code == 1, "it counts, though nobody was there to act on it"
        running = project.start("run", "-d", env=env)
        assert running.wait().code == 0
        waits(project, "gate")
        ok(project.call("reject", "gate", "--note", f"still {secret}"))
        over(project)
        texts = [event.text for event in project.events(QuestionAsked)]
        assert texts == ["Use ***?"] * 2
        assert [event.note for event in project.events(QuestionAnswered)] == ["*** is burnt", "still ***"]
        with project._open() as database:
            assert all(secret not in request.args for request in database.requests(1))
        for words in (["inbox"], ["status"], ["why", "gate"], ["events"]):
            assert secret not in project.call(*words).out


# -- what is seen -----------------------------------------------------------------------------------------------

BELL = re.compile(rb"\x07\x1b\]9;([^\x07\x1b]*)\x07")


@pytest.mark.parametrize("progress", ["live", "plain", "quiet"])
def test_a_terminal_is_rung_once_for_each_question(progress: str) -> None:
    team = """
agents:
  one: {ask: "First?\\n\\e]0;owned\\a more"}
  two: {depends_on: [one], ask: "Second?"}
"""
    with Project(team) as project:
        terminal = project.start_on_terminal("run", "--progress", progress)
        waits(project, "one")
        until(lambda: b"`teamflow approve 1.1`" in terminal.shown, "it is shown")
        time.sleep(0.6)
        assert [found.decode() for found in BELL.findall(terminal.shown)] == ["teamflow 1.1: one asks: First?"]
        assert b"owned\x07" not in terminal.shown
        ok(project.call("approve", "1.1"))
        until(lambda: len(BELL.findall(terminal.shown)) == 2, "the second rings")
        terminal.type(b"\x03")
        assert terminal.process.wait(60) == 130
        again = project.start_on_terminal("run", "--progress", progress)
        until(lambda: b"`teamflow approve 1.2`" in again.shown, "it is shown again")
        ok(project.call("approve", "1.2"))
        assert again.process.wait(60) == 0
        assert [found.decode() for found in BELL.findall(again.shown)] == ["teamflow 1.2: two asks: Second?"]


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"CI": "true", "TERM": "xterm"}])
def test_nothing_rings_where_no_terminal_is(env: dict[str, str]) -> None:
    with Project("agents: {gate: {ask: Go?}}\n") as project:
        terminal = project.start_on_terminal("run", env=env)
        until(lambda: b"gate: asks 1.1" in terminal.shown, "it is shown")
        if "CI" in env:
            assert terminal.process.wait(60) == 5, "in CI nobody is asked"
        else:
            ok(project.call("approve", "gate"))
            assert terminal.process.wait(60) == 0
        assert b"\x07" not in terminal.shown
        piped = project.run("--new")
        assert (piped.code, "\a" in piped.err, "gate: asks 2.1" in piped.err) == (5, False, True)


def test_in_a_real_terminal_the_question_is_seen_and_the_bell_flag_is_set(gate: Project) -> None:
    with Tmux(gate.home, gate.root, gate.environ) as terminal:
        terminal.call("new-window", "exec sleep 600")
        terminal.start(gate.argv(["run"]))
        waits(gate, "gate")
        terminal.shows(
            "? 1.1 gate: Ship it?",
            "`teamflow approve 1.1` or `teamflow reject 1.1`",
            "waits (person) for 1.1: Ship it?",
        )
        until(lambda: terminal.call("display", "-p", "-t", ":0", "#{window_bell_flag}").strip() == "1", "the bell")
        ok(gate.call("approve", "gate"))
        assert over(gate).status == "succeeded"


def test_who_answers_second_by_the_name_of_the_step_is_told_so() -> None:
    with Project("agents: {gate: {ask: Go?}, late: {ask: Later?}}") as project:
        detached(project)
        waits(project, "gate", "late")
        ok(project.call("reject", "gate", "--note", "no"))
        second = project.call("approve", "gate")
        assert second.code == 1
        assert "late" not in second.err
        assert "rejected" in second.err
        ok(project.call("approve", "late"))
        over(project)
        assert project.call("approve", "nobody").code == 2

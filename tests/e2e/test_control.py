"""Verbs on runs of real processes: acted on at once while a runner lives, done under the run's lock when none does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from teamflow.core.events import AttemptEnded, AttemptStarted, RunEnded, RunnerStarted, StepEnded, StepFrozen
from teamflow.core.requested import RequestAnswered
from tests.campaign.checker import check
from tests.e2e.keeper_driver import levels
from tests.e2e.tool import Done, Project, until

AT_ONCE = 0.3
"""Seconds from a request to what it does, as the issue has it; a busy machine gets three tries."""

TWO = """
limits: {max_parallel: 4}
defaults: {grace: 400ms}
agents:
  long: {command: test -e quick || ./work agent 0 60; ./work again 0}
  other: {command: test -e quick || ./work agent 0 60; ./work again 0}
  after: {depends_on: [long], command: ./work agent 0}
"""
"""Two steps that take a minute, or no time at all once there is a file `quick`."""


LATE = """
  bad: {command: test -e good || exit 3}
  late: {depends_on: [bad], command: ./work agent 0}
"""


@pytest.fixture
def two() -> Iterator[Project]:
    with Project(TWO) as project:
        yield project


def detached(project: Project, *steps: str) -> None:
    done = project.call("run", "-d")
    assert done.code == 0, done
    until(lambda: all(project.begun(step) for step in steps), f"{steps} begin")
    # A step may have begun before its record is on the disk.
    until(lambda: {event.step for event in project.events(AttemptStarted)} >= {*steps}, f"{steps} are recorded")


def ok(done: Done) -> str:
    assert done.code == 0, done
    return done.out


def refused(done: Done, code: int = 1) -> str:
    assert done.code == code, done
    return done.err


def alone(project: Project, run: int = 1) -> None:
    """`kill -9` of the runner; its steps live on with their keeper."""
    holder = project.holder(run)
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    until(lambda: project.holder(run) is None, "the runner is gone")


def reaches(project: Project, step: str, status: str) -> None:
    until(lambda: project.statuses()[step] == status, f"{step} is {status}")


def told_by_pipe(project: Project, *words: str, said: bytes) -> Done:
    """A verb with something on its standard input."""
    found = subprocess.run(
        project.argv(words), cwd=project.root, env=project.environ, input=said, capture_output=True, timeout=30
    )
    return Done(found.returncode, found.stdout.decode(), found.stderr.decode(), 0.0)


def goes_on(project: Project) -> None:
    """To the end of all steps."""
    project.write("quick", "")
    done = project.run()
    assert done.code == 0, done
    verdict = check(project, expected=dict.fromkeys(["long", "other", "after"], "succeeded"))
    assert verdict.wrong == []


# -- with a runner ----------------------------------------------------------------------------------------------


def test_pause_ends_what_runs_and_resume_goes_on_with_it(two: Project) -> None:
    detached(two, "long", "other")
    assert ok(two.call("pause", "long")) == "pausing long\n"
    reaches(two, "long", "waiting")
    assert two.statuses()["other"] == "running"
    assert "paused by" in ok(two.call("why", "long"))
    assert "`teamflow resume long`" in ok(two.call("why", "long"))
    assert ok(two.call("pause", "long")) == "long: paused already\n"
    two.write("quick", "")
    assert ok(two.call("resume", "long")) == "resuming long\n"
    assert ok(two.call("wait", "after", "--timeout", "50s")) == "after: succeeded\n"
    causes = [attempt["cause"] for attempt in two.status()["steps"][0]["attempts"]]
    assert causes == ["first", "resume"]
    ok(two.call("cancel", "other"))
    assert two.gone()


@pytest.mark.slow
@pytest.mark.parametrize("level", levels())
def test_freeze_halts_the_tree_and_its_deadlines(level: str) -> None:
    team = """
agents:
  ticks: {command: 'setsid sh -c "while :; do date +%s%N >> ticks; sleep 0.02; done" &
    for i in $(seq 50); do sleep 0.02; done', timeout: 6s}
  clock: {command: "until test -e frozen; do sleep 0.02; done; sleep 6"}
"""
    with Project(team, level=level) as project:
        detached(project)
        ticks = project.root / "ticks"
        until(ticks.exists, "it ticks")
        ok(project.call("pause", "--freeze", "ticks"))
        until(lambda: project.events(StepFrozen), "it is frozen")
        sizes = [-1]
        until(lambda: sizes.append(ticks.stat().st_size) or sizes[-1] == sizes[-2], "the tree stands still", step=0.1)
        before = ticks.read_bytes()
        project.write("frozen", "")
        reaches(project, "clock", "succeeded")
        assert ticks.read_bytes() == before, "what left its session stands still, too"
        shown = project.status()
        assert (shown["steps"][0]["status"], shown["counts"]["waiting"]) == ("waiting", 1)
        assert shown["steps"][0]["paused"]["freeze"] is True
        ok(project.call("resume", "ticks"))
        ok(project.call("wait", "--timeout", "50s"))
        assert ticks.read_bytes() != before
        assert project.statuses()["ticks"] == "succeeded", "the time in which it was frozen does not count"
        assert sorted(event.step for event in project.events(AttemptStarted)) == ["clock", "ticks"]


@pytest.mark.slow
def test_the_whole_run_is_paused_and_stays_so_over_runners(two: Project) -> None:
    detached(two, "long", "other")
    assert "nothing new starts, stopping long, other" in ok(two.call("pause", "--all"))
    until(lambda: set(two.statuses().values()) == {"waiting", "pending"}, "all wait")
    assert two.status()["status"] == "paused"
    assert two.holder() is not None, "it waits"
    alone(two)
    assert "paused by" in ok(two.call("status"))
    ended = two.call("run", "--no-input", "--progress", "plain")
    assert ended.code == 5, ended
    assert "the run is paused by" in ended.err
    assert "`teamflow resume" in ended.err
    assert "`teamflow run` goes on with it" in ok(two.call("resume"))
    goes_on(two)


@pytest.mark.slow
def test_retry_takes_along_what_was_skipped(two: Project) -> None:
    two.write("team.yaml", TWO + LATE)
    detached(two, "long", "other")
    reaches(two, "late", "skipped")
    assert "late was skipped because bad failed" in refused(two.call("retry", "late"))
    assert "it runs" in refused(two.call("retry", "long"))
    two.write("good", "")
    assert ok(two.call("retry", "--failed")) == "retrying bad, and then late\n"
    reaches(two, "late", "succeeded")
    assert "bad has not failed (succeeded): `teamflow relaunch bad`" in refused(two.call("retry", "bad"))
    two.call("cancel", "--all")
    assert two.gone()


@pytest.mark.slow
def test_relaunch_checks_before_it_stops_anything_and_keeps_all_logs(two: Project) -> None:
    detached(two, "long", "other")
    assert "it is no prompt" in refused(two.call("relaunch", "long", "--prompt", "x"))
    assert "a duration is a number with a unit" in refused(two.call("relaunch", "long", "--timeout", "5"), 2)
    assert "there is no step 'lng' in this run" in refused(two.call("relaunch", "lng"), 2)
    assert two.events(AttemptEnded) == []
    two.write("quick", "")
    assert ok(two.call("relaunch", "long", "--timeout", "30s")) == "relaunching long: attempt 1 is stopped first\n"
    reaches(two, "after", "succeeded")
    attempts = two.status()["steps"][0]["attempts"]
    assert [(one["cause"], one["outcome"]) for one in attempts] == [("first", "stopped"), ("relaunch", "succeeded")]
    assert len({one["log"] for one in attempts}) == 2
    assert all(os.path.exists(one["log"]) for one in attempts)
    ok(two.call("relaunch", "after"))
    until(lambda: len(two.status()["steps"][2]["attempts"]) == 2, "from succeeded, too")
    ok(two.call("cancel", "--all"))
    assert two.gone()


@pytest.mark.slow
def test_what_is_illegal_changes_nothing(two: Project) -> None:
    detached(two, "long", "other")
    before = len([r for r in two.records() if not isinstance(r.event, RequestAnswered)])
    for words in (["resume", "long"], ["retry", "after"], ["retry", "--failed"], ["tell", "long", "hello"], ["resume"]):
        refused(two.call(*words))
    for words in (["pause", "x"], ["cancel"], ["retry"], ["relaunch"], ["wait", "--any"], ["tell", "long"]):
        refused(two.call(*words), 2)
    assert len([r for r in two.records() if not isinstance(r.event, RequestAnswered)]) == before
    ok(two.call("cancel", "--all"))
    assert two.gone()


def test_acted_on_at_once(two: Project) -> None:
    """From the request in the store to the record of what it leads to; at least once, on a machine that is busy."""
    detached(two, "long", "other")
    best = 9.0
    for _ in range(50):
        if best < AT_ONCE:
            break
        asked = time.time()
        two.request("pause", {"steps": ["long"]})
        until(lambda: two.statuses()["long"] == "waiting", "it is paused", step=0.001)
        best = min(best, two.events_at(AttemptEnded)[-1] - asked)
        two.request("resume", {"steps": ["long"]})
        until(lambda: two.statuses()["long"] == "running", "it goes on", step=0.001)
    assert best < AT_ONCE
    ok(two.call("cancel", "--all"))


@pytest.mark.slow
def test_ten_terminals_at_once() -> None:
    steps = "\n".join(f"  s{number}: {{command: ./work agent 0 60, grace: 100ms}}" for number in range(10))
    with Project(f"limits: {{max_parallel: 10}}\nagents:\n{steps}\n") as project:
        detached(project, *(f"s{number}" for number in range(10)))
        said: list[Done] = []

        def terminal(number: int) -> None:
            said.extend(project.call(verb, f"s{number}") for verb in ("pause", "resume", "relaunch", "cancel"))

        threads = [threading.Thread(target=terminal, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [done.code for done in said] == [0] * 40, said
        until(lambda: set(project.statuses().values()) == {"cancelled"}, "all are cancelled")
        for number in range(10):
            ends = [e for e in project.events(StepEnded) if e.step == f"s{number}"]
            assert len(ends) == 1, "exactly one end"
        assert project.gone()


# -- without a runner -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_each_verb_without_a_runner(two: Project) -> None:
    detached(two, "long", "other")
    alone(two)
    assert two.alive(), "the keeper holds what runs"
    paused = ok(two.call("pause", "long"))
    assert paused.startswith("pausing long\n")
    assert "no runner works on run 1: `teamflow run` goes on with it" in paused
    assert two.statuses()["long"] == "waiting"
    assert two.statuses()["other"] == "running"
    ok(two.call("pause", "--freeze", "other"))
    assert two.statuses()["other"] == "waiting"
    ok(two.call("resume", "other"))
    assert two.statuses()["other"] == "running"
    assert two.call("wait", "other").code == 3, "nobody works on it"
    ok(two.call("relaunch", "other"))
    assert two.statuses()["other"] == "queued"
    assert "has not failed" in refused(two.call("retry", "other"))
    ok(two.call("resume", "long"))
    assert two.holder() is None
    goes_on(two)
    causes = [attempt["cause"] for attempt in two.status()["steps"][1]["attempts"]]
    assert causes == ["first", "relaunch"]


@pytest.mark.slow
def test_a_run_that_has_succeeded_is_gone_on_with_after_a_relaunch(two: Project) -> None:
    two.write("quick", "")
    assert two.run().code == 0
    assert "`teamflow run` goes on with it" in ok(two.call("relaunch", "after"))
    assert two.status()["status"] == "running"
    done = two.run()
    assert done.code == 0, done
    assert two.runs() == 1
    assert [len(step["attempts"]) for step in two.status()["steps"]] == [1, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["relaunch", "retry"])
def test_nothing_is_opened_in_a_run_that_another_one_has_replaced(verb: str) -> None:
    with Project("agents: {bad: {command: exit 3}}\n") as project:
        assert project.run().code == 1
        assert project.run("--new").code == 1
        said = refused(project.call(verb, "bad", "-r", "1"))
        assert said == "teamflow: nothing goes on with run 1: run 2 has taken its place\n"
        assert project.statuses(1) == {"bad": "failed"}, "nothing is left open that nobody comes for"
        assert "`teamflow run` goes on with it" in ok(project.call(verb, "bad"))
        ok(project.call("rm", "2"))
        assert "`teamflow run` goes on with it" in ok(project.call(verb, "bad", "-r", "1")), "nothing is in its place"


def test_a_frozen_step_survives_its_runner(two: Project) -> None:
    detached(two, "long", "other")
    ok(two.call("pause", "--freeze", "long"))
    until(lambda: two.events(StepFrozen), "it is frozen")
    alone(two)
    running = two.start("run", "--progress", "plain")
    until(lambda: len(two.events(RunnerStarted)) == 2, "the next runner")
    until(lambda: "paused: long; `teamflow resume long` lets it go on" in running.err, "it says what is held back")
    assert two.statuses()["long"] == "waiting"
    ok(two.call("resume", "long"))
    reaches(two, "long", "running")
    running.signal(signal.SIGINT)
    assert running.wait().code == 130
    goes_on(two)


# -- what must hold while others change ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_new_definition_reaches_a_frozen_step() -> None:
    """It is stopped and started again, still held back; the run can be steered as before."""
    team = "agents: {a: {command: 'sleep 60; echo v1', grace: 200ms}}"
    with Project(team) as project:
        detached(project)
        reaches(project, "a", "running")
        ok(project.call("pause", "--freeze", "a"))
        until(lambda: project.events(StepFrozen), "it is frozen")
        alone(project)
        project.write("team.yaml", team.replace("sleep 60; echo v1", "echo v2"))
        held = project.run("--no-input")
        assert (held.code, project.statuses()["a"]) == (5, "waiting"), held
        ok(project.call("resume", "a"))
        done = project.run()
        assert (done.code, project.statuses()["a"]) == (0, "succeeded"), done
        causes = [one["cause"] for one in project.status()["steps"][0]["attempts"]]
        assert causes == ["first", "relaunch"], "nothing of the old definition goes on"
        assert "a | v2" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("freeze", [False, True])
def test_who_rests_on_what_runs_again_is_done_again(freeze: bool) -> None:
    """Also when it stood still meanwhile."""
    team = """
agents:
  x: {command: "echo ran >> xlog; test -e ok"}
  y: {command: "wc -l < xlog; until test -e seen; do sleep 0.02; done", depends_on: {x: finished}}
"""
    with Project(team) as project:
        running = project.start("run", "--progress", "plain", attended=True)
        until(lambda: "y | 1" in running.err, "it has read")
        project.write("ok", "")
        if freeze:
            ok(project.call("pause", "--freeze", "y"))
            until(lambda: project.events(StepFrozen), "it is frozen")
        ok(project.call("retry", "x", "--with-downstream"))
        until(lambda: "x: succeeded" in running.err, "it runs again")
        project.write("seen", "")
        if freeze:
            ok(project.call("resume", "y"))
        done = running.wait()
        assert done.code == 0, done
        assert "y | 2" in done.err, done.err


@pytest.mark.slow
@pytest.mark.parametrize("verb", [["pause", "y"], ["cancel", "y"], ["relaunch", "y"]])
def test_a_verb_without_a_runner_begins_nothing(verb: list[str]) -> None:
    """Another step is between two phases: what it needs for the next one, only a runner has."""
    team = """
secrets: {tok: {env: TOK}}
agents:
  x: {command: "until test -e go; do sleep 0.02; done", secrets: [tok], verify: 'test -n "$tok"', retry: {attempts: 1}}
  y: {command: "test -e quick || sleep 60", grace: 100ms}
"""
    secret = {"TOK": "abcdefghijkl"}
    with Project(team) as project:
        assert project.call("run", "-d", env=secret).code == 0
        until(lambda: len(project.events(AttemptStarted)) == 2, "both run")
        alone(project)
        project.write("go", "")
        until(lambda: any(entry["e"] == "exit" for entry in project.journal()), "x has worked")
        ok(project.call(*verb))
        assert project.statuses()["x"] == "running", "its check is for the next runner"
        project.write("quick", "")
        assert project.run(env=secret).code == (5 if verb[0] == "pause" else 0)
        assert project.statuses()["x"] == "succeeded"


@pytest.mark.slow
def test_what_is_between_two_phases_can_be_stopped_without_a_runner() -> None:
    team = """
agents:
  x: {command: "until test -e go; do sleep 0.02; done", verify: "sleep 60", grace: 100ms}
"""
    with Project(team) as project:
        detached(project)
        until(lambda: project.events(AttemptStarted), "it runs")
        alone(project)
        project.write("go", "")
        until(lambda: any(entry["e"] == "exit" for entry in project.journal()), "x has worked")
        ok(project.call("pause", "x"))
        assert project.statuses()["x"] == "waiting"
        ok(project.call("cancel", "x"))
        assert project.statuses()["x"] == "cancelled"
        assert project.gone()


@pytest.mark.slow
def test_a_verb_without_a_runner_leaves_the_cache_alone() -> None:
    team = """
agents:
  w: {command: "until test -e first || test -e over; do sleep 0.02; done"}
  c: {command: "echo ran >> clog", reads: [team.yaml], depends_on: [w]}
  a: {command: "test -e first || sleep 60", grace: 100ms}
"""
    with Project(team, files={"first": ""}) as project:
        assert project.run().code == 0
        (project.root / "first").unlink()
        assert project.call("run", "--new", "-d").code == 0
        until(lambda: len(project.events(AttemptStarted, 2)) == 2, "both run")
        alone(project, 2)
        project.write("over", "")
        until(lambda: any(entry["e"] == "exit" for entry in project.journal(2)), "w is over")
        ok(project.call("pause", "a"))
        again = project.run("--no-input")
        assert "c: cached: unchanged" in again.err, again
        ok(project.call("cancel", "--all"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("progress", f'{{"step": "long", "attempt": 1, "percent": 1{"0" * 400}, "text": ""}}'),
        ("relaunch", f'{{"step": "long", "changes": {{"timeout": 1{"0" * 400}}}}}'),
        ("cancel", '{"steps":' + "[" * 100_000),
    ],
)
def test_a_damaged_request_is_refused_and_harms_nobody(two: Project, verb: str, args: str) -> None:
    detached(two, "long", "other")
    number = two.request_text(verb, args)
    answers = until(lambda: two.events(RequestAnswered), "it is answered")
    assert (answers[0].request, answers[0].ok) == (number, False)
    assert two.holder() is not None
    ok(two.call("cancel", "--all"))


@pytest.mark.slow
def test_what_comes_after_the_end_is_not_promised() -> None:
    """While a hook ends the run: done once the runner is gone, with the command that goes on."""
    team = """
hooks: {after_run: "touch ending; until test -e over; do sleep 0.02; done"}
agents: {a: {command: "test -e good"}}
"""
    with Project(team) as project:
        running = project.start("run", "--progress", "plain")
        until((project.root / "ending").exists, "it ends")
        asking = project.start("retry", "--failed")
        until(lambda: asking.has_open(project.layout.database), "it asks")
        project.write("good", "")
        project.write("over", "")
        assert running.wait().code == 1
        assert "`teamflow run` goes on with it" in ok(asking.wait())
        assert project.run().code == 0
        assert project.runs() == 1


@pytest.mark.slow
def test_a_relaunch_runs_whatever_the_cache_knows() -> None:
    team = """
agents:
  a: {command: "echo ran >> alog", reads: [team.yaml]}
  b: {command: "until test -e go; do sleep 0.02; done"}
"""
    with Project(team, files={"go": ""}) as project:
        assert project.run().code == 0
        (project.root / "go").unlink()
        assert project.call("run", "--new", "-d").code == 0
        until(lambda: project.runs() == 2 and project.statuses(2).get("a") == "cached", "it is found")
        ok(project.call("relaunch", "a"))
        until(lambda: (project.root / "alog").read_text() == "ran\nran\n", "it runs")
        project.write("go", "")
        assert project.call("wait", "--timeout", "50s").code == 0


# -- wait, tell, progress ---------------------------------------------------------------------------------------

AGENTS = """
agents:
  hears: {engine: scripted, prompt: Work, permissions: read, workspace: {mode: shared}, script: hears.yaml}
  later: {engine: scripted, prompt: Work, permissions: read, workspace: {mode: shared}, script: later.yaml}
  last: {engine: scripted, depends_on: [later], prompt: Work, permissions: read, script: last.yaml}
"""
SCRIPTS = {
    "hears.yaml": "- listen: 2m\n- listen: 2m\n",
    "later.yaml": "- run: 'until [ -e go ]; do sleep 0.02; done'\n- echo: messages\n",
    "last.yaml": "- echo: messages\n",
}


@pytest.mark.slow
def test_a_message_is_heard_at_once_or_at_the_next_turn_and_never_swallowed() -> None:
    with Project(AGENTS, files=SCRIPTS) as project:
        detached(project)
        reaches(project, "hears", "running")
        reaches(project, "later", "running")
        ok(project.call("tell", "hears", "one"))
        told = ok(project.call("tell", "--all", "for all"))
        assert told == "told hears, later, last; last hears it when it starts\n"
        assert "told by " in ok(project.call("why", "last"))
        assert ": for all (it has not heard that yet)\n" in ok(project.call("why", "last"))
        project.write("go", "")
        assert project.call("wait", "--timeout", "50s").code == 0
        steps = {step["id"]: step for step in project.status()["steps"]}
        assert steps["hears"]["text"].endswith(":\nfor all")
        assert len(steps["hears"]["attempts"]) == 1
        assert [one["cause"] for one in steps["later"]["attempts"]] == ["first", "resume"]
        assert steps["later"]["text"].endswith(":\nfor all")
        assert steps["later"]["attempts"][1]["session"] == steps["later"]["attempts"][0]["session"]
        assert "for all" in steps["last"]["text"]
        assert [one["heard"] for one in steps["hears"]["messages"]] == [True, True]
        assert "has ended (succeeded): `teamflow relaunch later` starts it anew" in refused(
            project.call("tell", "later", "too late")
        )


@pytest.mark.slow
def test_what_comes_by_a_pipe() -> None:
    """Bytes that are no text are told as they can be; far too many, and none, are refused."""
    with Project(AGENTS, files=SCRIPTS) as project:
        detached(project)
        reaches(project, "hears", "running")
        assert ok(told_by_pipe(project, "tell", "hears", "-", said=b"caf\xc3\xa9 \xff")) == "told hears\n"
        assert "more than 1 MiB" in refused(told_by_pipe(project, "tell", "hears", "-", said=b"x" * (1 << 21)), 2)
        assert "nothing to tell" in refused(told_by_pipe(project, "tell", "hears", "-", said=b""))
        ok(project.call("tell", "hears", "two"))
        assert ok(project.call("wait", "hears", "--timeout", "50s")) == "hears: succeeded\n"
        messages = project.status()["steps"][0]["messages"]
        assert [one["text"] for one in messages] == ["caf\u00e9 \\udcff", "two"]
        project.write("go", "")
        ok(project.call("wait"))


@pytest.mark.slow
def test_a_text_is_one_argument(two: Project) -> None:
    """Else the name of a step would be told to everybody."""
    detached(two, "long")
    assert "with --all there is no STEP" in refused(two.call("tell", "--all", "long", "hello"), 2)
    assert "TEXT is one argument: quote it" in refused(two.call("tell", "long", "hello", "there"), 2)
    ok(two.call("cancel", "--all"))


@pytest.mark.slow
def test_progress_leaves_the_result_of_its_step_alone() -> None:
    """What a step prints may be its result."""
    team = """
inherit_env: [PYTHONPATH, TF]
agents:
  says: {command: "$TF progress 50 half && echo 5", outputs: {n: integer}}
"""
    with Project(team) as project:
        done = project.run(env={"TF": f"{sys.executable} -m teamflow"})
        step = project.status()["steps"][0]
        assert step["outputs"] == {"n": 5}, done
        assert step["progress"] == {"percent": 50.0, "text": "half"}


@pytest.mark.slow
def test_what_nobody_holds_any_more_is_not_shown_as_running(two: Project) -> None:
    detached(two, "long", "other")
    ok(two.call("pause", "--freeze", "other"))
    until(lambda: two.events(StepFrozen), "it is frozen")
    two.kill_keeper()
    alone(two)
    shown = ok(two.call("status"))
    assert shown.count("lost: its process, runner and keeper are gone") == 2, shown
    assert "lost: its process, runner and keeper are gone; `teamflow run` takes it up" in ok(two.call("why", "long"))


@pytest.mark.slow
def test_a_number_that_no_run_can_have(two: Project) -> None:
    detached(two, "long")
    for words in (["status", "-r"], ["wait", "-r"], ["rm"]):
        refused(two.call(*words, "9" * 23), 2)
    ok(two.call("cancel", "--all"))


@pytest.mark.slow
def test_hints_name_the_file_of_the_run() -> None:
    """With another team file beside it, `teamflow run` alone would start that."""
    with Project(TWO, files={"long.yaml": TWO}) as project:
        assert project.call("run", "long.yaml", "-d").code == 0
        until(lambda: project.begun("long") and project.begun("other"), "both begin")
        alone(project)
        said = [
            ok(project.call("why", "long")),
            ok(project.call("pause", "after")),
            project.call("wait", "--timeout", "1s").err,
            project.call("logs", "-f", "long").err,
            ok(project.call("resume", "after")),
        ]
        assert all("`teamflow run long.yaml`" in text for text in said), said
        ok(project.call("cancel", "--all"))


@pytest.mark.slow
def test_a_message_is_heard_once_over_a_killed_runner() -> None:
    with Project(AGENTS, files=SCRIPTS) as project:
        detached(project)
        reaches(project, "hears", "running")
        ok(project.call("tell", "hears", "one"))
        alone(project)
        ok(project.call("tell", "hears", "two"))
        project.write("go", "")
        assert project.run().code == 0
        log = project.status()["steps"][0]["attempts"][0]["log"]
        said = [json.loads(line)["text"] for line in Path(log).read_text().splitlines() if '"message"' in line]
        assert [text.partition("\n")[2] for text in said] == ["one", "two"]


@pytest.mark.slow
def test_wait() -> None:
    team = """
agents:
  quick: {command: ./work agent 0}
  slow: {command: ./work agent 0 600, grace: 100ms}
  bad: {command: exit 3}
"""
    with Project(team) as project:
        detached(project, "slow")
        assert ok(project.call("wait", "quick")) == "quick: succeeded\n"
        assert project.call("wait", "quick", "bad").code == 1
        assert ok(project.call("wait", "--any", "quick", "slow")) == "quick: succeeded\n"
        assert "slow (running)" in refused(project.call("wait", "slow", "quick", "--timeout", "300ms"), 124)
        assert "there is no step 'nobody'" in refused(project.call("wait", "nobody", "quick"), 2)
        waiting = [project.start("wait", "slow"), project.start("wait")]
        until(lambda: all(one.has_open(project.layout.database) for one in waiting), "both wait")
        ok(project.call("cancel", "slow"))
        ends = [one.wait() for one in waiting]
        assert [one.code for one in ends] == [1, 1], "every waiter is told"
        assert ends[0].out == "slow: cancelled\n"


@pytest.mark.slow
def test_progress_from_inside_a_step() -> None:
    team = """
inherit_env: [PYTHONPATH, TF]
agents:
  build: {command: '$TF progress 250 "nearly done" && $TF progress -5 && touch told && sleep 30', grace: 100ms}
  dead: {depends_on: [build], command: 'true'}
"""
    with Project(team) as project:
        done = project.call("run", "-d", env={"TF": f"{sys.executable} -m teamflow"})
        assert done.code == 0, done
        until((project.root / "told").exists, "it has told", seconds=30)
        from teamflow.core.events import ProgressReported

        assert [(one.percent, one.text) for one in project.events(ProgressReported)] == [
            (100.0, "nearly done"),
            (0.0, ""),
        ]
        assert project.status()["steps"][0]["progress"] == {"percent": 0.0, "text": ""}
        late = {"TEAMFLOW_PROJECT": str(project.root), "TEAMFLOW_RUN": "1", "TEAMFLOW_STEP": "build"}
        assert "attempt 2 does not run any more" in refused(
            project.call("progress", "5", env={**late, "TEAMFLOW_ATTEMPT": "2"})
        )
        assert "this is no step of a run" in refused(project.call("progress", "5"), 2)
        assert "PCT is a number" in refused(project.call("progress", "half"), 2)
        ok(project.call("cancel", "--all"))


# -- forgetting -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_rm_and_purge() -> None:
    with Project("agents: {a: {command: ./work agent 0}}") as project:
        for _ in range(3):
            assert project.run("--new").code == 0
        assert "its logs stay in" in ok(project.call("rm", "1"))
        assert (project.run_dir(1) / "logs").is_dir()
        assert ok(project.call("rm", "1", "2", "--purge")) == "run 1: purged\nrun 2: purged\n"
        assert not project.run_dir(1).exists()
        assert (
            ok(project.call("rm", "1", "2", "--purge")) == "run 1: there is no such run\nrun 2: there is no such run\n"
        )
        assert "there is no such run" in refused(project.call("rm", "1"))
        assert project.runs() == 1
        assert project.run("--new").code == 0
        assert project.run_dir(4).is_dir(), "no number is given twice"


@pytest.mark.slow
def test_a_living_run_is_not_forgotten(two: Project) -> None:
    detached(two, "long")
    assert "is held by" in refused(two.call("rm", "1", "--purge"))
    alone(two)
    assert "its steps still run" in refused(two.call("rm", "1", "--purge"))
    ok(two.call("cancel", "--all"))
    assert two.gone()
    ok(two.call("rm", "1", "--purge"))


@pytest.mark.slow
def test_gc_finishes_what_was_broken_off_and_kills_what_has_no_owner(two: Project) -> None:
    detached(two, "long")
    keeper = two.keeper()
    assert keeper is not None
    os.kill(keeper, signal.SIGSTOP)
    alone(two)
    two.kill_keeper()
    assert two.run_dir(1).is_dir()
    told = json.loads(ok(two.call("gc", "--json")))
    assert told["processes"] >= 0
    assert two.gone()
    (two.run_dir(1) / "purged").touch()
    assert json.loads(ok(two.call("gc", "--json")))["directories"] == 0, "what is listed may be gone on with"
    ok(two.call("rm", "1"))
    assert json.loads(ok(two.call("gc", "--json")))["directories"] == 1
    assert not two.run_dir(1).exists()


@pytest.mark.slow
def test_runs_of_all_projects() -> None:
    with Project("agents: {a: {command: ./work agent 0}}") as one, Project("agents: {b: {command: 'true'}}") as other:
        state = {"XDG_STATE_HOME": str(one.root / "machine")}
        assert one.run(env=state).code == 0
        assert other.run(env=state).code == 0
        found = json.loads(ok(one.call("runs", "-a", "--json", env=state)))["runs"]
        assert [row["project"] for row in found] == [str(other.root), str(one.root)]
        assert str(other.root) in ok(one.call("runs", "-a", env=state))
        assert ok(one.call("runs", "-a", env={"XDG_STATE_HOME": str(one.root / "nowhere")})) == ""
        Path(other.layout.database).write_bytes(b"damaged" * 2000)
        left = one.call("runs", "-a", env=state)
        assert str(one.root) in ok(left), "one that is damaged hides no other"
        assert str(other.root) in left.err


@pytest.mark.slow
def test_a_run_goes_on_where_the_machine_takes_no_notes() -> None:
    with Project("agents: {a: {command: ./work agent 0}}", files={"file": ""}) as project:
        done = project.run(env={"XDG_STATE_HOME": str(project.root / "file")})
        assert done.code == 0, done
        assert "`runs -a` may not list this project" in done.err


@pytest.mark.slow
def test_an_ended_run_says_so() -> None:
    with Project("agents: {a: {command: ./work agent 0}}") as project:
        assert project.run().code == 0
        assert isinstance(project.events(RunEnded)[-1], RunEnded)
        assert "a has ended (succeeded)" in refused(project.call("pause", "a"))
        assert "the run has ended (succeeded)" in refused(project.call("pause"))
        assert "nothing is paused in this run" in refused(project.call("resume"))
        assert ok(project.call("wait")) == "run 1: succeeded\n"

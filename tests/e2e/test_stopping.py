"""Interrupting, cancelling, leaving and doubling runs: real processes, signalled as a terminal would."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from functools import partial

import pytest

from teamflow.core.events import AttemptEnded, AttemptStopping, RunEnded
from teamflow.core.requested import CancelRequested, RequestAnswered
from tests.campaign.checker import check
from tests.campaign.kill_trees import MISSED, TREES
from tests.e2e.keeper_driver import levels
from tests.e2e.tool import Project, Running, until

TWO = """
limits: {max_parallel: 4}
defaults: {grace: 400ms}
agents:
  long: {command: test -e quick || ./work agent 0 60; ./work again 0}
  other: {command: test -e quick || ./work agent 0 60; ./work again 0}
  after: {depends_on: [long], command: ./work agent 0}
"""
"""Two steps that take a minute, or no time at all once there is a file `quick`."""


@pytest.fixture
def two() -> Iterator[Project]:
    with Project(TWO) as project:
        yield project


def started(project: Project, *words: str, steps: tuple[str, ...] = ("long", "other")) -> Running:
    """A run whose steps are at work."""
    running = project.start("run", "--progress", "plain", *words)
    until(lambda: all(project.begun(step) for step in steps), f"{steps} begin")
    return running


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_the_first_signal_interrupts_and_run_goes_on_later(two: Project, number: signal.Signals, code: int) -> None:
    running = started(two)
    running.signal(number)
    done = running.wait()
    assert done.code == code, done
    assert two.gone()
    assert two.statuses() == {"long": "waiting", "other": "waiting", "after": "pending"}
    shown = two.status()
    assert (shown["status"], shown["exit_reason"]) == ("interrupted", "interrupted")
    assert [ended.outcome.cause for ended in two.events(AttemptEnded)] == ["interrupt", "interrupt"]

    two.write("quick", "")
    done = two.run()
    assert done.code == 0, done
    verdict = check(two, expected=dict.fromkeys(["long", "other", "after"], "succeeded"))
    assert verdict.wrong == []
    assert [attempt["cause"] for attempt in two.status()["steps"][0]["attempts"]] == ["first", "resume"]


@pytest.mark.slow
def test_a_second_run_of_a_live_one_is_told_who_holds_it(two: Project) -> None:
    running = started(two)
    second = two.run()
    assert second.code == 3, second
    assert running.process.poll() is None
    assert f"process {running.pid}" in second.err
    assert "run 1" in second.err
    running.signal(signal.SIGINT)
    running.wait()


@pytest.mark.slow
def test_the_second_signal_kills_at_once() -> None:
    team = """
defaults: {grace: 10m}
agents:
  stubborn: {command: "trap '' INT TERM; ./work agent 0 600; ./work agent 0 600"}
"""
    with Project(team) as project:
        running = started(project, steps=("stubborn",))
        running.signal(signal.SIGINT)
        until(lambda: project.events(AttemptStopping), "the stop is recorded")
        time.sleep(0.3)
        assert running.process.poll() is None
        running.signal(signal.SIGINT)
        done = running.wait()
        assert done.code == 130, done
        assert project.gone()
        assert project.statuses() == {"stubborn": "waiting"}


@pytest.mark.slow
def test_two_signals_in_one_moment(two: Project) -> None:
    running = started(two)
    running.signal(signal.SIGINT)
    running.signal(signal.SIGTERM)
    done = running.wait()
    assert done.code in (130, 143), done
    assert two.gone()
    assert set(two.statuses().values()) == {"waiting", "pending"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_a_signal_at_any_early_moment_leaves_a_run_that_goes_on(two: Project, seed: int) -> None:
    running = two.start("run", "--progress", "plain")
    time.sleep(0.04 * seed)
    running.signal(signal.SIGINT)
    done = running.wait()
    # An interpreter that has not come to its main module yet says so with 1.
    interpreter = "Could not import runpy" in done.err or "Fatal Python error: init_" in done.err
    assert done.code in (130, -2) or (done.code == 1 and interpreter), done
    assert "Traceback" not in done.err or not two.runs(), "only an interpreter that has just begun may say that"
    assert two.gone()
    two.write("quick", "")
    assert two.run().code == 0
    assert check(two, expected=dict.fromkeys(["long", "other", "after"], "succeeded")).wrong == []


@pytest.mark.slow
def test_a_runner_that_is_killed_while_it_interrupts(two: Project) -> None:
    running = started(two)
    running.signal(signal.SIGINT)
    until(lambda: two.events(AttemptStopping), "the stop is recorded")
    running.kill()
    two.write("quick", "")
    done = two.run()
    assert done.code == 0, done
    assert check(two, expected=dict.fromkeys(["long", "other", "after"], "succeeded")).wrong == []


# -- leaving ---------------------------------------------------------------------------------------------------

SHORT = """
agents:
  one: {command: ./work agent 0 1.2}
  two: {depends_on: [one], command: ./work agent 0}
"""


@pytest.mark.slow
@pytest.mark.parametrize("progress", ["live", "plain"])
def test_a_closed_terminal_does_not_stop_the_run(progress: str) -> None:
    with Project(SHORT) as project:
        terminal = project.start_on_terminal("run", "--progress", progress)
        until(lambda: project.begun("one"), "the step begins")
        terminal.close()
        assert terminal.process.wait(60) == 0
        assert check(project, expected={"one": "succeeded", "two": "succeeded"}).wrong == []
        assert len(project.status()["steps"][0]["attempts"]) == 1


@pytest.mark.slow
def test_control_c_in_a_terminal(two: Project) -> None:
    terminal = two.start_on_terminal("run")
    until(lambda: two.begun("long") and two.begun("other"), "the steps begin")
    terminal.type(b"\x03")
    assert terminal.process.wait(60) == 130
    assert two.gone()
    assert two.statuses() == {"long": "waiting", "other": "waiting", "after": "pending"}


@pytest.mark.slow
def test_detached_it_prints_the_number_and_outlives_the_terminal() -> None:
    with Project(SHORT) as project:
        terminal = project.start_on_terminal("run", "-d")
        assert terminal.process.wait(60) == 0
        until(lambda: b"1\r\n" in terminal.shown, "the number of the run")
        terminal.close()
        busy = project.run()
        holder = project.holder()
        assert busy.code == 3, busy
        assert holder is not None
        assert f"process {holder.pid}" in busy.err
        until(lambda: project.events(RunEnded), "the run ends")
        until(lambda: project.holder() is None, "its lock is free")
        assert check(project, expected={"one": "succeeded", "two": "succeeded"}).wrong == []


@pytest.mark.slow
def test_detached_into_a_pipe_only_the_number_is_on_stdout() -> None:
    with Project(SHORT) as project:
        done = project.call("run", "-d")
        assert (done.code, done.out) == (0, "1\n")
        until(lambda: project.events(RunEnded), "the run ends")
        assert project.gone()


# -- cancelling ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_cancel_a_step_from_another_terminal(two: Project) -> None:
    running = started(two)
    two.request("cancel", {"steps": ["other"]})
    until(lambda: two.events(RequestAnswered), "the answer")
    assert two.events(CancelRequested)
    until(lambda: two.statuses()["other"] == "cancelled", "the step is cancelled")
    assert two.statuses()["long"] == "running"
    done = two.call("cancel", "--all")
    assert done.code == 0, done
    ended = running.wait()
    assert ended.code == 1, ended
    assert check(two, expected=dict.fromkeys(["long", "other", "after"], "cancelled")).wrong == []


@pytest.mark.slow
def test_cancel_what_cannot_be_cancelled(two: Project) -> None:
    running = started(two)
    two.request("cancel", {"steps": ["nobody"]})
    two.request("shave", {})
    until(lambda: len(two.events(RequestAnswered)) == 2, "two answers")
    assert [answer.ok for answer in two.events(RequestAnswered)] == [False, False]
    assert running.process.poll() is None
    running.signal(signal.SIGINT)
    running.wait()


@pytest.mark.slow
def test_cancel_all_with_a_dead_runner(two: Project) -> None:
    started(two).kill()
    done = two.call("cancel", "--all")
    assert done.code == 0, done
    verdict = check(two, expected=dict.fromkeys(["long", "other", "after"], "cancelled"))
    assert verdict.wrong == []


@pytest.mark.slow
def test_cancel_one_step_with_a_dead_runner_leaves_the_other(two: Project) -> None:
    started(two).kill()
    done = two.call("cancel", "other")
    assert done.code == 0, done
    assert two.statuses()["other"] == "cancelled"
    assert two.statuses()["long"] == "running"
    assert two.keeper() is not None
    assert two.call("cancel", "--all").code == 0
    assert two.gone()


@pytest.mark.slow
def test_a_request_left_with_a_dead_runner_is_answered_by_the_next(two: Project) -> None:
    started(two).kill()
    two.request("cancel", {"steps": ["other"]})
    running = two.start("run", "--progress", "plain")
    until(lambda: two.statuses()["other"] == "cancelled", "the step is cancelled")
    running.signal(signal.SIGINT)
    running.wait()
    assert [answer.ok for answer in two.events(RequestAnswered)] == [True]


# -- two at once -----------------------------------------------------------------------------------------------


def _ended_one(all_of_them: tuple[Running, ...]) -> Running | None:
    return next((one for one in all_of_them if one.process.poll() is not None), None)


@pytest.mark.slow
def test_of_two_runs_at_once_one_drives() -> None:
    team = "agents: {one: {command: 'until [ -e go ]; do sleep 0.02; done; ./work agent 0'}}"
    for trial in range(8):
        with Project(team) as project:
            both = project.start("run"), project.start("run")
            assert until(partial(_ended_one, both), "one leaves").wait().code == 3
            project.write("go", "")
            assert sorted(one.wait().code for one in both) == [0, 3], trial
            assert project.runs() == 1
            assert check(project, expected={"one": "succeeded"}).wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("level", levels())
def test_two_runs_at_once_of_a_run_whose_runner_died(two: Project, level: str) -> None:
    two.level = level
    started(two).kill()
    first, second = two.start("run"), two.start("run")
    until(lambda: first.process.poll() is not None or second.process.poll() is not None, "one is refused")
    loser, winner = (first, second) if first.process.poll() is not None else (second, first)
    assert loser.wait().code == 3
    winner.signal(signal.SIGINT)
    assert winner.wait().code == 130
    assert two.gone()


# -- what resists ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("signals", [1, 2])
@pytest.mark.parametrize("level", levels())
def test_nothing_is_left_of_nasty_trees(level: str, signals: int) -> None:
    trees = {name: script for name, (script, _) in TREES.items() if name not in MISSED.get(level, ())}
    standing = sum(size for name, (_, size) in TREES.items() if name in trees)
    steps = {f"tree{n}": {"command": f"{script}\n:"} for n, script in enumerate(trees.values())}
    team = {"limits": {"max_parallel": 20}, "defaults": {"grace": "600ms"}, "agents": steps}
    with Project(json.dumps(team), level=level) as project:
        if project.truth is None:
            assert level == "walk"
        running = project.start("run", "--progress", "plain")
        until(lambda: len(project.alive()) > standing - 20, f"most of {standing} processes stand")
        running.signal(signal.SIGINT)
        if signals == 2:
            until(lambda: project.events(AttemptStopping), "the stop is recorded")
            running.signal(signal.SIGINT)
        done = running.wait()
        assert done.code == 130, done
        assert project.gone(), project.alive()


@pytest.mark.slow
def test_the_next_look_ends_what_lost_both_runner_and_keeper(two: Project) -> None:
    running = started(two)
    running.kill()
    assert two.kill_keeper()
    done = two.call("status")
    assert done.code == 0, done
    assert "had lost both runner and keeper" in done.err
    assert two.gone()
    assert two.call("status").err == ""

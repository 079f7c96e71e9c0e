"""`cancel` asks a living runner and prints its answer; without one it does what can be done."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from teamflow.core.events import Event, RunnerStarted
from teamflow.core.requested import CancelRequested, RequestAnswered
from teamflow.store.layout import Layout
from teamflow.store.lock import RunLock, this_process
from teamflow.store.rows import RequestRow
from teamflow.store.sqlite import Database
from tests.fakes.plans import make_plan, make_step
from tests.unit.cli.made import Answer, Made, call, make_run, started


def answered(made: Made, words: Sequence[str], events: Sequence[Event]) -> tuple[Answer, RequestRow]:
    """`cancel` beside a runner that answers with `events`."""
    lock = RunLock.acquire(Layout(str(made.root)), made.number, this_process(since=1.0))
    assert isinstance(lock, RunLock)
    with started(made.root, "cancel", *words) as asking, Database.open(str(made.root)) as database:
        deadline = time.monotonic() + 60
        while not (requests := database.requests(made.number)):
            assert time.monotonic() < deadline
            assert asking.poll() is None, asking.communicate()
            time.sleep(0.01)
        made.append(events)
        out, err = asking.communicate(timeout=60)
    lock.release()
    return Answer(asking.returncode, out.decode(), err.decode()), requests[-1]


def run(tmp_path: Path) -> Made:
    return make_run(tmp_path, make_plan([make_step("a"), make_step("b", needs=["a"])]), [RunnerStarted("boot", 1, 1)])


def test_steps(tmp_path: Path) -> None:
    events = [CancelRequested(("a",), "u@h"), RequestAnswered(1, ok=True, message="cancelling a")]
    answer, request = answered(run(tmp_path), ["a"], events)
    assert answer == (0, "cancelling a\n", "")
    assert (request.verb, json.loads(request.args)) == ("cancel", {"steps": ["a"]})
    assert "@" in request.by


def test_the_run(tmp_path: Path) -> None:
    answer, request = answered(run(tmp_path), ["--all", "--json"], [RequestAnswered(1, ok=True, message="the run")])
    assert json.loads(answer.out) == {"schema_version": 1, "run": 1, "ok": True, "message": "the run"}
    assert json.loads(request.args) == {"steps": None}


def test_a_refusal(tmp_path: Path) -> None:
    answer, _ = answered(run(tmp_path), ["b"], [RequestAnswered(1, ok=False, message="b has ended (skipped)")])
    assert answer == (1, "", "teamflow: b has ended (skipped)\n")


def test_usage(tmp_path: Path) -> None:
    run(tmp_path)
    assert call(tmp_path, "cancel").code == 2
    assert call(tmp_path, "cancel", "a", "--all").code == 2
    assert "there is no step 'x'" in call(tmp_path, "cancel", "x").err


def test_without_a_runner(tmp_path: Path) -> None:
    run(tmp_path)
    assert call(tmp_path, "cancel", "b") == (0, "cancelled b\n", "")
    assert "cancelled" in call(tmp_path, "why", "b").out
    assert call(tmp_path, "cancel", "b").code == 1
    assert call(tmp_path, "cancel", "--all").code == 0
    assert json.loads(call(tmp_path, "status", "--json").out)["status"] == "cancelled"
    assert call(tmp_path, "cancel", "--all").code == 1

"""The keeper of systems other than Linux, run here: with ps, process groups and poll; with a kqueue that is a fake.

The keeper's other tests run at the level `groups`, too (`--all`); here is what only that level does or does not do.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from teamflow.core.events import AttemptEnded
from teamflow.core.outcome import Failed, FailureClass
from tests.campaign.crash_sweep import sampled
from tests.campaign.live_steps import measure
from tests.campaign.random_kills import MOST_PER_RUN, Tally, campaign
from tests.e2e import test_keeper_input, test_keeper_life, test_keeper_stop
from tests.e2e.keeper_driver import PATIENCE, PORTABLE, PROGRAM, Keeper, cgroup_root, wait_for
from tests.e2e.tool import Project, until

KQUEUE = PROGRAM.parents[2] / "tests/fakes/kqueue_keeper.py"
QUIET = ">/dev/null 2>&1 </dev/null"
needs_truth = pytest.mark.skipif(cgroup_root() is None, reason="no cgroup can be made here to count in")

Test = Callable[[Keeper], None]


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    made = Keeper(PORTABLE)
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "test",
    [
        test_keeper_life.test_two_hundred_phases_in_a_burst,
        test_keeper_life.test_who_comes_back_reads_on_from_its_number,
        test_keeper_life.test_the_newest_that_says_hello_owns,
        test_keeper_life.test_term_stops_everything_and_ends_the_keeper,
        test_keeper_stop.test_the_ladder_goes_up_step_by_step,
        test_keeper_stop.test_timeout,
        test_keeper_input.test_input_is_written_once_and_recorded_with_the_offset_it_answers,
        test_keeper_input.test_a_reader_that_never_reads_holds_nobody_up,
        test_keeper_input.test_a_reader_that_closed_its_end_is_no_fault,
    ],
    ids=lambda test: test.__name__,
)
def test_with_a_kqueue(test: Test) -> None:
    keeper = Keeper(PORTABLE, program=KQUEUE)
    try:
        test(keeper)
    finally:
        keeper.close()


@pytest.mark.slow
@needs_truth
@pytest.mark.parametrize(
    ("script", "missed"),
    [
        ("setsid sleep 300 & exit 0", False),
        (f"(setsid setsid sleep 300 {QUIET} &); exit 0", False),
        (f"env -i sleep 300 {QUIET} & exit 0", False),
        (f"env -i setsid -w sleep 300 {QUIET} & sleep 300", False),
        (f"(env -i setsid sleep 300 {QUIET} &); sleep 0.4", True),
        (f"(env -i setsid sleep 300 {QUIET} &); sleep 300", True),
    ],
    ids=["session", "session, orphan", "environment", "all, with its parents", "all of it", "all of it, phase goes on"],
)
def test_what_escapes_and_what_does_not(keeper: Keeper, script: str, missed: bool) -> None:
    """Lost is only who leaves group and session, has no parent that was seen, and hides its environment."""
    client = keeper.client()
    keeper.start(client, "s", script, env_add={"PATH": "/usr/bin:/bin"})
    client.entry("start", "s")
    time.sleep(0.6)
    client.send(op="stop", step="s", attempt=1, grace=0)
    client.entry("exit", "s")
    gone = wait_for(lambda: not keeper.left(), 2 if missed else PATIENCE)
    assert gone or missed, "who is missed may be met by a look in time, too"


@pytest.mark.slow
@needs_truth
def test_what_turns_up_after_its_phase_has_two_seconds_to_end(keeper: Keeper) -> None:
    client = keeper.client()
    polite = Path(keeper.home, "polite")
    script = (
        f"setsid sh -c 'trap \"echo bye > {polite}; exit\" TERM; echo up; while :; do sleep 0.05; done' & sleep 0.3"
    )
    keeper.start(client, "polite", script)
    keeper.start(client, "stubborn", "setsid sh -c 'trap \"\" TERM; while :; do sleep 0.05; done' & sleep 0.3")
    client.entry("exit", "polite")
    assert wait_for(polite.exists)
    assert wait_for(lambda: not keeper.left())


@pytest.mark.slow
def test_who_only_names_the_mark_is_left_alone(keeper: Keeper) -> None:
    """ps shows environment and command line in one: a search for a step's processes is none of them."""
    client = keeper.client()
    mark = "sleep 0.4; echo $TEAMFLOW_ATTEMPT_ID"
    keeper.start(client, "s", mark)
    client.entry("exit", "s")
    argv = ["/bin/sh", "-c", "sleep 60; exit 7", "sh", f"x TEAMFLOW_ATTEMPT_ID={keeper.output('s').strip()}"]
    with subprocess.Popen(argv) as searcher:
        keeper.start(client, "again", "exit 0", attempt=2)
        client.entry("exit", "again", attempt=2)
        time.sleep(2.5)
        assert searcher.poll() is None
        keeper.process.kill()
        keeper.process.wait(60)
        assert keeper.reap().killed == []
        assert searcher.poll() is None
        searcher.kill()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["runner", "keeper", "both"])
def test_runs_that_are_killed(what: str) -> None:
    assert what in MOST_PER_RUN
    seed = random.SystemRandom().randrange(1 << 31)
    total = Tally()
    for tally in campaign(what, 12, seed, level=PORTABLE):
        total.add(tally)
    print(f"seed {seed}, {what}: {total}")
    assert total.wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["runner", "both"])
def test_boundaries(kind: str) -> None:
    seed = random.SystemRandom().randrange(1 << 31)
    print("seed", seed)
    trials = list(sampled(kind, 200, samples=10, chance=random.Random(seed), level=PORTABLE))
    assert [f"{trial}: {line}" for trial in trials for line in trial.wrong] == []


@pytest.mark.slow
def test_live_steps() -> None:
    figures = measure(100, 5, 1.0, level=PORTABLE)
    print(figures)
    assert figures.wrong == []


@pytest.mark.slow
def test_a_run_of_its_own() -> None:
    """Timeout, cancel from elsewhere, a namespace where there is one, and nothing that goes on afterwards."""
    team = """
agents:
  slow: {command: sleep 300 & sleep 300, timeout: 500ms, grace: 200ms, retry: {attempts: 1}}
  left: {command: setsid sleep 300 & echo done}
  long: {command: trap '' INT TERM; sleep 300 & sleep 300, grace: 200ms}
"""
    with Project(team, level=PORTABLE) as project:
        runner = project.start("run", "--progress", "plain")
        until(lambda: project.statuses().get("slow") == "failed" if project.runs() else False, "the timeout")
        assert project.call("cancel", "long").code == 0
        assert runner.wait(30).code == 1
        assert project.statuses() == {"slow": "failed", "left": "succeeded", "long": "cancelled"}
        ends = {event.step: event.outcome for event in project.events(AttemptEnded)}
        assert isinstance(ends["slow"], Failed)
        assert ends["slow"].failure is FailureClass.TIMEOUT
        assert {entry["boot"] for entry in project.journal() if entry["e"] == "start"} != {""}
        assert project.gone(), project.alive()


def test_a_platform_that_is_not_known_is_refused(tmp_path: Path) -> None:
    argv = [sys.executable, "-I", "-S", str(PROGRAM), str(tmp_path), str(tmp_path / "s")]
    for env in ({"TEAMFLOW_KEEPER_PLATFORM": "magic"}, {"TEAMFLOW_KEEPER_PLATFORM": "portable"}):
        done = subprocess.run(
            argv, capture_output=True, timeout=60, env={**env, "TEAMFLOW_KILL_LEVEL": "walk"}, check=False
        )
        assert done.returncode == 2
        assert (b"PLATFORM" in done.stderr) == (env["TEAMFLOW_KEEPER_PLATFORM"] == "magic")
        assert (b"here there is groups" in done.stderr) == (env["TEAMFLOW_KEEPER_PLATFORM"] == "portable")

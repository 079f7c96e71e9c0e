"""Usage limits and chains of engines, with real processes: who is asked, who waits, what other runs know."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from teamflow.app.inspect import NoRun
from tests.e2e.keeper_driver import wait_for
from tests.e2e.project import Project, finish, proves

CLI = """#!/bin/sh
# ask NAME: an agent that does its work, unless the file limit-NAME says that its quota is used up
cat > /dev/null
echo "$TEAMFLOW_STEP" >> "asked-$1"
if [ -e "limit-$1" ]; then
  echo "working ..."
  echo "Error: you've hit your usage limit, $(cat "limit-$1")" >&2
  exit 1
fi
echo "done by $1"
"""
ENGINES = """
engines:
  alpha: {command: [./ask, alpha], failures: {usage_exhausted: usage limit, auth: [log in, '401\\b']}}
  beta: {command: [./ask, beta], failures: {usage_exhausted: usage limit}}
defaults: {permissions: read, workspace: {mode: shared}, retry: {delay: 10ms}}
"""
ONE = f"{ENGINES}\nagents:\n  work: {{engine: alpha, prompt: Work}}\n"
TWO = f"""{ENGINES}
agents:
  work: {{engine: [alpha, beta], prompt: Work}}
  more: {{engine: [alpha, beta], prompt: Work, depends_on: [work]}}
"""


def project(place: Path, team: str, **limits: str) -> Project:
    """`limits`: by engine, what it says of when its limit is over."""
    made = Project(place, team)
    made.write("ask", CLI).chmod(0o755)
    for engine, words in limits.items():
        made.write(f"limit-{engine}", words)
    return made


def seconds(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


@contextmanager
def begun(made: Project, *words: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A run under way; it does not outlive the test."""
    with made.popen("run", "--progress", "plain", *words, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    assert wait_for(holds, seconds, 0.02), "it does not come"


def waiting(made: Project, step: str = "work") -> bool:
    """Whether a step of the newest run waits for an engine."""
    try:
        return (made.status().step(step)["waits"] or {}).get("what") == "limit"
    except NoRun:
        return False


@pytest.mark.slow
@proves(team=["limits.on_usage_limit", "engines.*.failures", "engines.*.failures.usage_exhausted"])
def test_it_waits_and_goes_on_when_the_limit_is_over(tmp_path: Path) -> None:
    team = f"limits: {{on_usage_limit: wait, max_parallel: 1}}\n{ONE}  other: {{command: sleep 0.5; touch other}}\n"
    made = project(tmp_path, team, alpha="try again in 9 seconds")
    with begun(made) as process:
        wait_until(lambda: waiting(made))
        shown = made.status()
        assert shown.step("work")["waits"]["until"] is not None
        assert "alpha: usage limit until " in shown.step("work")["reason"]
        assert "`teamflow resume work` has it asked again at once" in shown.step("work")["reason"]
        assert shown.step("work")["attempts"][0]["reason"].endswith("hit your usage limit, try again in 9 seconds")
        wait_until(lambda: made.exists("other"))
        (made.root / "limit-alpha").unlink()
        done = finish(process)
    assert done.code == 0, done
    assert made.lines("asked-alpha") == ["work", "work"], "it was not asked in between"
    assert made.status().failures("work") == ["usage_exhausted", None]


@pytest.mark.slow
@proves(team=["limits.on_usage_limit"])
def test_without_anybody_there_the_run_ends_with_4_and_goes_on_later(tmp_path: Path) -> None:
    made = project(tmp_path, ONE, alpha="try again in 1 hour")
    done = made.run("--no-input").expect(4)
    assert "usage limit until" in done.said
    assert made.status().data["exit_reason"] == "limit"
    assert made.status().data["status"] == "limited"
    made.run("--no-input").expect(4)
    assert made.lines("asked-alpha") == ["work"], "a second run does not ask before the reset"
    (made.root / "limit-alpha").unlink()
    made.call("resume", "work").expect(0)
    made.run("--no-input").expect(0)
    assert made.lines("asked-alpha") == ["work", "work"]


@pytest.mark.slow
def test_resume_lifts_the_limit_of_a_living_run(tmp_path: Path) -> None:
    made = project(tmp_path, f"limits: {{on_usage_limit: wait}}\n{ONE}", alpha="try again in 1 hour")
    with begun(made) as process:
        wait_until(lambda: waiting(made))
        (made.root / "limit-alpha").unlink()
        said = made.call("resume", "work").expect(0).said
        assert "alpha is asked again" in said
        assert finish(process).code == 0


@proves(team=["limits.on_usage_limit"])
def test_stop_never_falls_back_or_waits(tmp_path: Path) -> None:
    made = project(tmp_path, f"limits: {{on_usage_limit: stop}}\n{TWO}", alpha="try again in 2 seconds")
    made.run().expect(4)
    assert not made.exists("asked-beta")


@pytest.mark.slow
@proves(team=["limits.max_wait"])
def test_what_is_too_far_off_is_not_waited_for(tmp_path: Path) -> None:
    limits = "limits: {on_usage_limit: wait, max_wait: 30m}\n"
    made = project(tmp_path, f"{limits}{ONE}", alpha="try again in 31 minutes")
    made.run().expect(4)


def test_the_next_engine_takes_over_and_stays(tmp_path: Path) -> None:
    made = project(tmp_path, TWO, alpha="try again in 1 hour")
    made.run("--no-input").expect(0)
    shown = made.status()
    assert [attempt["engine"] for attempt in shown.step("work")["attempts"]] == ["alpha", "beta"]
    assert [attempt["engine"] for attempt in shown.step("more")["attempts"]] == ["beta"]
    assert shown.text("work") == shown.text("more") == "done by beta"
    assert made.lines("asked-alpha") == ["work"]
    assert "goes on with beta" in made.why("work")
    table = made.call("status").expect(0).out
    assert "beta" in table


@pytest.mark.slow
def test_the_next_engine_takes_over_where_a_program_is_not_there(tmp_path: Path) -> None:
    made = project(tmp_path, TWO.replace("./ask, alpha", "no-such-agent, alpha"))
    made.run("--no-input").expect(0)
    shown = made.status()
    assert [(each["engine"], each["failure"]) for each in shown.step("work")["attempts"]] == [
        ("alpha", "start"),
        ("beta", None),
    ]
    assert [each["engine"] for each in shown.step("more")["attempts"]] == ["beta"]
    assert "no-such-agent" in made.why("work")


@pytest.mark.slow
@proves(team=["engines.*.failures.auth", "engines.*.failures.rate_limit", "engines.*.failures.transient"])
@proves(team=["engines.*.failures.rejected", "engines.*.failures.fatal"])
def test_each_class_that_an_engine_tells(tmp_path: Path) -> None:
    team = """
engines:
  cli:
    command: [sh]
    failures:
      {auth: log in, rate_limit: '429', transient: [overloaded, exited 75], rejected: too long, fatal: hopeless}
defaults: {permissions: read, workspace: {mode: shared}, continue_on_error: true, retry: {attempts: 1, delay: 1ms}}
agents:
  auth: {engine: cli, prompt: "echo please LOG IN; exit 1"}
  rate: {engine: cli, prompt: "[ -e rate ] || { touch rate; echo HTTP 429, retry after 1 s >&2; exit 1; }; exit"}
  code: {engine: cli, prompt: "[ -e code ] || { touch code; exit 75; }; exit"}
  rejected: {engine: cli, prompt: "echo prompt is too long; exit 2"}
  fatal: {engine: cli, prompt: "echo hopeless; exit 2"}
  exit: {engine: cli, prompt: "echo who knows; exit 2"}
  fine: {engine: cli, prompt: "echo 429 files seen"}
"""
    made = Project(tmp_path, team)
    made.run().expect(0)
    shown = made.status()
    failures = {name: shown.failures(name) for name in shown.steps}
    assert failures == {
        "auth": ["auth"],
        "rate": ["rate_limit", None],
        "code": ["transient", None],
        "rejected": ["rejected"],
        "fatal": ["fatal"],
        "exit": ["exit"],
        "fine": [None],
    }
    first, second = shown.step("rate")["attempts"]
    assert seconds(first["ended"], second["started"]) >= 1.0, "it waited as long as it was told"


@pytest.mark.slow
def test_the_other_runs_of_the_machine_know(tmp_path: Path) -> None:
    """Those that start later, and those that are under way."""
    made = project(tmp_path, ONE, alpha="try again in 1 hour")
    under_way = f"{ENGINES}\nagents:\n  first: {{command: 'until [ -e go ]; do sleep 0.02; done'}}\n"
    made.write("under.yaml", f"{under_way}  work: {{engine: [alpha, beta], prompt: Work, depends_on: [first]}}\n")
    made.write("later.yaml", ONE)
    with begun(made, "under.yaml") as process:
        wait_until(lambda: (made.root / ".teamflow").exists())
        made.run("--no-input", "team.yaml").expect(4)
        assert made.lines("asked-alpha") == ["work"]
        (made.root / "go").touch()
        assert finish(process).code == 0
    assert made.lines("asked-alpha") == ["work"], "the run under way did not ask it"
    assert made.lines("asked-beta") == ["work"]
    made.run("--no-input", "later.yaml").expect(4)
    assert made.lines("asked-alpha") == ["work"]
    (made.root / "limit-alpha").unlink()
    made.call("resume", "-r", "3", "work").expect(0)
    made.run("--no-input", "later.yaml").expect(0)
    made.write("last.yaml", ONE)
    made.run("--no-input", "last.yaml").expect(0)
    assert made.lines("asked-alpha") == ["work"] * 3, "that it is over is known as well"


@pytest.mark.slow
def test_a_dead_runner_loses_neither_the_limit_nor_the_step(tmp_path: Path) -> None:
    made = project(tmp_path, f"limits: {{on_usage_limit: wait}}\n{ONE}", alpha="try again in 9 seconds")
    with begun(made) as process:
        wait_until(lambda: waiting(made))
        process.send_signal(signal.SIGKILL)
    (made.root / "limit-alpha").unlink()
    made.run().expect(0)
    assert made.lines("asked-alpha") == ["work", "work"]
    first, second = made.status().step("work")["attempts"]
    assert seconds(first["ended"], second["started"]) >= 8.5, "its reset counts from when it was met"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["is a directory", "is no database", "is not writable"])
def test_a_spoilt_memory_of_the_machine_stops_nobody(tmp_path: Path, kind: str) -> None:
    made = project(tmp_path, ONE)
    place = tmp_path / "state" / "teamflow"
    place.mkdir(parents=True)
    if kind == "is a directory":
        (place / "machine.db").mkdir()
    elif kind == "is no database":
        (place / "machine.db").write_text("no database, but long enough to be looked at " * 100)
    else:
        place.rmdir()
        place.write_text("a file where the directory should be")
    made.run("--no-input").expect(0)
    made.write("limit-alpha", "try again in 1 hour")
    made.run("--no-input", "--new").expect(4)

"""Hooks: called in order, with their variables, once each; they observe, but for the two that come before."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, finish, proves
from tests.e2e.tool import until
from tests.e2e.watched import Watched, save

EVENTS = ("before_run", "after_run", "before_step", "after_step", "succeeded", "failed", "needs_user")

NOTE = """#!/bin/sh
step="$TEAMFLOW_STEP|$TEAMFLOW_ATTEMPT"
echo "$TEAMFLOW_HOOK|$step|$TEAMFLOW_STATUS|$TEAMFLOW_QUESTION" >> "told${1:+.$1}"
"""


def project(place: Path, agents: dict[str, Any], hooks: dict[str, Any] | None = None, **more: Any) -> Project:
    """All hooks note who was called; `hooks` replaces some."""
    told = {**dict.fromkeys(EVENTS, "./note"), **(hooks or {})}
    made = Project(place, {"agents": agents, "hooks": told, **more}, files={"note": NOTE})
    (made.root / "note").chmod(0o755)
    return made


@proves(team=["hooks", *(f"hooks.{event}" for event in EVENTS)])
def test_order_and_variables(tmp_path: Path) -> None:
    agents = {
        "a": {
            "command": "echo a >> told; exit 3",
            "retry": {"attempts": 2, "delay": "10ms"},
            "continue_on_error": True,
        },
        "b": {"command": "echo b >> told", "depends_on": {"a": "failed"}},
        "c": {"ask": "Ship it?", "depends_on": ["b"]},
    }
    p = project(tmp_path, agents, {"after_run": "./note; env | grep ^TEAMFLOW_ > seen"})
    p.run("--no-input").expect(5)
    assert [line for line in p.lines("told") if line[0] not in "fsn" and not line.startswith("after_s")] == [
        "before_run||||",
        "before_step|a|1||",
        "a",
        "before_step|a|2||",
        "a",
        "before_step|b|1||",
        "b",
        "after_run|||waiting|",
    ]
    assert [line for line in p.lines("told") if line[0] in "fsn" or line.startswith("after_")] == [
        "after_step|a|2|failed|",
        "failed|a|2|failed|",
        "after_step|b|1|succeeded|",
        "succeeded|b|1|succeeded|",
        "needs_user|c|||1.1",
        "after_run|||waiting|",
    ]
    seen = dict(line.split("=", 1) for line in p.lines("seen"))
    assert seen.pop("TEAMFLOW_RUN_ID") != ""
    assert seen.pop("TEAMFLOW_ATTEMPT_ID").rpartition(":")[2].isdigit()
    assert seen == {
        "TEAMFLOW_HOOK": "after_run",
        "TEAMFLOW_RUN": "1",
        "TEAMFLOW_RUN_DIR": str(p.run_dir()),
        "TEAMFLOW_PROJECT": str(p.root),
        "TEAMFLOW_TEAM": "team",
        "TEAMFLOW_STATUS": "waiting",
        "TEAMFLOW_REASON": "a question is open: c",
        **dict.fromkeys((f"TEAMFLOW_{name}" for name in ("STEP", "AGENT", "ATTEMPT", "QUESTION", "TEXT")), ""),
    }


@pytest.mark.slow
def test_a_run_whose_beginning_fails_starts_nothing(tmp_path: Path) -> None:
    p = project(tmp_path, {"a": {"command": "echo a >> told"}}, {"before_run": "./note; test -e ready"})
    done = p.run().expect(1)
    assert "hook before_run: `./note; test -e ready` exited 1" in done.said
    assert p.lines("told") == ["before_run||||", "failed|||failed|", "after_run|||failed|"]
    assert p.status().ran() == set()
    p.write("ready", "")
    p.write("told", "")
    p.run().expect(0)
    assert p.lines("told")[:3] == ["before_run||||", "before_step|a|1||", "a"]
    p.write("told", "")
    assert p.events()[-1]["kind"] == "RunEnded"


@pytest.mark.slow
def test_what_comes_before_a_run_comes_once(tmp_path: Path) -> None:
    p = project(tmp_path, {"a": {"command": "test -e ready"}})
    p.run().expect(1)
    p.write("ready", "")
    p.run().expect(0)
    assert Counter(p.lines("told"))["before_run||||"] == 1
    p.run().expect(0)
    assert Counter(p.lines("told"))["before_run||||"] == 2, "another run"


@pytest.mark.slow
def test_a_step_whose_beginning_fails(tmp_path: Path) -> None:
    """Class setup: not tried again by itself, and what it says is in the step's log."""
    agents = {"a": {"command": "echo a >> told", "retry": {"attempts": 3, "delay": "10ms"}}}
    p = project(tmp_path, agents, {"before_step": "./note; echo oh no; exit $((TEAMFLOW_ATTEMPT == 1 ? 4 : 0))"})
    done = p.run().expect(1)
    assert "hook before_step: `" in done.said
    assert "exited 4" in done.said
    assert p.status().failures("a") == ["setup"]
    assert "oh no" in p.log("a", 1)
    assert "a" not in p.lines("told")
    p.run().expect(0)
    assert p.status().failures("a") == ["setup", None]
    assert [line for line in p.lines("told") if line[0] in "ab"][-4:-2] == ["before_step|a|2||", "a"]


@pytest.mark.slow
def test_before_a_step_comes_before_its_checks_and_its_setup(tmp_path: Path) -> None:
    """Also in an attempt that goes on after an interruption; its timeout is that of the attempt."""
    agents = {
        "a": {
            "command": "echo work >> told; test -e again || exec sleep 1000",
            "verify": "echo verify >> told; test -e again && grep -q work told",
            "skip_if_verified": True,
            "workspace": {"setup": "echo setup >> told"},
        },
        "slow": {"command": "true", "timeout": "300ms", "depends_on": ["a"], "continue_on_error": True},
    }
    hook = './note; if test "$TEAMFLOW_STEP" = slow; then exec sleep 1000; fi'
    p = project(tmp_path, agents, {"before_step": hook, "before_run": "true"})
    process = p.popen("run", "--progress", "plain")
    until(lambda: "work" in p.lines("told"), "work is told")
    process.send_signal(signal.SIGINT)
    finish(process)
    assert p.lines("told")[:4] == ["before_step|a|1||", "verify", "setup", "work"]
    p.write("told", "")
    p.write("again", "")
    p.run().expect(0)
    assert p.lines("told")[:3] == ["before_step|a|2||", "work", "verify"]
    assert p.status().failures("slow") == ["timeout"]


@pytest.mark.slow
@pytest.mark.parametrize("event", ["after_run", "after_step", "succeeded"])
@pytest.mark.parametrize("command", ["exit 3", "./absent", ["{{ inputs.word }}"], "kill -9 $$"])
def test_what_observes_decides_nothing(tmp_path: Path, event: str, command: str | list[str]) -> None:
    agents = {name: {"command": "true"} for name in "abc"}
    inputs = {"word": {"type": "string", "default": "absent"}}
    p = project(tmp_path, agents, {event: command}, inputs=inputs)
    done = p.run().expect(0)
    assert done.said.count(f"warning: hook {event}: ") == 1, done.said
    assert set(p.status().statuses.values()) == {"succeeded"}


@pytest.mark.slow
def test_templates_of_a_list(tmp_path: Path) -> None:
    words = ["sh", "-c", 'echo "$@" >> words', "x", "{{ run.number }}", "{{ inputs.w }}; rm told", "$HOME"]
    p = project(
        tmp_path, {"a": {"command": "true"}}, {"after_run": words}, inputs={"w": {"type": "string", "default": "'q'"}}
    )
    p.run().expect(0)
    assert p.lines("words") == ["1 'q'; rm told $HOME"]
    p.team({"agents": {"a": {"command": "true"}}, "hooks": {"failed": ["echo", "{{ agents.a.text }}"]}})
    assert '"agents" is not known here' in p.call("validate").said


@pytest.mark.slow
def test_secrets_and_the_environment(tmp_path: Path) -> None:
    agents = {"a": {"command": "echo $TOKEN", "secrets": ["TOKEN"], "env": {"OWN": "1"}, "outputs": {"x": "integer"}}}
    p = project(
        tmp_path,
        agents,
        {"before_step": "env > before", "failed": "env >> after"},
        secrets={"TOKEN": {"env": "TOKEN"}},
        env={"TEAMS": "yes"},
        inherit_env=["MINE"],
    )
    p.run(env={"TOKEN": "very-secret-word", "MINE": "m", "OTHER": "o"}).expect(1)
    for name in ("before", "after"):
        text = p.read(name)
        assert "very-secret-word" not in text
        assert [word for word in ("TEAMS=yes", "MINE=m", "OTHER=", "OWN=") if word in text] == ["TEAMS=yes", "MINE=m"]


@pytest.mark.slow
def test_a_run_from_the_cache_alone(tmp_path: Path) -> None:
    p = project(tmp_path, {"a": {"command": "cat in", "reads": ["in"]}}, {"before_run": "./note; date +%N > in"})
    p.write("in", "1")
    p.run().expect(0)
    p.write("told", "")
    p.run().expect(0)
    assert "before_step|a|1||" in p.lines("told"), "what came before the run has changed what it reads"
    p.team({"agents": {"a": {"command": "cat in", "reads": ["in"]}}, "hooks": dict.fromkeys(EVENTS, "./note")})
    p.age()
    for _ in range(3):
        p.write("told", "")
        p.run().expect(0)
        assert p.lines("told") == ["before_run||||", "succeeded|||succeeded|", "after_run|||succeeded|"]


@pytest.mark.slow
def test_a_hook_that_hangs_is_killed_with_all_it_started(tmp_path: Path) -> None:
    """A signal does not wait for it; the pipe shows that nothing is left of it."""
    p = project(tmp_path, {"a": {"command": "true"}}, {"after_run": "touch hangs; sleep 1000 & echo $! > pid; wait"})
    process = p.popen("run", "--progress", "plain")
    until(lambda: p.lines("pid"), "the hook has begun")
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code == 0
    until(lambda: not Path(f"/proc/{p.read('pid').strip()}").exists(), "nothing is left of it")


@pytest.mark.slow
def test_an_interrupted_beginning(tmp_path: Path) -> None:
    p = project(tmp_path, {"a": {"command": "true"}}, {"before_run": "sleep 1000 & echo $! > pid; wait"})
    process = p.popen("run", "--progress", "plain")
    until(lambda: p.lines("pid"), "the hook has begun")
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 130
    until(lambda: not Path(f"/proc/{p.read('pid').strip()}").exists(), "nothing is left of it")
    assert p.lines("told") == ["after_run|||interrupted|"]


@pytest.mark.slow
def test_added_hooks_are_not_told_of_what_is_past(tmp_path: Path) -> None:
    p = Project(tmp_path, {"agents": {"a": {"command": "false"}, "b": {"command": "true"}}}, files={"note": NOTE})
    (p.root / "note").chmod(0o755)
    p.run().expect(1)
    p.team({"agents": {"a": {"command": "true"}, "b": {"command": "true"}}, "hooks": dict.fromkeys(EVENTS, "./note")})
    p.run().expect(0)
    assert p.lines("told") == [
        "before_step|a|2||",
        "after_step|a|2|succeeded|",
        "succeeded|a|2|succeeded|",
        "succeeded|||succeeded|",
        "after_run|||succeeded|",
    ]
    assert "b" not in {step for step in p.status().steps if len(p.status().step(step)["attempts"]) > 1}


@pytest.mark.slow
def test_a_watched_run(tmp_path: Path) -> None:
    """`after_run` at each rest; a saved hook holds from then on, and makes no step run again."""
    agents = {"a": {"command": "cat in", "reads": ["in"]}}
    p = project(tmp_path, agents)
    p.write("in", "1")
    with Watched(p) as watched:
        watched.rests(1)
        save(p.root / "in", "2")
        watched.rests(2)
        watched.until(lambda: Counter(p.lines("told"))["after_run|||succeeded|"] == 2, "the second rest is told")
        hooks = {"after_step": "echo newest >> told"}
        save(p.root / "team.yaml", json.dumps({"agents": agents, "hooks": hooks}))
        watched.until(lambda: watched.events("PlanRevised"), "the plan is revised")
        save(p.root / "in", "3")
        watched.until(lambda: p.lines("told")[-1] == "newest", "the new hook is told")
        assert watched.starts("a") == 3
        assert watched.stop() == 0
    assert Counter(p.lines("told"))["before_run||||"] == 1


CRASHED = {
    "a": {"command": "true"},
    "b": {"command": "exit 3", "continue_on_error": True},
    "c": {"command": "true", "depends_on": {"a": "succeeded", "b": "failed"}},
}
OF_STEPS = {
    "after_step|a|1|succeeded|",
    "succeeded|a|1|succeeded|",
    "after_step|b|1|failed|",
    "failed|b|1|failed|",
    "after_step|c|1|succeeded|",
    "succeeded|c|1|succeeded|",
}


def crashes(place: Path, number: int) -> tuple[bool, list[str]]:
    """(whether it came to the end without a crash, what is wrong). Runs until all has been told of each run."""
    p = project(place, CRASHED, dict.fromkeys(EVENTS, "./note $TEAMFLOW_RUN"))
    first = p.run(env={"TEAMFLOW_FAILPOINT": str(number)})
    for _ in range(2 if first.code == -9 else 0):
        p.run().expect(0)
    runs = [int(path.name) for path in sorted((p.root / ".teamflow" / "runs").iterdir()) if path.name.isdigit()]
    wrong: list[str] = []
    for run in [each for each in runs if (p.run_dir(each) / "keeper.journal").exists()]:
        found = Counter(line for line in p.lines(f"told.{run}") if not line.startswith("before_step"))
        expected = {*OF_STEPS, "before_run||||", "succeeded|||succeeded|", "after_run|||succeeded|"}
        wrong += [
            f"{number}: run {run}: {line} {found[line]} times" for line in {*expected, *found} if found[line] != 1
        ]
    return first.code != -9, wrong


@pytest.mark.slow
def test_a_runner_killed_anywhere_tells_everything_once(tmp_path: Path) -> None:
    """Every tenth boundary, others each time."""
    wrong: list[str] = []
    for number in range(random.SystemRandom().randrange(1, 11), 400, 10):
        ended, found = crashes(tmp_path / str(number), number)
        wrong += found
        if ended:
            break
    assert ended
    assert number > 40
    assert wrong == []

"""Agents that do nothing, or the same for ever: ended by the runner, in a run with a keeper, and what is told of it.

The engines are Claude's with less patience, brought as another package would bring them; the agent is a stand-in.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import REPOSITORY
from tests.e2e.test_run_claude import Turn, World

SOON = 4.0
"""Seconds of patience of both engines, each with another thing."""
ENGINES = f"""
from teamflow.engines.claude import ClaudeEngine

class Slow(ClaudeEngine):
    capabilities = ClaudeEngine.capabilities._replace(session_within={SOON}, silence=None)

class Quiet(ClaudeEngine):
    capabilities = ClaudeEngine.capabilities._replace(session_within=None, silence={SOON})
"""
HANG: Turn = [{"text": "Waiting."}, {"hang": True}]


def world(place: Path, *turns: Turn, engine: str, **agent: Any) -> World:
    """One attempt of an agent of that engine."""
    about = place / "packages/hasty-1.0.dist-info"
    about.mkdir(parents=True)
    (place / "packages/hasty.py").write_text(ENGINES)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: hasty\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[teamflow.engines]\nslow = hasty:Slow\nquiet = hasty:Quiet\n")
    agent = {
        "engine": engine,
        "permissions": "full",
        "retry": {"attempts": 1, "delay": "0s"},
        "grace": "100ms",
        **agent,
    }
    made = World(place, *turns, agent=agent)
    made.env["PYTHONPATH"] = os.pathsep.join((str(REPOSITORY), str(place / "packages")))
    return made


def ended(world: World, failure: str, said: str) -> None:
    """It failed for that reason, which people are told; and it is gone."""
    shown = world.run(1)
    (attempt,) = world.step["attempts"]
    assert (attempt["outcome"], attempt["failure"]) == ("failed", failure), attempt
    assert said in attempt["reason"]
    assert attempt["reason"] in shown
    assert attempt["reason"] in world.project.why("a")


@pytest.mark.slow
def test_one_that_never_opens_its_session_is_tried_again(tmp_path: Path) -> None:
    made = world(tmp_path, engine="slow")
    program = tmp_path / "bin/claude"
    asks = "mkdir asked 2> /dev/null && { echo 'Would you like to log in?'; exec sleep 3600; }"
    program.write_text(program.read_text().replace("exec", f"{asks}\nexec", 1))
    shown = made.run()
    first, second = made.step["attempts"]
    assert (first["failure"], second["outcome"]) == ("transient", "succeeded")
    assert first["reason"] in shown
    assert "opened no session in time" in first["reason"]


@pytest.mark.slow
def test_one_that_has_opened_it_may_take_its_time(tmp_path: Path) -> None:
    made = world(tmp_path, [{"tool": "Bash", "input": {"command": f"sleep {SOON + 0.5}"}, "runs": True}], engine="slow")
    made.run()


@pytest.mark.slow
def test_one_that_falls_silent(tmp_path: Path) -> None:
    said = f"gave no sign of life for {SOON:g}s (for {3 * SOON:g}s, if a tool was at work) and was stopped"
    ended(world(tmp_path, HANG, engine="quiet"), "idle", said)


@pytest.mark.slow
def test_a_tool_that_runs_is_given_longer(tmp_path: Path) -> None:
    work = {"tool": "Bash", "input": {"command": f"sleep {2 * SOON}; echo made > made"}, "runs": True}
    made = world(tmp_path, [work, {"text": "Done."}], engine="quiet")
    made.run()
    assert made.project.exists("made")


@pytest.mark.slow
def test_but_not_for_ever(tmp_path: Path) -> None:
    forever = {"tool": "Bash", "input": {"command": "echo $$ > pid; exec sleep 3600"}, "runs": True}
    made = world(tmp_path, [forever], engine="quiet")
    ended(made, "idle", "no sign of life")
    with pytest.raises(ProcessLookupError):
        os.kill(int(made.project.read("pid")), 0)


RETRY = {"retry": {"attempt": 1, "max_retries": 10, "retry_delay_ms": 0, "error_status": 529, "error": "overloaded"}}


@pytest.mark.slow
@pytest.mark.parametrize("again", [RETRY, {"tool": "Read", "input": {"file_path": "x"}}], ids=["retries", "calls"])
def test_the_same_for_ever(tmp_path: Path, again: dict[str, Any]) -> None:
    """Limits that count need no clock: Claude's own hold."""
    ended(world(tmp_path, [*[again] * 110, {"hang": True}], engine="claude"), "fatal", "again and again")


@pytest.mark.slow
def test_a_key_that_is_refused_is_not_tried_for_minutes(tmp_path: Path) -> None:
    told = {"error_status": 401, "error": "authentication_failed", "retry_delay_ms": 0, "max_retries": 10}
    tries = [{"retry": {**told, "attempt": nth}} for nth in (1, 2, 3)]
    made = world(tmp_path, [*tries, {"hang": True}], engine="claude", retry={"attempts": 3, "delay": "0s"})
    ended(made, "auth", "was refused by its model again and again and was stopped (run `claude` and log in")
    assert made.step["reason"].endswith("; the last it told: the agent's model failed (authentication_failed, 401)")

"""Limits that the real claude keeps to itself, behind the runner: the same end as when the runner stops it.

Measured with it: its count of money begins anew with each process, also where a session goes on; it looks after each
call, and one whose very answer goes over is taken for stopped, as by the runner.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project
from tests.fakes import clis
from tests.fakes.models import FOREVER, Models, Usage, run, say

pytestmark = pytest.mark.slow

DEAR = Usage(input=100_000, output=1000)
"""31.5 cents by claude's own list."""


def project_of(place: Path, server: Models, *, limits: dict[str, Any] | None = None, **agent: Any) -> Project:
    made: dict[str, Any] = {
        "engine": "claude/claude-sonnet-4-5",
        "base_url": server.url(),
        "prompt": "Do it.",
        "permissions": "full",
        "workspace": {"mode": "shared"},
        **agent,
    }
    return Project(place, {**({"limits": limits} if limits else {}), "agents": {"a": made}})


def environment() -> dict[str, str]:
    program = Path(clis.program("claude"))
    return {"PATH": f"{program.parent}:/usr/local/bin:/usr/bin:/bin"}


def test_turns_without_a_word_are_asked_about_and_gone_on_with(tmp_path: Path) -> None:
    with Models() as server:
        server.play(run("true", times=3), say("done"))
        project = project_of(tmp_path, server, guards={"turns": 2})
        project.run(env=environment())
        step = project.status().step("a")
        assert step["status"] == "waiting", step
        [question] = project.status().data["questions"]
        assert question["kind"] == "guard"
        assert "it has taken 2 turns and wants another (guards.turns)" in question["text"]
        assert len(server.calls()) == 2
        project.call("answer", "1.1", "go on").expect(0)
        project.run(env=environment()).expect(0)
        step = project.status().step("a")
        assert (step["status"], step["text"]) == ("succeeded", "done")
        assert len({attempt["session"] for attempt in step["attempts"]}) == 1
        assert len(server.calls()) == 4


def test_its_own_budget_used_up_the_step_has_failed(tmp_path: Path) -> None:
    with Models() as server:
        server.play(run("true", usage=DEAR, times=FOREVER))
        project = project_of(tmp_path, server, budget={"usd": 0.5})
        project.run("--no-input", env=environment()).expect(1)
        step = project.status().step("a")
        assert (step["status"], step["failure"]) == ("failed", "budget"), step
        assert "of its budget of $0.50 are spent" in step["reason"]
        assert len(server.calls()) == 2


def test_the_runs_budget_holds_while_no_runner_lives(tmp_path: Path) -> None:
    with Models() as server:
        server.play(run("true", usage=DEAR, gate="first"), run("true", usage=DEAR, times=4), say("done"))
        project = project_of(tmp_path, server, limits={"budget": {"usd": 0.9}})
        with project.popen("run", "--progress", "plain", "--no-input", env=environment()) as first:
            assert server.gate("first").reached.wait(120)
            first.send_signal(signal.SIGKILL)
        server.gate("first").open()
        # It stops by itself, with nobody there.
        server.until(lambda one: len(one.calls()) == 3 and one.calls()[-1].ended == "answered")
        done = project.run("--no-input", env=environment()).expect(4)
        assert "of the run's budget of $0.90 are spent" in done.said
        assert project.status().step("a")["status"] == "waiting"
        assert len(server.calls()) == 3
        project.run("--no-input", "--budget", "usd=5", env=environment()).expect(0)
        step = project.status().step("a")
        assert len(step["attempts"]) == 2
        assert len({attempt["session"] for attempt in step["attempts"]}) == 1, "its session goes on"
        assert step["text"] == "done"


@pytest.mark.parametrize("own", [False, True])
def test_a_fence_that_was_raised_meanwhile_is_gone_beyond(tmp_path: Path, *, own: bool) -> None:
    """It ends where its flags say; by then the runner that takes it over has more for it."""
    with Models() as server:
        server.play(run("true", usage=DEAR, gate="first"), run("true", usage=DEAR, times=4), say("done"))
        least: dict[str, Any] = {"budget": {"usd": 0.9}}
        project = project_of(tmp_path, server, **(least if own else {"limits": least}))
        with project.popen("run", "--progress", "plain", "--no-input", env=environment()) as first:
            assert server.gate("first").reached.wait(120)
            first.send_signal(signal.SIGKILL)
        server.gate("first").open()
        server.until(lambda one: len(one.calls()) == 3 and one.calls()[-1].ended == "answered")
        if own:
            project.team(project.read("team.yaml").replace("usd: 0.9", "usd: 5"))
        project.run("--no-input", *(() if own else ("--budget", "usd=5")), env=environment()).expect(0)
        step = project.status().step("a")
        assert [attempt["outcome"] for attempt in step["attempts"]] == ["stopped", "succeeded"], step
        assert len({attempt["session"] for attempt in step["attempts"]}) == 1
        assert step["text"] == "done"
        assert len(server.calls()) == 6, "nothing was paid for twice"
        assert 1.5 < step["usage"]["usd"] < 1.6


@pytest.mark.parametrize("guards", ["turns: 9", "calls: 99"])
def test_turns_that_were_raised_meanwhile_are_not_asked_about(tmp_path: Path, guards: str) -> None:
    with Models() as server:
        server.play(run("true", gate="first"), run("true", times=3), say("done"))
        project = project_of(tmp_path, server, guards={"turns": 2})
        with project.popen("run", "--progress", "plain", env=environment()) as first:
            assert server.gate("first").reached.wait(120)
            first.send_signal(signal.SIGKILL)
        server.gate("first").open()
        server.until(lambda one: len(one.calls()) == 2 and one.calls()[-1].ended == "answered")
        project.team(project.read("team.yaml").replace("turns: 2", guards))
        project.run(env=environment()).expect(0)
        step = project.status().step("a")
        assert [attempt["outcome"] for attempt in step["attempts"]] == ["stopped", "succeeded"], step
        assert len({attempt["session"] for attempt in step["attempts"]}) == 1
        assert not project.status().data["questions"]
        assert (step["text"], len(server.calls())) == ("done", 5)

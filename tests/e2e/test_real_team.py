"""Real agents of three makers in one team, in worktrees, against a model server of our own.

One plans, two build side by side, one reviews in a loop, a command verifies. The runner is killed in the middle, then
interrupted; the sessions go on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.project import Project
from tests.fakes import clis
from tests.fakes.models import Models, answer, run, say, write

pytestmark = pytest.mark.slow

TEAM = """
name: crew
inherit_env: [SCRIPTED_KEY]
agents:
  plan:
    engine: claude
    permissions: {edit: [PLAN.md]}
    env: {ANTHROPIC_API_KEY: %(plan)s}
    prompt: Plan the greeting in PLAN.md, and split it in two.
    outputs: {tasks: {type: array, items: {type: string}}}
  api:
    engine: codex
    depends_on: [plan]
    prompt: "{{ agents.plan.outputs.tasks[0] }}"
    writes: ["api/**"]
  web:
    engine: opencode
    depends_on: [plan]
    prompt: "{{ agents.plan.outputs.tasks[1] }}"
    writes: ["web/**"]
  review:
    engine: claude
    permissions: read
    env: {ANTHROPIC_API_KEY: %(review)s}
    depends_on: [api, web]
    prompt: Does this greet?
    outputs: {approved: boolean, findings: string}
    loop: {until: outputs.approved, max: 3, rework: api}
  test:
    depends_on: [review]
    command: grep -q fixed api/greet.txt && test -s web/greet.html
outputs: {verdict: agents.review.outputs.findings}
"""


@pytest.fixture
def models() -> Iterator[Models]:
    with Models() as server:
        server.play(write("PLAN.md", "Greet.\n"), answer({"tasks": ["Make the API.", "Make the page."]}), agent="plan")
        server.play(
            write("api/greet.txt", "broken\n"),
            say("The API is there.", gate="api"),
            run("printf 'fixed\\n' > api/greet.txt"),
            say("Mended."),
            agent="api",
        )
        server.play(write("web/greet.html", "<p>hi</p>\n"), say("The page is there.", gate="web"), agent="web")
        server.play(
            answer({"approved": False, "findings": "held"}, gate="review"),
            answer({"approved": False, "findings": "The API is broken."}),
            answer({"approved": True, "findings": "It greets."}),
            agent="review",
        )
        yield server


def project_of(place: Path, models: Models) -> tuple[Project, dict[str, str]]:
    keys = {name: models.key(name) for name in ("plan", "review")}
    project = Project(place, TEAM % keys, files={".gitignore": ".teamflow/\n"})
    project.git("init", "-q", "-b", "main")
    project.git("add", "-A")
    project.git("commit", "-q", "-m", "first")
    env: dict[str, str] = {}
    for name, agent in (("claude", "plan"), ("codex", "api"), ("opencode", "web")):
        clis.program(name)
        env |= clis.ENVIRONMENTS[name](models, place / "home", agent=agent)
    # In the tests this is a machine of its own; elsewhere people leave it out, and root is told so.
    env.pop("IS_SANDBOX", None)
    return project, {**env, "PATH": f"{clis.place()}/node_modules/.bin:{os.environ['PATH']}"}


def sessions(project: Project, step: str) -> list[str]:
    return [attempt["session"] for attempt in project.status().step(step)["attempts"]]


def test_a_team_of_three_makers_is_killed_interrupted_and_ends(tmp_path: Path, models: Models) -> None:
    project, env = project_of(tmp_path, models)

    with project.popen("run", "--progress", "plain", env=env) as first:
        for name in ("api", "web"):
            assert models.gate(name).reached.wait(120), name
        first.send_signal(signal.SIGKILL)
    before = {name: len(models.calls(name)) for name in ("plan", "api", "web")}
    assert before == {"plan": 2, "api": 2, "web": 2}
    assert project.status().statuses == {
        "plan": "succeeded", "api": "running", "web": "running", "review": "pending", "test": "pending"
    }  # fmt: skip
    for name in ("api", "web"):
        models.gate(name).open()

    with project.popen("run", "--progress", "plain", env=env) as second:
        assert models.gate("review").reached.wait(120)
        second.send_signal(signal.SIGINT)
        assert second.wait(60) == 130
    assert {name: len(models.calls(name)) for name in before} == before, "no call was made twice"
    assert len(sessions(project, "api")) == len(sessions(project, "web")) == 1, "they were adopted"
    assert project.status().step("review")["status"] == "waiting"
    models.gate("review").open()

    done = project.run(env=env, seconds=240).expect(0)
    status = project.status()
    assert set(status.statuses.values()) == {"succeeded"}
    assert status.data["outputs"] == {"verdict": "It greets."}
    for step, attempts in (("review", 3), ("api", 2)):
        assert len(sessions(project, step)) == attempts
        assert len(set(sessions(project, step))) == 1, f"{step} goes on in its session"
    assert [one["cause"] for one in status.step("review")["attempts"]] == ["first", "resume", "rework"]
    last = models.calls("api")[-1]
    assert last.says("Make the API."), "what was said before the rework"
    assert last.says("The API is broken."), "the feedback"

    assert status.step("plan")["usage"]["usd"] > 0
    assert status.step("api")["usage"]["usd"] is None
    assert status.step("api")["usage"]["input_tokens"] > 0
    assert "cost     at least $" in done.err, "codex tells no price"
    assert "round 2" in project.why("api")
    assert "fixed" in project.call("diff", "api", env=env).expect(0).out
    models.check()

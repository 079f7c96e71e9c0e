"""Scenes with the real ACP agents: what the model says, what they are told, and what the test does meanwhile.

`test_real_acp.py` plays and judges them, the same for every agent; `python -m tests.e2e.acp_scenes` plays them
in a fixed place (of the agents that it is told, else of all), and keeps what was said for the fast run.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from teamflow.core.invocation import Asked, Called, Reply
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Outcome
from teamflow.core.permissions import ALLOW, DENY, Permissions, Verdict
from teamflow.engines.registry import engine
from tests.e2e.claude_scenes import LATE, notes_server
from tests.fakes import clis
from tests.fakes.agents.pump import Pump, brief_for
from tests.fakes.models import Models, Step, Usage, fail, run, say, tool, write
from tests.unit.engines.transcripts import Transcript, save

AGENTS: Final = ("gemini", "opencode", "copilot", "claude-agent-acp")
FOLDS: Final = ("opencode", "claude-agent-acp")
PLACE: Final = Path("/tmp/teamflow-recording-acp")


class Scene(NamedTuple):
    """`act` is there while it runs; without one it runs by itself. `first`: what a process before it played, whose
    session it goes on with."""

    steps: tuple[Step, ...]
    act: Callable[[Pump, Path], None] | None = None
    brief: Mapping[str, Any] = {}
    first: tuple[Step, ...] = ()
    agents: tuple[str, ...] = AGENTS


def decide(agent: Pump, _: Path) -> None:
    agent.answer(agent.until(Asked).request, Verdict(ALLOW))
    agent.answer(agent.until(Asked).request, Verdict(DENY))


def allowed(agent: Pump) -> None:
    """Until it has leave for what it asked about."""
    agent.until(Reply, lambda reply: '"selected"' in reply.data)


def break_off(agent: Pump, work: Path) -> None:
    """With its command running, which has written its process id to a pipe."""
    allowed(agent)
    (work / "pid").write_text((work / "started").read_text())
    agent.interrupt()


def break_off_at_question(agent: Pump, _: Path) -> None:
    agent.until(Asked)
    agent.interrupt()


def steer(agent: Pump, work: Path) -> None:
    agent.until(Called)
    agent.tell("STEER: say blue, too")
    (work / "go").touch()


WAIT: Final = run("until [ -e go ]; do sleep 0.05; done; echo ready")
ASKING: Final = Permissions(run=("ls",), edit=("*.txt",))

SCENES: Final = {
    "work": Scene(
        (
            write("new.txt", "one\n", usage=Usage(100, 20, 10)),
            run("touch yes"),
            run("touch no"),
            run("ls", text="I look."),
            say("All done, äöü → ✓.", usage=Usage(200, 5)),
        ),
        decide,
        {"grants": ASKING, "context": "You are step build."},
    ),
    "refused": Scene(
        (run("touch no"), run("ls"), say("could not")), brief={"grants": Permissions(level="read", ask="deny")}
    ),
    "break_off": Scene((run("echo $$ > started; sleep 300"),), break_off),
    "break_off_asked": Scene((run("touch a"), LATE), break_off_at_question, {"grants": ASKING}),
    "steer": Scene((WAIT, say("blue")), steer, agents=FOLDS),
    "goes_on": Scene(
        (run("echo ho > b.txt"), say("second done")),
        brief={"prompt": "Go on."},
        first=(run("echo hi > a.txt"), say("first done")),
    ),
    "unauthorized": Scene((fail("unauthorized", times=-1),)),
}


def play(name: str, scene: Scene, root: Path, *, models: Models | None = None) -> tuple[Pump, Outcome]:
    """The agent at work in `root`/work, with a home of its own, to its end."""
    work = root / "work"
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "started").exists():
        os.mkfifo(work / "started")
    given: dict[str, Any] = {"prompt": "Do it.", **scene.brief}
    with Models() if models is None else kept(models) as server:
        if scene.first:
            server.play(*scene.first)
            with started(name, server, root, {**given, "prompt": "Begin."}) as agent:
                given["session"] = agent.finish().session  # type: ignore[union-attr]
            age(root)
        server.play(*scene.steps)
        with started(name, server, root, given) as agent:
            if scene.act is not None:
                scene.act(agent, work)
            return agent, agent.finish()


def started(name: str, server: Models, root: Path, given: Mapping[str, Any]) -> Pump:
    brief = brief_for(root / "work", **given)
    return Pump(engine(name), brief, env=environment(name, server, root))


def environment(name: str, server: Models, root: Path) -> dict[str, str]:
    env = clis.ENVIRONMENTS[name](server, root / "home")
    return {**env, "PATH": os.pathsep.join((os.path.dirname(clis.program(name)), env["PATH"]))}


def age(root: Path) -> None:
    """Makes sessions of gemini older than this minute: in the same one it loses them."""
    for path in (root / "home/.gemini").glob("tmp/*/chats/session-*"):
        day, _, rest = path.name.partition("T")
        path.rename(path.with_name(f"{day}T00-00-{rest[6:]}"))


@contextmanager
def kept(models: Models) -> Iterator[Models]:
    yield models


@contextmanager
def with_notes() -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """`servers` of a brief with a server that takes notes, and what it was asked."""
    with notes_server() as (url, asked):
        yield {"team": {"type": "http", "url": url}}, asked


NOTES: Final = {
    "gemini": "mcp_team_post_note",
    "opencode": "team_post_note",
    "copilot": "team-post_note",
    "claude-agent-acp": "mcp__team__post_note",
}
"""What each calls the tool of that server."""


def notes_scene(name: str, servers: Mapping[str, Any]) -> Scene:
    return Scene((tool(NOTES[name], {"text": "hi"}), say("noted")), brief={"servers": servers})


def main() -> None:
    for name in sys.argv[1:] or AGENTS:
        for title, scene in SCENES.items():
            if name in scene.agents:
                record(name, title, scene)


def record(name: str, title: str, scene: Scene) -> None:
    shutil.rmtree(PLACE, ignore_errors=True)
    agent, outcome = play(name, scene, PLACE)
    print(name, title, outcome)
    save(name, Transcript(title, agent.brief, agent.output, tuple(agent.inputs), agent.end))


if __name__ == "__main__":
    main()

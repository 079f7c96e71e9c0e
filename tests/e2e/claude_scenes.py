"""Scenes with the real Claude Code: what its model says, what it is told, and what the test does meanwhile.

`test_real_claude.py` plays and judges them; `python -m tests.e2e.claude_scenes` plays them in a fixed place, and keeps
what was said as the transcripts of the fast run.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from teamflow.core.invocation import Asked, Called
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Outcome
from teamflow.core.permissions import ALLOW, DENY, Permissions, Verdict
from teamflow.engines.claude import ClaudeEngine
from tests.fakes import clis
from tests.fakes.agents.pump import Pump, brief_for
from tests.fakes.models import Models, Step, Usage, answer, edit, fail, hang, read, run, say, tool, write
from tests.unit.engines.transcripts import Transcript, save

ENGINE: Final = ClaudeEngine()
BEHIND: Final = {"CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "0"}
FULL_LEAVE: Final = Permissions(level="full")
ASKING: Final = Permissions(run=("git",), edit=("src/**",))


class Scene(NamedTuple):
    """`act` is there while it runs; without one it runs by itself."""

    steps: tuple[Step, ...]
    act: Callable[[Pump, Models], None] | None = None
    brief: Mapping[str, Any] = {}
    others: Mapping[str, tuple[Step, ...]] = {}
    """Scripts of sub-agents."""
    env: Mapping[str, str] = {}
    """What goes over what the engine says."""
    settings: Mapping[str, Any] = {}
    """The user's own."""


def decide(agent: Pump, _: Models) -> None:
    first = agent.until(Asked)
    agent.answer(first.request, Verdict(ALLOW))
    second = agent.until(Asked)
    agent.answer(second.request, Verdict(DENY, "not that file"))


def steer(agent: Pump, _: Models) -> None:
    agent.until(Called)
    agent.tell("STEER: say blue, too")
    Path(agent.brief.cwd, "go").touch()


def too_late(agent: Pump, models: Models) -> None:
    assert models.gate("hang").reached.wait(60)
    agent.tell("/one more thing")
    models.gate("hang").open()


def break_off(agent: Pump, _: Models) -> None:
    agent.until(Called)
    agent.interrupt()


def break_off_and_tell(agent: Pump, _: Models) -> None:
    agent.until(Called)
    agent.tell("Do something else.")
    agent.interrupt()


def break_off_at_question(agent: Pump, _: Models) -> None:
    agent.until(Asked)
    agent.interrupt()


def sigint(agent: Pump, _: Models) -> None:
    agent.until(Called)
    agent.signal(signal.SIGINT)


def allow_all(agent: Pump, _: Models) -> None:
    agent.answer(agent.until(Asked).request, Verdict(ALLOW))


LATE: Final = say("nothing", gate="late")
"""For a call that is begun before an interrupt has come through; nobody opens the gate."""
WAIT: Final = run("until [ -e go ]; do sleep 0.05; done; echo ready")
OK: Final = {"ok": {"type": "boolean"}, "why": "string"}
SUB: Final = {"description": "part", "prompt": "[[script:sub]] Do your part.", "subagent_type": "general-purpose"}
DEAR: Final = Usage(input=100_000, output=1000)
DOLLARS: Final = {"model": "claude-sonnet-4-5"}
"""Two such answers of it are $0.63."""
SUBS: Final = {"sub": (run("touch sub.txt", text="sub says"), say("sub done"))}


def hook(event: str, command: str) -> dict[str, Any]:
    return {"hooks": {event: [{"hooks": [{"type": "command", "command": command}]}]}}


SCENES: Final = {
    "edit": Scene((read("x.txt"), edit("x.txt", "old", "new"), run("echo hi > y.txt"), say("all done"))),
    "permission": Scene(
        (write("src/a.txt", "a"), run("touch yes"), write("no.txt", "n"), run("git status"), say("fin")),
        decide,
        {"grants": ASKING},
    ),
    "denied": Scene(
        (run("touch no"), run("ls"), say("could not")),
        brief={"grants": Permissions(level="read", ask="deny"), "instructions": "Look only."},
    ),
    "steer": Scene((WAIT, say("blue")), steer, {"grants": FULL_LEAVE}),
    "late": Scene((hang("middle"), say("second answer")), too_late),
    "interrupt": Scene((run("sleep 300"),), break_off),
    "interrupt_and_tell": Scene((run("sleep 300"), say("something else")), break_off_and_tell),
    "interrupt_asked": Scene((run("touch a"), LATE), break_off_at_question, {"grants": ASKING}),
    "sigint": Scene((run("sleep 300"),), sigint),
    "schema": Scene((answer({"ok": True, "why": "y"}),), brief={"schemas": OK}),
    "schema_missing": Scene((say("no"), say("no")), brief={"schemas": OK}),
    "subagent": Scene((tool("Agent", SUB), say("done")), None, {}, SUBS),
    "subagent_behind": Scene(
        (tool("Agent", {**SUB, "run_in_background": True}), say("waiting"), say("both done")),
        allow_all,
        {"grants": ASKING},
        SUBS,
        BEHIND,
    ),
    "recovered": Scene((fail("overloaded"), say("well again"))),
    "unauthorized": Scene((fail("unauthorized", times=-1),)),
    "usage_limit": Scene((fail("usage_limit", retry_after=3600, times=-1),)),
    "overloaded": Scene((fail("overloaded", times=-1),)),
    "no_credit": Scene((fail("no_credit", times=-1),)),
    "no_model": Scene((fail("no_model", times=-1),)),
    "too_long": Scene((fail("too_long", times=-1),)),
    # Below full leave hooks are off.
    "blocked": Scene((), brief={"grants": FULL_LEAVE}, settings=hook("UserPromptSubmit", "echo not here >&2; exit 2")),
    "blocked_later": Scene(
        (hang("middle"),),
        too_late,
        {"grants": FULL_LEAVE},
        settings=hook("UserPromptSubmit", "[ ! -e once ] || { echo not here >&2; exit 2; }; touch once"),
    ),
    "max_turns": Scene((run("touch a", times=2), say("never")), brief={"turns": 2}),
    "max_budget": Scene((run("touch a", usage=DEAR, times=2), say("never")), brief={**DOLLARS, "usd": 0.5}),
    "no_session": Scene((), brief={"session": "11111111-2222-4333-8444-555555555555"}),
}


@contextmanager
def playing(scene: Scene, root: Path, *, models: Models | None = None) -> Iterator[tuple[Pump, Models]]:
    """The agent, at work in `root`/work with a home of its own."""
    work = root / "work"
    work.mkdir(parents=True, exist_ok=True)
    (work / "x.txt").write_text("old\n")
    if scene.settings:
        (root / "home/.claude").mkdir(parents=True, exist_ok=True)
        (root / "home/.claude/settings.json").write_text(json.dumps(scene.settings))
    given: dict[str, Any] = {"prompt": "Do it.", **scene.brief}
    brief = brief_for(work, given.pop("prompt"), **given)
    with Models() if models is None else _kept(models) as server:
        server.play(*scene.steps)
        for name, steps in scene.others.items():
            server.play(*steps, agent=name)
        with Pump(ENGINE, brief, env=environment(server, root), over=scene.env) as agent:
            yield agent, server


def play(scene: Scene, root: Path, *, models: Models | None = None) -> tuple[Pump, Outcome]:
    """To its end."""
    with playing(scene, root, models=models) as (agent, server):
        if scene.act is not None:
            scene.act(agent, server)
        return agent, agent.finish()


def environment(server: Models, root: Path) -> dict[str, str]:
    program = Path(clis.program("claude"))
    env = clis.claude_env(server, root / "home", retries=1)
    # What it needs as root the engine has to give it.
    del env["IS_SANDBOX"], env["DISABLE_AUTOUPDATER"]
    return {**env, "PATH": f"{program.parent}:{env['PATH']}"}


@contextmanager
def _kept(models: Models) -> Iterator[Models]:
    yield models


@contextmanager
def notes_server(*, late: float = 0.0) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An MCP server by HTTP with one tool, `post_note`: its URL, and the calls that it got. It is ready `late` seconds
    after the first."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if not got and late:
                threading.Event().wait(late)
            got.append({**asked, "authorization": self.headers.get("authorization")})
            body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": _result(asked)}) if "id" in asked else ""
            self.send_response(200 if body else 202)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def do_GET(self) -> None:
            self.send_error(405)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/mcp", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _result(asked: dict[str, Any]) -> dict[str, Any]:
    match asked["method"]:
        case "initialize":
            info = {"name": "notes", "version": "1"}
            version = asked["params"]["protocolVersion"]
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
            return {"tools": [{"name": "post_note", "description": "Keeps a note.", "inputSchema": schema}]}
        case "tools/call":
            return {"content": [{"type": "text", "text": "noted"}]}
        case _:
            return {}


def main() -> None:
    root = Path("/tmp/teamflow-recording")
    for name in sys.argv[1:] or SCENES:
        shutil.rmtree(root, ignore_errors=True)
        agent, outcome = play(SCENES[name], root)
        save("claude", Transcript(name, agent.brief, agent.output, tuple(agent.inputs), agent.end))
        print(name, os.path.getsize(Path(__file__).parents[1] / f"transcripts/claude/{name}.out"), outcome)
    shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()

"""The transcripts of the agents that speak ACP: the same cases for each of them, named `AGENT_CASE`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.fakes import clis
from tests.fakes.models import FOREVER, Run, Step, Write, call, fail, run, say, tool, write
from tests.transcripts.driver import Message, Rpc
from tests.transcripts.mcp import Tools
from tests.transcripts.stage import Stage

PROGRAMS: Final = {"claude-agent-acp": "claude", "gemini": "gemini", "opencode": "opencode", "copilot": "copilot"}
"""Program → what its transcripts are named after."""


class Agent(Rpc):
    """An ACP agent; permissions are answered by `kind`, the ids of the options being different for each."""

    session = ""

    def handshake(self) -> Message:
        self.answers["session/request_permission"] = lambda asked: self.chosen(asked, "allow_once")
        able = {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False}
        told: Message = self.ask("initialize", protocolVersion=1, clientCapabilities=able)
        return told

    @staticmethod
    def chosen(asked: Message, kind: str) -> dict[str, Any]:
        option = next(one for one in asked["params"]["options"] if one["kind"] == kind)
        return {"outcome": {"outcome": "selected", "optionId": option["optionId"]}}

    def begin(self, stage: Stage, *, servers: list[dict[str, Any]] | None = None) -> None:
        self.handshake()
        self.session = self.ask("session/new", cwd=str(stage.work), mcpServers=servers or [])["sessionId"]

    def prompt(self, text: str) -> int:
        return self.send("session/prompt", sessionId=self.session, prompt=[{"type": "text", "text": text}])


@contextmanager
def agent(stage: Stage, case: str) -> Iterator[Agent]:
    env = stage.env()
    if stage.program == "opencode":
        env |= clis.opencode_env(stage.models, stage.home, permission="ask")
    with stage.record(f"{PROGRAMS[stage.program]}_{case}", clis.ACP[stage.program], env=env) as driven:
        yield Agent(driven)


def prompt(stage: Stage) -> None:
    stage.models.play(
        call(Run("echo first; exit 3"), text="I run something."), write("new.txt", "new\n"), say("Done, äöü → ✓.")
    )
    with agent(stage, "prompt") as acp:
        acp.begin(stage)
        assert acp.reply(acp.prompt("Do it."))["result"]["stopReason"] == "end_turn"
    assert (stage.work / "new.txt").exists()


def reject(stage: Stage) -> None:
    stage.models.play(call(Write("asked.txt", "x\n")), say("So be it."))
    with agent(stage, "reject") as acp:
        acp.begin(stage)
        acp.answers["session/request_permission"] = lambda asked: acp.chosen(asked, "reject_once")
        acp.reply(acp.prompt("Do it."))
    assert not (stage.work / "asked.txt").exists()


def cancel(stage: Stage) -> None:
    stage.models.play(run(stage.hold()), say("Something else, then."))
    with agent(stage, "cancel") as acp:
        acp.begin(stage)
        asked = acp.prompt("Do it.")
        permission = acp.method("session/request_permission")
        acp.answer(permission, acp.chosen(permission, "allow_once"))
        with stage.held():
            acp.notify("session/cancel", sessionId=acp.session)
            assert acp.reply(asked)["result"]["stopReason"] == "cancelled"
        assert acp.reply(acp.prompt("Do something else."))["result"]["stopReason"] == "end_turn"


def load(stage: Stage) -> None:
    stage.models.play(run("echo kept"), say("I remember seven."), say("It was seven."))
    with agent(stage, "load_first") as acp:
        acp.begin(stage)
        acp.reply(acp.prompt("Remember a number."))
        session = acp.session
    with agent(stage, "load") as acp:
        acp.handshake()
        loaded = acp.reply(acp.send("session/load", sessionId=session, cwd=str(stage.work), mcpServers=[]))
        if PROGRAMS[stage.program] == "gemini":
            # It says that it can, and looks for its sessions where they are not; `gemini --resume` finds them.
            assert "No previous sessions found" in str(loaded["error"])
            return
        acp.session = session
        acp.reply(acp.prompt("Which was it?"))
    assert stage.models.calls()[2].says("I remember seven.")


def mcp(stage: Stage) -> None:
    stage.models.play(tool(NOTE[stage.program], {"text": "noted"}), say("It is noted."))
    with Tools() as tools, agent(stage, "mcp") as acp:
        acp.begin(stage, servers=[{"type": "http", "name": "team", "url": tools.url, "headers": []}])
        acp.reply(acp.prompt("Post a note."))
        assert tools.called == [("post_note", {"text": "noted"})]


NOTE: Final = {
    "claude-agent-acp": "mcp__team__post_note",
    "gemini": "mcp_team_post_note",
    "opencode": "team_post_note",
    "copilot": "team-post_note",
}
"""What each calls the tool `post_note` of the server `team`."""


def busy(stage: Stage) -> None:
    """A second prompt while the first is answered: two agents fold it in, two give up the first for it."""
    stage.models.play(run(stage.hold()), say("I have seen the new message."))
    with agent(stage, "busy") as acp:
        acp.begin(stage)
        first = acp.prompt("Start.")
        asked = acp.method("session/request_permission")
        acp.answer(asked, acp.chosen(asked, "allow_once"))
        with stage.held():
            asked_too = {first, acp.prompt("Mention the colour blue, too.")}
            time.sleep(1)  # Nothing tells when those that fold it in have taken it.
        while asked_too:
            told = acp.until(lambda message: message.get("id") in asked_too and "method" not in message)
            asked_too.discard(told["id"])
    assert stage.models.calls()[1].says("colour blue")


def _failing(name: str, step: Step) -> Callable[[Stage], None]:
    def record(stage: Stage) -> None:
        stage.models.play(step.on(times=FOREVER))
        with agent(stage, f"error_{name}") as acp:
            acp.begin(stage)
            acp.reply(acp.prompt("Do it."))

    return record


_ALL: Final[dict[str, Callable[[Stage], None]]] = {
    "prompt": prompt,
    "reject": reject,
    "cancel": cancel,
    "load": load,
    "mcp": mcp,
    "busy": busy,
    "error_401": _failing("401", fail("unauthorized")),
    "error_404": _failing("404", fail("no_model")),
    "error_too_long": _failing("too_long", fail("too_long")),
    "error_usage_limit": _failing("usage_limit", fail("usage_limit")),
}

_ENDLESS: Final = {("opencode", "error_too_long"), ("opencode", "error_usage_limit")}
"""It asks on and on, or waits for the hour that it is told to, without a word: there is no end to record."""

CASES: Final = {
    f"{short}_{name}": (program, case)
    for program, short in PROGRAMS.items()
    for name, case in _ALL.items()
    if (program, name) not in _ENDLESS
}

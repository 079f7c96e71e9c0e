"""The transcripts of Codex: its app-server (JSON-RPC over stdio), and `exec --json` for what it is the fallback of."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.fakes.models import FOREVER, Step, Usage, answer, cut, edit, fail, hang, run, say, tool, write
from tests.transcripts.driver import Message, Rpc
from tests.transcripts.mcp import Tools
from tests.transcripts.stage import Stage

FREE: Final = {"approvalPolicy": "never", "sandbox": "danger-full-access"}
ASKING: Final = {"approvalPolicy": "untrusted", "sandbox": "workspace-write"}
EXEC: Final = ["exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]


class Server(Rpc):
    """The app-server after its handshake, with a thread."""

    thread = ""

    def handshake(self) -> None:
        self.ask("initialize", clientInfo={"name": "teamflow", "title": "teamflow", "version": "1"})
        self.driven.write({"method": "initialized"})

    def begin(self, stage: Stage, **settings: Any) -> None:
        self.handshake()
        self.thread = self.ask("thread/start", cwd=str(stage.work), **(settings or FREE))["thread"]["id"]

    def turn(self, text: str, **more: Any) -> str:
        """Start a turn: its id."""
        started = self.ask("turn/start", threadId=self.thread, input=[{"type": "text", "text": text}], **more)
        return str(started["turn"]["id"])

    def completed(self) -> Message:
        return self.method("turn/completed")


@contextmanager
def server(stage: Stage, name: str, *args: str) -> Iterator[Server]:
    with stage.record(name, ["app-server", *args]) as driven:
        yield Server(driven, version=False)


def turn(
    stage: Stage, name: str, *steps: Step, status: str = "completed", more: dict[str, Any] | None = None
) -> Message:
    """One turn with every permission, from the handshake to its end."""
    stage.models.play(*steps)
    with server(stage, name) as codex:
        codex.begin(stage)
        codex.turn("Do what is to be done.", **(more or {}))
        done = codex.completed()
        assert done["params"]["turn"]["status"] == status, done
        return done


def handshake(stage: Stage) -> None:
    with server(stage, "handshake") as codex:
        codex.begin(stage)


def command(stage: Stage) -> None:
    steps = [
        run("echo first; echo second; exit 3"),
        run("echo third"),
        say("Done, äöü → ✓.", usage=Usage(900, 30, 700)),
    ]
    turn(stage, "command", *steps)


def change(stage: Stage) -> None:
    turn(stage, "edit", write("notes.txt", "one\ntwo\n"), edit("notes.txt", "two", "three"), say("It says three."))


def two_turns(stage: Stage) -> None:
    stage.models.play(say("One.", usage=Usage(100, 10)), say("Two.", usage=Usage(200, 20, 100)))
    with server(stage, "two_turns") as codex:
        codex.begin(stage)
        for text in ("First.", "Second."):
            codex.turn(text)
            codex.completed()


def _running(message: Message) -> bool:
    return message.get("method") == "item/started" and message["params"]["item"]["type"] == "commandExecution"


def steer(stage: Stage) -> None:
    stage.models.play(run(stage.hold()), say("I have seen the new message."))
    with server(stage, "steer") as codex:
        codex.begin(stage)
        turn_id = codex.turn("Start.")
        codex.until(_running)
        blue = [{"type": "text", "text": "Mention the colour blue, too."}]
        codex.ask("turn/steer", threadId=codex.thread, expectedTurnId=turn_id, input=blue)
        stage.let_go()
        codex.completed()
    assert stage.models.calls()[1].says("colour blue")


def steer_too_late(stage: Stage) -> None:
    stage.models.play(say("It is over."))
    with server(stage, "steer_too_late") as codex:
        codex.begin(stage)
        turn_id = codex.turn("Start.")
        codex.completed()
        late = [{"type": "text", "text": "Wait."}]
        assert "error" in codex.reply(
            codex.send("turn/steer", threadId=codex.thread, expectedTurnId=turn_id, input=late)
        )


def interrupt(stage: Stage) -> None:
    stage.models.play(run(stage.hold()), say("Something else, then."))
    with server(stage, "interrupt") as codex:
        codex.begin(stage)
        turn_id = codex.turn("Start.")
        codex.until(_running)
        codex.send("turn/interrupt", threadId=codex.thread, turnId=turn_id)
        assert codex.completed()["params"]["turn"]["status"] == "interrupted"
        stage.let_go()  # The command lives on after its turn.
        codex.turn("Do something else.")
        codex.completed()


def interrupt_the_model(stage: Stage) -> None:
    stage.models.play(hang("middle"))
    with server(stage, "interrupt_model") as codex:
        codex.begin(stage)
        turn_id = codex.turn("Start.")
        stage.models.gate("hang").reached.wait(60)
        codex.send("turn/interrupt", threadId=codex.thread, turnId=turn_id)
        codex.completed()


def _approval(name: str, step: Step, method: str, decision: str) -> Callable[[Stage], None]:
    def record(stage: Stage) -> None:
        stage.models.play(step, say("So be it."))
        with server(stage, name) as codex:
            codex.begin(stage, **ASKING)
            codex.turn("Start.")
            codex.answer(codex.method(method), {"decision": decision})
            codex.completed()
        assert (stage.work / "asked.txt").exists() == (decision == "accept")

    return record


def resume(stage: Stage) -> None:
    stage.models.play(say("I remember seven.", usage=Usage(500, 50)), say("It was seven."))
    with server(stage, "resume_first") as codex:
        codex.begin(stage)
        codex.turn("Remember a number.")
        codex.completed()
        thread = codex.thread
    with server(stage, "resume") as codex:
        codex.handshake()
        codex.thread = codex.ask("thread/resume", threadId=thread, cwd=str(stage.work), **FREE)["thread"]["id"]
        codex.turn("Which was it?")
        codex.completed()
    assert stage.models.calls()[1].says("I remember seven.")


def resume_unknown(stage: Stage) -> None:
    with server(stage, "resume_unknown") as codex:
        codex.handshake()
        unknown = "00000000-0000-4000-8000-00000000dead"
        assert "error" in codex.reply(codex.send("thread/resume", threadId=unknown))


SCHEMA: Final = {
    "type": "object",
    "properties": {"done": {"type": "boolean"}},
    "required": ["done"],
    "additionalProperties": False,
}


def output_schema(stage: Stage) -> None:
    turn(stage, "output_schema", run("true"), answer({"done": True}), more={"outputSchema": SCHEMA})
    ask = stage.models.calls()[1].ask
    assert ask
    assert ask.schema == SCHEMA


def mcp(stage: Stage) -> None:
    stage.models.play(tool("mcp__team__post_note", {"text": "noted"}), say("It is noted."))
    with Tools() as tools, server(stage, "mcp", "-c", f'mcp_servers.team={{url="{tools.url}"}}') as codex:
        codex.begin(stage)
        codex.turn("Post a note.")
        codex.completed()
        assert tools.called == [("post_note", {"text": "noted"})]


def retried(stage: Stage) -> None:
    turn(stage, "retried", fail("unavailable"), say("After all."))


def _failing(name: str, step: Step) -> Callable[[Stage], None]:
    def record(stage: Stage) -> None:
        turn(stage, f"error_{name}", step.on(times=FOREVER), status="failed")

    return record


FAILURES: Final = {
    "401": fail("unauthorized"),
    "403": fail("forbidden"),
    "402": fail("unpaid"),
    "404": fail("no_model"),
    "400": fail("bad_request"),
    "429": fail("rate_limited", retry_after=1),
    "500": fail("broken"),
    "503": fail("unavailable"),
    "overloaded": fail("overloaded"),
    "usage_limit": fail("usage_limit"),
    "no_quota": fail("no_quota"),
    "too_long": fail("too_long"),
    "cut": cut(),
    "in_stream": fail("stream_error"),
    "stream_429": fail("rate_limited", in_stream=True),
    "stream_quota": fail("no_quota", in_stream=True),
    "stream_too_long": fail("too_long", in_stream=True),
    "stream_overloaded": fail("overloaded", in_stream=True),
}


def _exec(stage: Stage, name: str, *args: str) -> None:
    with stage.record(name, [*EXEC, *args]):
        pass


def exec_edit(stage: Stage) -> None:
    stage.models.play(
        run("echo first; exit 3"), write("new.txt", "new\n"), say("Done, äöü → ✓.", usage=Usage(900, 30, 700))
    )
    _exec(stage, "exec_edit", "Do it.")


def exec_resume(stage: Stage) -> None:
    stage.models.play(say("I remember seven."), say("It was seven."))
    with stage.record("exec_first", [*EXEC, "Remember a number."]) as driven:
        driven.close()
        thread = driven.until(lambda message: message["type"] == "thread.started")["thread_id"]
    with stage.record("exec_resume", ["exec", "resume", *EXEC[1:], thread, "Which was it?"]):
        pass
    assert stage.models.calls()[1].says("I remember seven.")


def exec_sigint(stage: Stage) -> None:
    """With its command running."""
    stage.models.play(run(stage.hold()), say("Never said."))
    with stage.record("exec_sigint", [*EXEC, "Do it."]) as driven:
        driven.close()
        with stage.held():
            driven.signal(signal.SIGINT)
            driven.rest()


def exec_resume_unknown(stage: Stage) -> None:
    unknown = "00000000-0000-4000-8000-00000000dead"
    with stage.record("exec_resume_unknown", ["exec", "resume", *EXEC[1:], unknown, "Go on."]):
        pass


def _exec_failing(name: str) -> Callable[[Stage], None]:
    def record(stage: Stage) -> None:
        stage.models.play(FAILURES[name].on(times=FOREVER))
        _exec(stage, f"exec_error_{name}", "Do it.")

    return record


COMMAND: Final = "item/commandExecution/requestApproval"
CHANGE: Final = "item/fileChange/requestApproval"

CASES: Final[dict[str, Callable[[Stage], None]]] = {
    "handshake": handshake,
    "command": command,
    "edit": change,
    "two_turns": two_turns,
    "steer": steer,
    "steer_too_late": steer_too_late,
    "interrupt": interrupt,
    "interrupt_model": interrupt_the_model,
    "approve_command": _approval("approve_command", run("touch asked.txt"), COMMAND, "accept"),
    "decline_command": _approval("decline_command", run("touch asked.txt"), COMMAND, "decline"),
    "approve_change": _approval("approve_change", write("asked.txt", "x\n"), CHANGE, "accept"),
    "decline_change": _approval("decline_change", write("asked.txt", "x\n"), CHANGE, "decline"),
    "resume": resume,
    "resume_unknown": resume_unknown,
    "output_schema": output_schema,
    "mcp": mcp,
    "retried": retried,
    **{f"error_{name}": _failing(name, step) for name, step in FAILURES.items()},
    "exec_edit": exec_edit,
    "exec_resume": exec_resume,
    "exec_resume_unknown": exec_resume_unknown,
    "exec_sigint": exec_sigint,
    **{f"exec_error_{name}": _exec_failing(name) for name in ("401", "429", "usage_limit", "too_long", "cut")},
}

"""The transcripts of Claude Code, stream-json both ways: one function each, in `CASES` at the end."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any, Final

from tests.fakes.models import (
    FOREVER,
    Run,
    Step,
    Usage,
    Write,
    answer,
    call,
    cut,
    edit,
    fail,
    hang,
    read,
    run,
    say,
    tool,
    write,
)
from tests.transcripts.driver import Driven, Message
from tests.transcripts.mcp import Tools
from tests.transcripts.stage import Stage

BASE: Final = ["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"]
ASKING: Final = [*BASE, "--permission-prompt-tool", "stdio", "--permission-mode", "default"]
FREE: Final = [*BASE, "--permission-prompt-tool", "stdio", "--permission-mode", "bypassPermissions"]


def user(driven: Driven, text: str) -> None:
    driven.write({"type": "user", "message": {"role": "user", "content": [{"type": "text", "text": text}]}})


def result(driven: Driven) -> Message:
    return driven.until(lambda message: message["type"] == "result")


def calling(message: Message) -> bool:
    content = message["message"]["content"] if message["type"] == "assistant" else []
    return any(part["type"] == "tool_use" for part in content)


def turn(stage: Stage, name: str, *steps: Step, args: list[str] | None = None, more: tuple[str, ...] = ()) -> Message:
    """One turn, from a prompt to its result."""
    stage.models.play(*steps)
    with stage.record(name, [*(args or FREE), *more]) as driven:
        user(driven, "Do what is to be done.")
        return result(driven)


def edit_a_file(stage: Stage) -> None:
    steps = [write("notes.txt", "one\ntwo\n"), read("notes.txt"), edit("notes.txt", "two", "three")]
    turn(stage, "edit", *steps, say("The file says three.", usage=Usage(900, 30, 700)))


def several_tools(stage: Stage) -> None:
    both = call(Run("echo first"), Run("echo second; exit 3"), Write("new.txt", "new\n"), text="All at once.")
    turn(stage, "tools", both, say("Done, äöü → ✓."))


def deltas(stage: Stage) -> None:
    turn(stage, "deltas", run("true"), say("In parts."), more=("--include-partial-messages",))


def steer(stage: Stage) -> None:
    stage.models.play(run(stage.hold()), say("I have seen the new message."))
    with stage.record("steer", FREE) as driven:
        user(driven, "Start.")
        driven.until(calling)
        user(driven, "Mention the colour blue, too.")
        stage.let_go()
        result(driven)
    assert stage.models.calls()[1].says("colour blue")


def interrupt(stage: Stage) -> None:
    stage.models.play(run(stage.hold()), say("Something else, then."))
    with stage.record("interrupt", FREE) as driven:
        user(driven, "Start.")
        driven.until(calling)
        driven.write({"type": "control_request", "request_id": "stop-1", "request": {"subtype": "interrupt"}})
        result(driven)
        user(driven, "Do something else.")
        result(driven)


def interrupt_the_model(stage: Stage) -> None:
    stage.models.play(hang("middle"), say("Something else, then."))
    with stage.record("interrupt_model", FREE) as driven:
        user(driven, "Start.")
        stage.models.gate("hang").reached.wait(60)
        driven.write({"type": "control_request", "request_id": "stop-1", "request": {"subtype": "interrupt"}})
        result(driven)
        user(driven, "Do something else.")
        result(driven)


def stopped(stage: Stage) -> None:
    """SIGINT while a tool runs: a last result, and the tool is gone."""
    stage.models.play(run(stage.hold()))
    with stage.record("sigint", FREE) as driven:
        user(driven, "Start.")
        driven.until(calling)
        with stage.held():
            driven.signal(signal.SIGINT)
            driven.rest()


def killed(stage: Stage) -> None:
    """SIGKILL in the middle of a turn: no last result."""
    stage.models.play(run("true"), hang("middle"))
    with stage.record("sigkill", FREE) as driven:
        user(driven, "Start.")
        stage.models.gate("hang").reached.wait(60)
        driven.kill()


def _permission(stage: Stage, name: str, answers: Callable[[Message], dict[str, Any]]) -> None:
    stage.models.play(run("touch asked.txt"), say("So be it."))
    with stage.record(name, ASKING) as driven:
        user(driven, "Start.")
        asked = driven.until(lambda message: message["type"] == "control_request")
        response = {"subtype": "success", "request_id": asked["request_id"], "response": answers(asked["request"])}
        driven.write({"type": "control_response", "response": response})
        result(driven)


def permission_allow(stage: Stage) -> None:
    _permission(stage, "permission_allow", lambda asked: {"behavior": "allow", "updatedInput": asked["input"]})
    assert (stage.work / "asked.txt").exists()


def permission_deny(stage: Stage) -> None:
    _permission(stage, "permission_deny", lambda asked: {"behavior": "deny", "message": "Not on this machine."})
    assert not (stage.work / "asked.txt").exists()


def permission_nobody(stage: Stage) -> None:
    """Without a prompt tool nobody is asked: it is denied, and the turn goes on."""
    turn(
        stage,
        "permission_nobody",
        run("touch asked.txt"),
        say("So be it."),
        args=[*BASE, "--permission-mode", "default"],
    )


def resume(stage: Stage) -> None:
    first = turn(stage, "resume_first", say("I remember seven.", usage=Usage(500, 50)))
    turn(stage, "resume", say("It was seven."), more=("--resume", first["session_id"]))
    assert stage.models.calls()[1].says("I remember seven.")


def resume_nothing(stage: Stage) -> None:
    unknown = "00000000-0000-4000-8000-00000000dead"
    with stage.record("resume_unknown", [*FREE, "--resume", unknown]) as driven:
        user(driven, "Go on.")


SCHEMA: Final = json.dumps(
    {"type": "object", "properties": {"done": {"type": "boolean"}}, "required": ["done"], "additionalProperties": False}
)


def json_schema(stage: Stage) -> None:
    steps = [run("true"), answer({"done": "perhaps"}), answer({"done": True}), say("Done.")]
    stage.models.play(*steps[:3])
    stage.models.play(say("Done.", times=FOREVER))
    with stage.record("json_schema", [*FREE, "--json-schema", SCHEMA]) as driven:
        user(driven, "Is it done?")
        assert result(driven)["structured_output"] == {"done": True}


def json_schema_never(stage: Stage) -> None:
    turn(stage, "json_schema_never", say("I would rather talk.", times=FOREVER), more=("--json-schema", SCHEMA))


def mcp(stage: Stage) -> None:
    with Tools() as tools:
        servers = {
            "team": {"type": "http", "url": tools.url},
            "dead": {"type": "http", "url": stage.models.url("dead")},
        }
        config = json.dumps({"mcpServers": servers})
        steps = [tool("mcp__team__post_note", {"text": "noted"}), say("It is noted.")]
        turn(stage, "mcp", *steps, more=("--mcp-config", config, "--strict-mcp-config"))
        assert tools.called == [("post_note", {"text": "noted"})]


def sub_agent(stage: Stage) -> None:
    stage.models.play(run("echo from the sub-agent"), say("The sub-agent is done."), agent="sub")
    arguments = {"description": "A part", "prompt": "[[script:sub]] do a part", "subagent_type": "general-purpose"}
    arguments["run_in_background"] = False  # type: ignore[assignment]
    turn(stage, "sub_agent", tool("Agent", arguments), say("All is done."))


def max_turns(stage: Stage) -> None:
    turn(stage, "max_turns", run("true", times=FOREVER), more=("--max-turns", "2"))


def budget(stage: Stage) -> None:
    steps = [run("true", usage=Usage(200_000, 20_000), times=FOREVER)]
    turn(stage, "budget", *steps, more=("--max-budget-usd", "0.50"))


def retried(stage: Stage) -> None:
    turn(stage, "retried", fail("rate_limited", retry_after=1), fail("overloaded"), say("After all."))


def _failing(name: str, step: Step) -> Callable[[Stage], None]:
    def record(stage: Stage) -> None:
        turn(stage, f"error_{name}", step.on(times=FOREVER))

    return record


FAILURES: Final = {
    "401": fail("unauthorized"),
    "403": fail("forbidden"),
    "404": fail("no_model"),
    "429": fail("rate_limited", retry_after=1),
    "500": fail("broken"),
    "529": fail("overloaded"),
    "usage_limit": fail("usage_limit"),
    "no_credit": fail("no_credit"),
    "too_long": fail("too_long"),
    "cut": cut(),
    "in_stream": fail("stream_error"),
}

CASES: Final[dict[str, Callable[[Stage], None]]] = {
    "edit": edit_a_file,
    "tools": several_tools,
    "deltas": deltas,
    "steer": steer,
    "interrupt": interrupt,
    "interrupt_model": interrupt_the_model,
    "sigint": stopped,
    "sigkill": killed,
    "permission_allow": permission_allow,
    "permission_deny": permission_deny,
    "permission_nobody": permission_nobody,
    "resume": resume,
    "resume_unknown": resume_nothing,
    "json_schema": json_schema,
    "json_schema_never": json_schema_never,
    "mcp": mcp,
    "sub_agent": sub_agent,
    "max_turns": max_turns,
    "budget": budget,
    "retried": retried,
    **{f"error_{name}": _failing(name, step) for name, step in FAILURES.items()},
}

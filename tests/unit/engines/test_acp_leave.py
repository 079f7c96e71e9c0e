"""Permission requests of ACP agents: what is judged, which option is chosen, and what follows a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from teamflow.core.invocation import (
    Asked,
    Called,
    Refused,
    Withdrawn,
)
from teamflow.core.outcome import FailureClass, Stopped
from teamflow.core.permissions import ALLOW, DENY, Permissions, Verdict
from tests.unit.engines.acp_talk import BRIEF, OPTIONS, Talk, chosen


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ({"kind": "edit", "locations": [{"path": "/w/src/a.py"}]}, "y"),
        ({"kind": "edit", "content": [{"type": "diff", "path": "/w/src/a.py", "newText": ""}]}, "y"),
        ({"kind": "edit", "rawInput": {"filePath": "src/a.py"}}, "y"),
        ({"kind": "edit", "rawInput": {"path": "docs/a.md"}}, "n"),
        ({"kind": "edit", "rawInput": {"path": "src/../../etc/passwd"}}, "n"),
        ({"kind": "edit", "locations": [{"path": "/w/src/a.py"}], "rawInput": {"file_path": "/etc/passwd"}}, "n"),
        ({"kind": "delete", "locations": [{"path": "/w/docs/a.md"}]}, "n"),
        ({"kind": "move", "rawInput": {"from": "src/a", "to": "/tmp/a"}}, "n"),
        ({"kind": "edit", "title": "who knows what"}, "n"),
        ({"kind": "read", "locations": [{"path": "/etc/hosts"}]}, "y"),
        ({"kind": "search", "title": "grep"}, "y"),
        ({"kind": "think", "title": "hm"}, "y"),
        ({"kind": "execute", "rawInput": {"command": "pytest -q"}}, "y"),
        ({"kind": "execute", "rawInput": {"command": ["pytest", "-q"]}}, "y"),
        ({"kind": "execute", "title": "pytest -q"}, "y"),
        ({"kind": "execute", "title": "pytest -q", "rawInput": {"command": "rm -rf /"}}, "n"),
        ({"kind": "execute", "title": "pytest -q", "rawInput": {"unheard": "of"}}, "n"),
        ({"kind": "execute", "title": "team_x; rm -rf /"}, "n"),
        ({"kind": "execute"}, "n"),
        ({"kind": "fetch", "title": "https://x"}, "n"),
        ({"kind": "other", "title": "mcp__team__post_note"}, "y"),
        ({"kind": "other", "title": "mcp__team__more__post_note"}, "n"),
        ({"kind": "other", "title": "t", "_meta": {"claudeCode": {"toolName": "mcp__team__x__t"}}}, "n"),
        ({"kind": "other", "title": "team_post_note"}, "y"),
        ({"kind": "other", "title": "team-post_note"}, "y"),
        ({"kind": "other", "title": "post_note (team MCP Server)"}, "y"),
        ({"kind": "other", "title": "post_note (other MCP Server)"}, "n"),
        ({"kind": "edit", "title": "team_post_note"}, "n"),
        ({"kind": "switch_mode", "title": "plan"}, "n"),
        ({}, "n"),
        ({"kind": 3, "title": [], "rawInput": "x", "locations": {}, "content": [None, 3]}, "n"),
    ],
)
def test_a_wish_is_judged_by_what_the_call_tells(call: dict[str, Any], answer: str) -> None:
    grants = Permissions(edit=("src/**",), run=("pytest",), net="deny", ask="deny")
    talk = Talk(brief=BRIEF._replace(grants=grants, servers={"team": {"url": "http://x"}})).begin()
    talk.ask(toolCallId="t", **call)
    assert chosen(talk) == answer


@pytest.mark.parametrize(("home", "answer"), [("", "n"), ("/home/of/its/own", "y")])
def test_with_no_servers_but_those_of_the_team_a_name_is_of_one_of_them(home: str, answer: str) -> None:
    grants = Permissions(run=(), ask="deny")
    talk = Talk(brief=BRIEF._replace(grants=grants, servers={"team": {"url": "http://x"}}, home=home)).begin()
    talk.ask(toolCallId="t", kind="other", title="mcp__team__more__post_note")
    assert chosen(talk) == answer


def test_a_server_called_mcp_is_not_every_server() -> None:
    grants = Permissions(run=(), ask="deny")
    talk = Talk(brief=BRIEF._replace(grants=grants, servers={"mcp": {"url": "http://x"}})).begin()
    talk.ask(toolCallId="t", kind="other", title="mcp__theirs__post_note")
    assert chosen(talk) == "n"


def test_what_was_told_of_a_call_before_counts() -> None:
    talk = Talk(brief=BRIEF._replace(grants=Permissions(run=("ls",)), servers={"team": {"url": "http://x"}})).begin()
    talk.update("tool_call", toolCallId="t", kind="execute", title="Shell", rawInput={})
    talk.update("tool_call_update", toolCallId="t", rawInput={"command": "rm x"})
    talk.ask(toolCallId="t")
    [asked] = talk.each(Asked)
    assert asked.wish.command == "rm x"
    talk.update("tool_call", toolCallId="u", kind="other", title="team-post_note", rawInput={"text": "x"})
    talk.ask(78, toolCallId="u", kind="other", title="post_note")
    assert (talk.last()["id"], chosen(talk)) == (78, "y")


@pytest.mark.parametrize(
    ("options", "yes", "no"),
    [
        (OPTIONS, "y", "n"),
        ([OPTIONS[0], OPTIONS[2]], "y2", "n2"),
        ([OPTIONS[1]], "y", "cancelled"),
        ([OPTIONS[3]], "cancelled", "n"),
        ([], "cancelled", "cancelled"),
        ("odd", "cancelled", "cancelled"),
        ([None, {"kind": "allow_once"}, {"kind": "allow_once", "optionId": 3}], "cancelled", "cancelled"),
    ],
)
def test_options_are_chosen_by_kind(options: Any, yes: str, no: str) -> None:
    for verdict, expected in ((ALLOW, yes), (DENY, no)):
        talk = Talk(brief=BRIEF._replace(grants=Permissions(run=()))).begin()
        talk.ask("r", options=options, toolCallId="t", kind="execute", title="touch x")
        [asked] = talk.each(Asked)
        talk.write(talk.session.answer(asked.request, Verdict(verdict)))
        assert (talk.last()["id"], chosen(talk)) == ("r", expected)
        assert talk.each(Withdrawn) == [Withdrawn(asked.request)]
        assert talk.session.answer(asked.request, Verdict(ALLOW)) is None
        assert len(talk.each(Called)) == (expected == "y" or expected == "y2")
        assert [one.what for one in talk.each(Refused)] == ["run touch x"] * (expected not in ("y", "y2"))


def test_a_break_answers_everything_that_is_asked_or_will_be() -> None:
    talk = Talk(brief=BRIEF._replace(grants=Permissions(run=()))).begin()
    for number in (1, "1"):
        talk.ask(number, toolCallId=f"t{number!r}", kind="execute", title="touch x")
    assert len({asked.request for asked in talk.each(Asked)}) == 2
    talk.write(talk.session.interrupt())
    assert [message.get("id") for message in talk.heard[-2:]] == [1, "1"]
    assert all(message["result"] == {"outcome": {"outcome": "cancelled"}} for message in talk.heard[-2:])
    talk.ask(5, toolCallId="u", kind="read")
    assert chosen(talk) == "cancelled"
    assert talk.session.interrupt() is None
    talk.send({"id": 3, "result": {"stopReason": "cancelled"}})
    assert talk.failed().failure is FailureClass.CANCELLED
    assert isinstance(talk.close(cause="interrupt"), Stopped)


@pytest.mark.parametrize("method", ["fs/read_text_file", "fs/write_text_file", "terminal/create", "x/y"])
def test_other_requests_are_refused(method: str) -> None:
    talk = Talk().begin()
    talk.send({"id": 0, "method": method, "params": {"sessionId": "s1", "path": "/w/a"}})
    assert talk.last()["id"] == 0
    assert talk.last()["error"]["code"] == -32601


def test_opencode_is_told_that_its_own_write_is_well() -> None:
    talk = Talk("opencode").begin()
    talk.send({"id": 0, "method": "fs/write_text_file", "params": {"sessionId": "s1", "path": "/w/a", "content": "x"}})
    assert talk.last() == {"jsonrpc": "2.0", "id": 0, "result": {}}


def test_one_that_ends_its_turn_at_a_refusal_is_told_to_go_on() -> None:
    talk = Talk("copilot", BRIEF._replace(grants=Permissions(level="read"))).begin()
    for _ in range(20):
        talk.ask(toolCallId="t", kind="edit", locations=[{"path": "/w/a"}])
        talk.say("Info: Operation cancelled by user")
        talk.send({"id": talk.heard[-2]["id"], "result": {"stopReason": "end_turn"}})
        assert talk.last()["method"] == "session/prompt"
        assert "You have no leave for that: " in talk.last()["params"]["prompt"][0]["text"]
    talk.ask(toolCallId="t", kind="edit", locations=[{"path": "/w/a"}])
    talk.send({"id": talk.heard[-2]["id"], "result": {"stopReason": "end_turn"}})
    assert talk.ended
    assert "gave up where it was refused leave" in talk.failed().reason


NOTED = Verdict(DENY, "rejected by ana: use make test", "use make test")


def noted(name: str) -> Talk:
    """One that was refused leave with a note."""
    talk = Talk(name, BRIEF._replace(grants=Permissions(run=()))).begin()
    talk.ask(toolCallId="t", kind="execute", title="touch x")
    talk.write(talk.session.answer(talk.each(Asked)[0].request, NOTED))
    return talk


def prompts(talk: Talk) -> list[str]:
    return [one["params"]["prompt"][0]["text"] for one in talk.heard if one.get("method") == "session/prompt"][1:]


def end_turn(talk: Talk) -> None:
    number = [one["id"] for one in talk.heard if one.get("method") == "session/prompt"][-1]
    talk.send({"id": number, "result": {"stopReason": "end_turn"}})


@pytest.mark.parametrize("name", ["gemini", "copilot", "goose"])
def test_a_note_is_told_when_the_turn_is_over_once(name: str) -> None:
    talk = noted(name)
    assert (chosen(talk), prompts(talk)) == ("n", [])
    talk.say("I go on without.")
    end_turn(talk)
    assert prompts(talk) == [
        "You have no leave for that: rejected by ana: use make test. Go on with your task without it."
    ]
    talk.say("So I do.")
    end_turn(talk)
    assert (len(prompts(talk)), talk.ended) == (1, True)


def test_one_that_gives_up_is_told_the_note_with_that_once() -> None:
    talk = noted("copilot")
    end_turn(talk)
    talk.say("So I do.")
    end_turn(talk)
    assert len(prompts(talk)) == 1
    assert talk.ended


@pytest.mark.parametrize("name", ["opencode", "claude-agent-acp"])
def test_a_note_is_told_at_once_to_those_that_hear(name: str) -> None:
    talk = noted(name)
    assert "use make test" in prompts(talk)[0]
    first = next(one["id"] for one in talk.heard if one.get("method") == "session/prompt")
    talk.send({"id": first, "result": {"stopReason": "end_turn"}})
    assert not talk.ended
    talk.say("So I do.")
    end_turn(talk)
    assert (len(prompts(talk)), talk.ended) == (1, True)


def test_one_that_hears_and_gives_up_all_the_same_is_told_to_go_on_and_no_note_again() -> None:
    talk = noted("opencode")
    for one in [one["id"] for one in talk.heard if one.get("method") == "session/prompt"]:
        talk.send({"id": one, "result": {"stopReason": "end_turn"}})
    assert prompts(talk)[1:] == ["You have no leave for that. Go on with your task without it."]
    assert not talk.ended


def test_a_turn_that_was_broken_off_is_not_gone_on_with_for_a_note() -> None:
    talk = noted("gemini")
    talk.write(talk.session.interrupt())
    number = [one["id"] for one in talk.heard if one.get("method") == "session/prompt"][-1]
    talk.send({"id": number, "result": {"stopReason": "cancelled"}})
    assert (prompts(talk), talk.ended) == ([], True)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ({"kind": "execute", "title": "make deploy"}, "run make deploy"),
        ({"kind": "execute", "title": "Shell", "rawInput": {"command": "make deploy"}}, "run make deploy"),
        ({"kind": "edit", "title": "Write", "locations": [{"path": "/x/a.py"}]}, "edit /x/a.py"),
        ({"kind": "other", "title": "dance"}, "dance"),
    ],
)
def test_people_are_asked_in_the_same_words_whatever_the_agent_says(call: dict[str, Any], text: str) -> None:
    talk = Talk(brief=BRIEF._replace(grants=Permissions(run=()))).begin()
    talk.ask(toolCallId="t", **call)
    [asked] = talk.each(Asked)
    assert asked.wish.text == text
    assert asked.wish.why

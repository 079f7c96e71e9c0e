"""What Claude Code is started with, and what its tools wish."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamflow.core.invocation import Brief, Invocation
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.permissions import Permissions, Wish
from teamflow.engines.claude import LONGEST_SCHEMA, ClaudeEngine
from teamflow.engines.claude_stream import ClaudeSession
from teamflow.engines.claude_tools import ABSENT, wish_of

ENGINE = ClaudeEngine()
ENV = {
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "BASH_MAX_TIMEOUT_MS": "7200000",
}
BRIEF = Brief("a", 1, "first", "/w", prompt="Do it.", stem="/run/logs/a.1")


def invoked(brief: Brief) -> Invocation:
    invocation = ENGINE.invoke(brief)
    assert isinstance(invocation, Invocation)
    return invocation


def test_the_whole_command() -> None:
    invocation = invoked(BRIEF)
    assert invocation == Invocation(
        (
            *("claude", "-p", "--verbose", "--input-format=stream-json", "--output-format=stream-json"),
            *("--replay-user-messages", "--permission-prompt-tool=stdio", "--permission-mode=default"),
            f"--disallowedTools={','.join(ABSENT)}",
            '--settings={"disableAllHooks": true, "permissions": '
            '{"ask": ["Bash", "Edit", "Write", "NotebookEdit", "WebFetch", "WebSearch", "mcp__*"]}}',
        ),
        env=ENV,
        stdin=invocation.stdin,
        protocol=True,
        listens=True,
    )
    told = json.loads(invocation.stdin or "")
    assert told["message"] == {"role": "user", "content": [{"type": "text", "text": "Do it."}]}
    assert (invocation.stdin or "").endswith("}\n")


@pytest.mark.parametrize(
    ("grants", "absent", "asked"),
    [
        (Permissions(), (), "Bash Edit Write NotebookEdit WebFetch WebSearch"),
        (Permissions(level="read"), ("Edit", "Write", "NotebookEdit"), "Bash WebFetch WebSearch"),
        (Permissions(edit=()), ("Edit", "Write", "NotebookEdit"), "Bash WebFetch WebSearch"),
        (Permissions(edit=("src/**",), run=("git",)), (), "Bash Edit Write NotebookEdit WebFetch WebSearch"),
        (Permissions(net="deny"), ("WebFetch", "WebSearch"), "Bash Edit Write NotebookEdit"),
        (Permissions(level="read", net="deny"), ("Edit", "Write", "NotebookEdit", "WebFetch", "WebSearch"), "Bash"),
    ],
)
def test_each_grant_in_its_own_words(grants: Permissions, absent: tuple[str, ...], asked: str) -> None:
    for session in (None, "s"):
        invocation = invoked(BRIEF._replace(grants=grants, session=session))
        assert "--permission-mode=default" in invocation.argv
        assert f"--disallowedTools={','.join((*ABSENT, *absent))}" in invocation.argv
        (settings,) = [word for word in invocation.argv if word.startswith("--settings=")]
        assert json.loads(settings.partition("=")[2]) == {
            "disableAllHooks": True,
            "permissions": {"ask": [*asked.split(), "mcp__*"]},
        }
        assert "IS_SANDBOX" not in invocation.env


def test_full_leave() -> None:
    invocation = invoked(BRIEF._replace(grants=Permissions(level="full")))
    assert invocation.env == {**ENV, "IS_SANDBOX": "1"}
    assert invocation.argv[-2:] == ("--permission-mode=bypassPermissions", f"--disallowedTools={','.join(ABSENT)}")


def test_all_that_a_step_may_say() -> None:
    servers = {"docs": {"type": "http", "url": "http://h/", "headers": {"Authorization": "secret"}}}
    brief = BRIEF._replace(
        model="opus",
        session="-s",
        instructions="Be good.",
        context="You are one of three.",
        reporting="Report.",
        servers=servers,
        schemas={"ok": "boolean", "list": {"type": "array"}},
        home="/home/own",
    )
    invocation = invoked(brief)
    assert invocation.argv[7:12] == (
        "--model=opus",
        "--resume=-s",
        "--append-system-prompt-file=/run/logs/a.1.instructions.md",
        "--mcp-config=/run/logs/a.1.mcp.json",
        "--strict-mcp-config",
    )
    assert invocation.argv[12] == "--setting-sources="
    (schema,) = [word for word in invocation.argv if word.startswith("--json-schema=")]
    assert json.loads(schema.partition("=")[2]) == {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}, "list": {"type": "array"}},
        "required": ["ok", "list"],
    }
    assert dict(invocation.files) == {
        "/run/logs/a.1.instructions.md": "Be good.\n\nYou are one of three.\n\nReport.",
        "/run/logs/a.1.mcp.json": json.dumps({"mcpServers": servers}),
    }
    assert invocation.env["CLAUDE_CONFIG_DIR"] == "/home/own"
    assert not [word for word in invocation.argv if "secret" in word or "Do it" in word]
    # Its CLI asks for them itself.
    assert "JSON Schema" not in (invocation.stdin or "")


def test_a_schema_that_fits_no_argument_is_refused() -> None:
    refused = ENGINE.invoke(BRIEF._replace(schemas={"x": {"enum": ["y" * LONGEST_SCHEMA]}}))
    assert isinstance(refused, Failed)
    assert refused.failure is FailureClass.START
    assert "declare them more loosely" in refused.reason


@pytest.mark.parametrize("prompt", ["", None, "/compact", "\ud800 half", "a\nb\r\n\u2028\x00"])
def test_any_prompt_is_one_line_and_no_command(prompt: str | None) -> None:
    stdin = invoked(BRIEF._replace(prompt=prompt)).stdin or ""
    assert stdin.count("\n") == 1
    text = json.loads(stdin)["message"]["content"][0]["text"]
    assert text.strip()
    assert not text.startswith("/")
    stdin.encode()


# -- what it wishes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given", "wish"),
    [
        ("Bash", {"command": "a\nb"}, Wish("run", "run a …", command="a\nb", tool="Bash")),
        ("Bash", {"command": 3}, Wish("run", 'Bash: {"command": 3}', tool="Bash")),
        ("Edit", {"file_path": "/w/x"}, Wish("edit", "edit /w/x", paths=("/w/x",), tool="Edit")),
        ("NotebookEdit", {"notebook_path": "n"}, Wish("edit", "edit n", paths=("n",), tool="NotebookEdit")),
        ("Write", {}, Wish("edit", "Write", tool="Write")),
        ("Read", {"file_path": "/etc/x"}, Wish("read", "Read: /etc/x", paths=("/etc/x",), tool="Read")),
        ("WebFetch", {"url": "http://h"}, Wish("net", "fetch http://h", tool="WebFetch")),
        ("Agent", {"description": "look"}, Wish("tool", "Agent: look", tool="Agent")),
        ("mcp__our_notes__post", {"a": 1}, Wish("tool", 'mcp__our_notes__post: {"a": 1}', tool="mcp__our_notes__post")),
        ("mcp__theirs__post", {}, Wish("other", "mcp__theirs__post", tool="mcp__theirs__post")),
        ("ExitPlanMode", {}, Wish("other", "ExitPlanMode", tool="ExitPlanMode")),
    ],
)
def test_wishes(name: str, given: dict[str, Any], wish: Wish) -> None:
    assert wish_of(name, given, servers=("our notes",)) == wish


@pytest.mark.parametrize(
    ("name", "servers", "kinds"),
    [
        ("mcp__a__t", "a", "tool tool"),
        ("mcp__a__b__t", "a", "other tool"),  # a server of the user's may be called a__b
        ("mcp__a__b__t", "a__b", "other tool"),  # or a
        ("mcp__a__b__t", "a a__b", "tool tool"),
        ("mcp__a___t", "a", "other tool"),  # or a_
        ("mcp__a_t", "a", "other other"),
        ("mcp__a__", "a", "other other"),
        ("mcp__", "a", "other other"),
    ],
)
def test_a_tool_that_may_be_of_a_server_of_the_user_is_not_granted(name: str, servers: str, kinds: str) -> None:
    """The second kind: where it has no servers but those of the team."""
    found = [wish_of(name, {}, servers=servers.split(), alone=alone).kind for alone in (False, True)]
    assert found == kinds.split()


@pytest.mark.parametrize(("home", "answers"), [("", 1), ("/home/of/its/own", 0)])
def test_it_is_asked_about_unless_the_step_is_isolated(home: str, answers: int) -> None:
    session = ClaudeSession(BRIEF._replace(grants=Permissions(run=()), servers={"a": {}}, home=home))
    request = {"subtype": "can_use_tool", "tool_name": "mcp__a__b__t", "input": {}}
    line = json.dumps({"type": "control_request", "request_id": "r", "request": request}) + "\n"
    events = session.feed(line.encode())
    assert [type(event).__name__ for event in events] == (["Asked"] if answers else ["Reply"])

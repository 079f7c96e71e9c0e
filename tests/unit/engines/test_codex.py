"""The engine of Codex: its command line, and what it sends, held against the protocol as Codex describes it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest

from teamflow.core.invocation import (
    Brief,
    Invocation,
    Reply,
)
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.permissions import Permissions
from teamflow.engines.codex import CodexEngine
from teamflow.engines.codex_exec import CodexExecEngine
from teamflow.engines.codex_schema import strict
from teamflow.engines.registry import engine
from tests.fakes.codex_schema.extract import SENT
from tests.fakes.codex_schema.protocol import REQUESTS, RESPONSES, conforms, pinned
from tests.unit.engines.transcripts import load

ENGINE = CodexEngine()
DOCUMENT = "If there is an AGENTS.md at the root of the workspace, read it first, and keep to it."
USUAL = {"cwd": "/w", "developerInstructions": DOCUMENT}
NOTHING = "/teamflow-denies-a-read"
ODD = 'q"\n\\é\x7f'


def told(**more: Any) -> Brief:
    return Brief(**{"step": "a", "attempt": 1, "cause": "first", "cwd": "/w", "prompt": "Do it.", **more})


def invoked(brief: Brief) -> Invocation:
    invocation = ENGINE.invoke(brief)
    assert isinstance(invocation, Invocation)
    return invocation


def settings(brief: Brief) -> dict[str, Any]:
    """What the `-c` of its command line mean."""
    words = invoked(brief).argv
    assert words[:2] == ("codex", "app-server")
    assert set(words[2::2]) <= {"-c"}
    found: dict[str, Any] = {}
    for word in words[3::2]:
        merge(found, tomllib.loads(word))
    return found


def merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and key in into:
            merge(into[key], value)
        else:
            into[key] = value


def begun(brief: Brief) -> dict[str, Any]:
    """The request that opens or resumes its thread."""
    session = ENGINE.session(brief)
    (reply,) = session.feed(b'{"id":1,"result":{"userAgent":"teamflow/0.169.0 (x)"}}\n')
    assert isinstance(reply, Reply)
    initialized, thread = (json.loads(line) for line in reply.data.splitlines())
    assert initialized == {"method": "initialized", "params": {}}
    assert isinstance(thread, dict)
    return thread


# --- the command line, and the thread


def test_the_registry_has_both() -> None:
    assert isinstance(engine("codex"), CodexEngine)
    assert isinstance(engine("codex-exec"), CodexExecEngine)


def test_with_all_permissions_it_is_as_short_as_can_be() -> None:
    full = told(grants=Permissions("full"))
    assert invoked(full).argv == ("codex", "app-server", "-c", 'projects={"/w" = {"trust_level" = "untrusted"}}')
    assert begun(full)["params"] == {
        "cwd": "/w",
        "sandbox": "danger-full-access",
        "approvalPolicy": "never",
        "developerInstructions": DOCUMENT,
    }


@pytest.mark.parametrize(
    ("grants", "policy", "files", "network"),
    [
        (Permissions(), "on-request", {":workspace_roots": "write"}, True),
        (Permissions(ask="deny"), "never", {":workspace_roots": "write"}, True),
        (Permissions(net="deny"), "on-request", {":workspace_roots": "write"}, False),
        (Permissions(run=("make",)), "untrusted", {":workspace_roots": "write"}, True),
        (
            Permissions(edit=("docs/**", "a/b/**/*", "*.md", "c.txt", "x*/**", "../d/**")),
            "on-request",
            {":workspace_roots": {".": "read", "docs": "write", "a/b": "write"}},
            True,
        ),
        (Permissions(edit=("docs/**", "!docs/a"), ask="deny"), "on-request", {":workspace_roots": {".": "read"}}, True),
        (Permissions(edit=(), ask="deny"), "never", {":workspace_roots": {".": "read"}}, True),
        (Permissions(edit=(f"{ODD}/**",)), "on-request", {":workspace_roots": {".": "read", ODD: "write"}}, True),
    ],
)  # fmt: skip
def test_what_it_may_edit_is_a_profile(
    grants: Permissions, policy: str, files: Mapping[str, Any], network: bool
) -> None:
    found = settings(told(grants=grants))
    assert found["default_permissions"] == "teamflow-step"
    profile = found["permissions"]["teamflow-step"]
    tmp = {f"/tmp/{name}": "write" for name in (".git", ".codex", ".agents", ".aws")}
    usual = {":root": "read", ":tmpdir": "write", ":slash_tmp": "write", NOTHING: "deny"}
    assert profile["filesystem"] == {**usual, **tmp, **files}
    assert profile["network"] == {"enabled": network}
    assert found.get("web_search") == (None if network else "disabled")
    for session in (None, "s"):
        params = begun(told(grants=grants, session=session))["params"]
        assert (params["approvalPolicy"], params["permissions"]) == (policy, "teamflow-step")
        assert "sandbox" not in params


@pytest.mark.parametrize(("level", "access"), [("read", "read"), ("full", "write")])
def test_other_levels_without_network_are_profiles_too(level: str, access: str) -> None:
    brief = told(grants=Permissions(level, net="deny"))
    profile = settings(brief)["permissions"]["teamflow-step"]
    held = {f"/{name}": "write" for name in (".git", ".codex", ".agents", ".aws") if level == "full"}
    assert profile == {"filesystem": {":root": access, NOTHING: "deny", **held}, "network": {"enabled": False}}
    assert begun(brief)["params"] == {
        "cwd": "/w",
        "approvalPolicy": "never",
        "permissions": "teamflow-step",
        "developerInstructions": DOCUMENT,
    }


def test_secrets_of_servers_are_no_arguments() -> None:
    server = {"command": "notes", "args": ["-v", "hushed"], "env": {"KEY": "s3cret"}}
    web = {"type": "http", "url": "http://h/mcp?key=qu1et", "headers": {"Authorization": "Bearer t0ken"}}
    invocation = invoked(told(servers={"notes": server, "web": web}))
    words = " ".join(invocation.argv)
    assert "s3cret" not in words
    assert not any(word in words for word in ("t0ken", "qu1et", "hushed"))
    assert {"s3cret", "t0ken"} <= {value.removeprefix("Bearer ") for value in invocation.env.values()}
    found = begun(told(servers={"notes": server, "web": web}))["params"]["config"]["mcp_servers"]
    assert found["web"]["url"] == "http://h/mcp?key=qu1et"
    assert begun(told(servers={"web": web}, session="s"))["params"]["config"]["mcp_servers"].keys() == {"web"}
    assert {name: entry["default_tools_approval_mode"] for name, entry in found.items()} == {
        "notes": "approve",
        "web": "approve",
    }


def test_servers_with_a_fault_are_a_failure() -> None:
    outcome = ENGINE.invoke(told(servers={"notes": {"args": 3}}))
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.START


def test_a_home_of_its_own() -> None:
    assert invoked(told(home="/h")).env == {"CODEX_HOME": "/h"}
    assert invoked(told()).env == {}


def test_instructions_model_and_prompt_have_their_places() -> None:
    brief = told(instructions="You are Kim.", context="Step a.", model="gpt-5-codex")
    assert begun(brief)["params"]["developerInstructions"] == f"You are Kim.\n\nStep a.\n\n{DOCUMENT}"
    assert begun(brief)["params"]["model"] == "gpt-5-codex"
    resumed = begun(brief._replace(session="s"))
    assert (resumed["method"], resumed["params"]["threadId"]) == ("thread/resume", "s")
    assert resumed["params"]["developerInstructions"] == f"You are Kim.\n\nStep a.\n\n{DOCUMENT}"
    alone = begun(brief._replace(home="/h"))["params"]
    assert alone["developerInstructions"] == "You are Kim.\n\nStep a."
    assert "Do it." not in " ".join(invoked(brief).argv) + str(invoked(brief).stdin)


def test_it_is_told_of_no_command_that_its_sandbox_would_stop() -> None:
    brief = told(context="Step a.", reporting="Report: teamflow progress 1.", home="/h")
    for level in ("read", "edit"):
        held = brief._replace(grants=Permissions(level))
        assert begun(held)["params"]["developerInstructions"] == "Step a."
        assert "Report" not in str(CodexExecEngine().invoke(held))
    free = brief._replace(grants=Permissions("full"))
    assert begun(free)["params"]["developerInstructions"] == "Step a.\n\nReport: teamflow progress 1."


def test_exec_takes_all_by_its_arguments_but_the_prompt() -> None:
    brief = told(
        grants=Permissions(net="deny"), session="s", model="m", schemas={"x": "string"}, stem="/l/a.1", instructions="I"
    )
    invocation = CodexExecEngine().invoke(brief)
    assert isinstance(invocation, Invocation)
    assert invocation.argv[:3] == ("codex", "exec", "resume")
    assert invocation.argv[-6:] == ("--output-schema", "/l/a.1.schema.json", "-m", "m", "s", "-")
    assert 'approval_policy="never"' in invocation.argv
    assert invocation.stdin == f"I\n\n{DOCUMENT}\n\nDo it."
    assert not invocation.listens
    full = CodexExecEngine().invoke(told(grants=Permissions("full")))
    assert isinstance(full, Invocation)
    assert "--dangerously-bypass-approvals-and-sandbox" in full.argv


# --- schemas


@pytest.mark.parametrize(
    "schema",
    [
        "string",
        {"type": "integer", "minimum": 1},
        {"type": ["string", "null"]},
        {"type": "array", "items": {"type": "object", "properties": {"a": "string"}, "required": ["a"]}},
    ],
)
def test_schemas_that_can_be_strict(schema: Any) -> None:
    made = strict({"x": schema})
    assert made is not None
    assert made["required"] == ["x"]
    assert made["additionalProperties"] is False
    assert '"additionalProperties": false' in json.dumps(made["properties"]) or "items" not in json.dumps(schema)


@pytest.mark.parametrize(
    "schema",
    [
        "object",
        "array",
        3,
        None,
        {},
        {"type": "object"},
        {"type": "object", "properties": {"a": "string"}},
        {"type": "object", "properties": {"a": "string"}, "required": ["a"], "additionalProperties": True},
        {"type": "object", "properties": {"a": "string"}, "required": ["a", "b"]},
        {"type": "array"},
        {"type": "array", "items": {"anyOf": []}},
        {"$ref": "#/x"},
        {"type": "string", "format": "uri"},
        {"type": "array", "items": {"type": "array", "items": {"type": "array", "items": {"type": "array", "items":
         {"type": "array", "items": "string"}}}}},
    ],
)  # fmt: skip
def test_schemas_that_cannot_are_asked_for_by_text(schema: Any) -> None:
    assert strict({"x": schema}) is None
    session = ENGINE.session(told(schemas={"x": schema}))
    session.feed(b'{"id":1,"result":{}}\n')
    *_, turn = session.feed(b'{"id":2,"result":{"thread":{"id":"t"}}}\n')
    assert isinstance(turn, Reply)
    params = json.loads(turn.data)["params"]
    assert "outputSchema" not in params
    assert "JSON Schema" in params["input"][0]["text"]


# --- the protocol, as Codex describes it


def test_what_we_send_is_what_codex_takes() -> None:
    seen = set()
    for transcript in load("codex_sessions"):
        asked = {}
        for line in transcript.output.splitlines():
            message = json.loads(line)
            if "method" in message and "id" in message:
                asked[message["id"]] = message["method"]
        sent = [invoked(transcript.brief._replace(servers={})).stdin or "", *(text for _, text in transcript.inputs)]
        for line in "".join(sent).splitlines():
            message = json.loads(line)
            if "method" not in message:
                conforms(RESPONSES[asked[message["id"]]], message["result"])
            elif "id" in message:
                seen.add(message["method"])
                conforms(REQUESTS[message["method"]], message["params"])
    assert seen == set(REQUESTS)


def test_every_request_of_codex_is_known_here() -> None:
    known = {*RESPONSES, "account/chatgptAuthTokens/refresh", "attestation/generate", "currentTime/read"}
    assert set(pinned()["methods"]["ServerRequest"]) - known == set()
    assert set(SENT) == {*RESPONSES.values(), *REQUESTS.values()}

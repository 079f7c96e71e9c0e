"""Every real agent CLI takes a turn against the scripted model server, and one with tools; without teamflow."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.fakes import clis
from tests.fakes.models import FOREVER, Models, Step, edit, fail, hang, read, run, say, write
from tests.transcripts import codex_schema
from tests.transcripts.driver import Driven, Rpc

pytestmark = pytest.mark.slow

HEADLESS = ["claude", "codex", "gemini", "opencode", "copilot"]


def turn(name: str, server: Models, tmp_path: Path, *, prompt: str) -> subprocess.CompletedProcess[str]:
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    return subprocess.run(
        clis.headless(name, prompt),
        env=clis.ENVIRONMENTS[name](server, tmp_path / "home"),
        cwd=work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        start_new_session=True,
        check=False,
    )


@pytest.mark.parametrize("name", HEADLESS)
def test_a_turn_with_tools(name: str, tmp_path: Path) -> None:
    with Models() as server:
        server.play(
            run("echo made by a shell > shell.txt; cat shell.txt"),
            write("new.txt", "one\ntwo\n"),
            read("new.txt"),
            edit("new.txt", "two", "three"),
            say("all done"),
        )
        done = turn(name, server, tmp_path, prompt="what do you do?")
        assert done.returncode == 0, done.stderr
        assert "all done" in spoken(done.stdout)
        assert server.left() == 0
        assert server.calls()[0].says("what do you do?")
        assert (tmp_path / "work/shell.txt").read_text() == "made by a shell\n"
        assert (tmp_path / "work/new.txt").read_text() == "one\nthree\n"
        assert server.calls()[1].says("made by a shell")


@pytest.mark.parametrize("name", list(clis.ACP))
def test_a_turn_over_acp(name: str, tmp_path: Path) -> None:
    with Models() as server:
        server.play(run("echo made by a shell > shell.txt; cat shell.txt"), say("all done"))
        argv = [clis.program(name), *clis.ACP[name]]
        with Driven(argv, env=clis.ENVIRONMENTS[name](server, tmp_path / "home"), cwd=tmp_path) as driven:
            rpc = Rpc(driven)
            rpc.answers["session/request_permission"] = lambda request: {
                "outcome": {"outcome": "selected", "optionId": allowed(request["params"]["options"])}
            }
            rpc.ask("initialize", protocolVersion=1, clientCapabilities={})
            session = rpc.ask("session/new", cwd=str(tmp_path), mcpServers=[])["sessionId"]
            prompt = [{"type": "text", "text": "work"}]
            assert rpc.ask("session/prompt", sessionId=session, prompt=prompt)["stopReason"] == "end_turn"
            assert "all done" in spoken(driven.out.decode())
            driven.end()
        assert (tmp_path / "shell.txt").read_text() == "made by a shell\n"
        assert server.calls()[1].says("made by a shell")


def spoken(stdout: str) -> str:
    """What the model said, its deltas joined; for CLIs that tell it whole, all that they wrote."""
    parts = []
    for line in stdout.splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        update = message.get("params", {}).get("update", {})
        if update.get("sessionUpdate") == "agent_message_chunk":
            parts.append(update["content"]["text"])
        elif message.get("delta") is True:  # Gemini's.
            parts.append(message["content"])
    return "".join(parts) or stdout


def allowed(options: list[dict[str, str]]) -> str:
    return next(one["optionId"] for one in options if one["kind"] == "allow_once")


@pytest.mark.parametrize("name", HEADLESS)
def test_a_turn_that_is_held_open(name: str, tmp_path: Path) -> None:
    with Models() as server:
        server.play(hang("middle", gate="here"))
        argv = clis.headless(name, "work")
        with Driven(argv, env=clis.ENVIRONMENTS[name](server, tmp_path / "home"), cwd=tmp_path) as driven:
            driven.close()
            assert server.gate("here").reached.wait(60)
        assert server.gate("here").left.wait(60)


@pytest.mark.parametrize(("name", "step", "words"), [
    ("claude", fail("unauthorized"), '"error":"authentication_failed"'),
    ("claude", fail("no_credit"), '"error":"billing_error"'),
    ("claude", fail("overloaded"), '"api_error_status":529'),
    ("codex", fail("usage_limit"), "hit your usage limit"),
    ("codex", fail("too_long"), "ran out of room"),
    ("gemini", fail("usage_limit"), "exhausted your daily quota"),
    ("opencode", fail("unauthorized"), '"isRetryable":false'),
    ("copilot", fail("unpaid"), "402"),
])  # fmt: skip
def test_a_turn_that_the_provider_refuses(name: str, step: Step, words: str, tmp_path: Path) -> None:
    with Models() as server:
        server.play(step.on(times=FOREVER))
        done = turn(name, server, tmp_path, prompt="work")
        assert done.returncode != 0
        assert words in done.stdout


def test_the_protocol_of_codex_is_as_it_was() -> None:
    assert codex_schema.KEPT.read_text() == codex_schema.text()


@pytest.mark.parametrize("name", list(clis.CLIS))
def test_versions(name: str, tmp_path: Path) -> None:
    if name == "claude-agent-acp":
        return  # It has no argument for it; `clis.installed` has looked.
    with Models() as server:
        env = clis.ENVIRONMENTS[name](server, tmp_path)
        told = subprocess.run([clis.program(name), "--version"], env=env, capture_output=True, text=True, check=False)
    assert clis.versions()[name] in told.stdout

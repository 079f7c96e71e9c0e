"""Variants of a built-in engine, with the real CLIs: where an account can do no more, the same program goes on with a
server of the user's own, and nothing of the account's goes there.

The account is one scripted server, which has reached its limit; the user's own is another, as in
`test_real_local_models.py`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project
from tests.e2e.test_real_local_models import NAME, asked_for, keys
from tests.fakes import clis
from tests.fakes.models import Models, fail, run, say, write

pytestmark = pytest.mark.slow

ACCOUNT = "users-own-key-of-the-account"


def project_of(place: Path, local: Models, of: str, *, variant: dict[str, Any], **agent: Any) -> Project:
    made = {"engine": of, "base_url": local.url(), "model": NAME, **variant}
    agent = {
        "prompt": "Do it.",
        "permissions": "full",
        "workspace": {"mode": "shared"},
        "retry": {"delay": "0s"},
        **agent,
    }
    secrets = {
        name: {"env": f"MY_{name}"} for name in ("CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY", "OPENAI_API_KEY")
    }
    return Project(place, {"engines": {"local": made}, "secrets": secrets, "agents": {"a": agent}})


def environment(account: Models, *programs: str) -> dict[str, str]:
    for program in programs:
        clis.program(program.removesuffix("-exec"))
    return {
        "PATH": f"{clis.place()}/node_modules/.bin:{os.environ['PATH']}",
        "CLAUDE_CODE_MAX_RETRIES": "0",
        "COPILOT_CACHE_HOME": str(clis.place() / "copilot-cache"),
        "ANTHROPIC_BASE_URL": account.url(),
        "ANTHROPIC_API_KEY": ACCOUNT,
        "ANTHROPIC_MODEL": "opus",
        "MY_CLAUDE_CODE_OAUTH_TOKEN": f"{ACCOUNT}-b",
        "MY_ANTHROPIC_API_KEY": ACCOUNT,
        "MY_OPENAI_API_KEY": f"{ACCOUNT}-c",
    }


def leave_login(home: Path) -> None:
    """As somebody who has logged in has it."""
    folder = home / ".claude"
    folder.mkdir()
    login = {"accessToken": f"{ACCOUNT}-d", "refreshToken": "r", "expiresAt": 2**42, "scopes": ["user:inference"]}
    (folder / ".credentials.json").write_text(json.dumps({"claudeAiOauth": login}))


def test_where_the_account_can_do_no_more_a_server_of_ones_own_goes_on(tmp_path: Path) -> None:
    """In a session of its own, which goes on there after `verify`; even the secrets of the step are not told to it."""
    with Models() as account, Models(names=[NAME]) as local:
        account.play(fail("usage_limit"))
        local.play(
            write("more.txt", "more\n"), say("Done."), run("env > env.txt"), write("right.txt", "x\n"), say("Now.")
        )
        project = project_of(
            tmp_path,
            local,
            "claude",
            variant={"env": {"LOCAL_MARK": "yes"}},
            engine=["claude/opus", "local"],
            secrets=["CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY"],
            verify=["test -e right.txt"],
            retry={"attempts": 4, "delay": "0s"},
        )
        leave_login(tmp_path / "home")
        project.run("--no-input", env=environment(account, "claude"), seconds=200).expect(0)
        step = project.status().step("a")
        tried = [(attempt["engine"], attempt["model"]) for attempt in step["attempts"]]
        assert tried == [("claude", "opus"), ("local", NAME), ("local", NAME)]
        sessions = [attempt["session"] for attempt in step["attempts"]]
        assert sessions[1] == sessions[2] != sessions[0]
        assert len(local.calls()) == 5
        assert asked_for(local) == {NAME}
        assert keys(local) <= {"local", ""}
        assert len(account.calls()) == 1
        assert ACCOUNT in keys(account)
        assert "LOCAL_MARK=yes" in project.read("env.txt")
        assert f"ANTHROPIC_BASE_URL={local.url()}" in project.read("env.txt")


@pytest.mark.parametrize("engine", ["codex", "opencode", "copilot"])
def test_so_does_another_program(tmp_path: Path, engine: str) -> None:
    with Models() as account, Models(names=[NAME]) as local:
        account.play(fail("usage_limit"))
        local.play(write("more.txt", "more\n"), say("Done."))
        project = project_of(
            tmp_path, local, engine, variant={}, engine=["claude/opus", "local"], secrets=["OPENAI_API_KEY"]
        )
        project.run("--no-input", env=environment(account, "claude", engine), seconds=200).expect(0)
        assert [attempt["engine"] for attempt in project.status().step("a")["attempts"]] == ["claude", "local"]
        assert project.read("more.txt") == "more\n"
        assert asked_for(local) == {NAME}
        assert not [key for key in keys(local) if ACCOUNT in key]


def test_a_key_that_the_variant_names_goes_there(tmp_path: Path) -> None:
    """Whoever gives it: the user's environment, or a secret of the step."""
    with Models() as account, Models(names=[NAME]) as local:
        local.play(say("Done."))
        variant = {"inherit_env": ["ANTHROPIC_AUTH_TOKEN"]}
        project = project_of(tmp_path, local, "claude", variant=variant, engine="local")
        env = {**environment(account, "claude"), "ANTHROPIC_AUTH_TOKEN": local.key()}
        project.run("--no-input", env=env, seconds=200).expect(0)
        assert {key for key in keys(local) if key} == {local.key()}
        assert not account.requests

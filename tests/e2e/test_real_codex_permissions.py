"""The real Codex by its app server, against a scripted model: each form of permissions, with commands that try."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from teamflow.core.invocation import (
    Asked,
)
from teamflow.core.outcome import Succeeded
from teamflow.core.permissions import ALLOW, DENY, Permissions, Verdict
from teamflow.engines.codex import CodexEngine
from teamflow.engines.codex_exec import CodexExecEngine
from tests.e2e.codex_bench import Bench, a_bench
from tests.e2e.project import Project
from tests.fakes.agents.pump import Pump
from tests.fakes.models import run, say, tool, write

pytestmark = pytest.mark.slow


@pytest.fixture
def bench() -> Iterator[Bench]:
    with a_bench() as made:
        yield made


# --- what it may do: each form of permissions, with commands that try


def tried(bench: Bench, command: str, answer: str | None = None, *, escalate: bool = False, **grants: Any) -> str:
    """What the model is told of a command; `answer`: to what is asked about it, None: nothing may be asked."""
    arguments = {"cmd": command} | ({"sandbox_permissions": "require_escalated"} if escalate else {})
    bench.models.play(tool("exec_command", arguments), say("ok"))
    with bench.start(grants=Permissions(**grants)) as agent:
        if answer is not None:
            assert agent.answer(agent.until(Asked).request, Verdict(answer, "because"))
        outcome = agent.finish()
        assert isinstance(outcome, Succeeded), outcome
        assert len(agent.all(Asked)) == (answer is not None)
    return bench.heard()


def test_read_looks_and_changes_nothing(bench: Bench) -> None:
    (bench.cwd / "a.txt").write_text("the content")
    told = tried(bench, f"cat a.txt; touch b.txt; {bench.out()}; {bench.net()}", level="read")
    assert "the content" in told
    assert "net=000" in told
    assert not bench.outside.exists()
    assert not (bench.cwd / "b.txt").exists()


def test_read_takes_no_patch(bench: Bench) -> None:
    bench.models.play(write("b.txt", "x\n"), say("ok"))
    bench.attempt(grants=Permissions("read"))
    assert "patch rejected" in bench.heard()
    assert not (bench.cwd / "b.txt").exists()


@pytest.mark.parametrize("ask", ["queue", "deny"])
@pytest.mark.parametrize(("net", "told"), [("allow", "net=200"), ("deny", "net=000")])
def test_edit_stays_in_the_workspace(bench: Bench, ask: str, net: str, told: str) -> None:
    heard = tried(bench, f"touch b.txt; {bench.out()}; {bench.net()}", level="edit", net=net, ask=ask)
    assert told in heard
    assert (bench.cwd / "b.txt").exists()
    assert not bench.outside.exists()


def test_what_is_to_leave_the_sandbox_is_asked_for(bench: Bench) -> None:
    tried(bench, bench.out(), DENY, escalate=True)
    assert not bench.outside.exists()
    tried(bench, bench.out(), ALLOW, escalate=True)
    assert bench.outside.exists()


def test_what_is_to_leave_the_sandbox_is_denied_where_nobody_is_asked(bench: Bench) -> None:
    tried(bench, bench.out(), escalate=True, ask="deny")
    assert not bench.outside.exists()


def test_the_agent_hears_why_it_was_declined(bench: Bench) -> None:
    assert "because" in tried(bench, bench.out(), DENY, escalate=True)


def test_without_network_there_is_none_outside_of_the_sandbox_either(bench: Bench) -> None:
    assert "net=000" in tried(bench, f"{bench.out()}; {bench.net()}", ALLOW, escalate=True, net="deny")
    assert bench.outside.exists()


def test_full_may_do_all(bench: Bench) -> None:
    assert "net=200" in tried(bench, f"{bench.out()}; {bench.net()}", level="full")
    assert bench.outside.exists()


def test_full_without_network(bench: Bench) -> None:
    assert "net=000" in tried(bench, f"{bench.out()}; {bench.net()}", level="full", net="deny")
    assert bench.outside.exists()


def test_commands_of_the_list_run_in_the_sandbox(bench: Bench) -> None:
    heard = tried(bench, f"touch b.txt {bench.outside}", run=("touch",))
    assert "Read-only file system" in heard
    assert (bench.cwd / "b.txt").exists()
    assert not bench.outside.exists()


def test_a_command_that_says_what_a_sandbox_would_is_not_run_again_outside(bench: Bench) -> None:
    script = bench.cwd / "trick.sh"
    script.write_text(f"echo x >> tries.txt; touch {bench.outside}; echo Operation not permitted; exit 1")
    tried(bench, "sh trick.sh", run=("sh trick.sh",))
    assert (bench.cwd / "tries.txt").read_text() == "x\n"
    assert not bench.outside.exists()


def test_commands_that_only_look_need_no_list(bench: Bench) -> None:
    (bench.cwd / "a.txt").write_text("the content")
    assert "the content" in tried(bench, "cat a.txt", run=())


def test_other_commands_are_asked_for(bench: Bench) -> None:
    tried(bench, "touch a.txt", DENY, run=("make",))
    assert not (bench.cwd / "a.txt").exists()
    tried(bench, "touch a.txt", ALLOW, run=("make",))
    assert (bench.cwd / "a.txt").exists()


def test_a_command_of_the_list_is_asked_for_where_it_wants_out(bench: Bench) -> None:
    tried(bench, f"touch {bench.outside}", DENY, escalate=True, run=("touch",))
    assert not bench.outside.exists()


def test_files_of_the_list_alone_can_be_changed(bench: Bench) -> None:
    (bench.cwd / "docs").mkdir()
    heard = tried(bench, "touch docs/a.md b.txt; true", edit=("docs/**", "*.md"))
    assert "Read-only file system" in heard
    assert (bench.cwd / "docs/a.md").exists()
    assert not (bench.cwd / "b.txt").exists()


@pytest.mark.parametrize("more", [{}, {"ask": "deny"}, {"run": ()}])
def test_patches_are_judged_by_the_list(bench: Bench, more: dict[str, Any]) -> None:
    grants = Permissions(edit=("*.md",), **more)
    bench.models.play(write("a.md", "x\n"), say("ok"))
    outcome, events = bench.attempt(grants=grants)
    assert isinstance(outcome, Succeeded)
    assert (bench.cwd / "a.md").exists()
    assert not any(isinstance(event, Asked) for event in events)
    bench.models.play(write("b.txt", "x\n"), say("ok"))
    with bench.start(grants=grants) as agent:
        if grants.ask == "queue":
            asked = agent.until(Asked)
            assert asked.wish.paths == (str(bench.cwd / "b.txt"),)
            assert agent.answer(asked.request, Verdict(DENY))
        agent.finish()
    assert not (bench.cwd / "b.txt").exists()


def test_a_directory_of_the_list_that_is_not_there_yet_is_made(tmp_path: Path, bench: Bench) -> None:
    grants = {"permissions": {"edit": ["api/**", "web/**"]}, "workspace": {"mode": "worktree"}}
    team = {"inherit_env": ["SCRIPTED_KEY"], "agents": {"a": {"engine": "codex", "prompt": "Do it.", **grants}}}
    project = Project(tmp_path / "project", team, files={".gitignore": ".teamflow/\n"}, git=True)
    project.git("add", ".")
    project.git("commit", "-qm", "first")
    bench.models.play(write("api/deep/a.py", "x\n"), run("echo x > web/b.html; echo x > c; true"), say("ok"))
    project.call("run", "--progress", "plain", env=bench.env).expect(0)
    changed = project.git("diff", "--name-only", "main", "teamflow/1/a").split()
    assert changed == ["api/deep/a.py", "web/b.html"]


def test_settings_of_the_user_open_nothing(bench: Bench) -> None:
    config = Path(bench.env["CODEX_HOME"]) / "config.toml"
    config.write_text('sandbox_mode = "danger-full-access"\napproval_policy = "never"\n' + config.read_text())
    for grants in ({"level": "read"}, {}, {"edit": ("x/**",)}, {"run": ("(touch",)}):
        tried(bench, "touch a.txt; " + bench.out(), DENY if "run" in grants else None, **grants)
        assert not bench.outside.exists()


def test_rules_of_the_user_open_no_sandbox(bench: Bench) -> None:
    rules = Path(bench.env["CODEX_HOME"]) / "rules"
    rules.mkdir()
    (rules / "default.rules").write_text('prefix_rule(pattern=["touch"], decision="allow")\n')
    grants: dict[str, Any]
    for grants in ({"level": "read"}, {}, {"edit": ("x/**",)}, {"run": ()}, {"level": "edit", "net": "deny"}):
        tried(bench, f"touch {bench.outside}", **grants)
        assert not bench.outside.exists(), grants


@pytest.mark.parametrize(
    ("grants", "place"), [({}, "/tmp"), ({"run": ()}, "/tmp"), ({"level": "full", "net": "deny"}, "")]
)
def test_the_sandbox_makes_nothing_where_all_may_write(bench: Bench, grants: dict[str, Any], place: str) -> None:
    names = [f"{place}/{name}" for name in (".git", ".codex", ".agents", ".aws")]
    there = [os.path.exists(name) for name in names]
    heard = tried(bench, f"ls -d {' '.join(names)}", **grants)
    assert heard.count("No such file") == there.count(False)


@pytest.mark.parametrize("by", [CodexEngine(), CodexExecEngine()], ids=lambda by: by.name)
def test_a_workspace_is_not_trusted(bench: Bench, by: Any) -> None:
    config = Path(bench.env["CODEX_HOME"]) / "config.toml"
    before = config.read_text()
    subprocess.run(["git", "init", "-q", str(bench.cwd)], check=True)
    (bench.cwd / ".codex").mkdir()
    server = f'[mcp_servers.evil]\ncommand = "touch"\nargs = ["{bench.outside}"]\n'
    (bench.cwd / ".codex/config.toml").write_text(server)
    session = None
    for grants in (Permissions("read"), Permissions(), Permissions(run=()), Permissions("full")):
        bench.models.play(say("ok"))
        with Pump(by, bench.brief(grants=grants, session=session), env=bench.env) as agent:
            outcome = agent.finish()
        assert isinstance(outcome, Succeeded)
        session = outcome.session
        assert "AGENTS.md at the root of the workspace" in bench.heard()
        assert not bench.outside.exists()
        assert config.read_text() == before

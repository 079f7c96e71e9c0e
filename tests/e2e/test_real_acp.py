"""The real ACP agents, driven by one translator against the scripted model server: the same scenes for each of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from teamflow.core.invocation import Asked, Called, Said, SessionOpened
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped, Succeeded
from teamflow.core.permissions import ALLOW, DENY, Permissions, Verdict
from teamflow.engines.registry import engine
from tests.e2e.acp_scenes import (
    AGENTS,
    FOLDS,
    SCENES,
    Scene,
    environment,
    notes_scene,
    play,
    started,
    with_notes,
)
from tests.e2e.keeper_driver import wait_for
from tests.fakes.agents.pump import Pump, brief_for
from tests.fakes.models import Models, run, say, tool, write
from tests.unit.engines.transcripts import Transcript, repeats_no_reply

pytestmark = pytest.mark.slow

each_agent = pytest.mark.parametrize("name", AGENTS)


def succeeded(played: tuple[Pump, Outcome]) -> tuple[Pump, Succeeded]:
    agent, outcome = played
    assert isinstance(outcome, Succeeded), (outcome, agent.told())
    repeats_no_reply(
        engine(agent.session._agent.name),  # type: ignore[attr-defined]
        Transcript("live", agent.brief, agent.output, tuple(agent.inputs), agent.end),
    )
    return agent, outcome


@each_agent
def test_it_does_what_it_may_and_nothing_else(name: str, tmp_path: Path) -> None:
    with Models() as models:
        agent, outcome = succeeded(play(name, SCENES["work"], tmp_path, models=models))
        assert "You are step build." in json.dumps(models.calls()[0].body)
    assert outcome.text == "All done, äöü → ✓."
    work = tmp_path / "work"
    assert (work / "new.txt").read_text() == "one\n"
    assert (work / "yes").exists()
    assert not (work / "no").exists()
    assert len(agent.all(Asked)) == 2


@each_agent
def test_one_that_reads_changes_nothing(name: str, tmp_path: Path) -> None:
    succeeded(play(name, SCENES["refused"], tmp_path))
    assert not (tmp_path / "work/no").exists()


@each_agent
def test_its_model_hears_the_note_of_a_refusal_once(name: str, tmp_path: Path) -> None:
    def refuse(agent: Pump, _: Path) -> None:
        agent.answer(
            agent.until(Asked).request, Verdict(DENY, "rejected by ana: not before Monday", "not before Monday")
        )

    scene = Scene(
        (run("touch no"), *(say(f"I do without, {nth}.") for nth in range(3))),
        refuse,
        {"grants": Permissions(run=("ls",))},
    )
    with Models() as models:
        succeeded(play(name, scene, tmp_path, models=models))
        assert json.dumps(models.calls()[-1].body).count("not before Monday") == 1
    assert not (tmp_path / "work/no").exists()


@pytest.mark.parametrize("name", ["gemini", "opencode", "copilot"])
def test_one_that_reads_edits_nothing(name: str, tmp_path: Path) -> None:
    scene = Scene((write("no.txt", "x"), say("could not")), brief={"grants": Permissions(level="read")})
    succeeded(play(name, scene, tmp_path))
    assert not (tmp_path / "work/no.txt").exists()


@each_agent
def test_an_edit_elsewhere_is_asked_about(name: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    scene = Scene((write(str(outside), "x"), say("could not")), brief={"grants": Permissions(ask="deny")})
    succeeded(play(name, scene, tmp_path))
    assert not outside.exists()


@pytest.mark.parametrize("allowed", [True, False])
def test_opencode_edits_once_by_itself_and_complains_of_nothing(allowed: bool, tmp_path: Path) -> None:
    """It also asks this side to write the file, which is not done, and would print a page of its program if refused."""
    edited = tmp_path / "work/list.txt"
    edited.parent.mkdir()
    edited.write_text("one\n")
    edit = tool("edit", {"filePath": str(edited), "oldString": "one", "newString": "one one"})

    def decide(agent: Pump, _: Path) -> None:
        agent.answer(agent.until(Asked).request, Verdict(ALLOW if allowed else DENY))

    scene = Scene((edit, say("done"), say("done")), decide, {"grants": Permissions(edit=("src/**",))})
    agent, _ = succeeded(play("opencode", scene, tmp_path))
    assert edited.read_text() == ("one one\n" if allowed else "one\n")
    assert (b"fs/write_text_file" in agent.output) == allowed
    assert agent.stderr() == ""


def test_claude_starts_as_root_whatever_the_user_says_of_sandboxes(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with Models() as models:
        models.play(say("hello"))
        env = {**environment("claude-agent-acp", models, tmp_path), "IS_SANDBOX": "yes"}
        with Pump(engine("claude-agent-acp"), brief_for(tmp_path / "work", "Do it."), env=env) as agent:
            assert isinstance(agent.finish(), Succeeded), agent.told()


MODELS = {"gemini": "gemini-2.5-flash", "copilot": "gpt-5-mini", "claude-agent-acp": "haiku", "opencode": "scripted/m1"}


@each_agent
def test_with_full_leave_nobody_is_asked_and_it_takes_the_model_that_is_named(name: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    brief = {"grants": Permissions(level="full"), "model": MODELS[name]}
    scene = Scene((write("new.txt", "x"), run(f"touch {outside}"), say("done")), brief=brief)
    with Models() as models:
        agent, _ = succeeded(play(name, scene, tmp_path, models=models))
        wanted = MODELS[name].rpartition("/")[2]
        assert all(wanted in f"{call.path} {json.dumps(call.body)}" for call in models.calls()), "the model"
    assert outside.exists()
    assert not agent.all(Asked)


LOOSE: dict[str, Any] = {
    "opencode.json": {"permission": "allow", "agent": {"build": {"permission": {"bash": "allow", "*": "allow"}}}},
    ".gemini/settings.json": {"tools": {"allowed": ["run_shell_command"]}, "general": {"defaultApprovalMode": "yolo"}},
    ".claude/settings.json": {"permissions": {"allow": ["Bash"], "defaultMode": "bypassPermissions"}},
}
"""Settings of a project that would have nobody asked."""


@each_agent
def test_what_the_project_allows_is_asked_for_all_the_same(name: str, tmp_path: Path) -> None:
    for path, settings in LOOSE.items():
        (tmp_path / "work" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "work" / path).write_text(json.dumps(settings))
    succeeded(play(name, SCENES["refused"], tmp_path))
    assert not (tmp_path / "work/no").exists()


SUB = {"description": "part", "prompt": "[[script:sub]] Do your part.", "subagent_type": "general"}


def test_opencode_has_no_sub_agents_where_they_would_ask(tmp_path: Path) -> None:
    with Models() as models:
        succeeded(play("opencode", Scene((say("hello"),)), tmp_path, models=models))
        ask = models.calls()[0].ask
        assert ask is not None
        assert "bash" in ask.tools
        assert not {"task", "question"} & set(ask.tools)


def test_opencode_has_sub_agents_where_all_is_allowed(tmp_path: Path) -> None:
    scene = Scene((tool("task", SUB), say("done")), brief={"grants": Permissions(level="full")})
    with Models() as models:
        models.play(run("touch sub"), say("sub done"), agent="sub")
        succeeded(play("opencode", scene, tmp_path, models=models))
    assert (tmp_path / "work/sub").exists()


@each_agent
def test_a_turn_is_broken_off_with_a_command_running(name: str, tmp_path: Path) -> None:
    agent, outcome = play(name, SCENES["break_off"], tmp_path)
    assert isinstance(outcome, Failed), agent.told()
    assert outcome.failure is FailureClass.CANCELLED
    assert isinstance(agent.session.close(agent.end._replace(cause="cancel")), Stopped)
    pid = int((tmp_path / "work/pid").read_text())
    # Under load the command dies a moment after its agent.
    assert wait_for(lambda: gone(pid), 30)


def gone(pid: int) -> bool:
    """Whether a process has ended, also where nobody has taken it away yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@each_agent
def test_breaking_off_takes_back_what_was_asked(name: str, tmp_path: Path) -> None:
    agent, outcome = play(name, SCENES["break_off_asked"], tmp_path)
    assert isinstance(outcome, Failed), agent.told()
    assert outcome.failure is FailureClass.CANCELLED
    assert not (tmp_path / "work/a").exists()


@pytest.mark.parametrize("name", FOLDS)
def test_what_it_is_told_while_it_works_reaches_the_same_turn(name: str, tmp_path: Path) -> None:
    with Models() as models:
        _, outcome = succeeded(play(name, SCENES["steer"], tmp_path, models=models))
        assert ["STEER" in json.dumps(call.body) for call in models.calls()] == [False, True]
    assert outcome.text == "blue"


@each_agent
def test_a_session_goes_on_in_another_process(name: str, tmp_path: Path) -> None:
    with Models() as models:
        agent, outcome = succeeded(play(name, SCENES["goes_on"], tmp_path, models=models))
        assert "first done" in json.dumps(models.calls()[2].body)
    assert outcome.session == agent.brief.session
    assert [event.text for event in agent.all(Said)] == ["second done"]
    assert len(agent.all(Called)) == 1


@each_agent
def test_a_session_that_is_not_there_begins_anew_with_the_servers_of_the_team(name: str, tmp_path: Path) -> None:
    lost = "11111111-2222-4333-8444-555555555555"
    with with_notes() as (servers, asked), Models() as models:
        scene = notes_scene(name, servers)
        brief = {**scene.brief, "session": lost, "context": "You are step build."}
        agent, outcome = succeeded(play(name, scene._replace(brief=brief), tmp_path, models=models))
        assert "You are step build." in json.dumps(models.calls()[0].body)
        assert "tools/call" in [one["method"] for one in asked], "by HTTP"
        assert not agent.all(Asked)
    assert outcome.session == agent.all(SessionOpened)[0].session != lost


@each_agent
def test_a_refused_key_is_a_failed_login(name: str, tmp_path: Path) -> None:
    agent, outcome = play(name, SCENES["unauthorized"], tmp_path)
    assert isinstance(outcome, Failed), agent.told()
    assert outcome.failure is FailureClass.AUTH


@pytest.mark.parametrize("name", ["opencode", "claude-agent-acp"])
def test_a_model_that_it_does_not_know_is_named(name: str, tmp_path: Path) -> None:
    agent, outcome = play(name, Scene((), brief={"model": "no-such-model"}), tmp_path)
    assert isinstance(outcome, Failed), agent.told()
    assert "does not offer the model no-such-model, but" in outcome.reason


@each_agent
def test_with_a_home_of_its_own_it_reads_nothing_of_the_users(name: str, tmp_path: Path) -> None:
    home, own = tmp_path / "home", tmp_path / "own"
    own.mkdir()
    for folder, file in ((".gemini", "GEMINI.md"), (".claude", "CLAUDE.md"), (".config/opencode", "AGENTS.md")):
        (home / folder).mkdir(parents=True)
        (home / folder / file).write_text("USERS-MEMORY\n")
    (home / ".copilot").mkdir()
    (home / ".copilot/copilot-instructions.md").write_text("USERS-MEMORY\n")
    for isolated in (False, True):
        with Models() as models:
            models.play(say("hello"))
            given = {"prompt": "Do it.", **({"home": str(own)} if isolated else {})}
            (tmp_path / "work").mkdir(exist_ok=True)
            with started(name, models, tmp_path, given) as agent:
                outcome = agent.finish()
                assert isinstance(outcome, Succeeded), (outcome, agent.told())
            assert ("USERS-MEMORY" in json.dumps(models.calls()[0].body)) is not isolated
    assert any(own.iterdir())

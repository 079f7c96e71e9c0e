"""The real Claude Code, driven by its session against the scripted model server: what it does, not only says."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from teamflow.core.invocation import Asked, Returned, SessionOpened
from teamflow.core.outcome import Failed, FailureClass, Succeeded, Usage
from teamflow.core.permissions import ALLOW, DENY, Permissions, Verdict
from tests.e2e.claude_scenes import BEHIND, ENGINE, SCENES, Scene, notes_server, play, playing
from tests.fakes.models import FOREVER, Models, fail, hang, run, say, tool, write
from tests.unit.engines.transcripts import Transcript, load, repeats_no_reply, whole

pytestmark = pytest.mark.slow

RECORDED = {transcript.name: transcript for transcript in load("claude")}


def succeeded(scene: Scene, root: Path, *, models: Models | None = None) -> Succeeded:
    agent, outcome = play(scene, root, models=models)
    assert isinstance(outcome, Succeeded), (outcome, agent.told())
    return outcome


@pytest.mark.parametrize("name", SCENES)
def test_it_still_does_what_was_recorded(name: str, tmp_path: Path) -> None:
    agent, outcome = play(SCENES[name], tmp_path)
    _, recorded = whole(ENGINE, RECORDED[name])
    assert type(outcome) is type(recorded), (outcome, agent.told())
    assert outcome.usage == recorded.usage
    if isinstance(outcome, Failed) and isinstance(recorded, Failed):
        assert outcome.failure is recorded.failure
    if isinstance(outcome, Succeeded) and isinstance(recorded, Succeeded):
        assert outcome._replace(session="") == recorded._replace(session="")
    kinds = [type(event) for event in agent.events]
    assert set(kinds) == {type(event) for event in whole(ENGINE, RECORDED[name])[0]}
    repeats_no_reply(ENGINE, Transcript(name, agent.brief, agent.output, tuple(agent.inputs), agent.end))


def test_it_changes_what_it_may(tmp_path: Path) -> None:
    succeeded(SCENES["edit"], tmp_path)
    assert (tmp_path / "work/x.txt").read_text() == "new\n"
    assert (tmp_path / "work/y.txt").read_text() == "hi\n"


def test_it_changes_nothing_else(tmp_path: Path) -> None:
    succeeded(SCENES["permission"], tmp_path)
    work = tmp_path / "work"
    assert (work / "src/a.txt").exists()
    assert (work / "yes").exists()
    assert not (work / "no.txt").exists()


def test_one_that_reads_is_not_offered_what_edits(tmp_path: Path) -> None:
    scene = Scene((run("echo no > x.txt"), say("well")), brief={"grants": Permissions(level="read", net="deny")})
    with Models() as models:
        succeeded(scene, tmp_path, models=models)
        ask = models.calls()[0].ask
        assert ask is not None
        assert {"Bash", "Read"} <= set(ask.tools)
        assert not {"Edit", "Write", "WebFetch", "AskUserQuestion", "CronCreate", "EnterWorktree"} & set(ask.tools)
    assert (tmp_path / "work/x.txt").read_text() == "old\n"


def test_what_the_users_settings_allow_is_asked_for_all_the_same(tmp_path: Path) -> None:
    settings = tmp_path / "home/.claude/settings.json"
    settings.parent.mkdir(parents=True)
    allowed = {"allow": ["Bash", "Write", "Edit"], "defaultMode": "bypassPermissions"}
    settings.write_text(json.dumps({"permissions": allowed}))
    scene = Scene((run("touch a"), say("well")), brief={"grants": Permissions(level="read")})
    succeeded(scene, tmp_path)
    assert sorted(os.listdir(tmp_path / "work")) == ["x.txt"]


def test_with_full_leave_it_asks_for_nothing(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    scene = Scene((write(str(elsewhere), "b"), say("well")), brief={"grants": Permissions(level="full")})
    agent, outcome = play(scene, tmp_path)
    assert isinstance(outcome, Succeeded)
    assert elsewhere.exists()
    assert not agent.replies


def test_a_session_goes_on_with_its_instructions(tmp_path: Path) -> None:
    with Models() as models:
        first = succeeded(Scene((say("one"),), brief={"instructions": "Word: alpha."}), tmp_path, models=models)
        told = {"prompt": "And now?", "session": first.session, "instructions": "Word: beta."}
        second = succeeded(Scene((say("two"),), brief=told), tmp_path, models=models)
        call = models.calls()[1]
        assert call.says("one")
        assert call.says("Word: beta.")
        assert not call.says("Word: alpha.")
    assert second.session == first.session
    # The price of this attempt alone.
    assert second.usage == Usage(100, 20, 0.001)


def test_the_same_prompt_in_the_same_session_is_heard_again(tmp_path: Path) -> None:
    with Models() as models:
        first = succeeded(Scene((say("one"),)), tmp_path, models=models)
        again = Scene((say("two"),), brief={"session": first.session})
        assert succeeded(again, tmp_path, models=models).text == "two"


def test_a_message_that_is_written_twice_is_heard_once(tmp_path: Path) -> None:
    # As by a second runner that does not know whether the first one's writing has arrived.
    with playing(Scene((hang("middle"), say("second"))), tmp_path) as (agent, models):
        assert models.gate("hang").reached.wait(60)
        text = agent.session.tell("More.")
        assert text is not None
        assert agent.process.stdin is not None
        agent.process.stdin.write(text.encode())
        agent.process.stdin.flush()
        assert agent.tell("More.")
        models.gate("hang").open()
        assert agent.finish().text == "second"  # type: ignore[union-attr]
        assert json.dumps(models.calls()[1].body).count("More.") == 1


def test_however_many_messages_it_hears_them_all(tmp_path: Path) -> None:
    with Models() as models:
        models.play(say("more"), say("more"), say("more"), say("more"))
        with playing(SCENES["steer"], tmp_path, models=models) as (agent, _):
            # Before it has begun, and two while a command runs.
            assert agent.tell("WORD1")
            agent.until(SessionOpened)
            assert agent.tell("WORD2")
            assert agent.tell("WORD3")
            Path(agent.brief.cwd, "go").touch()
            outcome = agent.finish()
        assert isinstance(outcome, Succeeded), agent.told()
        assert all(models.calls()[-1].says(f"WORD{number}") for number in (1, 2, 3))


def test_a_second_runner_goes_on_where_the_first_one_was(tmp_path: Path) -> None:
    with playing(SCENES["permission"], tmp_path) as (agent, _):
        for decision in (ALLOW, DENY):
            asked = agent.until(Asked)
            agent.session = ENGINE.session(agent.brief)
            at = 0
            for offset, text in agent.inputs:
                agent.session.feed(agent.output[at:offset])
                agent.session.took(text)
                at = offset
            agent.session.feed(agent.output[at:])
            assert agent.answer(asked.request, Verdict(decision))
            assert not agent.answer(asked.request, Verdict(ALLOW))
        outcome = agent.finish()
    assert isinstance(outcome, Succeeded)
    assert outcome.usage == Usage(500, 100, 0.005)
    assert len(agent.replies) == 2


def test_servers(tmp_path: Path) -> None:
    with notes_server() as (url, got):
        server = {"type": "http", "url": url, "headers": {"Authorization": "Bearer secret-word"}}
        scene = Scene(
            (tool("mcp__our_notes__post_note", {"text": "hello"}), say("noted")),
            brief={"servers": {"our notes": server, "dead": {"type": "http", "url": "http://127.0.0.1:1/"}}},
        )
        agent, outcome = play(scene, tmp_path)
    assert isinstance(outcome, Succeeded), (outcome, agent.told())
    (call,) = [one for one in got if one["method"] == "tools/call"]
    assert call["params"]["arguments"] == {"text": "hello"}
    assert call["authorization"] == "Bearer secret-word"
    assert not agent.all(Asked)
    assert "secret-word" not in " ".join(agent.invocation.argv)
    (path, _) = agent.invocation.files[0]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_the_first_turn_has_the_tools_of_a_server_that_takes_its_time(tmp_path: Path) -> None:
    """By itself claude waits for 5 s; a server that is fetched first, or one on a busy machine, takes longer."""
    with notes_server(late=7.0) as (url, got):
        scene = Scene(
            (tool("mcp__notes__post_note", {"text": "hello"}), say("noted")),
            brief={"servers": {"notes": {"type": "http", "url": url}}},
        )
        agent, outcome = play(scene, tmp_path)
    assert isinstance(outcome, Succeeded), (outcome, agent.told())
    assert [one for one in got if one["method"] == "tools/call"]


def test_isolated_it_knows_nothing_of_the_user(tmp_path: Path) -> None:
    work, own = tmp_path / "work", tmp_path / "own"
    (tmp_path / "home/.claude").mkdir(parents=True)
    (tmp_path / "home/.claude/CLAUDE.md").write_text("USERWORD")
    work.mkdir()
    own.mkdir()
    (work / "CLAUDE.md").write_text("PROJECTWORD")
    with Models() as models:
        first = succeeded(Scene((say("one"),)), tmp_path, models=models)
        usual = models.calls()[0]
        assert usual.says("USERWORD")
        assert usual.says("PROJECTWORD")
        second = succeeded(Scene((say("two"),), brief={"home": str(own)}), tmp_path, models=models)
        alone = models.calls()[1]
        assert not alone.says("USERWORD")
        assert not alone.says("PROJECTWORD")
        # Its sessions are its own, too.
        _, outcome = play(Scene((), brief={"session": second.session}), tmp_path, models=models)
        assert isinstance(outcome, Failed)
        assert outcome.session is None
    assert first.session


def test_hostile_prompts_arrive_as_they_are(tmp_path: Path) -> None:
    for number, prompt in enumerate(
        ("/compact", "-p --version", "!ls", "#x", "a\nb\u2028c\x1b[0m\U0001f600", "@x.txt é")
    ):
        root = tmp_path / str(number)
        with Models() as models:
            agent, outcome = play(Scene((say("heard"),), brief={"prompt": prompt}), root, models=models)
            assert isinstance(outcome, Succeeded), (prompt, agent.told())
            assert models.calls()[0].says(prompt), prompt


def test_long_instructions_and_prompts(tmp_path: Path) -> None:
    long = "word " * 60_000
    with Models() as models:
        succeeded(
            Scene((say("x"),), brief={"prompt": f"{long}END1", "instructions": f"{long}END2"}), tmp_path, models=models
        )
        assert models.calls()[0].says("word END1")
        assert models.calls()[0].says("word END2")


def test_rate_limited_it_is_told_to_come_back(tmp_path: Path) -> None:
    agent, outcome = play(Scene((fail("rate_limited", times=FOREVER),)), tmp_path)
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.RATE_LIMIT, agent.told()


def test_killed_it_has_crashed_and_can_go_on(tmp_path: Path) -> None:
    with Models() as models:
        with playing(Scene((run("true"), hang(), say("x"))), tmp_path, models=models) as (agent, _):
            agent.until(Returned)
            # Its session is not on the disk from its first line on.
            assert models.gate("hang").reached.wait(60)
            agent.process.kill()
            outcome = agent.finish()
        assert isinstance(outcome, Failed)
        assert (outcome.failure, outcome.signal) == (FailureClass.CRASH, 9)
        assert outcome.session == agent.all(SessionOpened)[0].session
        again = succeeded(Scene((), brief={"session": outcome.session, "prompt": "Go on."}), tmp_path, models=models)
        assert again.text == "x"


def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    with Models() as models:
        succeeded(Scene((say("x"),)), tmp_path, models=models)
        ask = models.calls()[0].ask
        assert ask is not None
        assert not [name for name, offered in ask.tools.items() if "run_in_background" in offered.parameters]


def test_a_command_left_behind_does_not_hold_it_up(tmp_path: Path) -> None:
    behind = tool("Bash", {"command": "sleep 1000", "run_in_background": True})
    assert succeeded(Scene((behind, say("started")), env=BEHIND), tmp_path).text == "started"


def test_an_answer_after_the_question_was_withdrawn_is_none(tmp_path: Path) -> None:
    with playing(SCENES["interrupt_asked"], tmp_path) as (agent, _):
        asked = agent.until(Asked)
        assert agent.interrupt()
        agent.finish()
        assert not agent.answer(asked.request, Verdict(ALLOW))
        assert not agent.tell("x")
        assert not agent.interrupt()

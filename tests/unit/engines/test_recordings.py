"""What is recorded of every engine at least: a success, tools, a session that goes on, a failure, an interrupt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from teamflow.core.invocation import Brief, Called, Exit, SessionOpened
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded
from teamflow.engines.registry import ENGINES, engine
from tests.transcripts.read import transcript
from tests.unit.engines.test_claude_raw import raw
from tests.unit.engines.transcripts import Transcript, load, whole

NOT_OF_A_CLI: Final = {"command", "scripted", "person"}


def of(folder: str) -> Callable[[str], Transcript]:
    return lambda name: next(one for one in load(folder) if one.name.startswith(name))


def executed(name: str) -> Transcript:
    told = transcript("codex", name)
    session = "s" if name.startswith("exec_resume") else None
    brief = Brief("a", 1, "first", "/w", prompt="Do it.", session=session)
    return Transcript(name, brief, told.out, (), Exit(told.exit, at=1_800_000_000.0, printed=told.stderr))


SUCCESS, TOOLS, RESUMED, FAILURE, INTERRUPTED = "success", "tools", "resumed", "failure", "interrupted"
ACP: Final = dict(zip((SUCCESS, TOOLS, RESUMED, FAILURE, INTERRUPTED),
                      ("work", "work", "goes_on", "unauthorized", "break_off"), strict=True))  # fmt: skip
RECORDED: Final = {
    "claude": {SUCCESS: "edit", TOOLS: "edit", FAILURE: "unauthorized", INTERRUPTED: "interrupt"},
    "codex": {
        SUCCESS: "a_turn_edits",
        TOOLS: "a_turn_edits",
        RESUMED: "a_session_goes_on_and_counts_from_there-2",
        FAILURE: "failures_of_the_model_have_their_class-unauthorized",
        INTERRUPTED: "an_interrupt",
    },
    "codex-exec": {
        SUCCESS: "exec_first",
        TOOLS: "exec_edit",
        RESUMED: "exec_resume",
        FAILURE: "exec_error_401",
        INTERRUPTED: "exec_sigint",
    },
    **dict.fromkeys(("gemini", "opencode", "copilot", "claude-agent-acp"), ACP),
}
FOLDERS: Final = {"codex": "codex_sessions"}
ALL: Final = [(name, kind, title) for name, kinds in RECORDED.items() for kind, title in kinds.items()]


@pytest.mark.parametrize(("name", "kind", "title"), ALL)
def test_it_is_what_it_is_called(name: str, kind: str, title: str) -> None:
    recorded = executed(title) if name == "codex-exec" else of(FOLDERS.get(name, name))(title)
    events, outcome = whole(engine(name), recorded)
    if kind in (SUCCESS, TOOLS, RESUMED):
        assert isinstance(outcome, Succeeded), outcome
    if kind == TOOLS:
        assert [event for event in events if isinstance(event, Called)]
    if kind == RESUMED:
        assert recorded.brief.session is not None
    if kind == FAILURE:
        assert isinstance(outcome, Failed)
        assert outcome.failure is FailureClass.AUTH
    if kind == INTERRUPTED:
        ended = isinstance(outcome, Failed) and outcome.failure in (FailureClass.CRASH, FailureClass.CANCELLED)
        assert ended or isinstance(outcome, Stopped), outcome


def test_one_of_claude_that_goes_on() -> None:
    """Of another host than teamflow, with the same id at the beginning of both processes."""
    first, second = ([e for e in whole(engine("claude"), raw(name))[0] if isinstance(e, SessionOpened)]
                     for name in ("resume_first", "resume"))  # fmt: skip
    assert first == second
    assert len(first) == 1


def test_every_engine_of_a_cli_is_there() -> None:
    assert set(RECORDED) == set(ENGINES) - NOT_OF_A_CLI

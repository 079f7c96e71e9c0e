"""What was recorded is played: the engine's own session makes the same of it, and says the same."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from teamflow.core.invocation import Asked, Brief, Exit, Invocation, Reply
from teamflow.core.outcome import Failed, FailureClass, Succeeded
from teamflow.core.permissions import ALLOW, DENY, Verdict
from teamflow.core.plan import Json
from teamflow.core.takes import BRIEF_FIELDS, Recording, Take, Told
from teamflow.engines.registry import engine
from teamflow.engines.replay import STOP, TROUBLE, ReplayEngine, ReplaySession
from teamflow.ports import Session
from tests.unit.engines.transcripts import Transcript, load, whole

ENGINES = {
    "claude": "claude",
    "codex": "codex_sessions",
    "gemini": "gemini",
    "opencode": "opencode",
    "copilot": "copilot",
}
TALKS = [
    pytest.param(name, each, id=f"{name}-{each.name}") for name, folder in ENGINES.items() for each in load(folder)
]


def told(name: str, transcript: Transcript) -> tuple[Told, ...]:
    """The inputs as a keeper would have noted them: by whom each was said."""
    session = engine(name).session(transcript.brief)
    found: list[Told] = []
    replies: list[str] = []
    asked: list[str] = []
    at = 0
    for offset, text in transcript.inputs:
        for event in session.feed(transcript.output[at:offset]):
            replies += [event.data] if isinstance(event, Reply) else []
            asked += [event.request] if isinstance(event, Asked) else []
        at = offset
        if text in replies or "You have no leave for that" in text:  # the words of that have changed since
            found.append(Told(offset, text, "reply"))
            replies = [each for each in replies if each != text]
            continue
        request = next((one for one in asked if _answers(session, one, text)), None)
        found.append(Told(offset, text, "message" if request is None else f"answer {request}"))
        replies += [event.data for event in session.took(text) if isinstance(event, Reply)]
    return tuple(found)


def _answers(session: Session, request: str, text: str) -> bool:
    """Whether the text is an answer to that."""
    return any(session.answer(request, Verdict(word)) == text for word in (ALLOW, DENY))


def take(name: str, transcript: Transcript, **changes: Any) -> Take:
    brief = {field: getattr(transcript.brief, field) for field in BRIEF_FIELDS}
    made = Take("s", 1, name, "/log", 0, len(transcript.output), told=told(name, transcript), exit=transcript.end)
    return made._replace(brief=json.loads(json.dumps(brief)), **changes)


def begun(name: str, transcript: Transcript, played: Take, *, fault: Json = None) -> ReplaySession:
    """The session of an attempt in another place, at another time."""
    faults = {"s": {1: fault}} if isinstance(fault, dict) else {}
    recording = Recording("it", {"s": (played,)}, faults=faults, staged=bool(faults))
    elsewhere = transcript.brief._replace(step="s", attempt=1, cwd="/elsewhere", stem="/elsewhere/log", prompt="else")
    session = ReplayEngine(engine(name), recording).session(elsewhere)
    assert isinstance(session, ReplaySession)
    return session


def play(session: ReplaySession, data: bytes, size: int, played: Take) -> tuple[str, ...]:
    """What it writes. As the player does it is never fed beyond an input that has not come; a person answers what was
    answered then, as soon as it is asked, with something else."""
    said: list[str] = []
    answered = {each.note.removeprefix("answer ") for each in played.told}
    stops = sorted({*range(0, len(data), size), *(each.offset for each in played.told), len(data)})
    for start, stop in itertools.pairwise(stop for stop in stops if stop <= len(data)):
        for event in session.feed(data[start:stop]):
            said += [event.data] if isinstance(event, Reply) else []
            if isinstance(event, Asked) and event.request in answered:
                text = session.answer(event.request, Verdict(DENY, "no"))
                assert text is not None
                said += [text, *(each.data for each in session.took(text) if isinstance(each, Reply))]
    return tuple(filter(None, said))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("size", [1 << 30, 100, 1])
@pytest.mark.parametrize(("name", "transcript"), TALKS)
def test_the_session_makes_the_same_of_it(name: str, transcript: Transcript, size: int) -> None:
    if size == 1 and len(transcript.output) > 20_000:
        pytest.skip("long, and in parts of 100 above")
    played = take(name, transcript)
    session = begun(name, transcript, played)
    said = play(session, transcript.output, size, played)
    assert session.trouble == ""
    expected = whole(engine(name), transcript)[1]
    assert session.close(Exit(transcript.end.code, transcript.end.signal, at=1.0)) == expected
    assert len(said) == len(played.told), "it was told something else than then"


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("name", "transcript"), [each for each in TALKS if len(told(*each.values)) > 0])
def test_a_session_that_says_less_is_a_failure_that_names_the_input(name: str, transcript: Transcript) -> None:
    played = take(name, transcript)
    more = Told(played.told[0].offset, "{}\n" * 50, "reply")
    session = begun(name, transcript, played._replace(told=(more, *played.told[1:])))
    said = play(session, transcript.output, 1 << 30, played)
    if not session.trouble:
        return  # Something is asked, and it waits for a person as long as that lasts.
    assert said[-1] == STOP
    outcome = session.close(Exit(code=TROUBLE))
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.FATAL
    assert outcome.reason == (
        f"replay: s, attempt 1: its session says less than it did then: input 1 (reply, at byte {more.offset}) "
        "does not come"
    )


@pytest.mark.parametrize(("name", "transcript"), TALKS[::5])
def test_a_recording_cut_anywhere_is_never_a_success(name: str, transcript: Transcript) -> None:
    limit = len(transcript.output.rstrip(b"\n"))
    for cut in range(0, limit, 211):
        played = take(name, transcript)
        crashed = begun(name, transcript, played, fault={"crash_after": {"bytes": cut}})
        play(crashed, transcript.output[:cut], 1 << 30, played)
        assert not isinstance(crashed.close(Exit(code=1)), Succeeded)


def test_what_the_player_says_last_is_why() -> None:
    transcript = load("claude")[0]
    played = take("claude", transcript)
    session = begun("claude", transcript, played)
    play(session, transcript.output + b"\nwhat it changed then does not fit here\n", 1 << 30, played)
    outcome = session.close(Exit(code=TROUBLE))
    assert isinstance(outcome, Failed)
    assert outcome.reason == "replay: s, attempt 1: what it changed then does not fit here"


BRIEF = Brief("build/api", 2, "retry", "/w", prompt="p", stem="/logs/build--api.2", timeout=9.0)


def invoked(recording: Recording, *, name: str = "claude", brief: Brief = BRIEF) -> Invocation | Failed:
    return ReplayEngine(engine(name), recording).invoke(brief)


def refused(recording: Recording, *, name: str = "claude", brief: Brief = BRIEF) -> str:
    found = invoked(recording, name=name, brief=brief)
    assert isinstance(found, Failed)
    assert found.failure is FailureClass.FATAL
    return found.reason


def test_what_was_never_recorded_is_said() -> None:
    assert refused(Recording("run 7")) == "replay: run 7 has no attempt of build/api"
    one = Recording("run 7", {"build/api": (Take("build/api", 1, "claude"),)})
    assert refused(one) == "replay: run 7 has 1 attempt of build/api, and one more is asked for"
    other = Recording("run 7", {"build/api": (Take("build/api", 1, "codex"),) * 2})
    assert refused(other) == "replay: attempt 1 of build/api was recorded with codex, not claude"


def test_nothing_of_a_cli_is_started_and_nothing_inherited() -> None:
    recording = Recording("run 7", {"build/api": (Take("build/api", 1, "claude", "/l", 0, 9),) * 2})
    replayed = ReplayEngine(engine("claude"), recording)
    started = replayed.invoke(BRIEF)
    assert isinstance(started, Invocation)
    assert "claude" not in "".join(started.argv).replace("/claude", "")
    assert started.env == {}
    assert replayed.capabilities.login == ()
    assert started.files[0][0] == "/logs/build--api.2.replay"


def test_faults_go_before_what_would_be_played() -> None:
    def faulty(fault: dict[str, Json], **changes: Any) -> Invocation | Failed:
        script = Recording("t", scripts={"build": [{"say": "x"}]}, faults={"build": {2: fault}}, staged=True)
        return invoked(script, brief=BRIEF._replace(**changes))

    limit = faulty({"usage_limit": 60.0})
    assert isinstance(limit, Failed)
    assert (limit.failure, limit.retry_after) == (FailureClass.USAGE_EXHAUSTED, 60.0)
    hang = faulty({"hang": True})
    assert isinstance(hang, Failed)
    assert hang.failure is FailureClass.TIMEOUT
    idle = faulty({"hang": True}, idle_timeout=3.0)
    assert isinstance(idle, Failed)
    assert idle.failure is FailureClass.IDLE
    never = faulty({"hang": True}, timeout=None)
    assert isinstance(never, Failed)
    assert "nothing would ever end it" in never.reason
    for fault, actions in (
        ({"crash_after": {"events": 0}}, [["crash", None]]),
        ({"crash_after": {"events": 5}}, [["say", "x"], ["crash", None]]),
        ({"bad_json": True}, [["say", '{"broken": ']]),
        ({"conflict": "a"}, [["write", {"path": "a", "text": "build/api, attempt 2\n"}], ["say", "x"]]),
    ):
        started = faulty(fault)  # type: ignore[arg-type]
        assert isinstance(started, Invocation)
        assert json.loads(started.stdin or "")["actions"] == actions
    other = faulty({"explode": True})
    assert isinstance(other, Failed)

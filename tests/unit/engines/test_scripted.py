"""Scripts are checked strictly and played by a real process, whose output is read in any chunks and to any cut."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.core.invocation import Brief, Called, EngineEvent, Exit, Progress, Said, SessionOpened, Spent
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped, Succeeded, Usage
from teamflow.core.plan import Json
from teamflow.core.script import ACTIONS, check_script, compile_script, shown_path
from teamflow.engines.lines import LONGEST
from teamflow.engines.scripted import ScriptedEngine


def brief(script: Json, **more: object) -> Brief:
    fields: dict[str, object] = {"step": "build", "attempt": 1, "cause": "first", "cwd": "/w", "prompt": "Do it."}
    return Brief(**{**fields, "script": script, **more})  # type: ignore[arg-type]


class Played:
    """One play of a script: its streams, its exit, and what the session made of them."""

    def __init__(self, script: Json, cwd: Path, **more: object) -> None:
        engine = ScriptedEngine()
        self.brief = brief(script, **more)
        invocation = engine.invoke(self.brief)
        assert invocation.protocol
        assert invocation.stdin is not None
        done = subprocess.run(
            invocation.argv, input=invocation.stdin.encode(), capture_output=True, cwd=cwd, timeout=60, check=False
        )
        self.out, self.err = done.stdout, done.stderr
        self.end = Exit(signal=-done.returncode) if done.returncode < 0 else Exit(code=done.returncode)
        self.events, self.outcome = read(self.brief, [self.out], self.end)


def read(told: Brief, chunks: Sequence[bytes], end: Exit) -> tuple[list[EngineEvent], Outcome]:
    session = ScriptedEngine().session(told)
    events = [event for chunk in chunks for event in session.feed(chunk)]
    return events, session.close(end)


# --- the words


@pytest.mark.parametrize(
    ("script", "path", "message", "hint"),
    [
        ({"say": "x"}, "", "expected a list of actions, found a mapping", "each action is one item: `- say: hello`"),
        (None, "", "expected a list of actions, found nothing", "each action is one item: `- say: hello`"),
        (["sing"], "[0]", 'unknown action "sing"', 'did you mean "signal"?'),
        (["hang", {"sya": "x"}], "[1]", 'unknown action "sya"', 'did you mean "say"?'),
        ([3], "[0]", "expected one action, found the number 3", "an action is a word, or one key with its argument"),
        (
            [{"say": "a", "exit": 1}],
            "[0]",
            "expected one action, found a mapping",
            "an action is a word, or one key with its argument",
        ),
        (
            [{"say": 3}],
            "[0].say",
            "expected a text, found the number 3",
            "texts that look like numbers or booleans need quotes",
        ),
        ([{"hang": 3}], "[0].hang", '"hang" takes nothing', "write `- hang`"),
        ([{"sleep": 3}], "[0].sleep", "expected a duration, found the number 3", "like 500ms, 90s, 10m"),
        (
            [{"write": {"path": "/etc/x", "text": ""}}],
            "[0].write.path",
            'expected a path below the step\'s directory, found "/etc/x"',
            None,
        ),
        ([{"write": {"path": "x"}}], "[0].write", "expected exactly one of text, size", None),
        ([{"write": {"text": "x"}}], "[0].write", '"path" is missing', None),
        ([{"write": {"path": "a", "txt": "b"}}], "[0].write", "expected exactly one of text, size", None),
        ([{"progress": {}}], "[0].progress", "expected at least one of percent, text", None),
        (
            [{"progress": {"percent": 101}}],
            "[0].progress.percent",
            "expected a number from 0 to 100, found the number 101",
            None,
        ),
        ([{"exit": 256}], "[0].exit", "expected a whole number from 0 to 255, found the number 256", None),
        ([{"exit": True}], "[0].exit", "expected a whole number from 0 to 255, found true", None),
        ([{"attempt": {"0": []}}], "[0].attempt.0", 'expected the number of an attempt, 1 or more, found "0"', None),
        ([{"attempt": {"1": ["sing"]}}], "[0].attempt.1[0]", 'unknown action "sing"', 'did you mean "signal"?'),
        (
            [{"attempt": {"1": [{"attempt": {"1": []}}]}}],
            "[0].attempt.1[0].attempt",
            "an attempt stands in no other",
            None,
        ),
        ([{"run": []}], "[0].run", "expected a command: a text for sh, or a list of texts, found a list", None),
    ],
)
def test_faults_have_places(script: Json, path: str, message: str, hint: str | None) -> None:
    found = check_script(script)
    assert (shown_path(found[0].path), found[0].message, found[0].hint) == (path, message, hint)
    with pytest.raises(ValueError, match="script"):
        compile_script(script, attempt=1)


def test_all_faults_at_once() -> None:
    assert len(check_script(["sing", {"say": 1}, {"fail": {"class": "bored", "wat": 1}}])) == 4


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(list(ACTIONS)),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*ACTIONS, "path", "text", "size", "1", "2"]), inner, max_size=2)
        ),
        max_leaves=12,
    )
)
def test_any_value_is_checked(data: Json) -> None:
    """No traceback, and what passes can be compiled and sent."""
    if not check_script(data):
        json.dumps(compile_script(data, attempt=1))


def test_attempts_choose_the_nearest_below() -> None:
    script: Json = [{"attempt": {"2": [{"say": "two"}], "4": [{"say": "four"}]}}, {"sleep": "1m30s"}]
    said = {number: compile_script(script, attempt=number) for number in range(1, 6)}
    assert said[1] == [["sleep", 90.0]]
    assert said[2] == said[3] == [["say", "two"], ["sleep", 90.0]]
    assert said[4] == said[5] == [["say", "four"], ["sleep", 90.0]]


# --- plays


def test_a_whole_play(tmp_path: Path) -> None:
    script: Json = [
        {"say": "Reading."},
        {"progress": {"percent": 50, "text": "half"}},
        {"usage": {"input_tokens": 10, "usd": 0.1}},
        {"usage": {"input_tokens": 5, "output_tokens": 7, "usd": 0.2}},
        {"write": {"path": "src/a.txt", "text": "one\n"}},
        {"append": {"path": "src/a.txt", "text": "two\n"}},
        {"write": {"path": "big.bin", "size": "3MiB"}},
        {"write": {"path": "gone", "text": ""}},
        {"delete": "gone"},
        {"delete": "never-there"},
        {"run": "echo out; echo err >&2; exit 3"},
        {"run": ["no-such-program", "x"]},
        {"stderr": "to stderr"},
        {"say": "Done."},
    ]
    played = Played(script, tmp_path)
    assert played.end == Exit(code=0)
    usage = Usage(15, 7, 0.3)
    assert isinstance(played.outcome, Succeeded)
    session = played.outcome.session
    assert session
    assert played.outcome == Succeeded(text="Done.", usage=usage, session=session)
    assert sum(isinstance(event, Called) for event in played.events) == 8
    assert [event for event in played.events if not isinstance(event, Called)] == [
        SessionOpened(session),
        Said("Reading."),
        Progress(50, "half"),
        Spent(Usage(10, None, 0.1)),
        Spent(usage),
        Said("Done."),
    ]
    assert played.err == b"to stderr\n"
    assert (tmp_path / "src/a.txt").read_text() == "one\ntwo\n"
    assert (tmp_path / "big.bin").stat().st_size == 3 << 20
    assert not (tmp_path / "gone").exists()
    tools = [line for line in map(json.loads, played.out.splitlines()) if line.get("name") == "run"]
    assert [(tool["code"], tool["output"]) for tool in tools] == [
        (3, "out\nerr\n"),
        (127, "no-such-program: No such file or directory\n"),
    ]


def test_outputs_are_the_final_message(tmp_path: Path) -> None:
    played = Played([{"say": "Thinking."}, {"outputs": {"approved": True, "findings": "täx"}}], tmp_path)
    assert isinstance(played.outcome, Succeeded)
    assert json.loads(played.outcome.text or "") == {"approved": True, "findings": "täx"}


def test_what_it_was_told(tmp_path: Path) -> None:
    script: Json = [{"expect": {"prompt_contains": "Do", "notice_contains": "pytest"}}, {"echo": "notice"}]
    told = {"notice": "pytest -q exited 1", "session": "s-1", "instructions": "Be brief."}
    played = Played(script, tmp_path, **told)
    assert played.outcome == Succeeded(text="pytest -q exited 1", session="s-1")
    assert Played([{"echo": "instructions"}], tmp_path, **told).outcome == Succeeded(text="Be brief.", session="s-1")
    failed = Played([{"expect": {"prompt_contains": "Dance"}}, {"write": {"path": "x", "text": ""}}], tmp_path).outcome
    assert isinstance(failed, Failed)
    assert failed.failure is FailureClass.FATAL
    assert failed.reason == "the script expected 'Dance' in the prompt"
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("script", "failure", "reason", "retry_after"),
    [
        ([{"exit": 3}], FailureClass.EXIT, "the agent exited 3", None),
        (["crash"], FailureClass.CRASH, "the agent ended (exit code 1) without the end of its output", None),
        ([{"signal": "SIGSEGV"}], FailureClass.CRASH, "the agent was killed by SIGSEGV", None),
        (
            [{"fail": {"class": "rate_limit", "reason": "slow down", "retry_after": "30s"}}],
            FailureClass.RATE_LIMIT,
            "slow down",
            30.0,
        ),
        ([{"fail": {"class": "auth"}}, "hang"], FailureClass.AUTH, "the script says so", None),
        (
            [{"write": {"path": "a", "text": ""}}, {"write": {"path": "a/b", "text": ""}}],
            FailureClass.FATAL,
            "a: File exists",
            None,
        ),
        (
            [{"garbage": {"kind": "line", "size": "100B"}}, "crash"],
            FailureClass.CRASH,
            "the agent ended (exit code 1) without the end of its output; 1 lines of its output were not understood",
            None,
        ),
    ],
)
def test_failures(tmp_path: Path, script: Json, failure: FailureClass, reason: str, retry_after: float | None) -> None:
    outcome = Played([{"usage": {"usd": 1}}, *script], tmp_path).outcome  # type: ignore[misc]
    assert isinstance(outcome, Failed)
    assert (outcome.failure, outcome.reason, outcome.retry_after) == (failure, reason, retry_after)
    assert outcome.usage == Usage(usd=1)
    assert outcome.session


@pytest.mark.parametrize("kind", ["bytes", "line", "escapes", "nul"])
def test_garbage_costs_nothing(tmp_path: Path, kind: str) -> None:
    garbage: Json = {"garbage": {"kind": kind, "size": "3MiB", "seed": 7}}
    played = Played([{"say": "before"}, garbage, {"say": "after"}], tmp_path)
    assert len(played.out) > 3 << 20
    assert isinstance(played.outcome, Succeeded)
    assert played.outcome.text == "after"


def test_endless_output_is_not_held() -> None:
    session = ScriptedEngine().session(brief([]))
    for _ in range(64):
        assert not session.feed(b"x" * LONGEST)
    assert sum(map(len, session._lines._parts)) <= LONGEST
    outcome = session.close(Exit(code=0))
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.CRASH


def test_a_stop_is_a_stop(tmp_path: Path) -> None:
    played = Played([{"say": "all done"}], tmp_path, session="s")
    end = Exit(signal=15, cause="cancel")
    assert read(played.brief, [played.out], end)[1] == Stopped("cancel", signal=15, session="s")


TRANSCRIPT = (
    b'{"type":"init","session":"s1","step":"a","attempt":1}\n'
    b'{"type":"message","text":"h\xc3\xa4llo \\u20ac"}\n\x1b[2J\xff\xfe not json\n[1]\n{"type":"strange"}\n'
    b'{"type":"progress","percent":12.5,"text":"x"}\n\n{"type":"usage","usd":0.5}\n'
    b'{"type":"result","ok":true,"text":"done","usage":{"usd":0.5},"session":"s1"}\n'
)
WHOLE = read(brief([]), [TRANSCRIPT], Exit(code=0))


@settings(max_examples=60)
@given(cuts=st.lists(st.integers(0, len(TRANSCRIPT)), max_size=20))
def test_any_chunks_read_the_same(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(TRANSCRIPT)]
    chunks = [TRANSCRIPT[a:b] for a, b in pairwise(edges)]
    assert read(brief([]), chunks, Exit(code=0)) == WHOLE


def test_byte_by_byte_and_cut_at_every_offset() -> None:
    assert read(brief([]), [bytes([byte]) for byte in TRANSCRIPT], Exit(code=0)) == WHOLE
    assert WHOLE[1] == Succeeded(text="done", usage=Usage(usd=0.5), session="s1")
    for cut in range(len(TRANSCRIPT)):
        events, outcome = read(brief([]), [TRANSCRIPT[:cut]], Exit(code=0))
        assert events == WHOLE[0][: len(events)]
        if cut < len(TRANSCRIPT) - 1:
            assert isinstance(outcome, Failed)
            assert outcome.failure is FailureClass.CRASH
        else:
            assert outcome == WHOLE[1]


@given(data=st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    outcome = read(brief([]), [data], Exit(code=0))[1]
    assert isinstance(outcome, Failed)


def test_half_a_surrogate_pair_can_be_stored() -> None:
    line = b'{"type":"result","ok":true,"text":"a\\ud800b"}\n'
    assert read(brief([]), [line], Exit(code=0))[1] == Succeeded(text="a?b")


# --- signals and children


def start(script: Json, cwd: Path) -> subprocess.Popen[bytes]:
    invocation = ScriptedEngine().invoke(brief(script))
    player = subprocess.Popen(
        invocation.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd, start_new_session=True
    )
    assert player.stdin is not None
    player.stdin.write((invocation.stdin or "").encode())
    player.stdin.close()
    return player


def lines_until(player: subprocess.Popen[bytes], kind: str) -> dict[str, object]:
    assert player.stdout is not None
    for line in player.stdout:
        found: dict[str, object] = json.loads(line)
        if found["type"] == kind:
            return found
    raise AssertionError(f"no {kind}")


def test_hangs_until_a_signal_that_it_heeds(tmp_path: Path) -> None:
    polite = start([{"say": "x"}, "hang"], tmp_path)
    stubborn = start(["ignore_signals", {"say": "x"}, "hang"], tmp_path)
    for player in (polite, stubborn):
        lines_until(player, "message")
        player.send_signal(2)
    assert polite.wait(60) == -2
    stubborn.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        stubborn.wait(0.05)
    stubborn.kill()
    assert stubborn.wait(60) == -9
    for player in (polite, stubborn):
        assert player.stdout is not None
        player.stdout.close()


@pytest.mark.parametrize("how", ["child", "setsid", "daemon"])
def test_spawns_what_outlives_it(tmp_path: Path, how: str) -> None:
    script: Json = [{"spawn": {"run": "echo $$ > pid.new; mv pid.new pid; exec sleep 30", "as": how}}, {"say": "bye"}]
    player = start(script, tmp_path)
    lines_until(player, "result")
    assert player.stdout is not None
    player.stdout.close()
    assert player.wait(60) == 0
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid").exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    pid = int((tmp_path / "pid").read_text())
    session = os.getsid(pid)
    os.kill(pid, 9)
    assert (session == player.pid) is (how == "child")

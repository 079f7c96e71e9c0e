"""What is said to an agent is said once, whenever runners are killed: against a model of keeper and session."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from teamflow.core.invocation import Asked, EngineEvent, Exit, Refused, Reply, Withdrawn
from teamflow.core.outcome import Outcome, Succeeded
from teamflow.core.permissions import ALLOW, DENY, Verdict, Wish
from teamflow.ports import Input
from teamflow.run.talk import Talk


class Echo:
    """Answers each line `q N` by itself, is told messages, asks for leave by `leave N`. All that it has seen and was
    told is its state."""

    def __init__(self) -> None:
        self.line = b""
        self.seen: list[str] = []

    def feed(self, data: bytes) -> Sequence[EngineEvent]:
        events: list[EngineEvent] = []
        for byte in data:
            self.line += bytes((byte,))
            if byte == 10:
                line, self.line = self.line.decode().strip(), b""
                self.seen.append(line)
                if line.startswith("q "):
                    events.append(Reply(json.dumps({"re": line[2:]}) + "\n"))
                elif line.startswith("leave "):
                    events.append(Asked(line[6:], Wish("other", line)))
        return events

    def close(self, end: Exit) -> Outcome:
        return Succeeded()

    def tell(self, text: str) -> str | None:
        return json.dumps({"text": text}) + "\n"

    def answer(self, request: str, verdict: Verdict) -> str | None:
        return json.dumps({"answer": request, "allow": verdict.answer == ALLOW}) + "\n"

    def interrupt(self) -> str | None:
        return None

    def took(self, data: str) -> Sequence[EngineEvent]:
        self.seen.append(f"took {data.strip()}")
        return ()


class Keeper:
    """Takes each input once, in order. `deaf`: what is sent is lost (its runner is being killed)."""

    def __init__(self) -> None:
        self.inputs: list[Input] = []
        self.deaf = False

    def send(self, given: Input) -> None:
        if not self.deaf and given.n == len(self.inputs):
            self.inputs.append(given)


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("print"), st.sampled_from(["q 1\n", "q 2\nq 3\n", "noise\n", "leave x\n", "q", " 9\n"])),
        st.tuples(st.just("read"), st.integers(1, 9)),
        st.tuples(st.just("tell"), st.sampled_from(["go", "stop"])),
        st.tuples(st.just("answer"), st.just("")),
        st.tuples(st.just("deaf"), st.just("")),
        st.tuples(st.just("kill"), st.just("")),
    ),
    max_size=40,
)


class World:
    def __init__(self) -> None:
        self.keeper = Keeper()
        self.output = b""
        self.read = 0
        self.talk = Talk(Echo(), self.keeper.send)

    def move(self, word: str, value: object) -> None:
        match word, value:
            case "print", str(text):
                self.output += text.encode()
            case "read", int(count):
                part = self.output[self.read : self.read + count]
                self.read += len(part)
                self.talk.feed(part)
            case "tell", str(text):
                self.talk.tell(text)
            case "answer", _:
                for request in list(self.talk.open):
                    self.talk.answer(request, Verdict(ALLOW))
            case "deaf", _:
                self.keeper.deaf = True
            case "kill", _:
                self.kill()
            case _:
                raise AssertionError(word)

    def kill(self) -> None:
        """Another runner comes, and catches up with all that there is."""
        self.keeper.deaf = False
        self.talk = Talk(Echo(), self.keeper.send, tuple(self.keeper.inputs))
        self.talk.begin()
        self.talk.feed(self.output)
        self.read = len(self.output)


@given(MOVES)
def test_every_reply_is_made_once_and_in_order(moves: list[tuple[str, object]]) -> None:
    world = World()
    for word, value in moves:
        world.move(word, value)
    world.kill()
    replies = [json.loads(given.data)["re"] for given in world.keeper.inputs if given.note == "reply"]
    wanted = [line[2:] for line in world.output.decode().split("\n")[:-1] if line.startswith("q ")]
    assert replies == wanted
    assert [given.n for given in world.keeper.inputs] == list(range(len(world.keeper.inputs)))
    answers = [given.note for given in world.keeper.inputs if given.note.startswith("answer ")]
    asked = [line for line in world.output.decode().split("\n")[:-1] if line.startswith("leave ")]
    assert len(answers) <= len(asked)


@given(MOVES, st.lists(st.integers(1, 5), max_size=20))
def test_a_later_runner_has_the_same_session(moves: list[tuple[str, object]], cuts: list[int]) -> None:
    """In whatever pieces it reads what was printed."""
    world = World()
    for word, value in moves:
        if word not in ("deaf", "kill"):
            world.move(word, value)
    world.move("read", len(world.output) + 1)
    later = Talk(Echo(), world.keeper.send, tuple(world.keeper.inputs))
    later.begin()
    at = 0
    for cut in [*cuts, len(world.output) + 1]:
        later.feed(world.output[at : at + cut])
        at += cut
    assert isinstance(later.session, Echo)
    assert isinstance(world.talk.session, Echo)
    assert later.session.seen == world.talk.session.seen
    assert later.open == world.talk.open
    assert later.messages == world.talk.messages


class Strict(Echo):
    """Tells of each answer that is no."""

    def took(self, data: str) -> Sequence[EngineEvent]:
        told = json.loads(data)
        return (Refused(str(told["answer"])), Withdrawn(str(told["answer"]))) if told.get("allow") is False else ()


def test_what_follows_from_an_answer_is_told_once_with_what_is_printed_next() -> None:
    keeper = Keeper()
    talk = Talk(Strict(), keeper.send)
    talk.feed(b"leave x\n")
    assert talk.answer("x", Verdict(DENY))
    assert [talk.feed(b"a\n"), talk.feed(b"b\n")] == [[Refused("x")], []]
    later = Talk(Strict(), keeper.send, tuple(keeper.inputs))
    told = [event for event in later.feed(b"leave x\na\nb\n") if isinstance(event, Refused)]
    assert (told, later.feed(b"c\n")) == ([Refused("x")], [])

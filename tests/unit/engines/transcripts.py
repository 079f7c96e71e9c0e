"""Recorded conversations with agents, and what holds for every engine that is fed one.

A transcript is two files: `NAME.out`, what the agent printed, and `NAME.json`: the brief, how its process ended, and
what was written to it after how many bytes of that (without the invocation's own stdin). `tests/fakes/agents/pump.py`
makes them.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from teamflow.core.invocation import Brief, EngineEvent, Exit, Reply
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Outcome, Succeeded
from teamflow.core.permissions import Permissions
from teamflow.ports import Engine, Session

FOLDER = Path(__file__).parents[2] / "transcripts"

_WORDS = re.compile(r'"message":"(?:[^"\\]|\\.)*"')
_ENDS = (Exit(0), Exit(0), Exit(None, 9), Exit(1))


class Transcript(NamedTuple):
    """`inputs`: (bytes printed by then, text)."""

    name: str
    brief: Brief
    output: bytes
    inputs: tuple[tuple[int, str], ...]
    end: Exit

    def __repr__(self) -> str:
        return self.name


def load(engine: str) -> list[Transcript]:
    """All of an engine, by name."""
    found = []
    for path in sorted((FOLDER / engine).glob("*.json")):
        told: dict[str, Any] = json.loads(path.read_text())
        brief = dict(told["brief"])
        grants = {name: tuple(value) if isinstance(value, list) else value for name, value in brief["grants"].items()}
        brief["grants"] = Permissions(**grants)
        brief["messages"] = tuple(brief.get("messages", ()))
        end = Exit(**told["end"])
        inputs = tuple((offset, text) for offset, text in told["inputs"])
        found.append(Transcript(path.stem, Brief(**brief), path.with_suffix(".out").read_bytes(), inputs, end))
    return found


def save(engine: str, transcript: Transcript) -> None:
    folder = FOLDER / engine
    folder.mkdir(parents=True, exist_ok=True)
    usual = Brief("", 0, "", "")
    brief = {
        name: value
        for name, value in zip(Brief._fields, transcript.brief, strict=True)
        if value != getattr(usual, name) or name in ("step", "attempt", "cause", "cwd")
    }
    brief["grants"] = dict(zip(Permissions._fields, transcript.brief.grants, strict=True))
    end = {"code": transcript.end.code, "signal": transcript.end.signal, "at": transcript.end.at}
    told = {"brief": brief, "end": end, "inputs": transcript.inputs}
    (folder / f"{transcript.name}.json").write_text(json.dumps(told, indent=1) + "\n")
    (folder / f"{transcript.name}.out").write_bytes(transcript.output)


# What holds for all


def whole(engine: Engine, transcript: Transcript) -> tuple[list[EngineEvent], Outcome]:
    """What it means, each part of the output fed at once."""
    return _play(engine, transcript, lambda data: [data])


def in_any_chunks(engine: Engine, transcript: Transcript) -> None:
    """Byte by byte, and in odd parts, it means the same."""
    expected = whole(engine, transcript)
    for size in (1, 7, 1000):
        parts = _play(engine, transcript, lambda data, size=size: _parts(data, size))  # type: ignore[misc]
        assert parts == expected, f"in parts of {size} bytes {transcript} means something else"


def cut_anywhere(engine: Engine, transcript: Transcript, *, complete: int | None = None, every: bool = False) -> None:
    """Cut before `complete` bytes (None: before its last line ends) it is never a success, and never an exception.

    `every`: at every offset; else at those about the ends of lines, and some between them.
    """
    limit = complete if complete is not None else len(transcript.output.rstrip(b"\n"))
    output, inputs = transcript.output, [one for one in transcript.inputs if one[0] < limit]
    stops = {0, *(offset for offset, _ in inputs), *(at + 1 for at in range(limit) if output[at] == 0x0A)}
    session, base, waiting = engine.session(transcript.brief), 0, sorted(stops)
    snapshot = b""
    for offset in _offsets(output[:limit], every=every):
        while waiting and waiting[0] <= offset:
            stop = waiting.pop(0)
            session.feed(output[base:stop])
            base, snapshot = stop, b""
        while inputs and inputs[0][0] <= offset:
            session.took(inputs.pop(0)[1])
            snapshot = b""
        # Closing takes in what a last line holds, so it is done to a copy: of this form they are cheap.
        snapshot = snapshot or pickle.dumps(session, pickle.HIGHEST_PROTOCOL)
        cut: Session = pickle.loads(snapshot)
        cut.feed(output[base:offset])
        outcome = cut.close(_ENDS[offset % len(_ENDS)])
        assert not isinstance(outcome, Succeeded), f"{transcript}, cut at {offset}, counts as {outcome}"


def repeats_no_reply(engine: Engine, transcript: Transcript) -> None:
    """A second runner's session, fed what was printed and what was written, makes the replies that were made and no
    other; and goes on as the first one does, also where what it replied itself is not told to it."""
    events, outcome = whole(engine, transcript)
    replies = [event.data for event in events if isinstance(event, Reply) and event.data]
    assert len(replies) == len(set(replies)), "a reply was made twice"
    meant = {_meaning(reply) for reply in replies}
    assert not meant - {_meaning(text) for _, text in transcript.inputs}, "a reply was made that was not written"
    fewer = transcript._replace(inputs=tuple(one for one in transcript.inputs if _meaning(one[1]) not in meant))
    assert whole(engine, fewer) == (events, outcome)
    twice = tuple(one for one in transcript.inputs for _ in range(2))
    assert whole(engine, transcript._replace(inputs=twice)) == (events, outcome)


def _meaning(text: str) -> str:
    """Without the words to the agent: those of today need not be those of the day of the recording."""
    return _WORDS.sub('"message":""', text)


def _play(
    engine: Engine, transcript: Transcript, parts: Callable[[bytes], Iterable[bytes]]
) -> tuple[list[EngineEvent], Outcome]:
    session = engine.session(transcript.brief)
    events: list[EngineEvent] = []
    at = 0
    for offset, text in transcript.inputs:
        events += _feed(session, parts(transcript.output[at:offset]))
        events += session.took(text)
        at = offset
    events += _feed(session, parts(transcript.output[at:]))
    return events, session.close(transcript.end)


def _feed(session: Session, parts: Iterable[bytes]) -> Iterator[EngineEvent]:
    for part in parts:
        yield from session.feed(part)


def _parts(data: bytes, size: int) -> Sequence[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def _offsets(data: bytes, *, every: bool) -> Iterator[int]:
    ends = {index for index, byte in enumerate(data) if byte == 0x0A}
    near = {end + step for end in ends for step in (-1, 0, 1, 2)} | set(range(len(data) - 20, len(data)))
    for offset in range(len(data)):
        if every or offset in near or offset % 97 == 0:
            yield offset

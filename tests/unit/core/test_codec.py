"""Records survive being stored, also where what they hold is empty."""

from __future__ import annotations

import json

import pytest

from teamflow.core.codec import CodecError, dump_event, event_kind, load_event
from teamflow.core.events import AttemptEnded, Cached, Event, Hit, ProgressReported, QuestionAsked
from teamflow.core.outcome import Artifact, Failed, FailureClass, Succeeded
from teamflow.core.overlapping import Overlap, OverlapsSeen
from teamflow.core.requested import CancelRequested, MessageSent
from teamflow.core.work import Ready, WorkspaceReady


@pytest.mark.parametrize(
    "event",
    [
        OverlapsSeen(()),
        OverlapsSeen((Overlap("api", "web", "hard", ("a b", "c"), 3), Overlap("x", "y", "soft", ("d",)))),
        CancelRequested((), "ana"),
        CancelRequested(None, "ana"),
        CancelRequested(("a",), ""),
        MessageSent(("a",), "ana", ""),
        QuestionAsked("a", "failure", ""),
        ProgressReported("a", 1, None),
        ProgressReported("a", 1, 0.0),
        AttemptEnded("a", 1, Succeeded(text="")),
        AttemptEnded("a", 1, Failed(FailureClass.EXIT, "")),
        WorkspaceReady("a", 1, Ready("/w/a", "ab" * 20)),
        WorkspaceReady("a", 1, Ready("/w/a", "ab" * 20, copied=(".env",), slot=3, conflicts=("a.txt", "b"))),
    ],
)
def test_what_is_empty_stays_what_it_is(event: Event) -> None:
    read = load_event(event_kind(event), dump_event(event))
    if isinstance(event, AttemptEnded) and isinstance(event.outcome, Succeeded):
        # No text and an empty one are the same to who reads it.
        event = event._replace(outcome=event.outcome._replace(text=None))
    assert read == event


def test_hits_are_rows_and_those_of_earlier_versions_are_read() -> None:
    made = Artifact("made", "out/a", "ab" * 32, 3, 0o644)
    cached = Cached({"a": Hit("key", "why", "text", {"n": 1}, (made,), (7, 2)), "b": Hit("key", "why")})
    stored = dump_event(cached)
    assert json.loads(stored)["hits"]["b"] == ["key", "why", None, None, [], None, None]
    assert load_event("Cached", stored) == cached
    named = {"a": {"key": "key", "reason": "why", "text": "text", "outputs": {"n": 1}, "artifacts": [[*made]]}}
    named["a"]["origin"] = [7, 2]
    named["b"] = {"key": "key", "reason": "why"}
    assert load_event("Cached", json.dumps({"hits": named})) == cached
    with pytest.raises(CodecError, match="damaged Hit"):
        load_event("Cached", '{"hits": {"a": [1, 2, 3, 4, 5, 6, 7, 8]}}')

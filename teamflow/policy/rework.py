"""Loops: after a step with one has succeeded, is it over, does another round begin, or has it failed to converge.

A round opens again the matching step of the agent `rework` and every step between it and the one with the loop;
matching is what that one depends on, and among several instances the one with its own name. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from teamflow.core.events import Event, Reopened, StepEnded
from teamflow.core.outcome import FailureClass, Succeeded
from teamflow.core.plan import Json, Loop
from teamflow.core.state import ENDED, AttemptState, RunState, StepState
from teamflow.policy.context import after_context

UNCHANGED_ROUNDS = 2
"""After so many rounds in a row that change nothing a loop has failed."""


def after_round(state: RunState, known: StepState, loop: Loop, *, run: Mapping[str, Json]) -> Event:
    """What follows when a step with a loop has succeeded."""
    from teamflow.team.template import TemplateError, evaluate

    step_id = known.step.id
    try:
        over = evaluate(loop.until, after_context(state, known, run=run))
    except TemplateError as error:
        return _failed(known, f"loop.until could not be evaluated: {error}", FailureClass.FATAL)
    if not isinstance(over, bool):
        reason = f"loop.until must be true or false, but `{loop.until}` gave {over!r:.80}"
        return _failed(known, reason, FailureClass.FATAL)
    if over:
        return StepEnded(step_id, "succeeded", _rounds(known.round))
    if known.round >= loop.max:
        reason = f"`{loop.until}` is still false after {_rounds(known.round)} (loop.max)"
        return _failed(known, reason, FailureClass.NOT_CONVERGED)
    again = reworked(state, known, loop)
    if _stuck(state, known, again):
        reason = f"`{loop.until}` is still false, and the last {UNCHANGED_ROUNDS} rounds changed nothing"
        return _failed(known, reason, FailureClass.NOT_CONVERGED)
    # What is open already is being worked on: this step then looks at what comes of it.
    steps = (*(name for name in again if state.steps[name].status in ENDED), step_id)
    told = f"round {known.round + 1} of at most {loop.max}"
    reasons = dict.fromkeys(steps, f"rework for {step_id}, {told}") | {step_id: told}
    return Reopened(steps, "rework", reasons, by=step_id)


def _failed(known: StepState, reason: str, failure: FailureClass) -> StepEnded:
    return StepEnded(known.step.id, "failed", reason, failure=failure)


def _rounds(count: int) -> str:
    return f"{count} round{'' if count == 1 else 's'}"


def reworked(state: RunState, known: StepState, loop: Loop) -> tuple[str, ...]:
    """The steps that a round of this loop opens again, without its own, in the order of the plan."""
    before = set(_ancestors(state, known.step.id))
    targets = {name for name in before if state.steps[name].step.agent == loop.rework}
    targets = {name for name in targets if state.steps[name].step.expansion is None}
    instance = known.step.id.partition("/")[2]
    if instance and f"{loop.rework}/{instance}" in targets:
        targets = {f"{loop.rework}/{instance}"}
    between = set(targets)
    for name in sorted(before, key=state.order.__getitem__):
        step = state.steps[name].step
        if step.expansion is None and any(edge.on in between for edge in step.edges):
            between.add(name)
    return tuple(sorted(between, key=state.order.__getitem__))


def _ancestors(state: RunState, step_id: str) -> Iterator[str]:
    seen: set[str] = set()
    pending = [step_id]
    while pending:
        for edge in state.steps[pending.pop()].step.edges:
            if edge.on not in seen:
                seen.add(edge.on)
                pending.append(edge.on)
                yield edge.on


def _stuck(state: RunState, known: StepState, again: tuple[str, ...]) -> bool:
    """Whether each of the last rounds left everything as the round before it did."""
    if known.round <= UNCHANGED_ROUNDS:
        return False
    return all(_unchanged(state.steps[name]) for name in again)


def _unchanged(known: StepState) -> bool:
    done = [made for attempt in known.attempts if (made := _made(attempt)) is not None]
    last = done[-(UNCHANGED_ROUNDS + 1) :]
    return len(last) > UNCHANGED_ROUNDS and all(made == last[0] for made in last)


def _made(attempt: AttemptState) -> object:
    """What a successful attempt left behind. Its words count only where nothing is known of files: they vary."""
    outcome = attempt.outcome
    if not isinstance(outcome, Succeeded):
        return None
    text = outcome.text if not attempt.tree else None
    return (attempt.tree, text, outcome.outputs, outcome.artifacts)

"""Loops: after a step with one has succeeded, is it over, does another round begin, or has it failed to converge.

A round opens again the matching step of the agent `rework` and every step between it and the one with the loop;
matching is what that one depends on, and among several instances the one with its own name. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Final

from teamflow.core.events import Event, Reopened, StepEnded
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import FailureClass
from teamflow.core.plan import Json, Loop
from teamflow.core.state import RunState, StepState
from teamflow.core.status import ENDED, Status
from teamflow.policy.context import after_context
from teamflow.policy.guards import before_round

UNCHANGED_ROUNDS: Final = 2
"""After so many rounds in a row that change nothing a loop has failed."""


class Span(NamedTuple):
    """What a round of a loop opens again, without the loop's own step, in the order of the plan.

    `targets`: the steps of the agent `rework`; `steps`: these, and all between them and the loop's step.
    """

    targets: tuple[str, ...]
    steps: tuple[str, ...]


def is_over(loop: Loop, context: Mapping[str, Json]) -> bool | str:
    """Whether `until` holds; a text says why it cannot be told."""
    # Imported here: most runs have no loop, and jinja2 is slow to import.
    from teamflow.team.template import TemplateError, evaluate

    try:
        value = evaluate(loop.until, context)
    except TemplateError as error:
        return f"loop.until could not be evaluated: {error}"
    if isinstance(value, bool):
        return value
    return f"loop.until must be true or false, but `{loop.until}` gave {value!r:.80}"


def after_round(state: RunState, known: StepState, loop: Loop, *, run: Mapping[str, Json]) -> Event:
    """What follows when a step with a loop has succeeded."""
    step = known.step
    number = known.attempts[-1].number
    context = after_context(state, step, run=run, attempt=number, outputs=known.outputs, text=known.text)
    over = is_over(loop, context)
    if isinstance(over, str):
        return _failed(known, over, FailureClass.FATAL)
    if over:
        return StepEnded(step.id, "succeeded", "" if known.round == 1 else f"in round {known.round} of {loop.max}")
    if state.stop is not None and state.stop.cause == "fail_fast":
        return StepEnded(step.id, "cancelled", state.stop.reason)
    return _again(state, known, loop, span_of(state, step.id, loop))


def _again(state: RunState, known: StepState, loop: Loop, span: Span) -> Event:
    """Another round, if there may be one. One that cannot be asked for because what it reworks is being worked on
    already, for another loop, does not count: this step looks again at what comes of that."""
    ended = [name for name in span.targets if _may_reopen(state.steps[name])]
    busy = [name for name in span.targets if state.steps[name].status not in ENDED]
    still = f"`{loop.until}` is still false"
    if not ended and not busy:
        return _failed(known, f"{still}, and {_gone(loop, span)}", FailureClass.NOT_CONVERGED)
    made = _made(state, span)
    if ended:
        stuck = made != "" and known.made[-UNCHANGED_ROUNDS:] == (made,) * UNCHANGED_ROUNDS
        if known.round >= loop.max:
            more = f", and the last {UNCHANGED_ROUNDS} of them changed nothing" if stuck else ""
            return _failed(known, f"{still} after {_rounds(known.round)} (loop.max){more}", FailureClass.NOT_CONVERGED)
        if stuck:
            reason = f"{still}, and the last {UNCHANGED_ROUNDS} rounds changed nothing"
            return _failed(known, reason, FailureClass.NOT_CONVERGED)
    if ended and (asked := before_round(known)) is not None:
        return asked
    told = f"round {known.round + 1} of {loop.max}" if ended else f"looks again after {busy[0]}"
    opened = [name for name in span.steps if _may_reopen(state.steps[name])]
    reasons = {**dict.fromkeys(opened, f"for {known.step.id}, {told}"), known.step.id: told}
    return Reopened((*opened, known.step.id), "rework", reasons, by=known.step.id, made=made)


def _may_reopen(known: StepState) -> bool:
    """What is open is being worked on; what somebody has cancelled stays so."""
    return known.status in ENDED and known.status is not Status.CANCELLED


def _gone(loop: Loop, span: Span) -> str:
    if not span.targets:
        return f"{loop.rework}, which it reworks, is not among the steps of this run"
    return f"{', '.join(span.targets[:3])}, which it reworks, {'was' if len(span.targets) == 1 else 'were'} cancelled"


def _failed(known: StepState, reason: str, failure: FailureClass) -> StepEnded:
    return StepEnded(known.step.id, "failed", reason, failure=failure)


def _rounds(count: int) -> str:
    return f"{count} round{'' if count == 1 else 's'}"


# -- which steps ---------------------------------------------------------------------------------------------


def span_of(state: RunState, step_id: str, loop: Loop) -> Span:
    """What a round of this step's loop opens again."""
    before = sorted(_ancestors(state, step_id), key=state.order.__getitem__)
    targets = [name for name in before if _is_instance_of(state, name, loop.rework)]
    own = f"{loop.rework}/{step_id.partition('/')[2]}"
    if own in targets:
        targets = [own]
    between = set(targets)
    # In the order of the plan, so that what a step depends on is settled before it.
    for name in before:
        if not between.isdisjoint(_needs(state, name)):
            between.add(name)
    return Span(tuple(targets), tuple(name for name in before if name in between))


def _is_instance_of(state: RunState, step_id: str, agent: str) -> bool:
    step = state.steps[step_id].step
    return step.agent == agent and step.expansion is None


def _needs(state: RunState, step_id: str) -> tuple[str, ...]:
    """A step that is expanded into one instance for each of another depends on that one's list alone."""
    return tuple(edge.on for edge in state.steps[step_id].step.counted_edges)


def _ancestors(state: RunState, step_id: str) -> Iterator[str]:
    seen: set[str] = set()
    pending = [step_id]
    while pending:
        for name in _needs(state, pending.pop()):
            if name not in seen:
                seen.add(name)
                pending.append(name)
                yield name


# -- what a round has changed --------------------------------------------------------------------------------


def _made(state: RunState, span: Span) -> str:
    """Digest of what the steps have left behind; empty when it is not known of what is reworked, which may then have
    changed."""
    left = {name: _left(state.steps[name]) for name in span.steps}
    if any(left[name] is None for name in span.targets):
        return ""
    return hashlib.sha256(json.dumps(left, sort_keys=True).encode()).hexdigest()


def _left(known: StepState) -> Json:
    """What a step has left behind. Its words count only where somebody reads them and nothing is known of files: they
    are never the same twice."""
    if known.status is Status.SKIPPED:
        return []
    tree = known.attempts[-1].tree if known.attempts else ""
    text = known.text if known.step.text_used and not tree else None
    files = {artifact.path: artifact.digest for artifact in known.artifacts}
    if known.status is Status.FAILED or not (tree or text or known.outputs or files):
        return None
    return [tree, text, dict(known.outputs), dict(files)]

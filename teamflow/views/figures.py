"""Figures that several views need: how long, how much, how many. All of state and a moment; rounds nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from teamflow.core.attempts import AttemptState
from teamflow.core.events import Now
from teamflow.core.fold_budget import in_force, usage_of
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Usage
from teamflow.core.plan import PROMPT
from teamflow.core.spending import amount, caps_words
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status
from teamflow.policy.budget import lines
from teamflow.views.shown import shown_steps
from teamflow.views.words import cost_words


class Cost(NamedTuple):
    """What is known of a cost; `partial`: some attempt of an agent did not tell its price."""

    usage: Usage
    partial: bool


def attempt_seconds(state: RunState, attempt: AttemptState, now: Now) -> float:
    """How long an attempt took, or has taken so far."""
    if attempt.ended is not None:
        return max(0.0, attempt.ended - attempt.started)
    runner = state.runner
    if runner is not None and runner.boot == now.boot and now.mono >= attempt.mono:
        return now.mono - attempt.mono
    return max(0.0, now.wall - attempt.started)


def step_seconds(state: RunState, known: StepState, now: Now) -> float | None:
    """The time of all its attempts together; None where none was started."""
    if not known.attempts:
        return None
    return sum(attempt_seconds(state, attempt, now) for attempt in known.attempts)


def total(usages: Iterable[Usage | None]) -> Usage:
    """Sums of what is known; None where nothing is."""
    known = [usage for usage in usages if usage is not None]
    ins = [usage.input_tokens for usage in known if usage.input_tokens is not None]
    outs = [usage.output_tokens for usage in known if usage.output_tokens is not None]
    prices = [usage.usd for usage in known if usage.usd is not None]
    return Usage(sum(ins) if ins else None, sum(outs) if outs else None, sum(prices) if prices else None)


def step_cost(known: StepState) -> Cost:
    """Only agents have a price that they might not tell."""
    usages = [usage_of(attempt) for attempt in known.attempts]
    ended = [usage for usage, attempt in zip(usages, known.attempts, strict=True) if attempt.outcome is not None]
    silent = known.step.kind == PROMPT and any(usage is None or usage.usd is None for usage in ended)
    return Cost(total(usages), silent)


def run_cost(state: RunState) -> Cost:
    costs = [step_cost(known) for known in state.steps.values() if known.attempts]
    return Cost(total(cost.usage for cost in costs), any(cost.partial for cost in costs))


def run_cost_words(state: RunState) -> str:
    """`$1.20, 12.3k tokens in, 1.1k out, of a budget of $15.00, $31.20 of $60.00 on 2026-11-20`; empty where nothing
    is known and nothing holds."""
    cost = run_cost(state)
    told = cost_words(cost.usage, partial=cost.partial)
    budget = caps_words(in_force(state))
    known = (told, f"of a budget of {budget}" if budget else "", *_of_the_day(state))
    return ", ".join(part for part in known if part)


def _of_the_day(state: RunState) -> list[str]:
    """What all runs of the project had spent on the day (UTC) of this one's last record, as far as it knows."""
    now = Now("", state.updated, state.mono)
    date = f"{datetime.fromtimestamp(state.updated, UTC):%Y-%m-%d}"
    day = [line for line in lines(state, now) if line.scope == "day"]
    return [f"{amount(line.metric, line.spent)} of {amount(line.metric, line.cap)} on {date}" for line in day]


def counts(state: RunState) -> dict[Status, int]:
    """Steps per status, in the order of a step's life; statuses without a step are left out."""
    found = dict.fromkeys(Status, 0)
    for known in shown_steps(state):
        found[known.status] += 1
    return {status: number for status, number in found.items() if number}


def run_seconds(state: RunState, now: Now, *, gone: bool) -> float | None:
    """From the first start to the end, or to now; None before the first start.

    `gone`: no runner lives, so a run that has not ended stands still since its last record.
    """
    if state.started is None:
        return None
    until = state.updated if state.ended is not None or gone else now.wall
    return max(0.0, until - state.started)

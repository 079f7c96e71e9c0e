"""What follows a failed attempt: another one, when, and how; or the end. The one place where retry is decided.

Classes and allowances are those of `docs/team-file.md`, "Failure classes". Chance is a hash of the step and the
attempt, so a replay decides the same. Refuses to know budgets, locks and slots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, TypeAlias

from teamflow.core.attempts import AttemptState
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import CONTINUES, Failed, FailureClass
from teamflow.core.plan import PROMPT, Retry, Step

OWN_ALLOWANCE: Final = frozenset({FailureClass.TRANSIENT, FailureClass.RATE_LIMIT, FailureClass.LOST})
"""Not the step's fault: these are retried `ALLOWANCE` times without consuming `retry.attempts`."""

ALLOWANCE: Final = 5

WITHIN_ATTEMPTS: Final = frozenset(
    {
        FailureClass.TIMEOUT,
        FailureClass.IDLE,
        FailureClass.EXIT,
        FailureClass.VERIFY,
        FailureClass.OUTPUT,
        FailureClass.CRASH,
    }
)

JITTER: Final = 0.25
"""A backoff is shortened by up to this share, so that steps that failed together do not return together."""


class Again(NamedTuple):
    """cause: retry | repair. `delay` in seconds; `continues`: the attempt whose session goes on."""

    cause: str
    delay: float
    continues: int | None
    reason: str


class GiveUp(NamedTuple):
    reason: str


Verdict: TypeAlias = Again | GiveUp


def after_failure(step: Step, attempts: Sequence[AttemptState], failed: Failed) -> Verdict:
    """`attempts` are those since the step was last opened; the last one ended with `failed`."""
    failure = failed.failure
    if failure in OWN_ALLOWANCE:
        # Each engine of a chain has an allowance of its own.
        engine = attempts[-1].engine
        used = sum(1 for attempt in attempts if attempt.engine == engine and _failure(attempt) in OWN_ALLOWANCE)
        if used > ALLOWANCE:
            return GiveUp(f"{failed.reason} (allowance of {ALLOWANCE} for {failure.value} used up)")
        return _again(step, attempts, failed, nth=used, of=f"{used}/{ALLOWANCE} for {failure.value}")
    if failure not in WITHIN_ATTEMPTS:
        return GiveUp(failed.reason)
    newest = attempts[-1]
    if failure is FailureClass.OUTPUT and step.kind == PROMPT and newest.cause != "repair":
        return Again("repair", 0.0, newest.number, failed.reason)
    used = consumed(attempts)
    if used >= step.retry.attempts:
        spent = "" if step.retry.attempts == 1 else f" (all {step.retry.attempts} attempts used)"
        return GiveUp(failed.reason + spent)
    return _again(step, attempts, failed, nth=used, of=f"{used + 1}/{step.retry.attempts}")


def consumed(attempts: Sequence[AttemptState]) -> int:
    """How much of `retry.attempts` is used: failures of those classes, except one that a repair answered."""
    used = 0
    for number, attempt in enumerate(attempts):
        repaired = number + 1 < len(attempts) and attempts[number + 1].cause == "repair"
        if _failure(attempt) in WITHIN_ATTEMPTS and not repaired:
            used += 1
    return used


def backoff(policy: Retry, *, nth: int, seed: str) -> float:
    """Seconds before the attempt after the `nth` failure (from 1), with deterministic jitter from `seed`."""
    match policy.backoff:
        case "fixed":
            base = policy.delay
        case "linear":
            base = policy.delay * nth
        case _:
            base = policy.delay * 2.0 ** min(nth - 1, 60)
    chance = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") / 2**32
    return min(base, policy.max_delay) * (1.0 - JITTER * chance)


def _again(step: Step, attempts: Sequence[AttemptState], failed: Failed, *, nth: int, of: str) -> Again:
    newest = attempts[-1]
    if failed.failure in CONTINUES:
        return Again("retry", 0.0, newest.number, f"attempt {of}: {failed.reason}")
    delay = backoff(step.retry, nth=nth, seed=f"{step.id}\0{newest.number}")
    if failed.retry_after is not None:
        delay = max(delay, failed.retry_after)
    return Again("retry", delay, None, f"attempt {of}: {failed.reason}")


def _failure(attempt: AttemptState) -> FailureClass | None:
    return attempt.outcome.failure if isinstance(attempt.outcome, Failed) else None

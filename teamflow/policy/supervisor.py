"""What follows when a long-lived agent fails: it is restarted, stopped, or somebody is asked. Pure; acts on nothing.

For agents that live on between turns (sub-agents), not for steps: what follows an attempt is in `policy/retry.py`.
Rules are by failure class. A restart is always a fresh start: no session goes on. Restarts in a row are counted, and a
success sets the count back; at the limit an agent that would be restarted is stopped, or escalated if the rules say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.plan import Retry
from teamflow.policy.retry import backoff


class Action(StrEnum):
    RESTART = "restart"
    STOP = "stop"
    ESCALATE = "escalate"


_RESTARTED: Final = (
    FailureClass.TRANSIENT,
    FailureClass.RATE_LIMIT,
    FailureClass.LOST,
    FailureClass.TIMEOUT,
    FailureClass.IDLE,
    FailureClass.EXIT,
    FailureClass.CRASH,
    FailureClass.OUTPUT,
    FailureClass.VERIFY,
)
_ESCALATED: Final = (
    FailureClass.USAGE_EXHAUSTED,
    FailureClass.AUTH,
    FailureClass.BUDGET,
    FailureClass.CONFLICT,
    FailureClass.WRITES,
)

DEFAULT: Final[Mapping[FailureClass, Action]] = {
    **dict.fromkeys(FailureClass, Action.STOP),
    **dict.fromkeys(_RESTARTED, Action.RESTART),
    **dict.fromkeys(_ESCALATED, Action.ESCALATE),
}
"""What another start may mend is restarted; what only a person can mend is escalated; all else is stopped."""


class Rules(NamedTuple):
    """`limit`: restarts in a row. `at_limit`: what an agent comes to that would be restarted once more."""

    actions: Mapping[FailureClass, Action] = DEFAULT
    limit: int = 3
    at_limit: Action = Action.STOP
    pace: Retry = Retry(delay=1.0, max_delay=60.0)
    """How long to wait before a restart: its `backoff`, `delay` and `max_delay`."""


class Supervised(NamedTuple):
    """What a supervisor remembers of one agent: its restarts since it last succeeded."""

    restarts: int = 0


class Verdict(NamedTuple):
    """`delay` in seconds, of a restart; `reason` is one line for people; `known`: what is to be remembered."""

    action: Action
    delay: float
    reason: str
    known: Supervised


def after_success(known: Supervised) -> Supervised:
    """The count is back at 0, whatever it was."""
    return known._replace(restarts=0)


def after_failure(name: str, failed: Failed, known: Supervised, rules: Rules) -> Verdict:
    """What becomes of the agent `name`; a class that the rules leave out stops it."""
    action = rules.actions.get(failed.failure, Action.STOP)
    if action is not Action.RESTART:
        return Verdict(action, 0.0, failed.reason, known)
    if known.restarts >= rules.limit:
        told = f"{failed.reason} (restarted {rules.limit} times in a row)"
        return Verdict(rules.at_limit, 0.0, told, known)
    nth = known.restarts + 1
    delay = backoff(rules.pace, nth=nth, seed=f"{name}\0{nth}")
    if failed.retry_after is not None:
        delay = max(delay, failed.retry_after)
    return Verdict(action, delay, f"restart {nth}/{rules.limit}: {failed.reason}", Supervised(nth))

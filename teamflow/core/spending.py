"""What agents cost and may cost: the events of budgets (part of the union in `core/events.py`), and the sums of a run.

Money is US dollars, tokens are those read and written together. What an engine does not tell is unknown, never zero.
"""

from __future__ import annotations

from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Usage
from teamflow.core.plan import Caps

DAY: Final = 86400.0
"""Seconds; days are those of UTC."""

METRICS: Final = ("usd", "tokens")


class SpendingTold(NamedTuple):
    """Fact: what a running attempt has told of its cost so far."""

    step: str
    attempt: int
    usage: Usage


class BudgetReached(NamedTuple):
    """Decision, for people: a budget is used up to `percent`. scope: run | day; metric: usd | tokens,
    or seconds of `limits.timeout`, steps of `limits.max_steps`."""

    scope: str
    metric: str
    percent: int
    spent: float
    cap: float


class BudgetSet(NamedTuple):
    """Somebody says what the run may spend, whatever its file says; None: as before."""

    by: str
    usd: float | None = None
    tokens: float | None = None


class DaySpent(NamedTuple):
    """Fact: what the project's other runs have spent on a day, and what they have reserved beyond that. `day`: days
    since 1970 (UTC)."""

    day: int
    usd: float
    tokens: float
    held_usd: float = 0.0
    held_tokens: float = 0.0


class Ledger:
    """The sums over a run's attempts that have ended, and what people have said about its budget."""

    __slots__ = ("agreed", "caps", "day", "others", "reached", "refused", "spent", "taken", "today")

    def __init__(self) -> None:
        self.spent = {"usd": 0.0, "tokens": 0.0}
        """What is known."""
        self.taken: dict[tuple[str, str], tuple[float, int]] = {}
        """(agent, metric) → what its whole attempts have taken together, and how many of them there were."""
        self.day = 0
        self.today = {"usd": 0.0, "tokens": 0.0}
        """The part of it that ended on `day`."""
        self.others: DaySpent | None = None
        self.caps = Caps()
        """Set by hand; in place of what the file says."""
        self.reached: set[tuple[str, str, int, float]] = set()
        """(scope as `scope_key` has it, metric, percent, cap) that people were told of."""
        self.agreed: set[tuple[str, str, float]] = set()
        """(scope as `scope_key` has it, metric, cap) that somebody has allowed to be used up."""
        self.refused = ""
        """Who has said in this session that no more is to be spent."""

    def add(self, usage: Usage, *, at: float, agent: str) -> None:
        """Of an attempt that ended at `at` (Unix). `agent`: whose whole attempt it was; empty: it was stopped."""
        if (day := int(at // DAY)) != self.day:
            self.day, self.today = day, {"usd": 0.0, "tokens": 0.0}
        for metric in METRICS:
            told = of(usage, metric)
            self.spent[metric] += told or 0.0
            self.today[metric] += told or 0.0
            if agent and told is not None:
                total, count = self.taken.get((agent, metric), (0.0, 0))
                self.taken[agent, metric] = (total + told, count + 1)

    def usual(self, agent: str, metric: str) -> float:
        """What an attempt of an agent takes on the average; 0 where nothing is known."""
        total, count = self.taken.get((agent, metric), (0.0, 0))
        return total / count if count else 0.0


def scope_key(scope: str, at: float) -> str:
    """`run`, or `day 20777`: what was said about one day says nothing about the next. `at`: Unix."""
    return scope if scope == "run" else f"{scope} {int(at // DAY)}"


def of(usage: Usage | None, metric: str) -> float | None:
    """One figure of a usage; None: unknown."""
    if usage is None:
        return None
    if metric == "usd":
        return usage.usd
    known = [count for count in (usage.input_tokens, usage.output_tokens) if count is not None]
    return float(sum(known)) if known else None


def latest(told: Usage | None, final: Usage | None) -> Usage | None:
    """What an attempt has used: what it told at its end, and where it did not, what it had told before."""
    if told is None or final is None:
        return final or told
    return Usage(
        told.input_tokens if final.input_tokens is None else final.input_tokens,
        told.output_tokens if final.output_tokens is None else final.output_tokens,
        told.usd if final.usd is None else final.usd,
    )


def amount(metric: str, value: float) -> str:
    """`$1.50`, `$0.0042`, `12,000 tokens`."""
    if metric in ("tokens", "steps"):
        return f"{value:,.0f} {metric}"
    if metric == "seconds":
        return _long(value)
    return f"${value:.2f}" if value >= 0.1 or value == 0 else f"${value:.4f}"


def _long(seconds: float) -> str:
    """`7.6 s`, `45 s`, `42 min`, `2.5 h`."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def caps_words(caps: Caps) -> str:
    """`$15.00 and 4,000,000 tokens`."""
    return " and ".join(amount(metric, cap) for metric, cap in zip(METRICS, caps, strict=True) if cap is not None)

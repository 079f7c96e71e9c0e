"""Figures as people read them: durations, moments, money, counts, lists. Units are in the names of the arguments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from teamflow.core.outcome import Usage
from teamflow.core.state import StepState


def duration(seconds: float) -> str:
    """`0.4s`, `12s`, `3m 05s`, `2h 07m`, `3d 04h`."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"


def iso(wall: float) -> str:
    """A Unix time as the JSON forms have it: UTC, milliseconds, `Z`."""
    moment = datetime.fromtimestamp(round(wall, 3), UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def moment(wall: float, *, now: float, zone: tzinfo | None = None) -> str:
    """`14:30:05`, with the date where it is not today. `zone` None: the machine's."""
    at = datetime.fromtimestamp(wall, UTC).astimezone(zone)
    today = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
    return f"{at:%H:%M:%S}" if at.date() == today else f"{at:%Y-%m-%d %H:%M:%S}"


def usd(amount: float) -> str:
    """`$0.42`; small amounts with more digits, so that something never reads as nothing."""
    if amount == 0 or amount >= 0.01:
        return f"${amount:,.2f}"
    return f"${amount:.4f}" if amount >= 0.0001 else "<$0.0001"


def count(number: int) -> str:
    """`950`, `12.3k`, `4.0M`."""
    if number < 1000:
        return str(number)
    if number < 999_950:
        return f"{number / 1000:.1f}k"
    return f"{number / 1_000_000:.1f}M"


def plural(number: int, one: str, many: str = "") -> str:
    """`1 step`, `2 steps`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def round_words(known: StepState) -> str:
    """`round 2 of 4`: of the loop of a step, or of the one that it works again for; empty where no round is told."""
    if known.step.loop is not None:
        return f"round {known.round} of {known.step.loop.max}"
    given = known.feedback
    return f"round {given.round} for {given.step}" if given is not None else ""


def names(items: Sequence[str], *, most: int = 5) -> str:
    """`a, b, c and 4 more`."""
    if len(items) <= most:
        return ", ".join(items)
    return f"{', '.join(items[:most])} and {len(items) - most} more"


def usage_words(usage: Usage) -> str:
    """`$0.42, 12.3k tokens in, 1.1k out`; empty where nothing is known."""
    parts = [] if usage.usd is None else [usd(usage.usd)]
    if usage.input_tokens is not None:
        parts.append(f"{count(usage.input_tokens)} tokens in")
    if usage.output_tokens is not None:
        parts.append(f"{count(usage.output_tokens)} {'' if usage.input_tokens is not None else 'tokens '}out")
    return ", ".join(parts)


def cost_words(usage: Usage, *, partial: bool) -> str:
    """As `usage_words`; `partial` marks a sum as less than the whole. `price unknown` where no engine told one."""
    told = usage_words(usage)
    if not partial:
        return told
    if usage.usd is None:
        return f"{told}, price unknown" if told else "price unknown"
    return f"at least {told}"

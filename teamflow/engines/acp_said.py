"""What an ACP agent tells while it works: its messages, gathered from their pieces, its plan, and what it has used.

Tokens are told in as many ways as there are agents (`Agent.usage`); what an agent does not tell, or tells of something
else than this attempt, stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from teamflow.core.invocation import EngineEvent, Progress, Said, Spent
from teamflow.core.outcome import Usage
from teamflow.core.plan import Json

_LONGEST: Final = 4 << 20
"""Characters of a message that are kept: its end."""
_MOST_TOKENS: Final = 2**53
_MOST_USD: Final = 1e9
_LEAST_USD: Final = 1e-9
"""Sums of fractions differ by less."""

PROMPT: Final = "prompt"
"""Each answer to a prompt tells what that prompt used."""
SESSION: Final = "session"
"""Each tells what all prompts of the process have used."""
UNTOLD: Final = ""


class Messages:
    """`asides`: beginnings of pieces by which an agent says what its model did not."""

    def __init__(self, *, asides: tuple[str, ...] = ()) -> None:
        self.last = ""
        """The last whole message."""
        self.aside = ""
        """The last aside, where nothing was said after it."""
        self.alone = 0
        """Messages in a row of which nothing came: whoever sees something done, or tells it something, begins anew."""
        self._asides = asides
        self._id: Json = None
        self._told: Json = None
        self._parts: list[str] = []
        self._held = 0

    def chunk(self, update: Mapping[str, Json]) -> Iterator[EngineEvent]:
        content, id = update.get("content"), update.get("messageId")
        text = content.get("text") if isinstance(content, Mapping) and content.get("type") == "text" else None
        if not isinstance(text, str) or not text:
            return
        if self._asides and text.startswith(self._asides):
            yield from self.flush()
            self.aside = _end_of(text)
            yield Said(self.aside)
            return
        if self._parts and id != self._id:
            yield from self.flush()
        self._id = id
        self._parts.append(text)
        self._held += len(text)
        if self._held > 2 * _LONGEST:
            self._parts = [_end_of("".join(self._parts))]
            self._held = _LONGEST

    def flush(self) -> Iterator[EngineEvent]:
        """What was said is whole."""
        text = _end_of("".join(self._parts))
        self._parts, self._held = [], 0
        if not text.strip():
            return
        self.aside = ""
        goes_on = self._id is not None and self._id == self._told
        # Those without a name may be parts of one.
        self.alone += self._id is not None and not goes_on
        self.last, self._told = _end_of(self.last + text) if goes_on else text, self._id
        yield Said(text)


def _end_of(text: str) -> str:
    """The `…` is for people, and for who looks for what the cut may have left of a secret."""
    return text if len(text) <= _LONGEST else f"…{text[1 - _LONGEST :]}"


def progress(update: Mapping[str, Json]) -> Progress | None:
    """Of a plan; None: there is nothing in it."""
    entries = update.get("entries")
    known = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    if not known:
        return None
    done = sum(entry.get("status") == "completed" for entry in known)
    current = (entry.get("content") for entry in known if entry.get("status") == "in_progress")
    text = next((text for text in current if isinstance(text, str)), "")
    return Progress(round(100 * done / len(known), 1), text)


class Spending:
    """Figures of one attempt. `how` as above. `before`: US dollars that its session has cost before this attempt, where
    it tells prices of the session; None: not known, and so is that of the attempt. `priced` False: nobody has told it
    what its model costs."""

    def __init__(self, how: str, *, before: float | None, cached_apart: bool, priced: bool = True) -> None:
        self.usage: Usage | None = None
        self._how = how
        self._priced = priced
        self._before = before
        self._cached_apart = cached_apart
        self._tokens: tuple[int, int] | None = None

    def anew(self) -> None:
        """Its session is none that goes on."""
        self._before = 0.0

    def updated(self, update: Mapping[str, Json]) -> Iterator[EngineEvent]:
        """Of a `usage_update`: its price is that of all until now."""
        cost = update.get("cost")
        if self._before is None or not isinstance(cost, Mapping) or cost.get("currency", "USD") != "USD":
            return
        amount = _figure(cost.get("amount"))
        if amount is not None and self._priced and self._before <= amount + _LEAST_USD and amount <= _MOST_USD:
            spent = max(0.0, round(amount - self._before, 12))
            yield from self._set((self.usage or Usage())._replace(usd=spent))

    def answered(self, result: Mapping[str, Json]) -> Iterator[EngineEvent]:
        """Of the answer to a prompt."""
        found = _quota(result) if self._how == PROMPT else None
        found = found or _usage(result.get("usage"), cached_apart=self._cached_apart)
        if found is None or self._how == UNTOLD:
            return
        before = self._tokens if self._how == PROMPT and self._tokens is not None else (0, 0)
        self._tokens = (before[0] + found[0], before[1] + found[1])
        read, wrote = self._tokens
        yield from self._set((self.usage or Usage())._replace(input_tokens=read, output_tokens=wrote))

    def _set(self, usage: Usage) -> Iterator[EngineEvent]:
        if usage != self.usage:
            self.usage = usage
            yield Spent(usage)


def _usage(given: Json, *, cached_apart: bool) -> tuple[int, int] | None:
    """(read, written); what came from a cache or went into one was read, too, and is in the figure for some."""
    if not isinstance(given, Mapping):
        return None
    read, wrote = _figure(given.get("inputTokens")), _figure(given.get("outputTokens"))
    if read is None or wrote is None:
        return None
    keys = ("cachedReadTokens", "cachedWriteTokens") if cached_apart else ()
    cached = sum(_figure(given.get(key)) or 0 for key in keys)
    return _whole(read + cached), _whole(wrote)


def _quota(result: Mapping[str, Json]) -> tuple[int, int] | None:
    meta = result.get("_meta")
    quota = meta.get("quota") if isinstance(meta, Mapping) else None
    count = quota.get("token_count") if isinstance(quota, Mapping) else None
    if not isinstance(count, Mapping):
        return None
    read, wrote = _figure(count.get("input_tokens")), _figure(count.get("output_tokens"))
    return None if read is None or wrote is None else (_whole(read), _whole(wrote))


def _whole(figure: float) -> int:
    return int(min(figure, _MOST_TOKENS))


def _figure(value: Json) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None

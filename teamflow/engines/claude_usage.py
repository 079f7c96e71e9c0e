"""What an attempt of Claude Code has used so far.

`input_tokens` are all that its models have read, whatever the price: new ones, those that were written into the
provider's cache and those that came out of it, each once for every call. Sub-agents count. Between two results it is
counted by the calls, whose answers are only known by their beginning; a result has the figures of the whole process,
which begin at 0 with it, also where a session goes on: so they are those of the attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.outcome import Usage
from teamflow.core.plan import Json

_MOST: Final = 2**53
_MOST_USD: Final = 1e9
_READ: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_READ_IN_ALL: Final = ("inputTokens", "cacheCreationInputTokens", "cacheReadInputTokens")


class Counter:
    def __init__(self, *, priced: bool = True) -> None:
        """`priced` False: its list of prices knows nothing of the model."""
        self._priced = priced
        self._input = self._output = 0
        self._usd: float | None = None
        self._calls: dict[str, tuple[int, int]] = {}
        """Since the last result, by the id of the answer."""
        self._known = False

    @property
    def usage(self) -> Usage | None:
        """None: nothing is known."""
        return self.total if self._known else None

    @property
    def total(self) -> Usage:
        calls = self._calls.values()
        return Usage(
            self._input + sum(call[0] for call in calls), self._output + sum(call[1] for call in calls), self._usd
        )

    def asked(self, message: Mapping[str, Json]) -> bool:
        """One of the lines of an answer; whether it changes anything."""
        name, used = message.get("id"), message.get("usage")
        if not isinstance(name, str) or not isinstance(used, Mapping):
            return False
        call = (_sum(used, _READ), _sum(used, ("output_tokens",)))
        if self._calls.get(name) == call or call == (0, 0):
            return False
        self._calls[name] = call
        self._known = True
        return True

    def turned(self, result: Mapping[str, Json]) -> bool:
        """A result; whether it tells anything."""
        models, used = result.get("modelUsage"), result.get("usage")
        cost = result.get("total_cost_usd")
        told = [model for model in models.values() if isinstance(model, Mapping)] if isinstance(models, Mapping) else []
        if told:
            self._input = sum(_sum(model, _READ_IN_ALL) for model in told)
            self._output = sum(_sum(model, ("outputTokens",)) for model in told)
        elif isinstance(used, Mapping):
            self._input += _sum(used, _READ)
            self._output += _sum(used, ("output_tokens",))
        if isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost <= _MOST_USD:
            self._usd = float(cost) if self._priced else None
        elif not told and not isinstance(used, Mapping):
            return False
        self._calls.clear()
        self._known = True
        return True


def _sum(used: Mapping[str, Json], names: tuple[str, ...]) -> int:
    return sum(_count(used.get(name)) for name in names)


def _count(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST:
        return 0
    return int(value)

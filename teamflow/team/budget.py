"""What one render may cost: every turn of a loop and every value made is paid for from one budget.

Decides limits of work and size; knows nothing of Jinja2. Exhaustion raises OverBudget with the reason.
"""

from __future__ import annotations

import math
import operator as operators
from collections.abc import Callable, Iterable, Iterator, Mapping

from teamflow.core.plan import Json

_WORK = 500_000
_TURN = 10
_DEEPEST = 64
_INT_BITS = 64
_PLAIN: Mapping[str, Callable[[object, object], object]] = {
    "+": operators.add,
    "-": operators.sub,
    "*": operators.mul,
    "/": operators.truediv,
    "//": operators.floordiv,
    "%": operators.mod,
    "**": operators.pow,
}


class OverBudget(ValueError):
    """A template that would take too long or grow too large, or uses a value in a way that is not there."""


class Budget:
    """One render's allowance; `largest` bounds the size of any single value."""

    __slots__ = ("_largest", "_left")

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._left = _WORK

    def take(self, units: int) -> None:
        self._left -= units
        if self._left < 0:
            raise OverBudget("this template does too much work: loop over less, or build less text")

    def turns(self, values: Iterable[object]) -> Iterator[object]:
        for value in values:
            self.take(_TURN)
            yield value

    def collect(self, values: Iterable[object]) -> list[object]:
        """A generator's values as a list, paid for one by one."""
        return list(self.turns(values))

    def charge(self, value: object) -> object:
        """`value`, after its size has been checked and paid for."""
        if isinstance(value, str):
            self._fits(len(value))
            self.take(1 + len(value) // 64)
        elif isinstance(value, (list, tuple, dict)):
            self.take(1 + self._size(value))
        else:
            self._number(value)
            self.take(1)
        return value

    def settle(self, value: object) -> Json:
        """`value` as a plain one, to be handed out. Raises OverBudget for what is no plain value."""
        self.charge(value)
        return self._settle(value)

    def operate(self, sign: str, left: object, right: object) -> object:
        """`left sign right` for numbers, and `+` for two texts or lists, `*` for text times number."""
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        if numbers:
            self._bounded(sign, left, right)
        elif sign == "+" and (
            (isinstance(left, str) and isinstance(right, str)) or (isinstance(left, list) and isinstance(right, list))
        ):
            self._fits(len(left) + len(right))
        elif sign == "*" and isinstance(left, str) and isinstance(right, int):
            self._fits(len(left) * right)
        else:
            what = f"{type(left).__name__} {sign} {type(right).__name__}"
            raise OverBudget(f"there is no {what} here; join texts with ~, as in 'a' ~ b")
        return self.charge(_PLAIN[sign](left, right))

    def _bounded(self, sign: str, left: object, right: object) -> None:
        if sign != "**" or not isinstance(left, int) or not isinstance(right, int):
            return
        if abs(left) > 1 and math.log2(abs(left)) * right > _INT_BITS:
            raise OverBudget("this number does not fit into 64 bits")

    def _fits(self, size: int) -> None:
        if size > self._largest:
            raise OverBudget(f"a value here is larger than {self._largest} characters or entries")

    def _number(self, value: object) -> None:
        if isinstance(value, int) and value.bit_length() > _INT_BITS:
            raise OverBudget("this number does not fit into 64 bits")
        if isinstance(value, float) and not math.isfinite(value):
            raise OverBudget("this number is not finite")

    def _size(self, value: object) -> int:
        """Entries and characters in all of `value`, shared parts counted each time; stops when too many."""
        size = 0
        pending: list[tuple[object, int]] = [(value, 1)]
        while pending:
            item, depth = pending.pop()
            if depth > _DEEPEST:
                raise OverBudget("a value here is nested too deep")
            size += 1
            if isinstance(item, str):
                size += len(item) // 16
                self._fits(len(item))
            elif isinstance(item, dict):
                size += sum(len(str(key)) // 16 for key in item)
                pending.extend((part, depth + 1) for part in item.values())
            elif isinstance(item, (list, tuple)):
                pending.extend((part, depth + 1) for part in item)
            else:
                self._number(item)
            self._fits(size + len(pending))
        return size

    def _settle(self, value: object) -> Json:
        if value is None or isinstance(value, (str, bool, int, float)):
            return value if type(value) in _EXACT else str(value)
        if isinstance(value, dict):
            return {_key(key): self._settle(part) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._settle(part) for part in value]
        raise OverBudget("this is no plain value: name what you need of it")


_EXACT = frozenset((str, bool, int, float, type(None)))


def _key(key: object) -> str:
    if isinstance(key, str):
        return str(key)
    raise OverBudget("the keys of a map must be texts")

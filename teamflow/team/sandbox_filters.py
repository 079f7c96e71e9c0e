"""The filters that templates have, and what each may be given before it runs.

Decides the list and the checks of those that can make much out of little. Everything else is Jinja2's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Undefined

from teamflow.team.budget import Budget, OverBudget
from teamflow.team.template import to_text

ALLOWED = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "indent", "int", "items", "join",
    "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round",
    "select", "selectattr", "sort", "string", "sum", "title", "tojson", "trim", "truncate", "unique", "upper",
)  # fmt: skip
TESTS = (
    "boolean", "defined", "divisibleby", "eq", "equalto", "==", "even", "false", "float", "ge", ">=", "gt",
    "greaterthan", ">", "in", "integer", "iterable", "le", "<=", "lessthan", "lower", "lt", "<", "mapping", "ne",
    "!=", "none", "number", "odd", "sequence", "string", "true", "undefined", "upper",
)  # fmt: skip
_WIDEST = 10_000


def _sum(values: Any, start: int | float = 0) -> int | float:
    total = start
    for value in values:
        if not isinstance(value, (int, float)):
            raise OverBudget("sum adds numbers only")
        total += value
    return total


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _string(value: Any) -> str:
    return to_text(value)


OWN: Mapping[str, Callable[..., object]] = {"sum": _sum, "tojson": _json, "string": _string}


def check(name: str, value: object, args: tuple[Any, ...], kwargs: Mapping[str, Any], budget: Budget) -> None:
    """Pays for the arguments, and refuses those of which `name` would make too much."""
    if isinstance(value, Undefined) and name not in ("default", "d"):
        str(value)  # raises what is missing, which `first` or `list` would not
    for part in (value, *args, *kwargs.values()):
        if not isinstance(part, Undefined):
            budget.charge(part)
    match name:
        case "join":
            separator = args[0] if args else kwargs.get("d", "")
            budget.take(len(str(separator)) * len(value) // 16 if isinstance(value, (list, tuple, str, dict)) else 0)
            _fits(len(str(separator)) * _length(value), budget)
        case "replace":
            _fits(_length(value) * max(1, _length(args[1] if len(args) > 1 else kwargs.get("new", ""))), budget)
        case "indent":
            width = args[0] if args else kwargs.get("width", 4)
            _fits((_length(value) + 1) * (width if isinstance(width, int) else _length(width)), budget)
        case "truncate" | "round":
            if any(isinstance(part, int) and abs(part) > _WIDEST for part in (*args, *kwargs.values())):
                raise OverBudget(f"{name} takes numbers up to {_WIDEST}")
        case "list" | "reverse" | "sort" | "unique" | "map" | "select" | "reject":
            budget.take(_length(value))


def _length(value: object) -> int:
    return len(value) if isinstance(value, (str, list, tuple, dict)) else 1


def _fits(size: int, budget: Budget) -> None:
    """A bound on what comes out, from what goes in; generous, as the result itself is checked again."""
    if size > 16 * 2**20:
        raise OverBudget("this filter would make too long a text")
    budget.take(size // 64)

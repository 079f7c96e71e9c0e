"""The stored forms of a plan: plain tuples for the compiled-plan cache, JSON for the run database.

The plain form serves speed and lives only as long as this version: column by column, so that thousands of steps
are rebuilt without a loop over their fields. The JSON form names every field and leaves out empty ones: within a
format, fields are only added. Neither checks what a plan means; both refuse what they cannot read by
`PlanFormatError`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Final, Never, TypeAlias, cast

from teamflow.core.permissions import NO_MEANS
from teamflow.core.plan import Json, Plan, SecretSource, Step
from teamflow.plan.fields import (
    CHANGES,
    Change,
    engines_in,
    engines_out,
    hooks_in,
    hooks_out,
    limits_in,
    limits_made,
    limits_out,
    names_in,
    rows_out,
)

FORMAT: Final = 1

Row: TypeAlias = "tuple[object, ...]"
Column: TypeAlias = "tuple[bool, object]"
"""Whether every step has the same value, and then the value, else the values."""


class PlanFormatError(ValueError):
    """A stored plan that another version wrote, or that is damaged."""


# -- plain: columns ----------------------------------------------------------------------------------------------


def plan_to_plain(plan: Plan) -> Row:
    """The plan as exact tuples, lists, dicts and scalars: what `marshal` takes."""
    by_field = zip(*plan.steps, strict=True)
    columns = tuple(_column_out(name, values) for name, values in zip(Step._fields, by_field, strict=False))
    rest = {**plan._asdict(), "steps": (), "limits": limits_out(plan.limits), "secrets": rows_out(plan.secrets)}
    rest["hooks"] = hooks_out(plan.hooks)
    rest["engines"] = engines_out(plan.engines)
    return (FORMAT, len(plan.steps), columns, tuple(rest.values()))


def plan_from_plain(plain: object) -> Plan:
    """The inverse of `plan_to_plain`. Raises PlanFormatError."""
    match plain:
        case (int(version), int(count), tuple(columns), tuple(rest)) if version == FORMAT:
            pass
        case _:
            raise PlanFormatError("a compiled plan of another format")
    try:
        values = [_column_in(name, column, count=count) for name, column in zip(Step._fields, columns, strict=False)]
        plan = Plan._make(rest)
        return plan._replace(
            steps=tuple(map(Step._make, zip(*values, strict=False))),
            limits=limits_made(plan.limits),
            secrets=tuple(map(SecretSource._make, plan.secrets)),
            hooks=cast("Never", hooks_in(cast("Never", plan.hooks))),
            engines=cast("Never", engines_in(cast("Never", plan.engines))),
        )
    except (TypeError, ValueError, IndexError) as error:
        raise PlanFormatError(f"a damaged compiled plan: {error}") from error


def _column_out(name: str, values: Sequence[object]) -> Column:
    change = CHANGES.get(name, _PLAIN)[0]
    if _all_same(values):
        return (True, change(cast("Never", values[0])))
    return (False, tuple(_each(change, values)))


def _column_in(name: str, column: Column, *, count: int) -> Iterable[object]:
    same, stored = column
    values = cast("Sequence[object]", (stored,) if same else stored)
    if name in CHANGES:
        values = _each(CHANGES[name][1], values)
    return repeat(values[0], count) if same else values


def _each(change: Callable[[Never], object], values: Sequence[object]) -> list[object]:
    """`change` of each value; values that are one object stay one object, which saves most of the memory."""
    kept = {id(value): value for value in values}
    if len(kept) == len(values):
        return [change(cast("Never", value)) for value in values]
    changed = {key: change(cast("Never", value)) for key, value in kept.items()}
    return [changed[id(value)] for value in values]


def _all_same(values: Sequence[object]) -> bool:
    first = values[0]
    if not isinstance(first, (str, bool, int, float, type(None))):
        return all(value is first for value in values)
    return all(value is first or (type(value) is type(first) and value == first) for value in values)


def _same(value: object) -> object:
    return value


_PLAIN: Final[Change] = (_same, _same)


# -- JSON: named fields ------------------------------------------------------------------------------------------

_EMPTY: Final[Mapping[str, object]] = {
    **dict.fromkeys(Step._fields, None),
    **dict.fromkeys(("instructions", "workdir", "permissions", "key"), ""),
    **dict.fromkeys(("cache", "continue_on_error", "deferred", "skip_if_verified", "reworked", "escalates"), False),
    **dict.fromkeys(("edges", "env", "secrets", "inherit_env", "verify", "writes", "needs_text"), ()),
    **dict.fromkeys(("waits", "refers", "taken", "fallbacks"), ()),
    "text_used": False,
    "resolves": "",
    "means": NO_MEANS,
    "matrix": {},
    "level": 0,
}
"""What a step's field is when the stored form leaves it out."""

_PLAN_TUPLES: Final[Mapping[str, Callable[[Never], object]]] = {
    **dict.fromkeys(("env", "outputs", "waits"), rows_out),
    **dict.fromkeys(("env_files", "inherit_env", "critical_path", "empty"), names_in),
    "selected": lambda value: value if value is None else names_in(value),
    "secrets": lambda value: tuple(map(SecretSource._make, cast("list[list[str]]", value))),
    "limits": limits_in,
    "hooks": hooks_in,
    "engines": engines_in,
    "steps": lambda value: tuple(map(_step_in, cast("list[dict[str, object]]", value))),
}


def plan_to_json(plan: Plan) -> str:
    """One JSON object; empty fields of steps are left out."""
    return json.dumps(plan_object(plan), ensure_ascii=True, separators=(",", ":"))


def plan_from_json(text: str) -> Plan:
    """The inverse of `plan_to_json`. Raises PlanFormatError."""
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise PlanFormatError(f"a damaged plan: {error}") from error
    return plan_from_object(raw)


def plan_object(plan: Plan) -> dict[str, object]:
    """What `plan_to_json` writes, as plain data for `json`."""
    steps = [_step_out(step) for step in plan.steps]
    whole = {"format": FORMAT, **plan._asdict(), "steps": steps, "limits": plan.limits._asdict()}
    return {**whole, "hooks": hooks_out(plan.hooks), "engines": engines_out(plan.engines)}


def plan_from_object(raw: object) -> Plan:
    """The plan in what `json` has read of a stored one. Raises PlanFormatError."""
    try:
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            raise PlanFormatError("a plan in a format of another version")
        values: dict[str, Json] = {name: value for name, value in raw.items() if name != "format"}
        unknown = values.keys() - set(Plan._fields)
        if unknown:
            raise PlanFormatError(f"a plan with the unknown field {min(unknown)!r}: a newer teamflow wrote it")
        return Plan(**cast("dict[str, Never]", {name: _plan_value(name, value) for name, value in values.items()}))
    except PlanFormatError:
        raise
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise PlanFormatError(f"a damaged plan: {error}") from error


def _plan_value(name: str, value: Json) -> object:
    change = _PLAN_TUPLES.get(name)
    return change(cast("Never", value)) if change else value


def _step_out(step: Step) -> dict[str, object]:
    out: dict[str, object] = {}
    for name, value in zip(Step._fields, step, strict=True):
        empty = _EMPTY[name]
        if value is empty or (type(value) is type(empty) and value == empty):
            continue
        stored = CHANGES[name][0](cast("Never", value)) if name in CHANGES else value
        if stored is not None:
            out[name] = stored
    return out


def _step_in(raw: Mapping[str, object]) -> Step:
    unknown = raw.keys() - set(Step._fields)
    if unknown:
        raise PlanFormatError(f"a step with the unknown field {min(unknown)!r}: a newer teamflow wrote it")
    values: list[object] = []
    for name in Step._fields:
        if name not in raw:
            values.append(CHANGES[name][1](cast("Never", None)) if name == "outputs" else _EMPTY[name])
        else:
            values.append(CHANGES[name][1](cast("Never", raw[name])) if name in CHANGES else raw[name])
    return Step._make(cast("list[Never]", values))

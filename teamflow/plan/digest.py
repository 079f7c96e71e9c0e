"""The digest that names a plan: equal for plans that do the same, whatever the order of the file's keys.

Counts all that is run, shown or waited for. Does not count what follows from the rest (order, levels' ties, the
critical path), engines that no step has, nor the digests of the defining files: a comment in them changes no plan.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

from teamflow.core.permissions import Means
from teamflow.core.plan import EngineDefinition, Fallback, Limits, Plan, Step

_VERSION: Final = 1
_VARIANT: Final = EngineDefinition._fields.index("engine")
_ENGINES: Final = Plan._fields.index("engines")
_CUSTOM: Final = Step._fields.index("custom")
_ESCALATES: Final = Step._fields.index("escalates")
_SERVER: Final = Means._fields.index("base_url")
_FIRST_LIMITS: Final = Limits._fields.index("max_steps") + 1
_LIMITS: Final = Plan._fields.index("limits")


def plan_digest(plan: Plan) -> str:
    """64 hex digits over the canonical form of `plan`; its own `digest` does not count."""
    steps = sorted((_canonical(step) for step in plan.steps), key=lambda row: str(row[0]))
    whole = plan._replace(digest="", steps=(), files={}, critical_path=(), empty=tuple(sorted(plan.empty)))
    rest = whole._replace(
        env=tuple(sorted(plan.env)),
        secrets=tuple(sorted(plan.secrets)),
        outputs=tuple(sorted(plan.outputs)),
        selected=None if plan.selected is None else tuple(sorted(plan.selected)),
        waits=tuple(sorted(plan.waits)),
    )
    limits = (*rest.limits[:_FIRST_LIMITS], *_later(rest.limits, _FIRST_LIMITS))
    named = (*rest[:_LIMITS], limits, *rest[_LIMITS + 1 : _ENGINES], *rest[_ENGINES + 1 :])
    text = json.dumps([_VERSION, named, steps], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _canonical(step: Step) -> tuple[object, ...]:
    """The step with every list whose order means nothing sorted, names first."""
    row = step._replace(
        edges=tuple(sorted(step.edges)),
        env=tuple(sorted(step.env, key=lambda pair: pair[0])),
        secrets=tuple(sorted(step.secrets)),
        needs_text=tuple(sorted(step.needs_text)),
        refers=tuple(sorted(step.refers)),
        taken=tuple(sorted(step.taken)),
        waits=tuple(sorted(step.waits)),
    )
    # Fields that came later are left out where they say nothing, so that other plans keep the digests that they have.
    said = row[:_CUSTOM] if step.custom is None else (*row[:_CUSTOM], _defined(step.custom))
    last = (*(("escalates",) if step.escalates else ()), *_later(row, _ESCALATES + 1))
    return (*said, *row[_CUSTOM + 1 : _ESCALATES], *last)


def _later(row: Step | Limits, first: int) -> tuple[object, ...]:
    """(name, value) of the fields from `first` on that say something."""
    fields = zip(row._fields[first:], row[first:], strict=True)
    return tuple((name, _said(value)) for name, value in fields if value != row._field_defaults[name])


def _defined(custom: EngineDefinition | None) -> object:
    return custom if custom is None or custom.engine else custom[:_VARIANT]


def _said(value: object) -> object:
    if isinstance(value, tuple) and value and isinstance(value[0], Fallback):
        return [(engine, model, _defined(custom)) for engine, model, custom in value]
    return value[:_SERVER] if isinstance(value, Means) and not value.base_url else value

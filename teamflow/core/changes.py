"""The plan with what relaunches have made different: a pure function of the plan and of the changes.

A step that is worked on otherwise has another key, so that the cache tells the two apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from teamflow.core.plan import EngineDefinition, Json, Plan, Step

PROMPT: Final = "prompt"
ENGINE: Final = "engine"
MODEL: Final = "model"
TIMEOUT: Final = "timeout"
"""What can be different; its value is a text, of `timeout` seconds."""


def merged(before: Mapping[str, Json], made: Mapping[str, Json]) -> dict[str, Json]:
    """What is different after another relaunch. A model is one of its engine: another engine is asked for its own."""
    kept = {name: value for name, value in before.items() if name != MODEL or ENGINE not in made}
    return {**kept, **made}


def changed(plan: Plan, changes: Mapping[str, Mapping[str, Json]]) -> Plan:
    """`plan` with the changes, by step; those of steps that it does not have change nothing."""
    if not changes:
        return plan
    steps = tuple(_changed(step, changes[step.id], plan.engines) if step.id in changes else step for step in plan.steps)
    return plan._replace(steps=steps)


def _changed(step: Step, made: Mapping[str, Json], engines: Mapping[str, EngineDefinition]) -> Step:
    work = {name: value for name, value in made.items() if name != TIMEOUT}
    if work:
        told = json.dumps(work, ensure_ascii=False, sort_keys=True)
        step = step._replace(key=hashlib.sha256(f"{step.key}\0{told}".encode()).hexdigest())
    for name, value in made.items():
        match name, value:
            case "prompt", str():
                step = step._replace(prompt=value)
            case "engine", str():
                custom = engines.get(value)
                asks_for, inherited = (custom.asks_for, custom.inherit_env) if custom is not None else (None, ())
                step = step._replace(engine=value, model=asks_for, custom=custom, inherit_env=inherited, fallbacks=())
            case "timeout", int() | float():
                step = step._replace(timeout=float(value))
            case _:
                pass
    model = made.get(MODEL)
    return step._replace(model=model) if isinstance(model, str) else step

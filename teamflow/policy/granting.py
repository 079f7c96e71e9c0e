"""What a request is: who asks, what is recorded when it is granted, and which steps it means.

Pure. A refusal is a text: the fact, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from teamflow.core.capabilities import Capabilities
from teamflow.core.events import Event, Now
from teamflow.core.named import NamedTuple
from teamflow.core.state import RunState
from teamflow.plan.ripple import Rippled


class Granted(NamedTuple):
    """What is to be recorded, and what to say to whoever asked. `follow`: steps that are opened again because of it,
    later."""

    events: tuple[Event, ...]
    message: str
    follow: Rippled | None = None


class Asker(NamedTuple):
    """Who asks, of which run, when. `engines`: what those can do that no team file has to define."""

    by: str
    run: int
    now: Now
    engines: Mapping[str, Capabilities] = {}


Granting: TypeAlias = Callable[[RunState, Mapping[str, object], Asker], "Granted | str"]


class Meant(NamedTuple):
    """The steps that somebody names. `loose`: those that stand for an agent, of which some may be left out."""

    steps: tuple[str, ...]
    loose: frozenset[str]


def meant(state: RunState, names: object) -> Meant | str:
    """Steps by id, or all of an agent by its name; or why that is impossible."""
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return "the request is damaged: `steps` is a list of step ids"
    steps: dict[str, None] = {}
    loose: set[str] = set()
    for name in names:
        known = state.steps.get(name)
        if known is not None and known.step.expansion is None:
            steps[name] = None
            continue
        instances = [step_id for step_id, each in state.steps.items() if each.step.agent == name and step_id != name]
        if not instances and known is None:
            return f"there is no step {name}"
        if not instances:
            return f"{name} has no instances yet: they are known when what its matrix needs has ended"
        steps.update(dict.fromkeys(instances))
        loose.update(instances)
    return Meant(tuple(steps), frozenset(loose))


def chosen(state: RunState, names: object, refuse: Callable[[RunState, str], str]) -> tuple[str, ...] | str:
    """The named steps, of which each may be taken; of an agent those that may. `refuse`: why one may not be."""
    found = meant(state, names)
    if isinstance(found, str):
        return found
    taken: list[str] = []
    refused = ""
    for step_id in found.steps:
        why = refuse(state, step_id)
        if why and step_id not in found.loose:
            return why
        refused = refused or why
        if not why:
            taken.append(step_id)
    return tuple(taken) or refused


def named(step_ids: Collection[str]) -> str:
    """Steps in a sentence."""
    from teamflow.core.ids import listed

    return listed(list(step_ids))

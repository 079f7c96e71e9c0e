"""Checks of `on_conflict`: that it names an agent which can mend a merge, and that there is one to mend.

Decides what the file says; whether a step really has several commits to start from is for the planner.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from teamflow.team.check_team import shown
from teamflow.team.declared import KINDS
from teamflow.team.layers import Layers
from teamflow.team.model import Agent
from teamflow.team.scope import Scope
from teamflow.team.source import Path
from teamflow.team.where import is_alone

KEY: Final = "on_conflict"
_NOT_ITS: Final = {"matrix": "matrix", "loop": "loop", "depends_on": "depends_on", "if_": "if"}
"""Keys of a step's place in the plan: a resolver has that of the step for which it mends."""


def check_resolver(scope: Scope, name: str, path: Path, *, agent: Agent | None) -> None:
    """`agent`: whose key it is, None for that of a persona or of `defaults`."""
    path = (*path, KEY)
    other = scope.team.agents.get(name)
    if agent is not None and agent.start is not None:
        message = "an agent with start: never has no place in the plan, so there is nothing to merge for it"
        scope.error("key-without-meaning", message, path, hint="Remove it.", key=True)
    elif other is None:
        hint = scope.suggest(name, scope.team.agents)
        scope.error("unknown-agent", f'there is no agent "{shown(name)}" to mend a merge', path, hint=hint)
    elif ("agents", name) not in scope.damaged and not scope.is_damaged("personas"):
        for message, hint in _faults(scope, name, other):
            scope.error("bad-resolver", message, path, hint=hint)


def _faults(scope: Scope, name: str, other: Agent) -> Iterator[tuple[str, str]]:
    layers = Layers(scope.layers(other))
    if other.start is None:
        yield f'"{name}" is a step of its own, so it cannot mend merges for others', f"Add start: never to {name}."
        return
    work = layers.work_layer()
    if work is None:
        return
    kind = next(word for word in KINDS if word in work)
    if kind != "prompt":
        yield f'"{name}" is of kind {kind}, and only an agent with a prompt mends merges', f"Give {name} a prompt."
        return
    for key, said in _NOT_ITS.items():
        if scope.setting(other, key):
            yield f'"{name}" mends merges, so it cannot have {said}', f"It comes right before the step; remove {said}."
    if not is_alone(layers, prompt=True):
        hint = "Leave out permissions: read and mode: shared."
        yield f'"{name}" gets no worktree in which it may edit, so it cannot mend merges', hint

"""Which steps a command line selects: STEP…, --from, --until.

Decides closures over the agents' graph; a single instance can be selected, what it needs or what follows is
always whole agents, as all instances share their dependencies. Every criterion that is given narrows the choice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from teamflow.core.diagnostics import Diagnostics, did_you_mean
from teamflow.plan.graph import Dependencies, dependents, reachable
from teamflow.plan.instances import is_undecided


class Selection(NamedTuple):
    """Names of steps or agents. `steps` and `until`: these and what they need; `since`: these and what follows."""

    steps: tuple[str, ...] = ()
    since: tuple[str, ...] = ()
    until: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.steps or self.since or self.until)


class Choices(NamedTuple):
    """What can be selected. `instances`: agent → its step ids; `needs`: agent → agents that it depends on.

    `helpers` are agents that never start as a step.
    """

    instances: Mapping[str, Sequence[str]]
    needs: Dependencies
    helpers: Collection[str] = ()


def select(selection: Selection, choices: Choices, found: Diagnostics) -> frozenset[str]:
    """Ids of the selected steps, complete with what the selection takes along."""
    agents = {step_id: agent for agent, steps in choices.instances.items() for step_id in steps}
    chosen = frozenset(agents)
    criteria = (
        (selection.steps, choices.needs),
        (selection.until, choices.needs),
        (selection.since, dependents(choices.needs) if selection.since else {}),
    )
    for words, neighbours in criteria:
        if words:
            named = {step_id for word in words for step_id in _named(word, choices, agents, found)}
            chosen &= _closure(named, choices.instances, agents, neighbours)
    if not chosen and selection and not found.has_errors:
        found.error(
            "nothing-selected",
            "no step is left: what was named has no steps, or does not lie on one path",
            hint="a step before --until must also come after --from",
        )
    return chosen


def _closure(
    seeds: Collection[str],
    instances: Mapping[str, Sequence[str]],
    agents: Mapping[str, str],
    neighbours: Mapping[str, Sequence[str]],
) -> frozenset[str]:
    near = [name for agent in dict.fromkeys(agents[seed] for seed in seeds) for name in neighbours[agent]]
    return frozenset(seeds).union(*(instances[agent] for agent in reachable(near, neighbours)))


def _named(word: str, choices: Choices, agents: Mapping[str, str], found: Diagnostics) -> Sequence[str]:
    """The steps that a word names; none after a complaint."""
    if word in agents:
        return (word,)
    if word in choices.instances:
        return choices.instances[word]
    agent = word.partition("/")[0]
    if word in choices.helpers:
        found.error("unknown-step", f"{word} never starts as a step (start: never)", hint="select who starts it")
    elif any(map(is_undecided, choices.instances.get(agent, ()))):
        message = f'"{word}" cannot be selected: the steps of {agent} are known only during a run'
        found.error("unknown-step", message, hint=f"select {agent}")
    else:
        known = list(dict.fromkeys([*choices.instances, *agents]))
        listed = f"there are: {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"
        found.error("unknown-step", f'there is no step or agent "{word}"', hint=did_you_mean(word, known) or listed)
    return ()

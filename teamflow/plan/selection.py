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


def select(
    selection: Selection,
    instances: Mapping[str, Sequence[str]],
    needs: Dependencies,
    found: Diagnostics,
) -> frozenset[str]:
    """Ids of the selected steps. `instances`: agent → its step ids; `needs`: agent → agents it depends on."""
    ids = {step_id: agent for agent, steps in instances.items() for step_id in steps}
    chosen = frozenset(ids)
    if selection.steps:
        chosen &= _closure(_named(selection.steps, instances, ids, found), instances, ids, needs)
    if selection.until:
        chosen &= _closure(_named(selection.until, instances, ids, found), instances, ids, needs)
    if selection.since:
        chosen &= _closure(_named(selection.since, instances, ids, found), instances, ids, dependents(needs))
    if not chosen and ids and not found.has_errors:
        found.error(
            "nothing-selected",
            "no step is left: the steps that were named do not lie on one path",
            hint="a step before --until must also come after --from",
        )
    return chosen


def _closure(
    seeds: Collection[str],
    instances: Mapping[str, Sequence[str]],
    ids: Mapping[str, str],
    neighbours: Mapping[str, Sequence[str]],
) -> frozenset[str]:
    near = [agent for seed in seeds for agent in neighbours[ids[seed]]]
    return frozenset(seeds).union(*(instances[agent] for agent in reachable(near, neighbours)))


def _named(
    words: Sequence[str], instances: Mapping[str, Sequence[str]], ids: Mapping[str, str], found: Diagnostics
) -> set[str]:
    out: set[str] = set()
    for word in words:
        if word in ids:
            out.add(word)
        elif word in instances:
            out.update(instances[word])
        else:
            _unknown(word, instances, ids, found)
    return out


def _unknown(word: str, instances: Mapping[str, Sequence[str]], ids: Mapping[str, str], found: Diagnostics) -> None:
    agent = word.partition("/")[0]
    steps = instances.get(agent, ())
    if any(map(is_undecided, steps)):
        message = f'"{word}" cannot be selected: the steps of {agent} are known only during a run'
        found.error("unknown-step", message, hint=f"select {agent}")
        return
    known = [*instances, *ids]
    hint = did_you_mean(word, known) or f"there are: {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"
    found.error("unknown-step", f'there is no step or agent "{word}"', hint=hint)

"""Which steps a command line selects: STEP…, --from, --until.

Decides closures over the agents' graph. A single instance can be selected; what it needs or what follows is whole
agents, as all instances share their dependencies, but of an agent that is paired with its own only the instance of
the same name. Every criterion that is given narrows the choice. Instances that only a run can name are taken at their
word: the run says if there is none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain

from teamflow.core.diagnostics import Diagnostics, did_you_mean
from teamflow.core.ids import UNDECIDED, is_instance
from teamflow.core.named import NamedTuple
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

    `helpers` are agents that never start as a step; `pairs`: agent → the one whose instances its own are paired with.
    """

    instances: Mapping[str, Sequence[str]]
    needs: Dependencies
    helpers: Collection[str] = ()
    pairs: Mapping[str, str] = {}

    def is_late(self, agent: str) -> bool:
        """Whether only a run can name its instances."""
        return any(map(is_undecided, self.instances.get(agent, ())))

    def paired(self, one: str, other: str) -> bool:
        return self.pairs.get(one) == other or self.pairs.get(other) == one


class Selected(NamedTuple):
    """Ids of the selected steps; agent → names of its selected instances that only a run will know, where not all."""

    steps: frozenset[str]
    only: Mapping[str, tuple[str, ...]]


def select(selection: Selection, choices: Choices, found: Diagnostics) -> Selected:
    """The selected steps, complete with what the selection takes along."""
    every = frozenset(chain.from_iterable(choices.instances.values()))
    chosen = every
    criteria = (
        (selection.steps, choices.needs),
        (selection.until, choices.needs),
        (selection.since, dependents(choices.needs) if selection.since else {}),
    )
    for words, neighbours in criteria:
        if words:
            named = {step_id for word in words for step_id in _named(word, choices, every, found)}
            chosen = _both(chosen, _closure(named, choices, neighbours))
    if not chosen and selection and not found.has_errors:
        found.error(
            "nothing-selected",
            "no step is left: what was named has no steps, or does not lie on one path",
            hint="a step before --until must also come after --from",
        )
    return _selected(chosen, every)


def _closure(seeds: Collection[str], choices: Choices, neighbours: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """`seeds` and what `neighbours` leads to from them; of a late agent either `agent/?` or single instances."""
    chosen = set(seeds)
    whole: set[str] = set()
    todo = list(seeds)
    while todo:
        agent, _, name = todo.pop().partition("/")
        for near in neighbours[agent]:
            if not choices.paired(agent, near):
                whole.add(near)
            elif (own := f"{near}/{name}") not in chosen:
                chosen.add(own)
                todo.append(own)
    return frozenset(chosen).union(*(choices.instances[agent] for agent in reachable(whole, neighbours)))


def _both(some: Iterable[str], others: Collection[str]) -> frozenset[str]:
    """What is in both; `agent/?` stands for all that the agent will have."""
    some = frozenset(some)
    others = frozenset(others)
    return frozenset((*(one for one in some if _holds(others, one)), *(one for one in others if _holds(some, one))))


def _holds(steps: Collection[str], step_id: str) -> bool:
    return step_id in steps or f"{step_id.partition('/')[0]}/{UNDECIDED}" in steps


def _selected(chosen: Collection[str], every: Collection[str]) -> Selected:
    only: dict[str, list[str]] = {}
    for step_id in sorted(chosen):
        agent, _, name = step_id.partition("/")
        undecided = f"{agent}/{UNDECIDED}"
        if step_id not in every and undecided not in chosen:
            only.setdefault(agent, []).append(name)
    steps = {one if one in every else f"{one.partition('/')[0]}/{UNDECIDED}" for one in chosen}
    return Selected(frozenset(steps), {agent: tuple(names) for agent, names in only.items()})


def _named(word: str, choices: Choices, every: Collection[str], found: Diagnostics) -> Sequence[str]:
    """The steps that a word names; none after a complaint."""
    if word in every:
        return (word,)
    if word in choices.instances:
        return choices.instances[word]
    agent, _, name = word.partition("/")
    if choices.is_late(agent) and all(map(is_instance, name.split(","))):
        return (word,)
    if word in choices.helpers:
        found.error("unknown-step", f"{word} never starts as a step (start: never)", hint="select who starts it")
    else:
        known = list(dict.fromkeys([*choices.instances, *chain.from_iterable(choices.instances.values())]))
        listed = f"there are: {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"
        found.error("unknown-step", f'there is no step or agent "{word}"', hint=did_you_mean(word, known) or listed)
    return ()

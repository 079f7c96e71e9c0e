"""Agents whose steps get a step before them that mends what their dependencies left, where that does not merge.

Decides which: those with `on_conflict` and several commits to start from. Knows no commits: whether there is anything
to mend is found out by the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from teamflow.core.diagnostics import Diagnostics
from teamflow.core.ids import slug
from teamflow.core.plan import ASK
from teamflow.core.work import CLONE, DEPENDENCY, WORKTREE
from teamflow.plan.instances import is_undecided
from teamflow.plan.mending import resolver_id
from teamflow.plan.placing import Agents
from teamflow.plan.uses import needs
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import ResolvedAgent

_SEVERAL: Final = 2


def mended(
    agents: Agents, loaded: LoadedTeam, workspaces: Mapping[str, str], found: Diagnostics
) -> dict[str, ResolvedAgent]:
    """Agent → the one that mends for its steps. Complains about those that cannot be given one."""
    resolvers: dict[str, ResolvedAgent] = {}
    for name, agent in agents.settings.items():
        resolver = agents.others.get(agent.on_conflict or "")
        if resolver is None:
            continue
        if any(map(is_undecided, agents.instances[name])):
            message = f"only the run knows the instances of {name}, and merges for these cannot be mended yet"
            hint = "remove on_conflict, or let one step merge before them"
            found.error("late-resolver", message, loaded.value_span("agents", name, "on_conflict"), hint=hint)
        elif workspaces[name] in (WORKTREE, DEPENDENCY) and _starts_from_several(name, agents, workspaces):
            resolvers[name] = replace(resolver, startable=True)
    if resolvers:
        _check(resolvers, agents, loaded, found)
    return resolvers


def _starts_from_several(name: str, agents: Agents, workspaces: Mapping[str, str]) -> bool:
    """Whether more than one of the steps before may leave a commit. One that leaves nothing passes on what is before
    it, and so may one that need not succeed."""
    pairs, count, seen, pending = agents.pairs, 0, {name}, [name]
    while pending and count < _SEVERAL:
        at = pending.pop()
        for other, need in agents.needs[at].items():
            if need.only_matrix or workspaces[other] == CLONE:
                # What a clone leaves is of another repository, which is not the resolver's.
                continue
            leaves = workspaces[other] in (WORKTREE, DEPENDENCY) and agents.settings[other].kind != ASK
            if leaves:
                count += 1 if pairs.get(at) == other else _most(tuple(agents.instances[other]))
            if other not in seen and (not leaves or need.when != "succeeded"):
                seen.add(other)
                pending.append(other)
    return count >= _SEVERAL


def _most(step_ids: tuple[str, ...]) -> int:
    return _SEVERAL if any(map(is_undecided, step_ids)) else len(step_ids)


def _check(resolvers: Mapping[str, ResolvedAgent], agents: Agents, loaded: LoadedTeam, found: Diagnostics) -> None:
    taken = {slug(step_id).casefold(): step_id for ids in agents.instances.values() for step_id in ids}
    for name, resolver in resolvers.items():
        span = loaded.value_span("agents", name, "on_conflict")
        wanted = next(iter(needs(resolver, agents.settings)), None)
        if wanted is not None:
            message = f"{resolver.name} names results of {wanted}, and it may mend merges before there are any"
            found.error("bad-resolver", message, span, hint="it is told the files, and the steps on both sides")
        for step_id in agents.instances[name]:
            own = resolver_id(step_id, resolver.name)
            other = taken.setdefault(slug(own).casefold(), own)
            if other != own:
                message = f"{other} and {own} would share the directory name {slug(own)}"
                found.error("same-slug", message, span, hint="rename one of them, without -- in it")

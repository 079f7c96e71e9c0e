"""What a run of a plan would do, step by step, with the reason of each: the value that `plan` shows.

Decides actions from the plan, from what the cache knows (probes are an argument) and from what an earlier run left
(`plan/converge.py`). An action is only claimed where it is certain; else it is `undecided`, with what decides it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from teamflow.core.added import visible_edges
from teamflow.core.named import NamedTuple
from teamflow.core.plan import APART, ASK, Edge, Plan, Step
from teamflow.plan.converge import Converged

RUN: Final = "run"
CACHED: Final = "cached"
SKIP: Final = "skip"
ASKS: Final = "ask"
UNDECIDED: Final = "undecided"


class Probe(NamedTuple):
    """What a look into the cache gave for a step whose key is known: a hit or not, and why."""

    hit: bool
    reason: str


class Action(NamedTuple):
    """`kind`: run | cached | skip | ask | undecided. `again`: the step has run before in this run."""

    kind: str
    reason: str
    again: bool = False
    own: bool = False
    """Skipped by its own `if`, which a dependent that wants `passed` accepts."""


class Line(NamedTuple):
    """One step of the preview."""

    step: Step
    action: Action


class Preview(NamedTuple):
    """What `plan` prints. Of a step that a run has expanded there are its instances, as if they had been planned.

    `most_steps` None: nothing bounds what a run may add, neither `limits.max_steps` nor `maxItems` of an output.
    """

    plan: Plan
    lines: tuple[Line, ...]
    levels: tuple[tuple[str, ...], ...]
    most_steps: int | None
    critical_path: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What to know besides, for people: sentences."""

    @property
    def edges(self) -> Iterable[tuple[str, str]]:
        """(dependency, dependent) for every edge."""
        return ((edge.on, line.step.id) for line in self.lines for edge in line.step.edges)

    def counts(self) -> dict[str, int]:
        """Action → how many steps."""
        found: dict[str, int] = {}
        for line in self.lines:
            found[line.action.kind] = found.get(line.action.kind, 0) + 1
        return found

    @property
    def has_work(self) -> bool:
        """Whether a run would do anything: what `--detailed-exitcode` tells."""
        return any(line.action.kind not in (CACHED, SKIP) for line in self.lines)


def preview(
    plan: Plan,
    *,
    probes: Mapping[str, Probe] | None = None,
    converged: Converged | None = None,
    expanded: Collection[str] = (),
) -> Preview:
    """The preview of `plan`, with what a run has added. `probes`: steps whose key could be looked up; `converged`: when
    a run goes on; `expanded`: steps whose instances are certain already."""
    actions: dict[str, Action] = {}
    known = _Known(probes or {}, converged, actions, expanded)
    for step in plan.steps:
        actions[step.id] = _action(step, known)
    first: dict[str, str] = {}
    for step in plan.steps:
        if step.parent is not None:
            first.setdefault(step.parent, step.id)
    hidden = {parent for parent in first if actions[parent].kind == CACHED}
    steps = plan.by_id()
    shown = [step._replace(edges=visible_edges(step, steps, hidden)) for step in plan.steps if step.id not in hidden]
    levels: list[list[str]] = [[] for _ in range(1 + max((step.level for step in shown), default=-1))]
    for step in shown:
        levels[step.level].append(step.id)
    return Preview(
        plan,
        tuple(Line(step, actions[step.id]) for step in shown),
        tuple(map(tuple, levels)),
        _most_steps(plan, hidden),
        tuple(first[step_id] if step_id in hidden else step_id for step_id in plan.critical_path),
    )


def _most_steps(plan: Plan, known: Collection[str]) -> int | None:
    """`known`: steps whose instances are what they will be."""
    certain = sum(1 for step in plan.steps if step.expansion is None and step.parent is None)
    there = sum(1 for step in plan.steps if step.parent in known)
    open_ones = [step.expansion.most for step in plan.steps if step.expansion is not None and step.id not in known]
    limit = plan.limits.max_steps
    if None not in open_ones:
        added = there + sum(most for most in open_ones if most is not None)
        return certain + (added if limit is None else max(there, min(added, limit)))
    return None if limit is None else certain + max(there, limit)


class _Known(NamedTuple):
    probes: Mapping[str, Probe]
    converged: Converged | None
    actions: Mapping[str, Action]
    expanded: Collection[str]


def _action(step: Step, known: _Known) -> Action:
    action = _own_action(step, known)
    if step.parent is None or known.actions[step.parent].kind == CACHED:
        return action
    return Action(UNDECIDED, f"if {step.parent} gives it again: {action.reason}", action.again)


def _own_action(step: Step, known: _Known) -> Action:
    again, reason = _earlier(step, known.converged)
    if step.skip is not None:
        return Action(SKIP, step.skip, own=True)
    if step.id in known.expanded:
        return Action(CACHED, "its instances are known")
    if known.converged is not None and step.id in known.converged.running:
        return Action(RUN, "was started before, and goes on")
    settled = _follows(step, known) or _left(step, known.converged) or _broken(step, known.actions)
    if settled is not None:
        return settled
    probe = known.probes.get(step.id)
    if probe is not None and probe.hit:
        return Action(CACHED, probe.reason)
    waits = _undecided(step, known)
    if waits is not None:
        return Action(UNDECIDED, waits, again)
    if step.kind == ASK:
        return Action(ASKS, reason or _first_reason(step), again)
    told = reason or (probe.reason if probe else "") or _first_reason(step)
    return Action(RUN, f"{told}; only if its verify fails" if step.skip_if_verified and not again else told, again)


def _earlier(step: Step, converged: Converged | None) -> tuple[bool, str]:
    """Whether the step is opened again, and why."""
    for opened in (converged.retry, converged.revision, converged.resume) if converged else ():
        if step.id in opened:
            return True, opened[step.id]
    return False, ""


def _follows(step: Step, known: _Known) -> Action | None:
    """Of a step that has ended: what a dependency that runs again does to it."""
    after = known.converged.ripple.get(step.id, ()) if known.converged is not None else ()
    before = {on: known.actions[on].kind for on in after if on in known.actions}
    runs = next((on for on, kind in before.items() if kind in (RUN, ASKS)), None)
    if runs is not None and known.converged is not None and step.id in known.converged.stays:
        return Action(RUN, f"{runs} runs again", again=True)
    return None


def _left(step: Step, converged: Converged | None) -> Action | None:
    """What a step that is not opened again counts as."""
    if converged is None:
        return None
    if step.id in converged.stays:
        return Action(CACHED, converged.stays[step.id])
    if step.id in converged.skipped:
        return Action(SKIP, converged.skipped[step.id], own=True)
    if step.id in converged.paused:
        return Action(UNDECIDED, f"stays paused: {converged.paused[step.id]}")
    if step.id in converged.asks:
        return Action(ASKS, converged.asks[step.id])
    return None


def _broken(step: Step, actions: Mapping[str, Action]) -> Action | None:
    """The skip that follows from a dependency whose end is certain and does not hold."""
    for edge in step.edges:
        before = actions.get(edge.on)
        if before is not None and not _may_hold(edge, before):
            return Action(SKIP, f"{edge.on} {_ended(before)}, and {edge.when} is wanted")
    return None


def _may_hold(edge: Edge, before: Action) -> bool:
    match before.kind:
        case "skip":
            return edge.when in ("finished", APART) or (edge.when == "passed" and before.own)
        case "cached":
            return edge.when != "failed"
        case _:
            return True


def _ended(before: Action) -> str:
    return "is skipped" if before.kind == SKIP else "has succeeded"


def _undecided(step: Step, known: _Known) -> str | None:
    """What decides whether the step runs, when that is not certain."""
    if step.expansion is not None:
        only = f"; {', '.join(step.expansion.only)} of them" if step.expansion.only is not None else ""
        return f"its instances are known {_once(step.counted_edges, known.actions)}{only}"
    if step.condition is not None:
        return f"if: {step.condition}, known {_once(step.edges, known.actions)}"
    fails = [edge.on for edge in step.edges if edge.when == "failed"]
    if fails:
        return f"runs only if {fails[0]} fails"
    if step.cache and step.id not in known.probes and step.edges:
        return f"its key is known {_once(step.edges, known.actions)}"
    return None


def _once(edges: Iterable[Edge], actions: Mapping[str, Action]) -> str:
    names = [edge.on for edge in edges]
    names = [name for name in names if name not in actions or actions[name].kind not in (CACHED, SKIP)] or names
    more = f" and {len(names) - 1} more have" if len(names) > 1 else " has"
    return f"once {names[0]}{more} ended" if names else "during the run"


def _first_reason(step: Step) -> str:
    if step.resolves:
        return f"mends the merge for {step.resolves}, if there is anything to mend"
    if step.taken:
        return f"takes {_listed(step.taken)} as the newest run left it"
    return f"after {_listed([edge.on for edge in step.edges])}" if step.edges else "first"


def _listed(names: Iterable[str]) -> str:
    listed = list(dict.fromkeys(names))
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")

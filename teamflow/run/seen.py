"""The run as a look at the cache sees it: what is known of each step, in which order, and what is handed over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from teamflow.core.named import NamedTuple
from teamflow.core.plan import APART, Edge, Step
from teamflow.core.state import RunState, StepState
from teamflow.core.status import ENDED, Status
from teamflow.run.kept import Entry


class Seen(NamedTuple):
    """The run when a look began: another thread may give the state other indexes meanwhile."""

    steps: Mapping[str, StepState]
    dependents: Mapping[str, Sequence[Edge]]


def handed_by(known: StepState) -> Entry:
    """What an ended step hands on."""
    return Entry(known.text, known.outputs, known.artifacts, None, known.left)


def levels(state: RunState) -> Iterable[list[Step]]:
    level: list[Step] = []
    ordered = sorted(state.plan.steps, key=lambda step: step.level)
    for step in ordered:
        if level and step.level != level[0].level:
            yield level
            level = []
        level.append(step)
    if level:
        yield level


def upstream_of(step: Step, seen: Seen, handed: Mapping[str, Entry]) -> dict[str, Entry] | None:
    """What a step is handed by those that are done, or are found in this look (`handed`); None while there are others,
    or where it waits for a failure."""
    upstream: dict[str, Entry] = {}
    for edge in step.edges:
        dependency = seen.steps[edge.on]
        if edge.when == APART:
            if edge.on not in handed and dependency.status not in ENDED:
                return None
        elif edge.on in handed and edge.when != "failed":
            upstream[edge.on] = handed[edge.on]
        elif dependency.status not in (Status.SUCCEEDED, Status.CACHED) or edge.when == "failed":
            return None
        elif dependency.step.expansion is None:
            upstream[edge.on] = handed_by(dependency)
    return upstream

"""What can be said of a team's graph before anything is planned: what needs what, and its cycles.

Apart from `planner.py` because `validate` wants no more than this, and what it imports is most of what it costs.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from teamflow.core.diagnostics import Diagnostics
from teamflow.plan.cycles import report_cycles
from teamflow.plan.loops import report_loops
from teamflow.plan.uses import Need, needs
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import ResolvedAgent


def check_graph(loaded: LoadedTeam) -> Diagnostics:
    """What is wrong with the graph whatever the inputs: its cycles, and loops that rework what is not before them."""
    found = Diagnostics()
    with collector_at_rest():
        settings = {name: agent for name, agent in loaded.resolved.items() if agent.startable}
        needed = needs_of(settings)
        report_cycles(needed, loaded, found)
        report_loops(needed, settings, loaded, found)
    return found


def needs_of(settings: Mapping[str, ResolvedAgent]) -> dict[str, Mapping[str, Need]]:
    """Agent → what it needs of which other."""
    return {name: needs(agent, settings) for name, agent in settings.items()}


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """A plan is nothing but tuples that live on: collecting meanwhile costs as much as planning."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

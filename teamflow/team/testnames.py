"""Whether what a case of a test file names is there: steps and agents of its team. Pure; plays nothing.

Of steps that only a run makes (a matrix, sub-agents) the agent is all that is known.
"""

from __future__ import annotations

from collections.abc import Iterator

from teamflow.core.diagnostics import Diagnostics, did_you_mean
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import PromptWork
from teamflow.team.source import Path, Source
from teamflow.team.testfile import Case

_PLAYED = ("agents", "faults")


def check_names(name: str, case: Case, team: LoadedTeam, source: Source, found: Diagnostics) -> None:
    """Complains about every name in `case` that the team does not have, and about what cannot be played."""
    for step, path, is_key in _names(case, ("cases", name)):
        span = source.key_span(path) if is_key else source.value_span(path)
        agent = step.partition("/")[0]
        if agent not in team.team.agents:
            hint = did_you_mean(agent, team.team.agents)
            found.error("unknown-agent", f'{team.file} has no agent "{agent}"', span, hint=hint)
        elif path[2] in _PLAYED and not isinstance(team.resolved[agent].work, PromptWork):
            hint = "Commands run, and people are given answers." if path[2] == "agents" else None
            found.error("wrong-value", f'"{agent}" is no agent with a prompt: nothing is played of it', span, hint=hint)


def _names(case: Case, at: Path) -> Iterator[tuple[str, Path, bool]]:
    """Every step that is named: where, and whether a key names it."""
    for index, step in enumerate(case.steps or ()):
        yield step, (*at, "steps", index), False
    for key in ("agents", "faults", "answers"):
        for step in getattr(case, key) or ():
            yield step, (*at, key, step), True
    for key in ("steps", "attempts", "outputs", "text"):
        for step in getattr(case.expect, key) or ():
            yield step, (*at, "expect", key, step), True
    for index, step in enumerate(case.expect.skipped or ()):
        yield step, (*at, "expect", "skipped", index), False
    for index, stop in enumerate(case.expect.route or ()):
        if isinstance(stop, str):
            yield stop, (*at, "expect", "route", index), False
        else:
            yield from ((step, (*at, "expect", "route", index, inner), False) for inner, step in enumerate(stop))

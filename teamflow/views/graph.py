"""The graph of a plan as a tree of text: each step once, below the dependency that is ready last.

Decides how a graph that is no tree is shown as one: further dependencies are named behind the step, instances of
one agent are cut short, and indentation stops where the terminal ends. No recursion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from teamflow.core.plan import Step
from teamflow.plan.explain import Line, Preview
from teamflow.views.sanitize import cell
from teamflow.views.width import fit
from teamflow.views.words import names

_MOST: Final = 6
"""Instances of one agent that are shown below one step."""
_NAMED: Final = 3
_ROOM: Final = 30
"""Columns that a step's own line keeps: deeper steps are shown at the same indentation, with their depth."""
_USUAL: Final = 160
"""Columns by which that is so where no line is cut."""


def tree(preview: Preview, symbol: Callable[[Line], str], *, columns: int | None) -> Iterator[str]:
    """The lines of the tree, each at most `columns` wide; None: none is cut."""
    lines = {line.step.id: line for line in preview.lines}
    below = _children([line.step for line in preview.lines])
    deepest = max(1, ((columns or _USUAL) - _ROOM) // 3)
    stack: list[tuple[str, str, bool, int, str]] = _entries(below[""], lines, prefix="", depth=0)
    while stack:
        step_id, prefix, last, depth, more = stack.pop()
        branch = "" if depth == 0 else "└─ " if last else "├─ "
        if more:
            yield fit(f"{prefix}{branch}{more}", columns)
            continue
        line = lines[step_id]
        note = f"[{depth}] " if depth > deepest else ""
        yield fit(f"{prefix}{branch}{note}{symbol(line)} {cell(step_id)}{_also(line.step, lines)}", columns)
        inner = prefix if depth == 0 or depth > deepest else prefix + ("   " if last else "│  ")
        stack += _entries(below.get(step_id, ()), lines, prefix=inner, depth=depth + 1)


def _children(steps: Sequence[Step]) -> Mapping[str, Sequence[str]]:
    """Step → the steps shown below it; `""` holds the roots."""
    levels = {step.id: step.level for step in steps}
    below: dict[str, list[str]] = {"": []}
    for step in steps:
        below.setdefault(_parent(step, levels), []).append(step.id)
    return below


def _parent(step: Step, levels: Mapping[str, int]) -> str:
    for edge in step.edges:
        if levels[edge.on] == step.level - 1 or edge.on == step.parent:
            return edge.on
    return ""


def _entries(
    ids: Sequence[str], lines: Mapping[str, Line], *, prefix: str, depth: int
) -> list[tuple[str, str, bool, int, str]]:
    """(id, prefix, whether it is the last, depth, text in place of a step), last one first: it goes on a stack."""
    shown: list[tuple[str, str]] = []
    counts: dict[str, int] = {}
    for step_id in ids:
        agent = lines[step_id].step.agent
        counts[agent] = counts.get(agent, 0) + 1
        if counts[agent] <= _MOST:
            shown.append((step_id, ""))
    shown += [("", f"… {count - _MOST} more of {agent}") for agent, count in counts.items() if count > _MOST]
    entries = [(step_id, prefix, index == len(shown) - 1, depth, more) for index, (step_id, more) in enumerate(shown)]
    return entries[::-1]


def _also(step: Step, lines: Mapping[str, Line]) -> str:
    """The dependencies that the tree does not show."""
    levels = {edge.on: lines[edge.on].step.level for edge in step.edges}
    parent = _parent(step, levels)
    others = [edge.on if edge.when == "succeeded" else f"{edge.on} {edge.when}" for edge in step.edges]
    shown = [other for edge, other in zip(step.edges, others, strict=True) if edge.on != parent]
    return f"  (also after {names(shown, most=_NAMED)})" if shown else ""

"""A plan as people and programs read it: the table of what would run and why, its summary, its JSON.

Decides columns, symbols and order; no colour carries meaning. What would run is decided in `plan/explain.py`. The
tree is in `views/graph.py`, pictures for other programs are in `views/diagram.py`.
"""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from teamflow.core.plan import Command, Deferred, Json, Step
from teamflow.core.shell import excerpt, shown
from teamflow.core.spending import caps_words
from teamflow.core.work import DEPENDENCY, PROJECT
from teamflow.plan.explain import Line, Preview
from teamflow.plan.words import grants_object, team_in_words
from teamflow.views.ascii import plain
from teamflow.views.graph import tree
from teamflow.views.sanitize import cell
from teamflow.views.width import fit, pad, width
from teamflow.views.words import duration, names, plural

SCHEMA_VERSION: Final = 1

SYMBOLS: Final[Mapping[str, str]] = {"run": "+", "cached": "=", "skip": "-", "ask": "!", "undecided": "?"}
AGAIN: Final = "~"

_WORDS: Final[Mapping[str, str]] = {
    "run": "to run",
    "again": "to run again",
    "cached": "unchanged",
    "skip": "skipped",
    "ask": "ask",
    "undecided": "known later",
}
_HEADS: Final = ("step", "engine", "target", "workspace", "may")
_WIDEST: Final = (40, 24, 16, 12, 32)
_LONGEST: Final = 80
"""Columns to which one is filled up where nothing is cut."""
_REASON: Final = 24
"""Columns that the reason keeps; where the table leaves less, columns go from the right."""
_USUAL: Final = 160
"""Columns at which sentences are wrapped where nothing is cut."""
_PATH: Final = 8
_KEYS: Final = 12


def symbol(line: Line) -> str:
    """One character for what would happen to a step."""
    action = line.action
    return AGAIN if action.again and action.kind == "run" else SYMBOLS[action.kind]


def word(line: Line) -> str:
    """The same in words: `to run`, `unchanged`."""
    return _WORDS["again" if symbol(line) == AGAIN else line.action.kind]


def counted(preview: Preview) -> str:
    """`4 steps: 3 to run, 1 unchanged`."""
    return f"{plural(len(preview.lines), 'step')}: {_counts(preview)}" if preview.lines else "no steps"


def engine_of(step: Step) -> str:
    """`command`, `claude/opus`, `claude, else codex`."""
    chain = ((step.engine, step.model), *((other.engine, other.model) for other in step.fallbacks))
    return ", else ".join(f"{engine}/{model}" if model else engine for engine, model in chain)


def fallbacks_object(step: Step) -> list[Json]:
    servers = zip(step.fallbacks, step.base_urls[1:], strict=True)
    return [{"engine": other.engine, "model": other.model, "base_url": url or None} for other, url in servers]


def plan_text(preview: Preview, *, columns: int | None, ascii_only: bool = False, graph: bool = True) -> str:
    """Table, tree and summary, each line at most `columns` wide (None: nothing is cut), without a last newline."""
    parts = ["\n".join(_table(preview.lines, columns))] if preview.lines else []
    if graph and any(line.step.edges for line in preview.lines):
        parts.append("\n".join(tree(preview, symbol, columns=columns)))
    parts.append("\n".join(_summary(preview, columns)))
    text = "\n\n".join(parts)
    return plain(text) if ascii_only else text


# -- the table ---------------------------------------------------------------------------------------------------


def _table(lines: Sequence[Line], columns: int | None) -> Iterator[str]:
    left = {line.step.id: line.step.agent for line in lines if line.step.workspace != PROJECT}
    rows = [_cells(line.step, left) for line in lines]
    shown = _shown_columns(rows, columns)
    yield fit("  " + "  ".join(pad(_HEADS[index], size) for index, size in shown) + "  why", columns).rstrip()
    for line, row in zip(lines, rows, strict=True):
        cells = "  ".join(pad(row[index] if columns is None else fit(row[index], size), size) for index, size in shown)
        yield fit(f"{symbol(line)} {cells}  {cell(_why(line))}", columns).rstrip()


def _why(line: Line) -> str:
    step = line.step
    if line.action.kind != "ask" or step.ask is None or step.timeout is None:
        return line.action.reason
    default = f", else {step.ask.default}" if step.ask.default is not None else ""
    within = duration(step.timeout).removesuffix(" 00s").removesuffix(" 00m").removesuffix(" 00h")
    return f"{line.action.reason}; answer within {within}{default}"


def _shown_columns(rows: Sequence[tuple[str, ...]], columns: int | None) -> list[tuple[int, int]]:
    """(column, its width) of those that hold anything and leave room for the reason; the step is always there."""
    widest = _WIDEST if columns is not None else (_LONGEST,) * len(_HEADS)
    sizes = [
        max(width(head), *(min(width(row[index]), widest[index]) for row in rows)) for index, head in enumerate(_HEADS)
    ]
    used = [index for index in range(len(_HEADS)) if index == 0 or any(row[index] for row in rows)]
    if columns is None:
        return [(index, sizes[index]) for index in used]
    while len(used) > 1 and sum(sizes[index] + 2 for index in used) + 2 + _REASON > columns:
        used.pop()
    sizes[0] = max(8, min(sizes[0], columns - _REASON))
    return [(index, sizes[index]) for index in used]


def _cells(step: Step, left: Mapping[str, str]) -> tuple[str, ...]:
    """`left`: the steps that leave something, with their agents."""
    return tuple(map(cell, (step.id, engine_of(step), step.target, _workspace(step, left), step.permissions)))


def _workspace(step: Step, left: Mapping[str, str]) -> str:
    """`of build`, where it works in what one agent has left."""
    if step.workspace != DEPENDENCY or step.taken:
        return step.workspace
    agents = {left[on] for on in step.dependencies if on in left} - {step.agent}
    return f"of {min(agents)}" if len(agents) == 1 else step.workspace


# -- the summary -------------------------------------------------------------------------------------------------


def _summary(preview: Preview, columns: int | None) -> Iterator[str]:
    wrapped = max(20, columns or _USUAL)
    yield fit(counted(preview), columns)
    if preview.critical_path:
        path = preview.critical_path
        shown = path if len(path) <= _PATH else (*path[: _PATH // 2], "…", *path[-_PATH // 2 :])
        yield fit(f"{plural(len(preview.levels), 'level')}, longest path {len(path)}: {' → '.join(shown)}", columns)
    for line in _loops(preview):
        yield fit(line, columns)
    most = preview.most_steps
    if most is None:
        yield fit("the run may add steps without a limit: set limits.max_steps, or maxItems of the output", columns)
    elif most > len(preview.lines):
        yield fit(f"at most {plural(most, 'step')} with those that the run adds", columns)
    if (budgets := _budgets(preview)) != "":
        yield from textwrap.wrap(cell(budgets), wrapped, subsequent_indent="  ")
    if (may := team_in_words(preview.plan.steps)) != "":
        yield from textwrap.wrap(cell(may), wrapped, subsequent_indent="  ")
    if preview.plan.hooks:
        words = "hooks: " + "; ".join(f"{event} runs {_hook_words(command)}" for event, command in preview.plan.hooks)
        yield from textwrap.wrap(cell(words), wrapped, subsequent_indent="  ")
    for note in preview.notes:
        yield from textwrap.wrap(cell(note), wrapped, subsequent_indent="  ")
    for area, keys in _waiting(preview).items():
        words = f"not in this version yet: {area} ({names(keys, most=_KEYS)})"
        yield from textwrap.wrap(words, wrapped, subsequent_indent="  ")


def _loops(preview: Preview) -> Iterator[str]:
    found = {line.step.agent: line.step.loop for line in preview.lines}
    for agent, loop in found.items():
        if loop is not None:
            rounds = plural(loop.max, "round")
            yield cell(f"{agent} goes back to {loop.rework}, at most {rounds} in all, until {loop.until}")


def _budgets(preview: Preview) -> str:
    """`budget: $15.00 for the run, $60.00 a day, $3.00 for each step of build`; empty where there is none."""
    limits = preview.plan.limits
    given = [(caps_words(limits.budget), "for the run"), (caps_words(limits.day), "a day")]
    own = {line.step.agent: line.step.budget for line in preview.lines if line.step.budget is not None}
    given += [(caps_words(caps), f"for each step of {agent}") for agent, caps in own.items()]
    told = [f"{words} {scope}" for words, scope in given if words]
    return f"budget: {', '.join(told)}" if told else ""


def _hook_words(command: Command) -> str:
    if command.shell is not None:
        return excerpt(command.shell)
    return excerpt(shown([word.template if isinstance(word, Deferred) else word for word in command.argv]))


def _counts(preview: Preview) -> str:
    found = Counter(map(word, preview.lines))
    return ", ".join(f"{found[told]} {told}" for told in _WORDS.values() if told in found)


def _waiting(preview: Preview) -> dict[str, list[str]]:
    """Area → the keys that wait for it: those of the run, and `key of agent`."""
    found: dict[str, dict[str, None]] = {}
    for key, area in preview.plan.waits:
        found.setdefault(area, {})[key] = None
    for line in preview.lines:
        for key, area in line.step.waits:
            found.setdefault(area, {})[f"{key} of {line.step.agent}"] = None
    return {area: list(keys) for area, keys in found.items()}


# -- JSON --------------------------------------------------------------------------------------------------------


def plan_object(preview: Preview) -> dict[str, Json]:
    """The object of `plan --json`, as documented."""
    plan = preview.plan
    return {
        "schema_version": SCHEMA_VERSION,
        "team": plan.team,
        "digest": plan.digest,
        "steps": [_step_object(line) for line in preview.lines],
        "levels": [list(level) for level in preview.levels],
        "critical_path": list(preview.critical_path),
        "edges": [list(edge) for edge in preview.edges],
        "most_steps": preview.most_steps,
        "notes": list(preview.notes),
    }


def plan_json(preview: Preview) -> str:
    """`plan_object` as text, without a last newline."""
    return json.dumps(plan_object(preview), indent=2, ensure_ascii=False)


def _step_object(line: Line) -> dict[str, Json]:
    step, action = line
    return {
        "id": step.id,
        "agent": step.agent,
        "action": action.kind,
        "reason": action.reason,
        "depends_on": list(step.dependencies),
        "level": step.level,
        "engine": step.engine,
        "model": step.model,
        "fallbacks": fallbacks_object(step),
        "target": step.target,
        "workspace": step.workspace,
        "permissions": grants_object(step),
        "key": step.key,
        **({"loop": step.loop._asdict()} if step.loop is not None else {}),
        **({"resolves": step.resolves} if step.resolves else {}),
    }

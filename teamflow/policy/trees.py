"""Which commits a step starts from, whose worktree it may have, and whether it goes on where it was. Pure.

A step starts from what its dependencies have left. One that left nothing of its own (it asked, was skipped, works in
the project directory, failed) passes on what it had itself. Refuses to know git and directories.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol, TypeVar

from teamflow.core.attempts import AttemptState
from teamflow.core.ids import slug
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Artifact
from teamflow.core.plan import APART, ASK, COMMAND, Step
from teamflow.core.state import RunState, StepState
from teamflow.core.status import ENDED, Status
from teamflow.core.work import DEPENDENCY, PROJECT, Left, Ready

ON_FAILURE: Final = "on_failure"
NEVER: Final = "never"
SUBJECT: Final = 60
"""Characters of what a commit says of the work, behind the name of the step."""


def in_workspace(step: Step) -> bool:
    """Whether its attempts work in a workspace that teamflow makes."""
    return step.workspace != PROJECT and step.kind != ASK and step.expansion is None


def is_making(known: StepState) -> bool:
    """Whether the live attempt has yet to be given its workspace."""
    live = known.live
    return live is not None and live.ready is None and in_workspace(known.step)


def parents(state: RunState, step: Step, found: Mapping[str, Left | None] | None = None) -> tuple[tuple[str, str], ...]:
    """(step, commit) of what a step starts from, in the order of the plan, each commit of a repository once.

    `found`: what steps have left that a look at the cache has just found, and the state does not know yet.
    """
    handed = found or {}
    commits: dict[tuple[str, str], str] = {}
    order = state.order
    for name in sorted(set(_leavers(state, step, handed)), key=lambda name: (order.get(name, -1), name)):
        left = _left(state, name, handed)
        if left is not None:
            commits[left.commit, left.repo] = name  # the last: its worktree has what git ignores of all of them
    return tuple((name, commit) for (commit, _), name in commits.items())


def repository(state: RunState, name: str, found: Mapping[str, Left | None] | None = None) -> str:
    """Which repository has the commit that a step has left (`Left.repo`)."""
    left = _left(state, name, found or {})
    return left.repo if left is not None else ""


class _OfRepository(Protocol):
    @property
    def repo(self) -> str: ...


_Of = TypeVar("_Of", bound=_OfRepository)


def matching(parents: Iterable[_Of], repo: str) -> tuple[_Of, ...]:
    """What a step in a workspace of its own starts from: what is of its repository. Others pass it no files."""
    name = repo.rpartition("/")[2]
    return tuple(parent for parent in parents if parent.repo.rpartition("/")[2] == name)


def _leavers(state: RunState, step: Step, handed: Mapping[str, Left | None]) -> Iterator[str]:
    """The nearest steps before it that have left a commit."""
    seen: set[str] = set()
    pending = [step]
    while pending:
        at = pending.pop()
        for name in _before(state, at):
            if name in seen:
                continue
            seen.add(name)
            if _left(state, name, handed) is not None:
                yield name
            elif (known := state.steps.get(name)) is not None:
                pending.append(known.step)
        for name in at.taken:
            if name not in seen and _left(state, name, handed) is not None:
                seen.add(name)
                yield name


class Handed(NamedTuple):
    """An output file of a step before, and what that step has left."""

    step: str
    artifact: Artifact
    left: Left


def handed_on(state: RunState, step: Step) -> tuple[tuple[Handed, ...], ...]:
    """The output files of all steps before it that have left a commit, which may not have them, by path: that of the
    step that all others with it come before; several where there is no such step."""
    found: dict[str, list[Handed]] = {}
    for name in _all_before(state, step):
        known = state.steps[name]
        if known.left is not None:
            for artifact in known.artifacts:
                found.setdefault(artifact.path, []).append(Handed(name, artifact, known.left))
    return tuple(tuple(_latest(state, made)) for made in found.values())


def _latest(state: RunState, made: list[Handed]) -> list[Handed]:
    if len(made) == 1:
        return made
    over = {name for one in made for name in _all_before(state, state.steps[one.step].step)}
    return [one for one in made if one.step not in over]


def _all_before(state: RunState, step: Step) -> list[str]:
    """All that it depends on, in the order of the plan."""
    seen: set[str] = set()
    pending = [step]
    while pending:
        for name in _before(state, pending.pop()):
            if name not in seen and name in state.steps:
                seen.add(name)
                pending.append(state.steps[name].step)
    return sorted(seen, key=lambda name: (state.order.get(name, -1), name))


def _before(state: RunState, step: Step) -> list[str]:
    """What it depends on. A list of instances has nothing of its own: it stands for what it was made of only where no
    instance of it, and nothing else, is there."""
    names = [edge.on for edge in step.edges if edge.when != APART]
    lists = {
        name for name in names if (known := state.steps.get(name)) is not None and known.step.expansion is not None
    }
    return [name for name in names if name not in lists] or names


def _left(state: RunState, name: str, handed: Mapping[str, Left | None]) -> Left | None:
    if name in handed:
        return handed[name]
    known = state.steps.get(name)
    if known is not None:
        return known.left
    hit = state.taken.get(name)
    return hit.left if hit is not None else None


def goes_on(known: StepState, live: AttemptState) -> bool:
    """Whether an attempt works on in the workspace of an earlier one as that left it. What was made by others is taken
    anew when a loop asks again: it is another commit now, and so is a merge that is to be mended."""
    if live.continues is None or known.ready is None:
        return False
    return live.cause != "rework" or not (known.step.workspace == DEPENDENCY or known.step.resolves)


def in_use(state: RunState, path: str, *, by_other_than: str) -> str:
    """The other step that works in that workspace now; empty when nobody does."""
    for name in state.running:
        live = state.steps[name].live
        if name != by_other_than and live is not None and live.ready is not None and live.ready.path == path:
            return name
    return ""


def borrowed(state: RunState, known: StepState, before: tuple[tuple[str, str], ...]) -> str:
    """Path of the worktree of its dependency that it may have; empty: there is none, or it belongs to several."""
    if known.step.workspace != DEPENDENCY or len(before) != 1 or before[0][0] not in state.steps:
        return ""
    owner = state.steps[before[0][0]]
    ready = owner.ready
    if ready is None or owner.live is not None:
        return ""
    return "" if in_use(state, ready.path, by_other_than=known.step.id) else ready.path


def not_kept(state: RunState) -> list[tuple[StepState, Ready]]:
    """The workspaces that nobody needs once a run is left: `keep` of the steps for which they were made says so. What
    was left in them is in commits."""
    found = []
    for known in state.steps.values():
        ready, keep = known.ready, known.step.tree.keep if known.step.tree is not None else ON_FAILURE
        if ready is None or not in_workspace(known.step) or known.status not in ENDED:
            continue
        mine = ready.path.rpartition("/")[2] == slug(known.step.id)
        good = known.status in (Status.SUCCEEDED, Status.CACHED, Status.SKIPPED)
        if mine and (keep == NEVER or (keep == ON_FAILURE and good)):
            found.append((known, ready))
    return found


def message(known: StepState, live: AttemptState, *, work: str, run: str) -> str:
    """Of the commit of what a step has left: what was asked for, and who made it. `run`: its number and id.

    Trailers as `git interpret-trailers` reads them.
    """
    step = known.step
    line = " ".join(work.split())
    said = line if len(line) <= SUBJECT else f"{line[: SUBJECT - 1].rstrip()}…"
    engine = live.engine if step.kind != COMMAND else COMMAND
    rows = [("Run", run), ("Step", step.id), ("Attempt", str(live.number)), ("Agent", step.agent), ("Engine", engine)]
    if live.model is not None:
        rows.append(("Model", live.model))
    trailers = "\n".join(f"Teamflow-{name}: {' '.join(value.split())}" for name, value in rows)
    return f"{step.id}: {said or 'work'}\n\n{trailers}\n"

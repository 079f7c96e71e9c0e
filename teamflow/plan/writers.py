"""Steps that may run at once and may write one and the same file: a plan error, with the edge that would part them.

Decides from what `writes` declares, whatever workspaces the steps have and whatever an `if` may leave out. Patterns
that only a run can render are left to the run. Two patterns are compared only where both begin alike, and steps are
looked at only where their patterns overlap, so that thousands of steps cost nothing that is noticed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

from teamflow.core.diagnostics import Diagnostic, Diagnostics, Span
from teamflow.core.globs import PatternError, parse
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Deferred, Step, Text
from teamflow.plan.graph import connected, reachable
from teamflow.plan.overlap import Claim, beginning, claim_of, common_path, meetings
from teamflow.plan.placing import Agents
from teamflow.team.loaded import LoadedTeam

_MOST: Final = 20
"""So many complaints, one for two agents, are worth reading at once."""

_BATCH: Final = 256


class _Writer(NamedTuple):
    """A step, by its number in the plan, and which of its patterns is meant."""

    step: int
    at: int


class _Clash(NamedTuple):
    one: _Writer
    other: _Writer
    path: str


_Writers: TypeAlias = "dict[Claim, list[_Writer]]"


def report_overlaps(steps: Sequence[Step], agents: Agents, loaded: LoadedTeam, found: Diagnostics) -> None:
    """One complaint for each two agents whose steps may write one file at once. `steps` in topological order."""
    if _are_apart(steps):
        return
    said: set[frozenset[str]] = set()
    for writers in _by_repository(steps, agents, loaded, found).values():
        for clash in _clashes(steps, writers):
            pair = frozenset((steps[clash.one.step].agent, steps[clash.other.step].agent))
            if pair not in said:
                said.add(pair)
                found.extend([_complaint(clash, steps, agents, loaded, last=len(said) == _MOST)])
                if len(said) == _MOST:
                    return


def _are_apart(steps: Sequence[Step]) -> bool:
    """Whether no two patterns begin alike, as in most plans; False where that is not seen at once."""
    patterns = [text for step in steps for text in step.writes if isinstance(text, str)]
    try:
        known = sorted(map(beginning, patterns))
    except PatternError:
        return False
    # In this order, what begins with a text comes right behind it.
    return not any(later.startswith(former) for former, later in itertools.pairwise(known))


def _by_repository(
    steps: Sequence[Step], agents: Agents, loaded: LoadedTeam, found: Diagnostics
) -> dict[str | None, _Writers]:
    """What is claimed in which repository, and by whom. Patterns that mean nothing are complained about."""
    out: dict[str | None, _Writers] = {}
    known: dict[tuple[Text, ...], list[tuple[int, Claim]]] = {}
    for number, step in enumerate(steps):
        if step.resolves:
            # What it mends belongs to those that it comes after, wherever that is.
            continue
        writers = out.setdefault(agents.settings[step.agent].workspace.repo, {})
        try:
            if step.writes not in known:
                known[step.writes] = list(_claimed(step.writes))
        except PatternError as error:
            known[step.writes] = []
            span = loaded.value_span("agents", step.agent, "writes")
            found.error("path-outside", f"writes of {step.id}: {error}", span, hint="write it without .. and /")
        for at, claim in known[step.writes]:
            writers.setdefault(claim, []).append(_Writer(number, at))
    return out


def _claimed(writes: tuple[Text, ...]) -> Iterator[tuple[int, Claim]]:
    """The claims that are known now, each with the number of its pattern. Raises PatternError."""
    globs = [None if isinstance(text, Deferred) else parse(text) for text in writes]
    for at, glob in enumerate(globs):
        unknown = any(isinstance(text, Deferred) and text.template.startswith("!") for text in writes[at + 1 :])
        if glob is not None and not glob.negated and not unknown:
            yield at, claim_of(glob, tuple(each for each in globs[at + 1 :] if each is not None and each.negated))


def _clashes(steps: Sequence[Step], writers: _Writers) -> Iterator[_Clash]:
    """Pairs of steps that nothing keeps apart, each with a file that both may write."""
    needs = needs_by_number(steps)
    # Where all that write come one after the other, there is nothing to compare.
    everybody = sorted({writer.step for those in writers.values() for writer in those})
    queue = list(itertools.pairwise(everybody))
    if len(connected(needs, queue)) == len(queue):
        return
    shared = ((claim, claim) for claim, those in writers.items() if len(those) > 1)
    pairs = itertools.chain(shared, meetings(writers))
    while batch := list(itertools.islice(pairs, _BATCH)):
        yield from _unordered(batch, writers, needs)


def _unordered(
    pairs: Iterable[tuple[Claim, Claim]], writers: _Writers, needs: Sequence[AbstractSet[int]]
) -> Iterator[_Clash]:
    """The clashes of these claims.

    Steps in topological order are all kept apart if each is from the next, so only those are asked about.
    """
    met: list[_Clash] = []
    for claim, other in pairs:
        path = common_path(claim, other)
        if path is not None:
            those = sorted({*writers[claim], *writers[other]})
            met += [_Clash(one, rival, path) for one, rival in itertools.pairwise(those) if one.step != rival.step]
    apart = connected(needs, ((clash.one.step, clash.other.step) for clash in met))
    yield from (clash for clash in met if (clash.one.step, clash.other.step) not in apart)


def needs_by_number(steps: Sequence[Step]) -> list[AbstractSet[int]]:
    """What each step needs, as `graph.connected` takes it. `steps` in topological order."""
    number = {step.id: index for index, step in enumerate(steps)}
    # Instances of an agent have one and the same edges.
    known: dict[int, AbstractSet[int]] = {}
    for step in steps:
        if id(step.edges) not in known:
            known[id(step.edges)] = frozenset(number[edge.on] for edge in step.edges)
    return [known[id(step.edges)] for step in steps]


# -- complaints ------------------------------------------------------------------------------------------------------


def _complaint(clash: _Clash, steps: Sequence[Step], agents: Agents, loaded: LoadedTeam, *, last: bool) -> Diagnostic:
    """The place is that of the later one in the order of the plan, so that all remedies together make no cycle."""
    one, other = steps[clash.one.step], steps[clash.other.step]
    hint = _remedy(one.agent, other.agent, agents)
    related = (f"{one.id} may write it, too", _span(one, clash.one, loaded))
    return Diagnostic(
        "overlapping-writes",
        f"{one.id} and {other.id} may run at once, and both may write {clash.path}",
        _span(other, clash.other, loaded),
        hint=f"{hint} (more overlaps are looked for when these are mended)" if last else hint,
        related=() if one.agent == other.agent else (related,),
    )


def _span(step: Step, writer: _Writer, loaded: LoadedTeam) -> Span:
    """The pattern, or the agent where it has it from elsewhere."""
    path = ("agents", step.agent)
    own = loaded.places.has((*path, "writes"))
    return loaded.value_span(*path, "writes", writer.at) if own else loaded.key_span(*path)


def _remedy(one: str, other: str, agents: Agents) -> str:
    if one == other:
        matrix = agents.settings[one].matrix
        key = next(iter(matrix.axes), "item") if matrix is not None else "item"
        return f"give each instance of {one} files of its own, with {{{{ matrix.{key} }}}} in its writes"
    if one in reachable([other], {name: tuple(needs) for name, needs in agents.needs.items()}):
        return f"each instance of {other} waits only for its own of {one}: let both write files of their own"
    return f"add depends_on: [{one}] to {other}, so that it comes after {one}, or give them writes that do not meet"

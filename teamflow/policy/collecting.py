"""What of the worktrees, branches and hidden refs of runs may go, and why the rest stays. Facts in, a decision out.

Decides that nothing is lost: a worktree goes only when it is clean and its commit stays reachable, a branch when the
user has its commits elsewhere, a hidden ref when its run is forgotten and something that stays reaches its commit. Each
removal is safe by itself, so that the first ones of a list that is broken off do no harm. Knows no git: commits are
names, and the graph holds those alone that no ref of the user's reaches.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.policy.leftover import Decision, Facts, Kept, Lie, RefFacts, Role, Stage, TreeFacts, Why

_ENDED: Final = frozenset({Stage.OVER, Stage.FORGOTTEN, Stage.PURGED})
_FORGOTTEN: Final = frozenset({Stage.FORGOTTEN, Stage.PURGED})
_STAYS: Final[Mapping[Stage, Why]] = {
    Stage.ALIVE: Why.IN_USE,
    Stage.OPEN: Why.GOES_ON,
    Stage.STRANGE: Why.FOREIGN,
}
_ORDER: Final = (Role.BRANCH, Role.KEPT, Role.STRAY, Role.LEFT, Role.START, Role.MARK)


def decide(facts: Facts, *, only: Collection[str] | None = None) -> Decision:
    """`only`: ids of the runs of which something may go; None: all."""
    bound = _checked_out(facts.trees, going=())
    refs = _refs(facts, only, bound=bound)
    # Worktrees go first: their commits must be reachable without those refs that are to go afterwards.
    trees, kept = _trees(facts, only, staying=refs.staying)
    free = _refs(facts, only, bound=_checked_out(facts.trees, going=trees))
    going = sorted(free.going, key=lambda ref: (_ORDER.index(ref.role), ref.name))
    return Decision(tuple(trees), tuple(going), (*kept, *free.kept))


def _trees(facts: Facts, only: Collection[str] | None, *, staying: Iterable[str]) -> tuple[list[TreeFacts], list[Kept]]:
    safe = reachable(staying, facts.graph)
    going, kept = [], []
    for tree in facts.trees:
        if only is not None and tree.run not in only:
            continue
        why = _why_tree(tree, _stage(facts, tree.run), covered=tree.head not in facts.graph or tree.head in safe)
        if why is None:
            if tree.needed:
                kept.append(Kept(tree, Why.ASIDE))
            if tree.lie is not Lie.RECORD or not tree.needed:
                going.append(tree)
        elif tree.lie is not Lie.RECORD:
            kept.append(Kept(tree, why))
    return going, kept


def _why_tree(tree: TreeFacts, stage: Stage, *, covered: bool) -> Why | None:
    if stage not in _ENDED:
        return _STAYS[stage]
    reasons = (
        (tree.lie is Lie.STRANGE, Why.FOREIGN),
        (tree.used, Why.IN_USE),
        (tree.leased, Why.LEASED),
        (tree.locked, Why.LOCKED),
        (tree.lie is Lie.UNCLEAR, Why.UNKNOWN),
        (tree.dirty, Why.DIRTY),
        (not covered, Why.UNMERGED),
    )
    return next((why for holds, why in reasons if holds), None)


class _Sorted(NamedTuple):
    """`staying`: commits of the refs that stay."""

    going: list[RefFacts]
    staying: list[str]
    kept: list[Kept]


def _refs(facts: Facts, only: Collection[str] | None, *, bound: Collection[str]) -> _Sorted:
    starts = {(ref.run, ref.slug): ref.commit for ref in facts.refs if ref.role is Role.START}
    going: list[RefFacts] = []
    fixed: list[RefFacts] = []
    open_to: list[RefFacts] = []
    for ref in facts.refs:
        if only is not None and ref.run not in only:
            fixed.append(ref)
        elif _may_go(ref, facts, bound=bound, start=starts.get((ref.run, ref.slug))):
            (going if _superseded(ref, facts) else open_to).append(ref)
        else:
            fixed.append(ref)
    gone, left = _covered(open_to, fixed, facts.graph)
    stays = [*fixed, *left]
    marks, rest = _without_marks([*going, *gone], stays)
    stays += marks
    kept = [Kept(ref, why) for ref in stays if (why := _why_ref(ref, facts, only, bound, stays)) is not None]
    return _Sorted(rest, [ref.commit for ref in stays], kept)


def _may_go(ref: RefFacts, facts: Facts, *, bound: Collection[str], start: str | None) -> bool:
    """Whether a ref is not needed for its own sake; its commits may still be."""
    stage = _stage(facts, ref.run)
    if ref.symbolic or stage not in _ENDED:
        return False
    if ref.role is not Role.BRANCH:
        return stage in _FORGOTTEN and not ref.held
    return not ref.held and ref.name not in bound and (ref.commit not in facts.graph or ref.commit == start)


def _superseded(ref: RefFacts, facts: Facts) -> bool:
    """What an attempt has left of a step that has succeeded later, where everything of the run is to go."""
    run = facts.runs[ref.run]
    return ref.role is Role.KEPT and run.stage is Stage.PURGED and ref.slug in run.done


def _covered(
    refs: list[RefFacts], fixed: list[RefFacts], graph: Mapping[str, tuple[str, ...]]
) -> tuple[list[RefFacts], list[RefFacts]]:
    """Those that may go because others stay that reach their commits, and those that have to stay for that.

    Commits that are below another tip may lose their refs, since the uppermost ones keep theirs.
    """
    tips = {ref.commit for ref in (*refs, *fixed)}
    below = reachable((parent for tip in tips for parent in graph.get(tip, ())), graph)
    named = {ref.commit for ref in fixed}
    gone, left = [], []
    for ref in sorted(refs, key=lambda ref: (-_ORDER.index(ref.role), ref.name)):
        if ref.commit not in graph or ref.commit in below or ref.commit in named:
            gone.append(ref)
        else:
            named.add(ref.commit)
            left.append(ref)
    return gone, left


def _without_marks(going: list[RefFacts], stays: list[RefFacts]) -> tuple[list[RefFacts], list[RefFacts]]:
    """A mark stays as long as its branch."""
    branches = {ref.name for ref in stays if ref.role is Role.BRANCH}
    marks = [ref for ref in going if ref.role is Role.MARK and ref.of in branches]
    return marks, [ref for ref in going if ref not in marks]


def _why_ref(
    ref: RefFacts, facts: Facts, only: Collection[str] | None, bound: Collection[str], stays: list[RefFacts]
) -> Why | None:
    """None: nobody has to be told."""
    stage = _stage(facts, ref.run)
    if (only is not None and ref.run not in only) or stage not in _ENDED:
        return None
    if ref.symbolic:
        return Why.UNKNOWN
    if ref.role is Role.BRANCH:
        return Why.IN_USE if ref.held or (ref.name in bound and ref.commit not in facts.graph) else Why.UNMERGED
    shown = any(other.role is Role.BRANCH and other.commit == ref.commit for other in stays)
    return Why.UNMERGED if stage in _FORGOTTEN and ref.role is not Role.MARK and not shown else None


def _checked_out(trees: Iterable[TreeFacts], *, going: Collection[TreeFacts]) -> frozenset[str]:
    return frozenset(tree.branch for tree in trees if tree.branch and tree not in going)


def _stage(facts: Facts, run: str) -> Stage:
    known = facts.runs.get(run)
    return known.stage if known is not None else Stage.STRANGE


def reachable(tips: Iterable[str], graph: Mapping[str, tuple[str, ...]]) -> set[str]:
    """The commits of the graph that are reachable from `tips`, these among them."""
    seen: set[str] = set()
    stack = list(tips)
    while stack:
        commit = stack.pop()
        if commit in graph and commit not in seen:
            seen.add(commit)
            stack += graph[commit]
    return seen

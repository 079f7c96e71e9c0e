"""Which live workspaces to compare, what a comparison means, and what of it is news. Pure: merging is done elsewhere.

A pair is compared when one of the two has changed since the last time and a merge of them could conflict at all. Steps
of which one needs the other are never compared: the later one has the earlier one's changes. Refuses to know git, and
what follows from an overlap.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from teamflow.core.named import NamedTuple
from teamflow.core.overlapping import HARD, SOFT, Overlap

NAMED: Final = 20
"""So many files are named of an overlap."""

APPEARED: Final = "appeared"
HARDENED: Final = "hardened"
EASED: Final = "eased"
GONE: Final = "gone"

Pair: TypeAlias = tuple[str, str]
"""Two steps, the first one less than the second."""


class Snapshot(NamedTuple):
    """What a live workspace holds. `tree`: its id; equal ids mean that nothing has changed.

    `paths`: the files that differ from its starting commit, with the id of what they hold; empty: deleted.
    """

    tree: str
    paths: Mapping[str, str]


class News(NamedTuple):
    """What has become of an overlap: APPEARED | HARDENED | EASED | GONE (as it was)."""

    what: str
    overlap: Overlap


def related(needs: Mapping[str, Collection[str]], steps: Iterable[str]) -> frozenset[Pair]:
    """Those pairs of `steps` in which one depends on the other, maybe by others between them.

    `needs`: step → what it depends on; no circles.
    """
    live = sorted(set(steps))
    found: set[Pair] = set()
    for step in live:
        seen: set[str] = set()
        open_ = [step]
        while open_:
            fresh = set(needs.get(open_.pop(), ())) - seen
            seen |= fresh
            open_.extend(fresh)
        found |= {(min(step, other), max(step, other)) for other in live if other in seen and other != step}
    return frozenset(found)


def pairs_to_compare(
    before: Mapping[str, Snapshot], now: Mapping[str, Snapshot], *, apart: Collection[Pair] = frozenset()
) -> tuple[Pair, ...]:
    """In order. `before`: the live workspaces at the last comparison; `apart`: as `related` says."""
    changed = {step for step, found in now.items() if step not in before or before[step].tree != found.tree}
    if not changed:
        return ()
    steps = sorted(step for step, found in now.items() if found.paths)
    return tuple(
        (first, second)
        for at, first in enumerate(steps)
        for second in steps[at + 1 :]
        if (first in changed or second in changed)
        and (first, second) not in apart
        and may_meet(now[first].paths, now[second].paths)
    )


def may_meet(first: Mapping[str, str], second: Mapping[str, str]) -> bool:
    """False where no merge of the two can conflict.

    Beside a file that both have changed that is a file where the other has a directory; and, as git takes a deleted
    file for one that may have moved: a file that both have deleted while one of them added others, and files that one
    puts where the other took some away, which move along with their directory.
    """
    if common(first, second):
        return True
    grew = any(first.values()) or any(second.values())
    if grew and any(not held and path in second for path, held in first.items()):
        return True
    return _in_the_way(first, second) or _in_the_way(second, first)


def common(first: Mapping[str, str], second: Mapping[str, str]) -> list[str]:
    """Files that both have changed, and not to the same."""
    return sorted(path for path, held in first.items() if second.get(path, held) != held)


def _in_the_way(first: Mapping[str, str], second: Mapping[str, str]) -> bool:
    """Whether something of `second` came below a file of `first`, or below a directory that `first` took from."""
    files = {path for path, held in first.items() if held}
    left = {path.rpartition("/")[0] for path, held in first.items() if not held}
    return any(place in files or place in left for path, held in second.items() if held for place in _directories(path))


def _directories(path: str) -> Iterator[str]:
    """Those that a path lies in, up to the root, which is empty."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def classify(
    first: str,
    second: str,
    *,
    changed: tuple[Mapping[str, str], Mapping[str, str]],
    conflicts: Collection[str] | None,
) -> Overlap | None:
    """What the comparison of two steps has shown; None: nothing. The order of the two makes no difference.

    `changed`: `Snapshot.paths` of the first and of the second. `conflicts`: files that conflict when they are
    merged; () where that goes smoothly, None where it could not be tried.
    """
    both = common(*changed)
    if conflicts:
        kind, paths = HARD, sorted(set(conflicts))
    elif both:
        kind, paths = SOFT, both
    else:
        return None
    named = tuple(paths[:NAMED])
    return Overlap(min(first, second), max(first, second), kind, named, len(paths) - len(named))


def updated(
    known: Iterable[Overlap],
    compared: Mapping[Pair, Overlap | None],
    *,
    before: Mapping[str, Snapshot],
    now: Mapping[str, Snapshot],
) -> tuple[Overlap, ...]:
    """All overlaps after a round of comparisons, in order.

    One that was not compared stays where both workspaces are as they were; of any other it is known without a
    comparison that no merge can conflict, or one of the two is gone.
    """
    same = {step for step, found in now.items() if step in before and before[step].tree == found.tree}
    still = {(each.first, each.second): each for each in known if {each.first, each.second} <= same}
    found = {pair: overlap for pair, overlap in {**still, **compared}.items() if now.keys() >= set(pair)}
    return tuple(overlap for pair in sorted(found) if (overlap := found[pair]) is not None)


def news(before: Sequence[Overlap], after: Sequence[Overlap]) -> tuple[News, ...]:
    """What is to be said once, in order of the steps. Other files of the same kind are none."""
    old = {(each.first, each.second): each for each in before}
    new = {(each.first, each.second): each for each in after}
    found: list[News] = []
    for pair in sorted({*old, *new}):
        was, is_ = old.get(pair), new.get(pair)
        if is_ is None:
            found += [News(GONE, was)] if was is not None else []
        elif was is None:
            found.append(News(APPEARED, is_))
        elif was.kind != is_.kind:
            found.append(News(HARDENED if is_.kind == HARD else EASED, is_))
    return tuple(found)

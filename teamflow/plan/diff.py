"""Two plans of one team side by side: which steps are the same, redefined, added or removed.

`redefined` means that the work itself changed, as for a cache key, or what it waits for, or its `if`. Timeouts,
retry, limits, titles and targets redefine nothing. Knows no run; `plan/converge.py` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from teamflow.core.named import NamedTuple
from teamflow.core.plan import APART, Plan, Step
from teamflow.plan.key import changed_aspects

SAME = "same"
REDEFINED = "redefined"
ADDED = "added"
REMOVED = "removed"


class Change(NamedTuple):
    """`kind`: same | redefined | added | removed. `aspects`: what was redefined, named as in the team file.

    `asked`: the words by which somebody wants a step to count as redefined, though it is not.
    """

    kind: str
    aspects: tuple[str, ...] = ()
    asked: str = ""

    @property
    def reason(self) -> str:
        """For people: `definition changed: prompt, model`."""
        if self.asked:
            return self.asked
        return f"definition changed: {', '.join(self.aspects)}" if self.aspects else self.kind


def compare(old: Plan, new: Plan, *, older: Iterable[Plan] = ()) -> dict[str, Change]:
    """Step id → what became of it, in the order of the new plan, removed ones last.

    `older`: earlier revisions of the run, oldest first. A step that is not in `old`, because only others were
    selected then, is compared with its last definition in them.
    """
    before: dict[str, Step] = {}
    for plan in (*older, old):
        before.update(plan.by_id())
    changes = {step.id: _change(before.get(step.id), step) for step in new.steps}
    for step in old.steps:
        changes.setdefault(step.id, Change(REMOVED))
    return changes


def _change(old: Step | None, new: Step) -> Change:
    if old is None:
        return Change(ADDED)
    aspects = () if old.key == new.key else changed_aspects(old, new)
    if not _same_needs(old, new):
        aspects = (*aspects, "depends_on")
    if (old.condition, old.skip) != (new.condition, new.skip):
        aspects = (*aspects, "if")
    if old.expansion != new.expansion or (new.deferred and old.matrix != new.matrix):
        aspects = (*aspects, "matrix")
    if old.loop != new.loop:
        aspects = (*aspects, "loop")
    if old.ask != new.ask:
        aspects = (*aspects, "ask")
    return Change(REDEFINED, aspects) if aspects else Change(SAME)


def _same_needs(old: Step, new: Step) -> bool:
    """Whether both wait for the same; a dependency that a selection left out is still one."""
    if old.edges == new.edges and old.taken == new.taken:
        return True
    before, after = _conditions(old), _conditions(new)
    return before.keys() == after.keys() and all(
        None in (when, after[name]) or when == after[name] for name, when in before.items()
    )


def _conditions(step: Step) -> Mapping[str, str | None]:
    needs = {edge.on: edge.when for edge in step.edges if edge.when != APART}
    return {**dict.fromkeys(step.taken), **needs}

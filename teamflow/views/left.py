"""What steps have left in workspaces that teamflow made: where it lies and how to look at it, merge it, or drop it.

Refuses to know git: what is shown is what the records say.
"""

from __future__ import annotations

import shlex
from typing import Final

from teamflow.core.plan import Json
from teamflow.core.state import RunState, StepState
from teamflow.core.work import Left
from teamflow.policy.trees import in_use, in_workspace, is_making
from teamflow.views import words
from teamflow.views.shown import shown_steps

_MOST: Final = 4


def left_object(known: StepState) -> dict[str, Json] | None:
    """`diffstat` of the JSON forms; None: it works in no workspace of its own, or has left nothing yet."""
    left = known.left
    return None if left is None else {"files": left.files, "added": left.added, "deleted": left.deleted}


def workspace_path(known: StepState) -> str | None:
    """Where its newest attempt worked; None: in the project directory, or nowhere yet."""
    ready = known.ready
    return ready.path if ready is not None and in_workspace(known.step) else None


def making_words(state: RunState, known: StepState) -> str:
    """Of a step whose attempt has no workspace yet: what it waits for; empty for any other."""
    if not is_making(known):
        return ""
    before = known.ready
    other = in_use(state, before.path, by_other_than=known.step.id) if before is not None else ""
    return f"it waits for its workspace, in which {other} works" if other else "its workspace is being made"


def work_lines(state: RunState) -> list[str]:
    """One line for each step that left changes, those on which no other builds; then what can be done with them."""
    found = [known for known in shown_steps(state) if known.left is not None and known.left.changed]
    if not found:
        return []
    lines = [_line(known, known.left) for known in found[:_MOST] if known.left is not None]
    if len(found) > _MOST:
        lines.append(words.names([known.step.id for known in found[_MOST:]]))
    last = _last(state, found)
    shown = shlex.quote(last.step.id)
    branch = last.left.branch if last.left is not None else ""
    drops = f", `git branch -D {shlex.quote(branch)}` drops it" if branch else ""
    lines.append(f"`teamflow diff {shown}` shows it, `teamflow merge {shown}` merges it here{drops}")
    return lines


def _line(known: StepState, left: Left) -> str:
    where = left.branch or left.commit[:12]
    return f"{known.step.id}: {left.stat} on {where}"


def _last(state: RunState, found: list[StepState]) -> StepState:
    """The one that has the work of most others in it: the last in the plan that nobody builds on."""
    ids = {known.step.id for known in found}
    built_on = {edge.on for known in found for edge in known.step.edges if edge.on in ids}
    ends = [known for known in found if known.step.id not in built_on] or found
    return max(ends, key=lambda known: state.order.get(known.step.id, 0))

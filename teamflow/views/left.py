"""What steps have left in workspaces that teamflow made: where it lies and how to look at it, merge it, or drop it.

Refuses to know git: what is shown is what the records say.
"""

from __future__ import annotations

import shlex
from typing import Final

from teamflow.core.ids import slug
from teamflow.core.plan import Json
from teamflow.core.state import RunState, StepState
from teamflow.core.work import Left
from teamflow.policy.trees import in_use, in_workspace, is_making, not_kept
from teamflow.views import words
from teamflow.views.shown import shown_steps

_MOST: Final = 4
_OVER: Final = ("succeeded", "failed", "cancelled")
"""Statuses of a run after which workspaces are taken away."""


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


def work_lines(state: RunState, *, root: str = "") -> list[str]:
    """One line for each step that left changes, those on which no other builds; then what can be done with them.
    `root`: the project."""
    found = [known for known in shown_steps(state) if known.left is not None and known.left.changed]
    if not found:
        return []
    lines = [_line(known, known.left) for known in found[:_MOST] if known.left is not None]
    if len(found) > _MOST:
        lines.append(words.names([known.step.id for known in found[_MOST:]]))
    last = _last(state, found)
    return (
        [*lines, *_commands(state, last, last.left, root=root, several=len(found) > 1)]
        if last.left is not None
        else lines
    )


def _commands(state: RunState, known: StepState, left: Left, *, root: str, several: bool) -> list[str]:
    """What can be done with what a step has left, one of `several`. Nothing is said that git would refuse."""
    shown = shlex.quote(known.step.id)
    shows = "`teamflow diff STEP` shows what each did" if several else f"`teamflow diff {shown}` shows it"
    path = _stays(state, known)
    if left.repo:
        place = f", `teamflow path {shown}` says where the clone is" if path else ""
        store = f"{root}/.teamflow/clones/{left.repo.rpartition('/')[2]}" if root else left.repo
        push = push_command(store, left, step=known.step.id)
        return [f"{shows}{place}", f"`{push}` brings it to where it was cloned from"]
    line = f"{shows}, `teamflow merge {shown}` merges {known.step.id if several else 'it'} here"
    if not left.branch or _holds_more(state, path):
        return [line]
    drop = f"git branch -D {shlex.quote(left.branch)}"
    if path:
        return [line, f"`git worktree remove --force {shlex.quote(path)} && {drop}` drops it"]
    return [f"{line}, `{drop}` drops it"]


def push_command(store: str, left: Left, *, step: str, to: str = "origin") -> str:
    """Brings what a step has left in a clone to where it was cloned from; a store knows that as its `origin`."""
    what = left.branch or f"{left.commit}:refs/heads/teamflow/{slug(step)}"
    return f"git -C {shlex.quote(store)} push {shlex.quote(to)} {shlex.quote(what)}"


def _stays(state: RunState, known: StepState) -> str:
    """Path of the workspace in which it was left, where that outlives the run; empty: it does not."""
    path = known.ready.path if known.ready is not None else ""
    if state.ended is None or state.ended.status not in _OVER or _holds_more(state, path):
        return path
    return "" if path in {ready.path for _, ready in not_kept(state)} else path


def _holds_more(state: RunState, path: str) -> bool:
    """Whether something is in a workspace that no commit holds: nobody is told how to do away with that."""
    held = [known for known in state.steps.values() if known.ready is not None and known.ready.path == path]
    return any(known.attempts and known.attempts[-1].aside for known in held)


def _line(known: StepState, left: Left) -> str:
    where = left.branch or left.commit[:12]
    return f"{known.step.id}: {left.stat} on {where}"


def _last(state: RunState, found: list[StepState]) -> StepState:
    """The one that has the work of most others in it: the last in the plan that nobody builds on."""
    ids = {known.step.id for known in found}
    built_on = {edge.on for known in found for edge in known.step.edges if edge.on in ids}
    ends = [known for known in found if known.step.id not in built_on] or found
    return max(ends, key=lambda known: state.order.get(known.step.id, 0))

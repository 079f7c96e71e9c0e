"""The directory that a step works in, or worked in last. Looks whether it is there; decides nothing about runs."""

from __future__ import annotations

import os

from teamflow.app.inspect import Inspected
from teamflow.core.named import NamedTuple
from teamflow.core.plan import ASK
from teamflow.core.shell import quoted
from teamflow.core.state import StepState
from teamflow.policy.trees import in_workspace, is_making
from teamflow.views.json import workspace_of
from teamflow.views.left import push_command
from teamflow.workspaces.stores import remote_of, store_at


class Where(NamedTuple):
    """`problem`: why one cannot go there; empty: `path` is a directory. `path` None: there never was any."""

    path: str | None
    problem: str = ""


def where(inspected: Inspected, known: StepState) -> Where:
    step = known.step
    name = step.id
    if step.kind == ASK:
        return Where(None, f"{name} asks people, and works in no directory")
    if step.expansion is not None:
        listed = f"`teamflow status{inspected.option}`"
        return Where(None, f"{name} stands for the steps that a result adds: name one of them, as {listed} does")
    path = workspace_of(inspected.state, inspected.header, known)
    if path is None:
        return Where(None, _not_made(known, inspected.option))
    if os.path.isdir(path):
        return Where(path)
    ready = known.ready
    if not in_workspace(step):
        return Where(path, f"{name}: {path} is not there")
    if ready is not None and os.path.isdir(ready.path):
        return Where(path, f"{name}: its workspace is there, but no {path[len(ready.path) + 1 :]} in it: {ready.path}")
    return Where(path, f"{name}: its workspace is gone: {path}{_rest(known, inspected)}")


def _not_made(known: StepState, option: str) -> str:
    name = known.step.id
    if is_making(known):
        return f"{name}: its workspace is being made; try again in a moment"
    why = f"`teamflow why {quoted(name)}{option}` says"
    if known.attempts or known.ended_at is not None:
        return f"{name} had no workspace in this run ({known.status.value}): {why} why"
    return f"{name} has no workspace yet ({known.status.value}): {why} what it waits for"


def _rest(known: StepState, inspected: Inspected) -> str:
    """What is left of it without the directory."""
    left = known.left
    if left is None or not left.changed:
        return ""
    shows = f"`teamflow diff {quoted(known.step.id)}`"
    if left.repo:
        store = store_at(os.path.realpath(inspected.layout.directory), left.repo)
        push = push_command(store, left, step=known.step.id, to=remote_of(store))
        return f"\n  what it has left is kept: {shows} shows it, `{push}` brings it to where it was cloned from"
    return f"\n  what it has left is on {left.branch or left.commit[:12]}: {shows}"

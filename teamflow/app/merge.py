"""Merging what a step has left into the branch of the project directory: only ever because somebody asked for it.

Decides which steps can be merged, and what is said of it; how git is brought to do it is `workspaces/landing`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from teamflow.app.changed import MADE, check_there
from teamflow.app.inspect import Inspected
from teamflow.core.named import NamedTuple
from teamflow.core.plan import ASK
from teamflow.core.shell import quoted
from teamflow.core.state import RunState, StepState
from teamflow.core.status import ENDED, Status
from teamflow.core.work import Left
from teamflow.policy.trees import in_workspace, parents
from teamflow.views.left import push_command
from teamflow.workspaces.checked_out import CheckedOut
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.landing import Landed, Wanted, land
from teamflow.workspaces.process import GitError
from teamflow.workspaces.stores import remote_of, store_at


class Merged(NamedTuple):
    """What became of one step. `landed` None: nothing had to be done, or (not `ok`) could be."""

    step: str
    message: str
    ok: bool = True
    landed: Landed | None = None


def chosen(state: RunState, names: Sequence[str]) -> list[StepState]:
    """The steps that these names stand for, an agent for all of its, in the order of the plan for each name."""
    found: dict[str, StepState] = {}
    for name in names:
        if name in state.steps and state.steps[name].step.expansion is None:
            found[name] = state.steps[name]
            continue
        of_agent = [known for known in state.steps.values() if known.step.agent == name]
        for known in sorted(of_agent, key=lambda known: state.order.get(known.step.id, 0)):
            if known.step.expansion is None:
                found.setdefault(known.step.id, known)
    return list(found.values())


def merge(inspected: Inspected, known: StepState, *, message: str | None, environ: Mapping[str, str]) -> Merged:
    """WorkspaceError: the checkout, or the repository, does not let it be done; nothing has changed."""
    name = known.step.id
    problem = _problem(known)
    if problem:
        return Merged(name, problem, ok=False)
    left = known.left
    if left is None:
        return Merged(name, f"{name} has left no commit", ok=False)
    if left.repo:
        return Merged(name, _elsewhere(inspected, name, left), ok=False)
    before = [step for step, _ in parents(inspected.state, known.step)]
    if not left.changed and not before:
        return Merged(name, f"{name}: no changes: nothing to merge")
    try:
        here = CheckedOut(inspected.layout.root, home=os.path.realpath(inspected.layout.directory), environ=environ)
        check_there(here.repository, (left.commit,), name)
        tip = here.repository.commit_of(f"refs/heads/{left.branch}") if left.branch else None
        wanted = _wanted(inspected, name, left, message=message, by_branch=tip == left.commit)
        landed = land(here, wanted, crossed=_crossed(environ))
        ahead = tip is not None and tip != left.commit and here.repository.is_ancestor(left.commit, tip)
    except GitError as error:
        raise WorkspaceError("git", inspected.layout.root, f"git does not answer: {error}") from error
    said = _words(name, left, landed, ahead=ahead)
    if not left.changed:
        said += f"\n  it has changed nothing itself: this is what it began with, from {', '.join(before)}"
    return Merged(name, said, landed=landed)


def _problem(known: StepState) -> str:
    """Why a step cannot be merged, whatever the checkout is like."""
    name, status = known.step.id, known.status
    word = quoted(name)
    if known.step.kind == ASK:
        return f"{name} asks people, and leaves nothing to merge"
    if not in_workspace(known.step):
        return f"{name} works in the project directory: what it changed is there already, see `git status`"
    if status in MADE:
        return ""
    if status not in ENDED:
        return f"{name} has not ended ({status.value}): `teamflow status` says what it waits for"
    if status is Status.SKIPPED:
        return f"{name} was skipped: `teamflow why {word}` says why"
    return (
        f"{name} has not succeeded ({status.value}), so nothing of it is merged\n"
        f"  `teamflow diff {word}` shows what it has changed, `teamflow retry {word}` tries it again"
    )


def _elsewhere(inspected: Inspected, step: str, left: Left) -> str:
    """That it is no work on the project, and how it gets to where it belongs."""
    store = store_at(os.path.realpath(inspected.layout.directory), left.repo)
    push = push_command(store, left, step=step, to=remote_of(store))
    return (
        f"{step} works in a clone of another repository, so nothing of it is merged into the project\n"
        f"  `{push}` brings it there, `teamflow diff {quoted(step)}` shows it"
    )


def _wanted(inspected: Inspected, step: str, left: Left, *, message: str | None, by_branch: bool) -> Wanted:
    row = inspected.row
    subject = inspected.redactor.text(message or f"Merge {step} of run {row.number}").strip()
    trailers = f"Teamflow-Run: {row.number} {row.id}\nTeamflow-Step: {step}"
    name = left.branch if by_branch else left.commit[:12]
    return Wanted(left.commit, name, f"{subject}\n\n{trailers}\n", always=message is not None)


def _words(step: str, left: Left, landed: Landed, *, ahead: bool) -> str:
    mended = "a merge that was broken off has been put right\n" if landed.mended else ""
    more = f"\n  {left.branch} has gone on since: `git merge {quoted(left.branch)}` takes that, too" if ahead else ""
    if landed.new == landed.old:
        return f"{mended}{step}: {landed.branch} has it already{more}"
    counted = Left(
        landed.new,
        landed.old,
        files=len(landed.changes),
        added=sum(change.added for change in landed.changes),
        deleted=sum(change.deleted for change in landed.changes),
    )
    how = " (fast-forward)" if landed.forward else ""
    links = "\n  `git submodule update --init` brings the submodules along" if landed.submodules else ""
    undo = f"`git reset --keep {landed.old[:12]}` undoes it"
    return f"{mended}{step}: merged into {landed.branch}{how}: {counted.stat}; {undo}{links}{more}"


def _crossed(environ: Mapping[str, str]) -> Callable[[], None]:
    if "TEAMFLOW_FAILPOINT" not in environ:
        return lambda: None
    from teamflow.app.failpoints import failpoint

    return failpoint(environ) or (lambda: None)

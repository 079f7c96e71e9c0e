"""The workspace of an attempt: which one is ordered, that it is given to nobody else, and what was left in it.

Decides nothing about git, which is `workspaces/`, nor about commits to start from, which is `policy/trees.py`. A
workspace that cannot be made, or whose work is not allowed, is an outcome.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor as Pool

from teamflow.core.attempts import AttemptState
from teamflow.core.events import AttemptEnded
from teamflow.core.outcome import Artifact, Failed, FailureClass, Succeeded, Usage
from teamflow.core.permissions import FULL, READ
from teamflow.core.phases import CLEAN
from teamflow.core.plan import Command, Json, Step
from teamflow.core.redact import Redactor
from teamflow.core.slots import variables
from teamflow.core.state import RunState, StepState
from teamflow.core.work import CLONE, WORKTREE, Left, Ready, WorkspaceReady
from teamflow.policy.trees import (
    borrowed,
    goes_on,
    in_use,
    in_workspace,
    is_making,
    matching,
    message,
    not_kept,
    parents,
    repository,
)
from teamflow.ports import Done, Finish, Order, Parent, Shelf, Workspaces
from teamflow.run import handing
from teamflow.run.brief import BriefError, Rendering
from teamflow.run.place import Place

_NAMED = 3
"""Of the files that could not be committed."""


class Trees:
    """Implements `run/roles.Making`. Belongs to the loop's thread, but for `finish`."""

    def __init__(
        self,
        state: RunState,
        *,
        place: Place,
        workspaces: Callable[[], Workspaces | str],
        redactor: Redactor,
        lease: Callable[[str, str, int | None], int | None] = lambda step, path, wanted: None,
        shelf: Shelf | None = None,
        pool: Pool | None = None,
    ) -> None:
        """`workspaces`: asked once something needs them; a text says why there can be none. `lease`: the slot of a
        step's workspace at a path, if it can have the one that it had. `pool` makes workspaces, several at once; None:
        asyncio's own."""
        self._state = state
        self._place = place
        self._open = workspaces
        self._opened: Workspaces | str | None = None
        self._redactor = redactor
        self._lease = lease
        self._shelf = shelf
        self._pool = pool
        self._reserved: dict[str, str] = {}
        """Path → the step for which it is being made ready."""
        self._waiting: list[asyncio.Future[None]] = []
        self._lock = threading.Lock()

    # -- before the work -------------------------------------------------------------------------------------

    def lacks(self, step_id: str) -> bool:
        return is_making(self._state.steps[step_id])

    async def make(self, step_id: str, attempt: int) -> WorkspaceReady | AttemptEnded:
        """The workspace of a live attempt, once nobody else is in it."""
        made = await self._make(step_id, attempt)
        if isinstance(made, Ready):
            return WorkspaceReady(step_id, attempt, made)
        if isinstance(made, Left):
            done = Succeeded(CLEAN, usage=Usage(0, 0, 0.0), left=made if made.commit else None)
            tree = made.commit if self._state.steps[step_id].step.reworked else ""
            return AttemptEnded(step_id, attempt, done, "", tree=tree)
        return AttemptEnded(step_id, attempt, self._shown(made), "")

    async def _make(self, step_id: str, attempt: int) -> Ready | Left | Failed:
        known = self._state.steps[step_id]
        live = known.attempts[attempt - 1]
        try:
            order = self._order(known, live)
        except BriefError as error:
            return Failed(FailureClass.START, str(error))
        path = order.takes or (order.before.path if order.before is not None else "")
        while path and (
            self._reserved.get(path, step_id) != step_id or in_use(self._state, path, by_other_than=step_id)
        ):
            await self._somebody_left()
            if live.stopping is not None:
                return Failed(FailureClass.CANCELLED, "stopped while it waited for its workspace")
        if path:
            self._reserved[path] = step_id
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._prepare, order)
        except OSError as error:
            return Failed(FailureClass.SETUP, f"the workspace could not be made: {error}")

    def _prepare(self, order: Order) -> Ready | Left | Failed:
        workspaces = self._workspaces()
        if isinstance(workspaces, str):
            return Failed(FailureClass.SETUP, workspaces)
        ready = workspaces.prepare(self._settled(order, workspaces))
        if isinstance(ready, Ready) and self._shelf is not None:
            step = self._state.steps[order.step].step
            ready = handing.put(self._shelf, self._state, step, ready, tree=self._tree)
        if not isinstance(ready, Ready):
            return ready
        # By its directory: who borrows it has the same.
        wanted = order.before.slot if order.before is not None else None
        return ready._replace(slot=self._lease(_name(ready.path), ready.path, wanted))

    def _settled(self, order: Order, workspaces: Workspaces) -> Order:
        """Of a step that a loop has opened again, when what it starts from has become another commit meanwhile: what it
        had left, and that, together."""
        known = self._state.steps[order.step]
        if not order.goes_on or known.attempts[-1].cause != "rework" or order.before is None or not order.parents:
            return order
        mine = matching(order.parents, order.before.repo)
        if not mine:
            return order
        start = workspaces.merged(mine, order.message)
        if start == order.before.base or known.left is None or isinstance(start, Failed):
            return order
        return order._replace(goes_on=False, adds=known.left.commit)

    def _workspaces(self) -> Workspaces | str:
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _shown(self, failed: Failed) -> Failed:
        text = self._redactor.text
        return failed._replace(reason=text(failed.reason), detail=text(failed.detail))

    def given(self, step_id: str) -> None:
        """The log knows now who works where; or nobody does."""
        self._reserved = {path: name for path, name in self._reserved.items() if name != step_id}
        self.freed()

    def freed(self) -> None:
        """An attempt has ended, or is to be: its workspace may be what another waits for."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    async def _somebody_left(self) -> None:
        one: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(one)
        await one

    def _order(self, known: StepState, live: AttemptState) -> Order:
        step = known.step
        rendering = Rendering(self._state, step, run=self._place.run, attempt=live.number)
        before = parents(self._state, step)
        go_on = goes_on(known, live)
        takes = "" if go_on else borrowed(self._state, known, before)
        if takes in self._reserved:
            takes = ""
        tree = step.tree
        copy = tuple(rendering.path(value, key="workspace.copy") for value in tree.copy) if tree is not None else ()
        return Order(
            step=step.id,
            attempt=live.number,
            parents=tuple(self._parent(name, commit) for name, commit in before),
            own=step.workspace in (WORKTREE, CLONE),
            goes_on=go_on,
            before=known.ready,
            takes=takes,
            copy=copy,
            sparse=self._sparse(step, rendering),
            repo=_repo(step, rendering),
            message=self._merge_message(step, before),
            resolve=bool(step.resolves),
        )

    def _parent(self, name: str, commit: str) -> Parent:
        known = self._state.steps.get(name)
        ready = known.ready if known is not None else None
        return Parent(name, commit, ready.path if ready is not None else "", repository(self._state, name))

    def _sparse(self, step: Step, rendering: Rendering) -> tuple[str, ...] | None:
        if step.tree is None or not step.tree.sparse:
            return None
        reads = [rendering.path(value, key="reads") for value in step.reads or ()]
        writes = [rendering.path(value, key="writes") for value in step.writes]
        return tuple(dict.fromkeys((*reads, *writes)))

    def _merge_message(self, step: Step, before: tuple[tuple[str, str], ...]) -> str:
        names = ", ".join(name for name, _ in before)
        return f"merge {names}\n\nTeamflow-Run: {self._run}\nTeamflow-Step: {step.id}\n"

    @property
    def _run(self) -> str:
        run = self._place.run
        return f"{run.get('number', '')} {run.get('id', '')}".strip()

    def tidy(self) -> list[str]:
        """Takes away the workspaces that need not outlive the run; what could not be, in words. Blocking."""
        wrong = []
        for known, ready in not_kept(self._state):
            workspaces = self._workspaces()
            if isinstance(workspaces, str):
                return [workspaces]
            number = known.attempts[-1].number
            try:
                workspaces.keep(known.step.id, number, ready)
                trouble = workspaces.remove(ready)
            except OSError as error:
                trouble = f"{ready.path} stays: {error}"
            if trouble:
                wrong.append(f"{known.step.id}: {trouble}")
        return wrong

    # -- after it --------------------------------------------------------------------------------------------

    def finish(self, known: StepState, attempt: int) -> Done | Failed | None:
        """What a step that is done has left, as a commit; None where it works in no workspace of ours. Blocking."""
        live = known.attempts[attempt - 1]
        if live.ready is None or not in_workspace(known.step):
            return None
        work = message(known, live, work=self._redactor.text(self._work_of(known.step, attempt)), run=self._run)
        workspaces = self._workspaces()
        if isinstance(workspaces, str):
            return Failed(FailureClass.SETUP, workspaces)
        try:
            done = workspaces.finish(Finish(known.step.id, attempt, live.ready, work, fenced=_may_write(known.step)))
        except OSError as error:
            done = Failed(FailureClass.OUTPUT, f"what it left could not be committed: {error}")
        failed = done if isinstance(done, Failed) else self._judged(known, live, done, workspaces)
        return done if failed is None else self._shown(failed)

    def shelve(self, left: Left, artifacts: tuple[Artifact, ...], *, root: str) -> Failed | None:
        """Keeps the output files of a step that is done, of those that its commit has not; why not. Blocking."""
        if self._shelf is None:
            return None
        return handing.keep(self._shelf, left, artifacts, root=root, tree=self._tree)

    def _tree(self, left: Left) -> Mapping[str, str]:
        workspaces = self._workspaces()
        return {} if isinstance(workspaces, str) else workspaces.tree(left.commit, None, repo=left.repo) or {}

    def _work_of(self, step: Step, attempt: int) -> str:
        """What was asked for, on one line."""
        rendering = Rendering(self._state, step, run=self._place.run, attempt=attempt)
        try:
            if step.prompt is not None:
                text = rendering.text(step.prompt, key="prompt")
            else:
                command = rendering.command(step.command or Command(None), key="command")
                text = command.shell or " ".join(map(str, command.argv))
        except BriefError:
            return ""
        return text.strip().partition("\n")[0]

    def _judged(self, known: StepState, live: AttemptState, done: Done, workspaces: Workspaces) -> Failed | None:
        """Why what it has changed may not be kept."""
        from teamflow.policy.edits import judged  # only with worktrees, and it brings parsers of manifests

        step = known.step
        diff = step.tree.diff if step.tree is not None else None
        grants = step.means.grants
        edit = grants.editable
        if not step.writes and diff is None and edit is None and not _may_write(step):
            return None
        rendering = Rendering(self._state, step, run=self._place.run, attempt=live.number)
        try:
            writes = [rendering.path(value, key="writes") for value in step.writes]
            made = [rendering.path(file.path, key=f"outputs.{file.name}") for file in step.outputs.files]
        except BriefError as error:
            return Failed(FailureClass.WRITES, str(error))

        def content(path: str, *, after: bool) -> bytes | None:
            left = done.left
            return workspaces.content(left.commit if after else left.base, path, repo=left.repo)

        return judged(
            done.changes,
            writes=writes,
            edit=edit,
            diff=diff,
            artifacts=made,
            read=content,
            fenced=_may_write(step),
            hidden=done.hidden,
        )


def _may_write(step: Step) -> bool:
    """Whether it is an agent's, and that may change files, but not do all. (Of one that only reads every change is one
    too many.)"""
    return step.prompt is not None and step.means.grants.level not in (FULL, READ)


def variables_of(live: AttemptState, place: Place) -> dict[str, str]:
    """What an attempt in a workspace has in its environment because of it."""
    ready = live.ready
    if ready is None:
        return {}
    found = {"TEAMFLOW_WORKSPACE": ready.path}
    number = place.run.get("number")
    if ready.slot is not None:
        run = number if isinstance(number, int) else 0
        found |= variables(ready.slot, project_name=_name(place.project), number=run, step=_name(ready.path))
    return found


def _repo(step: Step, rendering: Rendering) -> str | None:
    """What it clones: a repository that it names, else the project's own."""
    if step.workspace != CLONE:
        return None
    given = step.tree.repo if step.tree is not None else None
    return rendering.text(given, key="workspace.repo") if given is not None else "."


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def root_of(live: AttemptState | None, project: str) -> str:
    """Where an attempt works."""
    return project if live is None or live.ready is None else live.ready.path


def aside_words(aside: Sequence[str]) -> str:
    """What no commit holds, on one line; `aside` as in `ports.Done`."""
    named = [f"{path} ({why})" for path, _, why in (line.partition(": ") for line in aside[:_NAMED])]
    return ", ".join(named) + (f" and {len(aside) - _NAMED} more" if len(aside) > _NAMED else "")


def note_of(ready: Ready | None) -> Json:
    """What travels with a start, so that the journal proves where it works."""
    if ready is None:
        return None
    return {**ready._asdict(), "copied": list(ready.copied), "conflicts": list(ready.conflicts)}


def ready_from(note: object) -> Ready | None:
    """The inverse of `note_of`; None for what is no such thing."""
    if not isinstance(note, dict) or not isinstance(note.get("path"), str):
        return None
    known = {name: value for name, value in note.items() if name in Ready._fields}
    for name in ("copied", "conflicts"):
        listed = known.get(name)
        known[name] = tuple(listed) if isinstance(listed, list) else ()
    try:
        return Ready(**known)
    except TypeError:
        return None

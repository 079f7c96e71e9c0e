"""A workspace for an attempt: a fresh worktree, that of a dependency, or the one that the last attempt worked in.

Decides which of them, at which commit, on which branch; what lies in the way is kept first.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from teamflow.core.globs import PathSet
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.work import Left, Ready
from teamflow.ports import Order, Parent
from teamflow.workspaces import merging
from teamflow.workspaces.checkout import checkout
from teamflow.workspaces.copying import chosen, copy
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.finishing import KEPT, Finishing
from teamflow.workspaces.naming import part
from teamflow.workspaces.place import Made, Place, copy_index
from teamflow.workspaces.repository import Repository


class Preparing:
    def __init__(self, finishing: Finishing, *, project: str, head: Callable[[], str | None]) -> None:
        """`head`: the commit that all start from that start from nobody's."""
        self._finishing = finishing
        self._repository: Repository = finishing.repository
        self._names = finishing.names
        self._seat = finishing.seat
        self._project = project
        self._head = head

    def prepare(self, order: Order) -> Ready | Left | Failed:
        if order.goes_on and order.before is not None:
            made = self._go_on(order, order.before)
            return made if isinstance(made, Failed) else made._replace(conflicts=order.before.conflicts)
        if order.resolve:
            return self._to_mend(order) if order.parents else Left("", "")
        start = self._start(order)
        if isinstance(start, Failed):
            return start
        paths = chosen(self._project, order.copy)
        if order.adds:
            own = Parent(order.step, order.adds)
            tip = merging.merged(self._repository, (own, Parent("what it starts from", start)), message=order.message)
            return tip if isinstance(tip, Failed) else self._fresh(order, start, paths, tip=tip)
        if order.takes and not order.own:
            taken = self._take(order, start, paths)
            if taken is not None:
                return taken
        return self._fresh(order, start, paths)

    def _to_mend(self, order: Order) -> Ready | Left | Failed:
        """HEAD is the merge with its markers, and with the sides of what can have none (`sides`), so that what was not
        mended well can be had back, and its parents are the sides. It becomes part of no history: see `finishing`."""
        found = merging.merge(self._repository, order.parents, message=order.message, through=True)
        if not found.conflicts:
            self._finishing.protect(order.step, found.commit)
            return Left(found.commit, found.commit)
        if order.sparse is not None and not all(path in PathSet(order.sparse) for path in found.conflicts):
            order = order._replace(sparse=None)  # what is not there cannot be mended
        paths = tuple(path for path in chosen(self._project, order.copy) if path not in found.conflicts)
        made = self._fresh(order, found.commit, paths)
        return made if isinstance(made, Failed) else made._replace(conflicts=found.conflicts)

    def _start(self, order: Order) -> str | Failed:
        if order.parents:
            return merging.merged(self._repository, order.parents, message=order.message)
        head = self._head()
        if head is None:
            reason = "the project has no commit to start from (none yet, or HEAD is broken): commit something first"
            return Failed(FailureClass.SETUP, reason)
        return head

    def _go_on(self, order: Order, before: Ready) -> Ready | Failed:
        found = self._finishing.of(before.path)
        made = found.made()
        if made is not None and made.taken and before.own and before.branch:
            return self._give_back(order, before, found)
        if made is not None and found.is_there():
            with self._repository.alone():
                self._seat.mend(found)
            return before
        return self._restore(order, before)

    def _give_back(self, order: Order, before: Ready, found: Place) -> Ready | Failed:
        """Others have worked there since: as the step itself has left it, with what git ignores."""
        paths = chosen(self._project, order.copy)
        tip = self._repository.commit_of(f"refs/heads/{before.branch}") or before.base
        taken = self._take(order._replace(takes=before.path, own=False), tip, paths)
        if taken is None:
            return self._fresh(order, before.base, paths, tip=tip)
        with self._repository.alone():
            self._seat.mend(found)
            self._seat.attach(found, branch=f"refs/heads/{before.branch}", commit=tip)
            self._seat.settle(found)
        found.record(Made(taken.copied))
        return before._replace(copied=taken.copied)

    def _restore(self, order: Order, before: Ready) -> Ready | Failed:
        """The workspace is gone: made anew, with what was kept of it."""
        name = part(order.step)
        known = self._names.of(name)
        commit = next((known[what] for what in _newest(known, order.attempt)), before.base)
        head = commit
        if self._repository.message_of(commit).startswith(KEPT):
            head = self._repository.parents_of(commit)[0]
        paths = chosen(self._project, order.copy or before.copied)
        paths = tuple(path for path in paths if path not in before.conflicts)
        made = self._fresh(order._replace(own=before.own), head, paths, files=commit)
        return made if isinstance(made, Failed) else made._replace(base=before.base)

    def _take(self, order: Order, start: str, paths: tuple[str, ...]) -> Ready | None:
        """A dependency's worktree, where it really holds the commit and nothing else; None: it does not."""
        try:
            found = self._finishing.of(order.takes)
        except WorkspaceError:
            return None
        made = found.made()
        if made is None or not found.is_there() or not self._seat.is_known(found):
            return None
        with found.alone():
            return self._take_alone(order, start, paths, found=found, made=made)

    def _take_alone(
        self, order: Order, start: str, paths: tuple[str, ...], *, found: Place, made: Made
    ) -> Ready | None:
        as_is = Ready(found.path, start, own=False, repo=self._finishing.repo, copied=made.copied)
        head = self._finishing.head(found, as_is)
        tree = self._repository.tree_of(start)
        if self._repository.tree_of(head) != tree:
            return None
        with found.borrowed_index() as index:
            lies = self._finishing.look(found, as_is, head=head, index=index)
            if lies.tree != tree or lies.sparse:
                return None
            with self._repository.alone():
                if not order.goes_on:
                    self._repository.update({self._names.ref(part(order.step), "start"): start})
                admin = self._seat.mend(found)
                self._seat.attach(found, branch="", commit=start)
                self._seat.settle(found)  # what another has begun there is none of this step's
                copy_index(index, f"{admin}/index")
        brought = self._bring(found, start, paths)
        copied = tuple(dict.fromkeys((*made.copied, *brought)))
        found.record(Made(copied, taken=True))
        return as_is._replace(copied=copied)

    def _fresh(
        self, order: Order, start: str, paths: tuple[str, ...], *, tip: str = "", files: str = ""
    ) -> Ready | Failed:
        """`tip`: the commit to be at, `files`: the one whose files are to lie there; '': those of the starting one."""
        tip = tip or start
        name = part(order.step)
        found = self._finishing.at(name)
        with found.alone():
            return self._make(order, found, start, paths, tip=tip, files=files)

    def _make(
        self, order: Order, found: Place, start: str, paths: tuple[str, ...], *, tip: str, files: str
    ) -> Ready | Failed:
        name = found.name
        self._clear(order, found)
        found.begin()
        with self._repository.alone():
            wanted: dict[str, str | None] = {self._names.ref(name, "start"): start}
            branch = ""
            if order.own:
                picked = self._names.branch(name, path=found.path)
                if picked is None:
                    return _no_name(self._names.number)
                branch, marks = picked
                wanted |= {branch: tip, **dict.fromkeys(marks, tip)}
                old = self._repository.commit_of(branch)
                if old and not self._repository.is_ancestor(old, tip):
                    wanted[self._names.ref(name, f"stray/{old[:12]}")] = old
            self._repository.update(wanted)
            admin = self._seat.add(found, commit=tip, branch=branch)
        checkout(self._repository, found, admin, commit=files or tip, sparse=order.sparse)
        if files and files != tip:
            # The files of what was kept, over the commit that it was on: uncommitted, as they were.
            self._repository.look("read-tree", "-i", "-m", tip, index=f"{admin}/index", tree=found.path)
        copied = self._bring(found, start, paths)
        found.record(Made(copied))
        return Ready(found.path, start, branch.removeprefix("refs/heads/"), order.own, self._finishing.repo, copied)

    def _clear(self, order: Order, found: Place) -> None:
        """Takes away what an earlier attempt has left, once it is kept."""
        if not os.path.lexists(found.path):
            found.forget()
            return
        made = found.made()
        if made is None and not found.is_half_made():
            made = Made()  # what was on record of it has been deleted: it may hold work all the same
        if made is not None and found.is_there():
            name = part(order.step)
            start = self._names.of(name).get("start") or self._repository.commit_of("HEAD") or ""
            before = order.before or Ready(found.path, start, copied=made.copied)
            if before.path != found.path:
                before = Ready(found.path, start, copied=made.copied)
            self._finishing.keep_and_clear(order.step, str(max(order.attempt - 1, 0)), before)
        self._finishing.clear(found)

    def _bring(self, found: Place, start: str, paths: tuple[str, ...]) -> tuple[str, ...]:
        if not paths:
            return ()
        return copy(self._project, found.path, paths=paths, but=self._repository.files(start))


def _newest(known: dict[str, str], attempt: int) -> list[str]:
    """The refs that may hold what the last attempt has left, best first."""
    tries = [str(number) for number in range(attempt, 0, -1)]
    return [what for what in (*tries, "removed", "left", "start") if what in known]


def _no_name(number: int) -> Failed:
    reason = f"no branch may be called teamflow/{number}/...: a branch `teamflow` or `teamflow/{number}` is in the way"
    return Failed(FailureClass.SETUP, f"{reason}; rename it")

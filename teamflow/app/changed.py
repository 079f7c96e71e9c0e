"""What a step has changed: of one that has succeeded what it has left, of any other what lies in its workspace now.

Reads only. A workspace is looked at through an index of our own, so that nobody who works there notices.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from teamflow.app.inspect import Inspected
from teamflow.app.where import where
from teamflow.core.plan import ASK
from teamflow.core.shell import quoted
from teamflow.core.state import StepState
from teamflow.core.status import Status
from teamflow.core.work import Change, Left, Ready
from teamflow.policy.trees import in_workspace
from teamflow.workspaces.clones import seat_in
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.finishing import Finishing
from teamflow.workspaces.naming import Names, part
from teamflow.workspaces.place import Place, place
from teamflow.workspaces.process import GitError
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.stores import opened as store_opened
from teamflow.workspaces.stores import store_at

MADE = (Status.SUCCEEDED, Status.CACHED)


class NothingToSee(Exception):
    """The step has nothing that could be looked at; the message says why, and what to do."""


class Differences:
    """Between what a step began with and what it has made. `after` is a commit, or the tree of what lies there now."""

    def __init__(
        self, repository: Repository, before: str, after: str, *, tree: str, aside: Sequence[str] = ()
    ) -> None:
        self._repository = repository
        self.before = before
        self.after = after
        self._tree = tree
        self.aside = tuple(aside)
        """What of a workspace git cannot hold."""

    def patch(self, paths: Iterable[str] = (), *, whole: bool) -> bytes:
        """As `git diff` prints it, without colours. `whole`: so that `git apply` makes the same of it, binary files
        as well."""
        words = ["--patch", *(("--binary", "--full-index") if whole else ())]
        return self._diff(words, paths)

    def stat(self, paths: Iterable[str] = (), *, columns: int | None) -> bytes:
        return self._diff([f"--stat={columns}" if columns else "--stat"], paths)

    def changes(self, paths: Sequence[str] = ()) -> list[Change]:
        found = self._repository.changes(self.before, self.after, tree=self._tree)
        return [change for change in found if not paths or any(_is_below(change.path, path) for path in paths)]

    def _diff(self, words: Sequence[str], paths: Iterable[str]) -> bytes:
        fixed = ("-r", "-M", "--no-ext-diff", "--no-textconv", "--color=never")
        return self._repository.look(
            "diff-tree", *fixed, *words, self.before, self.after, "--", *paths, tree=self._tree
        ).out


def differences(inspected: Inspected, known: StepState, *, environ: Mapping[str, str]) -> Differences:
    """NothingToSee, WorkspaceError."""
    name = known.step.id
    if known.step.kind != ASK and known.step.expansion is None and not in_workspace(known.step):
        raise NothingToSee(
            f"{name} works in the project directory: `git diff` and `git status` show what is changed there"
        )
    try:
        if known.left is not None and known.status in MADE:
            return _left(inspected, name, known.left, environ)
        if known.ready is not None:
            return _lies_there(inspected, known, known.ready, environ)
    except GitError as error:
        raise WorkspaceError("git", name, f"cannot be compared: {error}") from error
    if known.left is not None:
        return _left(inspected, name, known.left, environ)
    raise NothingToSee(where(inspected, known).problem or f"{name} has left nothing")


def opened(inspected: Inspected, environ: Mapping[str, str], *, repo: str = "") -> Repository:
    """The project's repository, or what has the commits of clones (`repo` as in `Left`). WorkspaceError, GitError."""
    layout = inspected.layout
    home = f"{os.path.realpath(layout.directory)}/git/look"
    if not repo:
        return Repository.open(layout.root, home=home, environ=environ)
    # By its name: the project may have been moved since.
    store = store_at(os.path.realpath(layout.directory), repo)
    if not os.path.isfile(f"{store}/HEAD"):
        reason = "what steps have left in clones of that repository is gone"
        raise WorkspaceError("missing", store, reason, remedy="run the step again")
    return store_opened(store, home=home, environ=environ)


def check_there(repository: Repository, commits: Iterable[str], step: str) -> None:
    """WorkspaceError: one of them is gone."""
    for commit in commits:
        if not repository.has(commit):
            raise WorkspaceError(
                "missing",
                step,
                f"commit {commit[:12]} of it is not in the repository any more",
                remedy=f"`teamflow run --force {quoted(step)}` does it again",
            )


def _left(inspected: Inspected, step: str, left: Left, environ: Mapping[str, str]) -> Differences:
    repository = opened(inspected, environ, repo=left.repo)
    check_there(repository, (left.base, left.commit), step)
    return Differences(repository, left.base, left.commit, tree="" if left.repo else inspected.layout.root)


def _lies_there(inspected: Inspected, known: StepState, ready: Ready, environ: Mapping[str, str]) -> Differences:
    step, row = known.step.id, inspected.row
    home = os.path.realpath(inspected.layout.directory)
    repository = opened(inspected, environ, repo=ready.repo)
    check_there(repository, (ready.base,), step)
    names = Names(repository, run_id=row.id, number=row.number)
    if not os.path.isdir(ready.path):
        number = next((attempt.number for attempt in reversed(known.attempts) if attempt.ready == ready), 0)
        kept = names.of(part(step)).get(str(number))
        if kept is None:
            raise NothingToSee(f"{step}: its workspace is gone: {ready.path}")
        return Differences(repository, ready.base, kept, tree="")
    there = _place(ready.path, home=home)
    if not there.is_there():
        raise NothingToSee(f"{step}: its workspace is not where teamflow has made it: a directory above it is a link")
    looking = Finishing(
        repository, names, seat_in(repository, ready.repo), home=home, run=os.path.basename(there.root), repo=ready.repo
    )
    with there.borrowed_index() as index:
        found = looking.look(there, ready, head=looking.head(there, ready), index=index)
    return Differences(repository, ready.base, found.tree, tree=ready.path, aside=found.aside)


def _place(path: str, *, home: str) -> Place:
    """With the index that is on record of a workspace, where it is one of ours."""
    root, _, name = path.rpartition("/")
    above, _, run = root.rpartition("/")
    if above == f"{home}/work":
        return place(home, run, name)
    state = f"{home}/git/look/state"
    os.makedirs(state, mode=0o700, exist_ok=True)
    return Place(root, name, state)


def _is_below(path: str, asked: str) -> bool:
    return asked == "." or path == asked or path.startswith(f"{asked.rstrip('/')}/")

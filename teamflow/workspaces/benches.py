"""What works on each repository that a run has to do with: the project's, and the stores of what is cloned.

Decides that there is one of each for a run, made with its first use. Refuses to know where the repositories come from.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from teamflow.core.named import NamedTuple
from teamflow.workspaces.clones import seat_in
from teamflow.workspaces.finishing import Finishing
from teamflow.workspaces.naming import Names
from teamflow.workspaces.ownership import directory_of
from teamflow.workspaces.preparing import Preparing
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.stores import store_at
from teamflow.workspaces.watching import Watching


class Bench(NamedTuple):
    """What works on one repository."""

    repository: Repository
    finishing: Finishing
    preparing: Preparing
    watching: Watching


class Benches:
    """Threads may share one. `store`: opens a repository; `head`: the commit of the project that all start from; `run`:
    its id and its number."""

    def __init__(
        self,
        store: Callable[[str], Repository],
        head: Callable[[], str | None],
        *,
        project: str,
        home: str,
        run: tuple[str, int],
    ) -> None:
        self._store = store
        self._head = head
        self._project = project
        self._home = home
        self._run = run
        self._lock = threading.Lock()
        self._known: dict[str, Bench] = {}

    def of(self, repo: str) -> Bench:
        """`repo` as in `core/work.Ready`. WorkspaceError, GitError."""
        path = store_at(self._home, repo) if repo else ""
        with self._lock:
            if path not in self._known:
                self._known[path] = self._made(path)
            return self._known[path]

    def _made(self, path: str) -> Bench:
        repository = self._store(path)
        run_id, number = self._run
        names = Names(repository, run_id=run_id, number=number)
        run = directory_of(number, run_id)
        finishing = Finishing(repository, names, seat_in(repository, path), home=self._home, run=run, repo=path)
        head = (lambda: repository.commit_of("HEAD")) if path else self._head
        return Bench(repository, finishing, Preparing(finishing, project=self._project, head=head), Watching(finishing))

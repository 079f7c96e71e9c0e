"""The runs of all projects of this machine, as far as `machine.db` knows of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING

from teamflow.core.named import NamedTuple
from teamflow.store.errors import StoreError
from teamflow.store.machine import Machine

if TYPE_CHECKING:
    from teamflow.views.runs import RunLine


class ProjectRuns(NamedTuple):
    """`root`: absolute. Newest run first."""

    root: str
    runs: tuple[RunLine, ...]


def note_project(root: str, environ: Mapping[str, str], *, now: float, warn: Callable[[str], None]) -> None:
    """So that `runs -a` finds it; a run goes on where that cannot be written."""
    try:
        machine = Machine.open(environ)
        if machine is not None:
            with closing(machine):
                machine.note_project(root, now=now)
    except StoreError as error:
        warn(f"`runs -a` may not list this project: {error}")


def runs_everywhere(environ: Mapping[str, str], *, warn: Callable[[str], None]) -> list[ProjectRuns]:
    """Of each project that is still there. One that cannot be read is told to `warn`. StoreError: `machine.db`."""
    # Imported here: every run imports this module, to be noted.
    from teamflow.app.inspect import list_runs
    from teamflow.store.sqlite import Database

    machine = Machine.open(environ)
    if machine is None:
        return []
    allow_network = environ.get("TEAMFLOW_ALLOW_NETWORK_FS") == "1"
    found: list[ProjectRuns] = []
    with closing(machine):
        for root in machine.projects():
            try:
                database = Database.find(root, allow_network=allow_network)
                if database is None:
                    machine.forget_project(root)
                    continue
                with database:
                    found.append(ProjectRuns(root, tuple(list_runs(database))))
            except StoreError as error:
                warn(str(error))
    return found

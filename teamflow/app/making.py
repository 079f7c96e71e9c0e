"""What the workspaces of a run's attempts need of this machine: ports and names of their own, and a place for files."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from teamflow.app.parts import Wired
from teamflow.app.shelf import RunShelf
from teamflow.core.plan import Json
from teamflow.core.state import RunState
from teamflow.run.place import Place
from teamflow.run.trees import Trees
from teamflow.store.layout import Layout


def make_trees(state: RunState, wired: Wired, place: Place, warn: Callable[[str], object]) -> Trees | None:
    """The workspaces of the attempts of a run, if it can have any."""
    if wired.workspaces is None:
        return None
    lease = _lessor(wired.root, wired.run, wired.environ, run_dir=place.run_dir, warn=warn)
    shelf = RunShelf(Layout(wired.root).artifacts(wired.number))
    return Trees(state, place=place, workspaces=wired.workspaces, redactor=wired.redactor, lease=lease, shelf=shelf)


def _lessor(
    root: str, run: Mapping[str, Json], environ: Mapping[str, str], *, run_dir: str, warn: Callable[[str], object]
) -> Callable[[str, str, int | None], int | None]:
    """What leases a slot of ports and names to a workspace: its name, its path, the slot that it had before. None, and
    a warning, where the machine's database cannot be used: the step then works without."""

    def lease(name: str, path: str, wanted: int | None) -> int | None:
        # Imported here: most runs have no workspaces.
        from teamflow.run.clock import SystemClock
        from teamflow.store.errors import StoreError
        from teamflow.store.machine import Machine
        from teamflow.store.slots import take

        try:
            machine = Machine.open(environ)
            if machine is None:
                return None
            try:
                now = SystemClock().now()
                return take(
                    machine,
                    project=root,
                    run=str(run.get("id", "")),
                    step=name,
                    workspace=path,
                    directory=run_dir,
                    boot=now.boot,
                    now=now.wall,
                    wanted=wanted,
                )
            finally:
                machine.close()
        except StoreError as error:
            warn(f"{name} has no ports of its own: {error}")
            return None

    return lease

"""Where a run's workspaces come from: git, opened once something needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from teamflow.core.plan import Json
from teamflow.store.layout import Layout

if TYPE_CHECKING:
    from teamflow.ports import Workspaces

NO_REPOSITORY = (
    "the project is in no git repository, so there can be no worktree: `git init` and a first commit make it one, "
    "workspace: {mode: shared} lets the step work in the project directory"
)


def opener(root: str, run: Mapping[str, Json], environ: Mapping[str, str]) -> Callable[[], Workspaces | str]:
    """What gives the workspaces of a run, always the same, or says why there can be none. `run` may be empty for who
    only looks. Importing this starts nothing, and most runs never ask."""
    opened: list[Workspaces | str] = []

    def ask() -> Workspaces | str:
        if not opened:
            opened.append(_open(root, run, environ))
        return opened[0]

    return ask


def lessor(
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


def _open(root: str, run: Mapping[str, Json], environ: Mapping[str, str]) -> Workspaces | str:
    # Imported here: most runs need no git.
    from teamflow.app.failpoints import failpoint
    from teamflow.workspaces.errors import WorkspaceError
    from teamflow.workspaces.provider import GitWorkspaces

    number = run.get("number")
    try:
        return GitWorkspaces(
            root,
            run_id=str(run.get("id", "")),
            number=number if isinstance(number, int) else 0,
            home=Layout(root).directory,
            environ=environ,
            boundary=failpoint(environ) or (lambda: None),
        )
    except WorkspaceError as error:
        return NO_REPOSITORY if error.code == "no-git" else f"{error.path}: {error.reason}"
    except OSError as error:
        return f"git cannot be used: {error.strerror or error}"

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

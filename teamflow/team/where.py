"""Where an agent works, as the file settles it: permissions, `workspace`, `diff`.

Decides which agents get a workspace of their own where that is possible; whether the project is in a git repository,
and what a step without one works on, is for the planner.
"""

from __future__ import annotations

from typing import Literal

from teamflow.core.plan import FORBIDDEN, DiffPolicy
from teamflow.team.layers import Layers
from teamflow.team.model import Diff, Permissions, Workspace
from teamflow.team.resolved import AskWork, Work, WorkspacePolicy
from teamflow.team.resolved import Permissions as ResolvedPermissions


def permissions(layers: Layers) -> ResolvedPermissions:
    value = layers.get("permissions")
    if value is None:
        return ResolvedPermissions()
    if isinstance(value, str):
        return ResolvedPermissions(level=value)
    merged = layers.part("permissions", Permissions) or value
    return ResolvedPermissions("edit", merged.edit, merged.run, merged.net or "allow", merged.ask or "queue")


_WORKSPACE = WorkspacePolicy("auto", None, (), sparse=False, keep="on_failure", repo=None, declared=False)


def workspace(layers: Layers, work: Work, *, alone: bool) -> WorkspacePolicy:
    """What does not reach an agent that is not `alone` is left out, for `defaults` may say it to all."""
    given = layers.part("workspace", Workspace)
    if given is None or isinstance(work, AskWork):
        return _WORKSPACE
    return WorkspacePolicy(
        mode_of(given),
        given.setup,
        (given.copy_ or ()) if alone else (),
        sparse=alone and bool(given.sparse) and names_files(layers.get("reads"), layers.get("writes")),
        keep=given.keep or "on_failure",
        repo=given.repo,
        declared=given.mode is not None,
    )


def mode_of(given: Workspace | None) -> Literal["auto", "shared", "worktree", "clone"]:
    if given is None:
        return "auto"
    return given.mode or ("clone" if given.repo else "auto")


def names_files(*patterns: tuple[str, ...] | None) -> bool:
    """Whether `reads` and `writes` say what a sparse checkout is to hold."""
    return any(patterns)


def is_alone(layers: Layers, *, prompt: bool) -> bool:
    """Whether, in a git repository, an agent with these layers gets a workspace that is made for it alone."""
    mode = mode_of(layers.part("workspace", Workspace))
    return mode in ("worktree", "clone") or (mode == "auto" and prompt and permissions(layers).may_edit)


def diff(layers: Layers, *, alone: bool) -> DiffPolicy | None:
    given = layers.part("diff", Diff)
    if given is None or not alone or not (given.max_lines or given.forbid):
        return None
    return DiffPolicy(given.max_lines, tuple(word for word in FORBIDDEN if word in (given.forbid or ())))

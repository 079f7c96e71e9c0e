"""What is said before a run begins though it may begin: secrets that are doubtful, files that no worktree will have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from teamflow.app.compile import Compiled
from teamflow.app.secrets import Secrets, explain_secrets
from teamflow.core.plan import Plan
from teamflow.core.state import RunState
from teamflow.policy.trees import in_workspace


class Front(Protocol):
    def diagnostics(self, compiled: Compiled) -> None: ...

    def complain(self, message: str) -> None: ...


def tell_doubts(plan: Plan, secrets: Secrets, front: Front, *, root: str, environ: Mapping[str, str]) -> None:
    if secrets.doubtful:
        explained = explain_secrets(plan, root=root, environ=environ)
        front.diagnostics(explained)
        if secrets.problems and not (explained.diagnostics and explained.diagnostics.has_errors):
            front.complain("\n".join(secrets.problems))
    if any(in_workspace(step) for step in plan.steps):
        # Imported here: it asks git.
        from teamflow.app.uncommitted import start_notes

        for note in start_notes(plan, root):
            front.complain(f"note: {note}")


def tell_moved(state: RunState, front: Front, *, root: str) -> None:
    """Of a run that goes on: which of its steps stay though the user has committed since."""
    if any(in_workspace(step) for step in state.plan.steps):
        from teamflow.app.moved import moved_notes

        for note in moved_notes(state, root):
            front.complain(f"note: {note}")

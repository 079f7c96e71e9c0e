"""The cache and steps that work in workspaces: what they read is the commit that they start from, and what is found of
them are commits, put on top of where this run is.

Asked in the pool's thread. Refuses to know git, which is behind the port.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from teamflow.core.outcome import Failed, Succeeded
from teamflow.core.plan import Step
from teamflow.core.state import RunState, StepState
from teamflow.core.work import Left
from teamflow.policy.trees import in_workspace, parents
from teamflow.ports import Parent, Workspaces
from teamflow.run.kept import Entry, ReadsChanged


class Work:
    """`workspaces` as in `run/trees.Trees`."""

    def __init__(self, state: RunState, workspaces: Callable[[], Workspaces | str]) -> None:
        self._state = state
        self._open = workspaces
        self._trees: dict[tuple[str, tuple[str, ...] | None], Mapping[str, str]] = {}

    def look_again(self) -> None:
        """The user may have committed since the last look. For who watches: else all steps start from one commit."""
        if any(map(in_workspace, self._state.plan.steps)):
            workspaces = self._open()
            if not isinstance(workspaces, str):
                workspaces.refresh()

    def reads(self, step: Step, patterns: Sequence[str] | None, handed: Mapping[str, Entry]) -> Mapping[str, str]:
        """Path → object id of what a step would read if it began now. Raises ReadsChanged.

        `handed`: what this look has found of steps before it.
        """
        before = self._before(step, handed)
        workspaces = self._workspaces()
        start = workspaces.merged(before, f"merge for {step.id}\n") if before else self._at_head(workspaces)
        if isinstance(start, Failed):
            raise ReadsChanged(start.reason)
        return self.reads_of(start, patterns)

    def reads_of(self, commit: str, patterns: Sequence[str] | None) -> Mapping[str, str]:
        """As `reads`, of a known starting commit."""
        asked = (commit, None if patterns is None else tuple(patterns))
        found = self._trees.get(asked)
        if found is None:
            listed = self._workspaces().tree(*asked)
            if listed is None:
                raise ReadsChanged(f"commit {commit[:12]} is not there any more")
            found = self._trees[asked] = listed
        return found

    def found(self, step: Step, entry: Entry, handed: Mapping[str, Entry]) -> Left | str:
        """What the cache has of a step, on top of what it would start from now; or why that cannot be."""
        if entry.left is None:
            return "its commit was not kept"
        try:
            left = self._workspaces().on_top(step.id, entry.left, self._before(step, handed))
        except ReadsChanged as error:
            return str(error)
        return left if left is not None else "its commit is gone, or does not apply any more"

    def why_not_kept(self, outcome: Succeeded, known: StepState, attempt: int) -> str:
        """Why a result cannot be given back later; empty when it can."""
        live = known.attempts[attempt - 1]
        if outcome.left is None or live.ready is None:
            return "not cached: it has left no commit"
        if not outcome.artifacts:
            return ""
        tree = self._workspaces().tree(outcome.left.commit, None) or {}
        ignored = [artifact.path for artifact in outcome.artifacts if artifact.path not in tree]
        return f"not cached: {ignored[0]} is not in its commit (git ignores it)" if ignored else ""

    def _before(self, step: Step, handed: Mapping[str, Entry]) -> tuple[Parent, ...]:
        found = {name: entry.left for name, entry in handed.items()}
        return tuple(Parent(name, commit) for name, commit in parents(self._state, step, found))

    def _at_head(self, workspaces: Workspaces) -> str:
        head = workspaces.head()
        if head is None:
            raise ReadsChanged("the repository has no commit yet")
        return head

    def _workspaces(self) -> Workspaces:
        workspaces = self._open()
        if isinstance(workspaces, str):
            raise ReadsChanged(workspaces)
        return workspaces

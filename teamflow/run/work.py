"""The cache and steps that work in workspaces: what they read is the commit that they start from, and what is found of
them are commits, put on top of where this run is.

Asked in the pool's thread. Refuses to know git, which is behind the port.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from teamflow.core.outcome import Failed, Succeeded
from teamflow.core.plan import Step
from teamflow.core.state import RunState, StepState
from teamflow.core.work import CLONE, WORKTREE, Left
from teamflow.policy.trees import in_workspace, matching, parents, repository
from teamflow.ports import Parent, Workspaces
from teamflow.run.kept import Entry, ReadsChanged


class Work:
    """`workspaces` as in `run/trees.Trees`."""

    def __init__(self, state: RunState, workspaces: Callable[[], Workspaces | str]) -> None:
        self._state = state
        self._open = workspaces
        self._origins: dict[str, Parent] = {}
        self._starts: dict[str, tuple[Parent, ...]] = {}
        self._trees: dict[tuple[str, tuple[str, ...] | None], Mapping[str, str]] = {}

    def look_again(self) -> None:
        """The user may have committed since the last look, and others to what is cloned. For who watches: else all
        steps start from one commit."""
        self._origins.clear()
        self._starts.clear()
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
        return self.reads_of(start, patterns, repo=before[0].repo if before else "")

    def reads_of(self, commit: str, patterns: Sequence[str] | None, *, repo: str = "") -> Mapping[str, str]:
        """As `reads`, of a known starting commit. `repo` as in `Left`."""
        asked = (commit, None if patterns is None else tuple(patterns))
        found = self._trees.get(asked)
        if found is None:
            listed = self._workspaces().tree(*asked, repo=repo)
            if listed is None:
                raise ReadsChanged(f"commit {commit[:12]} is not there any more")
            found = self._trees[asked] = listed
        return found

    def found(self, step: Step, entry: Entry, handed: Mapping[str, Entry]) -> Left | str:
        """What the cache has of a step, on top of what it would start from now; or why that cannot be."""
        if entry.left is None:
            return "its commit was not kept"
        try:
            before = self._starts.get(step.id)
            left = self._workspaces().on_top(
                step.id, entry.left, self._before(step, handed) if before is None else before
            )
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
        tree = self._workspaces().tree(outcome.left.commit, None, repo=outcome.left.repo) or {}
        ignored = [artifact.path for artifact in outcome.artifacts if artifact.path not in tree]
        return f"not cached: {ignored[0]} is not in its commit (git ignores it)" if ignored else ""

    def _before(self, step: Step, handed: Mapping[str, Entry]) -> tuple[Parent, ...]:
        found = {name: entry.left for name, entry in handed.items()}
        before = tuple(
            Parent(name, commit, repo=repository(self._state, name, found))
            for name, commit in parents(self._state, step, found)
        )
        if step.workspace == CLONE:
            start = self._origin(step)
            before = matching(before, start.repo) or (start,)
        elif step.workspace == WORKTREE:
            before = matching(before, "")
        self._starts[step.id] = before
        return before

    def _origin(self, step: Step) -> Parent:
        """What a clone starts from that has no parents; asked once a look."""
        repo = (step.tree.repo if step.tree is not None else None) or "."
        if not isinstance(repo, str):
            raise ReadsChanged("the repository that it clones is not known yet")
        if repo not in self._origins:
            found = self._workspaces().origin(repo)
            if isinstance(found, Failed):
                raise ReadsChanged(found.reason)
            self._origins[repo] = found
        return self._origins[repo]

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

"""Output files that git ignores: kept when their step has succeeded, and put into the workspaces of those after it.

What is in a commit comes with it. What is not would be there only where a step happens to have the worktree of its
dependency. Refuses to know where the contents are, which is behind the port.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from teamflow.core.outcome import Artifact, Failed, FailureClass
from teamflow.core.plan import Step
from teamflow.core.state import RunState
from teamflow.core.work import Left, Ready
from teamflow.policy.trees import Handed, handed_on, matching
from teamflow.ports import GONE, PUT, Shelf

Tree: TypeAlias = "Callable[[Left], Mapping[str, str]]"
"""Path → object id of the files of what a step has left."""


def keep(shelf: Shelf, left: Left, artifacts: Sequence[Artifact], *, root: str, tree: Tree) -> Failed | None:
    """Why they could not be kept. Blocking."""
    committed = tree(left) if artifacts else {}
    for artifact in artifacts:
        if artifact.path not in committed:
            try:
                shelf.keep(root, artifact)
            except OSError as error:
                return Failed(FailureClass.OUTPUT, f"outputs.{artifact.name}: {artifact.path} cannot be kept: {error}")
    return None


def put(shelf: Shelf, state: RunState, step: Step, ready: Ready, *, tree: Tree) -> Ready | Failed:
    """A workspace with what those before the step have made in the same repository, and no commit has; what lies there
    stays. Blocking."""
    brought = []
    for several in handed_on(state, step):
        mine = [one for one in several if matching([one.left], ready.repo)]
        chosen = _agreed(mine, tree) if mine else None
        if isinstance(chosen, Failed):
            return chosen
        if chosen is None:
            continue
        name, artifact, left = chosen
        try:
            done = shelf.put(ready.path, artifact)
        except OSError as error:
            return Failed(FailureClass.SETUP, f"{artifact.path} of {name} cannot be put there: {error}")
        if done == PUT:
            brought.append(artifact.path)
        elif done == GONE and artifact.path not in tree(left):
            reason = f"{artifact.path} of {name} is in no commit, and is not kept any more"
            return Failed(FailureClass.SETUP, f"{reason}: run again with --force {name}")
    return ready._replace(copied=tuple(dict.fromkeys((*ready.copied, *brought)))) if brought else ready


def _agreed(made: Sequence[Handed], tree: Tree) -> Handed | Failed | None:
    """The one that counts of several that made a file side by side; None: commits have it, and these are merged."""
    if len({one.artifact.digest for one in made}) == 1:
        return made[-1]
    found: Handed | None = None
    for one in made:
        if one.artifact.path in tree(one.left):
            continue
        if found is not None and found.artifact.digest != one.artifact.digest:
            names = f"{found.step} and {one.step}"
            reason = f"{one.artifact.path} is an output of {names}, which made it differently, and git ignores it"
            return Failed(FailureClass.CONFLICT, f"{reason}: let them write files of their own")
        found = one
    return found

"""Where the steps of each agent work: in the project, in a worktree of their own, or in what dependencies have left.

Decided for whole agents, over all of the team and not only over what is selected: a selection of steps redefines none
of them. All steps of an agent have the same dependencies in this respect, so instances need no answer of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from teamflow.core.diagnostics import Diagnostics
from teamflow.core.plan import Step
from teamflow.core.work import CLONE, DEPENDENCY, PROJECT, WORKTREE
from teamflow.plan.placing import Agents
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import PromptWork, ResolvedAgent


def workspaces_of(agents: Agents, *, git: bool) -> dict[str, str]:
    """Agent → project | worktree | clone | dependency. `git`: whether the project is in a git repository."""
    found = {name: _own(agent, git=git) for name, agent in agents.settings.items()}
    made = [name for name, where in found.items() if where in (WORKTREE, CLONE)]
    if not made:
        return found
    dependents: dict[str, list[str]] = {}
    for name, wants in agents.needs.items():
        for other in wants:
            dependents.setdefault(other, []).append(name)
    while made:
        name = made.pop()
        # An agent without instances hands nothing on.
        for after in dependents.get(name, ()) if agents.instances[name] else ():
            if found[after] == PROJECT and agents.settings[after].workspace.mode == "auto":
                found[after] = DEPENDENCY
                made.append(after)
    return found


def _own(agent: ResolvedAgent, *, git: bool) -> str:
    """Where it works whatever comes before it."""
    match agent.workspace.mode:
        case "worktree":
            return WORKTREE
        case "clone":
            return CLONE
        case "shared":
            return PROJECT
        case "auto":
            edits = isinstance(agent.work, PromptWork) and agent.work.permissions.may_edit
            return WORKTREE if git and edits else PROJECT


def report_no_commit(steps: Iterable[Step], loaded: LoadedTeam, found: Diagnostics) -> None:
    """Of a repository that has none: the agents whose steps would start from one, all in one complaint."""
    agents = list(dict.fromkeys(step.agent for step in steps if step.workspace == WORKTREE and step.skip is None))
    if not agents:
        return
    named = ", ".join(agents[:3]) + (f" and {len(agents) - 3} more" if len(agents) > 3 else "")
    verb = "works in a worktree" if len(agents) == 1 else "work in worktrees"
    written = ("agents", agents[0], "workspace", "mode")
    own = loaded.places.has(written)
    found.error(
        "no-commit",
        f"{named} {verb} made of a commit, and the repository has none yet",
        loaded.value_span(*written) if own else loaded.key_span("agents", agents[0]),
        hint="commit what they are to start from (`git commit --allow-empty -m start` for nothing), or "
        "workspace: {mode: shared} to work in the project directory",
    )


def report_no_repository(settings: Mapping[str, ResolvedAgent], loaded: LoadedTeam, found: Diagnostics) -> None:
    """What is asked of worktrees in a project outside git."""
    for name, agent in settings.items():
        if agent.workspace.mode == "worktree":
            hint = "git init and a first commit, or workspace: {mode: shared} to work in the project directory"
            span = loaded.value_span("agents", name, "workspace", "mode")
            found.error(
                "no-repository", f"{name} wants a worktree, and the project is in no git repository", span, hint=hint
            )
        elif agent.workspace.mode == "auto" and agent.diff is not None:
            message = f"the project is in no git repository, so nobody looks at the diff of {name}"
            found.warn("diff-not-judged", message, loaded.key_span("agents", name, "diff"))

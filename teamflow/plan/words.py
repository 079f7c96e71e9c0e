"""What an agent may do, in words for people."""

from __future__ import annotations

from teamflow.team.resolved import Permissions, PromptWork, ResolvedAgent


def permissions_in_words(agent: ResolvedAgent, *, enforced: bool = True) -> str:
    """`edits DESIGN.md; runs pytest, git diff; no network`. Empty for commands and questions.

    `enforced`: whether the engine sees to it; one that the team defines is not known to.
    """
    if not isinstance(agent.work, PromptWork):
        return ""
    words = permission_words(agent.work.permissions)
    return words if enforced else f"{words}; not enforced by a custom engine"


def permission_words(permissions: Permissions) -> str:
    """The same of permissions by themselves."""
    parts = [_level(permissions)]
    if permissions.run is not None:
        parts.append(f"runs {', '.join(permissions.run)}" if permissions.run else "runs nothing")
    if permissions.net == "deny":
        parts.append("no network")
    if permissions.ask == "deny":
        parts.append("asks nobody")
    return "; ".join(parts)


def _level(permissions: Permissions) -> str:
    match permissions.level:
        case "full":
            return "everything"
        case "read":
            return "reads"
        case _:
            if permissions.edit is None:
                return "edits"
            return f"edits {', '.join(permissions.edit)}" if permissions.edit else "edits nothing"

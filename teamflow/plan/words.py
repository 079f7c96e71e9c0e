"""What an agent may do, in words for people."""

from __future__ import annotations

from teamflow.team.resolved import Permissions, PromptWork, ResolvedAgent


def permissions_in_words(agent: ResolvedAgent) -> str:
    """`edits DESIGN.md; runs pytest, git diff; no network`. Empty for commands and questions."""
    return _words(agent.work.permissions) if isinstance(agent.work, PromptWork) else ""


def _words(permissions: Permissions) -> str:
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
        case "edit":
            if permissions.edit is None:
                return "edits"
            return f"edits {', '.join(permissions.edit)}" if permissions.edit else "edits nothing"

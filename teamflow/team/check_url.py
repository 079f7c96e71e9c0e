"""The check of `base_url`: an address of a server that agents can be given."""

from __future__ import annotations

from teamflow.core.model_server import trouble
from teamflow.team.check_team import shown
from teamflow.team.scope import Scope
from teamflow.team.source import Path


def check_base_url(scope: Scope, url: str, path: Path) -> None:
    found = trouble(url)
    if found is None:
        return
    # One with credentials is not repeated: what is said of a team file gets around.
    said = "base_url" if "@" in url else f'"{shown(url)}"'
    scope.error("bad-base-url", f"{said} {found.message}", path, hint=found.hint)

"""The effective team file as JSON: `{value, origin}` in place of each value. Its YAML is made in `team/dump.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.plan import Json
from teamflow.team.effective import Node, Setting

SCHEMA_VERSION: Final = 1


def config_object(settings: Mapping[str, Node], *, file: str) -> dict[str, Json]:
    """`file`: the team file, as the origins call it."""
    return {"schema_version": SCHEMA_VERSION, "file": file, "config": _object(settings)}


def _object(settings: Mapping[str, Node]) -> dict[str, Json]:
    return {
        name: {"value": node.value, "origin": node.origin._asdict()} if isinstance(node, Setting) else _object(node)
        for name, node in settings.items()
    }

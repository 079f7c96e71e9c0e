"""Names of things: how step ids are checked and turned into slugs.

Rules are those of `docs/team-file.md`, "Words". Refuses to know where an id is used.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

_LISTED = 5

NAME = re.compile(r"[a-z_][a-z0-9_-]*\Z")
"""Names of agents, personas, targets, policies, engines, inputs."""

UNDECIDED = "?"
"""Stands in a step id for instances that only a run can name."""

_INSTANCE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\Z")


def is_instance(text: str) -> bool:
    """Whether `text` may stand as the instance part of a step id without being hashed."""
    if not _INSTANCE.match(text):
        return False
    return ".." not in text and not text.endswith((".", ".lock"))


def hashed_instance(text: str) -> str:
    """8 hex digits that stand for an instance whose own text may not be an id."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def slug(step_id: str) -> str:
    """The id as one path component: `build/api` becomes `build--api`."""
    return step_id.replace("/", "--")


def listed(names: Sequence[str]) -> str:
    """The first five of them, and how many more there are."""
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")

"""The model server as a local one: it has the models that it was given, lists them, and knows no other.

As Ollama answers: its own list, that of OpenAI's dialect, and 404 with its wording. It wants no key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.fakes.models.script import Step, fail

VERSION = "0.12.6"


def listing(path: str, names: Sequence[str]) -> dict[str, Any] | None:
    """What a GET of this path is answered; None: it is no list."""
    if path.endswith("/api/tags"):
        return {"models": [{"name": name, "model": name, "size": 1, "digest": "0" * 64} for name in names]}
    if path.endswith("/v1/models"):
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "library"} for name in names]
        return {"object": "list", "data": data}
    return {"version": VERSION} if path.endswith("/api/version") else None


def unknown(model: str) -> Step:
    return fail("no_model", message=f"model '{model}' not found")

"""What sessions have in common whose agents cannot be talked to while they work."""

from __future__ import annotations

from collections.abc import Sequence

from teamflow.core.invocation import EngineEvent
from teamflow.core.permissions import Verdict


class Deaf:
    """Base of such sessions: the part of `ports.Session` that talks."""

    __slots__ = ()

    def tell(self, text: str) -> str | None:
        return None

    def answer(self, request: str, verdict: Verdict) -> str | None:
        return None

    def interrupt(self) -> str | None:
        return None

    def took(self, data: str) -> Sequence[EngineEvent]:
        return ()

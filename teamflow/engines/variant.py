"""A built-in engine under the name of a variant, which a team file defines of it.

Decides nothing: what is other about its work stands in the step (`Step.by`). By the name its attempts and recordings
are told apart from those of others.
"""

from __future__ import annotations

from teamflow.ports import Engine


class Variant:
    """`ports.Engine`."""

    def __init__(self, name: str, inner: Engine) -> None:
        self.name = name
        self.capabilities = inner.capabilities
        self.invoke = inner.invoke
        self.session = inner.session

"""MCP servers that a team has declared and that an agent works without: which that are, and the words for it.

Each is told once. Servers of the user's are the user's business. What a CLI says of a failure is not interpreted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from teamflow.core.invocation import Warns

_LONGEST: Final = 300
"""Characters of what a CLI says of a failure."""


class Lacking:
    """Of one session. `servers`: the names of those that the team has declared."""

    def __init__(self, servers: Iterable[str]) -> None:
        self._untold = set(servers)
        self._starting: set[str] = set()

    def failed(self, name: str, why: str) -> Iterator[Warns]:
        """`why`: in the words of the CLI."""
        self._starting.discard(name)
        if name in self._untold:
            self._untold.discard(name)
            said = " ".join(why.split())
            said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
            yield Warns(f"works without MCP server {name}{': ' + said if said else ''}")

    def absent(self, known: Iterable[str]) -> Iterator[Warns]:
        """The CLI has told which servers there are."""
        for name in sorted(self._untold - set(known)):
            yield from self.failed(name, "it does not know it")

    def starting(self, name: str) -> None:
        self._starting.add(name)

    def ready(self, name: str) -> None:
        self._starting.discard(name)

    def over(self) -> Iterator[Warns]:
        """The work is done: what has not started by now was no help."""
        for name in sorted(self._starting):
            yield from self.failed(name, "it had not started when the work was done")

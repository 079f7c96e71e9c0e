"""What one run asked of its keeper and what the keeper answered: every start stays here until its end is told.

Pure bookkeeping: knows no socket and no process. Whoever connects to a keeper says `greeting` first, and nothing that
was asked before is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from teamflow.core.invocation import Exit
from teamflow.ports import Exited, Start
from teamflow.targets.entries import Entry, Journal, Key, line, start_line


class Ledger:
    """The journal as far as it was read, and what it has not answered yet."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.asked: dict[Key, bytes] = {}
        """Starts that no entry has answered."""
        self._environments: dict[str, bytes] = {}

    def environment(self, name: str, variables: Mapping[str, str]) -> bytes:
        """The message; every later keeper is told, too."""
        message = line("env", {"id": name, "vars": dict(variables)})
        self._environments[name] = message
        return message

    def ask(self, request: Start) -> bytes | None:
        """The message, None for a phase that was answered before: asking again leads to nothing."""
        key = (request.step, request.attempt, request.phase)
        if key in self.journal.known:
            return None
        message = start_line(request)
        self.asked[key] = message
        return message

    def greeting(self) -> Iterator[bytes]:
        """All that a keeper has to be told on a new connection; what it knows already, it ignores."""
        yield line("hello", {"after": self.journal.seq})
        yield from self._environments.values()
        yield from self.asked.values()

    def take(self, raw: Mapping[str, Any]) -> Entry | None:
        """An entry of the journal; None if it was taken before. Raises KeyError for one that is damaged."""
        entry = self.journal.read(raw)
        if entry is not None and self.asked:
            self.asked.pop((entry.step, entry.attempt, entry.phase), None)
        return entry

    def of(self, step: str, attempt: int) -> list[Key]:
        """The phases of an attempt whose end is not told yet."""
        return [key for key in self.unanswered() if key[0] == step and key[1] == attempt]

    def unanswered(self) -> Iterator[Key]:
        yield from self.journal.open
        yield from self.asked

    def end(self, keys: Iterable[Key], end: Exit, *, at: float) -> list[Exited]:
        """Ends that rest on no entry of the journal; an entry that comes late for one of them is not told."""
        ends = []
        for key in list(keys):
            begun = self.journal.open.get(key)
            offset = begun.log_offset if begun else 0
            self.asked.pop(key, None)
            self.journal.settle(key)
            ends.append(Exited(self.journal.seq, *key, at, end._replace(log_start=offset, log_end=offset)))
        return ends

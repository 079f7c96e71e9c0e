"""Who may have changed a file: a person, or a step that runs. Stops steps that set each other, or themselves, off.

Nobody can tell who wrote a file. A step is suspected once a changed file has made it run again, or when it is the one
that reads the file; it is cleared for good by a run during which no followed file changed. A change without a suspect
is a save by a person, and everybody starts anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

MOST: Final = 3
"""So often a step is re-run without a save by a person; then one is asked."""


RECENT: Final = 0.2
"""Seconds after its end in which a step may still be the one whose change is told."""


class Suspects:
    """All in memory: a new session of the run suspects nobody."""

    def __init__(self) -> None:
        self._clear: set[str] = set()
        self._disturbed: set[str] = set()
        """Running steps during whose attempt a followed file has changed."""
        self._again: dict[str, int] = {}
        """Step → how often a change that some step may have made has re-run it since the last save."""
        self._recent: dict[str, float] = {}
        """Step → when it ended: what it did last is told a moment later."""

    def started(self, step_id: str) -> None:
        self._recent.pop(step_id, None)
        self._disturbed.discard(step_id)

    def ended(self, step_id: str, *, now: float) -> None:
        """`now`: seconds of any clock that goes forward."""
        self._recent[step_id] = now
        if step_id not in self._disturbed:
            self._clear.add(step_id)

    def forget(self, step_id: str) -> None:
        """It has another definition: what is known of it does not hold."""
        self._clear.discard(step_id)
        self._again.pop(step_id, None)

    def saved(self) -> None:
        """A person has saved something."""
        self._again.clear()

    def of_change(self, running: Iterable[str], *, reading: Iterable[str], now: float) -> set[str]:
        """A followed file has changed just now: the steps that run, or did until just now, and may have done it."""
        self._recent = {name: at for name, at in self._recent.items() if now - at < RECENT}
        running = {*running, *self._recent}
        readers = set(reading)
        if readers:
            self._disturbed |= running
            self._clear -= self._recent.keys()
        found = {name for name in running if self.is_one(name) and (name in self._again or name in readers)}
        if readers and not found:
            self.saved()
        return found

    def is_one(self, step_id: str) -> bool:
        return step_id not in self._clear

    def enough(self, step_id: str, *, by_step: bool) -> bool:
        """Counts a re-run; whether it is one too many."""
        if not by_step:
            self._again.setdefault(step_id, 0)
            return False
        count = self._again[step_id] = self._again.get(step_id, 0) + 1
        if count <= MOST:
            return False
        self._again[step_id] = 0
        return True

    def question(self, step_id: str, reason: str) -> str:
        return (
            f"{step_id} was run again {MOST} times, and nobody has saved anything ({reason}). Let it run once more?\n"
            "If it changes what it reads itself, name those files in its `writes`."
        )

"""Who may have changed a file: a person, or a step that runs. Stops steps that set each other, or themselves, off.

Nobody can tell who wrote a file, only when. A step is suspected of a change that was made while it ran, if changed
files have made it run again, or if it reads the file itself. A run during which no followed file changed clears it. A
change without a suspect is a save by a person, and everybody starts anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from teamflow.core.state import RunState, StepState

MOST: Final = 3
"""So often a step is re-run without a save by a person; then one is asked."""

_TICK: Final = 0.005
"""Seconds by which the stamp of a file may lie before the moment of its change. A save is told no sooner than that."""

_LAST: Final = 4
"""Attempts that are looked at: changes are told later than they are made."""


class Suspects:
    """All in memory: a new session of the run suspects nobody. Times are Unix, as the file system stamps its files."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._clear: dict[str, int] = {}
        """Step → the attempt that has cleared it."""
        self._disturbed: dict[str, int] = {}
        """Step → its newest attempt during which a followed file has changed."""
        self._again: dict[str, int] = {}
        """Step → how often a change that some step may have made has re-run it since the last save."""

    def ended(self, step_id: str, attempt: int) -> None:
        if self._disturbed.get(step_id) != attempt:
            self._clear.setdefault(step_id, attempt)

    def forget(self, step_id: str) -> None:
        """It has another definition: what is known of it does not hold."""
        self._clear.pop(step_id, None)
        self._again.pop(step_id, None)

    def saved(self) -> None:
        """A person has saved something."""
        self._again.clear()

    def of_change(self, at: float, *, reading: Iterable[str]) -> set[str]:
        """The steps that may have made a change of a followed file. `reading`: the steps that read it."""
        readers = set(reading)
        there = _running_at(at, self._state.steps, {*readers, *self._again, *self._state.running})
        for name, attempt in there.items():
            self._disturbed[name] = attempt
            if self._clear.get(name) == attempt:
                # It had ended before this was told.
                del self._clear[name]
        return {name for name in there if self.is_one(name) and (name in self._again or name in readers)}

    def ran_between(self, since: float, until: float, step_ids: Iterable[str]) -> set[str]:
        """Those whose newest attempt was running at some moment between the two."""
        found: set[str] = set()
        for name in step_ids:
            known = self._state.steps.get(name)
            newest = known.attempt if known is not None else None
            if newest is not None and newest.started - _TICK <= until and (newest.ended or until) >= since:
                found.add(name)
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


def _running_at(at: float, steps: Mapping[str, StepState], names: Iterable[str]) -> dict[str, int]:
    """Those of the steps that ran at that moment, with the number of the attempt."""
    found: dict[str, int] = {}
    for name in names:
        known = steps.get(name)
        for attempt in known.attempts[-_LAST:] if known is not None else ():
            if attempt.started - _TICK <= at and (attempt.ended is None or at <= attempt.ended):
                found[name] = attempt.number
    return found

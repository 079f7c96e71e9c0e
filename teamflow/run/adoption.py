"""Taking in the keeper's journal: which of its entries the log knows, which it must still learn, and what is to be done
about attempts that ran before this session.

A start in the journal proves its decision, although a crash may have lost the record of it. Acts on nothing itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from teamflow.core.events import AttemptEnded, AttemptStarted, AttemptStopping, PhaseEnded, StepFrozen
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.phases import AGENT
from teamflow.core.state import RunState
from teamflow.core.status import Status
from teamflow.core.work import WorkspaceReady
from teamflow.policy.trees import is_making
from teamflow.ports import Exited, Started
from teamflow.run.trees import ready_from
from teamflow.run.unplaced import Unplaced, proven


class Adoption:
    """What the journal has told so far. `importing`: it is being read from its beginning, and entries that come
    meanwhile wait for their turn."""

    def __init__(self, state: RunState) -> None:
        self.importing = False
        self._state = state
        self._backlog: deque[Started | Exited] = deque()
        self._started: dict[tuple[str, int, str], int] = {}
        """Phases that began, and after how many bytes of the attempt's log."""
        self._unplaced = Unplaced()
        self._buried = False
        """A keeper was found dead when this session began: what it had been asked for may have been begun."""
        self.rebooted = False
        """The machine went down since the last session, and the journal may have lost what it had been asked for."""

    def hold_back(self, entries: Sequence[Started | Exited]) -> bool:
        """Whether the entries wait for those that are still being taken in."""
        if self.importing:
            self._backlog.extend(entries)
        return self.importing

    def held_back(self) -> Iterator[Started | Exited]:
        """The entries that wait, also those that come meanwhile."""
        while self._backlog:
            yield self._backlog.popleft()

    def keeper_lost(self) -> None:
        self._buried = self._buried or self.importing

    def seen(self, entry: Started | Exited) -> None:
        """The journal says that this phase began."""
        offset = entry.log_offset if isinstance(entry, Started) else entry.end.log_start
        self._started.setdefault((entry.step, entry.attempt, entry.phase), offset)

    def began(self, step: str, attempt: int) -> int | None:
        """How much the phases before the agent's had printed; None: it has not begun, as far as is known."""
        return self._started.get((step, attempt, AGENT))

    def missing(self, entry: Started) -> Iterator[AttemptStarted | WorkspaceReady]:
        """What a start proves, where the log lacks it: its decision, and where it works."""
        known = self._state.steps.get(entry.step)
        if known is None or entry.attempt > len(known.attempts):
            if known is None or known.status is not Status.QUEUED or entry.attempt != len(known.attempts) + 1:
                self._unplaced.hold(entry)
                return
            yield proven(entry)
        live = known.live
        ready = ready_from(entry.note.get("ready"))
        if ready is not None and live is not None and live.number == entry.attempt and live.ready is None:
            yield WorkspaceReady(entry.step, entry.attempt, ready)

    def placed(self, exited: Exited) -> bool:
        """Whether it ends the phase that runs by the log. What belongs to an attempt to come is kept for it."""
        known = self._state.steps.get(exited.step)
        if known is None or exited.attempt > len(known.attempts):
            self._unplaced.hold(exited)
            return False
        live = known.live
        return live is not None and live.number == exited.attempt and live.phase in ("", exited.phase)

    def ends_of(self, step: str, attempt: int) -> list[Exited]:
        """Ends of an attempt's phases that came before it was decided (again); they are told once."""
        return self._unplaced.take(step, attempt)

    def unclaimed(self) -> Iterator[tuple[str, int]]:
        """Attempts of which something runs and which nobody asked for."""
        return self._unplaced.running()

    def unsettled(self) -> Iterator[AttemptStopping | StepFrozen | AttemptStarted | PhaseEnded | AttemptEnded]:
        """What is to be done about attempts that ran before this session. What was decided but is not in the journal is
        to be asked for (again); if its keeper was killed, nobody knows whether it began, and it is lost. A stop, or a
        freeze, is to be told again."""
        for step_id in sorted(self._state.running):
            live = self._state.steps[step_id].live
            if live is None:
                continue
            mine = (step_id, live.number)
            if any(key[:2] == mine and live.phase in ("", key[2]) for key in self._started):
                if live.stopping is not None:
                    yield AttemptStopping(*mine, live.stopping)
                elif live.frozen_at is not None:
                    yield StepFrozen(*mine, "")
            elif (self._buried or self.rebooted) and not is_making(self._state.steps[step_id]):
                gone = "the machine went down" if self.rebooted else "its keeper was killed"
                reason = f"{gone} before it was known whether it began"
                yield AttemptEnded(*mine, Failed(FailureClass.LOST, reason), live.phase or "agent")
            elif live.phase:
                yield PhaseEnded(*mine, "", live.phase, self._state.journal)
            else:
                yield AttemptStarted(*mine, live.cause, live.continues, live.reason)

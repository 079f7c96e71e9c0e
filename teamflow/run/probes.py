"""Which steps are being looked up in the cache: each once at a time, and only what still matters when it is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from teamflow.core.events import Admitted, Cached, Event, Hit
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Step
from teamflow.core.state import RunState
from teamflow.core.status import ENDED, Status
from teamflow.run.roles import Prober


class _Asked(NamedTuple):
    """A step when it was asked about: what it was, the turn that it had come to, and the last record of the run."""

    step: Step
    turns: int
    seq: int


class Probes:
    """While `paused`, steps are only noted; `resume` gives them."""

    def __init__(self, state: RunState, prober: Prober) -> None:
        self._state = state
        self._prober = prober
        self._under_way: dict[str, _Asked] = {}
        self._noted: dict[str, None] = {}
        self._paused = False

    def pause(self) -> None:
        """A start in the keeper's journal may come first, and prove what a probe found before a crash."""
        self._paused = True

    def resume(self) -> Iterable[str]:
        """Steps that wanted a look meanwhile."""
        self._paused = False
        noted, self._noted = self._noted, {}
        return noted

    def take(self, step_ids: Iterable[str]) -> list[str]:
        """Those to be looked up now."""
        wanted = [step_id for step_id in step_ids if step_id not in self._under_way]
        if self._paused:
            self._noted.update(dict.fromkeys(wanted))
            return []
        for step_id in wanted:
            known = self._state.steps[step_id]
            self._under_way[step_id] = _Asked(known.step, known.turns, self._state.seq)
        return wanted

    async def answers(self, step_ids: list[str]) -> list[Event]:
        """What was found for steps that still wait for it: one may have been cancelled meanwhile, or be another.

        That takes a record: without one, all of it still matters.
        """
        plan = self._state.plan
        events = await self._prober.probe(step_ids)
        asked = {step_id: self._under_way.pop(step_id) for step_id in step_ids}
        if all(one.seq == self._state.seq for one in asked.values()):
            return events
        same = self._state.plan is plan
        return [left for event in events if (left := self._what_matters(event, asked, same=same)) is not None]

    def _what_matters(self, found: Event, asked: Mapping[str, _Asked], *, same: bool) -> Event | None:
        """`same`: the plan has not changed since; else only what was asked about itself can be held against it."""
        match found:
            case Cached(hits=hits):
                left: dict[str, Hit] = {}
                for step_id, hit in hits.items():
                    holds = self._waits(step_id, asked[step_id]) if step_id in asked else same and self._waits(step_id)
                    if holds and self._follows(step_id, left):
                        left[step_id] = hit
                return Cached(left) if left else None
            case Admitted(step=step_id):
                return found if self._waits(step_id, asked[step_id]) else None
            case _:
                return found

    def _waits(self, step_id: str, asked: _Asked | None = None) -> bool:
        """Whether it wants a look. `asked`: and is still what it was, at the same turn."""
        known = self._state.steps.get(step_id)
        if known is None or known.status not in (Status.PENDING, Status.QUEUED) or known.admitted or known.broken:
            return False
        if asked is None:
            return True
        return known.status is Status.QUEUED and (asked.step, asked.turns) == (known.step, known.turns)

    def _follows(self, step_id: str, hits: Mapping[str, Hit]) -> bool:
        """Whether all that the step depends on has ended or is a hit before it."""
        step = self._state.steps[step_id].step
        return all(edge.on in hits or self._state.steps[edge.on].status in ENDED for edge in step.edges)

"""Which steps are being looked up in the cache: each once at a time, and only what still matters when it is known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from teamflow.core.events import Admitted, Cached, Event, Hit
from teamflow.core.state import ENDED, RunState, Status
from teamflow.run.roles import Prober


class Probes:
    """While `paused`, steps are only noted; `resume` gives them."""

    def __init__(self, state: RunState, prober: Prober) -> None:
        self._state = state
        self._prober = prober
        self._under_way: dict[str, tuple[int, ...]] = {}
        """Step → how often each of its dependencies had been tried when it was asked for."""
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
        self._under_way.update((step_id, self._tries(step_id)) for step_id in wanted)
        return wanted

    async def answers(self, step_ids: list[str]) -> list[Event]:
        """What was found for steps that still wait for it: one may have been cancelled meanwhile, or what it depends
        on opened again."""
        events = await self._prober.probe(step_ids)
        asked = {step_id: self._under_way.pop(step_id) for step_id in step_ids}
        stale = {step_id for step_id, tries in asked.items() if self._tries(step_id) != tries}
        return [left for event in events if (left := self._what_matters(event, stale)) is not None]

    def _tries(self, step_id: str) -> tuple[int, ...]:
        known = self._state.steps.get(step_id)
        edges = known.step.edges if known is not None else ()
        return tuple(len(self._state.steps[edge.on].attempts) for edge in edges)

    def _what_matters(self, found: Event, stale: Collection[str]) -> Event | None:
        match found:
            case Cached(hits=hits):
                left: dict[str, Hit] = {}
                for step_id, hit in hits.items():
                    if step_id not in stale and self._waits(step_id) and self._follows(step_id, left):
                        left[step_id] = hit
                return Cached(left) if left else None
            case Admitted(step=step_id):
                return found if step_id not in stale and self._waits(step_id, Status.QUEUED) else None
            case _:
                return found

    def _waits(self, step_id: str, *statuses: Status) -> bool:
        known = self._state.steps.get(step_id)
        statuses = statuses or (Status.PENDING, Status.QUEUED)
        return known is not None and known.status in statuses and not known.admitted

    def _follows(self, step_id: str, hits: Mapping[str, Hit]) -> bool:
        """Whether all that the step depends on has ended or is a hit before it."""
        step = self._state.steps[step_id].step
        return all(edge.on in hits or self._state.steps[edge.on].status in ENDED for edge in step.edges)

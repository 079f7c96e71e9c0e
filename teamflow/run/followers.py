"""Steps that are to be opened again because of others: once those have really been run, or once they themselves end.

Decides nothing: `plan/converge.py` and `plan/ripple.py` say who follows whom.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from teamflow.core.events import Cached, Event, Hit, Reopened, StepEnded
from teamflow.core.state import RunState, StepState
from teamflow.core.status import ENDED


class Followers:
    """Asked at the end of every step; gives the records that open its followers again."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._after: dict[str, list[str]] = {}
        """Dependency that may run again → steps that must follow if it does."""
        self._later: dict[str, str] = {}
        """Running step → why it is opened again once it has ended."""

    def expect(self, ripple: Mapping[str, Sequence[str]], later: Mapping[str, str] | None = None) -> None:
        """`ripple`: step → dependencies; it is opened again once one of them has really been run.

        `later`: running step → why it is opened again once it has ended.
        """
        for step_id, dependencies in ripple.items():
            for dependency in dependencies:
                self._after.setdefault(dependency, []).append(step_id)
        self._later.update(later or {})

    def of_run(self, event: StepEnded) -> Iterator[Reopened]:
        """To be recorded before the end of the dependency: a crash in between must not forget who has to follow.

        One that fails leaves the others as they are until it has been tried again.
        """
        known = self._state.steps.get(event.step)
        nothing_now = event.status == "skipped" and known is not None and known.handed
        if event.status == "succeeded" or nothing_now:
            yield from self._of_change(event.step, "was skipped" if nothing_now else "ran again")

    def _of_change(self, dependency: str, what: str) -> Iterator[Reopened]:
        for step_id in self._after.pop(dependency, ()):
            known = self._state.steps.get(step_id)
            if known is None:
                continue
            reason = f"{dependency} {what}"
            if known.status in ENDED:
                yield Reopened((step_id,), "revision", {step_id: reason})
            elif known.at_work:
                self._later[step_id] = reason

    def of_found(self, event: Event) -> Iterator[Reopened]:
        """As `of_run`, of steps that were found in the cache with another result than they had."""
        if not self._after or not isinstance(event, Cached):
            return
        for step_id, hit in event.hits.items():
            known = self._state.steps.get(step_id)
            if known is not None and _is_another(known, hit):
                yield from self._of_change(step_id, "ran again")

    def of_end(self, step_id: str) -> Iterator[Reopened]:
        """To be recorded after the end of the step itself."""
        reason = self._later.pop(step_id, None)
        known = self._state.steps.get(step_id)
        if reason is not None and known is not None and known.status in ENDED and known.cancelled_by is None:
            yield Reopened((step_id,), "revision", {step_id: reason})


def _is_another(known: StepState, hit: Hit) -> bool:
    """Whether what it hands over is not what it did before, or it had not handed over anything."""
    if not known.handed:
        return True
    made = {artifact.name: artifact.digest for artifact in known.artifacts}
    found = {artifact.name: artifact.digest for artifact in hit.artifacts}
    texts = known.step.text_used and known.text != hit.text
    return texts or made != found or dict(known.outputs) != dict(hit.outputs or {})

"""What a change does to a run that is alive: which steps are opened again, which are stopped, which come later.

Pure over the state and the steps that changed (`docs/team-file.md`, "Watch"). Like `plan/converge.py`, which is for a
run that is taken up again, but nothing is touched that does not depend on a change: what failed stays failed. In the
order of the plan:

- a step that has ended and changed is opened again, and so is what depends on it;
- what depends on it through a step that is only looked up again follows when that has really been run;
- a running step is stopped and started again where a definition changed, its own or one before it; a changed file
  stops nothing, and the step is opened again once it has ended;
- a step that is expanded is expanded anew. What depends on it is touched only if it was skipped: whether there are
  other instances shows later.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.core.plan import Plan, Step
from teamflow.core.state import RunState, StepState
from teamflow.core.status import ENDED, Status


class Rippled(NamedTuple):
    """Step id → reason, by what happens to it."""

    reopen: dict[str, str]
    """Ended or waiting ones that are opened again."""
    stop: dict[str, str]
    """Running ones that are stopped and started again."""
    later: dict[str, str]
    """Running ones that are opened again once they have ended."""
    ripple: dict[str, tuple[str, ...]]
    """Step → dependencies; if one of them is run, not found in the cache, after the step has ended, that is opened
    again."""

    def __bool__(self) -> bool:
        return bool(self.reopen or self.stop or self.later or self.ripple)


class _Fate(Enum):
    """What a step's dependents may expect of it."""

    STAYS = auto()
    MAYBE = auto()
    RUNS = auto()
    REDEFINED = auto()
    EXPANDED = auto()


_AGAIN: Final = (_Fate.RUNS, _Fate.REDEFINED)


def rippled(state: RunState, plan: Plan, *, redefined: Mapping[str, str], touched: Mapping[str, str]) -> Rippled:
    """What follows when the definitions of `redefined` and the files of `touched` (step id → reason) have changed.

    `plan`: the steps as they are now, or are about to be.
    """
    out = Rippled({}, {}, {}, {})
    fates: dict[str, _Fate] = {}
    for step in plan.steps:
        known = state.steps.get(step.id)
        if known is None:
            fates[step.id] = _Fate.REDEFINED if step.expansion is None else _Fate.EXPANDED
        else:
            fates[step.id] = _settle(_Case(step, known, fates, redefined.get(step.id), touched.get(step.id)), out)
        stay_yet = [edge.on for edge in step.counted_edges if edge.on in out.ripple]
        if stay_yet:
            # It may be done again, or found as it was, before they are opened again: then it has to follow.
            out.ripple[step.id] = tuple(dict.fromkeys((*out.ripple.get(step.id, ()), *stay_yet)))
    return out


class _Case(NamedTuple):
    step: Step
    known: StepState
    fates: Mapping[str, _Fate]
    redefined: str | None
    touched: str | None

    def before(self, *fates: _Fate) -> tuple[str, ...]:
        return tuple(edge.on for edge in self.step.counted_edges if self.fates.get(edge.on) in fates)

    @property
    def fate(self) -> _Fate:
        """By itself and what comes before it."""
        if self.redefined is not None or self.before(_Fate.REDEFINED):
            return _Fate.REDEFINED
        if self.touched is not None or self.before(_Fate.RUNS):
            return _Fate.RUNS
        return _Fate.MAYBE if self.before(_Fate.MAYBE) or self.unskipped else _Fate.STAYS

    @property
    def unskipped(self) -> bool:
        """Whether it was skipped, and what before it is expanded anew may have been why."""
        return self.known.status is Status.SKIPPED and bool(self.before(_Fate.EXPANDED))

    @property
    def reason(self) -> str:
        own = self.redefined or self.touched
        if own is not None:
            return own
        again = self.before(*_AGAIN) or self.before(_Fate.MAYBE) or self.before(_Fate.EXPANDED)
        more = f" (and {len(again) - 1} more)" if len(again) > 1 else ""
        return f"{again[0]}{more} {'runs' if self.before(*_AGAIN) else 'may run'} again"


def _settle(case: _Case, out: Rippled) -> _Fate:
    fate, step_id = case.fate, case.step.id
    if fate is _Fate.STAYS:
        return fate
    status = case.known.status
    if case.step.expansion is not None:
        if status not in (Status.PENDING, Status.QUEUED):
            out.reopen[step_id] = case.reason
        return _Fate.EXPANDED
    if status in (Status.PENDING, Status.QUEUED):
        return fate
    if case.known.at_work:
        _settle_running(case, fate, out)
        return fate
    if status is Status.WAITING and case.redefined is None and (case.known.waiting_by == "user" or fate is _Fate.MAYBE):
        # If what it has asked about is really run again, its question is withdrawn (`policy/asking.py`).
        return fate
    if status in ENDED and fate is _Fate.MAYBE and not case.step.cache and not case.unskipped:
        out.ripple[step_id] = case.before(_Fate.MAYBE)
        return fate
    keyed = case.step.cache and case.redefined is None and case.touched is None
    out.reopen[step_id] = f"looked up again: {case.reason}" if keyed else case.reason
    return _Fate.MAYBE if keyed else fate


def _settle_running(case: _Case, fate: _Fate, out: Rippled) -> None:
    match fate:
        case _Fate.REDEFINED:
            out.stop[case.step.id] = case.reason
        case _Fate.RUNS:
            out.later[case.step.id] = case.reason
        case _:
            out.ripple[case.step.id] = case.before(_Fate.MAYBE)

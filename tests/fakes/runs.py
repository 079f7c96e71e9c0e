"""Runs that have come some way: the fold of legal records, as a test asks for them."""

from __future__ import annotations

from teamflow.core.events import (
    Admitted,
    AttemptEnded,
    AttemptStarted,
    Cached,
    Event,
    Hit,
    Record,
    RunnerStarted,
    StepEnded,
    StepWaiting,
)
from teamflow.core.fold import apply, initial
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded
from teamflow.core.plan import Plan, Step
from tests.fakes.plans import make_plan


class Run:
    """A run in which steps end as a test says."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.state = initial(plan)
        self._record(RunnerStarted("boot", 1, 4))

    def _record(self, event: Event) -> None:
        seq = self.state.seq + 1
        apply(self.state, Record(seq, 1000.0 + seq, float(seq), event))

    def record(self, *events: Event) -> None:
        """Records as they come."""
        for event in events:
            self._record(event)

    def admit(self, step_id: str) -> None:
        self._record(Admitted(step_id, "k", "new"))

    def end_step(self, step_id: str) -> None:
        """After an attempt that succeeded."""
        self._record(StepEnded(step_id, "succeeded", ""))

    def fail(self, step_id: str, attempt: int) -> None:
        """That attempt and the step with it; what waits for it is skipped."""
        self._record(AttemptEnded(step_id, attempt, Failed(FailureClass.EXIT, "exited 1")))
        self._record(StepEnded(step_id, "failed", "exited 1"))
        for edge in self.state.dependents[step_id]:
            self._record(StepEnded(edge.on, "skipped", f"{step_id} failed"))

    def end(self, step_id: str, how: str) -> None:
        """how: succeeded | failed | cached | skipped | own | cancelled | interrupted | paused | running."""
        if how == "cached":
            self._record(Cached({step_id: Hit("k", "unchanged")}))
            return
        if how in ("skipped", "cancelled"):
            self._record(StepEnded(step_id, how, f"was {how}"))
            return
        if how == "own":
            self._record(StepEnded(step_id, "skipped", "if: no", own=True))
            return
        known = self.state.steps[step_id]
        if not known.admitted:
            self._record(Admitted(step_id, "k", "new"))
        self._record(AttemptStarted(step_id, len(known.attempts) + 1, "first"))
        if how == "running":
            return
        outcome = {
            "succeeded": Succeeded("text"),
            "failed": Failed(FailureClass.EXIT, "exited 1"),
            "interrupted": Stopped("interrupt"),
            "paused": Stopped("cancel"),
        }[how]
        self._record(AttemptEnded(step_id, len(known.attempts), outcome))
        if how in ("interrupted", "paused"):
            self._record(StepWaiting(step_id, "pause", "interrupt" if how == "interrupted" else "user", how))
        else:
            self._record(StepEnded(step_id, how, "" if how == "succeeded" else "exited 1"))


def run_of(*steps: tuple[Step, str]) -> Run:
    run = Run(make_plan([step for step, _ in steps]))
    for step, how in steps:
        if how != "pending":
            run.end(step.id, how)
    return run

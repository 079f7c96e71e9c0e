"""A run told step by step: a test says what happens, the policy decides what follows."""

from __future__ import annotations

from teamflow.core.events import (
    AttemptEnded,
    Event,
    Now,
    QuestionAsked,
    Record,
    RunnerStarted,
    StepsAdded,
)
from teamflow.core.fold import apply, initial
from teamflow.core.outcome import Failed, FailureClass, Succeeded, Usage
from teamflow.core.plan import Json, Plan
from teamflow.core.state import RunState
from teamflow.policy.decide import decide
from tests.fakes.teams import plan_of


class Story:
    """A run in which a test says what happens, and everything that follows is decided."""

    def __init__(
        self,
        team: str | Plan,
        *,
        no_input: bool = False,
        yes: bool = False,
        parallel: int = 9,
        plans: dict[int, Plan] | None = None,
        usd: float | None = None,
    ) -> None:
        """`plans`: later revisions by number. `usd`: as `run --budget`."""
        self._plans = plans
        plan = team if isinstance(team, Plan) else plan_of(team)
        self.state: RunState = initial(plan)
        self.events: list[Event] = []
        self.parallel = parallel
        self.passed = 0.0
        """Seconds that have passed; besides, each record takes one."""
        self.tell(RunnerStarted("boot", 1, parallel, no_input=no_input, yes=yes, usd=usd))

    def tell(self, *events: Event, later: float = 0.0) -> list[Event]:
        """What is decided after events, `later` (seconds) than they happened."""
        before = len(self.events) + len(events)
        changed = [step_id for event in events for step_id in self._apply(event)]
        self.passed += later
        for _ in range(200):
            decision = decide(self.state, changed, self.now)
            if not decision.events:
                return self.events[before:]
            changed = [*decision.left]
            for decided in decision.events:
                changed += self._apply(decided)
        raise AssertionError("it does not come to rest")

    def _apply(self, event: Event) -> list[str]:
        self.events.append(event)
        now = self.now
        record = Record(self.state.seq + 1, now.wall, now.mono, event)
        return apply(self.state, record, plans=self._plans)

    @property
    def now(self) -> Now:
        return Now("boot", self.state.seq + self.passed, self.passed)

    def wait(self, seconds: float) -> list[Event]:
        """What is decided when nothing happens for so long."""
        self.passed += seconds
        return self.tell()

    def end(
        self,
        step_id: str,
        outputs: Json = None,
        *,
        failure: FailureClass | None = None,
        retry_after: float | None = None,
        session: str | None = None,
        usage: Usage | None = None,
    ) -> list[Event]:
        number = len(self.state.steps[step_id].attempts)
        if failure is not None:
            failed = Failed(failure, f"{failure.value} here", retry_after=retry_after, session=session, usage=usage)
            return self.tell(AttemptEnded(step_id, number, failed))
        handed = None if outputs is None else {"tasks": outputs}
        return self.tell(AttemptEnded(step_id, number, Succeeded(outputs=handed, usage=usage)))

    def status(self, step_id: str) -> str:
        return self.state.steps[step_id].status.value

    def reason(self, step_id: str) -> str:
        return self.state.steps[step_id].reason

    @property
    def added(self) -> list[str]:
        return [event.parent for event in self.events if isinstance(event, StepsAdded)]

    @property
    def asked(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, QuestionAsked)]

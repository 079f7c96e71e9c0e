"""Which of the team's hooks a record leads to, and what each of them is told.

Decides events and variables, from records alone: the same log gives the same calls, also after a crash. Refuses to
know what the team has declared, and what becomes of a call: `run/hooks.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from teamflow.core.events import AttemptStarted, Event, PlanRevised, QuestionAsked, Record, RunEnded, StepEnded
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Plan
from teamflow.core.requested import CancelRequested, StopRequested
from teamflow.core.state import RunState

BEFORE_RUN: Final = "before_run"
BEFORE_STEP: Final = "before_step"

OF_A_WHOLE_RUN: Final = ("after_run", "succeeded")
"""What also a run is told to that starts nothing, because everything comes from the cache."""

TEXT_LIMIT: Final = 16 * 1024
"""Characters of a reason or a question that go into a variable: the system limits what a process may be given."""


class Call(NamedTuple):
    """A hook that has to be told of the record `seq`."""

    event: str
    seq: int
    variables: Mapping[str, str]


class Announcer:
    """Follows the records of one run in order; `run` is its number."""

    def __init__(self, run: int) -> None:
        self._run = run
        self._attempts: dict[str, int] = {}
        self._questions = 0

    @classmethod
    def at(cls, state: RunState, run: int) -> Announcer:
        """One that has seen all that `state` has."""
        made = cls(run)
        made._attempts = {name: len(known.attempts) for name, known in state.steps.items() if known.attempts}
        made._questions = len(state.questions)
        return made

    def calls(self, record: Record) -> tuple[Call, ...]:
        """What follows from the next record, in the order in which it is to be told."""
        match record.event:
            case AttemptStarted(step=step, attempt=attempt):
                self._attempts[step] = attempt
            case QuestionAsked(step=step, text=text):
                self._questions += 1
                told = self._told(step, text=text, question=f"{self._run}.{self._questions}")
                return (Call("needs_user", record.seq, told),)
            case StepEnded(step=step, status=status, reason=reason):
                return _calls(("after_step", *_outcome(status)), record, self._told(step, status, reason))
            case RunEnded(status=status, reason=reason):
                return _calls((*_outcome(status), "after_run"), record, variables(status=status, reason=reason))
            case _:
                pass
        return ()

    def _told(
        self, step: str, status: str = "", reason: str = "", *, text: str = "", question: str = ""
    ) -> dict[str, str]:
        attempt = self._attempts.get(step)
        return variables(
            step=step,
            attempt="" if attempt is None else str(attempt),
            status=status,
            reason=reason,
            text=text,
            question=question,
        )


def variables(
    *, step: str = "", attempt: str = "", status: str = "", reason: str = "", text: str = "", question: str = ""
) -> dict[str, str]:
    """TEAMFLOW_* of one call: all of them, empty where there is nothing to say."""
    return {
        "TEAMFLOW_STATUS": status,
        "TEAMFLOW_STEP": step,
        "TEAMFLOW_AGENT": step.partition("/")[0],
        "TEAMFLOW_ATTEMPT": attempt,
        "TEAMFLOW_REASON": _short(reason),
        "TEAMFLOW_QUESTION": question,
        "TEAMFLOW_TEXT": _short(text),
    }


def declared_calls(records: Iterable[Record], plans: Mapping[int, Plan], *, run: int) -> Iterator[Call]:
    """What the records of a whole log, from its first one, were to be told, by the plan that was in force at each."""
    announcer, plan = Announcer(run), plans[1]
    for record in records:
        if isinstance(record.event, PlanRevised):
            plan = plans.get(record.event.revision, plan)
        for call in announcer.calls(record):
            if plan.hook(call.event) is not None:
                yield call


def stops_all(event: Event) -> bool:
    """Whether somebody wants the whole run to end."""
    return isinstance(event, StopRequested) or (isinstance(event, CancelRequested) and event.steps is None)


def _calls(events: Iterable[str], record: Record, told: Mapping[str, str]) -> tuple[Call, ...]:
    return tuple(Call(event, record.seq, told) for event in events)


def _outcome(status: str) -> tuple[str, ...]:
    return (status,) if status in ("succeeded", "failed") else ()


def _short(text: str) -> str:
    """What a variable can hold."""
    text = text.replace("\0", "�")
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}…"

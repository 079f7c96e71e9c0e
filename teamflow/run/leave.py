"""Leave that running agents ask for: what of it is news, who gets which answer, whose deadlines stand still meanwhile.

The question is a record, the answer, too; that the agent has it stands in its `in.log`. So an answer reaches it once,
whichever runner, or none, was there when it was given.
"""

from __future__ import annotations

from typing import Final

from teamflow.core.attempts import AttemptState
from teamflow.core.events import Event, QuestionAnswered, Warned
from teamflow.core.leave import PERMISSION, LeaveAsked, LeaveWithdrawn
from teamflow.core.permissions import ALLOW, DENY, Verdict
from teamflow.core.questions import APPROVE, REJECT, answer_words, said_words
from teamflow.core.state import Question, RunState
from teamflow.ports import Target
from teamflow.run.roles import Listening, Report, Talks

_NOBODY: Final = "nobody can be asked in this run (--no-input): go on without it, or say what you could not do"
_BY: Final = "teamflow"
"""Who says so."""

_MOST_WARNINGS: Final = 20
"""So many an attempt is heard to tell."""


class Leave:
    """Belongs to the loop's thread."""

    def __init__(self, state: RunState, target: Target, talks: Talks) -> None:
        self._state = state
        self._target = target
        self._talks = talks

    def news(self, event: Report) -> Event | None:
        """What is to be recorded of what an attempt tells of itself; None: nothing. Where nobody can be asked, leave is
        denied, also what an earlier runner has asked people for."""
        live = self._state.steps[event.step].live
        if live is not None and isinstance(event, Warned):
            return _news(event, live)
        if isinstance(event, Listening):
            return None
        if live is None or not isinstance(event, LeaveAsked | LeaveWithdrawn):
            return event
        if isinstance(event, LeaveWithdrawn):
            return event if event.request in live.asking else None
        if event.request in live.verdicts or live.stopping is not None:
            return None
        unasked = self._state.runner is not None and self._state.runner.no_input
        if event.request in live.asking:
            return QuestionAnswered(live.asking[event.request], REJECT, _BY, _NOBODY) if unasked else None
        if unasked:
            self._talks.answer(event.step, event.request, Verdict(DENY, _NOBODY))
            wish = event.text.partition("\n")[0]
            return _news(Warned(event.step, event.attempt, f"was refused, as nobody can be asked: {wish}"), live)
        return event

    def act(self, event: Event) -> tuple[str, ...]:
        """What is recorded is done; the step that may be told more now, if there is one."""
        match event:
            case LeaveAsked(step=step) | LeaveWithdrawn(step=step):
                self._hold(step)
                return ()
            case QuestionAnswered(question=number):
                return self._answered(number)
            case _:
                return ()

    def adopted(self, step_id: str) -> None:
        """What an earlier session has settled and perhaps not done, of a running step."""
        live = self._state.steps[step_id].live
        if live is None:
            return
        for number in live.verdicts.values():
            self._answered(number)
        if live.asking:
            self._hold(step_id)

    def _answered(self, number: int) -> tuple[str, ...]:
        question = self._state.questions[number - 1]
        if question.about != PERMISSION:
            return ()
        self._talks.answer(question.step, question.request, _verdict(question))
        self._hold(question.step)
        return (question.step,)

    def _hold(self, step_id: str) -> None:
        known = self._state.steps.get(step_id)
        if known is not None and (live := known.live) is not None:
            self._target.hold(step_id, live.number, on=bool(live.asking))


def _news(event: Warned, live: AttemptState) -> Warned | None:
    return event if event.text not in live.warnings and len(live.warnings) < _MOST_WARNINGS else None


def _verdict(question: Question) -> Verdict:
    """The agent gets the whole note; people see the first line of it."""
    if question.answer == APPROVE:
        return Verdict(ALLOW)
    note = question.note.strip()
    words = f"{said_words(question, question.answer)} by {question.by}: {note}" if note else answer_words(question)
    return Verdict(DENY, words, note)

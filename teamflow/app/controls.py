"""What a person at the terminal of a run may do with it, by one key each. Each gives a line that says what happened."""

from __future__ import annotations

import getpass
from typing import Final

from teamflow.core.questions import APPROVE, REJECT
from teamflow.core.requested import RunPaused
from teamflow.policy.answering import Given
from teamflow.policy.asking import GO_ON, STOP, yes_or_no
from teamflow.policy.control import steps_args
from teamflow.policy.requests import answer_args
from teamflow.run.desk import Desk
from teamflow.run.executor import Executor

LOOK: Final = 1.0
"""Seconds for which no key answers after a question was asked or answered: another one may have come in its place."""


class TerminalControls:
    """All methods belong to the loop's thread."""

    def __init__(self, executor: Executor, desk: Desk) -> None:
        self._executor = executor
        self._desk = desk
        self._by = f"{getpass.getuser()} at the terminal"

    def pause(self) -> str:
        """Nothing new starts; the second time it does again. The heading of the table says so."""
        if self._executor.state.paused:
            self._desk.grant("resume", steps_args(None), by=self._by)
        else:
            self._executor.take([RunPaused(self._by)])
        return ""

    def retry(self) -> str:
        """Failed and cancelled steps run again, with what was skipped because of them."""
        return self._desk.grant("retry", steps_args(None), by=self._by)[1]

    def answer(self, *, yes: bool) -> str:
        """Answers the question that has been open longest, of those that it can: an approval, or one to go on or stop.

        What comes of it is shown once it is recorded for good.
        """
        state = self._executor.state
        asked = yes_or_no(state)
        if not asked:
            return "what is asked has answers of its own: use `teamflow answer`" if state.unanswered else "nobody asks"
        question = asked[0]
        last = max(max(one.asked, one.answered or 0.0) for one in state.questions)
        if self._executor.now().wall < last + LOOK:
            asks = question.text.strip().partition("\n")[0]
            return f"look first, then press again: {question.step} asks: {asks}"
        if question.options:
            given = Given(question.number, "answer", GO_ON if yes else STOP, "")
        else:
            given = Given(question.number, APPROVE if yes else REJECT, "", "")
        granted, message = self._desk.grant("answer", answer_args(given), by=self._by)
        return "" if granted else message

    def detach(self) -> str:
        """This terminal lets go of the run; what runs stays with its keeper until the next runner has come."""
        self._executor.leave()
        return "the run goes on without this terminal"

    @property
    def stopping(self) -> bool:
        """Whether the run is being stopped: then nothing of this has a meaning."""
        return self._executor.state.stop is not None

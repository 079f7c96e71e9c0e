"""What keys do with a run: answers only to what somebody has had time to read."""

from __future__ import annotations

from typing import cast

import pytest

from teamflow.app.controls import LOOK, TerminalControls
from teamflow.core.events import Now
from teamflow.core.state import RunState
from teamflow.run.desk import Desk
from teamflow.run.executor import Executor
from tests.fakes.story import Story


class Loop:
    """As much of an executor and of a desk as keys touch; its clock stands still until it is moved."""

    def __init__(self, team: str) -> None:
        self.state: RunState = Story(team).state
        self.wall = 0.0
        self.granted: list[str] = []
        self.left = False

    def now(self) -> Now:
        return Now("boot", self.wall, self.wall)

    def grant(self, verb: str, args: str, *, by: str) -> tuple[bool, str]:
        self.granted.append(args)
        return True, "recorded"

    def leave(self) -> None:
        self.left = True


@pytest.fixture
def loop() -> Loop:
    return Loop("agents: {pick: {ask: Which?, options: [one, two]}, gate: {ask: Go?}}")


def controls(loop: Loop) -> TerminalControls:
    return TerminalControls(cast("Executor", loop), cast("Desk", loop))


def test_what_was_just_asked_takes_no_answer_yet(loop: Loop) -> None:
    loop.wall = LOOK / 2
    assert controls(loop).answer(yes=True) == "look first, then press again: gate asks: Go?"
    assert loop.granted == []
    loop.wall = LOOK
    assert controls(loop).answer(yes=True) == "", "the run tells it, once it is recorded for good"
    assert len(loop.granted) == 1


def test_the_first_that_takes_yes_or_no_is_answered(loop: Loop) -> None:
    loop.wall = 2 * LOOK
    controls(loop).answer(yes=False)
    asked = {question.step: question.number for question in loop.state.questions}
    assert f'"question": {asked["gate"]}' in loop.granted[0]
    assert '"verb": "reject"' in loop.granted[0]
    assert controls(Loop("agents: {pick: {ask: Which?, options: [one, two]}}")).answer(yes=True).startswith("what is")
    assert controls(Loop("agents: {a: {command: a}}")).answer(yes=True) == "nobody asks"


def test_a_paused_run_may_be_left(loop: Loop) -> None:
    loop.state.paused = "you"
    controls(loop).detach()
    assert loop.left

"""Questions at the level of rules: deadlines over boots, what makes a question moot, what an answer may be."""

from __future__ import annotations

import pytest

from teamflow.core.events import (
    Admitted,
    AttemptEnded,
    Cached,
    Event,
    Hit,
    Now,
    PlanRevised,
    ProgressReported,
    QuestionAnswered,
    QuestionAsked,
    Record,
    Reopened,
    RetryScheduled,
    RunEnded,
    RunnerStarted,
    StepEnded,
)
from teamflow.core.fold import apply, initial
from teamflow.core.outcome import Failed, FailureClass, Succeeded
from teamflow.core.plan import Ask, Deferred, Expansion, Limits, Plan, Step
from teamflow.core.questions import noted, time_left
from teamflow.core.redact import Redactor, redacted
from teamflow.core.requested import CancelRequested
from teamflow.core.state import Question
from teamflow.core.status import IllegalTransition, Status
from teamflow.plan.converge import reopen
from teamflow.plan.diff import Change
from teamflow.plan.explain import preview
from teamflow.policy.answering import Given, accepted, commands
from teamflow.policy.control import steps_args
from teamflow.policy.decide import decide
from teamflow.policy.granting import Asker, Granted
from teamflow.policy.requests import answer_args, granted
from tests.fakes.plans import make_plan, make_step


def ask(step_id: str, **more: object) -> Step:
    more.setdefault("ask", Ask())
    more.setdefault("prompt", f"{step_id}?")
    return make_step(step_id, kind="ask", engine="ask", **more)  # type: ignore[arg-type]


class Told:
    """A run whose clock a test moves; `settle` takes every decision but starts."""

    def __init__(self, *steps: Step, no_input: bool = False, limits: Limits | None = None) -> None:
        self.plan: Plan = make_plan(steps, limits=limits)
        self.state = initial(self.plan)
        self.boot, self.mono, self.wall = "one", 100.0, 1_000_000.0
        self.plans: dict[int, Plan] = {1: self.plan}
        self.changed: list[str] = []
        self.log: list[Event] = []
        self.no_input = no_input
        self.runner()

    @property
    def now(self) -> Now:
        return Now(self.boot, self.mono, self.wall)

    def runner(self, **more: bool) -> None:
        self.take(RunnerStarted(self.boot, 1, 4, no_input=self.no_input, **more))

    def take(self, *events: Event) -> None:
        for event in events:
            self.log.append(event)
            self.changed += apply(self.state, Record(self.state.seq + 1, self.wall, self.mono, event), plans=self.plans)

    def settle(self, *, may_start: bool = True) -> float | None:
        while True:
            changed, self.changed = self.changed, []
            decision = decide(self.state, changed, self.now, may_start=may_start)
            if not decision.events:
                return decision.wake_at
            self.take(*decision.events)

    def end(self, step_id: str, outcome: Succeeded | Failed | None = None) -> None:
        live = self.state.steps[step_id].live
        assert live is not None
        self.take(AttemptEnded(step_id, live.number, outcome or Succeeded()))
        self.settle()

    def say(self, number: int, verb: str, text: str = "", note: str = "") -> str:
        found = granted(self.state, "answer", answer_args(Given(number, verb, text, note)), Asker("ana", 7, self.now))
        if isinstance(found, Granted):
            self.take(*found.events)
            self.settle()
            return found.message
        return found

    def status(self, step_id: str) -> str:
        return self.state.steps[step_id].status.value

    @property
    def open(self) -> list[int]:
        return sorted(self.state.unanswered)


WHERE = ask("where", ask=Ask(("here", "there"), "there"), timeout=60.0)


# -- deadlines ------------------------------------------------------------------------------------------------


def test_a_deadline_wakes_and_takes_the_default() -> None:
    told = Told(WHERE)
    assert told.settle() == 160.0
    told.mono, told.wall = 160.0, 1_000_060.0
    assert told.settle() is None
    assert told.state.steps["where"].text == "there"
    assert QuestionAnswered(1, "there", "timeout") in told.log


@pytest.mark.parametrize(
    ("later", "left"),
    [(20.0, 40.0), (60.0, 0.0), (86400.0, 0.0), (-5000.0, 60.0)],
    ids=["in between", "just up", "long up", "the clock was set back"],
)
def test_on_another_boot_the_wall_clock_tells_what_is_left(later: float, left: float) -> None:
    told = Told(WHERE)
    told.settle()
    told.boot, told.mono, told.wall = "two", 3.0, told.wall + later
    question = told.state.questions[0]
    assert time_left(question, told.now) == left
    told.runner(resumed=True)
    assert (question.boot, question.mono) == ("two", 3.0 + left)
    assert told.open == [1]
    told.mono += left
    told.settle()
    assert told.status("where") == "succeeded"


def test_on_the_same_boot_the_wall_clock_does_not_matter() -> None:
    told = Told(WHERE)
    told.settle()
    told.mono, told.wall = 130.0, told.wall + 86400
    told.runner(resumed=True)
    assert told.settle() == 160.0


def test_what_comes_after_the_deadline_is_no_answer() -> None:
    told = Told(WHERE)
    told.settle()
    told.mono = 160.0
    said = told.say(1, "answer", "here")
    assert said == "the time for 7.1 (where) was up at 1970-01-12 13:47:40 UTC: its default, there, is taken"
    assert told.open == [1], "whoever comes next decides it"


def test_without_a_default_the_step_fails_once() -> None:
    told = Told(ask("gate", timeout=5.0), make_step("after", needs={"gate": "failed"}))
    told.settle()
    told.mono = 105.0
    told.settle()
    known = told.state.steps["gate"]
    assert (known.status, known.reason, len(known.attempts)) == (Status.FAILED, "nobody answered in time", 1)
    outcome = known.attempts[0].outcome
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.TIMEOUT


def test_an_answer_does_not_show_that_a_runner_lived() -> None:
    told = Told(make_step("long"), ask("gate"))
    told.settle()
    told.mono += 10
    told.take(ProgressReported("long", 1, 50.0))
    told.mono += 3600
    told.take(QuestionAnswered(1, "approve", "ana"))
    told.mono += 10
    told.runner(resumed=True)
    assert told.state.active == 10.0, "the hour in which nobody worked on the run does not count"


# -- what is asked, and when it no longer stands -------------------------------------------------------------------


def test_nothing_is_asked_before_the_session_has_settled() -> None:
    told = Told(ask("gate"))
    told.settle(may_start=False)
    assert told.open == []
    told.settle()
    assert told.open == [1]


def test_the_text_is_rendered_from_results() -> None:
    told = Told(make_step("a"), ask("gate", needs=["a"], prompt=Deferred("Ship {{ agents.a.text }}?"), refers=("a",)))
    told.settle()
    told.end("a", Succeeded("it"))
    assert told.state.questions[0].text == "Ship it?"


def test_a_text_that_cannot_be_rendered_fails_the_step() -> None:
    told = Told(ask("gate", prompt=Deferred("{{ [1][9].x }}")))
    told.settle()
    assert told.status("gate") == "failed"
    assert told.state.steps["gate"].failure is FailureClass.START


def keyed() -> Told:
    """A gate whose question is open, behind a step that is looked up again."""
    told = Told(make_step("build", cache=True), ask("gate", needs=["build"]), make_step("ship", needs=["gate"]))
    told.take(Admitted("build", "k", "never ran"))
    told.settle()
    told.end("build")
    assert told.open == [1]
    told.take(Reopened(("build",), "revision", {"build": "looked up again"}))
    told.settle()
    return told


def test_a_look_that_finds_the_same_leaves_the_question() -> None:
    told = keyed()
    told.take(Cached({"build": Hit("k", "unchanged")}))
    told.settle()
    assert told.open == [1]


def test_what_runs_again_is_asked_about_again() -> None:
    told = keyed()
    told.take(Admitted("build", "k2", "changed"))
    told.settle()
    assert told.open == []
    assert Reopened(("gate",), "revision", {"gate": "build runs again"}) in told.log
    assert [attempt.outcome is None for attempt in told.state.steps["gate"].attempts] == [False]
    assert told.say(1, "approve") == "7.1 was withdrawn: gate asks nothing any more (pending)"
    told.end("build")
    assert told.open == [2]
    assert told.say(1, "approve") == "7.1 was withdrawn: gate now asks 7.2"


def test_an_answer_waits_until_the_look_is_over() -> None:
    told = keyed()
    assert told.say(1, "approve") == "gate: approved"
    assert (told.status("gate"), told.status("ship")) == ("waiting", "pending")
    told.take(Cached({"build": Hit("k", "unchanged")}))
    told.settle()
    assert (told.status("gate"), told.status("ship")) == ("succeeded", "running")


def test_an_answer_to_what_runs_again_is_given_up() -> None:
    told = keyed()
    told.say(1, "approve")
    told.take(Admitted("build", "k2", "changed"))
    told.settle()
    told.end("build")
    assert (told.open, told.status("ship")) == ([2], "pending")


def test_a_step_that_is_removed_asks_no_more_and_asks_anew_when_it_comes_back() -> None:
    told = Told(make_step("a"), ask("gate"))
    told.settle()
    told.plans[2] = make_plan([make_step("a")])
    told.take(PlanRevised(2, ""))
    told.settle()
    assert (told.open, told.state.questions[0].withdrawn) == ([], True)
    assert "was withdrawn: gate asks nothing any more" in told.say(1, "approve")
    told.plans[3] = told.plan
    told.take(PlanRevised(3, ""))
    told.take(*reopen(told.state, told.plan, {}).events())
    told.settle()
    assert told.open == [2]


def test_a_step_that_becomes_another_kind_leaves_no_attempt_behind() -> None:
    told = Told(ask("gate"))
    told.settle()
    told.plans[2] = make_plan([make_step("gate")])
    told.take(PlanRevised(2, ""))
    told.take(*reopen(told.state, told.plans[2], {"gate": Change("redefined", ("kind",))}).events())
    told.settle()
    assert [attempt.outcome is None for attempt in told.state.steps["gate"].attempts] == [False, True]
    assert told.status("gate") == "running"


def test_a_cancelled_step_asks_no_more() -> None:
    told = Told(ask("gate"), ask("other"))
    told.settle()
    told.take(CancelRequested(("gate",), "ana"))
    told.settle()
    assert (told.status("gate"), told.open) == ("cancelled", [2])


def test_nobody_is_asked_while_the_run_is_paused_or_over() -> None:
    told = Told(ask("one"), ask("two", needs=["one"]), no_input=True)
    told.settle()
    ended = told.log[-1]
    assert ended == RunEnded("waiting", "needs_person", {}, "a question is open: one")
    assert told.say(1, "approve") == "one: approved"
    assert told.log[-1] == QuestionAnswered(1, "approve", "ana"), "nothing follows before a runner comes"
    told.runner(resumed=True)
    told.settle()
    assert told.open == [2]


def test_a_question_about_a_limit_ends_a_run_that_may_ask_nobody_as_limited() -> None:
    told = Told(
        make_step("each/?", expansion=Expansion((("n", "[1, 2, 3]"),))),
        ask("gate"),
        no_input=True,
        limits=Limits(max_steps=2),
    )
    told.settle()
    ended = told.log[-1]
    assert isinstance(ended, RunEnded)
    assert (ended.status, ended.exit_reason) == ("limited", "limit")
    assert told.say(1, "approve") == "each/?: answered go on"
    assert told.state.steps["each/?"].attempts == [], "it is no attempt of a step to be asked whether it may go on"
    told.runner(resumed=True)
    told.settle()
    assert told.status("each/?") == "succeeded"
    assert told.status("each/2") == "running"


@pytest.mark.parametrize(("verb", "status"), [("reject", "failed"), ("approve", "succeeded")])
def test_where_a_limit_is_reached_one_approves_or_rejects(verb: str, status: str) -> None:
    told = Told(make_step("each/?", expansion=Expansion((("n", "[1, 2, 3]"),))), limits=Limits(max_steps=2))
    told.settle()
    told.say(1, verb)
    assert told.status("each/?") == status


# -- answers --------------------------------------------------------------------------------------------------


def question(*options: str, about: str = "question") -> Question:
    return Question(QuestionAsked("s", about, "?", options), number=3, asked=0.0)


def test_what_to_type() -> None:
    assert commands(question("a b", "-1", "it's"), 7) == [
        "teamflow answer 7.3 'a b'",
        "teamflow answer 7.3 -- -1",
        """teamflow answer 7.3 'it'"'"'s'""",
    ]
    assert commands(question(about="approval"), 7) == ["teamflow approve 7.3", "teamflow reject 7.3"]
    assert commands(question("go on", "stop", about="budget"), 7) == [
        "teamflow answer 7.3 'go on'",
        "teamflow answer 7.3 stop",
    ]


def test_refusals() -> None:
    told = Told(WHERE, ask("gate"))
    told.settle()
    for number, verb, text, message in [
        (0, "approve", "", "run 7 has asked no question 0; `teamflow inbox` lists what is open"),
        (3, "approve", "", "run 7 has asked no question 3; `teamflow inbox` lists what is open"),
        (1, "approve", "", "7.1 (where) is a question: it takes here, there\n  say `teamflow answer 7.1 ANSWER`"),
        (1, "answer", "Here", 'Here is no answer to 7.1 (where): it takes here, there\n  did you mean "here"?'),
        (1, "answer", "approve", "approve is no answer to 7.1 (where): it takes here, there"),
        (
            2,
            "answer",
            "approve",
            "7.2 (gate) asks for an approval\n  say `teamflow approve 7.2` or `teamflow reject 7.2 --note WHY`",
        ),
    ]:
        assert told.say(number, verb, text) == message
    assert told.open == [1, 2]


def test_the_second_is_told_what_the_first_said() -> None:
    told = Told(ask("gate"))
    told.settle()
    assert told.say(1, "reject", note="  too early\nmuch too early ") == "gate: rejected"
    second = "7.1 (gate) is rejected by ana at 1970-01-12 13:46:40 UTC: too early …"
    assert told.say(1, "approve") == second
    assert told.state.steps["gate"].text == "too early\nmuch too early"
    assert told.state.steps["gate"].reason == "rejected by ana: too early …"


@pytest.mark.parametrize(
    ("verb", "args", "told"),
    [
        ("answer", "{", "the request is damaged"),
        ("answer", "[]", "the request is damaged"),
        ("answer", '{"question": "1", "verb": "approve", "text": "", "note": ""}', "the request is damaged: it names"),
        ("answer", '{"question": 1, "verb": "eat", "text": "", "note": ""}', "the request is damaged: it names"),
        ("answer", '{"question": 1, "verb": "approve"}', "the request is damaged: it names"),
        ("cancel", '{"steps": "gate"}', "the request is damaged: `steps` is a list"),
        ("cancel", '{"steps": ["gaet"]}', "there is no step gaet"),
        ("dance", "{}", "this runner does not know the verb 'dance'"),
    ],
)
def test_damaged_requests_are_refused(verb: str, args: str, told: str) -> None:
    run = Told(ask("gate"))
    run.settle()
    found = granted(run.state, verb, args, Asker("ana", 7, run.now))
    assert isinstance(found, str)
    assert found.startswith(told)


def test_a_cancel_of_what_has_ended_is_refused() -> None:
    told = Told(ask("gate"))
    told.settle()
    told.say(1, "approve")
    for steps in (["gate"], None):
        assert isinstance(granted(told.state, "cancel", steps_args(steps), Asker("ana", 7, told.now)), str)


def test_an_answer_twice_is_no_record() -> None:
    told = Told(ask("gate"))
    told.settle()
    answer = accepted(told.state, Given(1, "approve"), told.now, by="ana", run=7)
    assert isinstance(answer, QuestionAnswered)
    told.take(answer)
    with pytest.raises(IllegalTransition):
        told.take(answer)


def test_notes_and_texts_lose_their_secrets_and_options_stay() -> None:
    redactor = Redactor({"T": "hunter2-hunter2"})
    asked = QuestionAsked("s", "question", "use hunter2-hunter2?", ("hunter2-hunter2", "b"))
    assert redacted(asked, redactor) == asked._replace(text="use ***?")
    answered = QuestionAnswered(1, "b", "ana", "not hunter2-hunter2")
    assert redacted(answered, redactor).note == "not ***"  # type: ignore[union-attr]
    ended = StepEnded("s", "failed", "hunter2-hunter2")
    assert redacted(ended, redactor) is ended


def test_a_note_of_blanks_is_none() -> None:
    plain = question(about="approval")
    plain.note = " \n "
    assert noted(plain) == ""


# -- going on -------------------------------------------------------------------------------------------------


def test_going_on_keeps_what_is_asked_and_shows_it() -> None:
    told = Told(make_step("build"), ask("gate", needs=["build"]), ask("where"), make_step("ship", needs=["gate"]))
    told.settle()
    told.end("build")
    told.say(1, "approve")
    assert told.state.questions[1].step == "gate"
    before = [(q.number, q.step, q.open) for q in told.state.questions]
    told.runner(resumed=True)
    converged = reopen(told.state, told.plan, {})
    assert converged.events() == ()
    assert converged.asks == {"gate": "has asked: gate?"}
    lines = {line.step.id: line.action for line in preview(told.plan, converged=converged).lines}
    assert (lines["gate"].kind, lines["gate"].reason) == ("ask", "has asked: gate?")
    assert [(q.number, q.step, q.open) for q in told.state.questions] == before


def test_going_on_with_something_redefined_before_it_asks_anew() -> None:
    told = Told(make_step("build"), ask("gate", needs=["build"]), no_input=True)
    told.settle()
    told.end("build")
    told.say(1, "approve")
    told.runner(resumed=True)
    told.settle(may_start=False)
    converged = reopen(told.state, told.plan, {"build": Change("redefined", ("command",))})
    assert converged.revision["gate"] == "build runs again"
    told.take(*converged.events())
    told.settle()
    told.end("build")
    assert told.open == [2]


def test_a_retry_of_something_before_it_withdraws_it() -> None:
    told = Told(make_step("build", continue_on_error=True), ask("gate", needs={"build": "finished"}))
    told.settle()
    told.end("build", Failed(FailureClass.EXIT, "exit status 1", exit_code=1))
    assert told.open == [1]
    told.take(Reopened(("build",), "retry", {"build": "retry"}))
    told.settle()
    assert told.open == []
    assert not any(isinstance(event, RetryScheduled) for event in told.log)

"""Usage limits and chains of engines: who is asked when, what waits, what the run comes to."""

from __future__ import annotations

import pytest

from teamflow.core.codec import dump_event, load_event
from teamflow.core.events import AttemptEnded, AttemptStarted, Event, QuestionAsked, RunEnded, StepEnded
from teamflow.core.guarding import GuardTripped
from teamflow.core.limited import EngineLimited, LimitLifted
from teamflow.core.outcome import Failed, FailureClass, Usage
from teamflow.core.requested import PauseRequested, ResumeRequested
from teamflow.core.spending import BudgetReached, DaySpent, SpendingTold
from teamflow.policy.quota import UNKNOWN_RESET
from tests.fakes.story import Story

EXHAUSTED = FailureClass.USAGE_EXHAUSTED

ENGINES = """
engines:
  alpha: {command: [alpha], output: text}
  beta: {command: [beta], output: text}
defaults: {permissions: read, workspace: {mode: shared}, retry: {delay: 1s}}
"""
ONE = f"""{ENGINES}
agents:
  work: {{engine: alpha, prompt: Work}}
"""
TWO = f"""{ENGINES}
agents:
  work: {{engine: [alpha, beta], prompt: Work}}
  more: {{engine: [alpha, beta], prompt: Work, depends_on: [work]}}
"""


def story(team: str, *, policy: str = "", no_input: bool = False, parallel: int = 9) -> Story:
    limits = f"limits: {{{policy}}}\n" if policy else ""
    return Story(f"{limits}{team}", no_input=no_input, parallel=parallel)


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def started(told: Story) -> list[tuple[str, str]]:
    """(step, engine) of every attempt."""
    found = []
    for event in told.events:
        if isinstance(event, AttemptStarted):
            step = told.state.steps[event.step].step
            found.append((event.step, step.engines[event.fallback or 0]))
    return found


def test_it_waits_for_the_reset_and_goes_on_with_its_session() -> None:
    told = story(ONE)
    found = told.end("work", failure=EXHAUSTED, retry_after=600.0, session="s1")
    assert kinds(found) == ["EngineLimited", "StepWaiting"]
    assert told.state.running == set(), "it keeps no slot"
    assert told.status("work") == "waiting"
    assert "usage limit until" in told.reason("work")
    assert told.wait(590.0) == []
    found = told.wait(20.0)
    assert kinds(found) == ["Reopened", "AttemptStarted"]
    begun = found[-1]
    assert isinstance(begun, AttemptStarted)
    assert (begun.cause, begun.continues) == ("resume", 1)


def test_an_unknown_reset_is_waited_for_an_hour() -> None:
    told = story(ONE)
    (limited, *_) = told.end("work", failure=EXHAUSTED)
    assert isinstance(limited, EngineLimited)
    assert limited.until - told.passed == pytest.approx(UNKNOWN_RESET)
    assert told.wait(UNKNOWN_RESET - 60) == []
    assert kinds(told.wait(120))[-1] == "AttemptStarted"


def test_nobody_asks_the_engine_again_before_its_reset() -> None:
    """However many steps want it, and whatever becomes of them."""
    team = f"{ENGINES}\nagents:\n" + "".join(f"  s{n}: {{engine: alpha, prompt: Work}}\n" for n in range(20))
    told = story(team, parallel=3)
    assert len(started(told)) == 3
    told.end("s0", failure=EXHAUSTED, retry_after=600.0)
    told.end("s1", failure=EXHAUSTED, retry_after=300.0)
    told.end("s2")
    assert len(started(told)) == 3
    told.wait(500.0)
    assert len(started(told)) == 3, "the longer one counts"
    told.wait(120.0)
    assert len(started(told)) == 6


def test_a_limit_met_right_after_its_reset_lasts_longer_each_time() -> None:
    told = story(ONE)
    lengths = []
    for _ in range(5):
        (limited, *_) = told.end("work", failure=EXHAUSTED, retry_after=0.0)
        assert isinstance(limited, EngineLimited)
        lengths.append(limited.until - told.passed)
        told.wait(lengths[-1] + 20.0)
    assert lengths[0] == pytest.approx(1.0)
    assert lengths[1] == pytest.approx(60.0)
    assert lengths[2:] == pytest.approx([120.0, 240.0, 480.0])


def test_a_success_ends_the_row() -> None:
    told = story(TWO.replace("[alpha, beta]", "alpha"))
    told.end("work", failure=EXHAUSTED, retry_after=0.0)
    told.wait(5.0)
    told.end("work")
    assert told.state.limited == {}
    (limited, *_) = told.end("more", failure=EXHAUSTED, retry_after=0.0)
    assert isinstance(limited, EngineLimited)
    assert limited.until - told.passed == pytest.approx(1.0)


def test_a_variant_has_the_limits_of_its_server_and_sessions_of_its_own() -> None:
    team = "engines: {local: {engine: claude, base_url: 'http://h:1', model: m}}\n"
    team += "defaults: {permissions: read, workspace: {mode: shared}, retry: {delay: 1s}}\nagents:\n"
    team += "  a: {engine: [claude, local], prompt: W, verify: [x]}\n  b: {engine: local, prompt: W, depends_on: [a]}\n"
    told = story(team)
    told.end("a", failure=EXHAUSTED, retry_after=600.0, session="s1")
    assert started(told) == [("a", "claude"), ("a", "local")]
    assert [attempt.continues for attempt in told.state.steps["a"].attempts] == [None, None], "that was the account's"
    told.end("a", failure=FailureClass.VERIFY, session="s2")
    told.wait(2.0)
    last = told.state.steps["a"].attempts[-1]
    assert (last.engine, last.model, last.continues) == ("local", "m", 2)
    told.end("a", failure=EXHAUSTED, retry_after=300.0)
    assert list(told.state.limited) == ["claude", "claude at http://h:1"]
    assert told.reason("a").startswith("claude at http://h:1: usage limit until ")
    told.wait(302.0)
    told.end("a")
    assert list(told.state.limited) == ["claude"], "it has answered"
    assert started(told)[-1] == ("b", "local")


def test_the_same_engine_at_another_server_has_limits_of_its_own() -> None:
    at = ", base_url: 'http://127.0.0.1:11434'"
    team = "defaults: {permissions: read, workspace: {mode: shared}, engine: claude/m}\nagents:\n"
    team += f"  a: {{prompt: W}}\n  b: {{prompt: W{at}}}\n  c: {{prompt: W{at}}}\n"
    told = story(team, parallel=2)
    told.end("a", failure=EXHAUSTED, retry_after=600.0)
    assert list(told.state.limited) == ["claude"]
    assert [step for step, _ in started(told)] == ["a", "b", "c"], "those go on"
    told.end("b", failure=EXHAUSTED, retry_after=300.0)
    assert list(told.state.limited) == ["claude", "claude at http://127.0.0.1:11434"]
    assert told.reason("b").startswith("claude at http://127.0.0.1:11434: usage limit until ")
    assert told.reason("b").endswith("; `teamflow resume b` has it asked again at once")
    told.end("c")
    told.wait(310.0)
    assert [step for step, _ in started(told)][3:] == ["b"], "the limit of the account still holds"
    told.end("b")
    assert list(told.state.limited) == ["claude"]


def test_an_attempt_under_way_does_not_show_that_the_limit_is_over() -> None:
    told = story(f"{ENGINES}\nagents:\n  a: {{engine: alpha, prompt: W}}\n  b: {{engine: alpha, prompt: W}}\n")
    told.end("a", failure=EXHAUSTED, retry_after=600.0)
    told.end("b")
    assert list(told.state.limited) == ["alpha"]
    assert told.status("a") == "waiting"


# -- chains ------------------------------------------------------------------------------------------------------


def test_the_next_engine_takes_over_at_once_and_stays_until_the_reset() -> None:
    told = story(TWO)
    found = told.end("work", failure=EXHAUSTED, retry_after=600.0, session="s1")
    assert kinds(found) == ["EngineLimited", "RetryScheduled", "AttemptStarted"]
    begun = found[-1]
    assert isinstance(begun, AttemptStarted)
    assert begun.continues is None, "another engine does not know the session"
    assert begun.reason.startswith("goes on with beta")
    told.end("work")
    assert started(told) == [("work", "alpha"), ("work", "beta"), ("more", "beta")]
    told.wait(700.0)
    told.end("more", failure=FailureClass.IDLE)
    told.wait(30.0)
    assert started(told)[-1] == ("more", "alpha"), "its own engine again, once that is in reach"


def test_both_exhausted_wait_for_the_sooner_one() -> None:
    told = story(TWO)
    told.end("work", failure=EXHAUSTED, retry_after=900.0)
    found = told.end("work", failure=EXHAUSTED, retry_after=300.0)
    assert kinds(found) == ["EngineLimited", "StepWaiting"]
    assert "beta" in told.reason("work")
    told.wait(400.0)
    assert started(told)[-1] == ("work", "beta")


def test_the_slots_of_an_engine_are_no_reason_to_fall_back() -> None:
    team = f"{ENGINES}\nagents:\n" + "".join(f"  s{n}: {{engine: [alpha, beta], prompt: Work}}\n" for n in range(3))
    told = story(team, policy="engines: {alpha: 1}")
    assert started(told) == [("s0", "alpha")]
    told.end("s0", failure=EXHAUSTED, retry_after=600.0)
    assert [engine for _, engine in started(told)] == ["alpha", "beta", "beta", "beta"]


@pytest.mark.parametrize("trouble", [FailureClass.AUTH, FailureClass.START])
def test_trouble_moves_on_after_retry_and_is_passed_over_for_a_while(trouble: FailureClass) -> None:
    told = story(TWO)
    told.end("work", failure=trouble)
    assert started(told) == [("work", "alpha"), ("work", "beta")]
    told.end("work")
    assert started(told)[-1] == ("more", "beta"), "sticky for the cooldown"
    told.wait(61.0)
    told.end("more", failure=FailureClass.IDLE)
    told.wait(30.0)
    assert started(told)[-1] == ("more", "alpha")


def test_each_engine_of_a_chain_has_its_own_allowance() -> None:
    told = story(TWO)
    for _ in range(30):
        if told.status("work") == "failed":
            break
        told.end("work", failure=FailureClass.RATE_LIMIT)
        told.wait(400.0) if told.status("work") == "queued" else None
    engines = [engine for _, engine in started(told)]
    assert told.status("work") == "failed"
    assert engines[:7] == ["alpha"] * 6 + ["beta"]
    assert engines.count("beta") == 6
    assert engines.count("alpha") <= 6 + 3, "asked again now and then, each time after a longer while"


@pytest.mark.parametrize("trouble", [FailureClass.AUTH, FailureClass.START])
def test_trouble_with_all_engines_fails_the_step(trouble: FailureClass) -> None:
    told = story(TWO)
    told.end("work", failure=trouble)
    found = told.end("work", failure=trouble)
    assert [event.status for event in found if isinstance(event, StepEnded)][:1] == ["failed"]


def test_trouble_with_the_last_waits_where_another_has_only_a_limit() -> None:
    told = story(TWO)
    told.end("work", failure=EXHAUSTED, retry_after=600.0)
    told.end("work", failure=FailureClass.AUTH)
    assert told.status("work") == "waiting"
    told.wait(700.0)
    assert started(told)[-1] == ("work", "alpha")


def test_trouble_of_a_step_without_a_choice_is_its_own() -> None:
    told = story(ONE)
    found = told.end("work", failure=FailureClass.AUTH)
    assert kinds(found) == ["StepEnded", "RunEnded"]


def test_trouble_does_not_hide_a_usage_limit() -> None:
    team = f"{ENGINES}\nagents:\n  a: {{engine: [alpha, beta], prompt: W}}\n  b: {{engine: [alpha, beta], prompt: W}}\n"
    told = story(team)
    told.end("a", failure=EXHAUSTED, retry_after=600.0)
    told.end("b", failure=FailureClass.AUTH)
    told.wait(120.0)
    assert started(told) == [("a", "alpha"), ("b", "alpha"), ("a", "beta"), ("b", "beta")]
    assert told.state.limited["alpha"].why == "usage"


# -- what the file says --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("team", [ONE, TWO])
def test_stop_ends_the_run_with_the_limit(team: str) -> None:
    told = story(team, policy="on_usage_limit: stop")
    found = told.end("work", failure=EXHAUSTED, retry_after=600.0)
    assert kinds(found) == ["EngineLimited", "StepWaiting", "RunEnded"]
    ended = found[-1]
    assert isinstance(ended, RunEnded)
    assert (ended.status, ended.exit_reason) == ("limited", "limit")
    assert "alpha: usage limit until" in ended.reason


def test_stop_lets_other_branches_go_on() -> None:
    told = story(f"{ONE}  other: {{command: 'true'}}\n", policy="on_usage_limit: stop")
    assert kinds(told.end("work", failure=EXHAUSTED, retry_after=600.0)) == ["EngineLimited", "StepWaiting"]
    assert kinds(told.end("other")) == ["StepEnded", "RunEnded"]


def test_wait_does_not_fall_back() -> None:
    told = story(TWO, policy="on_usage_limit: wait", no_input=True)
    told.end("work", failure=EXHAUSTED, retry_after=600.0)
    assert told.status("work") == "waiting"
    told.wait(700.0)
    assert started(told) == [("work", "alpha"), ("work", "alpha")]


def test_without_anybody_there_it_stops() -> None:
    told = story(ONE, no_input=True)
    assert kinds(told.end("work", failure=EXHAUSTED, retry_after=600.0))[-1] == "RunEnded"


def test_without_anybody_there_the_next_engine_still_takes_over() -> None:
    told = story(TWO, no_input=True)
    told.end("work", failure=EXHAUSTED, retry_after=600.0)
    assert started(told)[-1] == ("work", "beta")


def test_what_is_too_far_off_is_not_waited_for() -> None:
    told = story(ONE, policy="max_wait: 5m")
    assert kinds(told.end("work", failure=EXHAUSTED, retry_after=310.0))[-1] == "RunEnded"
    told = story(ONE, policy="max_wait: 5m")
    assert kinds(told.end("work", failure=EXHAUSTED, retry_after=290.0))[-1] == "StepWaiting"


def test_queued_steps_end_the_run_as_well() -> None:
    """Nothing has an attempt yet: another run has met the limit."""
    told = story(
        f"{ENGINES}\nagents:\n  first: {{command: ls}}\n  work: {{engine: alpha, prompt: W, depends_on: [first]}}\n",
        no_input=True,
    )
    told.tell(EngineLimited("alpha", "usage", "boot", told.now.mono + 600, told.now.wall + 600, "elsewhere"))
    found = told.end("first")
    assert kinds(found) == ["StepEnded", "RunEnded"]
    assert started(told) == [("first", "command")]


# -- people, and other runs ------------------------------------------------------------------------------------------


def test_lifted_it_is_asked_again() -> None:
    told = story(ONE)
    told.end("work", failure=EXHAUSTED, retry_after=600.0)
    assert kinds(told.tell(LimitLifted("alpha", "ann"))) == ["Reopened", "AttemptStarted"]


def test_a_paused_one_is_not_taken_up_by_the_reset() -> None:
    told = story(ONE)
    told.end("work", failure=EXHAUSTED, retry_after=600.0)
    told.tell(PauseRequested(("work",), "ann"))
    assert told.wait(700.0) == []
    assert kinds(told.tell(ResumeRequested(("work",), "ann"))) == ["Reopened", "AttemptStarted"]


def test_a_limit_holds_over_another_boot_by_the_wall_clock() -> None:
    told = story(ONE)
    told.tell(EngineLimited("alpha", "usage", "before", 9e9, told.now.wall + 600, "elsewhere"))
    told.end("work", failure=EXHAUSTED, retry_after=1.0)
    assert told.wait(500.0) == []
    assert kinds(told.wait(200.0))[-1] == "AttemptStarted"


def test_a_crash_before_the_decision_does_not_start_the_hour_anew() -> None:
    """The attempt ended long ago: what is left of its limit counts from then."""
    told = story(ONE)
    ended = AttemptEnded("work", 1, Failed(EXHAUSTED, "no more"))
    (limited, *_) = told.tell(ended, later=UNKNOWN_RESET - 100)
    assert isinstance(limited, EngineLimited)
    assert limited.until - told.passed == pytest.approx(100.0)


def test_what_goes_on_stays_on_the_engine_of_its_session() -> None:
    told = story(TWO.replace("prompt: Work}", "prompt: Work, outputs: {tasks: array}}", 1))
    told.end("work", failure=EXHAUSTED, retry_after=600.0)
    told.wait(700.0)
    found = told.tell(AttemptEnded("work", 2, Failed(FailureClass.OUTPUT, "bad", session="b")))
    begun = found[-1]
    assert isinstance(begun, AttemptStarted)
    assert (begun.cause, begun.continues, begun.fallback) == ("repair", 2, 1)


def test_what_a_step_has_given_up_on_it_does_not_come_back_to() -> None:
    keys = "guards: {same_failure: 0}, retry: {attempts: 6, delay: 2m}"
    told = story(TWO.replace("prompt: Work}", f"prompt: Work, {keys}}}", 1))
    told.end("work", failure=FailureClass.AUTH)
    for _ in range(4):
        told.end("work", failure=FailureClass.EXIT)
        told.wait(3000.0)
    assert [engine for _, engine in started(told)] == ["alpha"] + ["beta"] * 5


def test_a_lift_wakes_a_run_that_stays() -> None:
    told = story(ONE, no_input=True)
    told.end("work", failure=EXHAUSTED, retry_after=600.0)
    assert told.state.ended is not None
    assert kinds(told.tell(LimitLifted("alpha", "ann")))[-1] == "AttemptStarted"


def test_events_survive_the_codec() -> None:
    events: list[Event] = [
        EngineLimited("alpha", "usage", "boot", 1.5, 2.5, "why", "work", 3),
        LimitLifted("alpha", "ann"),
        AttemptStarted("work", 1, "first", fallback=2, usd=1.5, tokens=10.0),
        QuestionAsked("a", "budget", "?", ("go on", "stop"), scope="run", agrees=(("day 3", "usd", 10.0),)),
        DaySpent(3, 1.0, 2.0, 3.0, 4.0),
        SpendingTold("a", 1, Usage(1, None, 0.5)),
        BudgetReached("run", "usd", 90, 9.5, 10.0),
        GuardTripped("a", 1, "why"),
    ]
    for event in events:
        assert load_event(type(event).__name__, dump_event(event)) == event

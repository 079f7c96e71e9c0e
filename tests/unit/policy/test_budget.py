"""Budgets: what is reserved, who may start with how much, when people are told and asked, what is stopped."""

from __future__ import annotations

import random

import pytest

from teamflow.core.events import (
    AttemptEnded,
    AttemptStarted,
    Event,
    PlanRevised,
    QuestionAnswered,
    Reopened,
    RunEnded,
    RunnerStarted,
)
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded, Usage
from teamflow.core.spending import BudgetReached, BudgetSet, DaySpent, SpendingTold
from teamflow.policy.budget import fence, reached_words, worth_telling
from tests.fakes.story import Story
from tests.fakes.teams import plan_of

TEAM = """
engines: {alpha: {command: [alpha], output: json, message: m, usage: {usd: u, input_tokens: i, output_tokens: o}}}
defaults: {permissions: read, workspace: {mode: shared}, retry: {delay: 1s, attempts: 3}}
"""


def team(count: int, *, limits: str = "budget: {usd: 10}", agent: str = "") -> str:
    """`count` agents that may all start at once."""
    agents = "".join(f"  s{n}: {{engine: alpha, prompt: Work{agent}}}\n" for n in range(count))
    return f"limits: {{{limits}}}\n{TEAM}agents:\n{agents}"


def usd(amount: float) -> Usage:
    return Usage(10, 10, amount)


def allowed(told: Story) -> dict[str, float | None]:
    """What the newest attempt of each step may spend."""
    found = {}
    for event in told.events:
        if isinstance(event, AttemptStarted):
            found[event.step] = event.usd
    return found


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def spend(told: Story, step: str, amount: float) -> list[Event]:
    return told.tell(SpendingTold(step, len(told.state.steps[step].attempts), usd(amount)))


def stopped(told: Story, step: str, amount: float) -> list[Event]:
    number = len(told.state.steps[step].attempts)
    return told.tell(AttemptEnded(step, number, Stopped("budget", usage=usd(amount))))


# -- reserving ---------------------------------------------------------------------------------------------------


def test_without_a_budget_nothing_is_reserved() -> None:
    told = Story(team(2, limits="max_parallel: 4"))
    assert allowed(told) == {"s0": None, "s1": None}
    assert spend(told, "s0", 100.0) == []


def test_a_wave_shares_what_there_is() -> None:
    told = Story(team(4), parallel=4)
    assert allowed(told) == {f"s{n}": pytest.approx(2.5) for n in range(4)}


def test_fewer_than_slots_share_more() -> None:
    assert allowed(Story(team(2), parallel=8)) == {"s0": pytest.approx(5.0), "s1": pytest.approx(5.0)}


def test_what_is_not_used_is_for_those_that_come_later() -> None:
    told = Story(team(4), parallel=2)
    told.end("s0", usage=usd(1.0))
    told.end("s1", usage=usd(1.0))
    assert allowed(told)["s2"] == pytest.approx(4.0), "5.00 were reserved by s1 when it began"
    assert allowed(told)["s3"] == pytest.approx(4.0)


def test_a_step_s_own_budget_is_what_it_reserves() -> None:
    told = Story(team(3, agent=", budget: {usd: 4}"), parallel=4)
    assert allowed(told) == {"s0": 4.0, "s1": 4.0}, "the third has to wait until one of them has not used its own"
    assert told.status("s2") == "queued"
    told.end("s0", usage=usd(1.0))
    assert allowed(told)["s2"] == 4.0


def test_the_last_one_gets_what_is_left() -> None:
    told = Story(team(1, agent=", budget: {usd: 40}"))
    assert allowed(told) == {"s0": 10.0}


def test_a_step_s_own_budget_holds_without_one_of_the_run() -> None:
    told = Story(team(1, limits="max_parallel: 2", agent=", budget: {usd: 3, tokens: 1k}"))
    (begun,) = [event for event in told.events if isinstance(event, AttemptStarted)]
    assert (begun.usd, begun.tokens) == (3.0, 1000.0)


def test_commands_cost_nothing_and_go_on() -> None:
    told = Story(f"{team(1)}  free: {{command: ls, depends_on: [s0]}}\n")
    told.end("s0", usage=usd(10.0))
    assert told.status("free") == "running"


# -- the ladder --------------------------------------------------------------------------------------------------


def rungs(told: Story) -> list[int]:
    return [event.percent for event in told.events if isinstance(event, BudgetReached)]


def test_people_are_told_once_and_then_asked() -> None:
    told = Story(team(6), parallel=1)
    told.end("s0", usage=usd(6.9))
    assert rungs(told) == []
    told.end("s1", usage=usd(0.2))
    assert rungs(told) == [70]
    told.end("s2", usage=usd(1.0))
    assert (rungs(told), told.asked) == ([70], [])
    told.end("s3", usage=usd(1.0))
    assert rungs(told) == [70, 90]
    assert told.asked == [
        "$9.10 of the run's budget of $10.00 are spent. May s4, and what comes after it, use up the rest?"
    ]
    assert told.status("s4") == "waiting"
    assert told.status("s5") == "queued", "nobody else starts while somebody is asked"
    told.tell(QuestionAnswered(1, "go on", "ann"))
    assert allowed(told)["s4"] == pytest.approx(0.9)
    told.end("s4", usage=usd(0.5))
    assert len(told.asked) == 1, "it was allowed for what comes after it, too"
    assert told.status("s5") == "running"


def test_stop_means_that_no_more_is_spent() -> None:
    told = Story(f"{team(2)}  free: {{command: ls}}\n", parallel=1)
    told.end("s0", usage=usd(9.5))
    assert told.status("free") == "running"
    found = told.tell(QuestionAnswered(1, "stop", "ann"))
    assert kinds(found) == ["Reopened"]
    told.end("free")
    ended = told.state.ended
    assert ended is not None
    assert (ended.status, ended.exit_reason) == ("limited", "limit")
    assert "ann says that no more is to be spent" in ended.reason
    told.tell(RunnerStarted("boot", 1, 2, resumed=True, no_input=True))
    assert told.state.ended is not None, "nobody overrules it without being there"
    told.tell(RunnerStarted("boot", 1, 2, resumed=True))
    assert len(told.asked) == 2, "a new session asks again"


def test_where_nobody_is_asked_the_budget_is_used_up() -> None:
    told = Story(team(4), parallel=1, no_input=True)
    told.end("s0", usage=usd(9.5))
    assert told.status("s1") == "running"
    found = told.end("s1", usage=usd(0.5))
    assert kinds(found)[-1] == "RunEnded"
    ended = found[-1]
    assert isinstance(ended, RunEnded)
    assert (ended.status, ended.exit_reason) == ("limited", "limit")
    assert ended.reason == "$10.00 of the run's budget of $10.00 are spent: 2 steps wait"
    assert rungs(told) == [90, 100], "the highest new one is told"


def test_a_raise_lets_it_go_on() -> None:
    told = Story(team(2), parallel=1, no_input=True)
    told.end("s0", usage=usd(10.0))
    assert told.state.ended is not None
    told.tell(RunnerStarted("boot", 1, 1, resumed=True, no_input=True, usd=30.0))
    assert allowed(told)["s1"] == pytest.approx(20.0)
    told.tell(RunnerStarted("boot", 1, 1, resumed=True, no_input=True))
    told.end("s1", usage=usd(1.0))
    assert told.state.ended is not None
    assert told.state.ended.status == "succeeded", "it holds for the run"


def test_a_raise_while_it_runs() -> None:
    told = Story(team(2), parallel=1)
    told.end("s0", usage=usd(9.5))
    assert told.status("s1") == "waiting"
    told.tell(QuestionAnswered(1, "stop", "ann"))
    told.tell(RunnerStarted("boot", 1, 1, resumed=True), BudgetSet("ann", 30.0))
    assert told.status("s1") == "running"


def test_the_time_of_a_run_is_told_as_it_passes() -> None:
    told = Story("limits: {timeout: 100s}\nagents:\n  a: {command: sleep 200}\n")
    assert told.wait(50.0) == []
    (found,) = told.wait(20.0)
    assert isinstance(found, BudgetReached)
    assert (found.metric, found.percent, found.cap) == ("seconds", 70, 100.0)
    assert told.wait(5.0) == []
    (found,) = told.wait(20.0)
    assert isinstance(found, BudgetReached)
    assert found.percent == 90
    assert [type(event).__name__ for event in told.wait(20.0)] == ["StopRequested", "AttemptStopping"]


TIMED = "limits: {timeout: 100s, max_parallel: 2}\n" + TEAM
TWO = "agents:\n  a: {engine: alpha, prompt: Work}\n  b: {engine: alpha, prompt: Work, depends_on: [a]}\n"


def late(*, text: str = TIMED + TWO, no_input: bool = False) -> Story:
    """`a` has taken 92 of the run's 100 seconds; recording them takes two more."""
    plans = {2: plan_of(text.replace("100s", "1000s")), 3: plan_of(text.replace("100s", "99s"))}
    told = Story(text, parallel=2, no_input=no_input, plans=plans)
    told.wait(92.0)
    told.end("a")
    return told


def test_with_little_time_left_somebody_is_asked() -> None:
    told = late()
    assert told.status("b") == "waiting"
    (question,) = told.state.unanswered.values()
    assert question.text.startswith("94 s of limits.timeout of 100 s have passed. May b,")
    told.wait(500.0)
    assert told.state.stop is None, "nobody works while it is asked"
    told.tell(QuestionAnswered(1, "go on", "ann"))
    assert told.status("b") == "running"
    assert kinds(told.wait(9.0)) == ["StopRequested", "AttemptStopping"]


def test_who_says_stop_to_the_time_starts_nothing_more() -> None:
    told = late()
    told.tell(QuestionAnswered(1, "stop", "ann"))
    assert told.state.ended is not None
    assert (told.state.ended.status, told.status("b")) == ("limited", "queued")
    assert "ann says that no more is to be spent" in told.state.ended.reason


def test_more_time_is_not_asked_about() -> None:
    told = late()
    told.tell(PlanRevised(2, ""))
    assert told.status("b") == "running"
    assert not told.state.unanswered


def test_a_file_that_allows_more_takes_back_a_stop() -> None:
    told = late()
    told.tell(QuestionAnswered(1, "stop", "ann"))
    assert told.state.ended is not None
    told.tell(PlanRevised(3, ""))
    assert told.status("b") == "queued", "less is no answer"
    told.tell(PlanRevised(2, ""))
    assert told.status("b") == "running"


def test_where_nobody_may_be_asked_time_is_used_up() -> None:
    assert late(no_input=True).status("b") == "running"


def test_commands_use_up_the_time_unasked() -> None:
    told = late(text=TIMED + TWO + "  c: {command: ls, depends_on: [a]}\n")
    assert (told.status("b"), told.status("c")) == ("waiting", "running")


def test_people_are_told_how_much_of_max_steps_is_used() -> None:
    team = """
limits: {max_steps: 10}
agents:
  list: {command: ls, outputs: {tasks: {type: array, items: {type: string}}}}
  each: {command: ls, matrix: {part: agents.list.outputs.tasks}}
"""
    told = Story(team, parallel=1)
    told.end("list", [*"abcdefgh"])
    (found,) = [event for event in told.events if isinstance(event, BudgetReached)]
    assert (found.metric, found.percent, found.spent, found.cap) == ("steps", 70, 8, 10)
    assert reached_words(found) == "limits.max_steps: 70 % used (8 steps of the run's 10 steps)"


# -- while it runs -------------------------------------------------------------------------------------------------


def test_it_grows_into_what_nobody_has_reserved() -> None:
    told = Story(team(2, agent=", budget: {usd: 9}").replace("s1: {engine: alpha, prompt: Work, budget: {usd: 9}}", ""))
    assert allowed(told) == {"s0": 9.0}
    told = Story(team(1), parallel=4)
    assert spend(told, "s0", 9.0) == [BudgetReached("run", "usd", 90, 9.0, 10.0)]


def test_it_is_stopped_when_it_has_spent_its_share_and_nothing_is_left() -> None:
    told = Story(team(2), parallel=2)
    assert kinds(spend(told, "s0", 4.9)) == []
    found = spend(told, "s0", 5.0)
    assert kinds(found) == ["AttemptStopping"], "s1 has reserved the rest"
    assert kinds(stopped(told, "s0", 5.0)) == ["StepWaiting"]
    found = told.end("s1", usage=usd(2.0))
    assert kinds(found) == ["StepEnded", "BudgetReached", "Reopened", "AttemptStarted"]
    begun = found[-1]
    assert isinstance(begun, AttemptStarted)
    assert (begun.cause, begun.continues, begun.usd) == ("resume", 1, pytest.approx(3.0))


def test_a_success_in_spite_of_the_stop_counts() -> None:
    told = Story(team(1))
    assert kinds(spend(told, "s0", 10.0)) == ["AttemptStopping", "BudgetReached"]
    told.end("s0", usage=usd(10.5))
    assert told.status("s0") == "succeeded"


def test_a_step_that_uses_up_its_own_budget_fails() -> None:
    told = Story(team(1, agent=", budget: {usd: 2}"))
    assert kinds(spend(told, "s0", 2.0)) == ["AttemptStopping"]
    stopped(told, "s0", 2.1)
    assert told.status("s0") == "failed"
    known = told.state.steps["s0"]
    assert (known.failure, known.reason) == (FailureClass.BUDGET, "$2.10 of its budget of $2.00 are spent")


def test_failed_attempts_count() -> None:
    told = Story(team(1, agent=", budget: {usd: 2}"), no_input=True)
    told.end("s0", failure=FailureClass.EXIT, usage=usd(1.2))
    told.wait(10.0)
    assert allowed(told)["s0"] == pytest.approx(0.8)
    told.end("s0", failure=FailureClass.EXIT, usage=usd(0.8))
    assert told.status("s0") == "failed"
    assert told.state.steps["s0"].failure is FailureClass.BUDGET
    assert told.state.ledger.spent["usd"] == pytest.approx(2.0)


def test_a_step_asks_before_it_uses_up_its_own_budget() -> None:
    told = Story(team(1, agent=", budget: {usd: 2}"))
    told.end("s0", failure=FailureClass.EXIT, usage=usd(1.85))
    told.wait(10.0)
    assert told.asked == ["$1.85 of its budget of $2.00 are spent. May it try again?"]
    told.tell(QuestionAnswered(1, "go on", "ann"))
    assert allowed(told)["s0"] == pytest.approx(0.15)


def test_what_was_told_counts_when_the_end_tells_nothing() -> None:
    told = Story(team(1), no_input=True)
    spend(told, "s0", 3.0)
    told.tell(AttemptEnded("s0", 1, Failed(FailureClass.LOST, "gone")))
    assert told.state.ledger.spent["usd"] == pytest.approx(3.0)


def test_what_is_not_told_is_no_zero_and_no_sum() -> None:
    told = Story(team(2), parallel=1, no_input=True)
    told.end("s0", usage=None)
    assert told.state.ledger.spent == {"usd": 0.0, "tokens": 0.0}
    assert told.status("s1") == "running"


def test_done_again_by_hand_it_has_its_budget_again() -> None:
    told = Story(team(1, agent=", budget: {usd: 2}"), no_input=True)
    told.end("s0", failure=FailureClass.AUTH, usage=usd(2.0))
    told.tell(RunnerStarted("boot", 1, 1, resumed=True), Reopened(("s0",), "retry", {"s0": "ann"}))
    assert allowed(told)["s0"] == 2.0


def test_tokens_are_a_budget_as_well() -> None:
    told = Story(team(2, limits="budget: {tokens: 1k}"), parallel=1, no_input=True)
    told.end("s0", usage=Usage(900, 100, None))
    assert told.state.ended is not None
    assert told.state.ended.reason == "1,000 tokens of the run's budget of 1,000 tokens are spent: 1 step waits"


# -- the day -----------------------------------------------------------------------------------------------------


def test_what_other_runs_spend_on_the_day_counts() -> None:
    told = Story(f"{team(1, limits='budget: {day: {usd: 10}}')}  first: {{command: ls}}\n", parallel=1)
    told.tell(DaySpent(0, 8.0, 0.0))
    assert told.events[-1] != AttemptStarted
    told = Story(team(2, limits="budget: {day: {usd: 10}}"), parallel=1, no_input=True)
    told.tell(DaySpent(0, 6.0, 0.0))
    told.end("s0", usage=usd(1.0))
    assert allowed(told)["s1"] == pytest.approx(3.0)
    told.tell(DaySpent(0, 8.5, 0.0))
    assert "AttemptStopping" in kinds(spend(told, "s1", 3.0))


def test_a_new_day_has_a_new_budget() -> None:
    told = Story(team(3, limits="budget: {day: {usd: 10}}"), parallel=1, no_input=True)
    told.tell(DaySpent(0, 5.0, 0.0))
    told.end("s0", usage=usd(4.0))
    assert allowed(told)["s1"] == pytest.approx(1.0)
    told.passed += 86400.0
    told.end("s1", usage=usd(0.5))
    assert allowed(told)["s2"] == pytest.approx(9.5)


# -- telling -----------------------------------------------------------------------------------------------------


def test_only_what_matters_is_recorded() -> None:
    told = Story(team(1))
    known = told.state.steps["s0"]
    live = known.live
    assert live is not None
    assert not worth_telling(told.state, known, live, usd(0.1))
    assert worth_telling(told.state, known, live, usd(0.3))
    live.told = usd(0.3)
    assert not worth_telling(told.state, known, live, usd(0.4))
    assert worth_telling(told.state, known, live, usd(10.0))
    free = Story(team(1, limits="max_parallel: 3"))
    known = free.state.steps["s0"]
    assert known.live is not None
    assert not worth_telling(free.state, known, known.live, usd(100.0))


# -- what a review found -----------------------------------------------------------------------------------------


def test_a_budget_that_is_set_later_holds_what_runs() -> None:
    told = Story(team(1, limits="max_parallel: 3"))
    told.tell(BudgetSet("ann", 1.0))
    found = spend(told, "s0", 1.0)
    assert "AttemptStopping" in kinds(found)


def test_a_budget_that_is_lowered_holds_what_runs() -> None:
    told = Story(team(3), parallel=3)
    for name in ("s0", "s1"):
        spend(told, name, 3.0)
    found = told.tell(BudgetSet("ann", 1.0))
    assert kinds(found).count("AttemptStopping") == 2


def test_a_question_that_a_raise_settles_is_not_asked_any_more() -> None:
    told = Story(team(2), parallel=1)
    told.end("s0", usage=usd(9.5))
    assert told.status("s1") == "waiting"
    told.tell(RunnerStarted("boot", 1, 1, resumed=True, no_input=True, usd=30.0))
    assert told.status("s1") == "running"
    told = Story(team(2), parallel=1)
    told.end("s0", usage=usd(9.5))
    told.tell(BudgetSet("ann", 30.0))
    assert told.status("s1") == "running"
    assert told.state.unanswered == {}
    told = Story(team(2), parallel=1)
    told.end("s0", usage=usd(9.5))
    told.tell(RunnerStarted("boot", 1, 1, resumed=True, no_input=True))
    assert told.status("s1") == "running", "nobody is asked, so what fits goes on"


def test_a_yes_is_about_one_cap_and_one_day() -> None:
    told = Story(team(6, limits="budget: {usd: 100, day: {usd: 10}}"), parallel=1)
    told.end("s0", usage=usd(9.1))
    told.tell(QuestionAnswered(1, "go on", "ann"))
    assert told.state.ledger.agreed == {("day 0", "usd", 10.0)}
    told.passed += 86400.0
    told.end("s1", usage=usd(0.1))
    told.end("s2", usage=usd(9.3))
    assert len(told.asked) == 2, "another day"
    assert rungs(told) == [90, 90]


def test_a_run_that_stays_goes_on_when_it_is_given_more() -> None:
    told = Story(team(2), parallel=1, no_input=True)
    told.end("s0", usage=usd(10.0))
    assert told.state.ended is not None
    assert kinds(told.tell(BudgetSet("ann", 30.0)))[-1] == "AttemptStarted"


def test_an_own_budget_is_asked_about_again_after_a_retry_by_hand() -> None:
    told = Story(team(1, agent=", budget: {usd: 2}, retry: {attempts: 9, delay: 1s}"))
    told.end("s0", failure=FailureClass.EXIT, usage=usd(1.85))
    told.wait(10.0)
    told.tell(QuestionAnswered(1, "go on", "ann"))
    told.end("s0", failure=FailureClass.AUTH, usage=usd(0.1))
    told.tell(Reopened(("s0",), "retry", {"s0": "ann"}))
    told.end("s0", failure=FailureClass.EXIT, usage=usd(1.85))
    told.wait(10.0)
    assert len(told.asked) == 2


def test_what_other_runs_hold_is_not_spent() -> None:
    told = Story(team(2, limits="budget: {day: {usd: 10}}"), parallel=1, no_input=True)
    told.tell(DaySpent(0, 1.0, 0.0, 9.0, 0.0))
    assert rungs(told) == []
    told.end("s0", usage=usd(0.1))
    assert told.state.ended is not None
    assert "$9.00 reserved by other runs" in told.state.ended.reason
    told.tell(RunnerStarted("boot", 1, 1, resumed=True, no_input=True), DaySpent(0, 1.5, 0.0))
    assert told.status("s1") == "running"


def test_checks_and_repairs_are_no_measure_of_an_agent() -> None:
    told = Story(team(1, agent=", retry: {attempts: 9, delay: 1s}"), no_input=True)
    told.tell(AttemptEnded("s0", 1, Failed(FailureClass.EXIT, "x", usage=usd(4.0)), phase="agent"))
    told.wait(10.0)
    told.tell(AttemptEnded("s0", 2, Failed(FailureClass.EXIT, "x", usage=usd(0.0)), phase="check.1"))
    assert told.state.ledger.usual("s0", "usd") == 4.0


# -- waves -------------------------------------------------------------------------------------------------------


def wave(seed: int) -> None:
    """Agents that spend at most what they may, or tell as they go and stop when they are told to."""
    chance = random.Random(seed)
    cap, grain = 10.0, 0.05
    own = f", budget: {{usd: {chance.choice([1, 3, 8])}}}" if chance.random() < 0.4 else ""
    day = ", day: {usd: 15}" if chance.random() < 0.3 else ""
    told = Story(
        team(chance.randrange(1, 14), limits=f"budget: {{usd: {cap}{day}}}", agent=own),
        parallel=chance.randrange(1, 9),
        no_input=chance.random() < 0.5,
    )
    spent: dict[tuple[str, int], float] = {}
    for _ in range(400):
        state = told.state
        # What is stopped may have spent one grain too much before that.
        halted = sum(1 for known in state.steps.values() for each in known.attempts if each.stopping)
        assert sum(spent.values()) <= cap + grain * halted + 1e-6, f"seed {seed}"
        live = sorted(state.running)
        if state.unanswered:
            told.tell(QuestionAnswered(min(state.unanswered), chance.choice(["go on", "go on", "stop"]), "ann"))
        elif live:
            step = chance.choice(live)
            attempt = state.steps[step].attempts[-1]
            key = (step, attempt.number)
            before = spent.setdefault(key, 0.0)
            stopping = attempt.stopping is not None
            if not stopping and chance.random() < 0.6:
                spent[key] = before + chance.choice([grain / 2, grain])
                spend(told, step, spent[key])
                continue
            if not stopping and attempt.allowance is not None and chance.random() < 0.5:
                assert attempt.allowance.usd is not None
                spent[key] = max(before, chance.uniform(before, max(before, attempt.allowance.usd)))
            usage = usd(spent[key])
            failed = Failed(chance.choice([FailureClass.EXIT, FailureClass.TRANSIENT]), "x", usage=usage)
            outcome = Stopped("budget", usage=usage) if stopping else chance.choice([Succeeded(usage=usage), failed])
            told.tell(AttemptEnded(step, attempt.number, outcome))
        elif state.ended is not None:
            break
        else:
            told.wait(400.0)
    else:
        raise AssertionError(f"seed {seed}: it does not end")
    assert told.state.ledger.spent["usd"] == pytest.approx(sum(spent.values()))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("block", range(4))
def test_no_wave_overshoots(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        wave(seed)


@pytest.mark.slow
def test_no_wave_of_a_thousand_overshoots() -> None:
    first = random.SystemRandom().randrange(1 << 30)
    for seed in range(first, first + 1000):
        wave(seed)


def test_a_fence_is_what_no_gift_of_others_lets_it_go_over() -> None:
    told = Story(team(2, agent=", budget: {usd: 7}"))
    both = [told.state.steps[name] for name in ("s0", "s1")]
    assert [fence(told.state, known) for known in both] == [7.0, 7.0]
    spend(told, "s0", 4.0)
    assert [fence(told.state, known) for known in both] == [3.0, 6.0], "all that the other has not spent"
    assert fence(Story(team(1, limits="")).state, Story(team(1, limits="")).state.steps["s0"]) is None


def test_a_fence_knows_what_others_have_spent_on_the_day() -> None:
    told = Story(team(1, limits="budget: {usd: 10, day: {usd: 5}}"))
    assert fence(told.state, told.state.steps["s0"]) == 5.0
    day = int(told.now.wall // 86400)
    told.tell(DaySpent(day, usd=3.0, tokens=0, held_usd=0.0, held_tokens=0))
    assert fence(told.state, told.state.steps["s0"]) == 2.0

"""What agents may spend: who may start, with how much; when people are told and asked; what is stopped.

Pure. An attempt reserves what it may spend before it starts, so that those that run together cannot go over what is
left: its step's own budget, else an equal share of what the run may still spend. It may grow beyond a share into what
nobody has reserved. What will not fit, by what its agent has taken before, does not start unasked. What an engine does
not tell is not counted, and is no zero (`views` say so). At 70 % people are told, at 90 % asked, and with nothing left
nothing more starts. Refuses to know prices and engines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

from teamflow.core.attempts import AttemptState
from teamflow.core.events import (
    AttemptStarted,
    Event,
    Now,
    QuestionAsked,
    Reopened,
    RunnerStarted,
    StepEnded,
    StepWaiting,
)
from teamflow.core.fold_budget import BUDGET, in_force, usage_of
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import FailureClass, Usage
from teamflow.core.plan import NO_CAPS, PROMPT, Caps, Json, Step
from teamflow.core.spending import DAY, METRICS, BudgetReached, amount, of, scope_key
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status
from teamflow.policy.asking import GO_ON, STOP

RUNGS: Final = (70, 90, 100)
"""Percent at which people are told."""

ASK_AT: Final = 0.9

LEAST: Final = 0.01
"""With a smaller share of a budget left nothing starts."""

TELL_EVERY: Final = 0.02
"""A running attempt's cost is recorded when it has grown by this share of what it may spend."""

RUN, OWN = "run", "step"
"""What a question is about: the run's (or the day's) budget, or that of one step."""


class Line(NamedTuple):
    """One cap. scope: run | day. `held`: what running attempts may still spend of it; `apart`: those of other runs.
    `key`: the scope, with its day."""

    scope: str
    metric: str
    cap: float
    spent: float
    held: float
    apart: float = 0.0
    key: str = "run"

    @property
    def free(self) -> float:
        return self.cap - self.spent - self.held - self.apart

    @property
    def share(self) -> float:
        return self.spent / self.cap


def lines(state: RunState, now: Now) -> list[Line]:
    """The caps that hold for the run as a whole; none where nothing does."""
    run, day = in_force(state), state.plan.limits.day
    if run == day == NO_CAPS:
        return []
    ledger, today = state.ledger, int(now.wall // DAY)
    others = ledger.others if ledger.others is not None and ledger.others.day == today else None
    working = [live for live in (state.steps[step_id].live for step_id in state.running) if live is not None]
    found = []
    for metric in METRICS:
        told = sum(of(usage_of(live), metric) or 0.0 for live in working)
        held = sum(_unspent(live, metric) for live in working)
        if (cap := getattr(run, metric)) is not None:
            found.append(Line("run", metric, cap, ledger.spent[metric] + told, held))
        if (cap := getattr(day, metric)) is not None:
            spent = (ledger.today[metric] if ledger.day == today else 0.0) + told
            theirs, apart = (getattr(others, metric), getattr(others, f"held_{metric}")) if others else (0.0, 0.0)
            found.append(Line("day", metric, cap, spent + theirs, held, apart, scope_key("day", now.wall)))
    return found


def time_line(state: RunState, now: Now) -> list[Line]:
    """`limits.timeout` as a line: people are told and asked of it alike. That it stops the run is decided elsewhere."""
    limit = state.plan.limits.timeout
    return [] if limit is None else [Line("run", "seconds", limit, worked(state, now), 0.0)]


def steps_line(state: RunState) -> list[Line]:
    """`limits.max_steps` as a line, to be told of; who goes over it is asked (`policy/expand.py`)."""
    limit = state.plan.limits.max_steps
    if limit is None or not state.added:
        return []
    return [Line("run", "steps", limit, len(state.plan.steps) - len(state.base.steps), 0.0)]


def worked(state: RunState, now: Now) -> float:
    """Seconds during which at least one attempt ran: what `limits.timeout` counts."""
    since = state.active_since
    return state.active + (max(0.0, now.mono - since) if since is not None else 0.0)


def next_rung(state: RunState, now: Now) -> float | None:
    """When (seconds since boot) people are to be told next of how much of `limits.timeout` is used; None: never."""
    limit, since = state.plan.limits.timeout, state.active_since
    if limit is None or since is None:
        return None
    moments = (since + limit * percent / 100 - state.active for percent in RUNGS)
    return min((moment for moment in moments if moment > now.mono), default=None)


def _unspent(live: AttemptState, metric: str) -> float:
    may = getattr(live.allowance, metric) if live.allowance is not None else None
    return 0.0 if may is None else max(0.0, may - (of(usage_of(live), metric) or 0.0))


def costs(step: Step) -> bool:
    """Whether money may be spent on it."""
    return step.kind == PROMPT and step.expansion is None


# -- starting ----------------------------------------------------------------------------------------------------


def grant(state: RunState, runner: RunnerStarted, known: StepState, caps: Sequence[Line]) -> Caps | str | None:
    """What the next attempt of a step may spend, None: as much as it likes; or why it may not start now."""
    step = known.step
    if not costs(step):
        return None
    if state.ledger.refused:
        return refused_words(state.ledger.refused)
    if state.unanswered and asks(state):
        return "somebody is asked whether the run may use up its budget"
    if not caps and step.budget is None:
        return None
    found: dict[str, float | None] = {}
    for metric in METRICS:
        own = left(known, metric)
        free = min((line for line in caps if line.metric == metric), key=lambda line: line.free, default=None)
        if free is None:
            found[metric] = own
            continue
        if free.free < LEAST * free.cap:
            return used_words(free)
        wanted = own if own is not None else free.free / _wave(state, runner)
        usual = _usual(state, known, metric)
        if max(wanted, usual) > free.free and free.held > 0:
            unreserved = f"{amount(metric, free.free)} of {_whose(free)} budget are not reserved"
            return f"{unreserved}, and it wants {amount(metric, max(wanted, usual))}"
        if usual > free.free and runner.no_input:
            return _too_little(step, free, usual)
        found[metric] = min(wanted, free.free)
    return Caps(found["usd"], found["tokens"])


def _wave(state: RunState, runner: RunnerStarted) -> int:
    """How many attempts may have to share what nobody has reserved: this one, and those that may join it."""
    most = runner.max_parallel - len(state.running)
    paid = (1 for step_id in state.open if step_id not in state.running and costs(state.steps[step_id].step))
    return max(1, sum(islice(paid, max(1, most))))


def _usual(state: RunState, known: StepState, metric: str) -> float:
    """What an attempt of its agent takes, as far as that is known; one that goes on with a session takes less."""
    return 0.0 if known.next_cause == "resume" else state.ledger.usual(known.step.agent, metric)


def _too_little(step: Step, line: Line, usual: float) -> str:
    left_words = (
        f"{amount(line.metric, line.free)} of {_whose(line)} budget of {amount(line.metric, line.cap)} are left"
    )
    return f"{left_words}, and an attempt of {step.agent} takes about {amount(line.metric, usual)}"


def left(known: StepState, metric: str) -> float | None:
    """What is left of the step's own budget; None: it has none."""
    cap = getattr(known.step.budget, metric) if known.step.budget is not None else None
    return None if cap is None else cap - spent_by(known, metric)


def spent_by(known: StepState, metric: str) -> float:
    """By the step's attempts, since somebody has last asked for it to be done again."""
    return sum(of(usage_of(attempt), metric) or 0.0 for attempt in known.attempts[known.paid_from :])


def fence(state: RunState, known: StepState) -> float | None:
    """Dollars that the attempt which starts now cannot go over, whatever those beside it give back; None: no limit."""
    own, others = left(known, "usd"), state.ledger.others
    day = max(state.ledger.day, others.day if others is not None else 0)
    rests = [line.cap - line.spent for line in lines(state, Now("", 0.0, day * DAY)) if line.metric == "usd"]
    return min((*rests, *(() if own is None else (own,))), default=None)


def asks(state: RunState) -> bool:
    """Whether somebody is asked about the budget of the run."""
    return any(question.scope == RUN for question in state.unanswered.values())


def question(state: RunState, runner: RunnerStarted, known: StepState, caps: Sequence[Line]) -> QuestionAsked | None:
    """What has to be asked before a step may spend more of the run's budget, or of its time."""
    if runner.no_input or not costs(known.step):
        return None
    agreed = state.ledger.agreed
    for line in caps:
        usual = _usual(state, known, line.metric)
        tight = line.share >= ASK_AT or usual > line.free
        if tight and (line.key, line.metric, line.cap) not in agreed:
            said = used_words(line) if line.share >= ASK_AT else _too_little(known.step, line, usual)
            text = f"{said}. May {known.step.id}, and what comes after it, use up the rest?"
            agrees = ((line.key, line.metric, line.cap),)
            return QuestionAsked(known.step.id, BUDGET, text, (GO_ON, STOP), scope=RUN, agrees=agrees)
    return None


def moot(state: RunState, runner: RunnerStarted, caps: Sequence[Line]) -> Reopened | None:
    """The step of a question about the run's budget that nobody would ask any more: it was raised, or nobody may be
    asked now."""
    for asked in state.unanswered.values():
        known = state.steps[asked.step]
        if asked.scope == RUN and question(state, runner, known, caps) is None:
            return Reopened((asked.step,), "resume", {asked.step: "its budget need not be asked about any more"})
    return None


def of_its_own(known: StepState, *, no_input: bool) -> Event | None:
    """Of a step whose turn it is: it has used up its own budget, or nearly; None: it may start."""
    step = known.step
    if step.budget is None or len(known.attempts) == known.paid_from:
        return None
    for metric in METRICS:
        cap = getattr(step.budget, metric)
        if cap is None:
            continue
        spent = spent_by(known, metric)
        said = f"{amount(metric, spent)} of its budget of {amount(metric, cap)} are spent"
        if spent > (1 - LEAST) * cap:
            return StepEnded(step.id, "failed", said, failure=FailureClass.BUDGET)
        if spent >= ASK_AT * cap and not no_input and not known.agreed:
            return QuestionAsked(step.id, BUDGET, f"{said}. May it try again?", (GO_ON, STOP), scope=OWN)
    return None


# -- while it runs -----------------------------------------------------------------------------------------------


def worth_telling(state: RunState, known: StepState, live: AttemptState, usage: Usage) -> bool:
    """Whether what a running attempt has told of its cost is to be recorded: some budget holds for it, and it has
    grown enough."""
    caps, day = in_force(state), state.plan.limits.day
    for place, metric in enumerate(METRICS):
        limits = [each[place] for each in (live.allowance, known.step.budget, caps, day) if each is not None]
        may = min((limit for limit in limits if limit is not None), default=None)
        now, before = of(usage, metric), of(live.told, metric) or 0.0
        if may is not None and now is not None and (now - before >= TELL_EVERY * may or now >= may > before):
            return True
    return False


def over(state: RunState, known: StepState, live: AttemptState, now: Now) -> bool:
    """Whether a running attempt has to be stopped: its step's budget or that of the run is used up, or it has spent
    what it had reserved and nothing else is left."""
    if live.told is None:
        return False
    if any((rest := left(known, metric)) is not None and rest <= 0 for metric in METRICS):
        return True
    held = (line for line in lines(state, now) if of(live.told, line.metric))
    return any(line.share >= 1 or (line.free <= 0 and _unspent(live, line.metric) <= 0) for line in held)


def after_stop(known: StepState) -> Event:
    """Of an attempt that was stopped for what it has spent."""
    step = known.step
    for metric in METRICS:
        rest = left(known, metric)
        if rest is not None and rest <= 0:
            spent, cap = amount(metric, spent_by(known, metric)), amount(metric, getattr(step.budget, metric))
            reason = f"{spent} of its budget of {cap} are spent"
            return StepEnded(step.id, "failed", reason, failure=FailureClass.BUDGET)
    return StepWaiting(step.id, "limit", BUDGET, "nothing is left of the budget")


def committed(state: RunState, now: Now, start: AttemptStarted | None) -> tuple[float, float, float, float]:
    """What this run has spent today (dollars, tokens), and what its attempts may still spend, `start` included."""
    ledger, today = state.ledger, int(now.wall // DAY)
    working = [live for live in (state.steps[step_id].live for step_id in state.running) if live is not None]
    spent, held = [], []
    for metric in METRICS:
        told = sum(of(usage_of(live), metric) or 0.0 for live in working)
        spent.append((ledger.today[metric] if ledger.day == today else 0.0) + told)
        more = getattr(start, metric) if start is not None else None
        held.append((more or 0.0) + sum(_unspent(live, metric) for live in working))
    return spent[0], spent[1], held[0], held[1]


# -- the run -----------------------------------------------------------------------------------------------------


def reached(state: RunState, caps: Sequence[Line]) -> BudgetReached | None:
    """The highest rung of a budget that people were not told of."""
    for line in caps:
        for percent in reversed(RUNGS):
            if line.share * 100 >= percent:
                if (line.key, line.metric, percent, line.cap) not in state.ledger.reached:
                    return BudgetReached(line.scope, line.metric, percent, line.spent, line.cap)
                break
    return None


def goes_on(state: RunState, caps: Sequence[Line]) -> Reopened | None:
    """Steps that were stopped for what they had spent, and may go on: enough is left again."""
    names = [step_id for step_id in state.on_limit if state.steps[step_id].waiting_by == BUDGET]
    if not names or state.ledger.refused or asks(state) or any(line.free < LEAST * line.cap for line in caps):
        return None
    ready = [name for name in names if state.steps[name].pause is None and state.steps[name].cancelled_by is None]
    ready.sort(key=lambda name: state.order[name])
    reasons = dict.fromkeys(ready, "there is budget for it again")
    return Reopened(tuple(reasons), "resume", reasons) if reasons else None


def blocked(state: RunState, runner: RunnerStarted, caps: Sequence[Line]) -> dict[str, str]:
    """Steps that lack nothing but money, and why."""
    refused_by = state.ledger.refused
    if not caps and not refused_by:
        return {}
    waiting = [step_id for step_id in state.on_limit if state.steps[step_id].waiting_by == BUDGET]
    found = {step_id: _most_used(caps) if caps else refused_words(refused_by) for step_id in waiting}
    for queue in state.ready.values():
        for step_id in queue.members():
            refused = grant(state, runner, state.steps[step_id], caps)
            if isinstance(refused, str):
                found[step_id] = refused
    return found


def _most_used(caps: Sequence[Line]) -> str:
    return used_words(max(caps, key=lambda line: line.share))


def _whose(line: Line) -> str:
    return "the run's" if line.scope == "run" else "the day's"


def refused_words(by: str) -> str:
    return f"{by} says that no more is to be spent"


def used_words(line: Line) -> str:
    """`$13.60 of the run's budget of $15.00 are spent`, `55 min of limits.timeout of 1.0 h have passed`."""
    spent, cap = amount(line.metric, line.spent), amount(line.metric, line.cap)
    if line.metric == "seconds":
        return f"{spent} of limits.timeout of {cap} have passed"
    held = f", {amount(line.metric, line.held)} reserved" if line.held > 0 else ""
    held += f", {amount(line.metric, line.apart)} reserved by other runs" if line.apart > 0 else ""
    return f"{spent} of {_whose(line)} budget of {cap} are spent{held}"


def reached_words(event: BudgetReached) -> str:
    """`budget: 70 % used ($7.10 of the run's $10.00)`."""
    spent, cap = amount(event.metric, event.spent), amount(event.metric, event.cap)
    what = {"seconds": "limits.timeout", "steps": "limits.max_steps"}.get(event.metric, "budget")
    return f"{what}: {event.percent} % used ({spent} of the {event.scope}'s {cap})"


def budget_object(state: RunState, now: Now) -> Mapping[str, Json]:
    """The caps with what is spent of them, for JSON: scope → metric → {cap, spent, held}."""
    found: dict[str, dict[str, Json]] = {}
    for line in lines(state, now):
        held = line.held + line.apart
        found.setdefault(line.scope, {})[line.metric] = {"cap": line.cap, "spent": line.spent, "held": held}
    return found


def waits_for_money(state: RunState, known: StepState, now: Now) -> str:
    """Why a queued step does not start, where money is the reason; empty where it is not."""
    if known.status is not Status.QUEUED or state.runner is None:
        return ""
    found = grant(state, state.runner, known, lines(state, now))
    return found if isinstance(found, str) else ""

"""Why a step that has not ended does not go on: the answer as data, and in words.

Reads the same state as `policy/decide.py` and decides nothing. Refuses to guess: what no record says is not told.
"""

from __future__ import annotations

from datetime import tzinfo

from teamflow.core.events import Now
from teamflow.core.fold_limit import ENGINE
from teamflow.core.limited import at_once
from teamflow.core.named import NamedTuple
from teamflow.core.questions import answer_words, question_id, time_left
from teamflow.core.shell import run_words
from teamflow.core.state import Pause, RunState, StepState
from teamflow.core.status import ENDED, Status
from teamflow.policy.asking import newest
from teamflow.policy.budget import waits_for_money
from teamflow.policy.quota import limit_words, reach
from teamflow.views import words


class Wait(NamedTuple):
    """`what`: dependencies | condition | lookup | expansion | backoff | slot | engine | budget | stop | runner |
    pause | limit | person.

    `on`: the steps it waits for; `until`: a Unix time, where one is set; `detail`: for people; `question`: the number
    of the one that is open. `interrupted`: nobody has paused it, it was ended with the run.
    """

    what: str
    on: tuple[str, ...] = ()
    until: float | None = None
    detail: str = ""
    question: int | None = None
    interrupted: bool = False


def paused_hints(state: RunState) -> list[str]:
    """What somebody holds back, and how to let it go on."""
    hints = [f"the run is paused by {state.paused}: `teamflow resume` lets it go on"] if state.paused else []
    held = [step_id for step_id in state.steps if step_id in state.held]
    if held:
        what = f"`teamflow resume {held[0]}`" if len(held) == 1 else "`teamflow resume STEP`"
        hints.append(f"paused: {words.names(held)}; {what} lets it go on")
    return hints


def wait_of(state: RunState, known: StepState, now: Now, *, gone: bool = False) -> Wait | None:
    """What the step waits for; None for one that runs or has ended. `gone`: no runner lives."""
    match known.status:
        case Status.WAITING if known.waiting_on == "person":
            return _person(state, known, now, gone=gone)
        case Status.WAITING if known.pause is None and known.waiting_by == "user":
            return Wait("runner", detail=f"resumed; {_nobody(state)}" if gone else "resumed")
        case Status.WAITING if known.waiting_by == ENGINE and known.pause is None:
            return _limited(state, known, now, gone=gone or state.ended is not None)
        case Status.WAITING:
            resumed = f"; `teamflow resume {known.step.id}` lets it go on" if known.pause is not None else ""
            ended = known.pause is None and known.waiting_by == "interrupt"
            return Wait(known.waiting_on or "pause", (), None, f"{known.reason}{resumed}", interrupted=ended)
        case Status.PENDING | Status.QUEUED if known.pause is not None:
            return _held(known, known.pause)
        case Status.PENDING:
            return _pending(state, known)
        case Status.QUEUED if gone or state.ended is not None:
            return Wait("runner", detail=_left(state))
        case Status.QUEUED:
            return _queued(state, known, now)
        case _:
            return None


def _nobody(state: RunState) -> str:
    return f"no runner works on this run: `{run_words(state.plan.file)}` goes on with it"


def _left(state: RunState) -> str:
    """Why nobody works on it any more comes first: in a table there is room for nothing else."""
    ended = state.ended
    return f"{ended.reason}; {_nobody(state)}" if ended is not None and ended.status == "limited" else _nobody(state)


def _held(known: StepState, pause: Pause) -> Wait:
    return Wait("pause", detail=f"paused by {pause.by}; `teamflow resume {known.step.id}` lets it go on")


def _limited(state: RunState, known: StepState, now: Now, *, gone: bool) -> Wait:
    found = reach(state, known.step.accounts, now)
    also = f"; {_nobody(state)}" if gone else ""
    if found.limit is None:
        return Wait("runner", detail=f"{known.step.accounts[found.fallback or 0]} is in reach again{also}")
    told = f"{limit_words(found.engine, found.limit)}; {at_once(known.step.id)}"
    return Wait("limit", (), now.wall + found.seconds, f"{told}{also}")


def _person(state: RunState, known: StepState, now: Now, *, gone: bool) -> Wait:
    question = newest(state, known)
    if question is None or question.withdrawn:
        return Wait("runner", detail=f"it asks again when `{run_words(state.plan.file)}` goes on with the run")
    if question.answered is not None:
        goes_on = f"; {_nobody(state)}" if gone else ""
        if known.pause is not None:
            return Wait("pause", detail=f"{answer_words(question)}; paused by {known.pause.by}")
        return Wait("runner", detail=f"{answer_words(question)}{goes_on}")
    until = None if question.deadline is None else now.wall + time_left(question, now)
    return Wait("person", (), until, known.reason, question.number)


def _pending(state: RunState, known: StepState) -> Wait:
    before = dict.fromkeys(edge.on for edge in known.step.counted_edges)
    open_ones = tuple(name for name in before if state.steps[name].status not in ENDED)
    told = [f"{name} ({state.steps[name].status.value})" for name in open_ones]
    return Wait("dependencies", open_ones, None, words.names(told) if told else "")


def _queued(state: RunState, known: StepState, now: Now) -> Wait:
    if state.stop is not None:
        return Wait("stop", detail=f"the run is stopping: {state.stop.reason}")
    if known.backoff is not None:
        return _backoff(known, now)
    if known.step.expansion is not None:
        return Wait("expansion", detail="its instances are found next")
    if state.paused:
        return Wait("pause", detail=f"the run is paused by {state.paused}")
    if not known.admitted:
        what = "condition" if known.step.condition and not known.step.cache else "lookup"
        return Wait(what, detail="its `if` is evaluated" if what == "condition" else "its cache key is looked up")
    return _slot(state, known, now)


def _backoff(known: StepState, now: Now) -> Wait:
    boot, mono = known.backoff or ("", 0.0)
    # After a reboot the moment is gone, and the next runner starts the step at once.
    until = now.wall + (mono - now.mono) if boot == now.boot else None
    return Wait("backoff", (), until, known.reason)


def _slot(state: RunState, known: StepState, now: Now) -> Wait:
    found = reach(state, known.step.accounts, now)
    if found.limit is not None:
        told = f"{limit_words(found.engine, found.limit)}; {at_once(known.step.id)}"
        return Wait("limit", (), now.wall + found.seconds, told)
    if money := waits_for_money(state, known, now):
        return Wait("budget", detail=money)
    engine = known.step.engines[found.fallback or 0]
    limit = state.plan.limits.engines.get(engine)
    working = state.running_by_engine.get(engine, 0)
    if limit is not None and working >= limit:
        on = tuple(name for name in _running(state) if state.steps[name].attempts[-1].engine == engine)
        return Wait("engine", on, None, f"limits.engines.{engine} is {limit}, and {working} run")
    most = state.runner.max_parallel if state.runner is not None else None
    busy = len(state.running)
    if most is not None and busy >= most:
        all_of = "the only slot is" if most == 1 else f"all {most} slots are"
        return Wait("slot", _running(state), None, f"{all_of} taken")
    return Wait("slot", detail="it starts next")


def _running(state: RunState) -> tuple[str, ...]:
    return tuple(sorted(state.running, key=lambda name: state.order.get(name, 0)))


def wait_words(wait: Wait, now: Now, *, run: int, zone: tzinfo | None = None) -> str:
    """One clause: `waits for plan (running)`, `waits until 14:30:05 to try again (…)`. `run`: its number."""
    match wait.what:
        case "person" if wait.question is not None:
            when = f" until {words.moment(wait.until, now=now.wall, zone=zone)}" if wait.until is not None else ""
            return f"waits (person) for {question_id(run, wait.question)}{when}: {wait.detail}"
        case "dependencies":
            return f"waits for {wait.detail}" if wait.detail else "its dependencies have ended"
        case "backoff":
            when = f"until {words.moment(wait.until, now=now.wall, zone=zone)}" if wait.until is not None else ""
            return f"waits {when or 'for a runner'} to try again ({wait.detail})"
        case "slot" | "engine" if wait.on:
            return f"waits for a slot: {wait.detail} ({words.names(wait.on, most=3)})"
        case "pause" if wait.interrupted and wait.detail:
            return wait.detail
        case "pause" | "limit" | "person":
            return f"waits ({wait.what}): {wait.detail}" if wait.detail else f"waits ({wait.what})"
        case _:
            return wait.detail

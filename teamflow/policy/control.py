"""The verbs that steer a run: cancel, pause, resume, retry, relaunch, progress. What each may do, and what is recorded.

Pure: `granted` in `policy/requests.py` calls one of these, with a living runner and without. A request that is refused
changes nothing. What follows for a step that runs is decided in `policy/holding.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from teamflow.core.events import BackoffEnded, Event, ProgressReported, Reopened
from teamflow.core.limited import LimitLifted
from teamflow.core.plan import ASK, PROMPT, Caps
from teamflow.core.requested import (
    CancelRequested,
    MessageSent,
    PauseRequested,
    RelaunchRequested,
    ResumeRequested,
    RunPaused,
    RunResumed,
)
from teamflow.core.shell import run_words
from teamflow.core.spending import BudgetSet, caps_words
from teamflow.core.state import RunState, StepState
from teamflow.core.status import ENDED, Status
from teamflow.plan.ripple import rippled
from teamflow.policy.asking import asks_what_follows
from teamflow.policy.granting import Asker, Granted, chosen, meant, named
from teamflow.policy.holding import relaunched, skipped_because
from teamflow.policy.quota import lacks
from teamflow.policy.relaunching import checked, unenforced_words


def steps_args(steps: Sequence[str] | None, **more: object) -> str:
    """The arguments of a verb about steps; None: the whole run."""
    return json.dumps({"steps": None if steps is None else list(steps), **more})


def _over(state: RunState) -> str:
    return f"the run has ended ({state.ended.status if state.ended else 'all steps are done'})"


def _ended(state: RunState, step_id: str) -> str:
    """Why nothing more can be done to a step; empty while it is open."""
    return "" if step_id in state.open else f"{step_id} has ended ({state.steps[step_id].status.value})"


# -- cancel --------------------------------------------------------------------------------------------------


def cancel(state: RunState, args: Mapping[str, object], asker: Asker) -> Granted | str:
    if args.get("steps") is None:
        return Granted((CancelRequested(None, asker.by),), "cancelling the run") if state.open else _over(state)
    steps = chosen(state, args["steps"], _ended)
    if isinstance(steps, str):
        return steps
    return Granted((CancelRequested(steps, asker.by),), f"cancelling {named(steps)}")


# -- pause and resume ----------------------------------------------------------------------------------------


def pause(state: RunState, args: Mapping[str, object], asker: Asker) -> Granted | str:
    freeze = args.get("freeze") is True
    if args.get("steps") is None:
        return _pause_run(state, asker, freeze=freeze)
    steps = chosen(state, args["steps"], _ended)
    if isinstance(steps, str):
        return steps
    fresh = tuple(step_id for step_id in steps if not _is_paused(state.steps[step_id], freeze=freeze))
    if not fresh:
        return Granted((), f"{named(steps)}: paused already")
    return Granted((PauseRequested(fresh, asker.by, freeze),), f"{'freezing' if freeze else 'pausing'} {named(fresh)}")


def _is_paused(known: StepState, *, freeze: bool) -> bool:
    if known.pause is None:
        return False
    return known.pause.freeze == freeze or known.live is None


def _pause_run(state: RunState, asker: Asker, *, freeze: bool) -> Granted | str:
    if not state.open:
        return _over(state)
    running = tuple(
        step_id
        for step_id in state.steps
        if step_id in state.running and not _is_paused(state.steps[step_id], freeze=freeze)
    )
    events: list[Event] = [] if state.paused else [RunPaused(asker.by)]
    if running:
        events.append(PauseRequested(running, asker.by, freeze))
    if not events:
        return Granted((), "the run is paused already")
    doing = f", {'freezing' if freeze else 'stopping'} {named(running)}" if running else ""
    return Granted(tuple(events), f"pausing the run: nothing new starts{doing}")


def resume(state: RunState, args: Mapping[str, object], asker: Asker) -> Granted | str:
    if args.get("steps") is None:
        return _resume_run(state, asker)
    steps = chosen(state, args["steps"], _not_paused)
    if isinstance(steps, str):
        return steps
    also = "; the run is paused, too: `teamflow resume` lets it go on" if state.paused else ""
    lacking = {engine: None for step_id in steps for engine in lacks(state, state.steps[step_id])}
    verb = "are asked again, whatever their limits" if len(lacking) > 1 else "is asked again, whatever its limit"
    lifted = f": {named(lacking)} {verb}" if lacking else ""
    held = tuple(step_id for step_id in steps if step_id in state.held)
    events: list[Event] = [LimitLifted(engine, asker.by) for engine in lacking]
    if held:
        events.append(ResumeRequested(held, asker.by))
    return Granted(tuple(events), f"resuming {named(steps)}{lifted}{also}")


def _not_paused(state: RunState, step_id: str) -> str:
    known = state.steps[step_id]
    if step_id in state.held or lacks(state, known):
        return ""
    if known.waiting_on == "person":
        return f"{step_id} is not paused: it waits for an answer, see `teamflow inbox`"
    if known.status is Status.WAITING:
        what = "is resumed already" if known.waiting_by == "user" else f"is not paused by anybody ({known.reason})"
        return f"{step_id} {what}: `{run_words(state.plan.file)}` goes on with it"
    return f"{step_id} is not paused: it {_is(known)}"


def _resume_run(state: RunState, asker: Asker) -> Granted | str:
    held = tuple(step_id for step_id in state.steps if step_id in state.held)
    events: list[Event] = [RunResumed(asker.by)] if state.paused else []
    if held:
        events.append(ResumeRequested(held, asker.by))
    if not events:
        return "nothing is paused in this run"
    what = (["the run"] if state.paused else []) + ([named(held)] if held else [])
    return Granted(tuple(events), f"resuming {' and '.join(what)}")


# -- retry and relaunch --------------------------------------------------------------------------------------


def retry(state: RunState, args: Mapping[str, object], asker: Asker) -> Granted | str:
    """`steps` None: all that failed or were cancelled. `downstream`: what depends on them is done again, too."""
    if args.get("steps") is None:
        names = [step_id for step_id, known in state.steps.items() if known.status in (Status.FAILED, Status.CANCELLED)]
        if not names:
            return "nothing has failed"
        steps: tuple[str, ...] | str = tuple(names)
    else:
        steps = chosen(state, args["steps"], _not_retried)
    if isinstance(steps, str):
        return steps
    waiting = [step_id for step_id in steps if state.steps[step_id].status is Status.QUEUED]
    ended = [step_id for step_id in steps if step_id not in waiting]
    events: list[Event] = [BackoffEnded(step_id) for step_id in waiting]
    if held := tuple(step_id for step_id in waiting if step_id in state.held):
        events.append(ResumeRequested(held, asker.by))
    reason = f"retried by {asker.by}"
    if ended:
        events.append(Reopened(tuple(ended), "retry", dict.fromkeys(ended, reason)))
    follow = None
    after = skipped_because(state, ended)
    if args.get("downstream") is True:
        follow = rippled(state, state.plan, redefined={}, touched=dict.fromkeys(steps, reason))
        after = {**{name: why for name, why in follow.reopen.items() if name not in steps}, **after}
    if after:
        events.append(Reopened(tuple(after), "revision", after))
    also = f", and then {named(after)}" if after else ""
    return Granted(tuple(events), f"retrying {named(steps)}{also}", follow)


def _not_retried(state: RunState, step_id: str) -> str:
    known = state.steps[step_id]
    match known.status:
        case Status.FAILED | Status.CANCELLED:
            return ""
        case Status.QUEUED if known.backoff is not None:
            return ""
        case Status.WAITING if asks_what_follows(state, known):
            return ""
        case Status.SUCCEEDED | Status.CACHED:
            return f"{step_id} has not failed ({known.status.value}): `teamflow relaunch {step_id}` does it again"
        case Status.SKIPPED if known.own_skip:
            return f"{step_id} was skipped by its own `if`"
        case Status.SKIPPED:
            return _skipped(known)
        case _:
            return f"{step_id} has not failed: it {_is(known)}"


def _skipped(known: StepState) -> str:
    return f"{known.step.id} was skipped because {known.reason}: retry that, and it comes along"


def relaunch(state: RunState, args: Mapping[str, object], asker: Asker) -> Granted | str:
    """`step`, and `changes` as in `RelaunchRequested`: they are looked at before anything is stopped."""
    found = meant(state, [args.get("step")])
    if isinstance(found, str):
        return found
    if found.loose:
        return f"{args['step']} stands for its instances: name one of {named(found.steps)}"
    (step_id,) = found.steps
    known = state.steps[step_id]
    if step_id in state.leaving:
        return f"{step_id} is not in the plan any more"
    if known.step.skip is not None:
        return f"{step_id} was skipped by its own `if`"
    if known.status is Status.SKIPPED and not known.own_skip:
        return _skipped(known)
    changes = checked(known.step, args.get("changes") or {}, state.plan, asker.engines)
    if isinstance(changes, str):
        return f"{step_id}: {changes}"
    stops = f"attempt {known.live.number} is stopped first" if step_id in state.running and known.live else ""
    waits = "it starts when its turn comes" if known.status is Status.PENDING else ""
    also = next((f": {words}" for words in (stops, waits) if words), "")
    events: list[Event] = [RelaunchRequested(step_id, asker.by, changes)]
    if step_id not in state.running:
        events.append(relaunched(state, known, f"relaunched by {asker.by}"))
    free = unenforced_words(known.step, changes, state.plan)
    return Granted(tuple(events), f"relaunching {step_id}{f' ({free})' if free else ''}{also}")


def _is(known: StepState) -> str:
    """What it does, in a sentence."""
    if known.waiting_by == "user" and known.pause is None:
        return "is resumed, and about to go on"
    if known.pause is not None:
        return f"is paused by {known.pause.by}: `teamflow resume {known.step.id}`"
    if known.waiting_on == "person":
        return "waits for an answer, see `teamflow inbox`"
    words = {Status.PENDING: "has not started", Status.QUEUED: "is about to start", Status.RUNNING: "runs"}
    ended = f"has ended ({known.status.value})" if known.status in ENDED else f"waits: {known.reason}"
    return words.get(known.status, ended)


# -- tell ----------------------------------------------------------------------------------------------------

LONGEST_MESSAGE: Final = 256 * 1024
"""Characters."""


def tell(state: RunState, args: Mapping[str, object], asker: Asker) -> Granted | str:
    """`steps` None: every agent that is at work or will be. `text`: what they are told; `sender`: a step of this run
    that says it."""
    text = args.get("text")
    if not isinstance(text, str) or not text.strip():
        return "there is nothing to tell"
    if len(text) > LONGEST_MESSAGE:
        long = f"the message has {len(text)} characters, more than {LONGEST_MESSAGE}"
        return f"{long}: put it into a file, and tell its name"
    if args.get("steps") is None:
        others = (step_id for step_id in state.steps if step_id != args.get("sender"))
        steps: tuple[str, ...] | str = tuple(step_id for step_id in others if not _deaf(state, step_id))
        if not steps:
            return "no agent is at work, or will be"
    else:
        steps = chosen(state, args["steps"], _deaf)
    if isinstance(steps, str):
        return steps
    said = args.get("sender")
    sender = said if isinstance(said, str) and said in state.steps else ""
    message = f"told {named(steps)}{_heard_later(state, steps)}"
    return Granted((MessageSent(steps, sender or asker.by, text, sender),), message)


def _heard_later(state: RunState, steps: Sequence[str]) -> str:
    """Who of them is not at work, and so cannot hear it yet."""
    idle = [step_id for step_id in steps if state.steps[step_id].live is None]
    if not idle:
        return ""
    return f"; {named(idle)} {'hear it when they start' if len(idle) > 1 else 'hears it when it starts'}"


def _deaf(state: RunState, step_id: str) -> str:
    """Why a step can be told nothing."""
    known = state.steps[step_id]
    if known.step.kind != PROMPT or known.step.expansion is not None:
        what = "a person, see `teamflow inbox`" if known.step.kind == ASK else "a command, which reads no messages"
        return f"{step_id} is {what}"
    if step_id not in state.open:
        return f"{_ended(state, step_id)}: `teamflow relaunch {step_id}` starts it anew"
    return ""


# -- budget --------------------------------------------------------------------------------------------------


def budget_args(caps: Caps) -> str:
    """The arguments of `budget`."""
    return json.dumps(caps._asdict())


def budget(state: RunState, args: Mapping[str, object], asker: Asker) -> Granted | str:
    """`usd`, `tokens`: what the run may spend in all from now on; None: as before."""
    caps = [args.get(name) for name in Caps._fields]
    if not all(cap is None or (_is_number(cap) and float(str(cap)) > 0) for cap in caps) or caps == [None, None]:
        return "the request is damaged: it says neither dollars nor tokens"
    if not state.open:
        return _over(state)
    found = Caps(*(None if cap is None else float(str(cap)) for cap in caps))
    return Granted((BudgetSet(asker.by, *found),), f"the run may spend {caps_words(found)} in all")


# -- progress ------------------------------------------------------------------------------------------------


def progress_args(step: str, attempt: int, percent: float | None, text: str) -> str:
    """The arguments of `progress`; percent is cut to what can be."""
    cut = None if percent is None else min(100.0, max(0.0, percent))
    return json.dumps({"step": step, "attempt": attempt, "percent": cut, "text": text})


def progress(state: RunState, args: Mapping[str, object], asker: Asker) -> Granted | str:
    step, attempt, percent, text = (args.get(name) for name in ("step", "attempt", "percent", "text"))
    known = state.steps.get(step) if isinstance(step, str) else None
    if known is None or known.step.kind == ASK:
        return f"there is no step {step}"
    if not isinstance(text, str) or (percent is not None and not _is_number(percent)):
        return "the request is damaged: it says neither how far it is nor what it does"
    live = known.live
    if live is None or live.number != attempt:
        return f"{step}: attempt {attempt} does not run any more"
    share = min(100.0, max(0.0, float(str(percent)))) if percent is not None else None
    return Granted((ProgressReported(known.step.id, live.number, share, text),), "recorded")


_FAR: Final = 1e12
"""No share of anything is so large; a whole number may be larger than any float."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -_FAR < value < _FAR

"""What another process may ask of a run, and what is recorded for it: the same with and without a living runner.

Pure. A request is a verb with JSON arguments. What is refused changes nothing, and says why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from teamflow.core.events import CancelRequested, Event, Now
from teamflow.core.state import RunState
from teamflow.policy.answering import VERBS, Given, accepted, told


class Granted(NamedTuple):
    """What is to be recorded, and what to say to whoever asked."""

    events: tuple[Event, ...]
    message: str


class Asker(NamedTuple):
    """Who asks, of which run, when."""

    by: str
    run: int
    now: Now


Granting: TypeAlias = Callable[[RunState, Mapping[str, object], Asker], "Granted | str"]


def granted(state: RunState, verb: str, args: str, asker: Asker) -> Granted | str:
    """What a request comes to, or why it is refused."""
    granting = _VERBS.get(verb)
    if granting is None:
        return f"this runner does not know the verb {verb!r}"
    try:
        named = json.loads(args)
    except ValueError:
        named = None
    if not isinstance(named, dict):
        return "the request is damaged"
    return granting(state, named, asker)


# -- cancel --------------------------------------------------------------------------------------------------


def cancel_args(steps: Sequence[str] | None) -> str:
    """The arguments of a `cancel`; None: the whole run."""
    return json.dumps({"steps": None if steps is None else list(steps)})


def _cancel(state: RunState, args: Mapping[str, object], asker: Asker) -> Granted | str:
    named = args.get("steps")
    if named is None:
        if not state.open:
            return f"the run has ended ({state.ended.status if state.ended else 'all steps are done'})"
        return Granted((CancelRequested(None, asker.by),), "cancelling the run")
    if not isinstance(named, list) or not all(isinstance(step, str) for step in named):
        return "the request is damaged: `steps` is a list of step ids"
    for step_id in named:
        known = state.steps.get(step_id)
        if known is None:
            return f"there is no step {step_id}"
        if step_id not in state.open:
            return f"{step_id} has ended ({known.status.value})"
    return Granted((CancelRequested(tuple(named), asker.by),), f"cancelling {', '.join(named)}")


# -- answers -------------------------------------------------------------------------------------------------


def answer_args(given: Given) -> str:
    """The arguments of an `answer`."""
    return json.dumps(given._asdict())


def _answer(state: RunState, args: Mapping[str, object], asker: Asker) -> Granted | str:
    question, verb, text, note = (args.get(name) for name in Given._fields)
    if not isinstance(question, int) or verb not in VERBS or not isinstance(text, str) or not isinstance(note, str):
        return "the request is damaged: it names no question, or nothing to say to it"
    given = Given(question, str(verb), text, note)
    answer = accepted(state, given, asker.now, by=asker.by, run=asker.run)
    return answer if isinstance(answer, str) else Granted((answer,), told(state, answer))


_VERBS: Final[Mapping[str, Granting]] = {"cancel": _cancel, "answer": _answer}

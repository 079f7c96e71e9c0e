"""What another process may ask of a run, and what is recorded for it: the same with and without a living runner.

Pure. A request is a verb with JSON arguments. What is refused changes nothing, and says why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from teamflow.core.state import RunState
from teamflow.policy import control
from teamflow.policy.answering import VERBS, Given, accepted, told
from teamflow.policy.granting import Asker, Granted, Granting


def granted(state: RunState, verb: str, args: str, asker: Asker) -> Granted | str:
    """What a request comes to, or why it is refused."""
    granting = _VERBS.get(verb)
    if granting is None:
        return f"this runner does not know the verb {verb!r}"
    try:
        named = json.loads(args)
    except (ValueError, RecursionError):
        named = None
    if not isinstance(named, dict):
        return "the request is damaged"
    return granting(state, named, asker)


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


_VERBS: Final[Mapping[str, Granting]] = {
    "answer": _answer,
    "budget": control.budget,
    "cancel": control.cancel,
    "pause": control.pause,
    "resume": control.resume,
    "retry": control.retry,
    "relaunch": control.relaunch,
    "progress": control.progress,
    "tell": control.tell,
}

"""What a test makes go wrong with an attempt: a fault and what would have been played become what is played.

Pure. The words are `usage_limit`, `crash_after`, `hang`, `bad_json` and `conflict` (`docs/testing.md`). Times are not
waited for: an agent that hangs ends at once, by the limit that would have ended it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.invocation import Brief, Exit
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.plan import Json
from teamflow.core.script import compile_script
from teamflow.core.takes import Take, Wrote

RESET: Final = 3600.0
"""Seconds until a usage limit is over that does not say when."""
NO_JSON: Final = '{"broken": '
"""What an agent says last whose answer is no JSON."""


class Fault:
    """One fault, from its JSON form: {word: argument}."""

    def __init__(self, given: Mapping[str, Json]) -> None:
        self.word, self.argument = next(iter(given.items()), ("", None))


def faulty(brief: Brief, take: Take | None, fault: Fault) -> Take | str:
    """What is played; a text says why that cannot be. `take`: what would be without the fault, if there is anything."""
    step, attempt, told = brief.step, brief.attempt, fault.argument
    match fault.word:
        case "usage_limit":
            after = told if isinstance(told, int | float) and not isinstance(told, bool) else RESET
            reason = "usage limit reached (a fault of the test)"
            failed = Failed(FailureClass.USAGE_EXHAUSTED, reason, exit_code=1, retry_after=float(after))
            return Take(step, attempt, result=failed)
        case "bad_json":
            return Take(step, attempt, script=[{"say": NO_JSON}])
        case "hang":
            return _hangs(brief)
    if take is None:
        return f"replay: there is nothing of {step} to be played that could {fault.word}"
    match fault.word:
        case "crash_after" if isinstance(told, Mapping):
            return _crashing(take, told, attempt=attempt)
        case "conflict" if isinstance(told, str):
            text = f"{step}, attempt {attempt}\n"
            if take.script is not None:
                script = _listed(take.script)
                return take._replace(script=[{"write": {"path": told, "text": text}}, *script])
            return take._replace(wrote=(*take.wrote, Wrote(told, text)))
        case _:
            return f"replay: {fault.word!r} is no fault"


def _hangs(brief: Brief) -> Take | str:
    cause = "idle" if brief.idle_timeout is not None else "timeout" if brief.timeout is not None else ""
    if not cause:
        return f"{brief.step} hangs, and nothing would ever end it: it has neither timeout nor idle_timeout"
    failed = FailureClass.IDLE if cause == "idle" else FailureClass.TIMEOUT
    seconds = brief.idle_timeout if cause == "idle" else brief.timeout
    what = "gave no sign of life" if cause == "idle" else "was not done"
    return Take(brief.step, brief.attempt, result=Failed(failed, f"{what} for {seconds:g} s (a fault of the test)"))


def _crashing(take: Take, told: Mapping[str, Json], *, attempt: int) -> Take:
    """Cut off after so many bytes of a recording, or actions of a script."""
    count = next((value for value in told.values() if isinstance(value, int)), 0)
    if take.script is not None:
        return take._replace(script=[*_actions(take.script, attempt)[:count], "crash"])
    heard = tuple(each for each in take.told if each.offset <= count)
    end = min(take.end, take.start + count)
    return take._replace(end=end, exit=Exit(code=1, at=take.exit.at), patch="", told=heard)


def _actions(script: Json, attempt: int) -> list[Json]:
    """The actions of one attempt as a script has them."""
    out: list[Json] = []
    for action in script if isinstance(script, list | tuple) else ():
        if isinstance(action, Mapping) and "attempt" in action and isinstance(action["attempt"], Mapping):
            choices = action["attempt"]
            fitting = [key for key in choices if str(key).isdecimal() and int(str(key)) <= attempt]
            if fitting:
                out += _actions(choices[max(fitting, key=lambda key: int(str(key)))], attempt)
        else:
            out.append(action)
    return out


def _listed(script: Json) -> list[Json]:
    """The actions as a list; ValueError for a script with a fault."""
    compile_script(script, attempt=1)
    return list(script) if isinstance(script, list | tuple) else []

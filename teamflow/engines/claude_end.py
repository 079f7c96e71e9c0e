"""What an attempt of Claude Code came to: its last result, and how its process ended.

Success needs a result that is no error, of a turn after which nothing was left to be heard; `subtype` says "success" of
an API that refused, and exit code 0 is that of a turn that was interrupted. Classes of failures are in `provider.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from teamflow.core.fold_budget import BUDGET
from teamflow.core.guarding import GUARD
from teamflow.core.invocation import Brief, Exit
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped, Succeeded
from teamflow.core.plan import Json
from teamflow.core.shell import excerpt
from teamflow.engines.claude_tools import described
from teamflow.engines.exits import outcome_of
from teamflow.engines.provider import Trouble, failed, failure_of
from teamflow.engines.results import request

FINISHED: Final = "finished"
"""The cause of an end that the runner brought about when the work was done."""

GONE: Final = ""
"""A session that cannot be gone on with."""

_SUBTYPES: Final = {
    "error_max_turns": (FailureClass.BUDGET, "it has used up the turns that it may take"),
    "error_max_budget_usd": (FailureClass.BUDGET, "it has used up the money that it may spend"),
    "error_max_structured_output_retries": (FailureClass.OUTPUT, "it has not returned the outputs that were asked for"),
}
_NO_SESSION: Final = "No conversation found"
_LONGEST: Final = 300
_MOST_DENIED: Final = 10


@dataclass(slots=True)
class End:
    """What is known of the end so far. `working`: something has begun since the last result; `waited`: something was
    to begin."""

    result: Mapping[str, Json] | None = None
    working: bool = False
    waited: bool = False
    interrupted: bool = False
    """By us."""
    error: str = ""
    """Its own word for the error of its last answer."""
    retried: bool = False
    """Whether it has asked its model again since that has last answered."""
    said: str = ""
    resets_at: float | None = None
    rubbish: int = 0

    def limited(self, told: Mapping[str, Json]) -> None:
        """What it tells of the limits of a subscription."""
        at = told.get("resetsAt")
        known = told.get("status") == "rejected" and isinstance(at, int | float) and not isinstance(at, bool)
        self.resets_at = float(at) if known and 0 < at < 2**40 else None  # type: ignore[arg-type, operator]


LOGIN: Final = "run `claude` and log in, or set ANTHROPIC_API_KEY"


def outcome(known: End, end: Exit, brief: Brief) -> Outcome:
    """Without usage, and without the session, unless that is GONE."""
    by_exit = outcome_of(end, brief)
    finished = end.cause == FINISHED and end.error is None
    if end.error is not None or (end.cause is not None and not finished):
        return by_exit
    result = known.result
    if result is None or (known.working and not finished):
        return _cut(known, end, by_exit)
    if (fenced := _fenced(result, end, brief)) is not None:
        return fenced
    if result.get("is_error") is not False:
        return _failure(known, result, end, brief)
    if known.waited:
        return _cut(known, end, by_exit)
    if not finished and not isinstance(by_exit, Succeeded):
        return by_exit
    if idle(result):
        # So it ends where a hook of the user's stands before it, and where it takes a prompt for a command.
        said = excerpt(" ".join(_text(result.get("result")).split()), width=_LONGEST) or "it does not say why"
        return Failed(FailureClass.FATAL, f"the agent's model was never asked: {said}", exit_code=end.code)
    text = _text(result.get("result")) or known.said or None
    code = None if isinstance(by_exit, Stopped) else 0
    return Succeeded(text=text, outputs=_outputs(result, brief), exit_code=code)


def aborted(result: Mapping[str, Json]) -> bool:
    """Whether its turn was interrupted, by a message or a signal."""
    return _text(result.get("terminal_reason")).startswith("aborted")


def idle(result: Mapping[str, Json]) -> bool:
    """Whether its model was not asked at all."""
    turns = result.get("num_turns")
    return turns == 0 and not isinstance(turns, bool)


def _fenced(result: Mapping[str, Json], end: Exit, brief: Brief) -> Stopped | None:
    """It has kept a limit of the step's itself, which the runner would have done with the same end."""
    cost = result.get("total_cost_usd")
    match result.get("subtype"):
        case "error_max_turns" if brief.turns is not None:
            return Stopped(GUARD, exit_code=end.code)
        case "error_max_budget_usd" if brief.usd is not None:
            spent = isinstance(cost, int | float) and not isinstance(cost, bool) and cost >= brief.usd
            return Stopped(BUDGET, exit_code=end.code) if spent else None
    return None


def _failure(known: End, result: Mapping[str, Json], end: Exit, brief: Brief) -> Failed:
    detail = _denied(result)
    text = _text(result.get("result")) or _errors(result)
    kind, why = _SUBTYPES.get(_text(result.get("subtype")), (None, ""))
    if kind is not None:
        wanted = request(brief.schemas) if kind is FailureClass.OUTPUT and brief.schemas else detail
        return Failed(kind, f"{why} ({_text(result.get('subtype'))})", exit_code=end.code, detail=wanted)
    if _NO_SESSION in text and brief.session:
        reason = f"its session is not there any more: {excerpt(text, width=_LONGEST)}"
        # A class after which the next attempt starts afresh.
        return Failed(FailureClass.TRANSIENT, reason, exit_code=end.code, session=GONE)
    if aborted(result) and not known.error:
        cause = FailureClass.CANCELLED if known.interrupted else FailureClass.CRASH
        return Failed(cause, "the agent's turn was interrupted", exit_code=end.code)
    status = result.get("api_error_status")
    status = status if isinstance(status, int) and not isinstance(status, bool) else None
    found = failed(Trouble(known.error, status, text, retried=known.retried), at=end.at, exit_code=end.code)
    if known.resets_at is not None and found.failure in (FailureClass.RATE_LIMIT, FailureClass.USAGE_EXHAUSTED):
        wait = max(0.0, known.resets_at - end.at) if end.at is not None else found.retry_after
        found = found._replace(failure=FailureClass.USAGE_EXHAUSTED, retry_after=wait)
    return found._replace(detail=detail)


def _cut(known: End, end: Exit, by_exit: Outcome) -> Outcome:
    """Its end is not there: it was killed, it crashed, or it never began."""
    if end.signal is not None and end.cause is None:
        return by_exit
    said = _complaint(end.printed)
    if known.result is None and not known.working and said:
        kind = failure_of(Trouble(text=said))
        if kind is not None:
            return failed(Trouble(text=said), at=end.at, exit_code=end.code)
    rubbish = f"; {known.rubbish} lines of its output were not understood" if known.rubbish else ""
    told = f": {said}" if said else ""
    reason = f"the agent ended (exit code {end.code}) without the end of its output{rubbish}{told}"
    return Failed(FailureClass.CRASH, reason, exit_code=end.code)


def _complaint(printed: str) -> str:
    """The last line that is none of the protocol."""
    lines = [line.strip() for line in printed.splitlines()]
    return excerpt(next((line for line in reversed(lines) if line and not line.startswith("{")), ""), width=_LONGEST)


def _outputs(result: Mapping[str, Json], brief: Brief) -> Mapping[str, Json] | None:
    """Those that are declared; None: its text has to do."""
    value = result.get("structured_output")
    if not brief.schemas or not isinstance(value, Mapping) or not all(name in value for name in brief.schemas):
        return None
    return {name: value[name] for name in brief.schemas}


def _denied(result: Mapping[str, Json]) -> str:
    denials = result.get("permission_denials")
    lines = []
    for denial in denials if isinstance(denials, list) else ():
        if isinstance(denial, Mapping):
            given = denial.get("tool_input")
            lines.append(f"- {described(_text(denial.get('tool_name')), given if isinstance(given, Mapping) else {})}")
    if not lines:
        return ""
    more = [f"- and {len(lines) - _MOST_DENIED} more"] if len(lines) > _MOST_DENIED else []
    return "\n".join(("It was not allowed to do:", *lines[:_MOST_DENIED], *more))


def _errors(result: Mapping[str, Json]) -> str:
    errors = result.get("errors")
    return "; ".join(error for error in errors if isinstance(error, str)) if isinstance(errors, list) else ""


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""

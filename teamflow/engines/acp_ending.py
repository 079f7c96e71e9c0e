"""What an attempt with an ACP agent came to: its answer first, then its process.

Success needs the answer to its prompt, with `end_turn`, and something said or done. An agent that swallows a failure of
its model ends its turn all the same (copilot, on 401): such turns are no success.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from teamflow.core.invocation import Brief, Exit
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, FailureClass, Outcome, Succeeded
from teamflow.core.plan import Json
from teamflow.core.shell import excerpt
from teamflow.engines.acp_agent import Agent
from teamflow.engines.acp_opening import AUTHENTICATION_REQUIRED
from teamflow.engines.exits import outcome_of
from teamflow.engines.failures import classified
from teamflow.engines.provider import Trouble, failed, failure_of, with_login

FINISHED: Final = "finished"
"""The runner ended the process because its work was done."""

_REFUSALS: Final = {
    "refusal": (FailureClass.REJECTED, "its model refuses to do this"),
    "max_tokens": (FailureClass.FATAL, "its model reached the most that it may read or write in a turn (max_tokens)"),
    "max_turn_requests": (FailureClass.FATAL, "it asked its model as often as it may in a turn (max_turn_requests)"),
    "cancelled": (FailureClass.CANCELLED, "it says that its turn was cancelled"),
}
_STATUS: Final = re.compile(r"\b(?:status|error|code|http)\b\D{0,12}\b([45]\d\d)\b", re.IGNORECASE)
_STATUSES: Final = ("status", "statusCode", "httpStatus", "code")
_KINDS: Final = ("errorKind", "errorType", "errorName")
_SWALLOWED: Final = re.compile(
    r"\s*(?:(?:\w+ )?(?:error|failed) ?[:(]|authentication (?:failed|required|error)|unauthorized|[45]\d\d\b)",
    re.IGNORECASE,
)
"""How a message begins that is no answer but what went wrong."""
_LONGEST_SWALLOWED: Final = 2000
_LONGEST_TOLD: Final = 200


class Seen(NamedTuple):
    """All that a session knows in the end."""

    answered: bool
    """All its prompts were."""
    stop: str
    text: str
    aside: str
    """What the agent itself said last, after its model."""
    denied: str
    """Why it was refused something, where its turn ended with that."""
    acted: bool
    """It said something, or used a tool."""
    called: bool
    trouble: Trouble | None
    failed: Failed | None
    """Why it was given up, before it had its prompt or in the middle of its turn."""
    opened: bool
    rubbish: int


def outcome(agent: Agent, brief: Brief, seen: Seen, end: Exit) -> Outcome:
    by_exit = outcome_of(end, brief)
    if end.error is not None or end.cause not in (None, FINISHED):
        return by_exit
    found = _judged(agent, seen, end, by_exit)
    if not isinstance(found, Failed):
        return found
    if agent.failures:
        # What it printed in a session is what it was working on.
        printed = "" if seen.opened else end.printed
        found = classified(found, agent.failures, end._replace(cause=None, signal=None, printed=printed))
    return with_login(found, agent.login, brief)


def _judged(agent: Agent, seen: Seen, end: Exit, by_exit: Outcome) -> Outcome:
    if seen.failed is not None:
        return seen.failed._replace(exit_code=end.code)
    if seen.trouble is not None:
        return failed(seen.trouble, at=end.at, exit_code=end.code)
    if not seen.answered:
        return _cut(seen, end, by_exit)
    if seen.stop != "end_turn":
        failure, reason = _REFUSALS.get(
            seen.stop, (FailureClass.FATAL, f"it ended its turn with {excerpt(seen.stop) or 'nothing that says how'}")
        )
        return Failed(failure, f"{agent.name}: {reason}", exit_code=end.code, text=seen.text or None)
    swallowed = _swallowed(seen)
    if swallowed is not None:
        return failed(swallowed, at=end.at, exit_code=end.code)
    if seen.denied:
        reason = f"{agent.name} gave up where it was refused leave: {seen.denied}"
        return Failed(FailureClass.FATAL, reason, exit_code=end.code, text=seen.text or None)
    if not seen.acted:
        reason = f"{agent.name} ended its turn as if all were well, but said nothing and did nothing"
        return Failed(FailureClass.CRASH, reason, exit_code=end.code)
    return Succeeded(text=seen.text, exit_code=end.code)


def trouble(error: Mapping[str, Json]) -> Trouble:
    """What a JSON-RPC error tells."""
    code, data = error.get("code"), error.get("data")
    told = data if isinstance(data, Mapping) else {}
    kind = next((told[key] for key in _KINDS if isinstance(told.get(key), str)), "")
    if not kind and code == AUTHENTICATION_REQUIRED:
        kind = "authentication_required"
    message = error.get("message")
    parts = [message if isinstance(message, str) else ""]
    parts += [item for key in ("message", "details", "reason") if isinstance(item := told.get(key), str)]
    parts += [data] if isinstance(data, str) else []
    text = ": ".join(dict.fromkeys(part.strip() for part in parts if part.strip()))
    status = next((found for item in (code, *map(told.get, _STATUSES)) if (found := _http(item)) is not None), None)
    if status is None and (found_in := _STATUS.search(text)) is not None:
        status = int(found_in[1])
    return Trouble(kind=str(kind), status=status, text=text)


def _http(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600 else None


def _swallowed(seen: Seen) -> Trouble | None:
    """The failure that the last message is; None: it is an answer."""
    text = seen.text
    if seen.aside.startswith("Error"):
        status = _STATUS.search(seen.aside)
        return Trouble(status=int(status[1]) if status else None, text=seen.aside)
    if seen.called or len(text) > _LONGEST_SWALLOWED or _SWALLOWED.match(text) is None:
        return None
    status = _STATUS.search(text) or re.match(r"\W*([45]\d\d)\b", text)
    found = Trouble(status=int(status[1]) if status else None, text=text)
    return found if failure_of(found) is not None else None


def _cut(seen: Seen, end: Exit, by_exit: Outcome) -> Outcome:
    """No answer to its prompt."""
    if isinstance(by_exit, Failed) and by_exit.failure is FailureClass.CRASH:
        return by_exit
    printed = Trouble(text=end.printed)
    # Later, what it has printed may be anything that it was working on.
    if not seen.opened and end.printed and failure_of(printed) is not None:
        return failed(printed._replace(text=_last_line(end.printed)), at=end.at, exit_code=end.code)._replace(
            failure=failure_of(printed) or FailureClass.CRASH
        )
    where = "without an answer to its prompt" if seen.opened else "before it opened a session"
    rubbish = f"; {seen.rubbish} lines of its output were not understood" if seen.rubbish else ""
    said = f": {_last_line(end.printed)}" if end.printed.strip() and not seen.opened else ""
    return Failed(
        FailureClass.CRASH, f"the agent ended (exit code {end.code}) {where}{rubbish}{said}", exit_code=end.code
    )


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return excerpt(lines[-1], width=_LONGEST_TOLD) if lines else ""

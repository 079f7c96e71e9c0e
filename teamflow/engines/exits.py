"""The one table from how a process ended to what its attempt came to. Every engine uses it.

Refuses to know output: an engine that reads a protocol decides first whether its stream was complete.
"""

from __future__ import annotations

from signal import Signals
from typing import Final

from teamflow.core.capabilities import TOOL_PATIENCE
from teamflow.core.ids import listed
from teamflow.core.invocation import Brief, Exit
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped, Succeeded, Usage
from teamflow.core.shell import excerpt, shown

_LIMITS: Final = {
    "timeout": FailureClass.TIMEOUT,
    "idle": FailureClass.IDLE,
    "log_limit": FailureClass.LOG_LIMIT,
    "silent": FailureClass.IDLE,
    "no_session": FailureClass.TRANSIENT,
    "storm": FailureClass.FATAL,
    "refused": FailureClass.AUTH,
}
_STALLS: Final = {
    "silent": "gave no sign of life",
    "no_session": "opened no session in time",
    "storm": "did the same again and again (a storm of requests to its model, or of one tool call)",
    "refused": "was refused by its model again and again",
}
_LOST: Final = {
    "lost": "its keeper was killed, and with it whatever still ran",
    "machine_down": "the machine went down before its end was recorded",
    "run_dir_gone": "the run's directory vanished while it ran",
}
_STOPS: Final = {"keeper_stopped": "orphaned"}
"""Causes of the keeper's own that mean the same as one that the log knows; all others are what `stop` was told."""

_SHELL_CODES: Final = {126: " (not executable)", 127: " (command not found)"}

_START_HINTS: Final = (
    ("cannot enter", "its workdir must be there before it starts"),
    ("No such file or directory", "is it installed, and on the PATH that the step gets?"),
    ("not found", "is it installed, and on the PATH that the step gets?"),
    ("Permission denied", "make it executable (chmod +x), and let its folders be entered"),
    ("Exec format error", "it is for another machine, or lacks its first line `#!…`"),
    ("Argument list too long", "hand the text over in a file, or by stdin"),
    ("No space left", "free some disk space, then run again"),
    ("Resource temporarily unavailable", "too many processes: see `ulimit -u`, or lower limits.max_parallel"),
)


def outcome_of(end: Exit, brief: Brief) -> Outcome:
    """What an exit alone tells; `Succeeded` without a text for code 0."""
    if end.error is not None:
        return Failed(FailureClass.START, _not_started(end.error, brief))
    if end.cause is not None:
        return _ended_by_us(end, end.cause, brief)
    if end.signal is not None:
        reason = f"{subject(brief)} was killed by {signal_name(end.signal)}"
        return Failed(FailureClass.CRASH, reason, signal=end.signal)
    if end.code == 0:
        return Succeeded(exit_code=0)
    if end.code is None:
        return Failed(FailureClass.LOST, f"{subject(brief)}: how it ended is not known")
    meaning = _SHELL_CODES.get(end.code, "") if brief.shell is not None else ""
    return Failed(FailureClass.EXIT, f"{subject(brief)} exited {end.code}{meaning}", exit_code=end.code)


def subject(brief: Brief) -> str:
    """The attempt's process in a sentence: the command in backquotes, or `the agent`."""
    if brief.shell is not None:
        return f"`{excerpt(brief.shell)}`"
    if brief.argv:
        return f"`{excerpt(shown(brief.argv))}`"
    return "the agent"


def signal_name(number: int) -> str:
    """`SIGSEGV`, or `signal 40` where it has no name."""
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"


def duration(seconds: float) -> str:
    """In the team file's words: `90s`, `1h30m`, `500ms`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 120 or seconds % 60:
        return f"{seconds:g}s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}h{minutes}m" if hours and minutes else f"{hours}h" if hours else f"{minutes}m"


def size(count: int) -> str:
    """Bytes in the team file's words: `2GiB`, `1.5MiB`, `17 bytes`."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{round(count / factor, 1):g}{unit}"
    return f"{count} bytes"


def _ended_by_us(end: Exit, cause: str, brief: Brief) -> Outcome:
    if cause in _LIMITS:
        reason = f"{subject(brief)} {_limit_words(cause, end, brief)}"
        return Failed(_LIMITS[cause], reason, exit_code=end.code, signal=end.signal)
    if cause in _LOST:
        return Failed(FailureClass.LOST, f"{subject(brief)} is lost: {_LOST[cause]}")
    return Stopped(_STOPS.get(cause, cause), exit_code=end.code, signal=end.signal)


def _limit_words(cause: str, end: Exit, brief: Brief) -> str:
    if cause == "timeout":
        figure = f" after {duration(brief.timeout)}" if brief.timeout is not None else ""
        return f"did not end in time and was stopped{figure} (timeout)"
    if cause in _STALLS:
        first = f" (perhaps for its MCP servers: {listed(list(brief.servers))})" if brief.servers else ""
        figure = _silence(brief) if cause == "silent" else ""
        return f"{_STALLS[cause]}{figure} and was stopped{first if cause == 'no_session' else ''}"
    if cause == "idle":
        figure = f" for {duration(brief.idle_timeout)}" if brief.idle_timeout is not None else ""
        return f"gave no output{figure} and was stopped (idle_timeout)"
    written = size(max(0, end.log_end - end.log_start) + end.err_end)
    figure = f", more than {size(brief.log_limit)}" if brief.log_limit is not None else ""
    return f"wrote {written}{figure}, and was stopped (limits.log_size)"


def _silence(brief: Brief) -> str:
    limit = brief.silence if brief.idle_timeout is None else brief.idle_timeout
    if limit is None:
        return " for too long"
    return f" for {duration(limit)} (for {duration(limit * TOOL_PATIENCE)}, if a tool was at work)"


def _not_started(error: str, brief: Brief) -> str:
    hint = next((hint for sign, hint in _START_HINTS if sign.lower() in error.lower()), None)
    return f"{subject(brief)} could not be started: {error}" + (f" ({hint})" if hint else "")


def with_cost(outcome: Outcome, *, usage: Usage | None, session: str | None) -> Outcome:
    """The outcome with what the attempt used and the session that can be gone on with."""
    return outcome._replace(usage=usage, session=session)

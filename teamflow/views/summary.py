"""The last words of a run, at most fifteen lines: what came of it, what failed, what waits, what it cost, what next.

A pure function of the state. Lines are clean for a terminal and as wide as they are.
"""

from __future__ import annotations

import json
from datetime import tzinfo
from typing import Final

from teamflow.core.events import Now
from teamflow.core.fold_limit import ENGINE
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.plan import ASK
from teamflow.core.shell import quoted, run_words
from teamflow.core.state import RunState, StepState
from teamflow.core.status import ENDED, Status
from teamflow.policy.budget import ASK_AT, LEAST, lines
from teamflow.views import words
from teamflow.views.figures import counts, run_cost_words
from teamflow.views.header import RunHeader
from teamflow.views.left import work_lines
from teamflow.views.questions import how
from teamflow.views.sanitize import cell
from teamflow.views.shown import shown_steps
from teamflow.views.text import run_status
from teamflow.views.waiting import paused_hints
from teamflow.views.why import short_reason

_MOST_FAILED: Final = 3
_MOST_WAITING: Final = 2
_MOST_OUTPUTS: Final = 2
_LONGEST: Final = 200


def summary(
    state: RunState, header: RunHeader, now: Now, *, since: float | None = None, zone: tzinfo | None = None
) -> list[str]:
    """`since`: when this session of the run began (Unix); what ended before it only stayed as it was."""
    begun = since if since is not None else (state.started or header.created)
    lines = [_heading(state, header, now, begun), f"  {_counted(state, begun)}"]
    lines += _labelled("failed", _failed(state))
    lines += _labelled("rounds", _rounds(state))
    lines += _labelled("empty", _empty(state))
    lines += _labelled("waits", _waiting(state, header, now, zone=zone))
    lines += _labelled("files", _files(state, begun))
    lines += _labelled("work", work_lines(state, root=header.root))
    lines += _labelled("outputs", _outputs(state))
    lines += _labelled("cost", _cost(state))
    lines += _labelled("next", [] if header.replay else next_commands(state, header))
    # Half of a command is none.
    return [cell(line) if len(line) <= _LONGEST or "`git " in line else _cut(cell(line)) for line in lines]


def _cut(line: str) -> str:
    return line[: _LONGEST - 1] + "…"


def _heading(state: RunState, header: RunHeader, now: Now, begun: float) -> str:
    until = state.updated if state.ended is not None or header.gone else now.wall
    played = f", a replay of {header.replay}" if header.replay else ""
    took = words.duration(until - begun)
    line = f"run {header.number} of {header.team}{played}: {run_status(state, header)} after {took}"
    reason = state.ended.reason if state.ended is not None else ""
    return f"{line} ({reason})" if reason else line


def _counted(state: RunState, begun: float) -> str:
    """Counts per status; successes of earlier sessions are told apart."""
    stayed = sum(1 for known in shown_steps(state) if _stayed(known, begun))
    parts = []
    for status, number in counts(state).items():
        fresh = number - stayed if status is Status.SUCCEEDED else number
        if fresh:
            parts.append(f"{fresh} {status.value}")
    if stayed:
        parts.append(f"{stayed} succeeded before and stayed")
    return ", ".join(parts) or "no steps"


def _stayed(known: StepState, begun: float) -> bool:
    return known.status is Status.SUCCEEDED and known.ended_at is not None and known.ended_at < begun


def _failed(state: RunState) -> list[str]:
    failed = [known for known in state.steps.values() if known.status is Status.FAILED]
    lines = []
    for known in failed[:_MOST_FAILED]:
        tolerated = " (continue_on_error)" if known.step.continue_on_error else ""
        lines.append(f"{known.step.id}: {known.reason}{tolerated}")
    if len(failed) > _MOST_FAILED:
        lines.append(words.names([known.step.id for known in failed[_MOST_FAILED:]]))
    return lines


def _rounds(state: RunState) -> list[str]:
    """Loops that went round more than once."""
    told = [
        f"{known.step.id} {known.round} of {known.step.loop.max}"
        for known in state.steps.values()
        if known.step.loop is not None and known.round > 1
    ]
    return [words.names(told)] if told else []


def _empty(state: RunState) -> list[str]:
    """A matrix without entries is allowed, and seldom meant."""
    found = [parent for parent, added in state.added.items() if parent in state.steps and not added.instances]
    return [f"{words.names(found)}: no instances"] if found else []


def _waiting(state: RunState, header: RunHeader, now: Now, *, zone: tzinfo | None) -> list[str]:
    """Steps that wait for somebody or some moment; those that only wait for other steps are not worth a line."""
    gone, run = header.gone, header.number
    moving = state.ended is None and not gone
    held = [
        known
        for known in state.steps.values()
        if known.status is Status.WAITING or (moving and known.status is Status.QUEUED and known.backoff is not None)
    ]
    lines = [
        f"{known.step.id}: {short_reason(state, known, now, run=run, gone=gone, lost=header.lost, zone=zone)}"
        for known in held[:_MOST_WAITING]
    ]
    if len(held) > _MOST_WAITING:
        lines[-1] += f", and {len(held) - _MOST_WAITING} more"
    return lines


def _files(state: RunState, begun: float) -> list[str]:
    """Artifacts of the steps that ran or were taken from the cache in this session."""
    fresh = [known for known in state.steps.values() if known.ended_at is not None and known.ended_at >= begun]
    paths = list(dict.fromkeys(artifact.path for known in fresh for artifact in known.artifacts))
    return [words.names(paths)] if paths else []


def _outputs(state: RunState) -> list[str]:
    values = state.ended.outputs if state.ended is not None else {}
    lines = [f"{name} = {_short(json.dumps(value, ensure_ascii=False))}" for name, value in values.items()]
    if len(lines) > _MOST_OUTPUTS:
        lines[_MOST_OUTPUTS - 1 :] = [words.names(list(values)[_MOST_OUTPUTS - 1 :])]
    return lines


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:99]}…"


def _cost(state: RunState) -> list[str]:
    told = run_cost_words(state)
    return [told] if told else []


def next_commands(state: RunState, header: RunHeader) -> list[str]:
    """One to three commands that make sense now, with what they do."""
    again = run_words(header.file)
    failed = [known for known in state.steps.values() if known.status is Status.FAILED]
    asked = [*paused_hints(state), *_answering(state, header)]
    if state.ended is None and not header.gone:
        return [*asked, "`teamflow status -w` and `teamflow logs -f` show it while it runs"]
    tried = [known for known in failed if known.attempts and known.step.kind != ASK and not _told(known)]
    shown = [_looking(tried[0])] if tried else []
    if asked:
        return [*shown, *asked, f"`{again}` then goes on"]
    if state.ended is not None and state.ended.status == "limited":
        return [*shown, *_beyond(state, header), f"`{again}` then goes on"]
    if state.ended is None or any(known.status not in ENDED for known in state.steps.values()):
        return [*shown, f"`{again}` goes on where it stopped"]
    if state.ended.status != "succeeded":
        return [*shown, f"`{again}` runs again what did not succeed"]
    return shown or ["`teamflow status` shows every step"]


def _told(failed: StepState) -> bool:
    """Whether its reason is all that there is: it has not come to print anything."""
    outcome = failed.attempts[-1].outcome
    return isinstance(outcome, Failed) and outcome.failure in (FailureClass.START, FailureClass.AUTH)


def _looking(failed: StepState) -> str:
    """Where its last attempt has left what explains it."""
    step, outcome = quoted(failed.step.id), failed.attempts[-1].outcome
    failure = outcome.failure if isinstance(outcome, Failed) else None
    if failure is FailureClass.WRITES:
        return f"`teamflow diff {step}` shows what it changed"
    if failure is FailureClass.CONFLICT:
        return f"`teamflow why {step}` says what does not merge, and what mends it"
    return f"`teamflow logs {step}` shows what it printed"


def _beyond(state: RunState, header: RunHeader) -> list[str]:
    """What lets a run go on that has come to a limit."""
    now = Now("", 0.0, state.updated)
    again = run_words(header.file)
    short = {line.scope: line for line in lines(state, now) if line.share >= ASK_AT or line.free < LEAST * line.cap}
    found = []
    if state.stop is not None and state.stop.cause == "timeout":
        found.append(f"raise limits.timeout in {cell(header.file)}")
    if "run" in short or state.ledger.refused:
        cap = short["run"].cap if "run" in short else 0.0
        name = short["run"].metric if "run" in short else "usd"
        found.append(f"`{again} --budget {name}={max(1, round(cap * 2))}` lets it spend more")
    if "day" in short:
        found.append("a new day begins at 00:00 UTC; limits.budget.day in the file raises this one's budget")
    waiting = next((step_id for step_id in state.on_limit if state.steps[step_id].waiting_by == ENGINE), None)
    if waiting is not None:
        found.append(f"`teamflow resume {waiting}` has its engine asked at once, whatever the limit")
    return found


def _answering(state: RunState, header: RunHeader) -> list[str]:
    """How to answer what is asked."""
    if len(state.unanswered) > 1:
        return [f"`teamflow inbox` lists {len(state.unanswered)} questions, and how to answer each"]
    return [how(question, header.number) for question in state.unanswered.values()]


def _labelled(label: str, lines: list[str]) -> list[str]:
    return [f"  {label if number == 0 else '':<8} {line}" for number, line in enumerate(lines)]

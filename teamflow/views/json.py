"""The JSON forms of a run, of lists of runs and of records: plain data, documented and versioned.

Decides names and shapes (`docs/operations.md`, "JSON"); fields are only added within a version. Values come redacted
from the log of records; texts that are read out of logs are redacted by the `text` reader that is passed in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from teamflow.core.attempts import AttemptState
from teamflow.core.codec import event_object
from teamflow.core.events import Now, Record
from teamflow.core.fold_budget import usage_of
from teamflow.core.limited import left
from teamflow.core.outcome import Artifact, Failed, Stopped, Succeeded, Usage
from teamflow.core.plan import ASK, Deferred, Json, Step
from teamflow.core.questions import question_id
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status
from teamflow.policy.budget import budget_object
from teamflow.policy.context import step_context
from teamflow.policy.trees import in_workspace
from teamflow.views.figures import counts, run_cost, total
from teamflow.views.header import RunHeader
from teamflow.views.left import left_object, workspace_path
from teamflow.views.overlaps import overlaps_object
from teamflow.views.plan import fallbacks_object
from teamflow.views.questions import question_object
from teamflow.views.shown import shown_dependencies, shown_steps
from teamflow.views.waiting import wait_of
from teamflow.views.words import iso

SCHEMA_VERSION: Final = 1

_UNSAFE: Final = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""What JSON lets through and a terminal, an editor or an encoder may not: it is escaped, which JSON allows."""

TextReader = Callable[[str, int], "str | None"]
"""(step, attempt) → its final text, redacted; for steps whose text nobody asked for while they ran."""


def json_text(value: object, *, indent: int | None = None) -> str:
    """JSON as readable as can be, that can be printed anywhere; no last newline."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def run_object(
    state: RunState, header: RunHeader, now: Now, *, text: TextReader = lambda step, attempt: None
) -> dict[str, Json]:
    """One run and all its steps."""
    ended = state.ended
    return {
        "schema_version": SCHEMA_VERSION,
        "run": header.number,
        "id": header.id,
        "team": header.team,
        "file": header.file,
        "replay": header.replay or None,
        "status": ended.status if ended else "paused" if state.paused else "running",
        "exit_reason": ended.exit_reason if ended else None,
        "reason": ended.reason if ended else "",
        "revision": state.revision,
        "runner": runner_object(header),
        "started": _moment(state.started),
        "ended": iso(state.updated) if ended else None,
        "usage": usage_object(run_cost(state).usage),
        "inputs": state.plan.inputs,
        "outputs": ended.outputs if ended else {},
        "counts": _counts(state),
        "budget": budget_object(state, now),
        "limits": _limits(state, now),
        "overlaps": overlaps_object(state),
        "questions": [question_object(question, header.number) for question in state.questions],
        "steps": [step_object(state, known, header, now, text=text) for known in shown_steps(state)],
    }


def _message(known: StepState, number: int) -> dict[str, Json]:
    message = known.messages[number]
    return {"by": message.by, "text": message.text, "at": iso(message.at), "heard": number < known.heard}


def _limits(state: RunState, now: Now) -> list[Json]:
    """Engines that are out of reach now."""
    return [
        {"engine": engine, "why": limit.why, "until": iso(now.wall + left(limit, now)), "reason": limit.reason}
        for engine, limit in state.limited.items()
        if left(limit, now)
    ]


def _counts(state: RunState) -> dict[str, Json]:
    """How many steps there are in each status."""
    found = counts(state)
    return {status.value: found.get(status, 0) for status in Status}


def runner_object(header: RunHeader) -> Json:
    """The process that works on the run; null: none."""
    runner = header.runner
    return None if runner is None else {"pid": runner.pid, "host": runner.host, "since": iso(runner.since)}


def step_object(
    state: RunState,
    known: StepState,
    header: RunHeader,
    now: Now,
    *,
    text: TextReader = lambda step, attempt: None,
) -> dict[str, Json]:
    step = known.step
    return {
        "id": step.id,
        "agent": step.agent,
        "status": known.status.value,
        "reason": known.reason,
        "waits": _wait(state, known, header, now),
        "kind": step.kind,
        "engine": step.engine,
        "model": step.model,
        "fallbacks": fallbacks_object(step),
        "target": step.target,
        "workspace": workspace_of(state, header, known),
        "depends_on": [*shown_dependencies(state, step)],
        "parent": None,
        "messages": [_message(known, number) for number in range(len(known.messages))],
        "paused": None if known.pause is None else known.pause._asdict(),
        "progress": _progress(known),
        "text": _text(known, text),
        "outputs": known.outputs,
        "artifacts": [_artifact(artifact) for artifact in known.artifacts],
        "diffstat": left_object(known),
        "branch": known.left.branch or None if known.left is not None else None,
        "commit": known.left.commit if known.left is not None else None,
        "key": known.key,
        "failure": failure_of(known),
        "loop": _loop(known),
        "ended": _moment(known.ended_at),
        "usage": usage_object(total(usage_of(attempt) for attempt in known.attempts)),
        "attempts": [_attempt(step, attempt, header) for attempt in known.attempts],
    }


def _attempt(step: Step, attempt: AttemptState, header: RunHeader) -> dict[str, Json]:
    outcome = attempt.outcome
    word, failure, reason = attempt_words(attempt)
    return {
        "number": attempt.number,
        "cause": attempt.cause,
        "continues": attempt.continues,
        "engine": attempt.engine or None,
        "model": attempt.model,
        "model_id": outcome.model if outcome is not None else None,
        "outcome": word,
        "failure": failure,
        "reason": reason,
        "phase": attempt.phase or None,
        "exit_code": outcome.exit_code if outcome is not None else None,
        "signal": outcome.signal if isinstance(outcome, (Failed, Stopped)) else None,
        "started": iso(attempt.started),
        "ended": _moment(attempt.ended),
        "session": outcome.session if outcome is not None else None,
        "log": None if step.kind == ASK else header.log(step.id, attempt.number),
        "note": attempt.note,
        "aside": attempt.aside,
        "warnings": [*attempt.warnings],
        "usage": usage_object(usage_of(attempt) or Usage()),
    }


def attempt_words(attempt: AttemptState) -> tuple[str | None, str | None, str]:
    """(outcome, failure class, reason) of an attempt; outcome None while it runs."""
    match attempt.outcome:
        case Succeeded():
            return "succeeded", None, ""
        case Failed(failure=failure, reason=reason):
            return "failed", failure.value, reason
        case Stopped(cause=cause):
            return "stopped", None, cause
        case None:
            return None, None, f"stopping: {attempt.stopping}" if attempt.stopping else ""


def failure_of(known: StepState) -> str | None:
    """Why a failed step has failed: its own class, where its last attempt did not fail, else that of the attempt."""
    if known.status is not Status.FAILED:
        return None
    if known.failure is not None:
        return known.failure.value
    return attempt_words(known.attempts[-1])[1] if known.attempts else None


def _loop(known: StepState) -> Json:
    loop = known.step.loop
    return None if loop is None else {**loop._asdict(), "round": known.round}


def usage_object(usage: Usage) -> dict[str, Json]:
    """Null is what nobody told; it is never zero."""
    return {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "usd": usage.usd}


def record_object(record: Record) -> dict[str, Json]:
    """A line of `events`: when, and the record's own fields."""
    return {"seq": record.seq, "at": iso(record.at), **event_object(record.event)}


def why_object(step_id: str, status: Status, line: str, wait: Json) -> dict[str, Json]:
    return {"schema_version": SCHEMA_VERSION, "step": step_id, "status": status.value, "why": line, "waits": wait}


def runs_object(rows: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    return {"schema_version": SCHEMA_VERSION, "runs": list(rows)}


def wait_object(state: RunState, known: StepState, header: RunHeader, now: Now) -> Json:
    """What the step waits for, or null."""
    return _wait(state, known, header, now)


def _wait(state: RunState, known: StepState, header: RunHeader, now: Now) -> Json:
    wait = wait_of(state, known, now, gone=header.gone)
    if wait is None:
        return None
    asked = None if wait.question is None else question_id(header.number, wait.question)
    until = _moment(wait.until)
    return {"what": wait.what, "on": list(wait.on), "until": until, "detail": wait.detail, "question": asked}


def workspace_of(state: RunState, header: RunHeader, known: StepState) -> str | None:
    """Where it works; None: in a workspace that is yet to be made."""
    step = known.step
    root = workspace_path(known) if in_workspace(step) else header.root
    if root is None:
        return None
    return f"{root}/{workdir}" if (workdir := _workdir(state, step)) else root


def _workdir(state: RunState, step: Step) -> str:
    if not isinstance(step.workdir, Deferred):
        return step.workdir
    # Imported here: few steps have a directory that only a run could name, and jinja2 is slow to import.
    from teamflow.team.template import TemplateError, render_text

    try:
        return render_text(step.workdir.template, step_context(state, step, run={}))
    except TemplateError:
        return step.workdir.template


def _progress(known: StepState) -> Json:
    if known.progress is None:
        return None
    percent, text = known.progress
    return {"percent": percent, "text": text}


def _text(known: StepState, text: TextReader) -> str | None:
    if known.text is not None or known.status is not Status.SUCCEEDED or known.attempt is None:
        return known.text
    return text(known.step.id, known.attempt.number)


def _artifact(artifact: Artifact) -> dict[str, Json]:
    return {"name": artifact.name, "path": artifact.path, "sha256": artifact.digest, "size": artifact.size}


def _moment(wall: float | None) -> str | None:
    return None if wall is None else iso(wall)

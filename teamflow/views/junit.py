"""A run as JUnit XML, for the CI systems that read it: one test case per step."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.sax.saxutils import escape, quoteattr

from teamflow.core.events import Now
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status
from teamflow.views.figures import attempt_seconds, step_seconds
from teamflow.views.header import RunHeader
from teamflow.views.json import attempt_words, failure_of
from teamflow.views.sanitize import clean
from teamflow.views.shown import shown_steps
from teamflow.views.words import iso

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(
    state: RunState, header: RunHeader, now: Now, *, tail: Callable[[str, int], str] = lambda step, attempt: ""
) -> str:
    """The document. `tail` gives the redacted end of an attempt's output. A step that is not done counts as an error
    where the run has ended."""
    steps = shown_steps(state)
    cases = [_case(state, known, now, tail) for known in steps]
    statuses = [known.status for known in steps]
    seconds = sum(step_seconds(state, known, now) or 0.0 for known in steps)
    figures = (
        f'tests="{len(statuses)}" failures="{statuses.count(Status.FAILED)}" '
        f'errors="{sum(1 for status in statuses if _is_error(status))}" '
        f'skipped="{statuses.count(Status.SKIPPED)}" time="{seconds:.3f}"'
    )
    started = iso(state.started if state.started is not None else header.created)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<testsuites name={_attribute(header.team)} {figures}>\n"
        f'<testsuite name={_attribute(header.team)} {figures} timestamp="{started}">\n'
        f"{''.join(cases)}</testsuite>\n</testsuites>\n"
    )


def _is_error(status: Status) -> bool:
    return status in (Status.CANCELLED, Status.PENDING, Status.QUEUED, Status.RUNNING, Status.WAITING)


def _case(state: RunState, known: StepState, now: Now, tail: Callable[[str, int], str]) -> str:
    seconds = step_seconds(state, known, now) or 0.0
    opening = (
        f'<testcase name={_attribute(known.step.id)} classname={_attribute(known.step.agent)} time="{seconds:.3f}"'
    )
    inside = _inside(state, known, now, tail)
    return f"{opening}>{inside}</testcase>\n" if inside else f"{opening}/>\n"


def _inside(state: RunState, known: StepState, now: Now, tail: Callable[[str, int], str]) -> str:
    match known.status:
        case Status.SUCCEEDED:
            return ""
        case Status.CACHED:
            return f"<system-out>{_text('cached: ' + known.reason)}</system-out>"
        case Status.SKIPPED:
            return f"<skipped message={_attribute(known.reason)}/>"
        case Status.FAILED:
            return _failure(state, known, now, tail)
        case status:
            return f"<error message={_attribute(': '.join(filter(None, (status.value, known.reason))))}/>"


def _failure(state: RunState, known: StepState, now: Now, tail: Callable[[str, int], str]) -> str:
    lines = []
    for attempt in known.attempts:
        word, failure, reason = attempt_words(attempt)
        took = attempt_seconds(state, attempt, now)
        told = f" ({failure})" if failure is not None else ""
        lines.append(f"attempt {attempt.number}: {word}{told} after {took:.1f} s{': ' + reason if reason else ''}")
    newest = known.attempt
    kind = failure_of(known)
    end = tail(known.step.id, newest.number) if newest is not None else ""
    body = "\n".join([*lines, "", end] if end else lines)
    return f"<failure message={_attribute(known.reason)} type={_attribute(kind or 'failed')}>{_text(body)}</failure>"


def _text(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", clean(text)))


def _attribute(text: str) -> str:
    return quoteattr(_NO_XML.sub("\ufffd", clean(text)), {"\n": "&#10;", "\t": "&#9;"})

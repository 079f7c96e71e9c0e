"""Answering a question of a run, whether or not a runner lives: without one the answer is recorded, and nothing else.

What follows from it is the next runner's to decide. Notes are redacted before anything is stored.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.app.act import Told, act
from teamflow.app.inspect import Inspected, now
from teamflow.app.session import read_state
from teamflow.core.events import Event, Record, RequestAnswered
from teamflow.core.fold import apply
from teamflow.core.redact import redacted
from teamflow.core.shell import quoted
from teamflow.policy.answering import Given
from teamflow.policy.requests import Asker, Granted, answer_args, granted
from teamflow.store.log import rows

VERB = "answer"


def answer(inspected: Inspected, given: Given, *, by: str, environ: Mapping[str, str]) -> Told:
    """The answer of a person; whether it counts, and what to say."""
    args = answer_args(given._replace(note=inspected.redactor.text(given.note)))
    return act(
        inspected,
        VERB,
        args,
        by=by,
        environ=environ,
        alone=lambda lock, request: _record(inspected, args, by, request),
        brief=True,
    )


def _record(inspected: Inspected, args: str, by: str, request: int | None) -> Told:
    database, row = inspected.database, inspected.row
    state, plans = read_state(database, row.number)
    found = granted(state, VERB, args, Asker(by, row.number, now()))
    done = isinstance(found, Granted)
    message = found.message if isinstance(found, Granted) else found
    events: list[Event] = list(found.events) if isinstance(found, Granted) else []
    if request is not None:
        events.append(RequestAnswered(request, ok=done, message=message))
    records: list[Record] = []
    for event in events:
        moment = now()
        records.append(Record(state.seq + 1, moment.wall, moment.mono, redacted(event, inspected.redactor)))
        apply(state, records[-1], plans=plans)
    if records:
        database.append(row.number, rows(records))
    return done, f"{message}\n  {_goes_on(inspected)}" if done else message


def _goes_on(inspected: Inspected) -> str:
    """Which command goes on with a run that nobody works on."""
    database, row = inspected.database, inspected.row
    gone = f"no runner works on run {row.number}"
    file = "" if row.file in ("team.yaml", "team.yml") else f" {quoted(row.file)}"
    newest = database.newest_run(file=row.file)
    if newest is not None and newest.number == row.number:
        return f"{gone}: `teamflow run{file}` goes on with it"
    same = database.newest_run(file=row.file, inputs_digest=row.inputs_digest)
    if same is None or same.number != row.number:
        return f"{gone}, and nothing will go on with it: a newer run has taken its place"
    return f"{gone}: `teamflow run{file}` with the inputs that it was given (-i) goes on with it"

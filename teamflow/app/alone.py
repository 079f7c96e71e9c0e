"""A verb on a run that nobody drives: done with the run's lock, recorded as a runner would record it.

Where processes are at stake, which live on with their keeper, a session is opened in which nothing starts, and left as
soon as they are as they should be. What else follows is the next runner's to decide; the answer names the command.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from teamflow.app.act import OF_PROCESSES, Told
from teamflow.app.brought import RUNNABLE
from teamflow.app.inspect import Inspected, now
from teamflow.core.events import Event, Record
from teamflow.core.fold import apply
from teamflow.core.limited import LimitLifted
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Plan
from teamflow.core.redact import redacted
from teamflow.core.requested import RequestAnswered
from teamflow.core.shell import run_words
from teamflow.core.state import RunState
from teamflow.policy.granting import Asker, Granted
from teamflow.policy.requests import granted
from teamflow.store.lock import RunLock
from teamflow.store.log import rows
from teamflow.targets import keeper_files

_OPENING: Final = frozenset({"retry", "relaunch"})
"""Verbs after which a step is open that was not: somebody has to come for it."""


class Verb(NamedTuple):
    """`args` is JSON. `by`: user@host."""

    name: str
    args: str
    by: str


def do_alone(
    inspected: Inspected, lock: RunLock, verb: Verb, *, request: int | None, environ: Mapping[str, str]
) -> Told:
    """Does it, or says why not. `request`: the one that was left for a runner that has gone since."""
    # Imported here: a verb that a runner does needs none of it.
    from teamflow.app.session import read_records, read_state

    database, row = inspected.database, inspected.row
    state, plans = read_state(database, row.number)
    if request in state.answered:
        return _told_before(read_records(database, row.number), request)
    refusal = _replaced(inspected) if verb.name in _OPENING else ""
    asking = _Asking(verb, Asker(verb.by, row.number, now(), RUNNABLE), request, refusal)
    # What runs is known to the keeper, also where its runner was killed before it had recorded it; so is what has run.
    kept = database.layout.run(row.number)
    at_stake = state.running or keeper_files.is_held(kept) or keeper_files.ends_after(kept, state.journal)
    if asking.refusal:
        _append(inspected, state, plans, asking, environ)
    elif verb.name in OF_PROCESSES and (at_stake or (verb.name == "cancel" and state.open)):
        _drive(inspected, lock, state, plans, asking, environ)
    else:
        _append(inspected, state, plans, asking, environ)
    found = asking.found
    if isinstance(found, str):
        return False, found
    if verb.name == "cancel":
        return True, found.message.replace("cancelling", "cancelled", 1)
    return True, f"{found.message}\n  {_goes_on(inspected)}"


def _told_before(records: Iterable[Record], request: int | None) -> Told:
    """What a runner that has gone since has answered."""
    said = (record.event for record in records)
    return next(
        (event.ok, event.message) for event in said if isinstance(event, RequestAnswered) and event.request == request
    )


class _Asking:
    """One request, granted or refused once it is known how the run stands. `refusal`: why it is in any case."""

    def __init__(self, verb: Verb, asker: Asker, request: int | None, refusal: str) -> None:
        self.verb = verb
        self.refusal = refusal
        self._asker = asker
        self._request = request
        self.found: Granted | str = "nothing was done"

    def opening(self, state: RunState) -> Iterator[Event]:
        self.found = found = self.refusal or granted(state, self.verb.name, self.verb.args, self._asker)
        if isinstance(found, Granted):
            yield from found.events
        if self._request is not None:
            message = found if isinstance(found, str) else found.message
            yield RequestAnswered(self._request, ok=isinstance(found, Granted), message=message)

    def done(self, state: RunState) -> bool:
        if isinstance(self.found, str):
            return True
        steps = json.loads(self.verb.args).get("steps", ())
        # All of a run that is cancelled: its own end is what is waited for.
        return not (self.verb.name == "cancel" and steps is None) and _settled(state, self.verb)


def _append(
    inspected: Inspected, state: RunState, plans: Mapping[int, Plan], asking: _Asking, environ: Mapping[str, str]
) -> None:
    records: list[Record] = []
    for event in asking.opening(state):
        moment = now()
        records.append(Record(state.seq + 1, moment.wall, moment.mono, redacted(event, inspected.redactor)))
        apply(state, records[-1], plans=dict(plans))
    if records:
        inspected.database.append(inspected.row.number, rows(records))
    lifted = [record.event for record in records if isinstance(record.event, LimitLifted)]
    if lifted:
        from teamflow.app.quotas import MachineLimits

        limits = MachineLimits(state, environ, root=inspected.database.layout.root, now=now, warn=lambda words: None)
        for event in lifted:
            limits.tell(event)


def _drive(
    inspected: Inspected,
    lock: RunLock,
    state: RunState,
    plans: dict[int, Plan],
    asking: _Asking,
    environ: Mapping[str, str],
) -> None:
    """A session in which nothing starts, until what runs is as was asked for."""
    from teamflow.app.parts import NoScreen, Wired, make_prober
    from teamflow.app.secrets import read_secrets
    from teamflow.app.session import Session
    from teamflow.app.trees import opener
    from teamflow.app.wiring import Brief, run_to_end
    from teamflow.core.redact import Redactor

    database, row = inspected.database, inspected.row
    session = Session(row, lock, state, plans, plans[max(plans)], resumed=True)
    wired = Wired(
        root=database.layout.root,
        number=row.number,
        run=session.run,
        environ=environ,
        secrets={},
        env_file_values={},
        redactor=Redactor(read_secrets(database.layout.run(row.number))),
        use_cache=False,
        force=frozenset(),
        workspaces=opener(database.layout.root, session.run, environ),
    )
    screen = NoScreen()
    prober = make_prober(state, wired, screen)
    brief = Brief(asking.opening, asking.done)
    asyncio.run(run_to_end(database, session, wired, screen, prober, parallel=0, brief=brief))


def _settled(state: RunState, verb: Verb) -> bool:
    """Whether nothing has to be done any more to what runs."""
    if verb.name == "cancel":
        return not any(step_id in state.open and state.steps[step_id].cancelled_by for step_id in state.open)
    return not any(_unsettled(state, step_id) for step_id in state.running)


def _unsettled(state: RunState, step_id: str) -> bool:
    known = state.steps[step_id]
    if known.relaunch is not None:
        return True
    if known.pause is None:
        return known.frozen
    return not (known.pause.freeze and known.frozen)


def _replaced(inspected: Inspected) -> str:
    """Why no runner will ever come for the run; empty where one may."""
    newer = _newer(inspected)
    number = inspected.row.number
    return "" if newer is None else f"nothing goes on with run {number}: run {newer} has taken its place"


def _newer(inspected: Inspected) -> int | None:
    """The run that `run` goes on with, with these inputs, instead of this one. A replay has no such."""
    row = inspected.row
    same = inspected.database.newest_run(file=row.file, inputs_digest=row.inputs_digest)
    return None if row.replay or same is None or same.number == row.number else same.number


def _goes_on(inspected: Inspected) -> str:
    """Which command goes on with a run that nobody works on."""
    database, row = inspected.database, inspected.row
    gone = f"no runner works on run {row.number}"
    if row.replay:
        from teamflow.app.replaying import goes_on

        return f"{gone}: {goes_on(database.layout, row.number, row.replay)}"
    newer = _newer(inspected)
    if newer is not None:
        return f"{gone}, and nothing will go on with it: run {newer} has taken its place"
    again = run_words(row.file)
    newest = database.newest_run(file=row.file)
    if newest is not None and newest.number == row.number:
        return f"{gone}: `{again}` goes on with it"
    return f"{gone}: `{again}` with the inputs that it was given (-i) goes on with it"

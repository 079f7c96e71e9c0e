"""A run as another process left it: opened, folded, followed. Reads only; takes no lock that a runner would wait for.

What state.db and the logs say is the truth; whether a runner lives is asked of the run's lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from teamflow.app.project import Project
from teamflow.app.secrets import read_secrets, secrets_stamp
from teamflow.core.codec import CodecError
from teamflow.core.events import Now, PlanRevised, Record, StepEnded
from teamflow.core.fold import apply, initial
from teamflow.core.plan import Plan
from teamflow.core.redact import Redactor
from teamflow.core.requested import RequestAnswered
from teamflow.core.state import RunState
from teamflow.core.status import Status
from teamflow.plan.stored import plan_from_json
from teamflow.run.clock import SystemClock
from teamflow.store.layout import Layout
from teamflow.store.lock import Holder, holder_of
from teamflow.store.log import records as to_records
from teamflow.store.rows import RunRow
from teamflow.store.sqlite import Database
from teamflow.views.header import RunHeader, Runner
from teamflow.views.runs import RunLine


class NoRun(Exception):
    """There is no such run, or none at all; the message says what to do."""


def open_project(project: Project, environ: Mapping[str, str]) -> Database:
    """The project's database. Raises NoRun where no run was ever made, StoreError."""
    database = Database.find(project.root, allow_network=environ.get("TEAMFLOW_ALLOW_NETWORK_FS") == "1")
    if database is None:
        raise NoRun(f"no run yet in {project.root}\n  start one with `teamflow run`")
    return database


def open_run(database: Database, number: int | None = None) -> Inspected:
    """The run of that number, or the newest. Raises NoRun, StoreError, CodecError, PlanFormatError."""
    row = database.newest_run() if number is None else database.run(number)
    if row is None:
        root = database.layout.root
        if number is None:
            raise NoRun(f"no run yet in {root}\n  start one with `teamflow run`")
        raise NoRun(f"there is no run {number} in {root}\n  `teamflow runs` lists them")
    return Inspected(database, row)


def _is_kept(run_dir: str) -> bool:
    # Imported here: it is for runs whose runner is gone.
    from teamflow.targets import keeper_files

    return keeper_files.is_held(run_dir)


class Inspected:
    """One run. `refresh` takes in what was appended since; nothing else changes it."""

    def __init__(self, database: Database, row: RunRow) -> None:
        self.database = database
        self.row = row
        self.plans: dict[int, Plan] = {1: self._stored_plan(1)}
        self.records: list[Record] = []
        self.state: RunState = initial(self.plans[1])
        self.holder: Holder | None = None
        self.redactor = Redactor({})
        self._stamp: tuple[int, int] | None = None
        self._version = -1
        self.refresh()

    @property
    def layout(self) -> Layout:
        return self.database.layout

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self.state.plan

    @property
    def option(self) -> str:
        """What a command about this run says to mean it; empty where it is the newest."""
        newest = self.database.newest_run()
        return "" if newest is None or newest.number == self.row.number else f" -r {self.row.number}"

    @property
    def gone(self) -> bool:
        """Whether no process works on the run."""
        return self.holder is None

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to the run by itself. One that has ended may be watched, and go on."""
        return self.gone

    @property
    def header(self) -> RunHeader:
        row, layout = self.row, self.layout
        holder = self.holder
        runner = None if holder is None else Runner(holder.pid, holder.host, holder.since)
        logs = layout.logs(row.number)
        lost = holder is None and bool(self.state.running) and not _is_kept(layout.run(row.number))
        return RunHeader(
            row.number, row.id, row.team, row.file, layout.root, logs, row.created, runner, lost, row.replay
        )

    def refresh(self) -> Sequence[Record]:
        """Looks at the log and at the lock; the records that are new. Cheap where nothing has changed."""
        # The lock first: a runner that lets go has written its last record before.
        self.holder = holder_of(self.layout, self.row.number)
        self.look_at_secrets()
        version = self.database.data_version()
        if version == self._version:
            return ()
        fresh = to_records(self.database.rows(self.row.number, after=self.state.seq))
        self._version = version
        for record in fresh:
            if isinstance(record.event, PlanRevised):
                revision = record.event.revision
                self.plans[revision] = self._stored_plan(revision)
            apply(self.state, record, plans=self.plans)
        self.records += fresh
        return fresh

    def look_at_secrets(self) -> None:
        """The values that must not be shown, once there are others. They are written before a process gets them, so
        what was read before this may be shown after it."""
        run_dir = self.layout.run(self.row.number)
        stamp = secrets_stamp(run_dir)
        if stamp != self._stamp:
            self.redactor.know(read_secrets(run_dir))
            self._stamp = stamp

    def _stored_plan(self, revision: int) -> Plan:
        return plan_from_json(self.database.plan(self.row.number, revision).decode())


def list_runs(database: Database) -> list[RunLine]:
    """Newest first; for runs that say `running` the lock is asked."""
    return [_run_line(database.layout, row) for row in database.runs()]


def _run_line(layout: Layout, row: RunRow) -> RunLine:
    alive = row.status in ("running", "created") and holder_of(layout, row.number) is not None
    return RunLine(row.number, row.id, row.team, row.file, row.status, row.exit_reason, row.created, row.updated, alive)


def now() -> Now:
    """This moment, on this machine's clocks."""
    return SystemClock().now()


def succeeded_before(inspected: Inspected, step_id: str) -> int | None:
    """The number of the run before this one, of the same file and inputs, if the step has succeeded in it. It is looked
    at only for a step that was started and that no cache keeps."""
    row, known = inspected.row, inspected.state.steps[step_id]
    if known.step.cache or not known.attempts:
        return None
    kin = (row.file, row.inputs_digest, "")
    before = next(
        (
            one.number
            for one in inspected.database.runs()
            if one.number < row.number and (one.file, one.inputs_digest, one.replay) == kin
        ),
        None,
    )
    if before is None:
        return None
    try:
        events = [record.event for record in to_records(inspected.database.rows(before, after=0))]
    except CodecError:
        return None  # another version may have written it
    ends = [event.status for event in events if isinstance(event, StepEnded) and event.step == step_id]
    return before if ends[-1:] == [Status.SUCCEEDED.value] else None


def answer_to(inspected: Inspected, request: int) -> tuple[bool, str] | None:
    """(ok, message) once the log has the answer to a request."""
    for record in reversed(inspected.records):
        event = record.event
        if isinstance(event, RequestAnswered) and event.request == request:
            return event.ok, event.message
    return None

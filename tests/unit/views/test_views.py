"""The views of a run: what they promise for any run, and what single lines say."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.core.events import (
    AttemptEnded,
    AttemptStarted,
    Cached,
    Event,
    Hit,
    MessageDelivered,
    Now,
    QuestionAnswered,
    QuestionAsked,
    Record,
    Reopened,
    RetryScheduled,
    RunEnded,
    RunnerStarted,
    StepEnded,
)
from teamflow.core.outcome import Failed, FailureClass, Succeeded, Usage
from teamflow.core.plan import Ask
from teamflow.core.requested import MessageSent, StopRequested
from teamflow.core.state import RunState
from teamflow.views.figures import run_cost
from teamflow.views.header import RunHeader
from teamflow.views.json import run_object
from teamflow.views.junit import junit_xml
from teamflow.views.live import live_table
from teamflow.views.plain import PlainPrinter
from teamflow.views.questions import Item, inbox_text, notification
from teamflow.views.runs import RunLine, run_line_object, runs_text
from teamflow.views.summary import next_commands, summary
from teamflow.views.text import run_status, status_text, step_row, table
from teamflow.views.waiting import wait_of
from teamflow.views.why import why
from teamflow.views.width import width
from tests.fakes.plans import make_plan, make_step
from tests.unit.views.stories import (
    ADMITTED,
    BEGIN,
    BUSY,
    FAILED,
    HEADER,
    INTERRUPTED,
    ORPHAN,
    busy_plan,
    later,
    records,
    told,
)

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
HOSTILE = "\x1b]0;owned\x07\x1b[2Jx\u202e\r\n\x00漢"


def hostile_story() -> tuple[RunState, list[Record], RunHeader]:
    plan = make_plan(
        [
            make_step(f"a{HOSTILE}", engine=HOSTILE, kind="prompt", target=HOSTILE, model=HOSTILE),
            make_step("b"),
            make_step(f"c{HOSTILE}", kind="ask", engine="ask", ask=Ask((HOSTILE, "x"), HOSTILE)),
            make_step(f"d{HOSTILE}", kind="ask", engine="ask", ask=Ask()),
        ]
    )
    name = f"a{HOSTILE}"
    events: list[Event] = [
        RunnerStarted("boot", 1, 1),
        AttemptStarted(name, 1, "first", reason=HOSTILE),
        AttemptEnded(name, 1, Failed(FailureClass.EXIT, HOSTILE, usage=Usage(1, 2, 3.0)), note=HOSTILE),
        StepEnded(name, "failed", HOSTILE),
        Cached({"b": Hit("k", HOSTILE)}),
        QuestionAsked(f"c{HOSTILE}", "question", f"{HOSTILE}\n{HOSTILE}", (HOSTILE, "x"), HOSTILE),
        QuestionAsked(f"d{HOSTILE}", "approval", HOSTILE),
        QuestionAnswered(2, "reject", HOSTILE, HOSTILE),
        RunEnded("failed", "step_failed", {HOSTILE: HOSTILE}, HOSTILE),
    ]
    state, log = told(plan, events)
    return state, log, ORPHAN._replace(team=HOSTILE, file=HOSTILE)


def every_text(state: RunState, log: list[Record], header: RunHeader, now: Now) -> list[str]:
    printer = PlainPrinter(header, tail=lambda step, attempt: HOSTILE)
    return [
        status_text(state, header, now, columns=60, last_line=lambda s, a: HOSTILE),
        *summary(state, header, now),
        *printer.records(log, state),
        *printer.output("a", HOSTILE.encode()),
        *(why(state, step, log, now) for step in state.steps),
        junit_xml(state, header, now, tail=lambda step, attempt: HOSTILE),
        inbox_text([Item(header.number, header.team, False, question) for question in state.questions], now=now.wall),
        notification(state.questions[:1], header.number),
        notification(state.questions, header.number),
        *live_table(state, header, now, lines=9).asked,
    ]


def test_nothing_hostile_reaches_the_terminal() -> None:
    state, log, header = hostile_story()
    for text in every_text(state, log, header, later(log)):
        assert not STEERING.search(text)
    ElementTree.fromstring(junit_xml(state, header, later(log), tail=lambda step, attempt: HOSTILE + "\uffff\ufffe"))


@pytest.mark.parametrize("columns", [20, 60, 100, 300])
def test_no_line_of_the_table_is_wider_than_the_terminal(columns: int) -> None:
    state, log, header = hostile_story()
    for line in status_text(state, header, later(log), columns=columns).splitlines()[3:5]:
        assert width(line) <= columns
    state, log = told(busy_plan(), FAILED)
    rows = [step_row(state, known, HEADER, later(log)) for known in state.steps.values()]
    assert all(width(line) <= columns for line in table(rows, columns=columns))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 9))
def test_a_summary_has_at_most_fifteen_lines(failed: int, waiting: int, fine: int, asking: int) -> None:
    names = [*(f"f{n}" for n in range(failed)), *(f"w{n}" for n in range(waiting)), *(f"s{n}" for n in range(fine))]
    asks = [make_step(f"q{n}", kind="ask", engine="ask", ask=Ask()) for n in range(asking)]
    state, _ = told(make_plan([*(make_step(name) for name in names), *asks]), [RunnerStarted("boot", 1, 99)])
    log = records([RunnerStarted("boot", 1, 99)])
    from teamflow.core.fold import apply

    def take(event: Event) -> None:
        record = Record(state.seq + 1, BEGIN + state.seq, 100.0 + state.seq, event)
        log.append(record)
        apply(state, record)

    for name in names:
        take(AttemptStarted(name, 1, "first"))
        if name[0] == "s":
            take(AttemptEnded(name, 1, Succeeded()))
            take(StepEnded(name, "succeeded", ""))
        else:
            take(AttemptEnded(name, 1, Failed(FailureClass.EXIT, "no " * 200)))
            if name[0] == "f":
                take(StepEnded(name, "failed", "no " * 200))
            else:
                take(RetryScheduled(name, "retry", 9.0, "boot", 1e6, "attempt 2/2: no"))
    for step in asks:
        take(QuestionAsked(step.id, "question", "why " * 200, ("because", "of that")))
    if not waiting:
        take(RunEnded("succeeded", "ok", {f"o{n}": "x" * 500 for n in range(7)}))
    lines = summary(state, HEADER, later(log))
    assert len(lines) <= 15
    assert all(len(line) <= 200 for line in lines)


def test_the_shape_every_reader_relies_on() -> None:
    state, log = told(busy_plan(), FAILED)
    found = run_object(state, ORPHAN, later(log), text=lambda step, attempt: f"{step}.{attempt}")
    assert json.loads(json.dumps(found)) == found
    assert {
        "schema_version",
        "run",
        "id",
        "team",
        "file",
        "status",
        "exit_reason",
        "revision",
        "started",
        "ended",
        "usage",
        "steps",
    } <= found.keys()
    steps = {step["id"]: step for step in found["steps"]}
    ui = steps["build/ui"]
    assert {
        "id",
        "agent",
        "status",
        "reason",
        "kind",
        "engine",
        "model",
        "target",
        "workspace",
        "depends_on",
        "parent",
        "progress",
        "text",
        "outputs",
        "artifacts",
        "diffstat",
        "key",
        "attempts",
    } <= ui.keys()
    assert ui["attempts"][1] == {
        "number": 2,
        "cause": "retry",
        "continues": 1,
        "engine": "scripted",
        "model": None,
        "model_id": None,
        "outcome": "failed",
        "failure": "verify",
        "reason": "verify: exit status 1",
        "phase": "verify.1",
        "exit_code": 1,
        "signal": None,
        "started": "2026-01-02T03:04:27.500Z",
        "ended": "2026-01-02T03:04:29.000Z",
        "session": None,
        "log": "/project/.teamflow/runs/12/logs/build--ui.2.log",
        "note": "",
        "aside": "",
        "warnings": [],
        "usage": {"input_tokens": None, "output_tokens": None, "usd": None},
    }
    assert steps["build/api"]["text"] == "build/api.1"
    assert steps["plan"]["text"] == "two parts"
    assert steps["lint"]["text"] is None
    assert found["usage"] == {"input_tokens": 1210, "output_tokens": 360, "usd": 0.0125}


def test_what_is_not_known_is_never_zero() -> None:
    plan = make_plan([make_step("a", engine="scripted", kind="prompt"), make_step("b")])
    events = [RunnerStarted("boot", 1, 2)]
    for name in ("a", "b"):
        events += [
            AttemptStarted(name, 1, "first"),
            AttemptEnded(name, 1, Succeeded()),
            StepEnded(name, "succeeded", ""),
        ]
    state, log = told(plan, events)
    assert run_object(state, HEADER, later(log))["usage"] == {"input_tokens": None, "output_tokens": None, "usd": None}
    assert run_cost(state).partial
    rows = [step_row(state, known, HEADER, later(log)) for known in state.steps.values()]
    assert [row.cost for row in rows] == ["unknown", "-"]


def test_a_run_whose_runner_died_says_so_without_inventing_a_status() -> None:
    state, log = told(busy_plan(), BUSY)
    found = run_object(state, ORPHAN, later(log))
    assert (found["status"], found["exit_reason"], found["runner"]) == ("running", None, None)
    assert run_status(state, ORPHAN) == "interrupted (its runner is gone)"
    assert run_status(state, HEADER) == "running"


def test_a_run_that_never_started() -> None:
    state, log = told(busy_plan(), [])
    assert log == []
    now = Now("boot", 0.0, BEGIN)
    assert run_status(state, ORPHAN) == "not started"
    assert run_object(state, ORPHAN, now)["started"] is None
    assert "not started" in status_text(state, ORPHAN, now)
    assert len(summary(state, ORPHAN, now)) <= 15


def test_why_slots_and_stops() -> None:
    plan = make_plan([make_step("a"), make_step("b"), make_step("c", needs=["a"])])
    state, log = told(plan, [RunnerStarted("boot", 1, 1), AttemptStarted("a", 1, "first")])
    now = later(log)
    assert why(state, "b", log, now) == "b: queued: waits for a slot: the only slot is taken (a)"
    assert why(state, "c", log, now) == "c: pending: waits for a (running)"
    state, log = told(plan, [RunnerStarted("boot", 1, 1), StopRequested("SIGTERM", "interrupted by SIGTERM")])
    assert why(state, "b", log, later(log)) == "b: queued: the run is stopping: interrupted by SIGTERM"


def test_why_names_what_changed() -> None:
    state, log = told(make_plan([make_step("lint", cache=True)]), ADMITTED)
    line = why(state, "lint", log, later(log), zone=UTC)
    assert line == "lint: succeeded after 1.5s at 03:04:11; it ran because reads: src/a.py changed"


def test_why_says_what_mends_a_conflict() -> None:
    def ended(detail: str, **changes: object) -> str:
        failed = Failed(FailureClass.CONFLICT, "`a` and `b` change the same places of f0 and 6 more", detail=detail)
        events = [RunnerStarted("boot", 1, 1), AttemptStarted("both", 1, "first"), AttemptEnded("both", 1, failed)]
        plan = make_plan([make_step("both", **changes)])  # type: ignore[arg-type]
        state, log = told(plan, [*events, StepEnded("both", "failed", failed.reason)])
        return why(state, "both", log, later(log), zone=UTC)

    remedy = "; `on_conflict: AGENT` at both lets another agent mend it first"
    assert ended("f0").endswith(f"f0 and 6 more{remedy}")
    seven = "\n".join(f"f{number}" for number in range(7))
    assert ended(seven).endswith(f"; all of them: f0, f1, f2, f3, f4, f5, f6{remedy}")
    many = "\n".join(f"f{number}" for number in range(99))
    assert "f19 and 79 more;" in ended(many)
    assert "on_conflict" not in ended(""), "nothing that an agent could mend"
    assert "let one step merge before it" in ended("f0", parent="plan")


def test_why_shows_what_people_have_told_a_step() -> None:
    events = [RunnerStarted("boot", 1, 1), AttemptStarted("a", 1, "first")]
    plan = make_plan([make_step("a")])
    one = MessageSent(("a",), "ana@box", "leave the database\nalone \x1b[2J")
    state, log = told(plan, [*events, one])
    line = why(state, "a", log, later(log), zone=UTC)
    assert line.endswith("; told by ana@box: leave the database … (it has not heard that yet)")
    more = [MessageSent(("a",), "bob@box", "x" * 200), MessageDelivered("a", 1, 2)]
    state, log = told(plan, [*events, one, *more])
    line = why(state, "a", log, later(log), zone=UTC)
    assert line.endswith(f"; told 2 times, last by bob@box: {'x' * 79}…")


def test_why_remembers_only_what_still_holds() -> None:
    plan = make_plan([make_step("lint", cache=True)])
    events = [*ADMITTED, Reopened(("lint",), "revision", {"lint": "its key is looked up again"})]
    state, log = told(plan, events)
    line = why(state, "lint", log, later(log))
    assert line == "lint: queued: its cache key is looked up; opened again: its key is looked up again"
    state, log = told(plan, [*events, Cached({"lint": Hit("k", "unchanged", origin=(1, 1))})])
    assert why(state, "lint", log, later(log)) == "lint: cached: unchanged (from run 1, attempt 1)"


def test_a_backoff_from_before_a_reboot_is_over() -> None:
    state, log = told(busy_plan(), BUSY)
    moment = later(log)
    flaky = state.steps["flaky"]
    wait = wait_of(state, flaky, moment)
    assert wait is not None
    assert wait.until == moment.wall + 190.0 - moment.mono
    other = wait_of(state, flaky, moment._replace(boot="other"))
    assert other is not None
    assert other.until is None


def test_the_next_command_fits_the_run() -> None:
    busy, _ = told(busy_plan(), BUSY)
    assert "logs -f" in next_commands(busy, HEADER)[0]
    assert next_commands(busy, ORPHAN) == ["`teamflow run teams/ship.yaml` goes on where it stopped"]
    failed, _ = told(busy_plan(), FAILED)
    assert next_commands(failed, ORPHAN)[0] == "`teamflow logs build/ui` shows what it printed"
    stopped, _ = told(busy_plan(), INTERRUPTED)
    assert next_commands(stopped, ORPHAN._replace(file="a b.yaml"))[-1].startswith("`teamflow run 'a b.yaml'`")


def test_where_nothing_was_printed_nothing_is_to_be_looked_at() -> None:
    """The reason of who could not be started, or was not logged in, says all that there is."""
    for failure in (FailureClass.AUTH, FailureClass.START):
        failed = Failed(failure, "log in")
        ended = [AttemptStarted("a", 1, "first"), AttemptEnded("a", 1, failed), StepEnded("a", "failed", "log in")]
        state, _ = told(make_plan([make_step("a")]), [*ended, RunEnded("failed", "step_failed", {}, "1 failed: a")])
        assert next_commands(state, ORPHAN) == ["`teamflow run teams/ship.yaml` runs again what did not succeed"]


def test_a_step_that_a_limit_has_left_says_which() -> None:
    ended = RunEnded("limited", "limit", {}, "codex: usage limit until 20:26: 1 step waits")
    state, log = told(make_plan([make_step("a")]), [ended])
    wait = wait_of(state, state.steps["a"], later(log), gone=True)
    assert wait is not None
    assert wait.detail.startswith("codex: usage limit until 20:26: 1 step waits; no runner works on this run")


def test_a_summary_tells_what_this_session_did() -> None:
    state, log = told(busy_plan(), FAILED)
    lines = summary(state, ORPHAN, later(log), since=log[20].at)
    assert lines[1] == "  4 succeeded, 1 failed, 2 skipped, 1 cached, 1 succeeded before and stayed"


@pytest.mark.parametrize(("lines", "left"), [(9, 0), (4, 5), (1, 8)])
def test_a_small_screen_shows_what_matters(lines: int, left: int) -> None:
    state, log = told(busy_plan(), BUSY)
    shown = live_table(state, HEADER, later(log), lines=lines)
    assert len(shown.rows) == lines
    assert shown.left_out == left
    assert shown.rows[-1].id in {"clean", "flaky", "build/api", "build/ui"}
    if lines == 4:
        assert [row.id for row in shown.rows] == ["build/api", "build/ui", "build/cli", "flaky"]


def test_many_hits_are_counted() -> None:
    plan = make_plan([make_step(f"s{n}", cache=True) for n in range(50)])
    log = records([RunnerStarted("boot", 1, 1), Cached({f"s{n}": Hit("k", "unchanged") for n in range(50)})])
    state, log = told(plan, [record.event for record in log])
    lines = PlainPrinter(HEADER).records(log, state)
    assert len(lines) == 21
    assert lines[-1] == "and 31 more cached"


def test_plain_lines_in_any_batches() -> None:
    state, log = told(busy_plan(), FAILED)
    whole = PlainPrinter(HEADER, tail=lambda s, a: "x").records(log, state)
    printer = PlainPrinter(HEADER, tail=lambda s, a: "x")
    assert [line for record in log for line in printer.records([record], state)] == whole


@settings(max_examples=30)
@given(st.integers(0, len(FAILED)))
def test_any_beginning_of_a_run_can_be_shown(count: int) -> None:
    state, log = told(busy_plan(), FAILED[:count])
    now = later(log) if log else Now("boot", 100.0, BEGIN)
    for header in (HEADER, ORPHAN):
        every_text(state, log, header, now)
        json.dumps(run_object(state, header, now))


def test_a_list_of_runs() -> None:
    line = RunLine(3, "01J", "t\x1b[2J", "team.yaml", "running", "", BEGIN, BEGIN + 60, runner=False)
    text = runs_text([line, replace_status(line, "created"), replace_status(line, "failed")], now=BEGIN, zone=UTC)
    assert "interrupted (its runner is gone)" in text
    assert "not started" in text
    assert "\x1b" not in text
    assert run_line_object(line)["status"] == "running"
    assert run_line_object(line)["exit_reason"] is None


def replace_status(line: RunLine, status: str) -> RunLine:
    return line._replace(status=status)

"""Runs as they might have happened, told in records, for tests of the views."""

from __future__ import annotations

from collections.abc import Sequence

from teamflow.core.events import (
    Admitted,
    AttemptEnded,
    AttemptStarted,
    AttemptStopping,
    BackoffEnded,
    Cached,
    Event,
    Hit,
    Now,
    PhaseEnded,
    ProgressReported,
    QuestionAnswered,
    QuestionAsked,
    Record,
    Reopened,
    RetryScheduled,
    RunEnded,
    RunnerStarted,
    StepEnded,
    StepWaiting,
)
from teamflow.core.fold import fold
from teamflow.core.outcome import Artifact, Failed, FailureClass, Stopped, Succeeded, Usage
from teamflow.core.phases import VERIFIED
from teamflow.core.plan import Ask, Command, Limits, Loop, Plan
from teamflow.core.requested import StopRequested
from teamflow.core.state import RunState
from teamflow.views.header import RunHeader, Runner
from tests.fakes.plans import make_plan, make_step

BEGIN = 1_767_323_045.0
"""2026-01-02T03:04:05Z"""

HEADER = RunHeader(
    number=12,
    id="01JGQ0000000000000000000000",
    team="ship",
    file="teams/ship.yaml",
    root="/project",
    logs="/project/.teamflow/runs/12/logs",
    created=BEGIN,
    runner=Runner(4711, "box", BEGIN),
)
ORPHAN = HEADER._replace(runner=None)


def records(events: Sequence[Event], *, every: float = 1.5) -> list[Record]:
    """One event every `every` seconds."""
    return [Record(n, BEGIN + (n - 1) * every, 100.0 + (n - 1) * every, event) for n, event in enumerate(events, 1)]


def told(plan: Plan, events: Sequence[Event], *, every: float = 1.5) -> tuple[RunState, list[Record]]:
    log = records(events, every=every)
    return fold(plan, log), log


def later(log: Sequence[Record], *, seconds: float = 1.0) -> Now:
    """A moment after the last record, on the boot of these stories."""
    return Now("boot", log[-1].mono + seconds, log[-1].at + seconds)


def busy_plan() -> Plan:
    steps = [
        make_step("plan", engine="scripted", kind="prompt", model="deep"),
        make_step("lint", cache=True),
        make_step("build/api", needs=["plan"], engine="scripted", kind="prompt"),
        make_step("build/ui", needs=["plan"], engine="scripted", kind="prompt"),
        make_step("build/cli", needs=["plan"], engine="scripted", kind="prompt"),
        make_step("docs", needs=["plan"], skip="if: inputs.docs is false"),
        make_step("test", needs=["build/api", "build/ui"]),
        make_step("flaky", needs=["lint"]),
        make_step("clean", needs={"test": "finished"}),
    ]
    return make_plan(steps, limits=Limits(engines={"scripted": 2}))


def loop_plan() -> Plan:
    loop = Loop("outputs.ok", 2, "build")
    steps = [
        make_step("build", engine="scripted", kind="prompt", reworked=True),
        make_step("types", verify=(Command("mypy"),), skip_if_verified=True),
        make_step("review/a", needs=["build"], loop=loop),
        make_step("review/b", needs=["build"], loop=loop._replace(max=4)),
        make_step("ship", needs=["review/a"]),
    ]
    return make_plan(steps)


LOOPED: list[Event] = [
    RunnerStarted("boot", 4711, 3),
    AttemptStarted("build", 1, "first"),
    AttemptStarted("types", 1, "first"),
    AttemptEnded("types", 1, Succeeded(VERIFIED, usage=Usage(0, 0, 0.0)), "check.1", 1),
    StepEnded("types", "succeeded", VERIFIED),
    AttemptEnded("build", 1, Succeeded(usage=Usage(10, 20, 0.1), session="s1")),
    StepEnded("build", "succeeded", ""),
    AttemptStarted("review/a", 1, "first"),
    AttemptStarted("review/b", 1, "first"),
    AttemptEnded("review/a", 1, Succeeded("no", {"ok": False})),
    Reopened(("build", "review/a"), "rework",
             {"build": "for review/a, round 2 of 2", "review/a": "round 2 of 2"}, by="review/a"),
    AttemptStarted("build", 2, "rework", 1, "for review/a, round 2 of 2"),
    AttemptEnded("review/b", 1, Succeeded("no", {"ok": False})),
    Reopened(("review/b",), "rework", {"review/b": "looks again after build"}, by="review/b"),
]  # fmt: skip
"""Two loops over one step: the first is in its last round, the second looks again without a round of its own."""

NOT_CONVERGED: list[Event] = [
    *LOOPED,
    AttemptEnded("build", 2, Succeeded(usage=Usage(10, 20, 0.1), session="s1")),
    StepEnded("build", "succeeded", ""),
    AttemptStarted("review/a", 2, "rework", 1, "round 2 of 2"),
    AttemptStarted("review/b", 2, "rework", 1, "looks again after build"),
    AttemptEnded("review/a", 2, Succeeded("no", {"ok": False})),
    StepEnded("review/a", "failed", "`outputs.ok` is still false after 2 rounds (loop.max)",
              failure=FailureClass.NOT_CONVERGED),
    StepEnded("ship", "skipped", "review/a failed"),
    AttemptEnded("review/b", 2, Succeeded("no", {"ok": True})),
    StepEnded("review/b", "succeeded", ""),
    RunEnded("failed", "step_failed", {}, "1 failed: review/a"),
]  # fmt: skip

BUSY: list[Event] = [
    RunnerStarted("boot", 4711, 3),
    Cached({"lint": Hit("k1", "unchanged since it succeeded", origin=(9, 2))}),
    AttemptStarted("plan", 1, "first"),
    AttemptStarted("flaky", 1, "first"),
    AttemptEnded("flaky", 1, Failed(FailureClass.EXIT, "exit status 3", exit_code=3)),
    RetryScheduled("flaky", "retry", 60.0, "boot", 190.0, "attempt 2/3: exit status 3"),
    ProgressReported("plan", 1, 40.0, "reading"),
    AttemptEnded(
        "plan",
        1,
        Succeeded(
            text="two parts", usage=Usage(1200, 340, 0.0125), session="s1", artifacts=(Artifact("d", "D.md", "ab", 7),)
        ),
    ),
    StepEnded("plan", "succeeded", ""),
    StepEnded("docs", "skipped", "if: inputs.docs is false", own=True),
    AttemptStarted("build/api", 1, "first"),
    AttemptStarted("build/ui", 1, "first"),
    PhaseEnded("build/ui", 1, "agent", "verify.1", 7),
]
"""A run in the middle of things: one of every kind that does not need an end."""

FAILED: list[Event] = [
    *BUSY,
    AttemptEnded("build/ui", 1, Failed(FailureClass.VERIFY, "verify: exit status 1", exit_code=1), "verify.1", 8),
    RetryScheduled("build/ui", "retry", 0.0, "boot", 120.0, "attempt 2/2: verify: exit status 1", 1),
    AttemptStarted("build/ui", 2, "retry", 1, "attempt 2/2: verify: exit status 1"),
    AttemptEnded("build/ui", 2, Failed(FailureClass.VERIFY, "verify: exit status 1", exit_code=1), "verify.1", 9),
    StepEnded("build/ui", "failed", "verify: exit status 1 (all 2 attempts used)"),
    AttemptStarted("build/cli", 1, "first"),
    AttemptEnded("build/cli", 1, Succeeded(usage=Usage(10, 20)), note="src/a.py changed while it ran"),
    StepEnded("build/cli", "succeeded", ""),
    AttemptEnded("build/api", 1, Succeeded()),
    StepEnded("build/api", "succeeded", ""),
    StepEnded("test", "skipped", "build/ui failed"),
    AttemptStarted("clean", 1, "first"),
    AttemptEnded("clean", 1, Succeeded()),
    StepEnded("clean", "succeeded", ""),
    BackoffEnded("flaky"),
    AttemptStarted("flaky", 2, "retry", None, "attempt 2/3: exit status 3"),
    AttemptEnded("flaky", 2, Succeeded()),
    StepEnded("flaky", "succeeded", ""),
    RunEnded("failed", "step_failed", {}, "1 failed: build/ui"),
]

INTERRUPTED: list[Event] = [
    *BUSY,
    StopRequested("SIGINT", "interrupted by SIGINT"),
    AttemptStopping("build/api", 1, "interrupt"),
    AttemptStopping("build/ui", 1, "interrupt"),
    AttemptEnded("build/ui", 1, Stopped("interrupt", signal=15)),
    StepWaiting("build/ui", "pause", "interrupt", "interrupted (SIGINT)"),
    AttemptEnded("build/api", 1, Stopped("interrupt", signal=15)),
    StepWaiting("build/api", "pause", "interrupt", "interrupted (SIGINT)"),
    RunEnded("interrupted", "interrupted", {}, "interrupted by SIGINT"),
]


def asking_plan() -> Plan:
    question = Ask(("staging", "to production"), "staging")
    return make_plan(
        [
            make_step("build"),
            make_step("gate", needs=["build"], kind="ask", engine="ask", prompt="Ship it?", ask=Ask()),
            make_step("where", kind="ask", engine="ask", prompt="Where to?", ask=question, timeout=3600.0),
            make_step("who", kind="ask", engine="ask", prompt="Who?", ask=Ask(("you", "me")), timeout=60.0),
            make_step("no", kind="ask", engine="ask", prompt="Yes?", ask=Ask(), continue_on_error=True),
            make_step("ship", needs=["gate", "where"]),
        ]
    )


ASKED: list[Event] = [
    RunnerStarted("boot", 4711, 3),
    AttemptStarted("build", 1, "first"),
    QuestionAsked(
        "where", "question", "Where to?\n\nThere is no way back.", ("staging", "to production"), "staging",
        "boot", 3700.0, BEGIN + 3600.0,
    ),
    QuestionAsked("who", "question", "Who?", ("you", "me"), None, "boot", 160.0, BEGIN + 60.0),
    QuestionAsked("no", "approval", "Yes?"),
    QuestionAnswered(3, "reject", "ana@box", "never\nand not then"),
    StepEnded("no", "failed", "rejected by ana@box: never …"),
    AttemptEnded("build", 1, Succeeded()),
    StepEnded("build", "succeeded", ""),
    QuestionAsked("gate", "approval", "Ship it?"),
    QuestionAnswered(2, None, "timeout"),
    StepEnded("who", "failed", "nobody answered in time"),
]  # fmt: skip
"""Of four questions two are open."""

NOBODY: list[Event] = [*ASKED, RunEnded("waiting", "needs_person", {}, "2 questions are open: where, gate")]
ANSWERED: list[Event] = [*NOBODY, QuestionAnswered(4, "approve", "ana@box", "after lunch")]
"""While nobody works on the run."""

ADMITTED: list[Event] = [
    RunnerStarted("boot", 1, 1),
    Admitted("lint", "k2", "reads: src/a.py changed"),
    AttemptStarted("lint", 1, "first"),
    AttemptEnded("lint", 1, Succeeded()),
    StepEnded("lint", "succeeded", ""),
]

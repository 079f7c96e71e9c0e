"""Any plan, any outcomes, any order: the run ends, limits hold, and the log tells the whole story."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.core.codec import dump_event, event_kind, load_event
from teamflow.core.events import (
    Admitted,
    AttemptEnded,
    AttemptStarted,
    Cached,
    Event,
    Hit,
    Now,
    Record,
    Reopened,
    RunEnded,
    RunnerStarted,
    StepEnded,
)
from teamflow.core.fold import apply, fold, initial
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded
from teamflow.core.plan import Ask, Json, Limits, Plan, Retry
from teamflow.core.requested import CancelRequested, StopRequested
from teamflow.core.state import RunState
from teamflow.core.status import ENDED, Status
from teamflow.plan.converge import reopen
from teamflow.policy.answering import Given
from teamflow.policy.decide import decide
from teamflow.policy.granting import Asker
from teamflow.policy.requests import answer_args, granted
from tests.fakes.plans import make_plan, make_step
from tests.property.reference import holds, left_behind, slow_decide, span

ENGINES = ["command", "scripted"]
KINDS = ["command", "prompt", "ask"]
ASKS = st.sampled_from([Ask(), Ask(("a", "b")), Ask(("a", "b"), "b")])


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    count = draw(st.integers(1, 9))
    steps = []
    for number in range(count):
        needs = draw(
            st.dictionaries(
                st.sampled_from([s.id for s in steps]) if steps else st.nothing(),
                st.sampled_from(["succeeded", "succeeded", "failed", "finished", "passed"]),
                max_size=3,
            )
            if steps
            else st.just({})
        )
        kind = draw(st.sampled_from(KINDS))
        ask = draw(ASKS) if kind == "ask" else None
        steps.append(
            make_step(
                f"s{number}",
                needs=needs,
                engine="person" if ask else draw(st.sampled_from(ENGINES)),
                kind=kind,
                ask=ask,
                timeout=draw(st.sampled_from([None, 1.0, 20.0])) if ask else None,
                retry=Retry(draw(st.integers(1, 3)), "exponential", 1.0, 8.0),
                cache=ask is None and draw(st.booleans()) and draw(st.booleans()),
                skip=draw(st.sampled_from([None, None, None, "if: false"])),
                continue_on_error=draw(st.booleans()) and draw(st.booleans()),
                escalates=ask is None and draw(st.integers(0, 3)) == 3,
            )
        )
    engines = draw(st.dictionaries(st.sampled_from(ENGINES), st.integers(1, 2), max_size=2))
    return make_plan(steps, limits=Limits(engines=engines))


def essence(event: Event) -> str:
    """What two ways of deciding must agree in: not the words of some failures, not digests."""
    if isinstance(event, StepEnded) and event.failure is not None:
        event = event._replace(reason="", failure=FailureClass(event.failure))
    return repr(event._replace(made="") if isinstance(event, Reopened) else event)


@dataclass
class World:
    """A run without processes: a clock that jumps, attempts that end as the test draws."""

    plan: Plan
    parallel: int
    fail_fast: bool
    no_input: bool = False
    boot: str = "boot"
    wall: float = 1100.0
    state: RunState = field(init=False)
    records: list[Record] = field(default_factory=list)
    mono: float = 100.0
    changed: list[str] = field(default_factory=list)
    wake_at: float | None = None
    starts: list[tuple[str, int]] = field(default_factory=list)
    probes: list[str] = field(default_factory=list)
    nonsense: int = 0
    rounds: dict[str, list[object]] = field(default_factory=dict)
    """Step with a loop → what its rounds have left behind."""

    def __post_init__(self) -> None:
        self.state = initial(self.plan)
        self.record(RunnerStarted(self.boot, 1, self.parallel, self.fail_fast, no_input=self.no_input))

    @property
    def now(self) -> Now:
        return Now(self.boot, self.mono, self.wall)

    def pass_time(self, seconds: float) -> None:
        self.mono += seconds
        self.wall += seconds

    def restart(self, *, reboot: bool) -> None:
        """Another runner goes on: what the log says is all that it knows."""
        again = fold(self.plan, self.records)
        assert snapshot(again) == snapshot(self.state)
        self.state, self.changed, self.probes = again, [], []
        if reboot:
            self.boot, self.mono = f"{self.boot}'", 5.0
        before = [(q.number, q.open, q.answer, q.by) for q in again.questions]
        self.record(RunnerStarted(self.boot, 2, self.parallel, self.fail_fast, resumed=True, no_input=self.no_input))
        assert before == [(q.number, q.open, q.answer, q.by) for q in self.state.questions]
        for event in reopen(self.state, self.plan, {}).events():
            self.record(event)

    def record(self, event: Event) -> None:
        record = Record(len(self.records) + 1, self.wall, self.mono, event)
        self.records.append(record)
        if isinstance(event, AttemptStarted):
            self.starts.append((event.step, event.attempt))
            on = [(edge, self.state.steps[edge.on]) for edge in self.state.steps[event.step].step.edges]
            assert all(known.status in ENDED and holds(edge, known) for edge, known in on), "started too early"
        if isinstance(event, Reopened):
            self.count_round(event)
        self.changed.extend(apply(self.state, record))

    def count_round(self, event: Reopened) -> None:
        for step_id in event.steps:
            if event.cause == "rework" and step_id == event.by:
                targets, _ = span(self.state, step_id)
                if set(targets) & set(event.steps):
                    self.rounds.setdefault(step_id, []).append(left_behind(self.state, step_id))
            elif event.cause != "resume":
                self.rounds.pop(step_id, None)

    def settle(self) -> None:
        for _ in range(1000):
            changed, self.changed = list(dict.fromkeys(self.changed)), []
            now = self.now
            decision = decide(self.state, changed, now)
            full = decide(self.state, list(self.state.steps), now)
            assert sorted(map(repr, decision.events)) == sorted(map(repr, full.events)), "incremental is not full"
            slow = slow_decide(self.state, now, self.rounds)
            assert sorted(map(essence, decision.events)) == sorted(map(essence, slow)), "the reference disagrees"
            self.probes.extend(p for p in full.probes if p not in self.probes)
            self.wake_at = decision.wake_at
            self.changed.extend(decision.left)
            if not decision.events:
                return
            for event in decision.events:
                self.record(event)
            assert len(self.state.running) <= self.parallel
            assert not any(self.state.steps[s].step.kind == "ask" for s in self.state.running)
            self.check_questions()
            for engine, limit in self.plan.limits.engines.items():
                assert sum(self.state.steps[s].step.engine == engine for s in self.state.running) <= limit
        raise AssertionError("deciding does not come to rest")

    def check_questions(self) -> None:
        """Each open question is its step's newest, of a step that waits for it, about what has ended."""
        assert sorted(self.state.unanswered) == [q.number for q in self.state.questions if q.open]
        for number, question in self.state.unanswered.items():
            known = self.state.steps[question.step]
            assert (known.question, known.status, known.live is not None) == (number, Status.WAITING, question.own)
        for number, question in self.state.answers.items():
            known = self.state.steps[question.step]
            assert (known.question, known.status, known.waiting_on) == (number, Status.WAITING, "person")
        for known in self.state.steps.values():
            if known.step.kind == "ask":
                outcomes = [a.outcome for a in known.attempts]
                assert None not in outcomes[:-1], "an attempt was left open"
                mine = [q for q in self.state.questions if q.step == known.step.id]
                assert len(mine) == len(outcomes)

    @property
    def looped(self) -> bool:
        return any(step.loop is not None for step in self.plan.steps)

    @property
    def running(self) -> list[str]:
        return sorted(self.state.running)


FAILURES = [
    FailureClass.EXIT,
    FailureClass.VERIFY,
    FailureClass.OUTPUT,
    FailureClass.TRANSIENT,
    FailureClass.LOST,
    FailureClass.FATAL,
    FailureClass.TIMEOUT,
]


def end_one(world: World, data: st.DataObject) -> None:
    step_id = data.draw(st.sampled_from(world.running))
    live = world.state.steps[step_id].live
    assert live is not None
    if live.stopping is not None and data.draw(st.booleans()):
        outcome: Succeeded | Failed | Stopped = Stopped(live.stopping)
    else:
        likely = [None] * (60 if world.looped else 2)
        failure = data.draw(st.sampled_from([*likely, *FAILURES]))
        outcome = success(world, step_id, data) if failure is None else Failed(failure, f"{failure} here", exit_code=1)
    tree = data.draw(st.sampled_from(TREES)) if isinstance(outcome, Succeeded) and world.looped else ""
    world.record(AttemptEnded(step_id, live.number, outcome, tree=tree))


TREES = ["t1", "t1", "t2", ""]


def success(world: World, step_id: str, data: st.DataObject) -> Succeeded:
    if not world.looped:
        return Succeeded()
    verdicts: list[dict[str, Json]] = [*[{"ok": False}] * 12, *[{"ok": True}] * 4, {"ok": 3}, {}]
    outputs = data.draw(st.sampled_from(verdicts)) if world.state.steps[step_id].step.loop is not None else None
    return Succeeded(data.draw(st.sampled_from(["go", "go", "no"])), outputs)


def answer_probe(world: World, data: st.DataObject) -> None:
    step_id = world.probes.pop(0)
    if world.state.steps[step_id].status is not Status.QUEUED or world.state.steps[step_id].admitted:
        return
    if data.draw(st.booleans()) and not world.state.steps[step_id].reworking:
        world.record(Cached({step_id: Hit("key", "unchanged")}))
    else:
        world.record(Admitted(step_id, "key", "never ran"))


def answer_one(world: World, data: st.DataObject) -> None:
    """As another process would: by a request, which is nonsense now and then."""
    nonsense = world.nonsense < 5 and data.draw(st.integers(0, 2)) == 0
    numbers = range(1, len(world.state.questions) + 2) if nonsense else sorted(world.state.unanswered)
    number = data.draw(st.sampled_from(numbers))
    fits = ["answer"] if not nonsense and world.state.questions[number - 1].options else ["approve", "reject"]
    verb = data.draw(st.sampled_from([*fits, "answer"] if nonsense else fits))
    options = [] if nonsense else world.state.questions[number - 1].options
    text = data.draw(st.sampled_from(["a", "b", "c", "fail"] if nonsense else [*options] or ["a"]))
    given = Given(number, verb, text, data.draw(st.sampled_from(["", "why"])))
    was_open = number in world.state.unanswered
    world.nonsense += nonsense
    found = granted(world.state, "answer", answer_args(given), Asker("ana", 1, world.now))
    if isinstance(found, str):
        # The clock may have moved past its deadline: that is seen before the runner wakes.
        assert nonsense or world.state.deadlines
        return
    assert was_open
    for event in found.events:
        world.record(event)
    assert isinstance(granted(world.state, "answer", answer_args(given), Asker("bob", 1, world.now)), str), "once"


def drive(world: World, data: st.DataObject, *, meddle: bool, turns: int = 400, finish: bool = True) -> None:
    """To the end of the run, which comes within so many turns; or, without `finish`, so many turns at most."""
    meddled = 0
    for _ in range(turns):
        world.settle()
        if world.state.ended is not None:
            return
        if meddle and meddled < 3 and data.draw(st.integers(0, 40 if world.looped else 4)) == 4:
            meddled += 1
            open_steps = sorted(world.state.open)
            if open_steps and data.draw(st.booleans()):
                world.record(CancelRequested((data.draw(st.sampled_from(open_steps)),), "user"))
            elif data.draw(st.booleans()):
                world.record(CancelRequested(None, "user"))
            elif world.state.stop is None:
                world.record(StopRequested("SIGINT", "Ctrl-C"))
            continue
        if meddle and data.draw(st.integers(0, 9)) == 9:
            world.restart(reboot=data.draw(st.booleans()))
            continue
        world.pass_time(data.draw(st.sampled_from([0.0, 0.5, 3.0])))
        if world.state.unanswered and (not world.running or data.draw(st.booleans())):
            answer_one(world, data)
            continue
        if world.probes and (not world.running or data.draw(st.booleans())):
            answer_probe(world, data)
        elif world.running:
            end_one(world, data)
        else:
            assert world.wake_at is not None, "nothing runs, nothing will wake, and the run has not ended"
            world.pass_time(max(0.0, world.wake_at - world.mono))
    assert not finish, "the run does not end"


def snapshot(state: RunState) -> object:
    return (
        state.seq,
        state.ended,
        sorted(state.open),
        sorted(state.running),
        state.failures,
        [
            (s, k.status, k.reason, k.blockers, k.broken, k.admitted, k.next_cause, k.next_continues, k.key)
            + (k.round, k.made, k.feedback, k.failure, k.counted_from, k.pause, k.relaunch, k.heard)
            + tuple((a.number, a.cause, a.outcome, a.stopping, a.frozen_at, a.told_from) for a in k.attempts)
            for s, k in state.steps.items()
        ],
        {engine: sorted(s for s in state.steps if s in queue) for engine, queue in state.ready.items() if len(queue)},
        sorted(s for s in state.steps if s in state.asks),
        [(q.number, q.step, q.text, q.mono, q.boot, q.answered, q.answer, q.by, q.withdrawn) for q in state.questions],
        sorted(state.unanswered),
        (state.paused, sorted(state.held), sorted(state.frozen), state.changes, round(state.active, 6)),
    )


@settings(deadline=None, max_examples=120)
@given(
    plan=plans(),
    parallel=st.integers(1, 4),
    fail_fast=st.booleans(),
    no_input=st.booleans(),
    meddle=st.booleans(),
    data=st.data(),
)
def test_every_run_ends_within_its_limits_and_replays(
    plan: Plan, parallel: int, fail_fast: bool, no_input: bool, meddle: bool, data: st.DataObject
) -> None:
    world = World(plan, parallel, fail_fast, no_input)
    drive(world, data, meddle=meddle)
    assert len(set(world.starts)) == len(world.starts), "a step started twice for one attempt"
    ended = world.state.ended
    assert isinstance(ended, RunEnded)
    if ended.status in ("succeeded", "failed"):
        assert all(known.status in ENDED for known in world.state.steps.values())
    if ended.status == "waiting" or not meddle:
        assert (ended.status == "waiting") == bool(world.state.unanswered)
    if world.state.unanswered:
        assert no_input or ended.status == "interrupted"
    for known in world.state.steps.values():
        assert known.live is None or known.question in world.state.unanswered
        counted = [a.outcome for a in known.attempts[known.counted_from :] if isinstance(a.outcome, Failed)]
        exits = [outcome for outcome in counted if outcome.failure is FailureClass.EXIT]
        assert len(exits) <= known.step.retry.attempts
    assert snapshot(fold(plan, world.records)) == snapshot(world.state)
    through_json = [r._replace(event=load_event(event_kind(r.event), dump_event(r.event))) for r in world.records]
    assert [r.event for r in through_json] == [r.event for r in world.records]


@settings(deadline=None, max_examples=50)
@given(plan=plans(), data=st.data())
def test_an_interrupted_run_goes_on_to_an_end(plan: Plan, data: st.DataObject) -> None:
    world = World(plan, 2, fail_fast=False)
    drive(world, data, meddle=True)
    before = world.state.ended
    assert before is not None
    if before.status != "interrupted":
        return
    asked = list(world.state.unanswered)
    world.restart(reboot=data.draw(st.booleans()))
    assert set(asked) >= set(world.state.unanswered)
    drive(world, data, meddle=False)
    assert world.state.ended is not None
    assert world.state.ended.status in ("succeeded", "failed", "cancelled")
    assert snapshot(fold(plan, world.records)) == snapshot(world.state)

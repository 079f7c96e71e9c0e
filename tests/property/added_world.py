"""Teams whose matrices only a run can tell, and a run of them without processes: attempts end as a test draws.

What an attempt comes to is what it saw: its values and what its dependencies handed over. So whether a step has the
result that belongs to what is there now can be worked out from the end alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random

from teamflow.core.added import effective
from teamflow.core.events import (
    Admitted,
    AttemptEnded,
    AttemptStarted,
    AttemptStopping,
    Cached,
    Event,
    Hit,
    Now,
    PlanRevised,
    Record,
    Reopened,
    RunnerStarted,
    StepEnded,
)
from teamflow.core.fold import apply, fold, initial
from teamflow.core.ids import hashed_instance
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded
from teamflow.core.plan import Json, Plan
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status
from teamflow.plan.converge import reopen
from teamflow.plan.diff import compare
from teamflow.plan.ripple import rippled
from teamflow.policy.decide import Decision, decide
from teamflow.policy.stale import REDEFINED
from teamflow.run.followers import Followers
from tests.fakes.teams import plan_of, try_plan
from tests.property.reference import slow_decide

GOOD = (Status.SUCCEEDED, Status.CACHED)

SCALARS: Sequence[Json] = (
    *(
        "a",
        "b",
        "c",
        "A",
        "1",
        "x.lock",
        "..",
        "",
        "?",
        "a/b",
        "-x",
        "über",
        "n" * 300,
        "\ud800",
        "e\u0301",
        "a,b",
        "x\n",
    ),
    *(-2, 0, 1, 3, True, False, None, 1.5, 1e300, -0.0),
)


def some_list(chance: Random, *, odd: bool = False) -> Json:
    """A list; most differ little from each other, as those of one agent do. `odd`: also what is none."""
    if odd and chance.random() < 0.1:
        return chance.choice(["text", 3, None, {"a": 1}, True])
    if chance.random() < 0.75:
        return [{"id": name, "v": chance.randrange(3)} for name in chance.sample("abcd", chance.randrange(5))]
    return [_entry(chance) for _ in range(chance.randrange(5))]


def _entry(chance: Random) -> Json:
    match chance.randrange(5):
        case 0:
            return {"id": chance.choice(SCALARS), "v": chance.randrange(3)}
        case 1:
            return {"v": chance.randrange(2)}
        case 2:
            return [chance.randrange(2) for _ in range(chance.randrange(3))]
        case _:
            return chance.choice(SCALARS)


def some_team(chance: Random) -> str:
    """A team: a producer of a list, a matrix over it, pairs with that, and steps after all of them."""

    def maybe(text: str) -> str:
        return chance.choice(["", text])

    def cached() -> str:
        return maybe(", cache: true")

    when = chance.choice(["succeeded", "succeeded", "finished", "passed", "failed"])
    writes = ', writes: ["w/{{ matrix.task.v }}/**"]'
    last = "deploy" if chance.random() < 0.6 else "test"
    failures = chance.choice(["", ", max_failures: 1", ", max_failures: 2"])
    condition = chance.choice(["", "", ", if: 'agents.plan.outputs.tasks != []'", ", if: matrix.task != 'a'"])
    lines = [
        f"  plan: {{command: p, outputs: {{tasks: {{}}}}{cached()}, retry: {{attempts: 2}}}}",
        f"  lint: {{command: l{maybe(', writes: [w/1/x]')}}}",
        f'  build: {{command: [b, "{{{{ matrix.task }}}}"], matrix: {{task: agents.plan.outputs.tasks}}{cached()}'
        f"{failures}{condition}{maybe(', depends_on: [lint]')}{maybe(', retry: {attempts: 2, delay: 1s}')}"
        f"{maybe(writes)}}}",
        f'  test: {{command: [t, "{{{{ matrix.task }}}}", "{{{{ agents.build.text }}}}"], matrix: build{cached()}'
        f"{maybe(', depends_on: {build: finished}')}{maybe(writes)}}}",
        f'  all: {{command: [a, "{{{{ agents.build.instances }}}}"], depends_on: {{build: {when}}}{cached()}}}',
        f"  last: {{command: x, depends_on: {{all: passed, {last}: {chance.choice(['succeeded', 'finished'])}}}}}",
    ]
    if last == "deploy":
        lines.append(f"  deploy: {{command: d, matrix: test, depends_on: [lint]{cached()}}}")
    if chance.random() < 0.5:
        each = '  each: {command: [e, "{{ matrix.item }}"], matrix: agents.build.instances | list'
        lines.append(f"{each}{maybe(', writes: [w/2/**]')}}}")
    if chance.random() < 0.5:
        lines.append('  whole: {command: [w, "{{ agents.build.instances | length }}"], matrix: build}')
    steps = "limits: {max_steps: 5}\n" if chance.random() < 0.25 else ""
    return f"{steps}agents:\n" + "\n".join(lines) + "\n"


EDITS: Sequence[tuple[str, str]] = (
    ("command: [b,", "command: [b2,"),
    ("command: [t,", "command: [t2,"),
    ("agents.plan.outputs.tasks}", "'agents.plan.outputs.tasks[:1]'}"),
    ("agents.plan.outputs.tasks}", "[{id: a, v: 1}, {id: z, v: 2}]}"),
    ("lint: {command: l", "lint: {command: l2"),
    ("deploy: {command: d, matrix: test", "deploy: {command: d, matrix: build"),
    ("cache: true}", "cache: false}"),
    ("max_steps: 5}", "max_steps: 9}"),
)


def edited(team: str, chance: Random) -> str:
    """The team after somebody has edited it, or taken an edit back."""
    old, new = chance.choice(EDITS)
    after = team.replace(new, old) if new in team else team.replace(old, new)
    # Of a list that stands in the file it is seen beforehand that two write the same.
    return after if try_plan(after)[0] is not None else team


@lru_cache(maxsize=512)
def planned(team: str, version: int) -> Plan:
    return plan_of(team.replace("command: p,", f"command: p{version},"))


@dataclass
class World:
    """`listed`: what the producer gives from now on; with `version` it is the whole of its definition."""

    team: str
    listed: Json
    parallel: int = 2
    yes: bool = False
    version: int = 0
    state: RunState = field(init=False)
    records: list[Record] = field(default_factory=list)
    plans: dict[int, Plan] = field(default_factory=dict)
    mono: float = 100.0
    changed: list[str] = field(default_factory=list)
    probes: list[str] = field(default_factory=list)
    kept: dict[str, Succeeded] = field(default_factory=dict)
    """The cache: key → result."""
    seen: dict[tuple[str, int], tuple[str, Json]] = field(default_factory=dict)
    """What an attempt saw when it began, and the list that it will give."""
    wake_at: float | None = None
    inseparable: list[tuple[int, int]] = field(default_factory=list)
    """(from, to): records that come to the disk together or not at all."""

    def __post_init__(self) -> None:
        self.plans[1] = self.plan_now()
        self.state = initial(self.plans[1])
        self.followers = Followers(self.state)
        self.record(RunnerStarted("boot", 1, self.parallel, yes=self.yes))

    def plan_now(self) -> Plan:
        return planned(self.team, self.version)

    @property
    def now(self) -> Now:
        return Now("boot", self.mono, 1000.0 + self.mono)

    @property
    def running(self) -> list[str]:
        return sorted(self.state.running)

    def record(self, event: Event) -> None:
        record = Record(len(self.records) + 1, 1000.0 + self.mono, self.mono, event)
        self.records.append(record)
        self.changed.extend(apply(self.state, record, plans=self.plans))
        if isinstance(event, AttemptStarted):
            known = self.state.steps[event.step]
            self.seen[event.step, event.attempt] = (what_is_seen(self.state, known), self.listed)

    # -- deciding, as the executor does --------------------------------------------------------------------------

    def settle(self) -> None:
        for _ in range(2000):
            # In an order that does not depend on the hashes of this process: a seed repeats a story.
            changed, self.changed = sorted(set(self.changed)), []
            decision = decide(self.state, changed, self.now)
            full = decide(self.state, list(self.state.steps), self.now)
            assert sorted(map(repr, decision.events)) == sorted(map(repr, full.events)), "incremental is not full"
            slow = slow_decide(self.state, self.now)
            assert sorted(map(repr, decision.events)) == sorted(map(repr, slow)), "the reference disagrees"
            self.probes = list(full.probes)
            self.wake_at = decision.wake_at
            if not self._takes(decision):
                return
            assert len(self.state.running) <= self.parallel
        raise AssertionError("deciding does not come to rest")

    def _takes(self, decision: Decision) -> bool:
        """Records what was decided; whether there was anything."""
        self.changed.extend(decision.left)
        if decision.follow is not None:
            self.followers.expect(decision.follow.ripple, decision.follow.later)
        for event in decision.events:
            self._decided(event)
        return bool(decision.events)

    def _decided(self, event: Event) -> None:
        if isinstance(event, StepEnded):
            for follow in self.followers.of_run(event):
                self.record(follow)
        self.record(event)
        if isinstance(event, StepEnded):
            for follow in self.followers.of_end(event.step):
                self.record(follow)

    # -- what the world does -------------------------------------------------------------------------------------

    def end(self, step_id: str, failure: FailureClass | None, *, stopped: bool) -> None:
        known = self.state.steps[step_id]
        live = known.live
        assert live is not None
        saw, listed = self.seen[step_id, live.number]
        outcome: Succeeded | Failed | Stopped
        if live.stopping is not None and stopped:
            outcome = Stopped(live.stopping)
        elif failure is not None:
            outcome = Failed(failure, f"{failure} here", exit_code=1)
        else:
            outcome = Succeeded(saw, outputs={"tasks": listed} if step_id == "plan" else None)
            if known.step.cache:
                self.kept[saw] = outcome
        self.record(AttemptEnded(step_id, live.number, outcome))

    def look_up(self) -> None:
        step_id = self.probes.pop(0)
        known = self.state.steps[step_id]
        saw = what_is_seen(self.state, known)
        found = self.kept.get(saw)
        if found is None:
            self.record(Admitted(step_id, saw, "never ran"))
        else:
            cached = Cached({step_id: Hit(saw, "unchanged", found.text, found.outputs)})
            for follow in self.followers.of_found(cached):
                self.record(follow)
            self.record(cached)

    def list_again(self, listed: Json) -> None:
        """The team file is saved: another producer."""
        self.listed = listed
        self.version += 1
        self.saved()

    def saved(self) -> None:
        """What a watch does about a team file that was saved."""
        plan = self.plan_now()
        whole = effective(plan, self.state.added)
        begun = len(self.records)
        redefined = {s: c.reason for s, c in compare(self.state.plan, whole).items() if c.kind == "redefined"}
        out = rippled(self.state, whole, redefined=redefined, touched={})
        self.revise(plan)
        if out.reopen:
            self.record(Reopened(tuple(out.reopen), "revision", dict(out.reopen)))
        for step_id in out.stop:
            self.stop_for_redefinition(step_id)
        self.followers.expect(out.ripple, out.later)
        self.inseparable.append((begun, len(self.records)))

    def stop_for_redefinition(self, step_id: str) -> None:
        live = self.state.steps[step_id].live
        if live is not None and live.stopping is None:
            self.record(AttemptStopping(step_id, live.number, REDEFINED))

    def revise(self, plan: Plan) -> None:
        revision = max(self.plans) + 1
        self.plans[revision] = plan
        self.record(PlanRevised(revision, "the team file has changed"))

    def restart(self, *, at: int, listed: Json = None, again: bool = False) -> None:
        """Another runner goes on from record `at`; what ran then still does. `again`: there is another producer."""
        for begun, ended in self.inseparable:
            at = begun if begun < at < ended else at
        del self.records[at:]
        self.inseparable = [pair for pair in self.inseparable if pair[1] <= at]
        self.state = fold(self.plans[1], self.records, plans=self.plans)
        last = self.state.revision
        self.plans = {number: plan for number, plan in self.plans.items() if number <= last}
        self.followers = Followers(self.state)
        self.changed = []
        self.record(RunnerStarted("boot", 2, self.parallel, resumed=True, yes=self.yes))
        self.settle_without_starts()
        if again:
            self.listed = listed
            self.version += 1
        plan = self.plan_now()
        begun = len(self.records)
        before = effective(self.plans[last], self.state.added)
        changes = compare(before, effective(plan, self.state.added))
        if plan.digest != self.plans[last].digest:
            self.revise(plan)
        converged = reopen(self.state, self.state.plan, changes)
        for event in converged.events():
            self.record(event)
        for step_id in converged.stop:
            self.stop_for_redefinition(step_id)
        self.followers.expect(converged.ripple, converged.later)
        self.inseparable.append((begun, len(self.records)))

    def settle_without_starts(self) -> None:
        """What the log lacks is decided again before anything else."""
        for _ in range(2000):
            changed, self.changed = sorted(set(self.changed)), []
            if not self._takes(decide(self.state, changed, self.now, may_start=False)):
                return
        raise AssertionError("deciding does not come to rest")


# -- what must be ------------------------------------------------------------------------------------------------


def what_is_seen(state: RunState, known: StepState) -> str:
    """All that the result of a step depends on, as one text."""
    step = known.step
    handed = {}
    for edge in step.counted_edges:
        on = state.steps[edge.on]
        if on.step.expansion is None:
            handed[edge.on] = (on.status in GOOD, on.text if on.status in GOOD and on.step.text_used else None)
    command = [str(word) for word in step.command.argv] if step.command is not None else []
    shell = step.command.shell if step.command is not None else None
    values = json.dumps([step.id, shell, command, step.matrix, sorted(handed.items())], sort_keys=True)
    return hashed_instance(values) + hashed_instance(values[::-1])


def outdated(state: RunState) -> list[str]:
    """Steps that are done, after others that are all done, but with another result than belongs to what is there."""
    sure: set[str] = set()
    wrong = []
    for step in state.plan.steps:
        known = state.steps[step.id]
        settled = all(edge.on in sure for edge in step.counted_edges)
        if step.expansion is not None:
            if settled and known.status is Status.SUCCEEDED:
                sure.add(step.id)
        elif settled and known.status in (*GOOD, Status.SKIPPED):
            sure.add(step.id)
            if known.status in GOOD and known.text != what_is_seen(state, known):
                wrong.append(step.id)
    return wrong


def ids_of(listed: Json) -> list[str] | None:
    """Which instances a list gives, by the words of `docs/team-file.md`; None where it gives none at all."""
    if not isinstance(listed, list):
        return None
    words = [_word(value) for value in listed]
    alone = [
        sum(1 for other in words if other is not None and word == other.casefold()) == 1 for word in map(_fold, words)
    ]
    found = []
    for value, word, unique in zip(listed, words, alone, strict=True):
        plain = word is not None and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", word) is not None
        fits = plain and ".." not in word and not word.endswith((".", ".lock")) and "\n" not in word
        text = word if word is not None else json.dumps(value, sort_keys=True, separators=(",", ":"))
        found.append(word if fits and unique and word is not None else hashed_instance(text))
    folded = [name.casefold() for name in found]
    return found if len(set(folded)) == len(folded) else None


def _fold(word: str | None) -> str | None:
    return None if word is None else word.casefold()


def _word(value: Json) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("id")
        if value is None:
            return None
    if isinstance(value, (Mapping, list)):
        return None
    return value if isinstance(value, str) else json.dumps(value)


def instances_of(state: RunState, agent: str) -> list[str]:
    return [step.id.partition("/")[2] for step in state.plan.steps if step.agent == agent and step.parent is not None]


def snapshot(state: RunState) -> object:
    return (
        state.seq,
        state.ended,
        sorted(state.open),
        sorted(state.running),
        sorted(state.failures),
        state.added,
        sorted(state.removed),
        [(step.id, step.edges, step.key, step.matrix, step.refers) for step in state.plan.steps],
        [_known(name, known) for name, known in state.steps.items()],
        {engine: sorted(s for s in state.steps if s in queue) for engine, queue in state.ready.items() if len(queue)},
        {agent: list(steps) for agent, steps in state.siblings.items()},
        [(q.number, q.step, q.about, q.text, q.open) for q in state.questions],
    )


def _known(name: str, known: StepState) -> Sequence[object]:
    attempts: Iterator[object] = ((a.number, a.cause, a.outcome, a.stopping) for a in known.attempts)
    return (
        (name, known.status, known.reason, known.blockers, known.broken, known.admitted, known.next_cause, known.key)
        + (known.stale, known.cancelled_by, known.opened, known.closed, known.counted_from)
        + tuple(attempts)
    )

"""Rounds of comparing worktrees, over a fake of the workspaces: when, what is recorded, and who is held back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from teamflow.core.events import AttemptEnded, AttemptStarted, Event, Now, Record, RunEnded, StepEnded
from teamflow.core.outcome import Failed, FailureClass, Succeeded
from teamflow.core.overlapping import HARD, SOFT, Overlap, OverlapsSeen
from teamflow.core.plan import APART, Limits, Step
from teamflow.core.requested import PauseRequested, ResumeRequested
from teamflow.core.work import Left, Ready, WorkspaceReady
from teamflow.policy.colliding import standing
from teamflow.ports import Workspaces
from teamflow.run.overlapping import Overlapping
from teamflow.views.header import RunHeader
from teamflow.views.overlaps import conflict_words, overlap_lines, overlaps_object
from teamflow.views.plain import PlainPrinter
from teamflow.views.text import status_text
from tests.fakes.plans import make_plan, make_step
from tests.fakes.runs import Run


class Trees:
    """What lies where: path of a workspace → file → content. Commits are named by what they hold."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, str] | None] = {}
        self.clashes: set[str] = set()
        """Files that conflict when two have changed them."""
        self.merged = 0
        self.breaks = False

    def look(self, ready: Ready) -> tuple[str, Mapping[str, str]] | None:
        if self.breaks:
            raise RuntimeError("broken")
        found = self.files[ready.path]
        return None if found is None else (repr(sorted(found.items())), dict(found))

    def differs(self, left: Left) -> Mapping[str, str] | None:
        return {} if left.commit == "gone" else dict(re.findall(r"(\w+)=(\w+)", left.commit))

    def conflicts(self, first: str, second: str) -> tuple[str, ...] | None:
        self.merged += 1
        return tuple(sorted(path for path in self.clashes if path in first and path in second))


class World:
    def __init__(self, *steps: Step, on_overlap: str = "warn") -> None:
        plan = make_plan(steps)
        self.run = Run(plan._replace(limits=Limits(on_overlap=on_overlap)))
        self.state = self.run.state
        self.trees = Trees()
        self.told: list[str] = []
        self.taken: list[Event] = []
        self.over = False
        self.one = self.comparing()

    def comparing(self, **more: object) -> Overlapping:
        return Overlapping(
            self.state,
            workspaces=lambda: cast("Workspaces", self.trees),
            take=self.take,
            over=lambda: self.over,
            warn=self.told.append,
            **more,  # type: ignore[arg-type]
        )

    def take(self, events: Iterable[Event]) -> None:
        found = list(events)
        self.taken += found
        self.run.record(*found)

    def start(self, *names: str) -> None:
        for name in names:
            number = len(self.state.steps[name].attempts) + 1
            self.trees.files[f"/w/{name}"] = {}
            self.run.record(AttemptStarted(name, number, "first"))
            self.run.record(WorkspaceReady(name, number, Ready(f"/w/{name}", "base", f"b/{name}")))

    def end(self, name: str, commit: str | None) -> None:
        """`commit` None: it fails."""
        number = len(self.state.steps[name].attempts)
        left = Left(commit, "base") if commit is not None else None
        good = Succeeded("", left=left) if left is not None else Failed(FailureClass.EXIT, "exited 1")
        self.run.record(AttemptEnded(name, number, good), StepEnded(name, "succeeded" if left else "failed", ""))

    def write(self, name: str, **files: str) -> None:
        known = self.trees.files[f"/w/{name}"]
        assert known is not None
        known.update(files)

    def look(self, one: Overlapping | None = None) -> tuple[Overlap, ...]:
        asyncio.run((one or self.one).round())
        return self.state.overlaps


def editor(name: str, **more: object) -> Step:
    return make_step(name, workspace="worktree", kind="prompt", **more)  # type: ignore[arg-type]


def both(first: str, second: str, kind: str = SOFT, *paths: str) -> Overlap:
    return Overlap(first, second, kind, paths or ("x",))


def test_what_meets_is_recorded_once_and_again_when_it_changes() -> None:
    world = World(editor("api"), editor("web"), editor("docs"))
    world.start("api", "web", "docs")
    world.write("api", x="1")
    world.write("docs", y="1")
    assert world.look() == ()
    world.write("web", x="2")
    assert world.look() == (both("api", "web"),)
    merged = world.trees.merged
    world.look()
    assert (len(world.taken), world.trees.merged) == (1, merged), "nothing has changed"
    world.trees.clashes.add("x")
    world.write("web", z="2")
    assert world.look() == (both("api", "web", HARD),)
    assert conflict_words(world.state, "api") == "conflicts with web in x"
    assert conflict_words(world.state, "docs") == ""
    world.write("web", x="1")
    world.trees.clashes.clear()
    assert world.look() == ()
    assert [type(event) for event in world.taken] == [OverlapsSeen] * 3


def test_steps_that_depend_on_each_other_are_not_compared_those_only_apart_are() -> None:
    world = World(editor("a"), editor("b", needs=["a"]), editor("c", needs={"a": APART}))
    world.start("a")
    world.end("a", "x=1")
    world.start("b", "c")
    world.write("b", x="2")
    world.write("c", x="3")
    assert world.look() == (both("a", "c"), both("b", "c"))


def test_what_is_left_counts_until_a_step_after_both_has_begun() -> None:
    world = World(editor("a"), editor("b"), editor("c", needs=["a", "b"]), editor("d"))
    world.start("a", "b", "d")
    world.end("a", "x=1")
    world.write("b", x="2")
    assert world.look() == (both("a", "b"),)
    world.end("b", "x=2")
    assert world.look() == (both("a", "b"),)
    world.start("c")
    assert standing(world.state) == ()
    assert world.look() == ()


def test_a_step_that_failed_has_left_nothing() -> None:
    world = World(editor("a"), editor("b"), editor("c"))
    world.start("a", "b", "c")
    world.write("a", x="1")
    world.write("b", x="2")
    assert world.look() == (both("a", "b"),)
    world.end("b", None)
    assert standing(world.state) == ()
    assert world.look() == ()


def test_what_cannot_be_told_now_stays_as_it_was() -> None:
    world = World(editor("a"), editor("b"))
    world.start("a", "b")
    world.write("a", x="1")
    world.write("b", x="2")
    world.look()
    world.trees.files["/w/b"] = None
    assert world.look() == (both("a", "b"),)


def paused(world: World) -> list[tuple[tuple[str, ...], str]]:
    return [(event.steps, event.by) for event in world.taken if isinstance(event, PauseRequested)]


def test_the_later_one_is_held_back_once_for_the_same_files() -> None:
    world = World(editor("web"), editor("api"), on_overlap="pause")
    world.start("web", "api")
    world.write("web", x="1", y="1")
    world.write("api", x="2")
    world.look()
    assert paused(world) == [], "soft"
    world.trees.clashes.add("x")
    world.write("api", z="1")
    world.look()
    assert paused(world) == [(("api",), "overlap with web in x")]
    world.run.record(ResumeRequested(("api",), "ana"))
    world.write("api", z="2")
    world.look()
    world.trees.clashes.clear()
    world.write("api", z="3")
    world.look()
    world.trees.clashes.add("x")
    world.write("api", z="4")
    world.look()
    world.look(world.comparing())  # as the runner of another session does
    assert len(paused(world)) == 1
    world.trees.clashes.add("y")
    world.write("api", y="2")
    world.look()
    assert paused(world)[1:] == [(("api",), "overlap with web in x and 1 more")], "another file"


def test_only_who_has_not_ended_and_nobody_where_one_is_held_back() -> None:
    world = World(editor("a"), editor("b"), editor("c"), on_overlap="pause")
    world.trees.clashes.add("x")
    world.start("a", "b", "c")
    world.end("c", "x=3")
    world.write("a", x="1")
    world.look()
    assert paused(world) == [(("a",), "overlap with c in x")]
    world.write("b", x="2")
    world.look()
    assert paused(world)[1:] == [(("b",), "overlap with c in x")]


def test_nothing_is_looked_at_where_nothing_can_meet() -> None:
    world = World(editor("a"), make_step("b"), editor("c"))
    world.trees.breaks = True
    assert world.look() == ()
    world.start("a")
    assert world.look() == ()
    world.start("c")
    world.over = True
    assert world.look() == ()
    world.over = False
    world.run.record(RunEnded("cancelled", "cancelled", {}))
    assert world.look() == ()


def follow(world: World, rounds: int, act: Callable[[int], None], **more: object) -> list[float]:
    """Some rounds of `follow`; how long was slept before each."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > rounds:
            raise asyncio.CancelledError
        act(len(slept))

    async def main() -> None:
        task = asyncio.ensure_future(world.comparing(sleep=sleep, **more).follow())
        await asyncio.wait({task})
        assert task.cancelled()

    asyncio.run(main())
    return slept


def test_an_error_is_told_once_and_it_goes_on() -> None:
    world = World(editor("a"), editor("b"))
    world.start("a", "b")
    world.write("a", x="1")
    world.write("b", x="2")

    def act(number: int) -> None:
        world.trees.breaks = number < 3

    follow(world, 3, act)
    assert world.told == ["worktrees could not be compared: broken"]
    assert world.state.overlaps == (both("a", "b"),)


def test_a_round_that_costs_much_is_followed_by_a_long_pause() -> None:
    world = World(editor("a"), editor("b"))
    world.start("a", "b")
    clock = iter([0.0, 0.05, 10.0, 11.5])
    assert follow(world, 2, lambda number: None, clock=lambda: next(clock)) == [2.0, 2.0, 30.0]
    clock = iter([0.0, 9.0])
    assert follow(world, 1, lambda number: None, clock=lambda: next(clock), every=0.5) == [0.5, 0.5]


def test_how_it_is_shown() -> None:
    world = World(editor("api"), editor("web"), editor("docs"))
    header = RunHeader(7, "id", "team", "team.yaml", "/p", "/p/logs", 0.0)
    printer = PlainPrinter(header)

    def told(*seen: Overlap) -> list[str]:
        event = OverlapsSeen(seen)
        world.run.record(event)
        return printer.records([Record(9, 0.0, 0.0, event)], world.state)

    world.start("api", "web")
    hard = Overlap("api", "web", HARD, ("a", "b", "c", "d"), 2)
    assert told(both("api", "web")) == ["api and web both change x (no conflict so far)"]
    assert told(hard) == ["api and web now conflict in a, b, c and 3 more"]
    line = "overlap: api and web both change a, b, c and 3 more (conflict)"
    assert line in status_text(world.state, header, Now("boot", 1.0, 1.0)).splitlines()
    assert overlap_lines(world.state) == [line]
    assert overlaps_object(world.state) == [
        {"steps": ["api", "web"], "kind": "hard", "paths": ["a", "b", "c", "d"], "more": 2}
    ]
    assert told(both("api", "web")) == ["api and web do not conflict any more: both change x"]
    assert told() == ["api and web do not overlap any more"]

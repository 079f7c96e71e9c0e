"""Instances that may write the same files: which waits for which."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from teamflow.core.events import PlanRevised, Record, Reopened, StepsAdded
from teamflow.core.fold import apply
from teamflow.core.plan import Json
from teamflow.core.state import RunState
from teamflow.plan.graph import reachable
from teamflow.plan.overlap import overlap
from tests.fakes.story import Story
from tests.fakes.teams import plan_of
from tests.fakes.yardstick import measured

TEAM = """
limits: {max_parallel: 9}
agents:
  plan: {command: p, outputs: {tasks: array}}
  build: {command: b, matrix: agents.plan.outputs.tasks, writes: ["{{ matrix.item.dir }}/**", "!**/*.md"]}
  other: {command: o, depends_on: [plan], writes: [two/x.c]}
  docs: {command: d, depends_on: [plan], writes: ["**/*.md"]}
  late: {command: l, depends_on: [build, other, docs], writes: ["**/*.c"]}
"""


def tasks(*dirs: str) -> Json:
    return [{"id": f"i{number}", "dir": name} for number, name in enumerate(dirs)]


def waits(story: Story) -> list[tuple[str, str]]:
    newest = [event for event in story.events if isinstance(event, StepsAdded)][-1]
    return [(step_id, on) for step_id, on, _ in newest.edges]


def test_who_writes_the_same_files_comes_in_the_order_of_the_list() -> None:
    story = Story(TEAM)
    story.end("plan", tasks("one", "two", "one", "three", "one"))
    assert waits(story) == [("build/i2", "build/i0"), ("build/i4", "build/i2"), ("build/i1", "other")]
    assert sorted(story.state.running) == ["build/i0", "build/i3", "docs", "other"]
    assert [edge.why for edge in story.state.steps["build/i1"].step.edges][-1] == "both may write two/x.c"
    story.end("build/i0")
    story.end("other")
    assert sorted(story.state.running) == ["build/i1", "build/i2", "build/i3", "docs"]


def test_of_many_that_write_one_file_each_waits_for_one_other() -> None:
    story = Story(TEAM)
    story.end("plan", tasks(*["one"] * 200))
    assert len(waits(story)) == 199


def test_many_that_write_apart_are_quickly_told_apart() -> None:
    story = Story(TEAM)
    _, rounds = measured(lambda: story.end("plan", tasks(*(f"d{number}" for number in range(1000)))))
    assert rounds < 500
    assert waits(story) == []


@pytest.mark.slow
def test_patterns_that_are_too_many_to_compare_count_as_one() -> None:
    story = Story(TEAM.replace("{{ matrix.item.dir }}/**", "src/*{{ matrix.item.id }}*"))
    story.end("plan", tasks(*["one"] * 80))
    assert {on for step_id, on in waits(story) if step_id == "build/i79"} == {"build/i78"}
    assert len(waits(story)) == 79 + 2, "the first one waits for docs and other"


def test_what_runs_already_waits_for_nobody() -> None:
    story = Story(TEAM)
    story.end("plan", tasks("one", "two", "three"))
    story.end("other")
    assert "build/i1" in story.state.running
    # Found again with another one before it that writes the same.
    story.state.steps["plan"].outputs = {"tasks": [{"id": "i9", "dir": "two"}, *tasks("one", "two", "three")]}
    story.tell(Reopened(("build/?",), "revision", {}))
    assert waits(story) == [("build/i9", "build/i1")]


def test_steps_that_another_list_has_added_are_others_too() -> None:
    more = "more: {command: m, matrix: agents.plan.outputs.tasks, writes: ['{{ matrix.item.dir }}/a.c']}"
    team = TEAM.replace("  docs:", f"  {more}\n  docs:")
    story = Story(team.replace("depends_on: [build, other", "depends_on: [build, more, other"))
    story.end("plan", tasks("one", "three", "one"))
    assert waits(story) == [
        ("more/i2", "more/i0"), ("more/i0", "build/i0"), ("more/i0", "build/i2"), ("more/i1", "build/i1"),
    ]  # fmt: skip


def test_pairs_wait_for_others_that_write_the_same_but_for_their_own_anyway() -> None:
    team = TEAM.replace("  docs:", "  test: {command: t, matrix: build, writes: [one/a.c]}\n  docs:")
    story = Story(team.replace("depends_on: [build, other", "depends_on: [test, other"))
    story.end("plan", tasks("one", "two"))
    assert waits(story) == [("test/i1", "test/i0"), ("test/i1", "build/i0")]


def test_what_cannot_be_rendered_or_parsed_clashes_with_nothing() -> None:
    story = Story(TEAM)
    story.end("plan", ["text", {"id": "x", "dir": "../up"}, {"id": "y", "dir": "one"}])
    assert waits(story) == []


def test_a_file_that_turns_the_order_round_stops_nothing() -> None:
    story = Story(TEAM)
    story.end("plan", tasks("two"))
    assert waits(story) == [("build/i0", "other")]
    revised = plan_of(TEAM.replace("depends_on: [plan], writes: [two/x.c]", "depends_on: [build], writes: [two/x.c]"))
    state = story.state
    apply(state, Record(state.seq + 1, 0.0, 0.0, PlanRevised(2, "")), plans={2: revised})
    assert [edge.on for edge in state.steps["other"].step.edges] == ["build/?", "build/i0"]
    assert [edge.on for edge in state.steps["build/i0"].step.edges] == ["build/?"]


# -- any patterns ----------------------------------------------------------------------------------------------------

ANY = """
agents:
  plan: {command: p, outputs: {tasks: array}}
  build: {command: b, matrix: agents.plan.outputs.tasks, writes: ["{{ matrix.item.w }}", "{{ matrix.item.x }}"]}
  one: {command: o, depends_on: [plan], writes: ["WRITES"]}
  each: {command: e, matrix: agents.plan.outputs.tasks, writes: ["{{ matrix.item.w }}"]}
  after: {command: a, depends_on: [build, each, one], writes: ["**"]}
"""

PARTS = ("a", "b", "*", "**", "a*", "*.c", "x.c", "[ab]")


def some_writes(chance: Random) -> list[str]:
    found = ["/".join(chance.choice(PARTS) for _ in range(chance.randint(1, 3))) for _ in range(chance.randint(1, 2))]
    return found + [f"!{chance.choice(PARTS)}/**"] * (chance.random() < 0.2)


def in_order(state: RunState, one: str, other: str) -> bool:
    needs = {name: known.step.dependencies for name, known in state.steps.items()}
    return other in reachable([one], needs) or one in reachable([other], needs)


def check_apart(state: RunState, names: Sequence[str], writes: dict[str, list[str]]) -> None:
    for place, one in enumerate(names):
        for other in names[:place]:
            if overlap(writes[one], writes[other]) is not None:
                assert in_order(state, one, other), f"{one} {writes[one]} and {other} {writes[other]}"


@pytest.mark.sampled(4)
@pytest.mark.parametrize("seed", range(40))
def test_no_two_that_may_write_one_file_run_at_once(seed: int) -> None:
    chance = Random(seed)
    writes = "/".join(chance.choices(PARTS, k=2))
    story = Story(ANY.replace("WRITES", writes), parallel=chance.randint(1, 9))
    listed = [(*some_writes(chance), "a", "a")[:2] for _ in range(chance.randint(1, 7))]
    story.end("plan", [{"id": f"i{n}", "w": w, "x": x} for n, (w, x) in enumerate(listed)])
    state = story.state
    claimed = {f"build/i{n}": list(each) for n, each in enumerate(listed)}
    claimed |= {f"each/i{n}": [w] for n, (w, _) in enumerate(listed)}
    check_apart(state, [*claimed, "one"], {**claimed, "one": [writes]})
    # Everything comes to an end, whatever is in which order, and also when the list is found again.
    for _ in range(3):
        for name in list(state.running)[: chance.randint(0, 3)]:
            story.end(name)
        chance.shuffle(listed)
        kept = [{"id": f"i{n}", "w": w, "x": x} for n, (w, x) in enumerate(listed) if chance.random() < 0.7]
        state.steps["plan"].outputs = {"tasks": kept}
        story.tell(Reopened((chance.choice(["build/?", "each/?"]),), "revision", {}))
    for _ in range(200):
        if state.ended is not None:
            break
        assert state.running, "nothing runs, and the run has not ended"
        story.end(chance.choice(sorted(state.running)))
    assert state.ended is not None

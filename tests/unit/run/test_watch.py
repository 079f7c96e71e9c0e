"""What an attempt does while it runs, as its guards see it."""

from __future__ import annotations

from teamflow.core.invocation import Called, Progress, Said
from teamflow.core.plan import Guards
from teamflow.run.watch import Watch


def test_turns_and_calls_are_counted_and_told_once() -> None:
    watch = Watch(Guards(turns=3), begun=0.0)
    assert watch.seen([Said("a"), Called("x"), Said("b")], now=1.0) == ""
    assert watch.seen([Said("c")], now=1.0) == "", "so many may be taken"
    assert watch.seen([Said("d")], now=1.0) == "it has taken 3 turns and begins another (guards.turns)"
    assert watch.seen([Said("e")], now=1.0) == ""
    watch = Watch(Guards(calls=2), begun=0.0)
    assert watch.seen([Called("x"), Called("x")], now=1.0) == ""
    assert "2 tool calls" in watch.seen([Called("x")], now=1.0)


def test_what_is_new_is_progress_and_what_comes_again_is_none() -> None:
    watch = Watch(Guards(no_progress=10.0), begun=0.0)
    assert watch.passed(now=9.0) == ""
    watch.seen([Called("ls")], now=9.0)
    assert watch.passed(now=18.0) == ""
    watch.seen([Called("ls"), Called("ls")], now=18.0)
    assert watch.passed(now=19.0) == "no new message or tool call for 10 s (guards.no_progress)"
    assert watch.passed(now=30.0) == ""


def test_a_step_further_is_progress() -> None:
    watch = Watch(Guards(no_progress=10.0), begun=0.0)
    for second in range(0, 100, 9):
        watch.seen([Progress(float(second))], now=float(second))
        assert watch.passed(now=second + 9.5) == ""


def test_it_remembers_so_many_and_no_more() -> None:
    watch = Watch(Guards(no_progress=10.0), begun=0.0)
    for number in range(5000):
        watch.seen([Said(f"message {number}")], now=1.0)
    assert len(watch._known) == 1000


def test_without_limits_nothing_trips() -> None:
    watch = Watch(Guards(), begun=0.0)
    watch.seen([Said("x")] * 1000, now=1e9)
    assert watch.passed(now=1e9) == ""

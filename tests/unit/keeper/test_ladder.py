"""The ladder as a function of time."""

from hypothesis import given
from hypothesis import strategies as st

from teamflow.keeper import ladder

times = st.floats(0, 1e6)
graces = st.floats(0, 1e4)


def test_the_rungs() -> None:
    assert ladder.stop(10, 4) == ((10, "INT"), (12, "TERM"), (14, "KILL"))
    assert ladder.stop(10, 0) == ((10, "KILL"),)
    assert ladder.leftover(10, ()) == ((10, "TERM"), (12, "KILL"))
    assert ladder.leftover(10, ((11, "KILL"),)) == ((10, "TERM"), (11, "KILL"))
    assert ladder.leftover(10, ((9, "KILL"),)) == ((10, "KILL"),)
    assert ladder.leftover(10, ladder.stop(10, 60)) == ((10, "TERM"), (12, "KILL"))


def test_what_is_due() -> None:
    rest = ladder.stop(10, 4)
    assert ladder.due(rest, 9) == ((), rest)
    assert ladder.due(rest, 10) == (("INT",), rest[1:])
    assert ladder.due(rest, 13) == (("INT", "TERM"), rest[2:])
    assert ladder.due(rest, 14) == (("KILL",), ())
    assert ladder.due((), 14) == ((), ())


@given(times, graces, graces, st.floats(0, 2e4))
def test_another_stop_only_brings_the_end_nearer(now: float, grace: float, other: float, later: float) -> None:
    _, rest = ladder.due(ladder.stop(now, grace), now)
    hastened = ladder.hasten(rest, now + later, other)
    assert [stage for _, stage in hastened] == [stage for _, stage in rest]
    assert list(hastened) == sorted(hastened, key=lambda rung: rung[0])
    for (old, _), (new, stage) in zip(rest, hastened, strict=True):
        assert new <= old
        assert stage != "KILL" or new <= now + later + other


@given(times, graces, st.lists(st.floats(0, 1e4), max_size=10))
def test_each_stage_comes_once_and_the_kill_at_the_end_of_the_grace(
    now: float, grace: float, looks: list[float]
) -> None:
    rest = ladder.stop(now, grace)
    seen: list[str] = []
    for look in sorted([*looks, grace]):
        stages, rest = ladder.due(rest, now + look)
        seen += stages
        assert ("KILL" in seen) == (now + look >= now + grace)
    assert not rest
    assert len(seen) == len(set(seen))


@given(times, graces, graces)
def test_shift(now: float, grace: float, away: float) -> None:
    moved = ladder.shift(ladder.stop(now, grace), away)
    assert [stage for _, stage in moved] == [stage for _, stage in ladder.stop(now, grace)]
    assert moved[0][0] == now + away

from __future__ import annotations

import pytest

from teamflow.keeper.untold import PATIENCE, Untold


def test_a_start_alone_waits_and_is_told() -> None:
    untold = Untold()
    untold.add(b"a\n", 10.0, pressing=False)
    assert untold.take(10.0) == b""
    assert untold.due == pytest.approx(10.0 + PATIENCE)
    assert untold.take(10.0 + PATIENCE) == b"a\n"
    assert untold.take(99.0) == b""


def test_later_starts_do_not_put_it_off() -> None:
    untold = Untold()
    untold.add(b"a\n", 10.0, pressing=False)
    untold.add(b"b\n", 10.0 + PATIENCE / 2, pressing=False)
    assert untold.take(10.0 + PATIENCE) == b"a\nb\n"


def test_an_end_takes_along_what_waits_in_order() -> None:
    untold = Untold()
    untold.add(b"a\n", 10.0, pressing=False)
    untold.add(b"b\n", 10.001, pressing=True)
    assert untold.take(10.001) == b"a\nb\n"
    assert untold.due == float("inf")

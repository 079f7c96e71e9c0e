"""Durations, money, moments, widths: as people read them."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamflow.core.outcome import Usage
from teamflow.views import words
from teamflow.views.width import fit, pad, width


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0.0s"),
        (-3, "0.0s"),
        (0.44, "0.4s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m 00s"),
        (185, "3m 05s"),
        (3599.6, "1h 00m"),
        (7620, "2h 07m"),
        (90_000, "1d 01h"),
    ],
)
def test_durations(seconds: float, told: str) -> None:
    assert words.duration(seconds) == told


@pytest.mark.parametrize(
    ("amount", "told"),
    [(0.0, "$0.00"), (0.004, "$0.0040"), (0.00001, "<$0.0001"), (1.5, "$1.50"), (1234.5, "$1,234.50")],
)
def test_money_that_was_spent_never_reads_as_nothing(amount: float, told: str) -> None:
    assert words.usd(amount) == told


def test_moments() -> None:
    assert words.iso(1_767_323_045.6784) == "2026-01-02T03:04:05.678Z"
    assert words.iso(1_767_323_045.9999) == "2026-01-02T03:04:06.000Z"
    assert words.moment(1_767_323_045, now=1_767_323_000, zone=UTC) == "03:04:05"
    assert words.moment(1_767_323_045, now=1_767_423_000, zone=UTC) == "2026-01-02 03:04:05"


def test_costs() -> None:
    assert words.cost_words(Usage(), partial=False) == ""
    assert words.cost_words(Usage(), partial=True) == "price unknown"
    assert words.cost_words(Usage(12_345, 999, None), partial=True) == "12.3k tokens in, 999 out, price unknown"
    assert words.cost_words(Usage(None, 2_000_000, 0.5), partial=True) == "at least $0.50, 2.0M tokens out"
    assert words.names(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert words.plural(1, "step") == "1 step"


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40), st.integers(0, 30))
def test_what_is_fitted_fits(text: str, columns: int) -> None:
    assert width(fit(text, columns)) <= columns
    assert width(pad(text, columns)) >= min(columns, width(pad(text, columns)))
    if width(text) <= columns:
        assert fit(text, columns) == text
        assert width(pad(text, columns)) == columns


def test_wide_and_combining_characters() -> None:
    assert width("漢字") == 4
    assert width("e\u0301") == 1
    assert fit("漢字漢字", 5) == "漢字…"
    assert pad("漢", 4, right=True) == "  漢"

"""Cuts through secrets: whatever is cut off a log, no part of a value that is worth anything is left at the cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.core.redact import Redactor
from teamflow.run.logs import TEXT_LIMIT, cut_text, read_tail, read_text

SECRET = "s3cr3t-0123456789-abcdefghijklmnop"
REDACTOR = Redactor({"S": SECRET})
GRAMS = [SECRET[at : at + 6] for at in range(len(SECRET) - 5)]


def _clean(text: str) -> None:
    assert not [gram for gram in GRAMS if gram in text]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.one_of(st.just(SECRET), st.text("xyz \n", max_size=40)), min_size=1, max_size=12),
    times=st.integers(1, 400),
    limit=st.sampled_from([256, 1000, 4096, 9000]),
)
def test_no_part_of_a_secret_is_left_at_a_cut(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], times: int, limit: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.log"
    path.write_text("".join(parts) * times)
    text = read_text(str(path), redact=REDACTOR.text, limit=limit)
    tail = read_tail(str(path), redact=REDACTOR.text, limit=limit)
    assert len(text.encode()) <= max(limit, len(SECRET))
    assert len(tail) <= limit
    _clean(text)
    _clean(tail)


def test_what_is_short_enough_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("one\ntwo\n")
    assert read_text(str(path), redact=REDACTOR.text) == read_tail(str(path), redact=REDACTOR.text) == "one\ntwo"
    assert read_tail(str(path), limit=5) == "two"
    assert read_text(str(tmp_path / "none"), redact=str) == read_tail(str(tmp_path / "none")) == ""


@given(st.text(max_size=300), st.integers(100, 400))
def test_a_text_is_cut_to_bytes(text: str, limit: int) -> None:
    cut = cut_text(text, limit=limit)
    assert len(cut.encode("utf-8", "replace")) <= limit
    assert cut == text or "bytes left out" in cut
    assert cut_text(text) == text
    assert len(text) < TEXT_LIMIT

"""Texts out of logs: bounded, and redacted before they are cut."""

from __future__ import annotations

from pathlib import Path

from teamflow.core.redact import Redactor
from teamflow.run.logs import read_tail, read_text

SECRET = "s3cr3t-value-of-some-length"


def test_a_secret_on_the_cut_does_not_leak(tmp_path: Path) -> None:
    redact = Redactor({"TOKEN": SECRET}).text
    for offset in range(0, len(SECRET) + 1, 3):
        log = tmp_path / f"{offset}.log"
        half = 500
        text = "a" * (half - offset) + SECRET + "b" * 4000 + SECRET + "c" * (half - offset)
        log.write_text(text)
        shown = read_text(str(log), redact=redact, limit=2 * half)
        assert "left out" in shown
        for size in range(4, len(SECRET)):
            assert SECRET[:size] not in shown
            assert SECRET[-size:] not in shown


def test_short_texts_are_whole_and_lose_one_newline(tmp_path: Path) -> None:
    log = tmp_path / "out.log"
    log.write_bytes(b"one\ntwo \xff\n\n")
    assert read_text(str(log), redact=str) == "one\ntwo \ufffd\n"
    assert read_text(str(log), redact=str, start=4, end=7) == "two"
    assert read_text(str(tmp_path / "none.log"), redact=str) == ""


def test_a_tail_begins_with_a_line(tmp_path: Path) -> None:
    log = tmp_path / "out.log"
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    assert read_tail(str(log), limit=30).splitlines() == ["line 997", "line 998", "line 999"]

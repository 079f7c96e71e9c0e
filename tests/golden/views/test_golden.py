"""Runs as every view shows them; `UPDATE_GOLDEN=1` writes what is shown anew."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

import pytest

from teamflow.core.events import Event
from teamflow.views.header import RunHeader
from teamflow.views.json import record_object, run_object
from teamflow.views.junit import junit_xml
from teamflow.views.plain import PlainPrinter
from teamflow.views.summary import summary
from teamflow.views.text import status_text
from teamflow.views.why import why
from tests.unit.views.stories import (
    ANSWERED,
    ASKED,
    BUSY,
    FAILED,
    HEADER,
    INTERRUPTED,
    LOOPED,
    NOT_CONVERGED,
    ORPHAN,
    asking_plan,
    busy_plan,
    later,
    loop_plan,
    told,
)

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("name", "events", "header"),
    [
        ("busy", BUSY, HEADER),
        ("orphaned", BUSY, ORPHAN),
        ("failed", FAILED, ORPHAN),
        ("interrupted", INTERRUPTED, ORPHAN),
        ("looped", LOOPED, HEADER),
        ("not-converged", NOT_CONVERGED, ORPHAN),
        ("asked", ASKED, HEADER),
        ("answered", ANSWERED, ORPHAN),
    ],
)
def test_every_view(name: str, events: Sequence[Event], header: RunHeader) -> None:
    plan = busy_plan()
    if events[: len(LOOPED)] == LOOPED:
        plan = loop_plan()
    elif events[: len(ASKED)] == ASKED:
        plan = asking_plan()
    state, log = told(plan, events)
    now = later(log)
    printer = PlainPrinter(header, tail=lambda step, attempt: f"assert {step}\nE  no\x1b[31m\n", zone=UTC)
    parts = {
        "status": status_text(state, header, now, columns=100, last_line=lambda s, a: "tests pass", zone=UTC),
        "why": "".join(
            f"{why(state, s, log, now, run=header.number, gone=header.gone, zone=UTC)}\n" for s in state.steps
        ),
        "plain": "".join(f"{line}\n" for line in printer.records(log, state)),
        "summary": "".join(f"{line}\n" for line in summary(state, header, now, zone=UTC)),
        "junit": junit_xml(state, header, now, tail=lambda step, attempt: "<last> & line"),
        "events": "".join(json.dumps(record_object(record)) + "\n" for record in log[-3:]),
        "json": json.dumps(run_object(state, header, now, text=lambda s, a: f"text of {s}"), indent=1) + "\n",
    }
    actual = "\n".join(f"-- {part} --\n{text}" for part, text in parts.items())
    golden = HERE / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(actual)
    assert actual == golden.read_text()

"""Rows of state.db as values. What is in a plan, a record's data or a request's arguments is text here."""

from __future__ import annotations

from typing import TypeAlias

from teamflow.core.named import NamedTuple

Row: TypeAlias = "tuple[int, float, float, str, str]"
"""A record: seq (from 1), at (Unix), mono (seconds since boot), kind, data (a JSON object)."""


class RunRow(NamedTuple):
    """One run. `status` and `exit_reason` repeat its last RunEnded; `running` says only that no end is recorded
    (ask the run's lock whether a runner lives), `created` that none ever started."""

    number: int
    id: str
    team: str
    file: str
    inputs_digest: str
    inputs: str
    created: float
    status: str
    exit_reason: str
    updated: float
    replay: str = ""
    """What it replays (`run 7`, a directory); empty: nothing, its agents worked."""


class NewRun(NamedTuple):
    """What is known of a run before it has a number. `inputs`: those that somebody gave, as JSON. `plan` is stored as
    revision 1: its data, or its digest where `has_plan` knows it."""

    id: str
    team: str
    file: str
    inputs_digest: str
    inputs: str
    plan: bytes | str
    created: float
    replay: str = ""


class RequestRow(NamedTuple):
    """A verb that some process left for the runner. `id` grows; `args` is JSON; `by` is user@host."""

    id: int
    run: int
    verb: str
    args: str
    expected_seq: int | None
    at: float
    by: str

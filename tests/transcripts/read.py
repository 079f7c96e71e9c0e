"""Reads the transcripts that `record.py` makes; how they are kept is told in `stage.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

KEPT = Path(__file__).with_name("raw")


class Write(NamedTuple):
    """What was written to the CLI's stdin after `offset` bytes of its stdout had been read."""

    offset: int
    data: bytes


class Transcript(NamedTuple):
    """One recorded process. `exit` is negative for a signal."""

    engine: str
    name: str
    argv: tuple[str, ...]
    version: str
    out: bytes
    writes: tuple[Write, ...]
    stderr: str
    exit: int


def names(engine: str) -> list[str]:
    """All that is recorded of an engine: claude, codex or acp."""
    return sorted(path.stem for path in (KEPT / engine).glob("*.out"))


def transcript(engine: str, name: str) -> Transcript:
    """Raises FileNotFoundError for one that there is not."""
    base = KEPT / engine / name
    told = json.loads(base.with_suffix(".json").read_text())
    rows = [json.loads(line) for line in base.with_suffix(".in").read_text().splitlines()]
    return Transcript(
        engine=engine,
        name=name,
        argv=tuple(told["argv"]),
        version=told["version"],
        out=base.with_suffix(".out").read_bytes(),
        writes=tuple(Write(row["offset"], row["data"].encode()) for row in rows),
        stderr=told["stderr"],
        exit=told["exit"],
    )

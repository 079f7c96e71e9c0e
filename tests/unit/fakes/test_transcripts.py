"""The kept transcripts are whole, are those of the pinned CLIs, and tell nothing of the machine they were made on."""

from __future__ import annotations

import json
import re

import pytest

from tests.fakes import clis
from tests.transcripts.read import KEPT, names, transcript

ALL = [(engine, name) for engine in ("claude", "codex", "acp") for name in names(engine)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("engine", "name"), ALL)
def test_whole(engine: str, name: str) -> None:
    kept = transcript(engine, name)
    assert kept.version == clis.versions()[kept.argv[0]]
    assert not kept.out or kept.out.endswith(b"\n")
    ends = {0} | {found.end() for found in re.finditer(rb"\n", kept.out)}
    assert all(one.offset in ends for one in kept.writes)
    assert [one.offset for one in kept.writes] == sorted(one.offset for one in kept.writes)
    for line in [*kept.out.splitlines(), *(one.data for one in kept.writes)]:
        assert isinstance(json.loads(line), dict)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("engine", "name"), ALL)
def test_of_no_machine(engine: str, name: str) -> None:
    for suffix in (".out", ".in", ".json"):
        text = (KEPT / engine / f"{name}{suffix}").read_text()
        assert not re.search(r"/var/tmp|(?<!bunfs)/root\b|/opt/|recording[a-z0-9_]{8}\b|-var-tmp", text)
        assert set(re.findall(r"127\.0\.0\.1:(\d+)", text)) <= {"8000", "8001"}


def test_every_case_has_been_recorded() -> None:
    from tests.transcripts.record import ENGINES

    for engine, cases in ENGINES.items():
        assert set(cases) <= set(names(engine)), engine

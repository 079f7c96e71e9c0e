"""The power goes at random moments: all that was told is on the disk, whatever else of it is not.

A tenth of the campaign (`tests/campaign/power_cut.py`) with `--all`, and the model of the disk that it rests on.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.campaign.power_cut import campaign
from tests.campaign.power_disk import SECTOR, Disk, Odds
from tests.campaign.power_recording import INHERIT, TOKEN
from tests.campaign.power_trace import COMPILER, Call, Recorder
from tests.e2e.tool import Project, wait_for

HARSH = Odds(names=0.0, sectors=0.0, rubbish=False)
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler: the recording shim cannot be made")


def _call(kind: str, path: str, data: bytes = b"", at: int = 0, *, second: str = "") -> Call:
    return Call(kind, (1, 1), sum(path.encode()), at, path, second, data, kind in "sS" and "." not in path)


def _images(
    *calls: Call, before: dict[str, bytes] | None = None, count: int = 200
) -> set[tuple[tuple[str, bytes], ...]]:
    """What the disk may hold, many times."""
    disk = Disk("/r", before or {})
    for call in calls:
        disk.take(call)
    found = set()
    for seed in range(count):
        chance = random.Random(seed)
        image = disk.image(chance, Odds.drawn(chance)._replace(rubbish=False))
        found.add(tuple((path, data) for path, data in image.items() if data is not None))
    return found


def test_what_was_synced_is_there_and_of_the_rest_anything_in_sectors() -> None:
    one, two = b"1" * SECTOR, b"2" * SECTOR
    calls = [
        _call("w", "/r/a.txt", one + one),
        _call("s", "/r/a.txt"),
        _call("S", "/r/a.txt"),
        _call("w", "/r/a.txt", two + two + two),
    ]
    found = {dict(image)["/r/a.txt"] for image in _images(*calls, before={"/r/a.txt": b""})}
    zero = bytes(SECTOR)
    ends = [b"", zero, two]
    assert found == {first + second + end for first in (one, two) for second in (one, two) for end in ends}


def test_a_sync_counts_from_where_it_began_and_only_once_it_is_done() -> None:
    writes = [_call("w", "/r/a.txt", b"1"), _call("s", "/r/a.txt"), _call("w", "/r/a.txt", b"2", 1)]
    before = {"/r/a.txt": b""}
    assert (("/r/a.txt", b""),) in _images(*writes, before=before)
    done = _images(*writes, _call("S", "/r/a.txt"), before=before)
    assert done == {(("/r/a.txt", data),) for data in (b"1", b"1\0", b"12")}


def test_names_are_there_once_their_directory_is_synced() -> None:
    synced = [_call("s", "/r"), _call("S", "/r")]
    made = _call("c", "/r/a.txt")
    there, gone = (("/r/a.txt", b""),), ()
    assert _images(made) == {there, gone}
    assert _images(made, *synced) == {there}
    removed = _call("u", "/r/a.txt")
    assert _images(made, *synced, removed) == {there, gone}
    assert _images(made, *synced, removed, *synced) == {gone}
    inside = [_call("m", "/r/d"), _call("c", "/r/d/b.txt"), _call("s", "/r/d"), _call("S", "/r/d")]
    assert _images(*inside) == {gone, (("/r/d/b.txt", b""),)}, "a directory that is not there has nothing in it"


def test_a_rename_is_one_thing() -> None:
    def synced(path: str) -> list[Call]:
        return [_call("s", path), _call("S", path)]

    aside = [_call("c", "/r/a.new"), _call("w", "/r/a.new", b"new"), *synced("/r/a.new")]
    found = _images(*aside, _call("r", "/r/a.new", second="/r/a.txt"), before={"/r/a.txt": b"old"})
    assert found == {
        (("/r/a.txt", b"old"),),
        (("/r/a.new", b"new"), ("/r/a.txt", b"old")),
        (("/r/a.txt", b"new"),),
    }


@pytest.mark.slow
@needs_compiler
def test_what_has_to_be_there_before_anything_is_said() -> None:
    """On the harshest of disks, which has nothing but what was synced."""
    team = f"{INHERIT}secrets: {{TOKEN: {{env: TOKEN}}}}\nagents: {{a: {{command: echo $TOKEN, secrets: [TOKEN]}}}}"
    with Project(team) as project:
        before = {str(path): path.read_bytes() for path in project.root.iterdir()}
        recorder = Recorder(project.home, beside=project.home)
        done = project.call("run", "--progress", "json", env={**recorder.environ, "TOKEN": TOKEN})
        assert done.code == 0, done
        disk, said, logged = Disk(str(project.root), before), 0, 0
        for call in recorder.calls():
            disk.take(call)
            kept = f"{project.root}/.teamflow"
            if call.kind == "w" and "/screens/" in call.path and call.path.endswith(".out"):
                image = disk.image(random.Random(0), HARSH)
                assert {f"{kept}/state.db", f"{kept}/state.db-wal", f"{kept}/.gitignore"} <= image.keys()
                said += 1
            if call.kind == "c" and call.path.endswith("/a.1.log"):
                # Where the log survives, its directory does.
                image = disk.image(random.Random(0), Odds(names=1.0, sectors=0.0, rubbish=False))
                assert TOKEN.encode() in (image[f"{kept}/runs/1/secrets.json"] or b"")
                logged += 1
        assert said
        assert logged == 1


@pytest.mark.slow
@needs_compiler
def test_what_a_killed_runner_has_written_is_synced_before_somebody_is_shown_it() -> None:
    """It may have been killed between writing and syncing; SQLite finds all that it had written."""
    with Project(f"{INHERIT}agents: {{a: {{command: exec sleep 60}}}}") as project:
        running = project.start("run", "--progress", "json")
        wait_for(lambda: '"kind":"AttemptStarted"' in running.out.replace(" ", ""))
        running.kill()
        running.wait()
        recorder = Recorder(project.home, beside=project.home)
        looking = project.start("events", "-f", env=recorder.environ)
        wait_for(lambda: "AttemptStarted" in looking.out)
        looking.kill()
        looking.wait()
        calls = [(call.kind, Path(call.path).name) for call in recorder.calls()]
        shown = calls.index(("w", looking.screen.name))
        assert ("S", "state.db-wal") in calls[:shown], calls


@pytest.mark.slow
@needs_compiler
def test_nothing_that_was_told_is_lost_in_a_power_cut() -> None:
    seed = random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}")
    begun = time.monotonic()
    cuts = list(campaign(100, seed, each=50))
    print(f"{len(cuts)} cuts in {time.monotonic() - begun:.0f} s")
    assert [(cut.about, cut.wrong) for cut in cuts if cut.wrong] == []
    assert sum(cut.counts["records told"] for cut in cuts) > 1000
    assert sum(cut.counts["gone on"] for cut in cuts) == 20

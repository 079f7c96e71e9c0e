"""Cuts the power of a recorded project at random moments; what the disk may then hold must have all that was told.

    python -m tests.campaign.power_cut --count 1000 --seed 7

Real runs are recorded at the level of system calls (`power_recording.py`, `power_trace.py`). For each cut a disk is
made of what was synced and a random part of what was not (`power_disk.py`), in the place of the project, with another
boot id, and looked at by teamflow (`power_look.py`). The seed repeats what is done and drawn, not how quick processes
are: a cut comes again in kind, not to the byte.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from teamflow.core.codec import CodecError
from teamflow.core.status import IllegalTransition
from teamflow.store.errors import StoreError
from tests.campaign.power_disk import Disk, Odds, lay
from tests.campaign.power_look import Cut, Looked
from tests.campaign.power_recording import Recording
from tests.campaign.power_trace import Call

# -- the power goes --------------------------------------------------------------------------------------

CUTS = 100
"""For each recording."""


def cut(recording: Recording, number: int, *, goes_on: bool) -> Cut:
    """`goes_on`: whether the project is run to its end afterwards."""
    chance = random.Random(f"{recording.seed} {number}")
    at = _moment(recording.calls, chance)
    disk = Disk(str(recording.root), recording.before)
    for call in recording.calls[:at]:
        disk.take(call)
    odds = Odds.drawn(chance)
    shutil.rmtree(recording.root)
    recording.root.mkdir()
    lay(disk.image(chance, odds), modes=recording.modes)
    made = Cut(f"recording {recording.seed}, cut {number} at call {at} of {len(recording.calls)}, {odds}", odds)
    try:
        Looked(recording, made, _told(recording.calls[:at])).look(goes_on=goes_on)
    except _REFUSED as error:
        made.wrong.append(f"{type(error).__name__}: {error}")
    if not recording.project.gone(20):
        made.wrong.append("processes are left")
    return made


_REFUSED = (AssertionError, CodecError, IllegalTransition, StoreError, LookupError, OSError, sqlite3.Error)
"""What a reader answers that finds something missing, torn or impossible; anything else ends the campaign."""


def _moment(calls: Sequence[Call], chance: random.Random) -> int:
    """Any, but more often just after something was said, synced or found out by a keeper, and in a project's first
    moments."""
    match chance.randrange(5):
        case 0:
            return chance.randrange(len(calls) + 1)
        case 1:
            return chance.randrange(min(200, len(calls)))
        case 2:
            return _after(calls, chance, lambda call: call.kind == "S")
        case 3:
            return _after(calls, chance, _said)
        case _:
            return _after(calls, chance, lambda call: "keeper.journal" in call.path)


def _after(calls: Sequence[Call], chance: random.Random, fits: Callable[[Call], bool]) -> int:
    return 1 + chance.choice([at for at, call in enumerate(calls) if fits(call)])


def _said(call: Call) -> bool:
    return call.kind == "w" and "/screens/" in call.path


def _told(calls: Iterable[Call]) -> dict[str, bytes]:
    """What was on each screen."""
    told: dict[str, bytes] = {}
    for call in filter(_said, calls):
        told[call.path] = told.get(call.path, b"") + call.data
    return told


def cuts(seed: int, count: int, *, goes_on: int = 5) -> list[Cut]:
    """One recording and so many cuts of it; one of `goes_on` is run to its end."""
    recording = Recording(seed)
    try:
        return [cut(recording, number, goes_on=number % goes_on == 0) for number in range(count)]
    finally:
        recording.project.close()


def campaign(count: int, seed: int, *, jobs: int = 2, each: int = CUTS) -> Iterator[Cut]:
    """`each`: so many cuts of one recording."""
    chance = random.Random(seed)
    parts = [(chance.randrange(1 << 31), min(each, count - done)) for done in range(0, count, each)]
    with ProcessPoolExecutor(jobs) as pool:
        for found in pool.map(cuts, *zip(*parts, strict=True)):
            yield from found


def main() -> int:
    """Prints seed, figures and every violation; 1 if there is one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    begun = time.monotonic()
    totals: Counter[str] = Counter()
    for cut in campaign(options.count, options.seed, jobs=options.jobs):
        totals.update(cut.counts)
        totals["cuts"] += 1
        totals["wrong"] += bool(cut.wrong)
        if cut.wrong:
            print("\n  ".join([f"WRONG {cut.about}", *cut.wrong]), flush=True)
    figures = ", ".join(f"{name} {count}" for name, count in sorted(totals.items()))
    print(f"{figures}, {time.monotonic() - begun:.0f} s", flush=True)
    return 1 if totals["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())

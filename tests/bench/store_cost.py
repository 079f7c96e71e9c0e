"""What the store costs: `python tests/bench/store_cost.py`. Prints milliseconds, medians of whole processes.

The first table is what a run with nothing to do pays: imports, opening, the newest run, the lock, one record. Run it
twice where bytecode is cached nowhere else: the first run fills the cache.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY))

STEPS = """
import sys, time
import teamflow.core.plan
marks = [time.perf_counter()]
mark = lambda: marks.append(time.perf_counter())
import sqlite3; mark()
import json; mark()
from teamflow.store.sqlite import Database
from teamflow.store.lock import RunLock, this_process; mark()
database = Database.open(sys.argv[1]); mark()
run = database.newest_run(file="team.yaml"); mark()
lock = RunLock.acquire(database.layout, run.number, this_process(since=0.0)); mark()
last = database.last_seq(run.number); database.append(run.number, [(last + 1, 0.0, 0.0, "Cached", "{}")]); mark()
database.close(); mark()
print(*((b - a) * 1000 for a, b in zip(marks, marks[1:])))
"""
NAMES = ("import sqlite3", "import json", "import store", "open", "newest run", "lock", "one record", "close")


def no_op(project: str, rounds: int) -> None:
    env = {**os.environ, "PYTHONPYCACHEPREFIX": f"{project}/pyc"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    columns: list[list[float]] = []
    for _ in range(rounds + 1):
        done = subprocess.run(
            [sys.executable, "-c", STEPS, project], cwd=REPOSITORY, env=env, capture_output=True, text=True, check=True
        )
        columns.append([float(word) for word in done.stdout.split()])
    for name, *values in zip(NAMES, *columns[1:], strict=True):
        print(f"{name:16}{statistics.median(values):8.2f}")
    print(f"{'together':16}{statistics.median(sum(row) for row in columns[1:]):8.2f}\n")


def writer(project: str, count: int) -> None:
    from teamflow.store.sqlite import Database
    from teamflow.store.writer import Writer
    from tests.fakes.projects import new_run

    with Database.open(project) as database:
        number = database.create_run(new_run(file="other.yaml")).number
        turns: list[int] = []
        log = Writer(database.layout, number, after=0, on_durable=turns.append)
        started = time.perf_counter()
        for n in range(1, count + 1):
            log.append_rows([(n, 1.0, 1.0, "AttemptStarted", '{"step":"build/api","attempt":1,"cause":"first"}')])
        queued = time.perf_counter() - started
        log.flushed().result()
        print(f"{count} records: queued {queued * 1000:.1f}, durable {(time.perf_counter() - started) * 1000:.1f}")
        started = time.perf_counter()
        for n in range(count + 1, count + 201):
            log.append_rows([(n, 1.0, 1.0, "AttemptStarted", '{"step":"build/api","attempt":1,"cause":"first"}')])
            log.flushed().result()
        print(f"one durable record at a time: {(time.perf_counter() - started) * 1000 / 200:.2f} each")
        log.close()


def unchanged(project: str, count: int, rounds: int) -> None:
    """What a run of `count` steps that read two files each looks at when nothing has changed."""
    from teamflow.store.cache import Cache, Entry
    from teamflow.workspaces.digest import ReadsDigester

    pairs = [(f"src/f{n}.txt", f"out/f{n}.txt") for n in range(count)]
    for directory in ("src", "out"):
        os.mkdir(f"{project}/{directory}")
    for path in [path for pair in pairs for path in pair]:
        Path(project, path).write_text(path)
    time.sleep(0.1)
    cache = Cache(f"{project}/.teamflow/cache", on_warning=print)

    def look() -> float:
        started = time.perf_counter()
        digester = ReadsDigester(project, cache)
        for pair in pairs:
            digester.digests(pair)
        took = time.perf_counter() - started
        digester.save()
        return took * 1000

    print(f"\ndigests of {2 * count} files: first {look():.1f}, ", end="")
    print(f"unchanged {statistics.median(look() for _ in range(rounds)):.1f}")
    keys = [f"{n:064}" for n in range(count)]
    cache.put([Entry(key, None, "{}", (), (1, 1)) for key in keys], now=1.0)
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        cache.get(keys, now=1.0)
        times.append((time.perf_counter() - started) * 1000)
    print(f"{count} keys looked up: {statistics.median(times):.1f}")
    cache.close()


def main() -> None:
    from teamflow.store.sqlite import Database
    from tests.fakes.projects import new_run

    with tempfile.TemporaryDirectory() as project:
        with Database.open(project) as database:
            database.create_run(new_run())
        no_op(project, 15)
        writer(project, 4000)
        unchanged(project, 2000, 9)


if __name__ == "__main__":
    main()

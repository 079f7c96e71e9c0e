"""Many live steps that print now and then, followed by `logs -f` through a pipe: how late its reader sees a line.

    python tests/campaign/live_steps.py                     # 1,000 steps, a line every 2 s, each kind of screen in turn
    python tests/campaign/live_steps.py --busy 4            # the same while four other processes want the cores

Every step is one real process that prints a line with its number and the time, then sleeps; they begin at random
moments of the pace. The lag of a line is the time at which the reader of the pipe has it, less the time in it. It
counts from the moment at which all of them run (and have printed) until the first of them ends. Also looked at: that
every line comes once and in order, what runner, keeper and `logs` hold at most, and the CPU that each of them takes.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measure import peak_memory
from tests.e2e.keeper_driver import wait_for
from tests.e2e.tool import Project

LAG = 0.250
"""Seconds: the most that the 99th percentile of the lags may be."""

MEMORY = 80
"""MB: the most that the runner may hold."""

STEP = """# step.sh NUMBER LINES MILLISECONDS SEED: `NUMBER LINE TIME`, again and again. One process: nobody ever writes
# into the pipe, so a read of it that gives up after a while is a sleep that starts nothing.
exec 3<>pipe
RANDOM=$(($4 + $1))
pause() { printf -v seconds '%d.%03d' $(($1 / 1000)) $(($1 % 1000)); read -rt "$seconds" -u 3; }
pause $((RANDOM * $3 / 32768))
for ((line = 1; line <= $2; line++)); do
    printf '%s %s %s\\n' "$1" "$line" "$EPOCHREALTIME"
    pause "$3"
done
exit 0
"""

SCREENS = ("quiet", "plain", "live")


class Use(NamedTuple):
    """What one process held at most, in MB, and the CPU that it took, in seconds per second."""

    memory: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.memory:.0f} MB, {100 * self.cpu:.1f} % of a core"


class Figures(NamedTuple):
    """What came of one measurement. Lags in seconds, ordered; `wrong`: lines that are not as they should be."""

    steps: int
    lags: list[float]
    wrong: list[str]
    runner: Use
    keeper: Use
    logs: Use

    def lag(self, percent: float) -> float:
        """0.0 if no line came while all of them ran: the first had ended when the last began."""
        if not self.lags:
            return 0.0
        return self.lags[min(len(self.lags) - 1, int(len(self.lags) * percent / 100))]

    @property
    def bad(self) -> list[str]:
        """What is over a bound."""
        found = self.wrong[:10]
        if self.lag(99) > LAG:
            found.append(f"99 of 100 lines come within {self.lag(99):.3f} s, not {LAG} s")
        if self.runner.memory > MEMORY:
            found.append(f"the runner holds {self.runner.memory:.0f} MB, not {MEMORY}")
        return found

    def __str__(self) -> str:
        lags = ", ".join(f"{name} {1e3 * self.lag(at):.0f} ms" for name, at in (("p50", 50), ("p99", 99), ("max", 100)))
        together = 100 * (self.runner.cpu + self.keeper.cpu + self.logs.cpu)
        return (
            f"{self.steps} steps, {len(self.lags)} lines: lag {lags}; "
            f"runner {self.runner}; keeper {self.keeper}; logs -f {self.logs}; CPU together {together:.1f} %"
        )


def team(steps: int, lines: int, pace: float, seed: int) -> str:
    words = f"[/bin/bash, step.sh, '{{{{ matrix.number }}}}', '{lines}', '{pace * 1000:.0f}', '{seed}']"
    numbers = list(range(steps))
    return f"limits: {{max_parallel: {steps}}}\nagents: {{live: {{command: {words}, matrix: {{number: {numbers}}}}}}}\n"


class Reader:
    """Reads what `logs -f` prints, and writes down when."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._file = process.stdout
        self.chunks: list[tuple[float, bytes]] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while data := os.read(self._file.fileno(), 1 << 20):
            self.chunks.append((time.time(), data))

    def close(self) -> None:
        """Once the process is gone."""
        self._thread.join()
        self._file.close()

    def lines(self) -> list[tuple[float, int, int, float]]:
        """(arrived, number of the step, number of the line, stamp) of every line."""
        found, rest = [], b""
        for at, data in self.chunks:
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                number, count, stamp = line.rpartition(b"| ")[2].split()
                found.append((at, int(number), int(count), float(stamp)))
        assert not rest, rest
        return found


def measure(
    steps: int, lines: int, pace: float = 2.0, *, screen: str = "quiet", level: str = "", seed: int = 0
) -> Figures:
    """One run of so many steps, each of so many lines."""
    with Project(team(steps, lines, pace, seed), level=level, files={"step.sh": STEP}) as project:
        os.mkfifo(project.root / "pipe")
        process = _run(project, screen)
        wait_for(lambda: project.keeper() is not None, step=0.01)
        keeper = project.keeper()
        assert keeper is not None, "no run begins"
        logs = subprocess.Popen(
            [sys.executable, "-m", "teamflow", "logs", "-f"],
            cwd=project.root,
            env=project.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        reader = Reader(logs)
        try:
            uses = _watch(project, (process.pid, keeper, logs.pid), steps=steps, seconds=(lines - 1) * pace)
            code = process.wait(lines * pace + 60)
            logs.wait(60)
        finally:
            logs.kill()
            logs.wait()
            reader.close()
        found = reader.lines()
    wrong = [f"the run ended with {code}"] if code else []
    return Figures(steps, _lags(found, lines), wrong + _wrong(found, steps, lines), *uses)


def _run(project: Project, screen: str) -> subprocess.Popen[bytes]:
    """A runner with that screen."""
    if screen == "live":
        return project.start_on_terminal("run", "team.yaml").process
    return project.start("run", "team.yaml", "--progress", screen).process


def _watch(project: Project, pids: tuple[int, ...], *, steps: int, seconds: float) -> tuple[Use, ...]:
    """What some processes use from when all steps have been started until about when the first of them ends."""
    journal = project.run_dir() / "keeper.journal"
    wait_for(lambda: journal.read_bytes().count(b'"e":"start"') >= steps, step=0.1)
    time.sleep(1)
    before, begun = [_spent(pid) for pid in pids], time.monotonic()
    time.sleep(max(1.0, seconds - 5))
    after, passed = [_spent(pid) for pid in pids], time.monotonic() - begun
    spent = [(late - early) / passed for early, late in zip(before, after, strict=True)]
    return tuple(Use(peak_memory(pid) or 0.0, cpu) for pid, cpu in zip(pids, spent, strict=True))


def _spent(pid: int) -> float:
    """Seconds of CPU that a process and its threads have taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _lags(found: list[tuple[float, int, int, float]], lines: int) -> list[float]:
    all_run = max(stamp for _, _, count, stamp in found if count == 1)
    first_ends = min(stamp for _, _, count, stamp in found if count == lines)
    return sorted(at - stamp for at, _, _, stamp in found if all_run < stamp <= first_ends)


def _wrong(found: list[tuple[float, int, int, float]], steps: int, lines: int) -> list[str]:
    """Of every step each line, once, in order."""
    told: dict[int, list[int]] = {number: [] for number in range(steps)}
    for _, number, count, _ in found:
        told[number].append(count)
    wanted = list(range(1, lines + 1))
    return [
        f"step {number} printed {wanted}, shown was {counts}" for number, counts in told.items() if counts != wanted
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--lines", type=int, default=20)
    parser.add_argument("--pace", type=float, default=2.0)
    parser.add_argument("--screen", choices=(*SCREENS, "all"), default="all")
    parser.add_argument("--level", default="", help="the kill level; default: the best that there is")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="so many others want the cores meanwhile")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.busy)]
    bad = []
    try:
        for screen in SCREENS if options.screen == "all" else (options.screen,):
            figures = measure(
                options.steps, options.lines, options.pace, screen=screen, level=options.level, seed=options.seed
            )
            print(f"{screen}: {figures}", *figures.bad, sep="\n  ", flush=True)
            bad += figures.bad
    finally:
        for other in others:
            other.kill()
            other.wait()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

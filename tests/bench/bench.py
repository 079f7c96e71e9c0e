"""The rows of the table: what is measured against what, how, and what is the most that it may come to.

A row makes its files and warms up once in `prepare` (unmeasured), then gives one figure per round. Ratios are of wall
clock, ours to theirs; memory is in MB. The bounds are those of the project's speed goals; `docs/performance.md` says
what each row means.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench import graphs
from tests.bench.measure import Cost, Duel, Failure, duel, peak_memory, spawn, timed

REPOSITORY = Path(__file__).parents[2]
FLOOD = 1_000_000_000
"""Bytes of the row about one step's log, in lines of 100."""

_SCRIPT = Path(sys.executable).with_name("teamflow")
TEAMFLOW = (str(_SCRIPT),) if _SCRIPT.exists() else (sys.executable, "-m", "teamflow")
"""As users start it, where it is installed beside this Python."""


class Bound(NamedTuple):
    """`at_most` is what a quiet machine has to reach, `stretch` what is hoped for. `unit` is what both count."""

    at_most: float
    stretch: float
    unit: str


class Result(NamedTuple):
    """`value` is what the bound is about. Without a duel (memory) there are no times. `note`: what else was seen."""

    value: float
    duel: Duel | None = None
    note: str = ""


class Row(NamedTuple):
    key: str
    work: str
    """In words; Markdown."""
    bound: Bound
    measure: Callable[[Bench], Result]


class Bench:
    """Where it all happens, and how teamflow and ninja are called. `level` None: the best kill level there is."""

    def __init__(self, home: Path, *, rounds: int, scale: float = 1.0) -> None:
        self.home = home
        self.rounds = rounds
        self._bytecode = home / "bytecode"
        self._environ: dict[str, str] = {}
        self._ready: set[Path] = set()
        self.move(home)
        self._scale = scale
        self.ninja = shutil.which("ninja") or shutil.which("ninja-build") or ""

    def move(self, home: Path) -> None:
        """From now on it all happens there; what was prepared elsewhere stays where it is."""
        self.home = home
        self._environ = {**_environment(home), "PYTHONPYCACHEPREFIX": str(self._bytecode)}

    @property
    def environ(self) -> dict[str, str]:
        """What every measured process gets."""
        return self._environ

    def count(self, full: int) -> int:
        """A size, scaled down when the bench only shows that it works."""
        return max(20, int(full * self._scale))

    def directory(self, name: str) -> tuple[Path, bool]:
        """(a project of that name, whether it is new)."""
        path = self.home / name
        new = path not in self._ready
        if new:
            path.mkdir()
            self._ready.add(path)
        return path, new

    def teamflow(self, directory: Path, *words: str, level: str | None = None) -> Cost:
        """One call, as a whole process."""
        argv = [*TEAMFLOW, *words]
        return timed(argv, cwd=directory, environ=self._with(level), log=self.home / "stderr")

    def start(self, directory: Path, *words: str) -> int:
        argv = [*TEAMFLOW, *words]
        return spawn(argv, cwd=directory, environ=self._environ, log=self.home / "stderr")

    def other(self, directory: Path, *argv: str) -> Cost:
        return timed(argv, cwd=directory, environ=self._environ, log=self.home / "stderr")

    def run_ninja(self, directory: Path) -> Cost:
        """8 at once, without its status line."""
        return self.other(directory, self.ninja, "-j8", "--quiet")

    def steps(self, directory: Path) -> dict[str, int]:
        """How many steps of the newest run have which status."""
        import subprocess

        argv = [*TEAMFLOW, "status", "--json"]
        done = subprocess.run(argv, cwd=directory, env=self._environ, capture_output=True, text=True, check=True)
        counts: dict[str, int] = {}
        for step in json.loads(done.stdout)["steps"]:
            counts[step["status"]] = counts.get(step["status"], 0) + 1
        return counts

    def level(self) -> str:
        """The kill level that this machine has when none is asked for: what a step's keeper says of itself."""
        directory, _ = self.directory("level")
        (directory / "team.yaml").write_text(
            "agents: {look: {command: 'cat \"$TEAMFLOW_RUN_DIR/keeper.json\" >level.json'}}\n"
        )
        self.teamflow(directory, "run", "--new", "--progress", "quiet")
        return str(json.loads((directory / "level.json").read_text())["level"])

    def _with(self, level: str | None) -> dict[str, str]:
        return self._environ if level is None else {**self._environ, "TEAMFLOW_KILL_LEVEL": level}


def _environment(home: Path) -> dict[str, str]:
    """What every measured process gets: little, and bytecode kept where neither old nor read-only files matter."""
    kept = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "TEAMFLOW_KILL_LEVEL")
    environ = {name: os.environ[name] for name in kept if name in os.environ}
    for name in ("state", "runtime"):
        (home / name).mkdir(mode=0o700, exist_ok=True)
    return {
        **environ,
        "PYTHONPATH": str(REPOSITORY),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_RUNTIME_DIR": str(home / "runtime"),
    }


# -- runs beside ninja ---------------------------------------------------------------------------------------


def _race(bench: Bench, directory: Path, *, rounds: int, level: str | None) -> Result:
    """A new run of an unchanged file (its compiled plan is cached by the run before) beside ninja building all anew."""

    def ours() -> Cost:
        return bench.teamflow(directory, "run", "--new", "--progress", "quiet", level=level)

    def theirs() -> Cost:
        (directory / ".ninja_log").unlink(missing_ok=True)
        return bench.run_ninja(directory)

    return _result(duel(ours, theirs, rounds=rounds))


def _result(found: Duel, note: str = "") -> Result:
    return Result(found.ratio, found, note)


def _warm(bench: Bench, directory: Path, count: int) -> None:
    """The first run, unmeasured: compiles the plan, and shows that all of the work is really done."""
    bench.teamflow(directory, "run", "--new", "--progress", "quiet")
    counts = bench.steps(directory)
    if counts != {"succeeded": count}:
        raise Failure(f"{directory}: {count} steps should have succeeded, there are {counts}")


def _wide(bench: Bench, command: graphs.Command, level: str | None) -> Result:
    count = bench.count(1000)
    directory, new = bench.directory(f"wide-{level}")
    if new:
        graphs.write_matrix(directory, count, command)
        _warm(bench, directory, count)
    return _race(bench, directory, rounds=2 * bench.rounds, level=level)


def _graph(bench: Bench, name: str, graph: graphs.Graph, command: graphs.Command, level: str | None) -> Result:
    directory, new = bench.directory(f"{name}-{level}")
    if new:
        graphs.write_graph(directory, graph, command)
        _warm(bench, directory, len(graph))
    rounds = bench.rounds if len(graph) > 1000 else 2 * bench.rounds
    return _race(bench, directory, rounds=rounds, level=level)


def _runs(level: str | None) -> dict[str, Callable[[Bench], Result]]:
    """W1, W2, W3 at one kill level; without cgroups the commands go without a shell, too."""
    command = graphs.WITH_SHELL if level is None else graphs.WITHOUT_SHELL
    return {
        "W1": lambda bench: _wide(bench, command, level),
        "W2": lambda bench: _graph(bench, "chain", graphs.chain(bench.count(300)), command, level),
        "W3": lambda bench: _graph(bench, "layers", graphs.layered(bench.count(2000), 20), command, level),
    }


# -- again ---------------------------------------------------------------------------------------------------


def _files(bench: Bench) -> tuple[Path, Path, graphs.Graph]:
    """The same files twice, for teamflow and for ninja: what the one touches would look changed to the other."""
    graph = graphs.layered(bench.count(2000), 20)
    (ours, new), (theirs, _) = bench.directory("files"), bench.directory("files-ninja")
    if new:
        graphs.write_files(ours, graph)
        graphs.write_files(theirs, graph)
        _warm(bench, ours, len(graph))
        time.sleep(0.05)  # files that were changed within one tick of the clock are not trusted by their times
    bench.run_ninja(theirs)
    bench.teamflow(ours, "run", "--progress", "quiet")
    bench.teamflow(ours, "run", "--progress", "quiet")
    return ours, theirs, graph


def _again(bench: Bench) -> Result:
    """Nothing has changed. Many rounds: they are short."""
    directory, other, graph = _files(bench)
    found = duel(
        lambda: bench.teamflow(directory, "run", "--progress", "quiet"),
        lambda: bench.run_ninja(other),
        rounds=3 * bench.rounds,
    )
    counts = bench.steps(directory)
    if counts != {"cached": len(graph)}:
        raise Failure(f"nothing should have run, there are {counts}")
    return _result(found)


def _one_root(bench: Bench) -> Result:
    """A root's source gets new content each time, and what it makes stays the same. The root with most behind it."""
    directory, other, graph = _files(bench)
    roots = [number for number, needs in enumerate(graph) if not needs]
    behind, root = max((len(graphs.downstream(graph, number)), -number) for number in roots)
    name = f"src/{-root}.txt"
    counts: list[dict[str, int]] = []

    def change(place: Path) -> None:
        (place / name).write_text(f"changed at {time.time_ns()}\n")

    def ours() -> Cost:
        change(directory)
        cost = bench.teamflow(directory, "run", "--progress", "quiet")
        counts.append(bench.steps(directory))
        return cost

    def theirs() -> Cost:
        change(other)
        return bench.run_ninja(other)

    found = duel(ours, theirs, rounds=bench.rounds)
    wanted = {"succeeded": 1, "cached": len(graph) - 1}
    if any(count != wanted for count in counts):
        raise Failure(f"exactly one step should have run, there are {counts}")
    return _result(found, f"1 step of {len(graph)} ran; ninja ran {behind}")


# -- start-up and validation ---------------------------------------------------------------------------------


def _start_up(word: str) -> Callable[[Bench], Result]:
    def measure(bench: Bench) -> Result:
        directory, _ = bench.directory("start")
        bench.teamflow(directory, word)
        return _result(
            duel(
                lambda: bench.teamflow(directory, word),
                lambda: bench.other(directory, sys.executable, "-c", "pass"),
                rounds=5 * bench.rounds,
            )
        )

    return measure


def _validate(count: int) -> Callable[[Bench], Result]:
    def measure(bench: Bench) -> Result:
        directory, new = bench.directory(f"validate-{count}")
        naive = (sys.executable, str(Path(__file__).with_name("naive.py")), "team.yaml")
        if new:
            graphs.write_to_validate(directory, count)
            bench.other(directory, *naive)
            bench.teamflow(directory, "validate", "team.yaml")
        return _result(
            duel(
                lambda: bench.teamflow(directory, "validate", "team.yaml"),
                lambda: bench.other(directory, *naive),
                rounds=bench.rounds if count > 1000 else 2 * bench.rounds,
            )
        )

    return measure


# -- a long log, and memory ----------------------------------------------------------------------------------


def _flood(bench: Bench) -> Result:
    """One step prints into its log; the same program's output goes through `cat` into a file."""
    directory, _ = bench.directory("flood")
    size = FLOOD if bench.count(1000) == 1000 else FLOOD // 100
    (directory / "print.py").write_text(
        f"import os\ndata = (b'x' * 99 + b'\\n') * 10_000\nfor _ in range({size // 1_000_000}): os.write(1, data)\n"
    )
    python = f"{sys.executable} -I -S print.py"
    (directory / "team.yaml").write_text(f"agents: {{print: {{command: {python}}}}}\n")

    def ours() -> Cost:
        shutil.rmtree(directory / ".teamflow/runs", ignore_errors=True)
        cost = bench.teamflow(directory, "run", "--new", "--progress", "quiet")
        sizes = [path.stat().st_size for path in directory.glob(".teamflow/runs/*/logs/print*")]
        if sizes != [size]:
            raise Failure(f"the log should hold {size} bytes: {sizes}")
        return cost

    def theirs() -> Cost:
        (directory / "copy").unlink(missing_ok=True)
        return bench.other(directory, "/bin/sh", "-c", f"{python} | cat >copy")

    ours()
    found = duel(ours, theirs, rounds=bench.rounds)
    for path in (directory / "copy", *directory.glob(".teamflow/runs/*/logs/print*")):
        path.unlink()
    return _result(found)


def _memory(who: str) -> Callable[[Bench], Result]:
    """The peak of the runner or of the keeper over one run of W3, looked at while they live."""

    def measure(bench: Bench) -> Result:
        graph = graphs.layered(bench.count(2000), 20)
        directory, new = bench.directory("layers-memory")
        if new:
            graphs.write_graph(directory, graph, graphs.WITH_SHELL)
            _warm(bench, directory, len(graph))
        peaks = {"runner": 0.0, "keeper": 0.0}
        runner = bench.start(directory, "run", "--new", "--progress", "quiet")
        keeper: int | None = None
        while os.waitpid(runner, os.WNOHANG) == (0, 0):
            keeper = keeper or _keeper_of(directory)
            for name, pid in (("runner", runner), ("keeper", keeper)):
                if pid is not None:
                    peaks[name] = max(peaks[name], peak_memory(pid) or 0.0)
            time.sleep(0.02)
        return Result(peaks[who])

    return measure


def _keeper_of(directory: Path) -> int | None:
    for path in directory.glob(".teamflow/runs/*/keeper.json"):
        try:
            return int(json.loads(path.read_text())["pid"])
        except (OSError, ValueError):
            pass
    return None


# -- the table -----------------------------------------------------------------------------------------------

_CGROUP = _runs(None)
_WALK = _runs("walk")
_NINJA = "× ninja"
_WITHOUT = "no cgroups, no shell: "

ROWS = (
    Row("W1", "1,000 independent `sh -c /bin/true`, 8 at once", Bound(1.8, 1.45, _NINJA), _CGROUP["W1"]),
    Row("W2", "a chain of 300", Bound(1.9, 1.6, _NINJA), _CGROUP["W2"]),
    Row("W3", "2,000 steps in 20 layers", Bound(1.8, 1.45, _NINJA), _CGROUP["W3"]),
    Row("W1-walk", _WITHOUT + "1,000 independent `/bin/true`", Bound(1.5, 1.1, _NINJA), _WALK["W1"]),
    Row("W2-walk", _WITHOUT + "a chain of 300", Bound(1.5, 1.1, _NINJA), _WALK["W2"]),
    Row("W3-walk", _WITHOUT + "2,000 steps in 20 layers", Bound(1.5, 1.1, _NINJA), _WALK["W3"]),
    Row("W4", "2,000 cached steps, 4,000 files, nothing changed", Bound(6, 4, _NINJA), _again),
    Row("W5", "one root changed, its output the same", Bound(0.15, 0.05, _NINJA), _one_root),
    Row("help", "`teamflow --help`", Bound(5, 3, "× `python -c pass`"), _start_up("--help")),
    Row("version", "`teamflow --version`", Bound(5, 3, "× `python -c pass`"), _start_up("--version")),
    Row("validate-20", "`validate`, 20 agents, cold", Bound(0.55, 0.4, "× plain script"), _validate(20)),
    Row("validate-1k", "`validate`, 1,000 agents, cold", Bound(0.40, 0.3, "× plain script"), _validate(1000)),
    Row("validate-10k", "`validate`, 10,000 agents, cold", Bound(0.25, 0.15, "× plain script"), _validate(10000)),
    Row("log", "1 GB from one step into its log", Bound(1.0, 0.6, "× `cat` to a file"), _flood),
    Row("mem-runner", "memory of the runner, 2,000 steps", Bound(80, 40, "MB"), _memory("runner")),
    Row("mem-keeper", "memory of the keeper, 2,000 steps", Bound(25, 15, "MB"), _memory("keeper")),
)

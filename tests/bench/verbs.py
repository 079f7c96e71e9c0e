"""Row V1: one of 60 running processes is ended by a command, beside `supervisorctl stop` of supervisor.

Both commands are whole processes that ask a living one over a socket; each figure ends when the process is gone. The
processes are `sleep`, and record their pids; both have them ended with SIGTERM or softer at once.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.bench import Bench, Result
from tests.bench.measure import Cost, Failure, duel

COUNT = 60
ROUNDS = 25
_SLEEPER = "echo $$ >pids/{name}; exec sleep 1000"

_CONF = """
[unix_http_server]
file={home}/s.sock
[supervisord]
logfile={home}/log
pidfile={home}/pid
nodaemon=true
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{home}/s.sock
[program:s]
command=sh -c "echo $$ >pids/%(process_num)d; exec sleep 1000"
numprocs={count}
process_name=%(process_num)d
startsecs=0
autorestart=false
"""


def verb_to_end(bench: Bench) -> Result:
    """Median over rounds: teamflow's call of `cancel STEP` to the end of the step's process, against the peer's."""
    control, daemon = (_beside_python("supervisorctl"), "-c", "s.conf"), _beside_python("supervisord")
    ours, theirs = bench.directory("verbs")[0], bench.directory("verbs-peer")[0]
    for place in (ours, theirs):
        shutil.rmtree(place)
        (place / "pids").mkdir(parents=True)
    (theirs / "s.conf").write_text(_CONF.format(home=theirs, count=COUNT))
    agents = "".join(f"  s{n}: {{command: '{_SLEEPER.format(name=n)}'}}\n" for n in range(COUNT))
    (ours / "team.yaml").write_text(f"limits: {{max_parallel: {COUNT}}}\nagents:\n{agents}")
    runner = bench.start(ours, "run", "--progress", "quiet")
    with (theirs / "out").open("wb") as out:
        peer = subprocess.Popen([daemon, "-c", "s.conf"], cwd=theirs, env=bench.environ, stdout=out, stderr=out)
    numbers = iter(range(COUNT))
    names = iter(range(COUNT))
    try:
        _all_there(ours)
        _all_there(theirs)
        found = duel(
            lambda: _until_gone(ours, next(numbers), lambda n: bench.teamflow(ours, "cancel", f"s{n}")),
            lambda: _until_gone(theirs, next(names), lambda n: bench.other(theirs, *control, "stop", f"s:{n}")),
            rounds=ROUNDS,
        )
    finally:
        bench.teamflow(ours, "cancel", "--all")
        os.waitpid(runner, 0)
        peer.send_signal(signal.SIGTERM)
        peer.wait(30)
    return Result(found.ratio, found)


def _beside_python(name: str) -> str:
    path = Path(sys.executable).with_name(name)
    found = str(path) if path.exists() else shutil.which(name)
    if found is None:
        raise Failure(f"{name} is missing: pip install supervisor")
    return found


def _pid(place: Path, number: int) -> int:
    try:
        return int((place / "pids" / str(number)).read_text())
    except (OSError, ValueError):
        return 0


def _all_there(place: Path) -> None:
    limit = time.monotonic() + 30.0
    while not all(_pid(place, number) for number in range(COUNT)):
        if time.monotonic() > limit:
            raise Failure(f"the processes of {place} have not started")
        time.sleep(0.05)


def _until_gone(place: Path, number: int, call: Callable[[int], Cost]) -> Cost:
    pid = _pid(place, number)
    begun = time.perf_counter()
    cost = call(number)
    while os.path.exists(f"/proc/{pid}"):
        if time.perf_counter() - begun > 30.0:
            raise Failure(f"process {pid} in {place} still lives")
        time.sleep(0.001)
    return Cost(time.perf_counter() - begun, cost.cpu)

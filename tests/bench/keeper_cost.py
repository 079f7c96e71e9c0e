"""What the keeper costs beside the processes that it starts: time and CPU per start, start-up, memory.

    python tests/bench/keeper_cost.py --starts 1000 --at-once 8 --rounds 3

Every figure stands beside that of a plain `posix_spawn` and `waitpid` loop, taken in the same round. Nothing is deleted
before the last round: ext4 gives no inode out again for minutes after it was freed and looks for others with care, so
that a log made after a thousand were deleted costs ten times as much. (`TMPDIR=/dev/shm` shows the keeper alone.)
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.e2e.keeper_driver import PROGRAM, Client, levels

TICK = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """Of one loop of starts: wall and CPU of the starter in ms per start; its peak memory in MB (0: not taken)."""

    wall: float
    cpu: float
    memory: float


def raw_loop(top: str, starts: int, at_once: int) -> Cost:
    """posix_spawn with a log, in a session of its own, and wait: what nobody can do without."""
    home = tempfile.mkdtemp(dir=top)
    environ = dict(os.environ)
    null = os.open("/dev/null", os.O_RDONLY)
    before, cpu = time.perf_counter(), _own_cpu()
    alive = 0
    for number in range(starts):
        if alive == at_once:
            os.waitpid(-1, 0)
            alive -= 1
        log = os.open(f"{home}/{number}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
        os.posix_spawn("/bin/true", ["/bin/true"], environ, file_actions=actions, setsid=True)
        os.close(log)
        alive += 1
    for _ in range(alive):
        os.waitpid(-1, 0)
    os.close(null)
    return Cost((time.perf_counter() - before) / starts * 1e3, (_own_cpu() - cpu) / starts * 1e3, 0)


def _own_cpu() -> float:
    times = os.times()
    return times.user + times.system


def _spent(pid: int) -> float:
    """CPU seconds of a process without its children, to the nanosecond where the kernel tells."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK


def keeper_loop(top: str, level: str, python: str, starts: int, at_once: int) -> Cost:
    """The same through a keeper, driven over its socket."""
    home = tempfile.mkdtemp(dir=top)
    process = subprocess.Popen(
        [python, "-I", "-S", str(PROGRAM), home, home + "/s"],
        env={**os.environ, "TEAMFLOW_KILL_LEVEL": level},
        start_new_session=True,
    )
    try:
        while not os.path.exists(home + "/keeper.json"):
            time.sleep(0.001)
        client = Client(home + "/s")
        client.send(op="env", id="e", vars=dict(os.environ))
        client.send(op="ping")
        client.wait(lambda message: message.get("op") == "pong")
        before, cpu = time.perf_counter(), _spent(process.pid)
        _drive(client, home, starts, at_once)
        cost = Cost(
            (time.perf_counter() - before) / starts * 1e3,
            (_spent(process.pid) - cpu) / starts * 1e3,
            _peak(process.pid),
        )
        client.send(op="quit")
        process.wait(10)
        client.close()
        return cost
    finally:
        process.kill()
        process.wait()


def _drive(client: Client, home: str, starts: int, at_once: int) -> None:
    lines = [
        json.dumps(
            {"op": "start", "step": f"s{number}", "attempt": 1, "phase": "agent", "argv": ["/bin/true"], "cwd": home}
            | {"env": "e", "log": f"{home}/{number}.log"}
        ).encode()
        + b"\n"
        for number in range(starts)
    ]
    client.send_raw(b"".join(lines[:at_once]))
    sent, ended, rest = at_once, 0, b""
    client.sock.settimeout(60)
    while ended < starts:
        data = client.sock.recv(1 << 18)
        exits = (rest[-11:] + data).count(b'"e":"exit"')
        rest = data
        ended += exits
        if exits and sent < starts:
            client.send_raw(b"".join(lines[sent : sent + exits]))
            sent += exits


def _peak(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0


def start_up(level: str, python: str) -> tuple[float, float]:
    """(ms of `python -I -S -c pass`, ms until a keeper listens), one after the other."""
    before = time.perf_counter()
    subprocess.run([python, "-I", "-S", "-c", "pass"], check=True)
    bare = time.perf_counter() - before
    home = tempfile.mkdtemp(prefix="tfk-")
    reading, writing = os.pipe()
    argv = [python, "-I", "-S", str(PROGRAM), home, home + "/s", "--ready-fd", str(writing)]
    before = time.perf_counter()
    process = subprocess.Popen(argv, pass_fds=[writing], env={**os.environ, "TEAMFLOW_KILL_LEVEL": level})
    os.close(writing)
    os.read(reading, 1)
    up = time.perf_counter() - before
    os.close(reading)
    process.terminate()
    process.wait()
    shutil.rmtree(home)
    return bare * 1e3, up * 1e3


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--python", default=os.path.realpath(sys.executable))
    options = parser.parse_args()
    size = (options.starts, options.at_once)
    with tempfile.TemporaryDirectory(prefix="tfk-") as top:
        rounds = [
            (raw_loop(top, *size), {level: keeper_loop(top, level, options.python, *size) for level in levels()})
            for _ in range(options.rounds)
        ]
    print(f"{options.starts} x /bin/true, {options.at_once} at once, median of {options.rounds} rounds")
    raw = [pair[0] for pair in rounds]
    print(f"raw loop     {_median(raw, 0):6.3f} ms wall  {_median(raw, 1):6.3f} ms cpu each")
    for level in levels():
        costs = [pair[1][level] for pair in rounds]
        ratio = statistics.median(pair[1][level].wall / pair[0].wall for pair in rounds)
        print(
            f"{level:12} {_median(costs, 0):6.3f} ms wall  {_median(costs, 1):6.3f} ms cpu each"
            f"  {ratio:5.2f} x raw wall  {_median(costs, 2):5.1f} MB"
        )
    for level in levels():
        pairs = [start_up(level, options.python) for _ in range(20)]
        ratio = statistics.median(up / bare for bare, up in pairs)
        up = statistics.median(up for _, up in pairs)
        print(f"{level:12} {up:6.2f} ms until it listens  {ratio:5.2f} x bare Python")


def _median(costs: list[Cost], field: int) -> float:
    return statistics.median(cost[field] for cost in costs)


if __name__ == "__main__":
    main()

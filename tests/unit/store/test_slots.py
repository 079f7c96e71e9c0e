"""Leases of ports: the lowest that is free, one owner each over all processes, and over when the owner is gone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from teamflow.core.slots import COUNT, ports
from teamflow.store import slots
from teamflow.store.errors import StoreError
from teamflow.store.free_ports import is_free
from teamflow.store.machine import FORMAT, Machine


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


def opened(environ: dict[str, str]) -> Machine:
    machine = Machine.open(environ)
    assert machine is not None
    return machine


@pytest.fixture
def machine(environ: dict[str, str]) -> Iterator[Machine]:
    with closing(opened(environ)) as found:
        yield found


def always(port: int) -> bool:
    return True


class Places:
    """Takes for steps of runs of one project, whose directories it makes."""

    def __init__(self, machine: Machine, root: Path) -> None:
        self._machine = machine
        self._root = root

    def run(self, run: str) -> Path:
        return self._root / "runs" / run

    def workspace(self, step: str, run: str = "r") -> Path:
        return self._root / "trees" / run / step

    def __call__(
        self, step: str, run: str = "r", *, wanted: int | None = None, free: Callable[[int], bool] = always
    ) -> int:
        self.run(run).mkdir(parents=True, exist_ok=True)
        self.workspace(step, run).mkdir(parents=True, exist_ok=True)
        return slots.take(
            self._machine,
            project=str(self._root),
            run=run,
            step=step,
            workspace=str(self.workspace(step, run)),
            directory=str(self.run(run)),
            boot="b",
            now=5.0,
            wanted=wanted,
            free=free,
        )

    def release(self, step: str, run: str = "r") -> bool:
        return slots.release(self._machine, project=str(self._root), run=run, step=step)

    def of_run(self, run: str = "r") -> dict[str, int]:
        return slots.of_run(self._machine, project=str(self._root), run=run)


@pytest.fixture
def places(machine: Machine, tmp_path: Path) -> Places:
    return Places(machine, tmp_path / "project")


def test_the_lowest_free_slot_and_the_same_again(places: Places) -> None:
    assert [places("a"), places("b"), places("a"), places("a", "other")] == [0, 1, 0, 2]
    assert places.of_run() == {"a": 0, "b": 1}
    assert places.release("a")
    assert not places.release("a")
    assert places("c") == 0
    assert places("a") == 3


def test_blocks_in_which_somebody_listens_are_passed_over(places: Places) -> None:
    busy = {ports(0)[9], ports(2)[0]}
    assert [places(step, free=lambda port: port not in busy) for step in "ab"] == [1, 3]
    assert places("a", free=lambda port: False) == 1, "its own servers listen there"
    with pytest.raises(StoreError, match="listen in 998 of 1000 blocks") as error:
        places("c", free=lambda port: False)
    assert error.value.code == "conflict"


def test_a_step_gets_back_what_it_had(places: Places) -> None:
    assert places("a", wanted=40) == 40
    assert places("b", wanted=40) == 0
    assert places("c", wanted=COUNT) == 1
    assert places("d", wanted=-1) == 2


@pytest.mark.parametrize("what", ["workspace", "run"])
def test_a_lease_is_over_when_its_directory_is_gone(places: Places, what: str) -> None:
    places("a", "one")
    places("b", "two")
    gone = places.workspace("a", "one") if what == "workspace" else places.run("one")
    gone.rename(gone.with_name("moved"))
    assert places("c", "two") == 0
    assert places.of_run("one") == {}
    assert places.of_run("two") == {"b": 1, "c": 0}


def test_a_file_or_a_link_in_its_place_is_no_workspace(places: Places, tmp_path: Path) -> None:
    places("a")
    places("b")
    places.workspace("a").rmdir()
    places.workspace("a").write_text("x")
    places.workspace("b").rmdir()
    places.workspace("b").symlink_to(tmp_path)
    assert [places("c"), places("d")] == [0, 1]


def test_names_that_are_no_text(places: Places, tmp_path: Path) -> None:
    step = os.fsdecode(b"a\xff")
    assert [places(step), places("b"), places(step)] == [0, 1, 0]


def test_a_workspace_that_is_not_there_can_have_none(machine: Machine, tmp_path: Path) -> None:
    here, nowhere = str(tmp_path), str(tmp_path / "no")
    for workspace, directory in ((here, nowhere), (nowhere, here), ("relative", here)):
        with pytest.raises(StoreError, match="is not there"):
            slots.take(
                machine, project="p", run="r", step="s", workspace=workspace, directory=directory, boot="b", now=0.0
            )


def test_all_taken_names_who_holds_most(machine: Machine, places: Places, tmp_path: Path) -> None:
    here = os.fsencode(str(tmp_path))
    rows = [(n, "/most" if n % 3 else "/few", "r", f"s{n}", here, here, "b", 1.0) for n in range(COUNT)]
    with machine.changing() as connection:
        connection.executemany("INSERT INTO slots VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    with pytest.raises(StoreError) as error:
        places("a")
    assert error.value.code == "conflict"
    assert f"{COUNT} are leased, 666 of them by /most" in str(error.value)
    assert "teamflow gc" in error.value.remedy
    assert slots.release(machine, project="/most", run="r", step="s500")
    assert places("a") == 500


def test_rows_that_mean_nothing_hold_nothing(machine: Machine, places: Places) -> None:
    places("a")
    with machine.changing() as connection:
        for row in (
            (1, "p", "r", "path is no bytes", "/", "/", "b", 1.0),
            (2, b"\xff", "r", "no text", b"/", b"/", "b", 1.0),
            (3, "p", "r", "a NUL", b"/\0", b"/", "b", 1.0),
            (4, "p", "r", "relative", b"x", b"/", "b", 1.0),
            (5, "p", "r", "time", b"/", b"/", "b", "soon"),
            (-7, "p", "r", "below", b"/", b"/", "b", 1.0),
            (COUNT, "p", "r", "above", b"/", b"/", "b", 1.0),
        ):
            connection.execute("INSERT INTO slots VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    assert [lease.slot for lease in slots.leased(machine) if lease.owner.step == "a"] == [0]
    assert [places(step) for step in "bcdefg"] == [1, 2, 3, 4, 5, 6]
    assert len(slots.leased(machine)) == 7


def test_a_text_that_is_none_holds_nothing(machine: Machine, places: Places) -> None:
    with machine.changing() as connection:
        connection.execute("INSERT INTO slots VALUES (0, CAST(x'ff' AS TEXT), 'r', 's', x'2f', x'2f', 'b', 1.0)")
    assert places("a") == 0


def test_a_file_that_is_damaged_is_a_complaint(environ: dict[str, str], machine: Machine, places: Places) -> None:
    places("a")
    Path(machine.path).write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreError) as error:
        places("b")
    assert error.value.code == "corrupt"
    assert "move it away" in error.value.remedy
    Path(machine.path).unlink()
    with closing(opened(environ)) as new:
        assert slots.leased(new) == []


def test_a_refused_take_changes_nothing(machine: Machine, places: Places) -> None:
    places("a")
    places.workspace("a").rmdir()
    with pytest.raises(StoreError):
        places("b", free=lambda port: False)
    assert [lease.owner.step for lease in slots.leased(machine)] == ["a"]
    assert places("b") == 0


def test_a_database_that_cannot_be_written(machine: Machine, places: Places, tmp_path: Path) -> None:
    with machine.reading() as connection:
        connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError) as error:
        places("a")
    assert error.value.code == "unwritable"
    assert "writable" in error.value.remedy
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as error:
        Machine.open({"XDG_STATE_HOME": str(tmp_path / "file")})
    assert error.value.code == "unwritable"


def test_one_that_somebody_keeps_locked(environ: dict[str, str], places: Places, tmp_path: Path) -> None:
    hasty = Machine.open(environ, busy=0.01)
    assert hasty is not None
    with closing(opened(environ)) as other, other.changing(), closing(hasty):
        with pytest.raises(StoreError) as error:
            Places(hasty, tmp_path / "project")("a")
        assert error.value.code == "busy"


def test_a_machine_db_of_before_gets_the_table(environ: dict[str, str], tmp_path: Path) -> None:
    with closing(opened(environ)) as machine, machine.changing() as connection:
        connection.execute("DROP TABLE slots")
        connection.execute("INSERT INTO projects VALUES ('/p', 1.0)")
        connection.execute("PRAGMA user_version = 2")
    with closing(opened(environ)) as machine:
        assert Places(machine, tmp_path / "project")("a") == 0
        assert machine.projects() == ["/p"]
        with machine.reading() as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT,)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_port_on_which_somebody_listens_is_not_free(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        server = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {address}")
    with server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


TAKE = """
import os, sys
from contextlib import closing
from teamflow.store import slots
from teamflow.store.machine import Machine
root, run, steps, serve = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
os.makedirs(f"{root}/{run}", exist_ok=True)
sys.stdin.readline()
taken = []
with closing(Machine.open({"XDG_STATE_HOME": root}, busy=60)) as machine:
    for step in range(steps):
        taken.append(slots.take(machine, project=root, run=run, step=f"s{step}", workspace=f"{root}/{run}",
                     directory=f"{root}/{run}", boot="b", now=1.0, **({} if serve else {"free": lambda port: True})))
if serve:
    import socket
    from teamflow.core.slots import ports
    servers = [socket.create_server(("127.0.0.1", port)) for port in ports(taken[0])]
print(*taken, flush=True)
sys.stdin.readline()
"""


def together(root: Path, processes: int, steps: int, *more: str) -> tuple[list[subprocess.Popen[str]], list[list[int]]]:
    """Processes that take at the same time, and what each got; they live until their stdin is closed."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE, str(root), f"run{n}", str(steps), *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(processes)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    told = []
    for child in children:
        assert child.stdout is not None
        told.append([int(word) for word in child.stdout.readline().split()])
    return children, told


def ended(children: list[subprocess.Popen[str]]) -> list[int]:
    for child in children:
        child.communicate(timeout=60)
    return [child.returncode for child in children]


@pytest.mark.slow
def test_two_hundred_takes_of_eight_processes_give_no_slot_twice(tmp_path: Path) -> None:
    children, told = together(tmp_path, 8, 25)
    assert ended(children) == [0] * 8
    assert sorted(slot for each in told for slot in each) == list(range(200))


@pytest.mark.slow
def test_ten_servers_run_at_once(tmp_path: Path) -> None:
    """Each binds all ports of its block, while the others take theirs."""
    children, told = together(tmp_path, 10, 1, "serve")
    try:
        assert sorted(len(each) for each in told) == [1] * 10
        assert len({slot for (slot,) in told}) == 10
        for (slot,) in told:
            for port in ports(slot):
                with socket.create_connection(("127.0.0.1", port), timeout=10):
                    pass
        with closing(opened({"XDG_STATE_HOME": str(tmp_path)})) as machine:
            assert Places(machine, tmp_path / "project")("late", free=is_free) not in {slot for (slot,) in told}
    finally:
        codes = ended(children)
    assert codes == [0] * 10

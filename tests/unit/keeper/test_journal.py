"""The journal under torn ends, damage, and a disk that refuses."""

import errno
from pathlib import Path

import pytest

from teamflow.keeper import journal, wire


def _entries(count: int) -> list[dict[str, object]]:
    return [
        {"seq": seq, "e": "start", "step": f"s{seq}", "attempt": 1, "phase": "agent"} for seq in range(1, count + 1)
    ]


def _bytes(count: int) -> bytes:
    return b"".join(wire.line(entry) for entry in _entries(count))


def test_torn_at_every_byte() -> None:
    data = _bytes(5)
    ends = [at + 1 for at, byte in enumerate(data) if byte == 10]
    for cut in range(len(data) + 1):
        whole = sum(end <= cut for end in ends)
        assert journal.read(data[:cut]) == _entries(whole)
        assert journal.good(data[:cut]) == ([0, *ends][whole])


@pytest.mark.parametrize("damage", [b"x" * 10 + b"\n", b"\0" * 40 + b"\n", b'{"seq":9,"e":"exit"}\n', b"\n"])
def test_what_follows_damage_does_not_count(damage: bytes) -> None:
    data = _bytes(3)
    assert journal.read(data + damage + data) == _entries(3)
    assert journal.good(data + damage + data) == len(data)


def test_after() -> None:
    data = _bytes(4)
    for seq in range(5):
        assert journal.read(_bytes(seq) + journal.after(data, seq)) == _entries(4)
    assert journal.after(data, 99) == b""


def test_a_new_writer_goes_on_behind_a_torn_end(tmp_path: Path) -> None:
    path = tmp_path / "keeper.journal"
    data = _bytes(3)
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        whole = data[:cut].count(b"\n")
        writer = journal.Journal(str(tmp_path))
        assert (writer.seq, writer.past) == (whole, _entries(whole))
        writer.add({"e": "exit"})
        assert writer.flush() == wire.line({"seq": whole + 1, "e": "exit"})
        writer.close()
        assert journal.read(path.read_bytes()) == [*_entries(whole), {"seq": whole + 1, "e": "exit"}]


def test_one_flush_writes_all_and_an_empty_one_nothing(tmp_path: Path) -> None:
    writer = journal.Journal(str(tmp_path))
    assert writer.idle
    assert writer.flush() == b""
    for number in range(3):
        writer.add({"e": "start", "n": number})
    assert not writer.idle
    lines = writer.flush()
    assert lines.count(b"\n") == 3
    assert (writer.seq, writer.kept) == (3, 3)
    assert writer.replay(1) == journal.after(lines, 1)
    writer.close()


def test_a_disk_that_refuses_loses_nothing() -> None:
    """/dev/full refuses every write."""
    writer = journal.Journal.__new__(journal.Journal)
    writer.path = "/dev/full"
    writer.error = None
    writer._ballast = "/no/such/ballast"
    writer._fd = journal.posix.open("/dev/full", journal.posix.O_WRONLY)
    writer._new, writer._waiting, writer._left, writer.pressing = [], b"", b"", False
    writer._size = writer.seq = writer.kept = 0
    for number in (1, 2):
        writer.add({"e": "exit"})
        assert writer.flush() == b""
        assert writer.error is not None
        assert writer.error.errno == errno.ENOSPC
        assert (writer.seq, writer.kept, writer.idle) == (number, 0, False)
    assert journal.read(writer._left) == [{"seq": 1, "e": "exit"}, {"seq": 2, "e": "exit"}]
    journal.posix.close(writer._fd)


def test_ballast_is_set_aside_and_given_back(tmp_path: Path) -> None:
    writer = journal.Journal(str(tmp_path))
    writer.save_ballast()
    assert (tmp_path / "keeper.ballast").stat().st_blocks * 512 >= journal.BALLAST
    writer.close()
    assert not (tmp_path / "keeper.ballast").exists()

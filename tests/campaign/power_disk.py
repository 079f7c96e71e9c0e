"""What a disk may hold after the power went: a model of files, names and syncs. Pure but for `lay`.

What was written before a sync of the file began that was completed is there. Of all later writes any subset of their
sectors is: each sector of 512 bytes is as some moment since left it, the size is one that the file has had, and what
was never synced may be zeros or rubbish. A name that was made, taken or given since the last completed sync of its
directory may or may not have been; a rename is one thing, whatever it replaces. Harsher than most file systems are.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.campaign.power_trace import Call

SECTOR = 512
_LARGE = 1 << 20
"""Bytes from which on a file that is only set aside is no longer torn, which would cost much and show nothing."""


@dataclass(eq=False)
class File:
    """What was done to one file, in order: (offset, data) for a write, (size, None) for a truncation."""

    changes: list[tuple[int, bytes | None]] = field(default_factory=list)
    synced: int = 0
    """So many of them are on the disk."""
    inode: int = 0


@dataclass(eq=False)
class Naming:
    """A change of names. `file` None: of a directory."""

    kind: str
    path: str
    second: str = ""
    file: File | None = None
    synced: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path, self.second) if self.second else (self.path,)


class Odds(NamedTuple):
    """How much of what was not synced is there after all (0 … 1), and what stands where nothing was ever written."""

    names: float
    sectors: float
    rubbish: bool

    @staticmethod
    def drawn(chance: random.Random) -> Odds:
        odds = (0.0, 1.0, 0.5, chance.random())
        return Odds(chance.choice(odds), chance.choice(odds), chance.random() < 0.1)


class Disk:
    """Takes in calls one by one. `before`: what was there, and safe, when the recording began (path → content)."""

    def __init__(self, root: str, before: Mapping[str, bytes]) -> None:
        self._root = root
        self._names: dict[str, File] = {}
        self._inodes: dict[int, File] = {}
        self._namings: list[Naming] = []
        self._syncing: dict[tuple[int, int], tuple[File | str, int]] = {}
        for path, data in before.items():
            file = File([(0, data)], synced=1)
            self._add("c", path, file=file).synced = True

    def take(self, call: Call) -> None:
        path = call.path.removesuffix(" (deleted)")
        if not path.startswith(self._root + "/") and path != self._root:
            return
        match call.kind:
            case "c":
                self._file(call, path)  # two processes may both believe that they have made it
            case "w" | "t":
                self._file(call, path).changes.append((call.offset, call.data if call.kind == "w" else None))
            case "s" if call.directory:
                self._syncing[call.thread] = (path, len(self._namings))
            case "s":
                file = self._file(call, path)
                self._syncing[call.thread] = (file, len(file.changes))
            case "S":
                self._sync(*self._syncing.pop(call.thread))
            case "m":
                self._namings.append(Naming("m", path))
            case kind:
                self._add(kind, path, call.second)

    def content(self) -> dict[str, bytes]:
        """All of it, as if the power had stayed. Without what is mapped into memory (`-shm`)."""
        return {path: _latest(file) for path, file in self._names.items() if not path.endswith("-shm")}

    def image(self, chance: random.Random, odds: Odds) -> dict[str, bytes | None]:
        """What may be there: path → content, None for a directory. Parents come before what is in them."""
        found: dict[str, File | None] = {}
        missed: set[str] = set()
        for naming in self._namings:
            if naming.synced or (missed.isdisjoint(naming.paths) and chance.random() < odds.names):
                _apply(naming, found)
            else:
                missed.update(naming.paths)
        there = {self._root}
        image: dict[str, bytes | None] = {}
        for path in sorted(found):
            if os.path.dirname(path) in there:
                file = found[path]
                if file is None:
                    there.add(path)
                image[path] = None if file is None else _torn(file, path, chance, odds)
        return image

    def _file(self, call: Call, path: str) -> File:
        """Of a name that was never made (a spawned process opens files unseen) it is made now."""
        if call.path != path:
            return self._inodes[call.inode]  # deleted, and still written to
        file = self._names.get(path)
        if file is None or file.inode not in (0, call.inode):
            file = self._create(path)
        file.inode = call.inode
        self._inodes[call.inode] = file
        return file

    def _create(self, path: str) -> File:
        file = File()
        self._add("c", path, file=file)
        return file

    def _add(self, kind: str, path: str, second: str = "", file: File | None = None) -> Naming:
        naming = Naming(kind, path, second, file)
        self._namings.append(naming)
        _apply(naming, self._names)
        return naming

    def _sync(self, what: File | str, count: int) -> None:
        if isinstance(what, File):
            what.synced = max(what.synced, count)
            return
        for naming in self._namings[:count]:
            if any(os.path.dirname(path) == what for path in naming.paths):
                naming.synced = True


def _apply(naming: Naming, names: dict[str, File] | dict[str, File | None]) -> None:
    path, second = naming.path, naming.second
    match naming.kind:
        case "c" | "m":
            names[path] = naming.file  # type: ignore[assignment]
        case "u" | "x":
            names.pop(path, None)
        case "r" if path in names:
            names[second] = names.pop(path)  # type: ignore[assignment]
        case "l" if path in names:
            names[second] = names[path]  # type: ignore[assignment]


def _latest(file: File, count: int | None = None) -> bytes:
    data = bytearray()
    for change in file.changes[:count]:
        _change(data, change)
    return bytes(data)


def _change(data: bytearray, change: tuple[int, bytes | None]) -> None:
    at, new = change
    if new is None:
        del data[at:]
        data.extend(bytes(at - len(data)))
    else:
        data.extend(bytes(max(0, at - len(data))))
        data[at : at + len(new)] = new


def _torn(file: File, path: str, chance: random.Random, odds: Odds) -> bytes:
    if path.endswith("-shm"):
        return chance.randbytes(32768)  # nobody may rely on it
    safe = _latest(file, file.synced)
    pending = file.changes[file.synced :]
    if not pending or odds.sectors == 0.0:
        return safe
    sizes = [len(safe)]
    for at, new in pending:
        sizes.append(at if new is None else max(sizes[-1], at + len(new)))
    if max(sizes) >= _LARGE and all(new is None for _, new in pending):
        return bytes(chance.choice(sizes))
    size = sizes[-1] if chance.random() < odds.sectors else chance.choice(sizes)
    data = bytearray(chance.randbytes(max(sizes)) if odds.rubbish else bytes(max(sizes)))
    data[: len(safe)] = safe
    for sector, changes in _by_sector(pending, sizes).items():
        last = len(changes) if chance.random() < odds.sectors else chance.randrange(len(changes) + 1)
        for at, new in changes[:last]:
            _change_sector(data, sector * SECTOR, at, new)
    return bytes(data[:size])


def _by_sector(
    pending: Iterable[tuple[int, bytes | None]], sizes: list[int]
) -> dict[int, list[tuple[int, bytes | None]]]:
    touched: dict[int, list[tuple[int, bytes | None]]] = {}
    for (at, new), before in zip(pending, sizes, strict=False):
        end = at + len(new) if new is not None else before
        for sector in range(at // SECTOR, -(-end // SECTOR)):
            touched.setdefault(sector, []).append((at, new))
    return touched


def _change_sector(data: bytearray, begin: int, at: int, new: bytes | None) -> None:
    """As much of a change as lies in the sector at `begin`."""
    end = min(begin + SECTOR, len(data))
    if new is None:
        start = max(at, begin)
        data[start:end] = bytes(max(0, end - start))
    else:
        start, stop = max(at, begin), min(at + len(new), end)
        data[start:stop] = new[start - at : stop - at]


def lay(image: Mapping[str, bytes | None], *, modes: Mapping[str, int]) -> None:
    """Makes the files; what `modes` does not name is private."""
    for path, data in image.items():
        if data is None:
            os.mkdir(path, modes.get(path, 0o700))
            continue
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, modes.get(path, 0o600))
        with open(descriptor, "wb") as file:
            if data.count(0) == len(data):
                file.truncate(len(data))
            else:
                file.write(data)

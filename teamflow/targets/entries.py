"""The keeper's lines in the port's words, and back. Knows no socket and no file.

Follows the journal by its numbers: an entry that was seen before is none, so reading a stretch twice does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from teamflow.core.invocation import Exit
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json
from teamflow.ports import Exited, Start, Started

Key: TypeAlias = tuple[str, int, str]
"""(step, attempt, phase)"""

Entry: TypeAlias = Started | Exited

_encode: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_decode: Final = json.JSONDecoder().decode


class Open(NamedTuple):
    """A phase that started and has not ended: its process, and where its part of the log begins."""

    pid: int
    started: int
    """Start time of the process as /proc tells it: with the pid, it names the process for good."""
    boot: str
    log_offset: int


def line(op: str, values: Mapping[str, Json]) -> bytes:
    """One message to the keeper, newline included. Surrogates (bytes that are not UTF-8) pass through."""
    return _encode({"op": op, **values}).encode("ascii") + b"\n"


def parse(raw: bytes) -> dict[str, Any]:
    """One line from the keeper. Raises ValueError for what is not a JSON object."""
    value = _decode(raw.decode("utf-8", "surrogateescape"))
    if not isinstance(value, dict):
        raise ValueError(f"not an object: {raw[:80]!r}")
    return value


def start_line(request: Start) -> bytes:
    """`start`. What the engine wants in the environment yields to what the step says."""
    invocation = request.invocation
    message: dict[str, Json] = {
        "op": "start",
        "step": request.step,
        "attempt": request.attempt,
        "phase": request.phase,
        "argv": invocation.argv,
        "cwd": request.cwd,
        "env": request.base_env,
        "log": request.log,
        "grace": request.grace,
    }
    if invocation.fallback is not None:
        message["fallback"] = invocation.fallback
    if invocation.env or request.env:
        message["env_add"] = {**invocation.env, **request.env}
    if invocation.stdin is not None:
        message["stdin"] = {"data": invocation.stdin, "open": invocation.listens}
    if invocation.files:
        message["files"] = dict(invocation.files)
    if request.idle_paths:
        message["idle_paths"] = request.idle_paths
    if request.note:
        message["note"] = request.note
    for name in ("err", "timeout", "idle", "log_limit", "isolation"):
        value = getattr(request, name)
        if value is not None:
            message[name] = value
    return _encode(message).encode("ascii") + b"\n"


class Journal:
    """What the journal told so far: its last number and the phases that are open by it."""

    __slots__ = ("boot", "known", "open", "seq", "settled")

    def __init__(self) -> None:
        self.boot = ""
        """That of this machine, once there may be entries of another."""
        self.seq = 0
        self.known: set[Key] = set()
        """Every phase that has an entry: asking for it again leads to nothing."""
        self.open: dict[Key, Open] = {}
        self.settled: set[Key] = set()
        """Phases whose end was told without an entry; the entry that comes late is not told again."""

    def read(self, raw: Mapping[str, Any]) -> Entry | None:
        """The entry, or None for one that was read before or says nothing new. Raises KeyError for a damaged one."""
        seq = raw["seq"]
        if seq <= self.seq:
            return None
        self.seq = seq
        step, attempt, phase = key = (raw["step"], raw["attempt"], raw["phase"])
        self.known.add(key)
        kind = raw["e"]
        if kind == "start":
            offset = raw["log_offset"]
            if key in self.settled:
                return None
            self.open[key] = Open(raw["pid"], raw["start"], raw["boot"], offset)
            return Started(seq, step, attempt, phase, raw["pid"], raw["at"], offset, raw.get("note") or {})
        begun = self.open.pop(key, None)
        if key in self.settled:
            self.settled.discard(key)
            return None
        end = _END[kind](raw, begun.log_offset if begun else 0) if kind in _END else None
        if end is not None and begun is not None and self.boot not in ("", begun.boot):
            # The journal may have outlived a power cut and what the process wrote not: neither its log nor its files
            # are to be trusted, or to be kept in the cache.
            end = end._replace(code=None, signal=None, cause="machine_down")
        return Exited(seq, step, attempt, phase, raw["at"], end) if end else None

    def settle(self, key: Key) -> None:
        """The end of this phase is told by other means."""
        self.open.pop(key, None)
        self.settled.add(key)


def _exit(raw: Mapping[str, Any], log_start: int) -> Exit:
    return Exit(
        raw["code"],
        raw["signal"],
        raw["cause"],
        None,
        log_start,
        raw["log_size"],
        raw["err_size"] or 0,
    )


def _fail(raw: Mapping[str, Any], log_start: int) -> Exit:
    return Exit(error=str(raw["error"]))


def _lost(raw: Mapping[str, Any], log_start: int) -> Exit:
    return Exit(cause="lost", log_start=log_start, log_end=log_start)


_END: Final = {"exit": _exit, "fail": _fail, "lost": _lost}

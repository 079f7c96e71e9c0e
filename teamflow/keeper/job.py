"""One phase that was started and is not over: what it was started with and what is known of it. Starts nothing."""

from . import ladder, wire

MYPY = False
if MYPY:
    from typing import Any

    from .cgroups import Slot
    from .feed import Feed
    from .ladder import Ladder
    from .limits import Limits

GRACE = 10.0


def raw(text: str) -> bytes:
    """Strings of the protocol stand for bytes: paths, arguments, environment."""
    return text.encode("utf-8", "surrogateescape")


class Request:
    """A `start` message that was checked; Malformed says what is wrong with it."""

    __slots__ = (
        "add", "argv", "attempt", "cwd", "env", "err", "fallback", "files", "grace", "idle", "idle_paths",
        "in_log", "isolation", "log", "log_limit", "note", "phase", "stdin", "stdin_eof", "step",
        "timeout",
    )  # fmt: skip

    def __init__(self, message: "dict[str, Any]") -> None:
        get = message.get
        self.step, self.attempt, self.phase = key(message)
        self.argv = _argv(get("argv"))
        self.fallback = None if get("fallback") is None else _argv(get("fallback"))
        self.cwd = _path(get("cwd"), "cwd")
        self.log = _path(get("log"), "log")
        self.err = None if get("err") is None else _path(get("err"), "err")
        self.env: "str | None" = get("env")
        self.add: "dict[str, str | None]" = get("env_add") or {}
        if type(self.env) not in (str, type(None)) or type(self.add) is not dict:
            raise wire.Malformed("env, env_add are not a string and an object")
        self.stdin, self.stdin_eof = _stdin(get("stdin", "null"))
        self.in_log = None if get("in_log") is None else _path(get("in_log"), "in_log")
        self.files = _files(get("files"))
        self.timeout = _number(get("timeout"), "timeout")
        self.idle = _number(get("idle"), "idle")
        self.idle_paths = [_path(path, "idle_paths") for path in _list(get("idle_paths"))]
        grace = _number(get("grace"), "grace")
        self.grace = GRACE if grace is None else grace
        self.log_limit = _number(get("log_limit"), "log_limit")
        self.isolation = get("isolation")
        if self.isolation not in (None, "pidns"):
            raise wire.Malformed("isolation is not null or pidns")
        self.note = get("note")


def key(message: "dict[str, Any]") -> "tuple[str, int, str]":
    """(step, attempt, phase) of a message; Malformed if one is missing or of the wrong type."""
    step, attempt, phase = message.get("step"), message.get("attempt"), message.get("phase")
    if type(step) is not str or type(attempt) is not int or type(phase) is not str:
        raise wire.Malformed("step, attempt, phase are not a string, an integer, a string")
    return step, attempt, phase


def _argv(value: "Any") -> "list[bytes]":
    if type(value) is not list or not value:
        raise wire.Malformed("argv is not a list with a first word")
    try:
        return [word.encode("utf-8", "surrogateescape") for word in value]
    except (AttributeError, ValueError):
        raise wire.Malformed("argv holds what is not a string of bytes") from None


def _list(value: "Any") -> "list[Any]":
    if value is not None and type(value) is not list:
        raise wire.Malformed("idle_paths is not a list")
    return value or []


def _path(value: "Any", name: str) -> bytes:
    if type(value) is not str or not value.startswith("/"):
        raise wire.Malformed(name + " is not an absolute path")
    try:
        return raw(value)
    except ValueError:
        raise wire.Malformed(name + " does not stand for bytes") from None


def _number(value: "Any", name: str) -> "float | None":
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value < 1e15:
        raise wire.Malformed(name + " is not a number from 0")
    return float(value)


def _stdin(value: "Any") -> "tuple[bytes | None, bool]":
    """(what to begin with, whether that is all); None for /dev/null."""
    if value in (None, "null"):
        return None, True
    if value == "pipe":
        return b"", False
    if type(value) is dict:
        return _data(value.get("data"), "stdin"), value.get("open") is not True
    raise wire.Malformed("stdin is not null, pipe or {data, open}")


def _files(value: "Any") -> "list[tuple[bytes, bytes]]":
    if value is not None and type(value) is not dict:
        raise wire.Malformed("files is not an object")
    return [(_path(path, "files"), _data(data, "files")) for path, data in (value or {}).items()]


def _data(value: "Any", name: str) -> bytes:
    if type(value) is not str:
        raise wire.Malformed(name + " has no string of data")
    try:
        return raw(value)
    except ValueError:
        raise wire.Malformed(name + " does not stand for bytes") from None


class Job:
    """A phase from its start until nothing is left of it.

    number: counts the starts of this keeper; `mark` is made of it. ended: the main process was reaped. rungs: what the
    ladder still has to do. look: when it wants to be looked at again (boottime, seconds). known: pid -> start time of
    processes that were seen to be its.
    """

    __slots__ = (
        "attempt", "cause", "ended", "err_fd", "feed", "frozen", "grace", "killed", "known", "limits", "log_fd",
        "look", "mark", "number", "phase", "pid", "rungs", "slot", "start", "step", "still", "wrapped",
    )  # fmt: skip

    def __init__(self, request: Request, number: int, mark: int) -> None:
        self.step = request.step
        self.attempt = request.attempt
        self.phase = request.phase
        self.grace = request.grace
        self.wrapped = request.isolation is not None
        self.number = number
        self.mark = mark
        self.pid = 0
        self.start = 0
        self.log_fd = -1
        self.err_fd = -1
        self.slot: "Slot | None" = None
        self.feed: "Feed | None" = None
        self.limits: "Limits | None" = None
        self.cause: "str | None" = None
        self.rungs: "Ladder" = ()
        self.ended = False
        self.killed = 0.0  # when the first SIGKILL went out
        self.frozen = 0.0  # since when its deadlines are halted
        self.still: "tuple[str, ...]" = ()  # why they are
        self.look = float("inf")
        self.known: "dict[int, int]" = {}

    def stop(self, now: float, grace: "float | None", cause: str, soft: float = 0.0) -> None:
        """Begins a ladder, or brings the end of the running one nearer."""
        grace = self.grace if grace is None else grace
        if self.cause is None:
            self.cause = cause
        if self.rungs or self.killed:
            self.rungs = ladder.hasten(self.rungs, now, grace)
        else:
            self.rungs = ladder.stop(now, grace, soft)
        self.look = now

    @property
    def halted(self) -> bool:
        """Whether its processes are halted."""
        return "freeze" in self.still

    def hold(self, now: float, why: str) -> None:
        """Nothing is due any more, until it goes on."""
        self.frozen = self.frozen or now
        self.still = (*self.still, why)
        self.look = float("inf")

    def go_on(self, now: float, why: "str | None" = None) -> None:
        """A reason (None: every one) is gone. Everything that was due meanwhile is due later by as long."""
        held = bool(self.still)
        self.still = () if why is None else tuple(other for other in self.still if other != why)
        if self.still or not held:
            return
        away = now - self.frozen
        self.frozen = 0.0
        self.rungs = ladder.shift(self.rungs, away)
        if self.limits:
            self.limits.shift(away)
        self.look = now

"""Plays a script as an agent's process would: a program of its own, standard library only, imports nothing of teamflow.

Reads one line of JSON from stdin ({"actions": [[word, argument], ...], "told": {...}, "step", "attempt"}), acts in the
current directory and prints JSON lines: `init`, `message`, `tool`, `progress`, `usage`, and last `result`. Started as
`python3 -I -S _scripted_player.py`; what the words mean is in docs/engines.md.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time

MYPY = False
if MYPY:  # typing would double the time it takes to start
    from collections.abc import Callable
    from typing import Any

TEXT_LIMIT = 100 * 1024
PIECE = 32 * 1024
TAIL = 2048


class End(Exception):
    """The script has come to its end: what to print, and the exit code."""

    def __init__(self, code: int, result: dict[str, Any] | None) -> None:
        super().__init__(code)
        self.code = code
        self.result = result


class Player:
    """State of one play: what was said last, what was used, and whether stdout is at the start of a line."""

    def __init__(self, told: dict[str, Any], session: str) -> None:
        self.told = told
        self.session = session
        self.text = ""
        self.usage: dict[str, float] = {}
        self.line_open = False
        self.heard = b""
        self.lines: list[dict[str, Any]] = []
        self.asked = 0

    # -- output

    def emit(self, kind: str, **values: Any) -> None:
        line = json.dumps({"type": kind, **values}, separators=(",", ":"))
        self.raw(("\n" if self.line_open else "").encode() + line.encode() + b"\n")
        self.line_open = False

    def raw(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]

    def result(self, **values: Any) -> None:
        text = self.text
        if len(text) > TEXT_LIMIT:
            half = TEXT_LIMIT // 2
            text = text[:half] + "\n[...]\n" + text[-half:]
        self.emit("result", text=text, usage=self.usage or None, session=self.session, **values)

    # -- actions that talk

    def say(self, text: str) -> None:
        self.text = text
        for at in range(0, len(text) or 1, PIECE):
            self.emit("message", text=text[at : at + PIECE])

    def outputs(self, values: dict[str, Any]) -> None:
        self.say(json.dumps(values, ensure_ascii=False))

    def echo(self, name: str) -> None:
        self.say(str(self.told.get(name) or ""))

    def expect(self, wishes: dict[str, str]) -> None:
        for name, part in wishes.items():
            field = name[: -len("_contains")]
            if part not in str(self.told.get(field) or ""):
                self.fail({"class": "fatal", "reason": f"the script expected {part!r} in the {field}"})

    def progress(self, values: dict[str, Any]) -> None:
        self.emit("progress", **values)

    def use(self, values: dict[str, float]) -> None:
        for name, amount in values.items():
            self.usage[name] = round(self.usage.get(name, 0) + amount, 6)
        self.emit("usage", **self.usage)

    def stderr(self, text: str) -> None:
        os.write(2, text.encode("utf-8", "surrogateescape") + b"\n")

    def garbage(self, values: dict[str, Any]) -> None:
        kind, size, seed = values["kind"], values.get("size", 1024), values.get("seed", 0)
        unit = {
            "line": b"x" * 65536,
            "nul": b"\0" * 65536,
            "escapes": b"\x1b[2J\x1b]0;title\x07\x1b[31m\r\x9b2J\xff",
        }.get(kind) or noise(seed)
        while size > 0:
            self.raw(unit[:size])
            size -= len(unit)
        self.line_open = True

    # -- actions that work

    def write(self, values: dict[str, Any]) -> None:
        data = values["text"].encode("utf-8", "surrogateescape") if "text" in values else None
        self.file(values["path"], "wb", data, values.get("size", 0))

    def append(self, values: dict[str, str]) -> None:
        self.file(values["path"], "ab", values["text"].encode("utf-8", "surrogateescape"), 0)

    def file(self, path: str, mode: str, data: bytes | None, size: int) -> None:
        if os.path.dirname(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, mode) as file:
            if data is not None:
                file.write(data)
            while data is None and size > 0:
                file.write(b"x" * min(size, 1 << 20))
                size -= 1 << 20
        self.emit("tool", name="write", path=path)

    def delete(self, path: str) -> None:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        self.emit("tool", name="delete", path=path)

    def run(self, command: str | list[str]) -> None:
        output = scratch()
        pid = spawn(command, stdout=output, stderr=output)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        size = os.fstat(output).st_size
        tail = os.pread(output, TAIL, max(0, size - TAIL)).decode("utf-8", "replace")
        os.close(output)
        self.emit("tool", name="run", command=command, code=code, output=tail)

    def spawn(self, values: dict[str, Any]) -> None:
        how = values.get("as", "child")
        if how == "daemon":
            middle = os.fork()
            if middle == 0:
                spawn(values["run"], session=True)
                os._exit(0)
            os.waitpid(middle, 0)
        else:
            spawn(values["run"], session=how == "setsid")
        self.emit("tool", name="spawn", command=values["run"])

    # -- actions that wait or end

    def listen(self, seconds: float) -> None:
        told = self.hear("text", time.monotonic() + seconds)
        if told is not None:
            self.say(told["text"])

    def ask_leave(self, wish: dict[str, str]) -> None:
        self.asked += 1
        ((kind, what),) = wish.items()
        self.emit("leave", id=str(self.asked), wish=kind, what=what)
        told = self.hear("answer", None)
        if told is not None:
            self.say("allowed" if told["allow"] else "denied: " + str(told.get("reason") or ""))

    def hear(self, key: str, until: float | None) -> dict[str, Any] | None:
        """The next line with that key; others wait. None: there is none until then, or no more will come."""
        while True:
            for at, told in enumerate(self.lines):
                if key in told:
                    return self.lines.pop(at)
            while b"\n" not in self.heard:
                left = None if until is None else max(0.0, until - time.monotonic())
                ready = select.select((0,), (), (), left)[0]
                data = os.read(0, PIECE) if ready else b""
                if not data:
                    return None
                self.heard += data
            line, _, self.heard = self.heard.partition(b"\n")
            self.lines.append(json.loads(line))

    def sleep(self, seconds: float) -> None:
        select.select((), (), (), seconds)

    def hang(self, _: None) -> None:
        while True:
            signal.pause()

    def ignore_signals(self, _: None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def fail(self, values: dict[str, Any]) -> None:
        reason = values.get("reason", "the script says so")
        raise End(
            1, {"ok": False, "class": values["class"], "reason": reason, "retry_after": values.get("retry_after")}
        )

    def exit(self, code: int) -> None:
        raise End(code, {"ok": True})

    def crash(self, _: None) -> None:
        raise End(1, None)

    def signal(self, name: str) -> None:
        os.kill(os.getpid(), getattr(signal, name))


def noise(seed: int) -> bytes:
    """64 KiB that look random and are the same for the same seed; not all of it is UTF-8."""
    state = seed * 2 + 1
    out = bytearray()
    for _ in range(8192):
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        out += state.to_bytes(8, "little")
    return bytes(out)


def spawn(
    command: str | list[str], *, stdout: int | None = None, stderr: int | None = None, session: bool = False
) -> int:
    """Starts a command as a shell or an argv would; its pid. One that cannot be found ends with 127."""
    argv = ["/bin/sh", "-c", command] if isinstance(command, str) else command
    actions: list[Any] = [
        (os.POSIX_SPAWN_DUP2, source, target) for source, target in ((stdout, 1), (stderr, 2)) if source
    ]
    actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
    try:
        return start(argv, actions, session=session)
    except OSError as error:
        message = f"{argv[0]}: {error.strerror}"
        absent = ["/bin/sh", "-c", 'echo "$0" >&2; exit 127', message]
        return start(absent, actions, session=session)


def start(argv: list[str], actions: list[Any], *, session: bool) -> int:
    try:
        return os.posix_spawnp(argv[0], argv, os.environ, file_actions=actions, setsid=session)
    except RuntimeError:  # setsid is not to be had here: a group of its own must do
        return os.posix_spawnp(argv[0], argv, os.environ, file_actions=actions, setpgroup=0)


def scratch() -> int:
    """An open file without a name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("output")
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


WORDS: dict[str, Callable[[Player, Any], None]] = {
    "say": Player.say,
    "outputs": Player.outputs,
    "echo": Player.echo,
    "expect": Player.expect,
    "sleep": Player.sleep,
    "listen": Player.listen,
    "ask_leave": Player.ask_leave,
    "progress": Player.progress,
    "usage": Player.use,
    "write": Player.write,
    "append": Player.append,
    "delete": Player.delete,
    "run": Player.run,
    "spawn": Player.spawn,
    "stderr": Player.stderr,
    "garbage": Player.garbage,
    "ignore_signals": Player.ignore_signals,
    "fail": Player.fail,
    "exit": Player.exit,
    "crash": Player.crash,
    "signal": Player.signal,
    "hang": Player.hang,
}


def first_line() -> tuple[bytes, bytes]:
    """What stdin begins with, and what has come behind it."""
    data = b""
    while b"\n" not in data and (piece := os.read(0, PIECE)):
        data += piece
    line, _, rest = data.partition(b"\n")
    return line, rest


def main() -> int:
    # As a program that is not Python: SIGINT ends it at once, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    first, rest = first_line()
    task = json.loads(first)
    told = task["told"]
    session = told.get("session") or "scripted-" + os.urandom(6).hex()
    player = Player(told, session)
    player.heard = rest
    player.emit("init", session=session, step=task["step"], attempt=task["attempt"], model=told.get("model"))
    end = End(0, {"ok": True})
    try:
        for word, argument in task["actions"]:
            WORDS[word](player, argument)
    except End as reached:
        end = reached
    except OSError as error:
        end = End(1, {"ok": False, "class": "fatal", "reason": f"{error.filename or 'script'}: {error.strerror}"})
    if end.result is not None:
        player.result(**end.result)
    return end.code


if __name__ == "__main__":
    os._exit(main())

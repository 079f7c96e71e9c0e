"""Drives one agent CLI over its pipes, and notes what was written to it after which byte of what it said.

Decides nothing about any protocol but that it is made of lines of JSON. What is said is read only as far as the caller
waits for it, so that the noted offsets are ends of lines, and the same in every recording. Ends what it started.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Message = dict[str, Any]


class Written(NamedTuple):
    """What was written to stdin, after so many bytes of stdout had been read."""

    offset: int
    data: bytes


class Driven:
    """A CLI that is running. When `seconds` are over it is killed, so that every wait ends, by EOFError."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, seconds: float = 90) -> None:
        self.out = b""
        self.written: list[Written] = []
        self._err = tempfile.TemporaryFile()  # noqa: SIM115  # Closed with the process.
        self._process = subprocess.Popen(
            argv,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._err,
            start_new_session=True,
        )
        self._watchdog = threading.Timer(seconds, self.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Driven:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._process.wait()
        self._watchdog.cancel()
        assert self._process.stdin
        assert self._process.stdout
        for pipe in (self._process.stdin, self._process.stdout, self._err):
            try:
                pipe.close()
            except OSError:
                pass  # What was not written to a process that is gone.

    def kill(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # It is over, as it should be.

    def signal(self, number: int) -> None:
        os.killpg(self._process.pid, number)

    def write(self, message: Message) -> None:
        data = json.dumps(message).encode() + b"\n"
        self.written.append(Written(len(self.out), data))
        assert self._process.stdin
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def until(self, holds: Callable[[Message], object]) -> Message:
        """Read on to the first message for which it holds. Raises EOFError with all that was said."""
        assert self._process.stdout
        while line := self._process.stdout.readline():
            self.out += line
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if isinstance(message, dict) and holds(message):
                return message
        raise EOFError(f"it ended: {self.errors()}\n{self.out.decode(errors='replace')[-3000:]}")

    def close(self) -> None:
        """The end of its stdin."""
        assert self._process.stdin
        self._process.stdin.close()

    def rest(self) -> None:
        """Read to the end of what it says."""
        assert self._process.stdout
        self.out += self._process.stdout.read()

    def end(self) -> int:
        """Close its stdin, read what it still says, and give its exit code (negative: the signal)."""
        try:
            self.close()
        except BrokenPipeError:
            pass  # It is over.
        self.rest()
        return self._process.wait()

    def errors(self) -> str:
        """What it said on stderr so far."""
        self._err.seek(0)
        return self._err.read().decode(errors="replace")


class Rpc:
    """JSON-RPC by lines, as codex's app-server and ACP speak it; what the other side asks is answered by `answers`."""

    def __init__(self, driven: Driven, *, version: bool = True) -> None:
        self.driven = driven
        self.answers: dict[str, Callable[[Message], Any]] = {}
        self._last = 0
        self._version = {"jsonrpc": "2.0"} if version else {}

    def send(self, method: str, **params: Any) -> int:
        """Ask, and do not wait: the id of the request."""
        self._last += 1
        self.driven.write({**self._version, "id": self._last, "method": method, "params": params})
        return self._last

    def notify(self, method: str, **params: Any) -> None:
        self.driven.write({**self._version, "method": method, "params": params})

    def answer(self, request: Message, result: Any) -> None:
        self.driven.write({**self._version, "id": request["id"], "result": result})

    def until(self, holds: Callable[[Message], object]) -> Message:
        """The next message for which it holds; requests on the way are answered, where there is an answer."""

        def seen(message: Message) -> bool:
            if holds(message):
                return True
            if "id" in message and message.get("method") in self.answers:
                self.answer(message, self.answers[message["method"]](message))
            return False

        return self.driven.until(seen)

    def reply(self, id: int) -> Message:
        """The whole answer to a request: with `result` or `error`."""
        return self.until(lambda message: message.get("id") == id and "method" not in message)

    def ask(self, method: str, **params: Any) -> Any:
        """The result of a request. Raises RuntimeError for an error."""
        got = self.reply(self.send(method, **params))
        if "error" in got:
            raise RuntimeError(f"{method}: {got['error']}")
        return got["result"]

    def method(self, name: str) -> Message:
        """The next request or notification of this method."""
        return self.until(lambda message: message.get("method") == name)

"""Drives one real agent process by an engine's session, as a runner would: for tests of engines without a runner.

    with Pump(engine, brief, env=env) as agent:
        asked = agent.until(Asked)
        agent.answer(asked.request, Verdict(ALLOW))
        outcome = agent.finish()

Everything happens in the test's thread, in the order in which it comes. What was printed and written is kept, so that
`tests/unit/engines/transcripts.py` can feed it again. A pump that waits for more than `patience` gives up loudly.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypeVar

from teamflow.core.invocation import Brief, EngineEvent, Exit, Invocation, Reply
from teamflow.core.outcome import Outcome
from teamflow.core.permissions import Verdict
from teamflow.ports import Engine, Session

PATIENCE: Final = 120.0
"""Seconds without a byte from the agent, after which something is wrong. No test waits for it."""

E = TypeVar("E")


class Pump:
    """One attempt: the process, its session, and what both have said so far.

    `env` is the whole environment besides what the invocation adds, and `over` goes over that. `inputs`: (bytes read
    by then, text) of all that was written behind the invocation's own stdin. `replies`: those that the session made.
    """

    def __init__(
        self,
        engine: Engine,
        brief: Brief,
        *,
        env: Mapping[str, str],
        over: Mapping[str, str] = MappingProxyType({}),
        patience: float = PATIENCE,
        chunk: int = 65536,
    ) -> None:
        invocation = engine.invoke(brief)
        assert isinstance(invocation, Invocation), invocation
        self.invocation = invocation
        self.session: Session = engine.session(brief)
        self.brief = brief
        self.output = b""
        self.events: list[EngineEvent] = []
        self.inputs: list[tuple[int, str]] = []
        self.replies: list[str] = []
        self.ended = False
        """Whether the session has said that its work is done."""
        self._seen = 0
        self._complaints = ""
        self._patience = patience
        self._chunk = chunk
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        for path, text in invocation.files:
            _write(path, text)
        self.process = subprocess.Popen(
            invocation.argv,
            cwd=brief.cwd,
            env={**env, **invocation.env, **over},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        self._write(invocation.stdin or "")
        if not invocation.listens:
            self._close_stdin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        self._close_stdin()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._complaints = self.stderr()
        self._errors.close()

    # What a test does

    def tell(self, text: str) -> bool:
        """Whether it could be told."""
        return self._give(self.session.tell(text))

    def answer(self, request: str, verdict: Verdict) -> bool:
        return self._give(self.session.answer(request, verdict))

    def interrupt(self) -> bool:
        return self._give(self.session.interrupt())

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    # What a test waits for

    def until(self, kind: type[E], where: Callable[[E], bool] = lambda _: True) -> E:
        """The next event of a kind, behind those that were waited for before. Raises EOFError when it never comes."""
        while True:
            while self._seen < len(self.events):
                event: Any = self.events[self._seen]
                self._seen += 1
                if isinstance(event, kind) and where(event):
                    return event
            if not self.read():
                raise EOFError(f"no such {kind.__name__} came; {self.told()}")

    def until_output(self, holds: Callable[[bytes], bool]) -> None:
        """Until what was printed so far is as a test wants it."""
        while not holds(self.output):
            if not self.read():
                raise EOFError(self.told())

    def finish(self, *, cause: str | None = None) -> Outcome:
        """To the end of the process; what the session makes of it. `cause`: as if the runner had ended it."""
        while self.read():
            pass
        code = self.process.wait()
        signal = -code if code < 0 else None
        self.end = Exit(None if signal else code, signal, cause, log_end=len(self.output), at=1_800_000_000.0)
        return self.session.close(self.end)

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def told(self) -> str:
        """For a test that fails: the end of what it printed, and what went to stderr."""
        return f"stdout ends {self.output[-2000:]!r}; stderr: {self.stderr()[-2000:]!r}"

    def stderr(self) -> str:
        if self._errors.closed:
            return self._complaints
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")

    def read(self) -> bool:
        """Takes in what comes next; False: nothing comes any more."""
        out = self.process.stdout
        assert out is not None
        ready, _, _ = select.select([out], [], [], self._patience)
        if not ready:
            raise TimeoutError(f"the agent is silent; {self.told()}")
        data = os.read(out.fileno(), self._chunk)
        self.output += data
        self._take(self.session.feed(data))
        return bool(data)

    # What goes to the agent

    def _take(self, events: Sequence[EngineEvent]) -> None:
        for event in events:
            self.events.append(event)
            if isinstance(event, Reply):
                self.replies += [event.data] if event.data else []
                self._give(event.data)
                if event.end:
                    self.ended = True
                    self._close_stdin()

    def _give(self, text: str | None) -> bool:
        if text is None:
            return False
        if not text:
            return True
        self.inputs.append((len(self.output), text))
        self._write(text)
        self._take(self.session.took(text))
        return True

    def _write(self, text: str) -> None:
        stdin = self.process.stdin
        if not text or stdin is None or stdin.closed:
            return
        try:
            stdin.write(text.encode())
            stdin.flush()
        except BrokenPipeError:
            pass  # It has gone; that shows when it is read.

    def _close_stdin(self) -> None:
        stdin = self.process.stdin
        if stdin is None or stdin.closed:
            return
        try:
            stdin.close()
        except BrokenPipeError:
            pass


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def brief_for(cwd: Path, prompt: str, **more: Any) -> Brief:
    """What an agent is told that works in `cwd`; its files lie beside it."""
    return Brief("build", 1, "first", str(cwd), prompt=prompt, stem=f"{cwd}.attempt", **more)

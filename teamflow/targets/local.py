"""Processes on this machine: talks to the run's keeper, which starts with the first `start` or is adopted.

Decides nothing about steps. What it promises the runner: every start is answered by an `Exited` in the end, also when
the keeper dies, and a stop within its grace and a few seconds, whatever the keeper does.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Awaitable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final

from teamflow.core.invocation import Exit
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json
from teamflow.ports import Exited, Input, Start, TargetEvents
from teamflow.targets import keeper_files, keeper_process
from teamflow.targets.entries import Entry, Key, line, parse
from teamflow.targets.keeper_process import Child
from teamflow.targets.ledger import Ledger
from teamflow.targets.link import Link

PATIENCE: Final = 2.0
"""Seconds after a stop's grace when the runner does itself what the keeper did not. Half of that is what a keeper has
to answer a ping, to be reachable while it starts, to be gone once its socket is closed."""

_REAP: Final = 10.0
"""Seconds in which what a dead keeper left behind is killed."""

_LEFTOVERS: Final = 3.0
"""Seconds that a keeper may take to end in order: it waits about 2 for what ended phases left."""

_POLL: Final = 0.01


class _Stop(NamedTuple):
    """A stop that was asked for and not answered: what was told, and when the runner does it itself."""

    message: bytes
    timer: asyncio.TimerHandle


class LocalTarget:
    """`ports.Target` for one run. `run_dir` is absolute and exists; `environ` is what the keeper itself gets.

    `orphan_after`: seconds without a runner after which the keeper stops everything; None: never. `patience`: see
    `PATIENCE`. `early`: a keeper that was started for this new run before the loop was there.
    """

    def __init__(
        self,
        run_dir: str,
        *,
        environ: Mapping[str, str],
        orphan_after: float | None = 3600.0,
        patience: float = PATIENCE,
        early: Child | None = None,
    ) -> None:
        self._run_dir = run_dir
        self._environ = environ
        self._orphan_after = orphan_after
        self._patience = patience
        self._answer = patience / 2
        self._ledger = Ledger()
        self._stops: dict[tuple[str, int], _Stop] = {}
        self._link: Link | None = None
        self._child: int | None = None
        self._early = early
        self._tasks: set[asyncio.Task[None]] = set()
        self._recovering = False
        self._closing = False
        self._welcomed = False
        self._heard = asyncio.Event()
        """Set whenever the keeper says anything."""
        self._bye = asyncio.Event()
        self.kill_level: str | None = None
        """cgroup | walk | groups, once a keeper said it."""

    async def open(self, events: TargetEvents, *, after: int) -> None:
        """Tells all entries behind `after`, adopts a living keeper, or ends what a dead one left."""
        self._events = events
        self._loop = asyncio.get_running_loop()
        if self._early is not None:
            self._child = self._early.pid
            self._attach(self._early.sock)
            return
        # In this order: a keeper that ends in between has written all that it will ever write.
        alive = keeper_files.is_held(self._run_dir)
        # What is asked for meanwhile (the phase after one that has ended) is for the keeper that lives, if one does.
        self._recovering = True
        self._catch_up(after=after)
        if alive:
            await self._adopt()
        elif self._ledger.journal.open or keeper_files.identity(self._run_dir) is not None:
            await self._bury("it was gone when this runner came")
        else:
            self._go_on()

    def _go_on(self) -> None:
        """No keeper lives, and nothing is left of one: what was asked for is started by a new one."""
        self._recovering = False
        if self._ledger.asked and self._link is None:
            self._launch()

    def environment(self, name: str, variables: Mapping[str, str]) -> None:
        """Remembered, and told to every keeper of this run before anything else."""
        self._tell(self._ledger.environment(name, variables))

    def start(self, request: Start) -> None:
        message = self._ledger.ask(request)
        if message is None:
            return
        if self._link is not None:
            self._link.send(message)
        elif not self._recovering:
            self._launch()

    def stop(self, step: str, attempt: int, *, grace: float, cause: str, soft: float = 0.0) -> None:
        told: dict[str, Json] = {"step": step, "attempt": attempt, "grace": grace, "cause": cause}
        message = line("stop", {**told, "soft": soft} if soft else told)
        self._tell(message)
        due = self._loop.time() + grace + self._patience
        known = self._stops.get((step, attempt))
        if known is not None:
            if known.timer.when() <= due:
                return
            known.timer.cancel()
        timer = self._loop.call_at(due, self._backstop_due, step, attempt, cause)
        self._stops[step, attempt] = _Stop(message, timer)

    def freeze(self, step: str, attempt: int, *, on: bool) -> None:
        self._tell(line("freeze" if on else "thaw", {"step": step, "attempt": attempt}))

    def hold(self, step: str, attempt: int, *, on: bool) -> None:
        self._tell(line("hold" if on else "release", {"step": step, "attempt": attempt}))

    def send(self, step: str, attempt: int, given: Input) -> None:
        said: dict[str, Json] = {"data": given.data, "note": given.note, "eof": given.end, "offset": given.offset}
        # The port counts from 0, the keeper from 1.
        self._tell(line("input", {"step": step, "attempt": attempt, "n": given.n + 1, **said}))

    async def close(self) -> None:
        """Returns when the keeper is gone, or within seconds in any case. A keeper with open phases stays alive."""
        self._closing = True
        for stop in self._stops.values():
            stop.timer.cancel()
        self._stops.clear()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_REAP + 2 * self._answer)
        if self._link is None:
            return
        quits = not any(self._ledger.unanswered())
        if quits:
            self._tell(line("quit", {}))
            await _within(self._bye.wait(), _LEFTOVERS)
        self._detach()
        if quits and self._bye.is_set():
            await self._gone()

    def _detach(self) -> None:
        """Lets go of the connection if the keeper has not done so first."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    # --- the connection

    def _tell(self, message: bytes) -> None:
        """What nobody is there to hear is kept (`_ledger`, `_stops`) or moot."""
        if self._link is not None:
            self._link.send(message)

    def _launch(self) -> None:
        try:
            child = keeper_process.spawn(self._run_dir, environ=self._environ, orphan_after=self._orphan_after)
        except OSError as error:
            self._loop.call_soon(self._refuse_asked, f"the keeper could not be started: {error}")
            return
        self._child = child.pid
        self._attach(child.sock)

    def _attach(self, sock: socket.socket) -> None:
        """Says everything that a keeper has to know; what it knows already, it ignores."""
        self._welcomed = self._recovering = False
        self._link = Link(sock, on_lines=self._lines, on_closed=self._closed)
        for message in self._ledger.greeting():
            self._tell(message)
        for stop in self._stops.values():
            self._tell(stop.message)

    async def _adopt(self) -> None:
        """Connects to the keeper that holds the lock; one that cannot be reached is ended."""
        deadline = self._loop.time() + self._answer
        while keeper_files.is_held(self._run_dir):
            sock = keeper_process.dial(self._run_dir)
            if sock is not None:
                self._attach(sock)
                self._tell(line("orphan_after", {"seconds": self._orphan_after}))
                return
            if self._loop.time() > deadline:
                keeper_process.kill_keeper(self._run_dir)
            await asyncio.sleep(_POLL)
        await self._bury("it could not be reached")

    # --- what it says

    def _lines(self, lines: Sequence[bytes]) -> None:
        entries: list[Entry] = []
        try:
            for raw in lines:
                message = parse(raw)
                if "e" in message:
                    self._take(message, entries)
                else:
                    self._message(message, entries)
        except (ValueError, KeyError) as error:
            self._distrust(f"it said what cannot be understood ({error})")
        self._heard.set()
        if entries:
            self._events.journal(entries)

    def _take(self, message: Mapping[str, Any], entries: list[Entry]) -> None:
        entry = self._ledger.take(message)
        if entry is None:
            return
        if self._stops and isinstance(entry, Exited):
            self._forget_stop(entry.step, entry.attempt)
        entries.append(entry)

    def _forget_stop(self, step: str, attempt: int) -> None:
        stop = self._stops.pop((step, attempt), None)
        if stop is not None:
            stop.timer.cancel()

    def _message(self, message: Mapping[str, Any], entries: list[Entry]) -> None:
        match message["op"]:
            case "welcome":
                self._welcomed = True
                self.kill_level = str(message["level"])
            case "bye":
                self._bye.set()
            case "disk":
                words = f"{message['path']}: {message['error']}" if message["full"] else None
                self._events.disk_trouble(words)
            case "error" if message.get("of") == "start":
                refused = [
                    key for key in self._ledger.of(message["step"], message["attempt"]) if key in self._ledger.asked
                ]
                entries += self._ends(refused, Exit(error=str(message["text"])))
            case "error" if message.get("of") == "quit":
                self._bye.set()
            case _:
                pass  # `superseded`: the close that follows says it; refused input: its phase has ended

    def _catch_up(self, *, after: int = 0) -> None:
        """Reads the journal file. Entries up to `after` are not told: they only say what is open by them."""
        entries: list[Entry] = []
        lines = keeper_files.journal_bytes(self._run_dir).splitlines()
        if lines:
            from teamflow.keeper import proc

            self._ledger.journal.boot = proc.boot_id()
        for raw in lines:
            told = self._ledger.journal.seq >= after
            try:
                self._take(parse(raw), entries if told else [])
            except (ValueError, KeyError):
                break  # a damaged line: the keeper, too, goes on before it
        if entries:
            self._events.journal(entries)

    def _distrust(self, why: str) -> None:
        keeper_process.kill_keeper(self._run_dir)
        if self._link is not None:
            self._detach()
            self._closed(why)

    # --- when it is gone

    def _closed(self, why: str) -> None:
        self._link = None
        if self._closing:
            self._bye.set()
            return
        self._recovering = True
        self._spawn(self._recover(why, tuple(self._ledger.asked)))

    async def _recover(self, why: str, asked: Sequence[Key]) -> None:
        """The keeper died, or it closed a connection that it should not have: bury it, or adopt it again."""
        try:
            deadline = self._loop.time() + self._answer
            while keeper_files.is_held(self._run_dir):
                if self._loop.time() > deadline:
                    await self._adopt()
                    return
                await asyncio.sleep(_POLL)
            await self._bury(why, asked)
        except OSError as error:
            # The run's directory cannot be read any more: nothing can be known, nothing started.
            self._recovering = False
            self._tell_lost(f"{why}; {error}", None, tuple(self._ledger.asked))

    async def _bury(self, why: str, asked: Sequence[Key] = ()) -> None:
        """Ends what is left, tells what the journal still says, and that all else is lost; then goes on."""
        from teamflow.keeper import reaper

        self._recovering = True
        status = await self._reap_child()
        reaped = await asyncio.to_thread(reaper.reap, self._run_dir, deadline=_REAP)
        self._catch_up()
        if not reaped.gone:
            why = f"{why}; {reaped.why}"
        if status is not None and status > 0 and not self._welcomed:
            words = keeper_files.last_words(self._run_dir) or f"exit code {status}"
            self._refuse_asked(f"the keeper could not be started: {words}")
        else:
            self._tell_lost(why, status, asked)
        self._go_on()

    def _tell_lost(self, why: str, status: int | None, asked: Sequence[Key]) -> None:
        lost = [*self._ledger.journal.open, *(key for key in asked if key in self._ledger.asked)]
        ends = self._ends(lost, Exit(cause="lost"))
        if ends:
            self._events.journal(ends)
        killed = f" by signal {-status}" if status is not None and status < 0 else ""
        self._events.keeper_lost(f"the keeper was ended{killed}: {why}")

    def _refuse_asked(self, error: str) -> None:
        """Nothing of what was asked for has started, nor could it."""
        ends = self._ends(tuple(self._ledger.asked), Exit(error=error))
        if ends:
            self._events.journal(ends)

    def _ends(self, keys: Iterable[Key], end: Exit) -> list[Exited]:
        ends = self._ledger.end(keys, end, at=time.time())
        for exited in ends:
            self._forget_stop(exited.step, exited.attempt)
        return ends

    async def _reap_child(self) -> int | None:
        if self._child is None:
            return None
        pid, self._child = self._child, None
        for pause in keeper_process.pauses(self._answer):
            status = keeper_process.reaped(pid)
            if status is not None:
                return status
            await asyncio.sleep(pause)
        return None

    async def _gone(self) -> None:
        """A keeper that said goodbye ends at once; ours is also to be reaped."""
        await self._reap_child()
        for pause in keeper_process.pauses(self._answer):
            if not keeper_files.is_held(self._run_dir):
                return
            await asyncio.sleep(pause)

    # --- the backstop

    def _backstop_due(self, step: str, attempt: int, cause: str) -> None:
        del self._stops[step, attempt]
        self._spawn(self._backstop(step, attempt, cause))

    async def _backstop(self, step: str, attempt: int, cause: str) -> None:
        """The keeper did not stop it in time: kill it from here, say so, and see whether the keeper still lives."""
        from teamflow.targets.backstop import kill_attempt

        keys = self._ledger.of(step, attempt)
        if not keys:
            return
        for key in keys:
            begun = self._ledger.journal.open.get(key)
            if begun is not None:
                await asyncio.to_thread(kill_attempt, self._run_dir, step, attempt, begun, deadline=self._answer)
        self._heard.clear()
        self._tell(line("ping", {}))
        answers = await _within(self._heard.wait(), self._answer)
        ends = self._ends(self._ledger.of(step, attempt), Exit(signal=int(signal.SIGKILL), cause=cause))
        if ends:
            self._events.journal(ends)
        if not answers and self._link is not None:
            keeper_process.kill_keeper(self._run_dir)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _within(wait: Awaitable[object], seconds: float) -> bool:
    try:
        await asyncio.wait_for(wait, seconds)
    except TimeoutError:
        return False
    return True

"""Wires one run: the loop with its store, target, engines, cache and clock. The only file that names them all.

Heavy parts are imported here, when a run has something to do, not before.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from teamflow.app.cachework import CacheResults, file_artifact, reads_session
from teamflow.core.events import Event, Record, RunEnded, RunnerStarted
from teamflow.core.plan import Json, Plan
from teamflow.core.redact import Redactor
from teamflow.core.state import RunState
from teamflow.engines.text_outputs import EngineTable
from teamflow.run.attempt import AttemptRunner, Place
from teamflow.run.clock import SystemClock
from teamflow.run.environment import Environments
from teamflow.run.executor import Executor
from teamflow.run.probe import Prober
from teamflow.run.requests import Requests
from teamflow.store.sqlite import Database
from teamflow.store.wake import WakeSocket
from teamflow.store.writer import Writer
from teamflow.targets.local import LocalTarget


class Screen(Protocol):
    """What shows a run. Records come once they are durable; `state` may be ahead of them."""

    def begin(self, state: RunState) -> None: ...

    def records(self, records: Sequence[Record], state: RunState) -> None: ...

    def trouble(self, message: str | None) -> None: ...

    def end(self, state: RunState, ended: RunEnded) -> None: ...


class Wired(NamedTuple):
    """What a run needs to know about itself; `environ` is the runner's environment."""

    root: str
    number: int
    run: Mapping[str, Json]
    environ: Mapping[str, str]
    secrets: Mapping[str, str]
    env_file_values: Mapping[str, str]
    use_cache: bool
    force: frozenset[str]


async def run_to_end(
    database: Database,
    state: RunState,
    session: RunnerStarted,
    opening: Sequence[Event],
    plans: dict[int, Plan],
    wired: Wired,
    screen: Screen,
) -> RunEnded:
    """Drives the run until it ends; every adapter is closed on the way out."""
    loop = asyncio.get_running_loop()
    layout = database.layout
    place = Place(wired.root, layout.run(wired.number), wired.run)
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="teamflow-disk")
    redactor = Redactor({**wired.env_file_values, **wired.secrets})
    target = LocalTarget(place.run_dir, environ=wired.environ, orphan_after=state.plan.limits.orphan_after)
    executor: Executor | None = None

    def durable(seq: int) -> None:
        if executor is not None:
            loop.call_soon_threadsafe(executor.durable, seq)

    def trouble(message: str | None) -> None:
        loop.call_soon_threadsafe(_trouble, executor, screen, message)

    writer = Writer(layout, wired.number, after=state.seq, on_durable=durable, on_trouble=trouble)
    prober = make_prober(state, wired, place, pool=pool)
    attempts = AttemptRunner(
        state,
        place=place,
        clock=SystemClock(),
        environments=Environments(
            environ=wired.environ,
            files=wired.env_file_values,
            secrets=wired.secrets,
            run=wired.run,
            common=common_variables(place, wired),
            declare=target.environment,
        ),
        engines=EngineTable(),
        results=prober,
        redactor=redactor,
        report=lambda event: None if executor is None else executor.report(event),
    )
    executor = Executor(
        state,
        store=writer,
        target=target,
        clock=SystemClock(),
        attempts=attempts,
        prober=prober,
        run=wired.run,
        publish=lambda records: screen.records(records, state),
        plans=plans,
    )
    requests = Requests(database, wired.number, executor, answered=state.answered)
    wake = WakeSocket.bind(layout, wired.number, env=wired.environ)
    screen.begin(state)
    _handle_signals(loop, executor)
    requests.follow(loop, wake)
    try:
        ended = await executor.run(session, opening)
    finally:
        requests.stop()
        if wake is not None:
            wake.close()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        await asyncio.to_thread(writer.close)
        pool.shutdown()
    executor.durable(writer.durable)
    screen.end(state, ended)
    return ended


def make_prober(state: RunState, wired: Wired, place: Place, *, pool: ThreadPoolExecutor | None = None) -> Prober:
    results = CacheResults(wired.root, team_file=state.plan.file)
    return Prober(
        state,
        root=wired.root,
        results=results,
        reads=lambda: reads_session(wired.root, results),
        run=wired.run,
        digest_file=file_artifact,
        pool=pool,
        use_cache=wired.use_cache,
        force=wired.force,
    )


def common_variables(place: Place, wired: Wired) -> dict[str, str]:
    """TEAMFLOW_* variables that are the same for every step of a run."""
    return {
        "TEAMFLOW_RUN": str(wired.number),
        "TEAMFLOW_RUN_ID": str(wired.run.get("id", "")),
        "TEAMFLOW_RUN_DIR": place.run_dir,
        "TEAMFLOW_PROJECT": place.project,
    }


def _trouble(executor: Executor | None, screen: Screen, message: str | None) -> None:
    screen.trouble(message)
    if executor is not None:
        executor.store_trouble(message)


def _handle_signals(loop: asyncio.AbstractEventLoop, executor: Executor) -> None:
    """First SIGINT or SIGTERM: interrupt with grace. Second: kill. SIGHUP: the terminal is gone, the run goes on."""
    seen: list[str] = []

    def stop(name: str) -> None:
        if seen:
            executor.stop(seen[0], reason=f"{name} again", kill=True)
        else:
            executor.stop(name, reason=f"interrupted by {name}")
        seen.append(name)

    loop.add_signal_handler(signal.SIGINT, stop, "SIGINT")
    loop.add_signal_handler(signal.SIGTERM, stop, "SIGTERM")
    loop.add_signal_handler(signal.SIGHUP, _detach)


def _detach() -> None:
    """The terminal is closed: nothing of ours may touch it again."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)

"""Wires one run: the loop with its store, target, engines, cache and clock. The only file that names them all.

Heavy parts are imported here, when a run has something to do, not before.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from teamflow.app.bridge import Bridge
from teamflow.app.brought import RUNNABLE
from teamflow.app.failpoints import CrashingStore, failpoint, guarded
from teamflow.app.hangup import Sheltered, detach, let_go
from teamflow.app.making import make_trees
from teamflow.app.others import OtherRuns
from teamflow.app.parts import Controls, Screen, Wired
from teamflow.app.quotas import MachineLimits
from teamflow.app.replayed import clock_of, engines_of, others_of, seat
from teamflow.app.session import Session, opening, read_records
from teamflow.core.events import Cached, Event, RunEnded, RunnerStarted
from teamflow.core.invocation import Brief as AttemptBrief
from teamflow.core.invocation import Exit
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, Outcome
from teamflow.core.plan import NO_CAPS, Caps, EngineDefinition, Json
from teamflow.core.requested import StopRequested
from teamflow.core.state import RunState
from teamflow.core.work import WORKTREE
from teamflow.engines.exits import outcome_of
from teamflow.engines.registry import custom_engine, engine
from teamflow.policy.hooks import BEFORE_RUN
from teamflow.ports import Engine, Target
from teamflow.run.attempt import AttemptRunner
from teamflow.run.calling import Calling
from teamflow.run.clock import SystemClock
from teamflow.run.desk import Desk
from teamflow.run.environment import Environments
from teamflow.run.executor import Executor
from teamflow.run.hooks import Hooks
from teamflow.run.place import Place
from teamflow.run.probe import Prober
from teamflow.run.requests import Requests
from teamflow.run.roles import Opening, Results
from teamflow.run.trees import Trees
from teamflow.store.layout import Layout
from teamflow.store.sqlite import Database
from teamflow.store.wake import WakeSocket
from teamflow.store.writer import Writer
from teamflow.targets.keeper_process import Child
from teamflow.targets.local import LocalTarget

if TYPE_CHECKING:
    from teamflow.app.replan import Watch


_OVER: Final = ("succeeded", "failed", "cancelled")
"""Ends of a run after which nobody goes on with it before long."""


class EngineTable:
    """`run/attempt.Engines` over the registry."""

    def engine(self, name: str, *, custom: EngineDefinition | None = None) -> Engine:
        return engine(name) if custom is None else custom_engine(name, custom)

    def outcome_of(self, end: Exit, brief: AttemptBrief) -> Outcome:
        return outcome_of(end, brief)

    def outputs(self, text: str, schemas: Mapping[str, Json]) -> Mapping[str, Json] | Failed:
        # Imported here: most runs declare no outputs, and jsonschema is slow to import.
        from teamflow.engines.results import outputs

        return outputs(text, schemas)


class Loop(NamedTuple):
    """What a run's loop consists of."""

    executor: Executor
    hooks: Hooks
    attempts: AttemptRunner
    environments: Environments
    prober: Prober
    store: Writer | CrashingStore
    writer: Writer
    bridge: Bridge
    screen: Screen
    trees: Trees | None
    pool: ThreadPoolExecutor
    """One thread, for what reads and digests files."""


async def run_to_end(
    database: Database,
    session: Session,
    wired: Wired,
    screen: Screen,
    prober: Prober,
    *,
    parallel: int,
    keeper: Child | None = None,
    cached: Cached | None = None,
    fail_fast: bool = False,
    no_input: bool = False,
    yes: bool = False,
    budget: Caps = NO_CAPS,
    brief: Brief | None = None,
    watch: Watch | None = None,
) -> RunEnded | None:
    """Drives the run until it ends; every adapter is closed on the way out.

    `keeper`: started already, for a new run. `cached`: what a sweep before it has found. `brief`: only do that, and
    leave (None) when it is done; `parallel` is then 0, so nothing starts. `watch`: stay, and follow the files.
    """
    running, briefly = asyncio.get_running_loop(), brief is not None
    loop = _loop(
        database,
        session,
        wired,
        Sheltered(screen),
        prober,
        keeper=keeper,
        briefly=briefly,
        stays=watch is not None,
    )
    executor, state = loop.executor, session.state
    begin = RunnerStarted(_boot(), os.getpid(), parallel, fail_fast, session.resumed, no_input, yes, *budget)
    first, until = _opening(session, loop, prober, cached, wired.force), None
    if brief is not None:
        first, until = brief.opening, brief.done
    loop.screen.begin(state)
    loop.screen.control(lambda: _controls(executor, wired.number))
    try:
        with _listening(running, database, wired, executor) as listening:
            with _beside(watch, session, loop, wired, run_dir=database.layout.run(wired.number), briefly=briefly):
                ended = await executor.run(begin, first, until=until, opened=listening)
            await _tidy(loop, ended)
    finally:
        closed = asyncio.to_thread(loop.writer.close, timeout=1.0 if executor.abandoned else 10.0)
        await asyncio.gather(running.run_in_executor(loop.pool, prober.close), closed)
        loop.pool.shutdown()
    executor.durable(loop.writer.durable)
    if ended is not None:
        loop.screen.end(state, ended)
    else:
        loop.screen.leave()
    return ended


def _boot() -> str:
    return SystemClock().now().boot


@contextmanager
def _beside(
    watch: Watch | None, session: Session, loop: Loop, wired: Wired, *, run_dir: str, briefly: bool
) -> Iterator[None]:
    """What goes on beside the loop as long as it runs: files are followed, and worktrees compared, of runs that have
    some or may get some. Imported here: most runs do neither, and what it brings along is slow to import."""
    state = session.state
    has_some = any(step.workspace == WORKTREE for step in state.plan.steps)
    with ExitStack() as meanwhile:
        if watch is not None:
            from teamflow.app.watched import watched

            meanwhile.enter_context(watched(watch, session, loop, wired, run_dir=run_dir))
        if wired.workspaces is not None and not briefly and (has_some or watch is not None):
            from teamflow.app.overlaps import comparing

            warn = loop.screen.trouble
            found = comparing(state, loop.executor, wired.workspaces, environ=wired.environ, warn=warn)
            meanwhile.enter_context(found)
        yield


async def _tidy(loop: Loop, ended: RunEnded | None) -> None:
    """Takes away the workspaces that need not outlive the run."""
    if ended is not None and ended.status in _OVER and loop.trees is not None:
        for trouble in await asyncio.to_thread(loop.trees.tidy):
            loop.screen.trouble(trouble)


def _loop(
    database: Database,
    session: Session,
    wired: Wired,
    screen: Screen,
    prober: Prober,
    *,
    keeper: Child | None,
    briefly: bool,
    stays: bool,
) -> Loop:
    running, wired = asyncio.get_running_loop(), wired._replace(replay=session.row.replay)
    state, layout, clock = session.state, database.layout, clock_of(wired, session.state)
    place = Place(wired.root, layout.run(wired.number), wired.run)
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="teamflow-disk")
    orphan_after = session.plan.limits.orphan_after
    target = LocalTarget(place.run_dir, environ=wired.environ, orphan_after=orphan_after, early=keeper)
    prober.work_in(pool)
    bridge = Bridge(running, screen)
    boundary = failpoint(wired.environ)
    on_durable = bridge.durable if boundary is None else boundary.around(bridge.durable)
    writer = Writer(layout, wired.number, after=state.seq, on_durable=on_durable, on_trouble=bridge.trouble)
    store, aimed, kept = guarded(boundary, writer, target, prober)
    environments = environments_of(wired, place, target)
    trees = make_trees(state, wired, place, lambda told: running.call_soon_threadsafe(screen.trouble, told))
    attempts = _attempts(state, wired, place, clock, environments, kept, bridge, aimed, pool, trees)
    hooks = Hooks(
        state,
        aimed,
        calling_of(state, wired, place, environments),
        warn=screen.trouble,
        first=None if briefly else session.plan.hook(BEFORE_RUN),
        past=partial(read_records, database, wired.number) if session.resumed else None,
        plans=session.plans,
        given_up=bridge.abandoned,
        stays_for=briefly,
    )
    others = others_of(wired, state, _others(state, layout, wired, clock, screen.trouble))
    executor = Executor(
        state,
        store=store,
        target=hooks,
        clock=clock,
        attempts=attempts,
        prober=prober,
        run=wired.run,
        publish=bridge.publish,
        tell=screen.trouble,
        plans=session.plans,
        stays=stays,
        starts=not briefly,
        redactor=wired.redactor,
        others=others,
        making=trees,
    )
    bridge.executor, bridge.hooks = executor, hooks
    seat(others, desk_of(executor, wired.number))
    return Loop(executor, hooks, attempts, environments, prober, store, writer, bridge, screen, trees, pool)


def _others(
    state: RunState, layout: Layout, wired: Wired, clock: SystemClock, warn: Callable[[str], None]
) -> OtherRuns:
    limits = MachineLimits(state, wired.environ, root=wired.root, now=clock.now, warn=warn)
    return OtherRuns(state, limits, layout, wired.number, now=clock.now, warn=warn)


@contextmanager
def _listening(
    loop: asyncio.AbstractEventLoop, database: Database, wired: Wired, executor: Executor
) -> Iterator[Callable[[], None]]:
    """Signals of this process reach the executor meanwhile; requests of others do once what comes back is called."""
    requests = Requests(database, wired.number, desk_of(executor, wired.number), answered=executor.state.answered)
    wake = WakeSocket.bind(database.layout, wired.number, env=wired.environ)
    loop.set_exception_handler(lambda loop, context: _broken(loop, context, executor))
    _handle_signals(loop, executor)
    try:
        yield lambda: requests.follow(loop, wake)
    finally:
        requests.stop()
        if wake is not None:
            wake.close()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)


def desk_of(executor: Executor, run: int) -> Desk:
    return Desk(executor, run, engines=RUNNABLE)


def _controls(executor: Executor, run: int) -> Controls:
    from teamflow.app.controls import TerminalControls

    return TerminalControls(executor, desk_of(executor, run))


class Brief(NamedTuple):
    """A session of its own for a verb, when no runner is there to be asked: `opening` is recorded, nothing starts, and
    it is left when `done`."""

    opening: Opening
    done: Callable[[RunState], bool]


def _attempts(
    state: RunState,
    wired: Wired,
    place: Place,
    clock: SystemClock,
    environments: Environments,
    results: Results,
    bridge: Bridge,
    target: Target,
    pool: ThreadPoolExecutor,
    trees: Trees | None,
) -> AttemptRunner:
    return AttemptRunner(
        state,
        place=place,
        clock=clock,
        environments=environments,
        engines=engines_of(wired, state, EngineTable()),
        results=results,
        redactor=wired.redactor,
        report=bridge.report,
        say=bridge.said,
        target=target,
        pool=pool,
        trees=trees,
    )


def _opening(
    session: Session,
    loop: Loop,
    prober: Prober,
    cached: Cached | None,
    force: frozenset[str],
) -> Opening:
    """What this session settles before it starts anything: a revision, steps opened again, hits of the cache."""

    def events(state: RunState) -> Iterator[Event]:
        if session.resumed and (session.revised or not session.as_it_is):
            expect = loop.executor.followers.expect
            yield from opening(session, state, put_plan=loop.store.put_plan, expect_ripple=expect, force=force)
        if session.taken is not None:
            yield session.taken
        if loop.hooks.refusal:
            yield StopRequested(BEFORE_RUN, loop.hooks.refusal)
            return
        found = cached if session.sweeps_first else prober.sweep()
        if found is not None:
            yield found

    return events


def environments_of(wired: Wired, place: Place, target: LocalTarget) -> Environments:
    return Environments(
        environ=wired.environ,
        files=wired.env_file_values,
        secrets=wired.secrets,
        run=wired.run,
        common=common_variables(place, wired),
        declare=target.environment,
    )


def calling_of(state: RunState, wired: Wired, place: Place, environments: Environments) -> Calling:
    return Calling(state, place=place, environments=environments, engines=EngineTable(), redactor=wired.redactor)


def common_variables(place: Place, wired: Wired) -> dict[str, str]:
    """TEAMFLOW_* variables that are the same for every step of a run."""
    return {
        "TEAMFLOW_RUN": str(wired.number),
        "TEAMFLOW_RUN_ID": str(wired.run.get("id", "")),
        "TEAMFLOW_RUN_DIR": place.run_dir,
        "TEAMFLOW_PROJECT": place.project,
    }


def _broken(loop: asyncio.AbstractEventLoop, context: dict[str, object], executor: Executor) -> None:
    """An exception in a callback ends the run (exit 70) instead of leaving it to wait for ever."""
    error = context.get("exception")
    if let_go(error):
        return
    if isinstance(error, BaseException):
        executor.broken(error)
    else:
        loop.default_exception_handler(context)


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
    loop.add_signal_handler(signal.SIGHUP, detach)
    # They may have been held back since the run was taken.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))

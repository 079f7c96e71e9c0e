"""`run`, from words to an exit code: find, compile, refuse, take the run, sweep the cache, drive it.

Everything that the terminal decides is in `RunOptions` or asked of the `Front`. Exit codes: `docs/operations.md`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

from teamflow.app.background import leave_terminal
from teamflow.app.compile import Compiled, Request, compile_team
from teamflow.app.fresh import certificate_path
from teamflow.app.plugins import asyncio_without_tls
from teamflow.app.project import find_team_file, is_saved_plan, project_of
from teamflow.core.named import NamedTuple
from teamflow.core.plan import NO_CAPS, Caps, Json
from teamflow.core.shell import run_words
from teamflow.store.lock import this_process
from teamflow.store.sqlite import Database

if TYPE_CHECKING:
    from teamflow.app.parts import Screen, Wired
    from teamflow.app.replaying import Played
    from teamflow.app.session import Busy, Session
    from teamflow.core.events import Cached, ResultsTaken, RunEnded
    from teamflow.core.plan import Plan, Step
    from teamflow.run.probe import Prober
    from teamflow.store.rows import RunRow

EXIT_CODES: Final[Mapping[str, int]] = {
    "ok": 0,
    "step_failed": 1,
    "cancelled": 1,
    "limit": 4,
    "needs_person": 5,
    "interrupted": 130,
    "internal": 70,
}
"""By `exit_reason`. An interruption by SIGTERM is 143."""

STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What the loop of a run handles."""

USAGE: Final = 2
ENVIRONMENT: Final = 3


class RunOptions(NamedTuple):
    """The words of `run`. `file` None: the project's team file. `steps` are steps or agents. `saved`: the name of the
    saved plan that is executed."""

    file: str | None = None
    steps: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    since: tuple[str, ...] = ()
    until: tuple[str, ...] = ()
    overrides: tuple[tuple[str, str], ...] = ()
    force: tuple[str, ...] = ()
    new: bool = False
    use_cache: bool = True
    fail_fast: bool = False
    max_parallel: int | None = None
    detach: bool = False
    watch: bool = False
    """Stay when the run has ended, and act on changed files."""
    saved: str = ""
    number: int | None = None
    """The run to go on with as it is, whatever its status: another process has just let go of it."""
    no_input: bool = False
    yes: bool = False
    """Going over `limits.max_steps` is confirmed beforehand."""
    budget: Caps = NO_CAPS
    """What the run may spend, whatever the file says."""
    trust: bool = False
    locked: bool = False
    """Whether it differs from `teamflow.lock` is a reason not to begin."""
    replay: str = ""
    """The run or fixture that is played back."""

    @property
    def plain(self) -> bool:
        """Whether nothing of the run is overridden: such a call may watch a run that is alive already."""
        return self == RunOptions(file=self.file, detach=self.detach, no_input=self.no_input)


class Front(Protocol):
    """The terminal's side of `run`."""

    @property
    def attended(self) -> bool:
        """Whether somebody may be there to be asked."""
        ...

    def complain(self, message: str) -> None:
        """A message that explains an exit code."""
        ...

    def agrees(self, question: str) -> bool: ...

    def diagnostics(self, compiled: Compiled) -> None: ...

    def screen(self, row: RunRow, wired: Wired) -> Screen: ...

    def watch(self, root: str, number: int) -> int | None:
        """Follows a run that another process drives; None: this terminal does not."""
        ...

    def set_budget(self, number: int, budget: Caps) -> int:
        """Tells the runner of a run what it may spend; the exit code."""
        ...

    def ended_at_once(self, number: int) -> None:
        """Gives the number of a run that was to go on by itself, but had nothing to do."""
        ...

    def go_on_detached(self, options: RunOptions, number: int) -> int:
        """Has run `number`, which nobody drives now, go on by itself."""
        ...

    def detached(self, number: int) -> None:
        """Says that the run goes on by itself; called in the process that returns to the shell."""
        ...


def run_team(options: RunOptions, front: Front, *, environ: Mapping[str, str], directory: str) -> int:
    """Runs a team file or a saved plan; the exit code. StoreError, NoTeamFile, SavedPlanError are for the caller."""
    if options.replay:
        from teamflow.app.replay import run_replay

        return run_replay(options, front, environ=environ, directory=directory)
    path = find_team_file(options.file, directory)
    if is_saved_plan(path):
        from teamflow.app.saved import run_saved

        return run_saved(path, options, front, environ=environ, directory=directory)
    project = project_of(os.path.dirname(path))
    with open_database(project.root, environ) as database:
        from teamflow.app.refused import played_once

        refusal = played_once(database, options.number)
        if refusal:
            front.complain(refusal)
            return USAGE
        compiled = compile_run(database, os.path.relpath(path, project.root), options)
        if compiled.diagnostics:
            front.diagnostics(compiled)
        return run_plan(database, compiled, options, front, environ, directory)


def open_database(root: str, environ: Mapping[str, str]) -> Database:
    database = Database.open(root, allow_network=environ.get("TEAMFLOW_ALLOW_NETWORK_FS") == "1")
    if "TEAMFLOW_FAILPOINT" not in environ:
        return database
    from teamflow.app.failpoints import crashing

    return crashing(database, environ)


def compile_run(database: Database, file: str, options: RunOptions) -> Compiled:
    """The plan that these options ask for; inputs that are not given are those that the file's newest run was given."""
    earlier: Mapping[str, Json] = {}
    newest = None if options.new else database.newest_run(file=file)
    if newest is not None:
        earlier = json.loads(newest.inputs)
    request = Request(
        file=file,
        given=options.inputs,
        inputs=earlier,
        steps=options.steps,
        since=options.since,
        until=options.until,
        overrides=options.overrides,
    )
    return compile_team(database.layout.root, request, directory=f"{database.layout.cache}/plans", to_run=True)


def run_plan(
    database: Database,
    compiled: Compiled,
    options: RunOptions,
    front: Front,
    environ: Mapping[str, str],
    directory: str,
    played: Played | None = None,
) -> int:
    """Runs what was compiled or saved, or plays a recording, for somebody who stands in `directory`; the exit code."""
    plan, root = compiled.plan, database.layout.root
    if plan is None:
        return USAGE
    early = _refused(database, compiled, plan, options, front, environ, directory, played=played is not None)
    if early is not None:
        return early
    from teamflow.app.doubts import tell_doubts, tell_moved
    from teamflow.app.loops import wired_for
    from teamflow.app.secrets import gather_secrets
    from teamflow.app.session import Busy
    from teamflow.app.taken import results_for

    secrets = gather_secrets(plan, root=root, environ=environ)
    tell_doubts(plan, secrets, front, root=root, environ=environ)
    if secrets.problems:
        return ENVIRONMENT
    taken = results_for(database, plan)
    if taken.problems:
        front.diagnostics(Compiled(None, taken.problems, {}, None))
        return USAGE
    # From here to the loop, which asks for them, signals wait: whoever has a run can interrupt it in order.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    earlier = database.newest_run(file=plan.file) if plan.hooks else None
    session = _taken(database, compiled, plan, options, taken.event, played)
    if isinstance(session, Busy):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        return _busy(database, session, options, front)
    wired = wired_for(session, options, environ, secrets, database, directory=directory, played=played)
    try:
        if session.resumed:
            tell_moved(session.state, front, root=root)
        elif earlier is not None:
            from teamflow.app.owed import tell_owed

            tell_owed(database, earlier, wired, warn=front.complain)
        code = _drive(database, session, wired, options, front)
    finally:
        session.lock.release()
    return front.go_on_detached(options, session.row.number) if code is None else code


def _refused(
    database: Database,
    compiled: Compiled,
    plan: Plan,
    options: RunOptions,
    front: Front,
    environ: Mapping[str, str],
    directory: str,
    *,
    played: bool,
) -> int | None:
    from teamflow.app.preflight import preflight

    def to_do() -> list[Step]:
        from teamflow.app.preview import steps_to_do

        return steps_to_do(database, compiled, options)

    root, stored = database.layout.root, compiled.stored
    return preflight(
        plan, options, front, root=root, directory=directory, environ=environ, stored=stored, to_do=to_do, played=played
    )


def _taken(
    database: Database,
    compiled: Compiled,
    plan: Plan,
    options: RunOptions,
    results: ResultsTaken | None,
    played: Played | None,
) -> Session | Busy:
    from teamflow.app.session import take

    replay = played.recording.name if played is not None else ""
    new, number, given = options.new, options.number, compiled.given
    session = take(database, plan, compiled.stored, new=new, given=given, taken=results, number=number, replay=replay)
    return session if played is None else played.begun(database, session)


def _busy(database: Database, busy: Busy, options: RunOptions, front: Front) -> int:
    if options.budget != NO_CAPS and options._replace(budget=NO_CAPS).plain:
        return front.set_budget(busy.row.number, options.budget)
    if options.plain and not options.detach:
        code = front.watch(database.layout.root, busy.row.number)
        if code is not None:
            return code
    number = busy.row.number
    front.complain(
        f"run {number} is held by {busy.holder}\n"
        f"  watch it with `teamflow status -w -r {number}`, end it with `teamflow cancel --all -r {number}`, "
        f"or start another with `{run_words(busy.row.file)} --new`"
    )
    return ENVIRONMENT


def _drive(database: Database, session: Session, wired: Wired, options: RunOptions, front: Front) -> int | None:
    """The exit code; None: somebody at the terminal wants the run to go on without it."""
    from teamflow.app.parts import make_prober

    parallel = options.max_parallel or session.plan.limits.max_parallel or cores()
    screen = front.screen(session.row, wired)
    prober = make_prober(session.state, wired, screen)
    cached = prober.sweep() if session.sweeps_first else None
    everything = cached is not None and len(cached.hits) == len(session.plan.steps)
    if cached is not None and everything and session.silent and not options.watch:
        from teamflow.app.settled import finish

        name = certificate_name(database, options, session)
        ended = finish(database, session, wired, screen, cached, parallel=parallel, prober=prober, certificate=name)
        if options.detach:
            front.ended_at_once(session.row.number)
        return exit_code(ended)
    if options.detach:
        # SQLite's locks do not survive a fork although the child believes that it holds them: the next reader would
        # take itself for the last one and delete the write-ahead log under the runner. So nothing is open across it.
        prober.close()
        database.close()
        return _detached(session, wired, options, front, parallel=parallel)
    return _loop(database, session, wired, screen, prober, cached, options, front, parallel=parallel)


def _loop(
    database: Database,
    session: Session,
    wired: Wired,
    screen: Screen,
    prober: Prober,
    cached: Cached | None,
    options: RunOptions,
    front: Front,
    *,
    parallel: int,
) -> int | None:
    from teamflow.app.loops import start_keeper

    # A new run has no keeper yet: its start goes on while this process imports what the loop needs.
    keeper = None if session.resumed else start_keeper(database.layout.run(wired.number), session, wired)
    asyncio = asyncio_without_tls()
    from teamflow.app.everywhere import note_project
    from teamflow.app.loops import watch_for
    from teamflow.app.wiring import run_to_end

    note_project(wired.root, wired.environ, now=time.time(), warn=front.complain)
    ended = asyncio.run(
        run_to_end(
            database,
            session,
            wired,
            screen,
            prober,
            keeper=keeper,
            parallel=parallel,
            cached=cached,
            fail_fast=options.fail_fast,
            yes=options.yes,
            budget=options.budget,
            watch=watch_for(session, wired, options) if options.watch else None,
            # A run in the background is one that people come back to, and one that is watched stays.
            no_input=options.no_input or not (options.detach or options.watch or front.attended),
        )
    )
    return None if ended is None else exit_code(ended)


def _detached(session: Session, wired: Wired, options: RunOptions, front: Front, *, parallel: int) -> int:
    """The parent says so and returns; the child drives the run with connections of its own."""
    from teamflow.app.parts import make_prober

    number = session.row.number
    if os.fork():
        front.detached(number)
        sys.stdout.flush()
        # Without cleaning up: the lock is the child's now.
        os._exit(0)
    with open_database(wired.root, wired.environ) as database:
        leave_terminal(database.layout.run(number))
        session.lock.rename(this_process(since=session.row.created))
        screen = front.screen(session.row, wired)
        prober = make_prober(session.state, wired, screen)
        cached = prober.sweep() if session.sweeps_first else None
        code = _loop(database, session, wired, screen, prober, cached, options, front, parallel=parallel)
        session.lock.release()
    os._exit(code or 0)


def certificate_name(database: Database, options: RunOptions, session: Session) -> str | None:
    """Where a run with these words is certified; None for words that ask for more than the plain thing."""
    if options != RunOptions(file=options.file, no_input=options.no_input):
        return None
    return certificate_path(database.layout, session.plan.file)


def exit_code(ended: RunEnded) -> int:
    if ended.exit_reason == "interrupted" and "SIGTERM" in ended.reason:
        return 143
    return EXIT_CODES[ended.exit_reason]


def cores() -> int:
    """Cores that this process may use; where the system does not say, those that there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""One attempt: what is started for each phase of its row (`core/phases.py`), and what their ends come to.

Phases follow each other only when the one before succeeded, but for checks: the first red one leads to the work.
Decides no retry; touches the disk only to read what the processes wrote. Failures to prepare are outcomes, not
exceptions.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor as Pool
from functools import partial
from typing import Final

from teamflow.core.attempts import AttemptState
from teamflow.core.events import AttemptEnded, AttemptStarted, Now, PhaseEnded
from teamflow.core.guarding import GUARD, RAISED
from teamflow.core.invocation import Brief, Exit, Invocation
from teamflow.core.outcome import Artifact, Failed, FailureClass, Outcome, Stopped, Succeeded, Usage, with_told
from teamflow.core.phases import AGENT, BEFORE, SETUP, VERIFIED, command_of, is_check, phases
from teamflow.core.plan import PROMPT, Command, Json, Step
from teamflow.core.redact import Redactor
from teamflow.core.state import RunState, StepState
from teamflow.core.work import Left
from teamflow.policy.trees import in_workspace, is_making
from teamflow.ports import Clock, Engine, Exited, Start, Target
from teamflow.run.brief import BriefError, Rendering, make_brief
from teamflow.run.environment import Environments, MissingSecret
from teamflow.run.equipping import equipped, inheriting
from teamflow.run.following import Following
from teamflow.run.logs import last_words, read_tail, separate_err
from teamflow.run.obstacles import room, unobstructed
from teamflow.run.place import Place
from teamflow.run.recorder import limited_as_begun, noted
from teamflow.run.roles import Engines, Report, Results
from teamflow.run.texts import Texts
from teamflow.run.trees import Trees, aside_words, note_of, root_of, variables_of
from teamflow.run.watch import idle_after

_WORDS: Final = {BEFORE: "hook before_step"}
"""What phases are called in a reason, where that is not their name."""


class AttemptRunner:
    """Implements `run/roles.Attempts`."""

    def __init__(
        self,
        state: RunState,
        *,
        place: Place,
        clock: Clock,
        environments: Environments,
        engines: Engines,
        results: Results,
        redactor: Redactor,
        report: Callable[[Report], None],
        say: Callable[[str, str], None],
        target: Target,
        pool: Pool | None = None,
        trees: Trees | None = None,
    ) -> None:
        """`pool` does what reads and digests files; None: asyncio's own. `trees`: of runs with workspaces."""
        self._state = state
        self._place = place
        self._clock = clock
        self._environments = environments
        self._engines = engines
        self._results = results
        self._redactor = redactor
        self._texts = Texts(place, engines, redactor)
        self._pool = pool
        self._trees = trees
        self._following = Following(state, place, clock=clock, redactor=redactor, report=report, say=say, target=target)
        self._briefs: dict[tuple[str, int], Brief] = {}
        """Of agent phases that this runner has started: their ends are judged by what they were started with."""

    @property
    def talks(self) -> Following:
        return self._following

    # -- starting --------------------------------------------------------------------------------------------

    def begin(self, attempt: AttemptStarted) -> Start | AttemptEnded:
        known = self._state.steps[attempt.step]
        live = known.attempts[-1]
        # All of the decision: should its record be lost, the journal proves it.
        said = {name: value for name, value in attempt._asdict().items() if name not in ("step", "attempt")}
        note: dict[str, Json] = {name: value for name, value in said.items() if value is not None}
        if live.ready is not None:
            note["ready"] = note_of(live.ready)
        try:
            self._rendering(known.step, live).check_paths()
        except BriefError as error:
            return AttemptEnded(attempt.step, attempt.attempt, Failed(FailureClass.START, str(error)))
        return self._start_or_end(known, live, self._first(known, live), note)

    def _first(self, known: StepState, live: AttemptState) -> str:
        return BEFORE if self._state.plan.hook("before_step") is not None else phases(known, live)[0]

    def phase(self, ended: PhaseEnded) -> Start | AttemptEnded:
        # Here, too: the step may have become another one since its attempt began.
        known = self._state.steps[ended.step]
        return self._start_or_end(known, known.attempts[-1], ended.next, {})

    def _start_or_end(
        self, known: StepState, live: AttemptState, phase: str, note: Mapping[str, Json]
    ) -> Start | AttemptEnded:
        try:
            start = self._start(known, live, phase, note)
        except (BriefError, MissingSecret) as error:
            start = Failed(FailureClass.START, str(error))
        if isinstance(start, Start):
            return start
        self._briefs.pop((known.step.id, live.number), None)
        return AttemptEnded(known.step.id, live.number, start, phase)

    def _start(self, known: StepState, live: AttemptState, phase: str, note: Mapping[str, Json]) -> Start | Failed:
        step = known.step
        mine = self._environments.of_hook if phase == BEFORE else self._environments.of
        base, env = mine(self._state, self._with_login(step.by(live.fallback)), attempt=live.number)
        cwd = self._place.project if phase == BEFORE else self._cwd(step, live)
        told = self._invocation(known, live, phase, cwd)
        common = partial(self._environments.whole, base, {})
        invocation = unobstructed(told, cwd=cwd, base=common, own=env)
        if isinstance(invocation, Failed):
            return invocation
        room(invocation, cwd)
        apart = separate_err(step.by(live.fallback), protocol=invocation.protocol)
        idle = idle_after(step)
        env = {**invocation.env, "PWD": cwd, **variables_of(live, self._place), **env, **invocation.final}
        return Start(
            step=step.id,
            attempt=live.number,
            phase=phase,
            invocation=invocation,
            cwd=cwd,
            base_env=base,
            env=env,
            log=self._place.log(step.id, live.number),
            err=self._place.err(step.id, live.number) if apart and phase == "agent" else None,
            timeout=self._remaining(step, live),
            idle=idle,
            idle_paths=(cwd,) if idle is not None else (),
            grace=step.grace,
            log_limit=self._state.plan.limits.log_size,
            isolation=step.isolation,
            note=note,
        )

    def _with_login(self, step: Step) -> Step:
        """What its engine declares as its login and configuration comes from this machine."""
        engine = self._engines.engine(step.engine, custom=step.custom) if step.kind == PROMPT else None
        return step if engine is None else inheriting(step, engine.capabilities)

    def _invocation(self, known: StepState, live: AttemptState, phase: str, cwd: str) -> Invocation | Failed:
        step = known.step
        if phase == "agent":
            brief = self._briefs[step.id, live.number] = self._brief(known, live)
            engine = self._engine(step, live)
            if brief.home:
                os.makedirs(brief.home, mode=0o700, exist_ok=True)
            invocation = engine.invoke(brief)
            if isinstance(invocation, Invocation) and invocation.protocol:
                self._following.open(engine, brief)
                return noted(invocation, brief)
            return invocation
        command = self._command(known, phase)
        rendered = self._rendering(step, live).command(command, key=phase)
        brief = Brief(
            step=step.id,
            attempt=live.number,
            cause=live.cause,
            cwd=cwd,
            shell=rendered.shell,
            argv=tuple(str(word) for word in rendered.argv),
        )
        return self._engines.engine("command").invoke(brief)

    def _command(self, known: StepState, phase: str) -> Command:
        if phase == BEFORE:
            return self._state.plan.hook("before_step") or Command(None, ("true",))
        return command_of(known, phase)

    def _brief(self, known: StepState, live: AttemptState) -> Brief:
        root = root_of(live, self._place.project)
        brief = make_brief(
            self._state,
            known,
            live,
            cwd=self._cwd(known.step, live),
            log_limit=self._state.plan.limits.log_size,
            place=self._place,
            roots=tuple(dict.fromkeys((root, os.path.realpath(root)))),
        )
        can = self._engine(known.step, live).capabilities
        brief = brief._replace(silence=can.silence)
        if not brief.servers and not brief.base_url:
            return brief
        by = self._with_login(known.step.by(live.fallback))
        environ = self._environments.all_of(self._state, by, attempt=live.number)
        return equipped(brief, environ, can, custom=by.custom)

    def _cwd(self, step: Step, live: AttemptState) -> str:
        workdir = self._rendering(step, live).path(step.workdir, key="workdir")
        root = root_of(live, self._place.project)
        return f"{root}/{workdir}" if workdir else root

    def _rendering(self, step: Step, live: AttemptState) -> Rendering:
        return Rendering(self._state, step, run=self._place.run, attempt=live.number)

    def _remaining(self, step: Step, live: AttemptState) -> float | None:
        """Seconds that are left of the attempt's timeout: it covers all phases together."""
        if step.timeout is None:
            return None
        now: Now = self._clock.now()
        return max(0.05, step.timeout - max(0.0, now.mono - live.mono - live.still_for))

    def _engine(self, step: Step, live: AttemptState) -> Engine:
        by = step.by(live.fallback)
        return self._engines.engine(by.engine, custom=by.custom)

    def adopt(self, began: Callable[[str, int], int | None]) -> None:
        """Follows the output of attempts that were running before this runner came."""
        self._following.began = began
        for step_id in sorted(self._state.running):
            known = self._state.steps[step_id]
            live = known.live
            if live is None or is_making(known) or self._following.has(step_id, live.number):
                continue
            engine = self._engine(known.step, live)
            if not engine.capabilities.protocol:
                continue
            if (live.phase or self._first(known, live)) != AGENT:
                continue
            brief = self._briefs[step_id, live.number] = limited_as_begun(self._brief(known, live))
            self._following.open(engine, brief, adopted=True)

    def spent(self, step_id: str) -> Usage | None:
        """What the live attempt of a step has told of its cost so far."""
        return self._following.spent(step_id, len(self._state.steps[step_id].attempts))

    def close(self) -> None:
        self._following.close()

    # -- ending ----------------------------------------------------------------------------------------------

    def phase_ended(self, exited: Exited) -> PhaseEnded | AttemptEnded | None:
        if exited.phase == "agent":
            self._following.stop(exited.step, exited.attempt)
        step = self._state.steps[exited.step].step
        if step.cache or step.outputs.files or step.reworked or in_workspace(step):
            return None
        return self._ended(exited)

    async def conclude(self, exited: Exited) -> PhaseEnded | AttemptEnded:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._ended, exited)

    def _ended(self, exited: Exited) -> PhaseEnded | AttemptEnded:
        known = self._state.steps[exited.step]
        live = known.attempts[exited.attempt - 1]
        row = phases(known, live)
        outcome = self._phase_outcome(known, live, exited)
        following = row[row.index(exited.phase) + 1 :] if exited.phase in row else ()
        if exited.phase == BEFORE:
            following = row
        if is_check(exited.phase):
            return self._after_check(known, exited, outcome, row)
        if isinstance(outcome, Succeeded) and following:
            kept = outcome if exited.phase == "agent" else None
            return PhaseEnded(exited.step, exited.attempt, exited.phase, following[0], exited.seq, kept)
        if not isinstance(outcome, Succeeded):
            if isinstance(live.phase_outcome, Succeeded):
                if isinstance(outcome, Failed):
                    outcome = with_told(outcome, live.phase_outcome)._replace(text=live.phase_outcome.text)
                else:
                    outcome = with_told(outcome, live.phase_outcome)
            return AttemptEnded(exited.step, exited.attempt, outcome, exited.phase, exited.seq)
        if exited.phase != "agent" and isinstance(live.phase_outcome, Succeeded):
            outcome = live.phase_outcome
        return self._succeeded(known, exited, outcome)

    def _after_check(
        self, known: StepState, exited: Exited, outcome: Outcome, row: tuple[str, ...]
    ) -> PhaseEnded | AttemptEnded:
        """All green, and the declared files there: succeeded, without a start. Else the work begins, unless time is up
        or the attempt was ended from outside."""
        ended = AttemptEnded(exited.step, exited.attempt, outcome, exited.phase, exited.seq)
        checks = [phase for phase in row if is_check(phase)]
        work = row[len(checks)]
        match outcome:
            case Stopped() | Failed(failure=FailureClass.TIMEOUT | FailureClass.LOST):
                return ended
            case Succeeded() if exited.phase in checks[:-1]:
                work = checks[checks.index(exited.phase) + 1]
            case Succeeded():
                ended = self._succeeded(known, exited, Succeeded(text=VERIFIED, usage=Usage(0, 0, 0.0)))
                if isinstance(ended.outcome, Succeeded):
                    return ended
            case Failed():
                pass
        return PhaseEnded(exited.step, exited.attempt, exited.phase, work, exited.seq)

    def _phase_outcome(self, known: StepState, live: AttemptState, exited: Exited) -> Outcome:
        if exited.phase == "agent":
            return self._agent_outcome(known, live, exited.end._replace(at=exited.at))
        command = self._command(known, exited.phase)
        brief = Brief(step=known.step.id, attempt=live.number, cause=live.cause, cwd="", shell=command.shell)
        outcome = self._engines.outcome_of(exited.end, brief._replace(argv=tuple(str(word) for word in command.argv)))
        if not isinstance(outcome, Failed):
            return outcome
        if outcome.failure in (FailureClass.TIMEOUT, FailureClass.LOST, FailureClass.LOG_LIMIT):
            return outcome
        log = self._place.log(known.step.id, live.number)
        end = exited.end
        detail = read_tail(log, redact=self._redactor.text, start=end.log_start, end=end.log_end)
        failure = FailureClass.SETUP if exited.phase in (BEFORE, SETUP) else FailureClass.VERIFY
        return outcome._replace(
            failure=failure,
            reason=f"{_WORDS.get(exited.phase) or exited.phase.partition('.')[0]}: {outcome.reason}",
            detail=detail,
        )

    def _agent_outcome(self, known: StepState, live: AttemptState, end: Exit) -> Outcome:
        step = known.step
        brief = self._briefs.pop((step.id, live.number), None) or limited_as_begun(self._brief(known, live))
        engine = self._engine(step, live)
        if engine.capabilities.tail and end.cause is None:
            files = self._place.log(step.id, live.number), self._place.err(step.id, live.number)
            end = end._replace(printed=last_words(*files, end, redact=self._redactor.text))
        if engine.capabilities.protocol:
            outcome = self._following.finish(engine, brief, step.id, live.number, end)
        else:
            outcome = engine.session(brief).close(end)
        if isinstance(outcome, Failed):
            text = self._texts.text(step, live, end) if step.text_used and not engine.capabilities.protocol else None
            return outcome._replace(text=text)
        if isinstance(outcome, Stopped):
            most = step.guards.turns if step.guards is not None else None
            raised = outcome.cause == GUARD and end.cause is None and brief.turns != most
            return outcome._replace(cause=RAISED) if raised else outcome
        return self._texts.outcome(step, live, end, outcome)

    def _succeeded(self, known: StepState, exited: Exited, outcome: Succeeded) -> AttemptEnded:
        step = known.step
        key, note = None, ""
        result, aside = self._with_work(known, exited.attempt, outcome)
        if isinstance(result, Succeeded):
            outcome = result
        if step.outputs.files and isinstance(result, Succeeded):
            artifacts = self._artifacts(known, exited.attempt, outcome.left)
            if isinstance(artifacts, Failed):
                result = with_told(artifacts._replace(exit_code=exited.end.code), outcome)
            else:
                paths = {artifact.name: artifact.path for artifact in artifacts}
                result = outcome._replace(artifacts=artifacts, outputs={**(outcome.outputs or {}), **paths})
        if step.cache and isinstance(result, Succeeded):
            key, note = self._results.keep(known, exited.attempt, result)
        tree = ""
        if step.reworked and isinstance(result, Succeeded):
            tree = result.left.commit if result.left is not None else self._results.tree(step, exited.attempt)
        return AttemptEnded(exited.step, exited.attempt, result, exited.phase, exited.seq, key, note, tree, aside)

    def _with_work(self, known: StepState, attempt: int, outcome: Succeeded) -> tuple[Outcome, str]:
        """With what it has left in its workspace, and what of that no commit holds; a failure where it was not allowed
        to."""
        done = self._trees.finish(known, attempt) if self._trees is not None else None
        if isinstance(done, Failed):
            return with_told(done, outcome), ""
        if done is None:
            return outcome, ""
        return outcome._replace(left=done.left), self._redactor.text(aside_words(done.aside))

    def _artifacts(self, known: StepState, attempt: int, left: Left | None) -> tuple[Artifact, ...] | Failed:
        live = known.attempts[attempt - 1]
        root = root_of(live, self._place.project)
        try:
            found = self._results.artifacts(known.step, self._rendering(known.step, live), root=root)
        except BriefError as error:
            return Failed(FailureClass.OUTPUT, str(error))
        if isinstance(found, Failed) or left is None or self._trees is None:
            return found
        return self._trees.shelve(left, found, root=root) or found

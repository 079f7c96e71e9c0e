"""From a planned step to the brief of one attempt: every template rendered, the last failure told once.

Decides nothing about retry. Raises `BriefError` for what cannot be rendered; the attempt then fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from teamflow.core.attempts import AttemptState
from teamflow.core.invocation import Brief
from teamflow.core.outcome import Failed, FailureClass, Stopped
from teamflow.core.plan import Command, Deferred, Json, Step, Text
from teamflow.core.state import Feedback, Message, RunState, StepState
from teamflow.policy.budget import fence
from teamflow.policy.context import feedback, no_feedback, step_context
from teamflow.policy.trees import parents
from teamflow.run.logs import cut_text
from teamflow.run.place import Place
from teamflow.run.telling import REPORTING, context

FEEDBACK_LIMIT: Final = 32 * 1024
"""Bytes of a loop's feedback that go into a prompt: the first and the last half are kept."""


class BriefError(Exception):
    """A template that could not be rendered, with the key it stands under."""


class Rendering:
    """Renders the texts of one step at one moment; the context is built only when something needs it.

    `for_key`: as if no loop had ever opened the step again; what is kept of its last round is found by that.
    """

    def __init__(
        self, state: RunState, step: Step, *, run: Mapping[str, Json], attempt: int, for_key: bool = False
    ) -> None:
        self._state = state
        self._step = step
        self._run = run
        self._attempt = attempt
        self._for_key = for_key
        self._context: dict[str, Json] | None = None

    def text(self, value: Text, *, key: str) -> str:
        if not isinstance(value, Deferred):
            return value
        # Imported here: a plan whose texts are all known before the run needs no jinja2.
        from teamflow.team.template import TemplateError, render

        if self._context is None:
            self._context = step_context(self._state, self._step, run=self._run, attempt=self._attempt)
            if self._for_key:
                self._context["feedback"] = no_feedback(self._state, self._step)
        try:
            return _as_text(render(value.template, self._context))
        except TemplateError as error:
            raise BriefError(f"{key}: {error}") from error

    def path(self, value: Text, *, key: str) -> str:
        """A path or glob below the workspace. One that only a run could render is checked only now."""
        path = self.text(value, key=key)
        if path is not value:
            # Imported here: so do few steps.
            from teamflow.team.files import leaves_root

            if leaves_root(path):
                raise BriefError(f'{key}: "{path[:80]}" leads out of the workspace')
        return path

    def check_paths(self) -> None:
        """Raises BriefError when something that the step reads, writes or hands over lies outside its workspace."""
        step = self._step
        copied = step.tree.copy if step.tree is not None else ()
        for key, paths in (("reads", step.reads or ()), ("writes", step.writes), ("workspace.copy", copied)):
            for path in paths:
                self.path(path, key=key)
        for file in step.outputs.files:
            self.path(file.path, key=f"outputs.{file.name}")

    def command(self, command: Command, *, key: str) -> Command:
        if command.shell is not None or not any(isinstance(word, Deferred) for word in command.argv):
            return command
        return Command(None, tuple(self.text(word, key=key) for word in command.argv))


def make_brief(
    state: RunState,
    known: StepState,
    attempt: AttemptState,
    *,
    cwd: str,
    log_limit: int | None,
    place: Place,
    roots: tuple[str, ...] = (),
) -> Brief:
    """The brief of `attempt`. Raises BriefError."""
    step = known.step
    by = step.by(attempt.fallback)
    log = partial(place.log, step.id)
    run = place.run
    rendering = Rendering(state, step, run=run, attempt=attempt.number)
    shell: str | None = None
    argv: tuple[str, ...] = ()
    if step.command is not None:
        command = rendering.command(step.command, key="command")
        shell, argv = command.shell, tuple(str(word) for word in command.argv)
    return Brief(
        step=step.id,
        attempt=attempt.number,
        cause=attempt.cause,
        cwd=cwd,
        shell=shell,
        argv=argv,
        prompt=None if step.prompt is None else _prompt(state, known, rendering, step.prompt),
        instructions=step.instructions,
        model=by.model,
        permissions=step.permissions,
        script=step.script,
        notice="\n\n".join(filter(None, (to_mend(state, known, attempt), notice(known, attempt, log=log)))),
        context=context(state, known, run=run, cwd=cwd, log=place.log) if step.prompt is not None else "",
        grants=step.means.grants,
        roots=roots,
        servers=step.means.servers,
        home=place.home(step.id) if step.means.isolate else "",
        base_url=by.means.base_url,
        usd=fence(state, known) if step.prompt is not None else None,
        turns=step.guards.turns if step.guards is not None else None,
        session=session_of(known, attempt),
        charged=_charged(known, attempt),
        messages=tuple(told(message) for message in known.messages[attempt.heard_from : attempt.told_from]),
        schemas=step.outputs.schemas,
        timeout=step.timeout,
        idle_timeout=step.idle_timeout,
        log_limit=log_limit,
        stem=place.stem(step.id, attempt.number),
        reporting=REPORTING if step.prompt is not None else "",
        run=str(run.get("id", "")),
    )


def _prompt(state: RunState, known: StepState, rendering: Rendering, source: Text) -> str:
    """The prompt; behind it what a loop asks for, once, unless the prompt says itself where that goes."""
    prompt = rendering.text(source, key="prompt")
    if known.feedback is None or _names_feedback(source):
        return prompt
    told = feedback(state, known.step)
    body = told["text"] or (_as_text(told["outputs"]) if told["outputs"] else "(it said nothing)")
    return f"{prompt}\n\n{_feedback_heading(state, known.feedback)}\n\n{cut_text(str(body), limit=FEEDBACK_LIMIT)}"


def _feedback_heading(state: RunState, given: Feedback) -> str:
    source = state.steps.get(given.step)
    loop = source.step.loop if source is not None else None
    return f"Feedback from {given.step} (round {given.round}{f' of {loop.max}' if loop is not None else ''}):"


def _names_feedback(source: Text) -> bool:
    if not isinstance(source, Deferred):
        return False
    from teamflow.team.template import names

    return any(reference.path[0] == "feedback" for reference in names(source.template))


def told(message: Message) -> str:
    """A message as an agent is told it."""
    return f"Message from {message.by}:\n{message.text}"


def notice(known: StepState, attempt: AttemptState, *, log: Callable[[int], str]) -> str:
    """One notice of why the attempt before failed, or of where it was stopped; never more than one, so retries do not
    grow the prompt. One that is started anew knows nothing of it."""
    if attempt.number < 2 or attempt.cause == "relaunch":
        return ""
    previous = known.attempts[attempt.number - 2].outcome
    exhausted = isinstance(previous, Failed) and previous.failure is FailureClass.USAGE_EXHAUSTED
    if exhausted and session_of(known, attempt) is not None:
        return "You were interrupted by a usage limit, which is over: go on where you were."
    if exhausted or (
        isinstance(previous, Stopped) and attempt.cause == "resume" and session_of(known, attempt) is None
    ):
        where = log(attempt.number - 1)
        return f"An earlier attempt was stopped before it was done. What it printed is in {where}: look at that first."
    if not isinstance(previous, Failed):
        return ""
    detail = f"\n{previous.detail}" if previous.detail else ""
    return f"The last attempt failed ({previous.failure.value}): {previous.reason}{detail}"


def to_mend(state: RunState, known: StepState, attempt: AttemptState) -> str:
    """What a step that mends a merge is to do: the files, and whose changes meet there."""
    if attempt.ready is None or not attempt.ready.conflicts:
        return ""
    sides = [f"- {name}: {commit}" for name, commit in parents(state, known.step)]
    files = [f"- {path}" for path in attempt.ready.conflicts]
    return "\n".join(
        (
            f"The work of these steps does not merge for {known.step.resolves}:",
            *sides,
            "Both sides change the same places of these files:",
            *files,
            "Resolve every conflict in the working tree, remove the markers (<<<<<<<, =======, >>>>>>>), and keep what "
            "both sides mean. What git cannot show by markers (a binary file, a link, one that a side has deleted or "
            "moved) is not there: what a step has made of FILE lies beside it as FILE~STEP, and a step of which there "
            "is none has deleted or moved it, or left it as it was. Make FILE as it should be, or leave it away to "
            "delete it, then remove every FILE~STEP of the list. `git show COMMIT:PATH` shows the work of each step. "
            "HEAD is this merge, committed: `git checkout --ours` or `--theirs` and `git mergetool` know of no "
            "conflict here. Do not abort and do not commit: teamflow commits.",
        )
    )


def session_of(known: StepState, attempt: AttemptState) -> str | None:
    """The session that goes on. One that was stopped before it had opened its own leaves that which it went on with."""
    while attempt.continues is not None:
        attempt = known.attempts[attempt.continues - 1]
        if attempt.outcome is not None and attempt.outcome.session is not None:
            return attempt.outcome.session
    return None


def _charged(known: StepState, attempt: AttemptState) -> float | None:
    """What that session has cost before, over all attempts that went on in it; None: one of them did not tell."""
    session, total = session_of(known, attempt), 0.0
    if session is None:
        return None
    while attempt.continues is not None:
        attempt = known.attempts[attempt.continues - 1]
        outcome = attempt.outcome
        if outcome is None or outcome.session is None:
            continue  # it was stopped before there was a session
        if outcome.session != session:
            break
        if outcome.usage is None or outcome.usage.usd is None:
            return None
        total += outcome.usage.usd
    return total


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    import json

    return json.dumps(value, ensure_ascii=False)

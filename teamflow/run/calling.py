"""One call of a hook as a start for the keeper: its words, its environment, its log. Starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.invocation import Brief, Exit, Invocation
from teamflow.core.outcome import Failed, FailureClass, Outcome
from teamflow.core.plan import Command, Deferred, Json
from teamflow.core.redact import Redactor
from teamflow.core.state import RunState
from teamflow.policy.hooks import Call
from teamflow.ports import Start
from teamflow.run.brief import BriefError
from teamflow.run.environment import Environments
from teamflow.run.place import Place
from teamflow.run.roles import Engines

PHASE: Final = "hook"
"""By which entries of the journal are told from those of steps, none of which has such a phase."""

GRACE: Final = 2.0
"""Seconds that a hook has to end when it is stopped."""


class Calling:
    """Knows how hooks of one run are started; `state.plan` is the plan in force."""

    def __init__(
        self, state: RunState, *, place: Place, environments: Environments, engines: Engines, redactor: Redactor
    ) -> None:
        self._state = state
        self._place = place
        self._environments = environments
        self._engines = engines
        self._redactor = redactor
        number = place.run.get("number")
        self.run = number if isinstance(number, int) else 0

    def prepare(self, call: Call, command: Command, *, timeout: float) -> tuple[Brief, Start] | Failed:
        """What to start, and what its end is explained by."""
        key = (step_of(call.event), call.seq)
        try:
            command = _rendered(command, {"inputs": self._state.plan.inputs, "run": self._place.run})
        except BriefError as error:
            return Failed(FailureClass.START, str(error))
        brief = brief_of(key, command)
        invocation = self._engines.engine("command").invoke(brief)
        if isinstance(invocation, Failed):
            return invocation
        return brief, self._request(call, invocation, timeout)

    def _request(self, call: Call, invocation: Invocation, timeout: float) -> Start:
        plan, project = self._state.plan, self._place.project
        told = {name: self.redacted(value) for name, value in call.variables.items()}
        return Start(
            step=step_of(call.event),
            attempt=call.seq,
            phase=PHASE,
            invocation=invocation,
            cwd=project,
            base_env=self._environments.hook_base(plan),
            env={"PWD": project, **self._environments.hook_own(plan, call.event, told)},
            log=self.log((step_of(call.event), call.seq)),
            err=None,
            timeout=timeout,
            idle=None,
            idle_paths=(),
            grace=GRACE,
            log_limit=plan.limits.log_size,
            isolation=None,
            note={},
        )

    def log(self, key: tuple[str, int]) -> str:
        return self._place.log(key[0].removeprefix("."), key[1])

    def outcome_of(self, end: Exit, brief: Brief) -> Outcome:
        return self._engines.outcome_of(end, brief)

    def redacted(self, text: str) -> str:
        return self._redactor.text(text)


def step_of(event: str) -> str:
    """No step is called so: an agent's name has no dot."""
    return f".hooks/{event}"


def brief_of(key: tuple[str, int], command: Command | None) -> Brief:
    """What its end is explained by; without a command of one that another runner has started."""
    shell, argv = (command.shell, tuple(str(word) for word in command.argv)) if command is not None else (None, ("it",))
    return Brief(step=key[0], attempt=key[1], cause="first", cwd="", shell=shell, argv=argv)


def _rendered(command: Command, context: Mapping[str, Json]) -> Command:
    """Raises BriefError."""
    if not any(isinstance(word, Deferred) for word in command.argv):
        return command
    # Imported here: few hooks hold templates, and jinja2 is slow to import.
    from teamflow.team.template import TemplateError, render_text

    try:
        words = [render_text(word.template, context) if isinstance(word, Deferred) else word for word in command.argv]
    except TemplateError as error:
        raise BriefError(str(error)) from error
    return command._replace(argv=tuple(words))

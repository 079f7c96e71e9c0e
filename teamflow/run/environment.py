"""What variables a step's processes get: the basics, what the file adds, the secrets a step asks for, TEAMFLOW_*.

The environment and the files' contents are arguments. What steps share is sent to the keeper once, not per
start. Rules: `docs/team-file.md`, "Environment".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from teamflow.core.plan import Json, Plan, SecretSource, Step
from teamflow.core.state import RunState
from teamflow.core.variables import BASIC, inherited
from teamflow.policy.hooks import variables
from teamflow.run.brief import Rendering


class MissingSecret(Exception):
    """A secret that a step asks for is not set; the message says where it was looked for."""


def secret_values(
    sources: Iterable[SecretSource], environ: Mapping[str, str], read: Callable[[str], str]
) -> tuple[dict[str, str], dict[str, str]]:
    """(values, problems) by secret name. `read` gives the text of a file or raises OSError."""
    values: dict[str, str] = {}
    problems: dict[str, str] = {}
    for source in sources:
        try:
            values[source.name] = _secret(source, environ, read)
        except MissingSecret as error:
            problems[source.name] = str(error)
    return values, problems


def _secret(source: SecretSource, environ: Mapping[str, str], read: Callable[[str], str]) -> str:
    if source.kind == "env":
        if not environ.get(source.where):
            raise MissingSecret(f"secret {source.name}: the environment variable {source.where} is not set")
        return environ[source.where]
    try:
        value = read(source.where).removesuffix("\n")
    except OSError as error:
        raise MissingSecret(f"secret {source.name}: {source.where}: {error.strerror}") from error
    if not value:
        raise MissingSecret(f"secret {source.name}: {source.where} is empty")
    return value


class Environments:
    """Variables per step: a base that many share, and what is this attempt's own, which goes before the base.

    `declare` is told each distinct base once, under the name that `of` gives.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        files: Mapping[str, str],
        secrets: Mapping[str, str],
        run: Mapping[str, Json],
        common: Mapping[str, str],
        declare: Callable[[str, Mapping[str, str]], None],
    ) -> None:
        self._environ = environ
        self._files = files
        self._secrets = secrets
        self._run = run
        self._common = common
        self._declare = declare
        self._names: dict[tuple[str, ...], str] = {}
        self._declared_yet = 0
        self._bases: dict[str, Mapping[str, str]] = {}

    def know(self, *, files: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        """Values for whatever is asked about from now on."""
        self._files = files
        self._secrets = secrets
        self._names = {}

    def of(self, state: RunState, step: Step, *, attempt: int) -> tuple[str, dict[str, str]]:
        """(name of the base, variables of this attempt). Raises MissingSecret and BriefError."""
        own = self._declared(state, step, attempt=attempt) if step.env or step.secrets else {}
        own["TEAMFLOW_AGENT"] = step.agent
        own["TEAMFLOW_STEP"] = step.id
        own["TEAMFLOW_ATTEMPT"] = str(attempt)
        return self._base(state.plan, step.inherit_env), own

    def all_of(self, state: RunState, step: Step, *, attempt: int) -> dict[str, str]:
        """Every variable of an attempt. Raises MissingSecret and BriefError."""
        return self.whole(*self.of(state, step, attempt=attempt))

    def whole(self, base: str, own: Mapping[str, str]) -> dict[str, str]:
        """What a process with this base and these variables has."""
        return {**self._bases[base], **own}

    def of_hook(self, state: RunState, step: Step, *, attempt: int) -> tuple[str, dict[str, str]]:
        """What `before_step` gets, which is the team's: nothing that only the step asks for, above all no secrets."""
        told = variables(step=step.id, attempt=str(attempt))
        return self.hook_base(state.plan), self.hook_own(state.plan, "before_step", told)

    def hook_base(self, plan: Plan) -> str:
        return self._base(plan, ())

    def hook_own(self, plan: Plan, event: str, told: Mapping[str, str]) -> dict[str, str]:
        """The team's own variables, and what a hook is told."""
        own = {name: value for name, value in plan.env if name not in self._common}
        return {**own, **told, "TEAMFLOW_HOOK": event, "TEAMFLOW_TEAM": plan.team}

    def _declared(self, state: RunState, step: Step, *, attempt: int) -> dict[str, str]:
        """What the team file gives this step: `env`, then the secrets that it asks for; never what is TEAMFLOW's."""
        own: dict[str, str] = {}
        rendering = Rendering(state, step, run=self._run, attempt=attempt)
        for name, value in step.env:
            own[name] = rendering.text(value, key=f"env.{name}")
        for name in step.secrets:
            if name not in self._secrets:
                raise MissingSecret(f"secret {name} is not set")
            own[name] = self._secrets[name]
        return {name: value for name, value in own.items() if name not in self._common}

    def _base(self, plan: Plan, inherit_env: tuple[str, ...]) -> str:
        """What steps have in common: one message to the keeper for all of them, so it must name no step."""
        patterns = (*plan.inherit_env, *inherit_env)
        name = self._names.get(patterns)
        if name is None:
            variables = inherited(self._environ, (*BASIC, *patterns))
            variables.update(self._files)
            variables.update(self._common)
            name = self._names[patterns] = f"e{self._declared_yet}"
            self._declared_yet += 1
            self._bases[name] = variables
            self._declare(name, variables)
        return name

"""Renders now what can be known now, and defers the rest.

Known when planning: `inputs`, the instance's `matrix`, the step's own names, the team's static `env`. A text that
names anything else is kept as `Deferred` and rendered for each attempt. Each distinct text over inputs alone is
rendered once per plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from teamflow.core.ids import UNDECIDED, slug
from teamflow.core.plan import Deferred, Json, Text
from teamflow.plan.instances import Instance
from teamflow.team.files import leaves_root
from teamflow.team.template import Reference, TemplateError, evaluate_condition, expression_names, names, render_text

_STEP_NAMES: Final = frozenset({"id", "slug", "agent"})
"""What is known of `step` before it runs; `step.attempt` is not."""


class Complain(Protocol):
    """Told once per key of an agent: what could not be rendered, and why."""

    def __call__(self, key: str, message: str, *, code: str = "template-failed") -> None: ...


class Texts:
    """Renders the texts of one plan, instance by instance."""

    __slots__ = ("_env", "_inputs", "_known")

    def __init__(self, inputs: Mapping[str, Json], env: Mapping[str, str]) -> None:
        self._inputs = inputs
        self._env = env
        self._known: dict[str, str] = {}

    def step(self, agent: str, instance: Instance, step_id: str, complain: Complain) -> StepTexts:
        """The renderer of one step."""
        context: dict[str, Json] = {
            "inputs": self._inputs,
            "matrix": instance.matrix,
            "env": self._env,
            "step": {"id": step_id, "slug": slug(step_id), "agent": agent},
        }
        return StepTexts(context, self._known, complain, decided=instance.name != UNDECIDED, env=self._env)


class StepTexts:
    """Renders the texts of one step. What fails is complained about and stays as it is written."""

    __slots__ = ("_complain", "_context", "_decided", "_env", "_known")

    def __init__(
        self,
        context: Mapping[str, Json],
        known: dict[str, str],
        complain: Complain,
        *,
        decided: bool,
        env: Mapping[str, str],
    ) -> None:
        self._context = context
        self._known = known
        self._complain = complain
        self._decided = decided
        self._env = env

    def text(self, key: str, source: str) -> Text:
        """A template's value, or the template where it must wait."""
        if "{" not in source:
            return source
        known = self._known.get(source)
        if known is not None:
            return known
        try:
            references = names(source)
            if not all(map(self._is_known, references)):
                return Deferred(source)
            value = render_text(source, self._context)
        except TemplateError as error:
            self._complain(key, str(error))
            return source
        if all(reference.path[0] == "inputs" for reference in references):
            self._known[source] = value
        return value

    def path(self, key: str, source: str) -> Text:
        """A path or glob below the workspace. What is rendered later has to be checked then."""
        value = self.text(key, source)
        if isinstance(value, str) and value is not source and leaves_root(value):
            self._complain(key, f'"{value[:80]}" leads out of the workspace', code="path-outside")
        return value

    def settled_path(self, key: str, source: str) -> Text:
        """A path that depends on no results. Where the instance is not known yet it waits for nothing else."""
        value = self.path(key, source)
        if isinstance(value, Deferred) and not all(map(self._will_be_known, names(source))):
            self._complain(key, "this has to be known before the run: it can name inputs, matrix and step")
        return value

    def condition(self, source: str) -> bool | None:
        """The value of `if`; None when it must wait."""
        try:
            if not all(map(self._is_known, expression_names(source))):
                return None
            return evaluate_condition(source, self._context)
        except TemplateError as error:
            self._complain("if", str(error))
            return None

    def _will_be_known(self, reference: Reference) -> bool:
        """Whether it is known as soon as the instance is."""
        match reference.path[0]:
            case "inputs" | "matrix":
                return True
            case "step":
                return len(reference.path) > 1 and reference.path[1] in _STEP_NAMES
            case "env":
                return len(reference.path) > 1 and reference.path[1] in self._env
            case _:
                return False

    def _is_known(self, reference: Reference) -> bool:
        return (self._decided or reference.path[0] not in ("matrix", "step")) and self._will_be_known(reference)


def static_env(env: Mapping[str, str], inputs: Mapping[str, Json]) -> dict[str, str]:
    """The variables of the team's `env` that need nothing but inputs, rendered; what fails is left to its steps."""
    context: dict[str, Json] = {"inputs": inputs}
    out: dict[str, str] = {}
    for name, source in env.items():
        try:
            if "{" not in source or all(reference.path[0] == "inputs" for reference in names(source)):
                out[name] = render_text(source, context)
        except TemplateError:
            continue
    return out

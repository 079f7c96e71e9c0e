"""The layers that settle one agent: itself, its persona, `defaults`; what each key comes to over them.

Decides precedence, and that maps merge one level; nothing of what a key means.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel

from teamflow.team.declared import KINDS
from teamflow.team.model import Agent
from teamflow.team.resolved import EngineChoice

Part = TypeVar("Part", bound=BaseModel)


class Layers:
    """The layers of one agent, strongest first; `get` is the value of the first that has the key."""

    __slots__ = ("_merged", "_sets")

    def __init__(self, layers: tuple[Agent, ...]) -> None:
        self._sets = tuple(
            {key: value for key, value in layer.__dict__.items() if value is not None} for layer in layers
        )
        if len(layers) == 1:
            self._merged = self._sets[0]
        else:
            self._merged = {}
            for values in reversed(self._sets):
                self._merged.update(values)

    def get(self, key: str) -> Any:
        return self._merged.get(key)

    def maps(self, key: str) -> dict[str, Any]:
        """The plain maps of all layers, merged by key."""
        if key not in self._merged:
            return {}
        merged: dict[str, Any] = {}
        for values in reversed(self._sets):
            merged.update(values.get(key, ()))
        return merged

    def part(self, key: str, kind: type[Part]) -> Part | None:
        """A map with known keys, merged one level over the layers that write it as a map."""
        if key not in self._merged:
            return None
        found = [values[key] for values in self._sets if key in values]
        parts = [value for value in found if isinstance(value, kind)]
        if not parts or not isinstance(found[0], kind):
            return None
        if len(parts) == 1:
            return parts[0]
        merged: dict[str, Any] = {}
        for value in reversed(parts):
            merged.update({name: getattr(value, name) for name in value.model_fields_set})
        return kind.model_construct(**merged)

    def work_layer(self) -> dict[str, Any] | None:
        """The strongest layer that says what to do; None when it says nothing or too much."""
        for values in self._sets:
            said = [kind for kind in KINDS if kind in values]
            if said:
                return values if len(said) == 1 else None
        return None

    def engines(self, built_in: str) -> tuple[EngineChoice, ...]:
        """The engine chain, `built_in` where nobody says one.

        A `model` counts only if no stronger layer chose the engine.
        """
        model: str | None = None
        for values in self._sets:
            model = model or values.get("model")
            if "engine" in values:
                return tuple(_engine(text, model=model) for text in values["engine"])
        return (_engine(built_in, model=model),)


def _engine(text: str, *, model: str | None) -> EngineChoice:
    name, _, own = text.partition("/")
    return EngineChoice(name, own or model)

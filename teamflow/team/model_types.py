"""What the keys of the team file hold: scalars with their spelling, short forms, and the strictness of every part."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from teamflow.team.scalars import COUNT, DURATION, SIZE, parse_count, parse_duration, parse_size


def _spelled(parse: Callable[[object], float | int], code: str) -> BeforeValidator:
    """A validator that turns the parser's ValueError into an error with our own code."""

    def convert(value: object) -> float | int:
        try:
            return parse(value)
        except ValueError as error:
            raise PydanticCustomError(code, "{text}", {"text": str(error)}) from None

    return BeforeValidator(convert)


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _conditions(value: object) -> object:
    """`a`, `[a, b]` and `{a: succeeded}` are all a map from agent to condition."""
    if isinstance(value, str):
        return {value: "succeeded"}
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        seen = dict.fromkeys(value, "succeeded")
        if len(seen) < len(value):
            twice = next(name for name in value if value.count(name) > 1)
            raise PydanticCustomError("duplicate-entry", '"{name}" is listed twice', {"name": twice})
        return seen
    return value


Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Strict(strict=False)]
_ONE_OR_MANY = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}},
    ]
}
OneOrMany = Annotated[Texts, BeforeValidator(_listed), WithJsonSchema(_ONE_OR_MANY)]
Argv = Annotated[tuple[str, ...], Strict(strict=False), Field(min_length=1)]
Duration = Annotated[
    float, _spelled(parse_duration, "bad-duration"), WithJsonSchema({"type": "string", "pattern": DURATION})
]
Size = Annotated[int, _spelled(parse_size, "bad-size"), WithJsonSchema({"type": "string", "pattern": SIZE})]
Count = Annotated[
    int,
    _spelled(parse_count, "bad-count"),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": COUNT}]}),
]
JsonLike: TypeAlias = Any
"""Any JSON value; the tree holds nothing else, so there is nothing to check."""
EnvValue: TypeAlias = str | int
Env: TypeAlias = dict[str, EnvValue]
ConditionWord = Literal["succeeded", "failed", "finished", "passed"]
_DEPENDS_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        {
            "type": "object",
            "additionalProperties": {"enum": ["succeeded", "failed", "finished", "passed"]},
        },
    ]
}
DependsOn = Annotated[dict[str, ConditionWord], BeforeValidator(_conditions), WithJsonSchema(_DEPENDS_SCHEMA)]
JsonType = Literal["string", "number", "integer", "boolean", "array", "object", "null"]
Declaration: TypeAlias = JsonType | dict[str, JsonLike]
Positive = Annotated[int, Field(ge=1)]
Axis: TypeAlias = Text | list[JsonLike]


class Model(BaseModel):
    """The strictness that every part of the file shares."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        defer_build=True,
        allow_inf_nan=False,
        protected_namespaces=(),
        populate_by_name=False,
    )

"""How single fields of a step are stored: each as a pair of functions, to plain data and back.

Used by `plan/stored.py` only, which says what the forms are for. A deferred text is a tuple of one, a text itself.
The way back takes lists for tuples, because JSON has no tuples. Damaged data ends in TypeError or ValueError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Never, TypeAlias, cast

from teamflow.core.permissions import NO_MEANS, Means, Permissions
from teamflow.core.plan import (
    Ask,
    Caps,
    Command,
    Deferred,
    DiffPolicy,
    Edge,
    EngineDefinition,
    Expansion,
    Fallback,
    Guards,
    Json,
    Limits,
    Loop,
    OutputFile,
    Outputs,
    Retry,
    Text,
    Tree,
)

PlainText: TypeAlias = "str | tuple[str]"
PlainCommand: TypeAlias = "tuple[str | None, tuple[PlainText, ...]]"
PlainOutputs: TypeAlias = "tuple[tuple[tuple[str, PlainText], ...], Mapping[str, Json]]"

_NO_OUTPUTS: Final = Outputs()
_OF_VARIANTS: Final = ("engine", "base_url", "asks_for")


def _text_out(value: Text) -> PlainText:
    return (value.template,) if isinstance(value, Deferred) else value


def _text_in(value: PlainText) -> Text:
    return value if isinstance(value, str) else Deferred(value[0])


def _prompt_out(value: Text | None) -> PlainText | None:
    return None if value is None else _text_out(value)


def _prompt_in(value: PlainText | None) -> Text | None:
    return None if value is None else _text_in(value)


def _texts_out(value: Sequence[Text] | None) -> tuple[PlainText, ...] | None:
    return None if value is None else tuple(map(_text_out, value))


def _texts_in(value: Sequence[PlainText] | None) -> tuple[Text, ...] | None:
    return None if value is None else tuple(map(_text_in, value))


def _command_out(value: Command | None) -> PlainCommand | None:
    return None if value is None else (value.shell, tuple(map(_text_out, value.argv)))


def _command_in(value: PlainCommand | None) -> Command | None:
    return None if value is None else Command(value[0], tuple(map(_text_in, value[1])))


def _verify_out(value: Sequence[Command]) -> tuple[PlainCommand | None, ...]:
    return tuple(map(_command_out, value))


def _verify_in(value: Sequence[PlainCommand]) -> tuple[Command | None, ...]:
    return tuple(map(_command_in, value))


def _env_out(value: Sequence[tuple[str, Text]]) -> tuple[tuple[str, PlainText], ...]:
    return tuple((name, _text_out(text)) for name, text in value)


def _env_in(value: Sequence[tuple[str, PlainText]]) -> tuple[tuple[str, Text], ...]:
    return tuple([(name, _text_in(text)) for name, text in value])


def _outputs_out(value: Outputs) -> PlainOutputs | None:
    if not value.files and not value.schemas:
        return None
    return (tuple((file.name, _text_out(file.path)) for file in value.files), value.schemas)


def _outputs_in(value: PlainOutputs | None) -> Outputs:
    if value is None:
        return _NO_OUTPUTS
    return Outputs(tuple(OutputFile(name, _text_in(path)) for name, path in value[0]), value[1])


def _custom_out(value: EngineDefinition | None) -> Mapping[str, object] | None:
    if value is None:
        return None
    # Of a program the form is what it was before there were variants.
    told = value._asdict()
    return told if value.engine else {name: told[name] for name in told if name not in _OF_VARIANTS}


def _custom_in(value: Mapping[str, object] | None) -> EngineDefinition | None:
    if value is None:
        return None
    items = {name: tuple(map(_pair, item)) if isinstance(item, list) else item for name, item in value.items()}
    return EngineDefinition(**cast("dict[str, Never]", items))


def _pair(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _fallbacks_out(value: Sequence[Fallback]) -> tuple[object, ...]:
    return tuple((engine, model, _custom_out(custom)) for engine, model, custom in value)


def _fallbacks_in(value: Sequence[tuple[str, str | None, Mapping[str, object] | None]]) -> tuple[Fallback, ...]:
    return tuple(Fallback(engine, model, _custom_in(custom)) for engine, model, custom in value)


def _edges_in(value: Sequence[Sequence[str]]) -> tuple[Edge, ...]:
    return tuple(map(Edge._make, value))


def _retry_in(value: Sequence[Never]) -> Retry:
    return Retry._make(value)


def _optional_out(value: tuple[object, ...] | None) -> tuple[object, ...] | None:
    return None if value is None else tuple(value)


def _ask_in(value: tuple[Sequence[str], str | None] | None) -> Ask | None:
    return None if value is None else Ask(tuple(value[0]), value[1])


def _loop_in(value: Sequence[Never] | None) -> Loop | None:
    return None if value is None else Loop._make(value)


def _expansion_in(value: Sequence[Never] | None) -> Expansion | None:
    if value is None:
        return None
    found = Expansion(*value)
    return found._replace(
        axes=tuple((name, axis) for name, axis in found.axes),
        for_matrix=tuple(found.for_matrix),
        only=None if found.only is None else tuple(found.only),
    )


def hooks_out(value: Sequence[tuple[str, Command]]) -> tuple[tuple[str, PlainCommand | None], ...]:
    return tuple((name, _command_out(command)) for name, command in value)


def hooks_in(value: Sequence[tuple[str, PlainCommand]]) -> tuple[tuple[str, Command | None], ...]:
    return tuple((name, _command_in(command)) for name, command in value)


def engines_out(value: Mapping[str, EngineDefinition]) -> Mapping[str, object]:
    return {name: _custom_out(definition) for name, definition in value.items()}


def engines_in(value: Mapping[str, Mapping[str, object]]) -> Mapping[str, EngineDefinition | None]:
    return {name: _custom_in(definition) for name, definition in value.items()}


def limits_out(limits: Limits) -> tuple[object, ...]:
    return tuple(tuple(value) if isinstance(value, Caps) else value for value in limits)


def limits_made(values: Sequence[object]) -> Limits:
    """The inverse of `limits_out`."""
    return limits_in(dict(zip(Limits._fields, values, strict=False)))


def limits_in(value: Mapping[str, object]) -> Limits:
    """Of named values, with a list for each caps."""
    caps = {name: Caps._make(cast("Never", value[name])) for name in ("budget", "day") if name in value}
    return Limits(**cast("dict[str, Never]", {**value, **caps}))


def _caps_in(value: Sequence[float | None] | None) -> Caps | None:
    return None if value is None else Caps._make(value)


def rows_out(value: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    return tuple(map(tuple, value))


def names_in(value: Sequence[str]) -> tuple[str, ...]:
    return tuple(value)


def _tree_out(value: Tree | None) -> tuple[object, ...] | None:
    if value is None:
        return None
    diff = None if value.diff is None else tuple(value.diff)
    copy, repo = _texts_out(value.copy), _prompt_out(value.repo)
    return (copy, value.keep, value.sparse, repo, diff)


def _means_out(value: Means) -> tuple[object, ...] | None:
    if value == NO_MEANS:
        return None
    # Where nothing is said of a server the form is what it was before there was anything to say.
    return (tuple(value.grants), value.servers, value.isolate, *filter(None, (value.base_url,)))


def _means_in(value: Sequence[Never] | None) -> Means:
    if value is None:
        return NO_MEANS
    grants = Permissions(*value[0])
    edit, run = (None if words is None else tuple(words) for words in (grants.edit, grants.run))
    return Means(grants._replace(edit=edit, run=run), *value[1:])


def _tree_in(value: Sequence[Never] | None) -> Tree | None:
    """A field that its writer did not know yet is as if nobody had said anything."""
    if value is None:
        return None
    found = Tree(*value)
    diff = None if found.diff is None else DiffPolicy(found.diff[0], tuple(found.diff[1]))
    return found._replace(copy=_texts_in(found.copy) or (), repo=_prompt_in(found.repo), diff=diff)


Change: TypeAlias = "tuple[Callable[[Never], object], Callable[[Never], object]]"

CHANGES: Final[Mapping[str, Change]] = {
    "command": (_command_out, _command_in),
    "prompt": (_prompt_out, _prompt_in),
    "workdir": (_text_out, _text_in),
    "edges": (rows_out, _edges_in),
    "env": (_env_out, _env_in),
    "verify": (_verify_out, _verify_in),
    "outputs": (_outputs_out, _outputs_in),
    "reads": (_texts_out, _texts_in),
    "writes": (_texts_out, _texts_in),
    "retry": (tuple, _retry_in),
    "waits": (rows_out, rows_out),
    "secrets": (tuple, names_in),
    "inherit_env": (tuple, names_in),
    "needs_text": (tuple, names_in),
    "refers": (tuple, names_in),
    "taken": (tuple, names_in),
    "ask": (_optional_out, _ask_in),
    "loop": (_optional_out, _loop_in),
    "expansion": (_optional_out, _expansion_in),
    "custom": (_custom_out, _custom_in),
    "fallbacks": (_fallbacks_out, _fallbacks_in),
    "budget": (_optional_out, _caps_in),
    "tree": (_tree_out, _tree_in),
    "means": (_means_out, _means_in),
    "guards": (_optional_out, lambda value: None if value is None else Guards._make(value)),
}
"""The fields that are not plain scalars or JSON as they stand: how they are stored, how they are read."""

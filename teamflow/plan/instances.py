"""Which instances an agent has: its static matrix expanded, each instance with its id.

Decides ids (`docs/team-file.md`, "Words") and what a matrix may be. A matrix that needs results of other agents gives
one undecided instance `?`: only a run can tell. One that pairs with another agent has the instances of that one.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from teamflow.core.ids import UNDECIDED, hashed_instance, is_instance
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json
from teamflow.plan.uses import references_of_expression
from teamflow.team.resolved import Matrix
from teamflow.team.template import TemplateError, evaluate, kind_of, to_text

MAX_INSTANCES: Final = 20_000
"""Most instances of one agent; a product of axes is easily larger than anybody means."""

MAX_STEPS: Final = 100_000
MAX_EDGES: Final = 1_000_000
"""Most steps of a plan, and most dependencies between them."""


class Instance(NamedTuple):
    """`name` is the part of the step id behind the `/`; None: the agent has no matrix and one step."""

    name: str | None
    matrix: Mapping[str, Json]


Complain: TypeAlias = Callable[[str, str, "str | None"], None]
"""(code, message, hint) of a mistake in the matrix."""

SINGLE: Final = (Instance(None, {}),)


def step_id_of(agent: str, instance: Instance) -> str:
    """The id of an instance's step."""
    return agent if instance.name is None else f"{agent}/{instance.name}"


def is_undecided(step_id: str) -> bool:
    """Whether a planned step stands for instances that only a run can name."""
    return step_id.endswith("/" + UNDECIDED)


def expand_all(
    matrices: Mapping[str, Matrix | None], inputs: Mapping[str, Json], complain: Callable[[str], Complain]
) -> dict[str, tuple[Instance, ...]]:
    """Agent → its instances, in the order of its matrix; none for an empty matrix or after a complaint.

    Agents that pair in a circle, which others complain about, are undecided.
    """
    found: dict[str, tuple[Instance, ...]] = {}
    for name in matrices:
        chain: dict[str, None] = {}
        at, partner = name, _partner(matrices.get(name))
        while partner is not None and at not in found and at not in chain:
            chain[at] = None
            at, partner = partner, _partner(matrices.get(partner))
        if at not in found:
            circle = at in chain
            found[at] = (Instance(UNDECIDED, {}),) if circle else expand(matrices.get(at), inputs, complain(at))
        found.update(dict.fromkeys(chain, found[at]))
    return {name: found[name] for name in matrices}


def _partner(matrix: Matrix | None) -> str | None:
    return None if matrix is None else matrix.pairs_with


def expand(matrix: Matrix | None, inputs: Mapping[str, Json], complain: Complain) -> tuple[Instance, ...]:
    """The instances of a matrix that pairs with no other; empty for an empty one or after a complaint."""
    if matrix is None:
        return SINGLE
    if not all(is_known_now(axis) for axis in matrix.axes.values()):
        return (Instance(UNDECIDED, {}),)
    return expand_axes(matrix.axes, {"inputs": inputs}, complain)


def expand_axes(named: Mapping[str, Json], context: Mapping[str, Json], complain: Complain) -> tuple[Instance, ...]:
    """The instances of a matrix whose axes have values in `context`; empty for an empty one or after a complaint.

    `named`: axis → its values, or the source of an expression that gives them.
    """
    axes: list[Sequence[Json]] = []
    for name, axis in named.items():
        values = _values(name, axis, context, complain)
        if values is None:
            return ()
        axes.append(values)
    count = _product(axes)
    if count > MAX_INSTANCES:
        complain("matrix-too-large", f"this matrix has {count} instances; at most {MAX_INSTANCES} are planned", None)
        return ()
    ids = [_ids(name, values, complain) for name, values in zip(named, axes, strict=True)]
    if any(names is None for names in ids):
        return ()
    keys = tuple(named)
    parts = itertools.product(*(names or () for names in ids))
    values_of = itertools.product(*axes)
    return tuple(
        Instance(",".join(part), dict(zip(keys, values, strict=True)))
        for part, values in zip(parts, values_of, strict=True)
    )


def _product(axes: Sequence[Sequence[Json]]) -> int:
    count = 1
    for axis in axes:
        count *= len(axis)
    return count


def is_known_now(axis: Sequence[Json] | str) -> bool:
    """Whether an axis has its values before the run: it needs nothing but inputs."""
    if not isinstance(axis, str):
        return True
    return all(reference.path[0] == "inputs" for reference in references_of_expression(axis))


def _values(name: str, axis: Json, context: Mapping[str, Json], complain: Complain) -> Sequence[Json] | None:
    value = axis
    if isinstance(axis, str):
        try:
            value = evaluate(axis, context)
        except TemplateError as error:
            complain("bad-matrix", f"matrix.{name} has no value: {error}", None)
            return None
    if isinstance(value, Sequence) and not isinstance(value, str):
        if all(map(_is_plain, value)):
            return value
        complain("bad-matrix", f"an entry of matrix.{name} is no plain value", "JSON has no infinity and no nan")
        return None
    complain("bad-matrix", f"matrix.{name} must be a list, but {str(axis).strip()} is {kind_of(value)}", None)
    return None


def _is_plain(value: Json) -> bool:
    """Whether it can be handed on: JSON has no infinity."""
    if isinstance(value, (str, int, bool)) or value is None:
        return True
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _ids(axis: str, values: Sequence[Json], complain: Complain) -> list[str] | None:
    words = [_word(value) for value in values]
    folded = Counter(word.casefold() for word in words if word is not None)
    names = [
        word if word is not None and is_instance(word) and folded[word.casefold()] == 1 else _hashed(word, value)
        for word, value in zip(words, values, strict=True)
    ]
    counts = Counter(name.casefold() for name in names)
    twice = next((index for index, name in enumerate(names) if counts[name.casefold()] > 1), None)
    if twice is None:
        return names
    complain(
        "duplicate-instance",
        f"matrix.{axis} holds {_short(words[twice] or _canonical(values[twice]))} twice, so two steps would be one",
        "give each entry its own value, or objects an `id` of their own",
    )
    return None


def _word(value: Json) -> str | None:
    """The text that names a value: a scalar itself, an object's `id`."""
    if isinstance(value, Mapping):
        value = value.get("id")
        if value is None:
            return None
    return None if isinstance(value, (Mapping, list, tuple)) else to_text(value)


def _hashed(word: str | None, value: Json) -> str:
    return hashed_instance(_canonical(value) if word is None else word)


def _canonical(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."

"""Checks of what a template names: inputs, the matrix, other agents and their outputs.

Decides whether a path can have a value, and its JSON type where the file says it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from teamflow.core.plan import Json
from teamflow.team.declared import ITEM, is_file_output, json_schema
from teamflow.team.model import Agent
from teamflow.team.scope import Scope
from teamflow.team.source import Path
from teamflow.team.template import Compiled, Reference, TemplateError, compile_expression

RESULTS = ("artifacts", "branch", "diffstat", "instances", "outputs", "status", "text")
"""What a dependent may name of an agent."""

STEP = ("agent", "attempt", "id", "slug")
RUN = ("id", "number", "team")
FEEDBACK = ("from", "outputs", "text")
_SCALARS = frozenset(("string", "number", "integer", "boolean", "null"))
_PAIRINGS = 100


def check_reference(scope: Scope, reference: Reference, path: Path, name: str | None, agent: Agent | None) -> bool:
    """Complains at `path` when `reference` cannot have a value; whether it can."""
    message, hint = _fault(scope, reference, name, agent)
    if message is None or (reference.optional and not message.startswith(("there is no agent", "name"))):
        return True
    scope.error("unknown-reference", message, path, hint=hint)
    return False


Fault = tuple[str | None, str | None]
_FINE: Fault = (None, None)


def _fault(scope: Scope, reference: Reference, name: str | None, agent: Agent | None) -> Fault:
    parts = reference.path
    if scope.damaged and _is_damaged(scope, parts):
        return _FINE
    match parts[0]:
        case "inputs":
            return _input_fault(scope, parts)
        case "matrix":
            return _matrix_fault(scope, parts, agent) if agent is not None else _FINE
        case "agents":
            return _agent_fault(scope, reference, name, agent)
        case "outputs":
            return _output_fault(scope, parts, agent, whose="this agent") if agent is not None else _FINE
        case "secrets":
            return _listed(scope, parts, scope.team.secrets or {}, "secret")
        case "step":
            return _listed(scope, parts, STEP, "key of step")
        case "run":
            return _listed(scope, parts, RUN, "key of run")
        case "feedback":
            return _feedback_fault(scope, parts)
    return _FINE


def _is_damaged(scope: Scope, parts: tuple[str, ...]) -> bool:
    if parts[0] == "agents":
        return parts[:2] in scope.damaged or scope.is_damaged("personas") or scope.is_damaged("defaults")
    section = "agents" if parts[0] in ("matrix", "outputs") else parts[0]
    return section in ("inputs", "secrets", "agents") and scope.is_damaged(section)


def _listed(scope: Scope, parts: tuple[str, ...], known: Mapping[str, object] | tuple[str, ...], what: str) -> Fault:
    if len(parts) < 2 or parts[1] in known:
        return _FINE
    names = ", ".join(sorted(known))
    return f'there is no {what} "{parts[1]}"', scope.suggest(parts[1], known, otherwise=f"There is {names or 'none'}.")


def _feedback_fault(scope: Scope, parts: tuple[str, ...]) -> Fault:
    """Of what a loop sends back; what a pull request sends back declares no outputs."""
    if len(parts) < 3 or parts[1] != "outputs":
        return _listed(scope, parts, FEEDBACK, "key of feedback")
    loops = [agent for agent in scope.team.agents.values() if scope.setting(agent, "loop") is not None]
    declared = {name for agent in loops for name in scope.merged(agent, "outputs")}
    if parts[2] in declared:
        return _FINE
    return f'no agent with a loop declares an output "{parts[2]}"', scope.suggest(parts[2], declared)


def _input_fault(scope: Scope, parts: tuple[str, ...]) -> Fault:
    inputs = scope.team.inputs or {}
    if len(parts) < 2:
        return _FINE
    if parts[1] not in inputs:
        hint = scope.suggest(parts[1], inputs, otherwise="Declare it under inputs.")
        return f'there is no input "{parts[1]}"', hint
    return _inside(json_schema(inputs[parts[1]]), parts[2:], "inputs." + parts[1])


def _inside(schema: Mapping[str, Json], rest: tuple[str, ...], shown: str) -> Fault:
    """Follows keys into a schema, as far as it is sure."""
    for part in rest:
        kind = schema.get("type")
        if isinstance(kind, str) and kind in _SCALARS:
            return f'{shown} is of type {kind}, so it has no key "{part}"', None
        if kind == "array":
            return f'{shown} is a list, so it has no key "{part}"', f"Write {shown}[0] or loop over it."
        inner = _of_key(schema, part)
        if inner is False:
            return f'{shown} has no key "{part}"', None
        if not isinstance(inner, Mapping):
            return _FINE
        schema, shown = inner, f"{shown}.{part}"
    return _FINE


def _of_key(schema: Mapping[str, Json], key: str) -> Json:
    """The schema of a key; False: there can be no such key; None: nothing is said."""
    properties = schema.get("properties")
    if isinstance(properties, Mapping) and key in properties:
        return properties[key]
    # A pattern may allow what the rest forbids.
    return None if "patternProperties" in schema else schema.get("additionalProperties")


def axes(scope: Scope, agent: Agent) -> Mapping[str, object] | None:
    """The axes of an agent's matrix by name, through pairing; None when it has no matrix."""
    for _ in range(_PAIRINGS):
        matrix = scope.setting(agent, "matrix")
        if isinstance(matrix, dict):
            return matrix
        if not isinstance(matrix, str) or matrix not in scope.team.agents:
            return None if matrix is None else {ITEM: matrix}
        agent = scope.team.agents[matrix]
    return {}


def _matrix_fault(scope: Scope, parts: tuple[str, ...], agent: Agent) -> Fault:
    known = axes(scope, agent)
    if known is None:
        return "this agent has no matrix", "Give it one with matrix:."
    if len(parts) > 1 and parts[1] not in known:
        hint = scope.suggest(parts[1], known, otherwise=f"Its keys are {', '.join(known)}.")
        return f'the matrix has no key "{parts[1]}"', hint
    values = known.get(parts[1]) if len(parts) > 1 else None
    if isinstance(values, str):
        return _inside(_entry_schema(scope, values), parts[2:], f"matrix.{parts[1]}")
    if isinstance(values, list):
        for value in values:
            if len(parts) > 2 and not (isinstance(value, dict) and parts[2] in value):
                return f'an entry of matrix.{parts[1]} has no key "{parts[2]}"', None
    return _FINE


def _entry_schema(scope: Scope, source: str) -> Mapping[str, Json]:
    """What is declared of the entries of a list that an expression gives: of an input or an output, named as it is."""
    try:
        compiled = scope.read(source, compile_expression)
    except TemplateError:
        return {}
    listed = _declared_schema(scope, compiled) if compiled is not None else None
    entries = listed.get("items") if listed is not None else None
    return entries if isinstance(entries, Mapping) else {}


def _declared_schema(scope: Scope, compiled: Compiled) -> Mapping[str, Json] | None:
    """The schema of an expression that is one plain reference to an input or an output."""
    if compiled.tokens or len(compiled.references) != 1:
        return None
    parts = compiled.references[0].path
    schema: Json = None
    if parts[0] == "inputs" and len(parts) > 1:
        declared, rest = (scope.team.inputs or {}).get(parts[1]), parts[2:]
        schema = json_schema(declared) if declared is not None else None
    elif parts[0] == "agents" and len(parts) > 3 and parts[2] == "outputs" and parts[1] in scope.team.agents:
        found, rest = scope.merged(scope.team.agents[parts[1]], "outputs").get(parts[3]), parts[4:]
        schema = None if is_file_output(found) else _schema(found)
    else:
        return None
    for part in rest:
        schema = _of_key(schema, part) if isinstance(schema, Mapping) else None
    return schema if isinstance(schema, Mapping) else None


def _agent_fault(scope: Scope, reference: Reference, name: str | None, agent: Agent | None) -> Fault:
    parts, agents = reference.path, scope.team.agents
    if len(parts) < 2:
        return "name one agent", "Write agents.NAME, or agents['my-agent'] for a name with a dash."
    other = agents.get(parts[1])
    if other is None:
        return f'there is no agent "{parts[1]}"', scope.suggest(parts[1], agents)
    if parts[1] == name:
        return "an agent cannot name its own results here", "In until, write outputs and text."
    if other.start is not None:
        return f'"{parts[1]}" is no step (start: never), so it has no results', None
    return _result_fault(scope, parts, other, agent)


_DASHED = re.compile(r"\b(agents|inputs)\.([a-z_][a-z0-9_]*(?:-[a-z0-9_]+)+)")


def report_dash(scope: Scope, compiled: Compiled, text: str, path: Path) -> bool:
    """Complains about `agents.my-agent`, which is a subtraction; whether it did."""
    if not compiled.tokens or "-" not in text:
        return False
    for root, name in _DASHED.findall(text):
        known: Mapping[str, object] = scope.team.agents if root == "agents" else scope.team.inputs or {}
        if name in known and any(part.path == (root, name.split("-")[0]) for part in compiled.references):
            hint = f"Write {root}['{name}']."
            scope.error("unknown-reference", f"the dash in {root}.{name} is a minus here", path, hint=hint)
            return True
    return False


def _result_fault(scope: Scope, parts: tuple[str, ...], other: Agent, agent: Agent | None) -> Fault:
    name = parts[1]
    has_instances = scope.setting(other, "matrix") is not None
    paired = agent is not None and scope.setting(agent, "matrix") == name
    if len(parts) < 3:
        return _FINE
    if parts[2] not in RESULTS:
        hint = scope.suggest(parts[2], RESULTS, otherwise=f"An agent has {', '.join(RESULTS)}.")
        return f'agents.{name} has no "{parts[2]}"', hint
    if parts[2] == "instances":
        return (
            _FINE if has_instances else (f'"{name}" has no instances, it has no matrix', f"Write agents.{name}.text.")
        )
    if has_instances and not paired:
        hint = f"Write agents.{name}.instances: a map from instance to its {parts[2]} and the rest."
        return f'"{name}" has instances, so there is no one "{parts[2]}"', hint
    if parts[2] == "outputs":
        return _output_fault(scope, parts[2:], other, whose=f'"{name}"')
    if len(parts) > 3 and parts[2] in ("text", "status", "branch"):
        return f'agents.{name}.{parts[2]} is a text, so it has no key "{parts[3]}"', None
    return _FINE


def _output_fault(scope: Scope, parts: tuple[str, ...], agent: Agent, *, whose: str) -> Fault:
    """`parts` begins with `outputs`."""
    declared = scope.merged(agent, "outputs")
    if len(parts) < 2:
        return _FINE
    if parts[1] not in declared:
        has = f"It has {', '.join(sorted(declared))}." if declared else "Declare it under outputs of that agent."
        return f'{whose} declares no output "{parts[1]}"', scope.suggest(parts[1], declared, otherwise=has)
    found = declared[parts[1]]
    if is_file_output(found):
        return _FINE
    return _inside(_schema(found), parts[2:], f"outputs.{parts[1]}")


def _schema(declared: object) -> Mapping[str, Json]:
    return json_schema(declared) if isinstance(declared, (str, Mapping)) else {}


def declared_type(scope: Scope, compiled: Compiled, agent: Agent | None) -> str | None:
    """The JSON type of an expression that is one plain reference, where the file declares it."""
    if compiled.tokens or len(compiled.references) != 1:
        return None
    parts = compiled.references[0].path
    if parts[0] == "inputs" and len(parts) > 1:
        return _type_at(json_schema((scope.team.inputs or {})[parts[1]]), parts[2:])
    if parts[0] == "outputs" and len(parts) > 1 and agent is not None:
        return _type_of_output(scope.merged(agent, "outputs").get(parts[1]), parts[2:])
    if parts[0] == "agents" and len(parts) > 3 and parts[2] == "outputs":
        return _type_of_output(scope.merged(scope.team.agents[parts[1]], "outputs").get(parts[3]), parts[4:])
    if parts[0] == "text" or (parts[0] == "agents" and len(parts) == 3 and parts[2] in ("text", "status", "branch")):
        return "string"
    return None


def _type_of_output(declared: object, rest: tuple[str, ...]) -> str | None:
    if is_file_output(declared):
        return "string"
    return _type_at(_schema(declared), rest)


def _type_at(schema: Mapping[str, Json], rest: tuple[str, ...]) -> str | None:
    for part in rest:
        properties = schema.get("properties")
        inner = properties.get(part) if isinstance(properties, Mapping) else None
        if not isinstance(inner, Mapping):
            return None
        schema = inner
    kind = schema.get("type")
    return kind if isinstance(kind, str) else None

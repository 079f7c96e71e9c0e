"""What the texts of an agent name, and so which agents it depends on and why.

Decides edges between agents (instances come later) and whose `text` counts. Names that do not exist are no
business of this module: the checks of the team file have complained about them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json
from teamflow.team.resolved import AskWork, CommandWork, FileOutput, PromptWork, ResolvedAgent
from teamflow.team.template import Reference, TemplateError, expression_names, names


class Place(NamedTuple):
    """One text of an agent: the key under which it stands, and whether it is a bare expression."""

    key: str
    source: str
    expression: bool = False


class Need(NamedTuple):
    """What one agent wants of another: the condition of the edge, why, and which results it names."""

    when: str
    why: str
    key: str
    """The key of the agent under which the need stands first: where a complaint points."""
    refers: bool
    text: bool
    handed: bool
    """Whether its text or its schema outputs are named."""
    only_matrix: bool = False
    """Whether nothing but the matrix names it."""
    whole: bool = False
    """Whether its instances are named as such, or may be."""


def places(agent: ResolvedAgent) -> Iterator[Place]:
    """Every text of an agent that may name something, in the order in which reasons are given."""
    yield from _work_places(agent)
    if agent.condition is not None:
        yield Place("if", agent.condition, expression=True)
    if agent.matrix is not None:
        expressions = [axis for axis in agent.matrix.axes.values() if isinstance(axis, str)]
        yield from (Place("matrix", axis, expression=True) for axis in expressions)
    if agent.loop is not None:
        yield Place("loop", agent.loop.until, expression=True)
    yield from (Place("env", value) for value in agent.env.values())
    yield from (Place("reads", value) for value in agent.reads or ())
    yield from (Place("writes", value) for value in agent.writes or ())
    yield from (Place("outputs", output.path) for output in agent.outputs.values() if isinstance(output, FileOutput))
    if agent.workdir is not None:
        yield Place("workdir", agent.workdir)
    yield from (Place("workspace", value) for value in agent.workspace.copy)
    yield from (Place("pr", value) for value in _strings(agent.pr))


def _work_places(agent: ResolvedAgent) -> Iterator[Place]:
    match agent.work:
        case PromptWork(text=text):
            yield Place("prompt", text)
        case AskWork(question=question):
            yield Place("ask", question)
        case CommandWork(command=tuple(words)):
            yield from (Place("command", word) for word in words)


def _strings(policy: Mapping[str, Json] | None) -> Iterator[str]:
    return (value for value in (policy or {}).values() if isinstance(value, str))


def references(place: Place) -> tuple[Reference, ...]:
    """What a text names; nothing when it cannot be read, which the checks have said."""
    if not place.expression and "{" not in place.source:
        return ()
    try:
        return expression_names(place.source) if place.expression else names(place.source)
    except TemplateError:
        return ()


def references_of_expression(source: str) -> tuple[Reference, ...]:
    """What a bare expression names; nothing when it cannot be read."""
    return references(Place("", source, expression=True))


def needs(agent: ResolvedAgent, agents: Mapping[str, ResolvedAgent]) -> dict[str, Need]:
    """Agent → what `agent` wants of it: from `depends_on`, from pairing, and from every reference."""
    found = {
        name: Need(when, "depends_on", "depends_on", refers=False, text=False, handed=False)
        for name, when in agent.depends_on.items()
    }
    if agent.matrix is not None and agent.matrix.pairs_with is not None:
        _add(found, agent.matrix.pairs_with, "succeeded", f"matrix: {agent.matrix.pairs_with}", "matrix")
    for place in places(agent):
        for reference in references(place):
            if reference.path[0] == "agents" and len(reference.path) > 1 and reference.path[1] in agents:
                _refer(found, reference, place.key, agents[reference.path[1]])
    return found


def _add(found: dict[str, Need], name: str, when: str, why: str, key: str) -> None:
    old = found.get(name)
    if old is None:
        found[name] = Need(when, why, key, refers=False, text=False, handed=False)
    else:
        found[name] = old._replace(why=f"{old.why}, {why}")


def _refer(found: dict[str, Need], reference: Reference, key: str, target: ResolvedAgent) -> None:
    name = reference.path[1]
    old = found.get(name)
    if old is None or not old.refers:
        _add(found, name, "succeeded", f"{'.'.join(reference.path[:3])} in {key}", key)
    text, handed = named_results(reference, target)
    need = found[name]
    found[name] = need._replace(
        refers=True,
        text=need.text or text,
        handed=need.handed or handed,
        only_matrix=key == "matrix" and (old is None or need.only_matrix),
        whole=need.whole or reference.path[2:3] in ((), ("instances",)),
    )


def named_results(reference: Reference, target: ResolvedAgent) -> tuple[bool, bool]:
    """Whether a reference to `agents.<target>…` may read its text, and its text or schema outputs."""
    rest = reference.path[2:]
    if rest[:1] == ("instances",):
        rest = rest[2:]
    if not rest:
        # The whole result, or computed subscripts: it may read anything.
        return True, True
    if rest[0] == "outputs":
        declared = target.outputs.get(rest[1]) if len(rest) > 1 else None
        return False, not isinstance(declared, FileOutput)
    return rest[0] == "text", rest[0] == "text"

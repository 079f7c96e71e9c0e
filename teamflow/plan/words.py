"""What agents may do, in words for people, and as data for programs: of one step, and of a whole team.

Decides the words; what is allowed is decided in `policy/permitting.py`, what an engine keeps in `plan/permissions.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from teamflow.core.chain import is_program
from teamflow.core.permissions import DENY, FULL, READ, Permissions
from teamflow.core.plan import PROMPT, Json, Step
from teamflow.team.resolved import PromptWork, ResolvedAgent

if TYPE_CHECKING:
    from teamflow.plan.chains import Link  # who only reads a run reads no team file

NOT_ENFORCED: Final = "not enforced by a custom engine"
_NAMED: Final = 5
"""So many steps or servers are named; of the others it is said how many there are."""


def permissions_in_words(agent: ResolvedAgent, chain: Sequence[Link]) -> str:
    """`edits DESIGN.md; runs pytest; no network; MCP docs; asks the model at http://127.0.0.1:11434`. Empty for
    commands and questions.

    Whether the engine sees to it is known of those that are built in alone.
    """
    if not isinstance(agent.work, PromptWork):
        return ""
    words = [grants_in_words(agent.work.permissions, servers=agent.work.mcp_servers), *_servers(chain)]
    return "; ".join((*words, NOT_ENFORCED) if chain[0].works_as is None else words)


def _servers(chain: Sequence[Link]) -> Iterator[str]:
    """Of a chain whose engines ask at different places, by their names."""
    if len({link.base_url for link in chain}) == 1:
        yield from (f"asks the model at {url}" for url in (chain[0].base_url,) if url)
    else:
        told = {link.name: link.base_url for link in chain if link.base_url}
        yield from (f"{name} asks the model at {url}" for name, url in told.items())


def grants_in_words(permissions: Permissions, *, servers: Iterable[str] = ()) -> str:
    """`servers`: names of its MCP servers."""
    parts = list(_words(permissions))
    named = ", ".join(servers)
    return "; ".join((*parts, f"MCP {named}") if named else parts)


def grants_object(step: Step) -> dict[str, Json] | None:
    """The same for the JSON of `plan`; None for commands and questions. `edit` and `run` null: no list narrows it."""
    if step.kind != PROMPT:
        return None
    level, edit, run, net, ask = step.means.grants
    return {
        "level": level,
        "edit": edit,
        "run": run,
        "net": net,
        "ask": ask,
        "mcp_servers": list(step.means.servers),
        "isolate": step.means.isolate,
        "base_url": step.base_urls[0] or None,
        "enforced": _enforced(step),
    }


def team_in_words(steps: Iterable[Step]) -> str:
    """One sentence without a full stop: `2 steps may do everything: ship, fix; 1 step may only look: review`.

    Empty where no step is an agent's.
    """
    agents = [step for step in steps if step.kind == PROMPT]
    groups: dict[str, list[str]] = {may: [] for may, _ in _GROUPS}
    for step in agents:
        groups[next(may for may, holds in _GROUPS if holds(step.means.grants))].append(step.id)
    parts = [f"{_steps(ids)} may {may}: {_names(ids)}" for may, ids in groups.items() if ids]
    offline = [step.id for step in agents if step.means.grants.net == DENY]
    if offline:
        parts.append(f"no network: {_names(offline)}")
    parts += _listed_by("MCP servers", agents, lambda step: step.means.servers)
    parts += _listed_by("models of other servers", agents, lambda step: dict.fromkeys(filter(None, step.base_urls)))
    free = [step.id for step in agents if not _enforced(step)]
    if free:
        parts.append(f"not enforced by custom engines: {_names(free)}")
    return "; ".join(parts)


def _listed_by(what: str, agents: Iterable[Step], of: Callable[[Step], Iterable[str]]) -> Iterator[str]:
    """`MCP servers: docs (build, fix), web (fix)`."""
    found: dict[str, list[str]] = {}
    for step in agents:
        for name in of(step):
            found.setdefault(name, []).append(step.id)
    if found:
        yield f"{what}: {_names([f'{name} ({_names(ids)})' for name, ids in found.items()])}"


def _words(permissions: Permissions) -> Iterator[str]:
    if permissions.level == FULL:
        yield "everything"
        return
    if permissions.level == READ:
        yield "reads"
    else:
        yield _listed("edits", permissions.edit, every="edits")
        yield _listed("runs", permissions.run, every="runs commands")
    if permissions.net == DENY:
        yield "no network"
    if permissions.ask == DENY:
        yield "asks nobody"


def _listed(verb: str, entries: Sequence[str] | None, *, every: str) -> str:
    """Short where no list narrows it: the table of `plan` leaves out columns for which there is no room."""
    return every if entries is None else f"{verb} {', '.join(entries) or 'nothing'}"


def _looks(grants: Permissions) -> bool:
    return grants.level == READ or (grants.edit == () and grants.run == ())


_GROUPS: Final[Sequence[tuple[str, Callable[[Permissions], bool]]]] = (
    ("do everything", lambda grants: grants.level == FULL),
    ("only look", _looks),
    ("edit files and run any command", lambda grants: grants.may_edit and grants.run is None),
    ("edit files and run some commands", lambda grants: grants.may_edit and bool(grants.run)),
    ("edit files", lambda grants: grants.may_edit),
    ("run any command and edit nothing", lambda grants: grants.run is None),
    ("run some commands and edit nothing", lambda _: True),
)
"""What steps may do; the first that holds counts."""


def _enforced(step: Step) -> bool:
    """Whether no engine of its chain is a program that the team defines."""
    defined = (step.custom, *(other.custom for other in step.fallbacks))
    return not any(custom is not None and is_program(custom) for custom in defined)


def _steps(ids: Sequence[str]) -> str:
    return "1 step" if len(ids) == 1 else f"{len(ids)} steps"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more

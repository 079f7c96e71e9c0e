"""What an agent's engines cannot keep of its permissions, and cannot be given: said before anything starts.

Decides by what each engine tells of itself (`Capabilities`) and by what is judged when its work is done; knows no
engine by name. Engines that the team file defines are as the team makes them: `plan` says that nothing is enforced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from teamflow.core.capabilities import Capabilities
from teamflow.core.diagnostics import Diagnostics
from teamflow.core.named import NamedTuple
from teamflow.core.paths import path_shown
from teamflow.core.permissions import DENY, EDIT, FULL, READ, Permissions
from teamflow.core.plan import Json
from teamflow.core.work import CLONE, WORKTREE
from teamflow.plan.chains import chain_of
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import PromptWork, ResolvedAgent

NO_ENGINES: Final[Mapping[str, Capabilities]] = {}
_KINDS: Final = ("stdio", "http", "sse")
_SHOWN: Final = 60


class Problem(NamedTuple):
    """`key`: that of the agent which cannot be had, as people write it: `permissions.net`."""

    key: str
    message: str
    hint: str


def unenforced(
    permissions: Permissions,
    name: str,
    capabilities: Capabilities,
    *,
    servers: Mapping[str, Json] | None = None,
    isolate: bool = False,
    judged: bool = False,
    others: Mapping[str, Capabilities] = NO_ENGINES,
) -> list[Problem]:
    """What the engine `name` cannot keep of these permissions, and cannot be given.

    `servers`: in the shape of `.mcp.json`. `judged`: whether its changes are held against `permissions.edit` before
    they are kept, as they are in a workspace of its own. `others`: engines to name where they can do all of it.
    """
    servers = servers or {}

    def problems(engine: str, can: Capabilities) -> list[Problem]:
        found = [*_permissions(permissions, engine, can, judged=judged), *_servers(servers, engine, can)]
        if isolate and not can.isolates:
            message = f"{engine} cannot be started without your own settings and memory"
            found.append(Problem("isolate", message, "leave out isolate"))
        return found

    found = problems(name, capabilities)
    able = [other for other, can in others.items() if not problems(other, can)] if found else []
    use = f"use {' or '.join(able)}, or " if able else ""
    return [problem._replace(hint=f"{use}{problem.hint}") for problem in found]


def report_permissions(
    settings: Mapping[str, ResolvedAgent],
    engines: Mapping[str, Capabilities],
    workspaces: Mapping[str, str],
    loaded: LoadedTeam,
    found: Diagnostics,
) -> None:
    """Says it of every agent and every engine in its list. `engines`: what those that are built in can do, by name."""
    for name, agent in settings.items():
        work = agent.work
        if not isinstance(work, PromptWork):
            continue
        for engine in dict.fromkeys(link.works_as for link in chain_of(agent, loaded)):
            if engine is None or engine not in engines:
                continue
            problems = unenforced(
                work.permissions,
                engine,
                engines[engine],
                servers=work.mcp_servers,
                isolate=work.isolate,
                judged=workspaces.get(name) in (WORKTREE, CLONE),
                others=engines,
            )
            for problem in problems:
                key, _, part = problem.key.partition(".")
                span = loaded.value_span("agents", name, key, *((part,) if part else ()))
                found.error("not-enforced", f"{name}: {problem.message}", span, hint=f"{problem.hint}.")


# -- permissions -------------------------------------------------------------------------------------------------


def _permissions(given: Permissions, name: str, can: Capabilities, *, judged: bool) -> Iterator[Problem]:
    if given.level == FULL:
        return
    if not _keeps_level(given, can):
        what = "from changing files" if given.level == READ else "to its workspace"
        message = f"{name} cannot be kept {what}: it neither asks for leave nor has a sandbox"
        remedy = "permissions: full, if it may do all that you may"
        yield Problem("permissions", message, remedy)
        return
    if given.level != EDIT:
        return
    if given.run is not None and not _keeps_run(can):
        message = f"{name} cannot be kept to some commands: it does not ask before it runs one"
        remedy = "leave out permissions.run, so that it may run any in its workspace"
        yield Problem("permissions.run", message, remedy)
    if given.edit is not None and not judged and not _keeps_files(given, can):
        yield _files(given, name, can)
    if given.net == DENY and not _keeps_net(given, can):
        yield _net(given, name, can)


def _keeps_level(given: Permissions, can: Capabilities) -> bool:
    return (
        can.asks or given.level in can.enforces or (given.level == EDIT and READ in can.enforces and _runs_none(given))
    )


def _keeps_run(can: Capabilities) -> bool:
    return can.asks or "run" in can.enforces


def _runs_none(given: Permissions) -> bool:
    """Whether the only commands that it gets leave for are such that only look."""
    return given.level == READ or given.run == ()


def _keeps_files(given: Permissions, can: Capabilities) -> bool:
    """Its own tools ask; what its commands change only a sandbox keeps back, as it keeps them off the network."""
    return ("globs" in can.enforces or can.asks) and (_runs_none(given) or {"globs", "net"} <= can.enforces)


def _keeps_net(given: Permissions, can: Capabilities) -> bool:
    return "net" in can.enforces or (can.asks and _runs_none(given))


def _files(given: Permissions, name: str, can: Capabilities) -> Problem:
    remedy = "workspace: {mode: worktree}, where its changes are judged before they are kept"
    if can.asks:
        message = f"{name} cannot keep commands to some files, and in the project nobody judges what they change"
        remedy = f"{remedy}, or permissions.run: [], which leaves it the commands that only look"
    else:
        message = f"{name} cannot be kept to some files, and in the project nobody judges what it changes"
    return Problem("permissions.edit", message, remedy)


def _net(given: Permissions, name: str, can: Capabilities) -> Problem:
    if can.asks:
        message = f"{name} cannot keep commands off the network"
        remedy = "permissions.run: [], which leaves it the commands that only look"
    else:
        message, remedy = f"{name} cannot be kept off the network", "leave out permissions.net"
    return Problem("permissions.net", message, remedy)


# -- servers -----------------------------------------------------------------------------------------------------


def _servers(servers: Mapping[str, Json], name: str, can: Capabilities) -> Iterator[Problem]:
    for server, value in servers.items():
        kind = kind_of(value)
        if kind in can.mcp:
            continue
        takes = [other for other in _KINDS if other in can.mcp]
        which = f"it takes {' and '.join(takes)}" if takes else "it takes none"
        message = f"{name} cannot be given the MCP server {path_shown(server, longest=_SHOWN)} ({kind}): {which}"
        remedy = f"give it one of type {' or '.join(takes)}" if takes else "leave out mcp_servers"
        yield Problem(f"mcp_servers.{server}", message, remedy)


def kind_of(server: Json) -> str:
    """stdio | http | sse of a server in the shape of `.mcp.json`, where `type` may be left out."""
    said = server.get("type") if isinstance(server, Mapping) else None
    if isinstance(said, str):
        return said
    return "http" if isinstance(server, Mapping) and server.get("url") is not None else "stdio"

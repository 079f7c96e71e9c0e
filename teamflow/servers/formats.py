"""All formats, and which one a file is in.

Decides by name and by what stands in it. Raises BadServers where neither tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.servers import claude, codex, copilot, gemini, opencode, vscode, zed
from teamflow.servers.canonical import BadServers, Loss, Read
from teamflow.servers.entry import place
from teamflow.servers.format import Format, Section

FORMATS: Final[Mapping[str, Format]] = {
    module.FORMAT.name: module.FORMAT for module in (claude, vscode, gemini, opencode, codex, zed, copilot)
}


class Found(NamedTuple):
    """A section of servers, and where it stands; () is the whole file."""

    section: Section
    servers: object


def section_of(data: object, of: Format) -> Found:
    """The servers of a file that is known to be in a format. BadServers."""
    if not isinstance(data, Mapping):
        raise BadServers("the file is to be a map")
    for section in sorted(of.sections, key=len, reverse=True):
        found = _at(data, section)
        # An opencode file has its servers in `mcp`, and one of them may have any name.
        if section and isinstance(found, Mapping) and not (of.name == "opencode" and _is_server(found)):
            return Found(section, found)
    for section in of.sections:
        if section and (found := _at(data, section)) is not None:
            raise BadServers(f"{'.'.join(section)} is to be a map of servers")
    if () in of.sections and data and all(_is_server(value) for value in data.values()):
        return Found((), data)
    raise BadServers(f"there is no {' or '.join('.'.join(section) for section in of.sections if section)} in it")


def read(data: object, of: Format) -> Read:
    """The servers of parsed settings. BadServers."""
    found = section_of(data, of)
    done = of.read(found.servers, ".".join(found.section))
    projects = data.get("projects") if isinstance(data, Mapping) and of.name == "claude" else None
    if isinstance(projects, Mapping):
        losses = [
            Loss("", place("projects", name), "servers of a single project are not read")
            for name, project in projects.items()
            if isinstance(project, Mapping) and project.get("mcpServers")
        ]
        done = done._replace(losses=(*done.losses, *losses))
    return done


def guess(path: str, data: object) -> Format:
    """`path`: of the file, "" for none. BadServers when nothing tells."""
    if not isinstance(data, Mapping):
        raise BadServers("the file is to be a map")
    path = path.replace("\\", "/").lower()
    if "mcp_servers" in data:
        return codex.FORMAT
    if "context_servers" in data:
        return zed.FORMAT
    if isinstance(data.get("mcpServers"), Mapping):
        return _of_mcp_servers(path, data["mcpServers"])
    if isinstance(data.get("servers"), Mapping):
        return vscode.FORMAT
    if isinstance(data.get("mcp"), Mapping):
        return _of_mcp(path, data["mcp"])
    for ending, form in _ENDINGS.items():
        if path.endswith(ending):
            return form
    if data and all(_is_server(value) for value in data.values()):
        return claude.FORMAT
    raise BadServers("nothing in it tells its format: name it with --from")


_ENDINGS: Final[Mapping[str, Format]] = {
    "config.toml": codex.FORMAT,
    "opencode.json": opencode.FORMAT,
    "opencode.jsonc": opencode.FORMAT,
    ".vscode/mcp.json": vscode.FORMAT,
    ".mcp.json": claude.FORMAT,
    ".claude.json": claude.FORMAT,
    ".gemini/settings.json": gemini.FORMAT,
    "zed/settings.json": zed.FORMAT,
    "mcp-config.json": copilot.FORMAT,
}


def _of_mcp_servers(path: str, servers: Mapping[object, object]) -> Format:
    maps = [server for server in servers.values() if isinstance(server, Mapping)]
    if path.endswith("mcp-config.json") or any(server.get("type") == "local" for server in maps):
        return copilot.FORMAT
    marks = ("httpUrl", "includeTools", "excludeTools", "trust")
    if path.endswith(".gemini/settings.json") or any(mark in server for server in maps for mark in marks):
        return gemini.FORMAT
    return claude.FORMAT


def _of_mcp(path: str, section: Mapping[object, object]) -> Format:
    inner = section.get("servers")
    servers = inner if isinstance(inner, Mapping) and not _is_server(inner) else section
    maps = [server for server in servers.values() if isinstance(server, Mapping)]
    own = any(server.get("type") in ("local", "remote") for server in maps)
    if own or "opencode" in path.rpartition("/")[2] or servers is section:
        return opencode.FORMAT
    return vscode.FORMAT


def _at(data: object, section: Section) -> object:
    for key in section:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _is_server(value: object) -> bool:
    return isinstance(value, Mapping) and any(
        isinstance(value.get(key), str | list) for key in ("command", "url", "httpUrl", "serverUrl")
    )

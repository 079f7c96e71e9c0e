"""MCP servers of a step with the values of its variables in place of `${NAME}`, the same for every engine.

Some CLIs expand such references themselves, others do not, and each knows another spelling.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.invocation import Brief
from teamflow.run.brief import BriefError
from teamflow.servers.canonical import BadServers
from teamflow.servers.engines import for_claude, from_team, with_values


def served(brief: Brief, environ: Mapping[str, str]) -> Brief:
    """`environ`: all that its process gets. Raises BriefError: a variable is not set."""
    try:
        valued = with_values(from_team(brief.servers).servers, environ)
    except BadServers as problem:
        raise BriefError(f"mcp_servers: {problem}") from problem
    for name, missing in valued.missing.items():
        raise BriefError(
            f"mcp_servers.{name}: the step has no variable {missing[0]}: give it by env, secrets or inherit_env, or a "
            f"default, ${{{missing[0]}:-…}}"
        )
    entries = for_claude(valued.servers)["mcpServers"]
    return brief._replace(servers=entries if isinstance(entries, Mapping) else {})

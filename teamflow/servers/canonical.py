"""What an MCP server is, whichever program's settings it stands in.

Decides the words and what belongs to which kind of server; knows no format. In the texts of a server `${NAME}` and
`${NAME:-default}` are references to environment variables (`references`), whatever the format writes for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

from teamflow.core.named import NamedTuple

Kind: TypeAlias = Literal["stdio", "http", "sse"]
Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
Table: TypeAlias = "dict[str, Json]"

NOTHING: Final[Mapping[str, str]] = {}


class Server(NamedTuple):
    """`command`, `args`, `env`, `cwd` are of `stdio` servers, `url` and `headers` of the others; the rest is of all.

    `timeout`: seconds for one request, None: the program's own. `tools`: those that may be used, None: all of them.
    """

    name: str
    kind: Kind
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = NOTHING
    cwd: str = ""
    url: str = ""
    headers: Mapping[str, str] = NOTHING
    enabled: bool = True
    timeout: float | None = None
    tools: tuple[str, ...] | None = None


class Loss(NamedTuple):
    """What did not come over: of which server ("" for all of a file), which key of it, and why."""

    server: str
    field: str
    why: str


class Read(NamedTuple):
    servers: tuple[Server, ...]
    losses: tuple[Loss, ...]


class Written(NamedTuple):
    """`entries`: by the name of the server, as they stand in the section of the format."""

    entries: dict[str, Table]
    losses: tuple[Loss, ...]


class BadServers(Exception):
    """Settings that cannot be read; the message says where in them, and what is the matter."""

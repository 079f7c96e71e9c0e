"""What an agent may do, as the team file grants it, and what an agent wishes to do, whatever its CLI calls it.

Words only: whether a wish is granted is decided in `policy/permitting.py`, how a grant becomes flags in `engines/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from teamflow.core.named import NamedTuple

if TYPE_CHECKING:
    from teamflow.core.plan import Json

READ: Final = "read"
EDIT: Final = "edit"
FULL: Final = "full"
LEVELS: Final = (READ, EDIT, FULL)

ALLOW: Final = "allow"
DENY: Final = "deny"
QUEUE: Final = "queue"

NEVER: Final = frozenset((".git", ".teamflow"))
"""What git and teamflow keep: hooks and settings in it start programs outside of every fence."""

RUN: Final = "run"
NET: Final = "net"
TOOL: Final = "tool"
OTHER: Final = "other"


_VERBS: Final = {RUN: "run", EDIT: "edit", NET: "fetch", READ: "read"}


class Permissions(NamedTuple):
    """What an agent may do.

    `level`: `read` looks at files and runs commands that only look; `edit` also changes files of its workspace and runs
    commands there; `full` may do all that the user may. `edit` (globs below the workspace) and `run` (first words of
    commands): None means no narrower than `level` says, () means nothing. `net`: allow | deny. `ask`: what becomes of
    other wishes, queue (a person is asked) | deny.
    """

    level: str = EDIT
    edit: tuple[str, ...] | None = None
    run: tuple[str, ...] | None = None
    net: str = ALLOW
    ask: str = QUEUE

    @property
    def may_edit(self) -> bool:
        return self.level != READ and self.edit != ()

    @property
    def editable(self) -> tuple[str, ...] | None:
        """Globs of the files that may be other when it is done; None: all of them."""
        if self.level == READ:
            return ()
        return None if self.level == FULL else self.edit


class Means(NamedTuple):
    """What the agent of a `prompt` step may do, and has, beside its prompt."""

    grants: Permissions = Permissions()
    servers: Mapping[str, Json] = {}
    """MCP servers by name, in the shape of `.mcp.json`."""
    isolate: bool = False
    """It knows nothing of the user's own settings, memory and sessions."""
    base_url: str = ""
    """The root of the server that is to answer as its model; empty: the engine's own."""


NO_MEANS: Final = Means()


class Wish(NamedTuple):
    """What an agent asks leave for.

    kind: `read`, `edit` (of `paths`), `run` (of `command`), `net` (a fetch or search by a tool of its own), `tool` (of
    an MCP server that the team gave it), `other`. `paths`: as the agent names them, absolute or relative to where it
    works. `argv` is there where the CLI tells the words of a command, else `command` is shell text.
    """

    kind: str
    text: str
    """For people: the tool and what it is to do, in a line."""
    paths: tuple[str, ...] = ()
    command: str = ""
    argv: tuple[str, ...] = ()
    tool: str = ""
    why: str = ""
    """Why a person is asked, where that is known."""


def wished(kind: str, what: str) -> str:
    """A wish in words for people, the same whatever a CLI calls it: `run make`, `edit src/a.py`, `fetch https://x`."""
    verb = _VERBS.get(kind)
    return f"{verb} {what}" if verb is not None and what else what


class Verdict(NamedTuple):
    """allow | deny | queue, and why, as the agent is told it. `note`: what a person has said with the answer; it is in
    the reason, and has to reach the agent, also where the answer itself has no place for it."""

    answer: str
    reason: str = ""
    note: str = ""

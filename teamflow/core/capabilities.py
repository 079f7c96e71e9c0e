"""What an engine can do, as data: for the planner, `list engines`, the table in docs/engines.md, and whoever runs it.

Each engine writes its own (`engines/`); nothing here knows one.
"""

from __future__ import annotations

from typing import Final

from teamflow.core.named import NamedTuple

FOLD: Final = "fold"
"""What it is told while it works reaches the turn that runs."""
ABORT: Final = "abort"
"""It would end the turn that runs and begin another: it is never told anything then."""
NONE: Final = "none"

TOOL_PATIENCE: Final = 3
"""How many times longer an agent may be silent while a tool of its runs."""


class Capabilities(NamedTuple):
    """All that others need to know of an engine. Seconds."""

    resume: bool = False
    """A session goes on in another process."""
    schema: bool = False
    """It makes its model return declared outputs; otherwise the runner asks for them in the prompt."""
    cost: bool = False
    """It tells what it cost in US dollars."""
    steer: str = NONE
    """fold | abort | none"""
    protocol: bool = False
    """Its stdout must be fed to a session; False: the exit code and the log say it all."""
    tail: bool = False
    """`Session.close` is to see the last of what a failed agent printed."""
    chatty: bool = False
    """Its stderr is a log of its own: for people only where it has failed."""
    interrupt: bool = False
    """Its turn can be ended with a message, before any signal."""
    asks: bool = False
    """It asks leave for what its settings do not allow, and takes the answer."""
    enforces: frozenset[str] = frozenset()
    """Which parts of `permissions` it sees to: read, edit (the workspace's files alone), globs (`edit: [...]`), run
    (`run: [...]`), net (`net: deny`, also of the commands that it runs)."""
    mcp: frozenset[str] = frozenset()
    """Kinds of MCP servers that it can be given: stdio, http, sse."""
    isolates: bool = False
    """It can be started without the user's own settings and memory (`isolate`)."""
    base_url: bool = False
    """It can be told which server answers as its model (`base_url`)."""
    login: tuple[str, ...] = ()
    """Variables (or globs) of this machine with its login and configuration, which its steps inherit."""
    settings: tuple[str, ...] = ()
    """Those of them that are inherited with a `base_url`, too: they hold no key and lead to no server."""
    program: tuple[str, ...] = ()
    """What prints its version; the first word is what has to be installed."""
    tested: str = ""
    """The version that all this was seen with."""
    least: str = ""
    """The oldest version that can do it; empty: not known."""
    install: str = ""
    """The command that installs it."""
    models: tuple[str, ...] = ()
    """Names of models that it is known to take; others may work."""
    silence: float | None = None
    """Seconds without a sign of life, while no tool of its is open, after which it is stopped (`TOOL_PATIENCE`)."""
    session_within: float | None = None
    """Seconds in which it opens its session, or is taken for dead."""

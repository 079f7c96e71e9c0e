"""What an engine is told, what it wants started, and what its output means. All values; nothing acts.

`Brief` is the same for every engine, `Invocation` is the same for every target.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from teamflow.core.named import NamedTuple
from teamflow.core.outcome import FailureClass, Usage
from teamflow.core.permissions import Permissions, Wish
from teamflow.core.plan import Json


class Brief(NamedTuple):
    """One attempt as the engine sees it; every template is rendered.

    `shell` or `argv` is set for commands, `prompt` for agents. `notice` says why the last attempt failed (empty at
    the first); `session` is what to resume. `cwd` is absolute on the target, and so is `stem`: what `files` of the
    invocation may be called by, with an ending of their own.
    """

    step: str
    attempt: int
    cause: str
    cwd: str
    shell: str | None = None
    argv: tuple[str, ...] = ()
    prompt: str | None = None
    instructions: str = ""
    model: str | None = None
    permissions: str = ""
    script: Json = None
    notice: str = ""
    session: str | None = None
    messages: tuple[str, ...] = ()
    """What people have told it since, and it has not heard yet."""
    schemas: Mapping[str, Json] = {}
    timeout: float | None = None
    idle_timeout: float | None = None
    log_limit: int | None = None
    stem: str = ""
    context: str = ""
    """What the agent is told of the team: its step, who may talk to it, where the work of others is."""
    grants: Permissions = Permissions()
    roots: tuple[str, ...] = ()
    """Its workspace (absolute): as it was made, and with its links resolved; () where that is `cwd`."""
    servers: Mapping[str, Json] = {}
    """MCP servers by name, in the shape of `.mcp.json`."""
    home: str = ""
    """A directory (absolute, there already, the same for all attempts that go on in one session) for settings and
    sessions of its own, where it is to know nothing of the user's (`isolate`); empty: the user's apply."""
    base_url: str = ""
    """The root (without `/v1`) of the server that answers as its model; empty: the engine's own."""
    variables: Mapping[str, str] = {}
    """With a `base_url`: the variables that its process has, but for logins that nobody has asked for."""
    usd: float | None = None
    """More US dollars than these it cannot spend in this attempt, whatever else is given back."""
    turns: int | None = None
    """So many turns of a model it may take (`guards.turns`)."""
    reporting: str = ""
    """By which command it reports how far it is. An engine leaves that out where its commands cannot reach us."""
    run: str = ""
    """The id of its run, which nobody could know before that began."""
    charged: float | None = None
    """US dollars that `session` has cost until now, as its engine has told; None: not known."""
    silence: float | None = None
    """Seconds without a sign of life after which it is stopped, where there is no `idle_timeout`."""


class Obstacle(NamedTuple):
    """A file, or a directory with something in it, with which a process is not started.

    `name` is relative to the directory that `variable` of its environment names (where it does not, to `usual` in the
    home directory); without `variable` to its working directory, and to those above that up to the top of the
    repository. `why`: what people are told behind the path.
    """

    name: str
    why: str
    variable: str = ""
    usual: str = ""
    holding: str = ""
    """Only where these words stand in the file."""


class Invocation(NamedTuple):
    """A process to start. `fallback` is run instead when `argv` cannot be started at all.

    `stdin` None: /dev/null. `protocol`: stdout is for the engine's session, so stderr goes to a file of its own.
    `files`: (path, text) to write before the start, for the owner alone; they stay, as logs do. `env` is below what the
    team file says, `final` above it. `directories`: below the step's, to be made before the start where they are not.
    """

    argv: tuple[str, ...]
    fallback: tuple[str, ...] | None = None
    env: Mapping[str, str] = {}
    stdin: str | None = None
    protocol: bool = False
    files: tuple[tuple[str, str], ...] = ()
    listens: bool = False
    """Whether stdin stays open behind `stdin`: the process can be told more while it works."""
    final: Mapping[str, str] = {}
    obstacles: tuple[Obstacle, ...] = ()
    directories: tuple[str, ...] = ()


class Exit(NamedTuple):
    """How a phase's main process ended: `code` or `signal`. `cause` is why the keeper ended it, if it did:
    timeout | idle | log_limit | orphaned | or what `stop` was told. `error`: it could not be started.
    """

    code: int | None = None
    signal: int | None = None
    cause: str | None = None
    error: str | None = None
    log_start: int = 0
    log_end: int = 0
    """Bytes of the attempt's log that belong to this phase."""
    err_end: int = 0
    at: float | None = None
    """When it ended (Unix)."""
    printed: str = ""
    """The last of what the agent printed, where it failed and its engine wants to see that (`Capabilities.tail`)."""


class Said(NamedTuple):
    """A final or intermediate message of the agent, for the live view."""

    text: str


class Progress(NamedTuple):
    percent: float | None
    text: str = ""


class SessionOpened(NamedTuple):
    session: str


class ModelTold(NamedTuple):
    """The id of the model that answers, whatever it was asked for by."""

    model: str


class Spent(NamedTuple):
    """Usage so far in this attempt (a total, not a delta)."""

    usage: Usage


class Called(NamedTuple):
    """The agent uses a tool; `what` is the same for the same call. `id`: which call, where its end is told, too.

    `words`: the same for people, uncut; empty: `what` has to do; None: it is not worth a line.
    """

    what: str
    id: str = ""
    words: str | None = ""


class Returned(NamedTuple):
    """A tool is done."""

    id: str


class Retrying(NamedTuple):
    """The engine tries a call of its model again, by itself. `wait` in seconds, where it is known."""

    failure: FailureClass
    reason: str
    wait: float | None = None


class Warns(NamedTuple):
    """Something is not as the team file has it, and the agent goes on all the same. `text`: what follows the name of
    the step, for people; told once."""

    text: str


class Asked(NamedTuple):
    """The agent wants leave for something that its grants leave to a person, and waits for the answer. `request` names
    it within the attempt, and is the same whenever the same output is fed."""

    request: str
    wish: Wish


class Refused(NamedTuple):
    """The agent got no leave for what it wished, by the rules of its step or by a person. `what` and `why`: for people,
    uncut."""

    what: str
    why: str = ""


class Withdrawn(NamedTuple):
    """It does not wait for an answer to `request` any more."""

    request: str


class Reply(NamedTuple):
    """What the session itself has to write to the agent's stdin. `end`: then nothing follows, its work is done."""

    data: str
    end: bool = False


EngineEvent: TypeAlias = (
    Said
    | Progress
    | SessionOpened
    | ModelTold
    | Spent
    | Called
    | Returned
    | Retrying
    | Warns
    | Asked
    | Refused
    | Withdrawn
    | Reply
)

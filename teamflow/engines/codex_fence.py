"""What Codex is told of what its agent may do: sandbox, permission profile, approval policy. Decides no single wish.

Measured with 0.169.0, and held by tests with the real one:
- Commands run in the sandbox. Under `on-request` a command is asked about only when the model wants it out of there;
  under `untrusted` each one is, and one that was allowed starts inside.
- One that was allowed under `untrusted`, fails, and prints what a sandbox would, is run again outside without a
  question; not so where the profile denies a read. Then the network stays shut, too, for what is let out of it.
- A command that the user's own rules (`rules/*.rules`) allow is not asked about, and starts outside; not so where the
  profile denies a read.
- A profile whose writable path is a file breaks the sandbox, so only what is surely a directory is made writable. One
  that is not there cannot be made from within, neither by a command nor by a patch: it has to be there before.
- A thread that goes on keeps its sandbox and profile unless it is told others.
- Under `never` tools of MCP servers are refused unless they are approved by the configuration.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from teamflow.core.invocation import Brief
from teamflow.core.named import NamedTuple
from teamflow.core.permissions import DENY, FULL, QUEUE, READ, Permissions
from teamflow.core.plan import Json

PROFILE: Final = "teamflow-step"
"""Its entries are put among those of a profile of that name in the user's configuration; so nobody's is called that."""

PROVIDER: Final = "teamflow"
"""What a server of models is called that the team file names."""

_NOTHING: Final = "/teamflow-denies-a-read"
"""A path that is not there. That it may not be read keeps commands inside; see above."""

_HELD: Final = (".git", ".codex", ".agents", ".aws")
"""Names that may not be written in what is writable. To hold them it makes empty directories, and may leave them; in a
`/tmp` with a `.git` everybody's files seem to belong to a project."""

_DOCUMENT: Final = "If there is an AGENTS.md at the root of the workspace, read it first, and keep to it."

_WILD: Final = frozenset("*?[")


class Fence(NamedTuple):
    """`words`: of the command line. `thread`: of thread/start and thread/resume. `asks_all`: each command is asked
    about, else only those that want out of the sandbox. `directories`: of the workspace, that have to be there."""

    words: tuple[str, ...]
    thread: Mapping[str, Json]
    asks_all: bool = False
    directories: tuple[str, ...] = ()


def fence(grants: Permissions) -> Fence:
    shut = grants.net == DENY
    own: dict[str, Json] = {"permissions": PROFILE}
    search = ("-c", 'web_search="disabled"') if shut else ()
    if grants.level == READ:
        return Fence((*search, *_profile({":root": "read"}, shut=True)), {"approvalPolicy": "never", **own})
    if grants.level == FULL:
        if not shut:
            return Fence((), {"sandbox": "danger-full-access", "approvalPolicy": "never"})
        return Fence(
            (*search, *_profile({":root": "write", **_held("/")}, shut=True)), {"approvalPolicy": "never", **own}
        )
    asks_all = grants.run is not None
    files: dict[str, Json] = {":root": "read", ":tmpdir": "write", ":slash_tmp": "write"}
    files |= _held("/tmp/")
    writable = tuple(_writable(grants.edit or ()))
    files[":workspace_roots"] = "write" if grants.edit is None else {".": "read"} | dict.fromkeys(writable, "write")
    words = (*search, *_profile(files, shut=shut))
    if asks_all:
        return Fence(words, {"approvalPolicy": "untrusted", **own}, asks_all=True, directories=writable)
    # Changes to files that no writable directory holds are asked about, and some of those are granted.
    asks = grants.ask == QUEUE or grants.edit
    return Fence(words, {"approvalPolicy": "on-request" if asks else "never", **own}, directories=writable)


def untrusted(brief: Brief) -> tuple[str, ...]:
    """Words that keep what lies in the workspace's own `.codex` from being started outside of the sandbox. Without them
    it would even be noted in the user's configuration that the workspace is trusted."""
    return ("-c", "projects=" + inline({brief.cwd: {"trust_level": "untrusted"}}))


def introduced(brief: Brief) -> Brief:
    """The brief of an agent in such a workspace, which is not shown its AGENTS.md without being told of it. From within
    the sandbox no command of ours can write down what it reports."""
    if brief.grants.level != FULL:
        brief = brief._replace(reporting="")
    return brief if brief.home else brief._replace(context="\n\n".join(filter(None, (brief.context, _DOCUMENT))))


def _writable(globs: Sequence[str]) -> Iterator[str]:
    """Directories in which everything may be changed."""
    if any(glob.startswith("!") for glob in globs):
        return
    for glob in globs:
        directory, mark, rest = glob.partition("/**")
        if (
            mark
            and rest in ("", "/*")
            and directory
            and not _WILD & set(directory)
            and ".." not in directory.split("/")
        ):
            yield directory


def _held(place: str) -> dict[str, Json]:
    """Entries by which it makes none of its empty directories there."""
    return {place + name: "write" for name in _HELD}


def _profile(files: Mapping[str, Json], *, shut: bool) -> tuple[str, ...]:
    network = {"enabled": not shut}
    settings = inline({"filesystem": {**files, _NOTHING: "deny"}, "network": network})
    return ("-c", f"default_permissions={inline(PROFILE)}", "-c", f"permissions.{PROFILE}={settings}")


def inline(value: Json) -> str:
    """TOML in one line; of tables, texts, truth values."""
    match value:
        case bool():
            return "true" if value else "false"
        case Mapping():
            return "{" + ", ".join(f"{inline(key)} = {inline(item)}" for key, item in value.items()) + "}"
        case _:
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")

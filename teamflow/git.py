"""Git's command lines, and what its answers mean. Runs nothing, and knows neither a repository nor a workspace.

Decides which switches stand before every command, so that nothing that a repository names is started: hooks, file
system monitors, pagers, transports, credential helpers, signing programs (of these, `remote_command` leaves the user's
own ways to log in). Filters and drivers cannot be switched off
by name; who reads attributes does it in a git directory with a configuration of its own (`workspaces/repository`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.core.work import Change

BRANCHES: Final = "refs/heads/teamflow/"
KEPT: Final = "refs/teamflow/"
NOTHING: Final = "0" * 40
"""An object id that stands for none; of any length, where git reads it."""
_WRITABLE: Final = re.compile(
    r"refs/(?:heads/)?teamflow/[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*\Z"
)
_ID: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")

_SETTINGS: Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "core.sparseCheckout=false",
    "index.sparse=false",
    "core.safecrlf=false",
    "core.quotePath=false",
    "core.pager=cat",
    "core.askPass=true",
    "core.sshCommand=false",
    "core.gitProxy=false",
    "core.alternateRefsCommand=false",
    "core.filesRefLockTimeout=10000",
    "core.packedRefsTimeout=10000",
    "credential.helper=",
    "protocol.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "log.showSignature=false",
    "submodule.recurse=false",
    "diff.ignoreSubmodules=all",
    "merge.renames=true",
    "merge.directoryRenames=conflict",
    "merge.renormalize=false",
    "worktree.guessRemote=false",
)
_SWITCHES: Final = tuple(word for setting in _SETTINGS for word in ("-c", setting))

ENVIRONMENT: Final[Mapping[str, str]] = {
    "LC_ALL": "C",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "true",
    "GIT_SEQUENCE_EDITOR": "true",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": "/dev/null/none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_ADVICE": "0",
}


TRANSPORTS: Final = "https:http:ssh:git:file"
"""What another repository may be fetched by."""
_CLOSED: Final = ("core.askPass=", "core.sshCommand=", "core.gitProxy=", "credential.helper=", "protocol.allow=")
_OPEN: Final = (
    "fetch.recurseSubmodules=false",
    "fetch.unpackLimit=1",
    "fetch.fsckObjects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
)
"""In place of the settings that begin like `_CLOSED`. A transfer that stands still ends."""
_OUTER: Final = ("GIT_ASKPASS", "GIT_CONFIG_COUNT", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
_OUTER_BEGINNINGS: Final = ("GIT_SSH", "GIT_SSL_", "GIT_HTTP_", "GIT_PROXY_", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_")
"""Words for git of the caller that a talk with others keeps."""


class Entry(NamedTuple):
    """One line of `--raw`: how a path differs. kind: A | M | D | T | U."""

    path: bytes
    kind: str
    mode: str
    """After the change; 000000: it is not there any more."""
    before: str
    after: str
    """Object ids; zeros: not known, or none."""


def command(*words: str) -> tuple[str, ...]:
    """The argv of a git command with all switches that keep it from starting anything."""
    return ("git", *_SWITCHES, *words)


def environment(outer: Mapping[str, str], **given: str) -> dict[str, str]:
    """The environment of a git process: the caller's without its own words for git, and ours. `given` adds to it."""
    kept = {name: value for name, value in outer.items() if not name.startswith(("GIT_", "LC_")) and name != "LANGUAGE"}
    return {**kept, **ENVIRONMENT, **given}


def remote_command(*words: str) -> tuple[str, ...]:
    """As `command`, for one that talks to another repository: the user's own ways to log in hold."""
    settings = (*(setting for setting in _SETTINGS if not setting.startswith(_CLOSED)), *_OPEN)
    return ("git", *(word for setting in settings for word in ("-c", setting)), *words)


def remote_environment(outer: Mapping[str, str], settings: Mapping[str, str], **given: str) -> dict[str, str]:
    """As `environment`, for `remote_command`. `settings`: further configuration, which no list of processes shows."""
    kept = {name: value for name, value in outer.items() if name in _OUTER or name.startswith(_OUTER_BEGINNINGS)}
    at = int(kept.get("GIT_CONFIG_COUNT", "")) if kept.get("GIT_CONFIG_COUNT", "").isdecimal() else 0
    for number, (key, value) in enumerate(settings.items(), at):
        kept |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    kept["GIT_CONFIG_COUNT"] = str(at + len(settings))
    return {**environment(outer), **kept, "GIT_ALLOW_PROTOCOL": TRANSPORTS, **given}


def is_writable(ref: str) -> bool:
    """Whether a full ref name is one of those that teamflow may write."""
    return _WRITABLE.match(ref) is not None and ".." not in ref and not re.search(r"(?:\.lock|\.)(?:/|\Z)", ref)


def is_id(text: str) -> bool:
    """Whether it is an object id in full."""
    return _ID.match(text) is not None


def raw_entries(output: bytes) -> list[Entry]:
    """Of `diff-tree`, `diff-files` with `--raw -z --no-renames`."""
    return list(_raw(iter(output.split(b"\0"))))


def _raw(fields: Iterator[bytes]) -> Iterator[Entry]:
    for field in fields:
        if not field.startswith(b":"):
            continue
        _, mode, before, after, kind = field[1:].decode("ascii").split(" ")
        yield Entry(next(fields), kind[:1], mode, before, after)


def changes(output: bytes) -> tuple[Change, ...]:
    """Of `diff-tree -r --raw --numstat -z --no-renames`."""
    fields = output.split(b"\0")
    kinds: dict[bytes, str] = {}
    counts: dict[bytes, tuple[bytes, bytes]] = {}
    at = 0
    while at < len(fields) and fields[at]:
        if fields[at].startswith(b":"):
            kinds[fields[at + 1]] = fields[at].rpartition(b" ")[2][:1].decode("ascii")
            at += 2
        else:
            added, deleted, path = fields[at].split(b"\t", 2)
            counts[path] = (added, deleted)
            at += 1
    return tuple(_change(path, kind, *counts.get(path, (b"0", b"0"))) for path, kind in kinds.items())


def _change(path: bytes, kind: str, added: bytes, deleted: bytes) -> Change:
    if added == b"-":
        return Change(os.fsdecode(path), kind, binary=True)
    return Change(os.fsdecode(path), kind, int(added), int(deleted))


def tree_entries(output: bytes) -> dict[str, str]:
    """Path → mode and object id, of `ls-tree -r -z --full-tree`."""
    found = {}
    for line in output.split(b"\0"):
        if line:
            what, _, path = line.partition(b"\t")
            mode, _, name = what.decode("ascii").split(" ")
            found[os.fsdecode(path)] = f"{mode} {name}"
    return found


def refs(output: bytes) -> dict[str, str]:
    """Name → object id, of `for-each-ref --format='%(objectname) %(refname)'`."""
    rows = (line.split(" ", 1) for line in os.fsdecode(output).splitlines())
    return {name: found for found, name in rows}


def settings(output: bytes) -> list[tuple[str, str]]:
    """(key, value) in order, of `config -z --list`; a key without a value is `true`."""
    rows = (os.fsdecode(item).partition("\n") for item in output.split(b"\0") if item)
    return [(key.lower() if key.count(".") == 1 else key, value if mark else "true") for key, mark, value in rows]


def quoted(value: str) -> str:
    """A value as it stands in a configuration file."""
    text = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{text}"'


def paths(output: bytes) -> list[bytes]:
    """Of any listing with `-z`."""
    return [path for path in output.split(b"\0") if path]


def lines_of(paths: Iterable[bytes]) -> bytes:
    """Paths for `--stdin -z`."""
    return b"".join(path + b"\0" for path in paths)


def removals(paths: Iterable[bytes]) -> bytes:
    """Paths to be taken out of an index, for `update-index -z --index-info`."""
    return b"".join(f"0 {NOTHING}\t".encode("ascii") + path + b"\0" for path in paths)


def insertions(entries: Iterable[tuple[str, str, bytes]]) -> bytes:
    """(mode, object id, path) to stand in an index, for `update-index -z --index-info`."""
    return b"".join(f"{mode} {name}\t".encode("ascii") + path + b"\0" for mode, name, path in entries)

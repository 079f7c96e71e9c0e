"""Which agent CLIs are installed, and in which version: they are looked for on PATH and asked, all at once.

Only programs that an engine of ours names are ever started, never one that a team file defines: whoever plans a team
has not said that it may run. What a program has said is kept by its path, size and time, in this machine's state; that
may be deleted at any time.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from teamflow.core.capabilities import Capabilities
from teamflow.core.named import NamedTuple
from teamflow.core.shell import excerpt
from teamflow.core.versions import version_in
from teamflow.store.machine import machine_directory
from teamflow.workspaces.waiting import unwaited

SECONDS: Final = 10.0
"""For which a program may think about its version."""
_MOST: Final = 64 * 1024
_DEPTH: Final = 4
"""Directories above a program in which its package may be described."""
_KEPT: Final = "engines.json"
_KEEP_SECONDS: Final = 24 * 3600.0
_VARIABLES: Final = ("HOME", "PATH", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME")


class Installed(NamedTuple):
    """What was found of an engine's program. `path`: None where it is not installed. `version`: empty where it does not
    tell, and then `trouble` says why."""

    path: str | None
    version: str = ""
    trouble: str = ""


def find_program(word: str, path: str | None) -> str | None:
    """The absolute path of a program on a PATH. Relative directories of it are passed over: a project may fill them."""
    for directory in (path or os.defpath).split(os.pathsep):
        place = os.path.join(directory, word)
        if os.path.isabs(directory) and os.path.isfile(place) and os.access(place, os.X_OK):
            return place
    return None


def look(
    engines: Mapping[str, Capabilities], environ: Mapping[str, str], *, again: bool = False, seconds: float = SECONDS
) -> dict[str, Installed]:
    """By engine, for those with a program. `again`: ask also those whose answer is known."""
    directory = machine_directory(environ)
    kept = {} if directory is None else _kept(directory)
    asked = {name: one.program for name, one in engines.items() if one.program}
    places = {name: find_program(program[0], environ.get("PATH")) for name, program in asked.items()}
    found: dict[str, Installed] = {}
    todo: dict[str, str] = {}
    for name, place in places.items():
        known = None if place is None or again else _known(kept, place, asked[name])
        if place is None:
            found[name] = Installed(None)
        elif known is not None:
            found[name] = Installed(place, known)
        else:
            todo[name] = place
    if todo:
        with ThreadPoolExecutor(max_workers=len(todo)) as pool:
            answers = pool.map(lambda name: _ask(todo[name], asked[name], environ, seconds), todo)
            found.update(zip(todo, answers, strict=True))
        if directory is not None:
            _keep(directory, kept, ((todo[name], asked[name], found[name].version) for name in todo))
    return {name: found[name] for name in asked}


# -- asking ------------------------------------------------------------------------------------------------------


def _ask(place: str, program: Sequence[str], environ: Mapping[str, str], seconds: float) -> Installed:
    few = {name: environ[name] for name in _VARIABLES if name in environ}
    words = " ".join(program)
    try:
        process = subprocess.Popen(
            [place, *program[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={**few, "NO_COLOR": "1", "TERM": "dumb", "CI": "1"},
            start_new_session=True,
        )
    except OSError as error:
        return Installed(place, "", f"`{words}` cannot be started: {error.strerror}")
    with process:
        try:
            printed, why = _read(process, seconds)
        finally:
            # Also what it has left behind, which may hold the pipe.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    if why:
        return Installed(place, "", f"`{words}` {why}")
    text = printed.decode("utf-8", "replace")
    if process.returncode:
        return Installed(place, "", f"`{words}` exited {process.returncode}{_said(text)}")
    version = version_in(text) or _packaged(place)
    return Installed(place, version, "" if version else f"`{words}` tells no version{_said(text)}")


def _packaged(place: str) -> str:
    """The version of the npm package that installed a program; empty where there is none that says so.

    Not every program knows its own: some take `--version` for the beginning of a session.
    """
    program = os.path.realpath(place)
    directory = program
    for _ in range(_DEPTH):
        directory = os.path.dirname(directory)
        with suppress(OSError, ValueError, RecursionError):
            with open(f"{directory}/package.json", "rb", opener=unwaited) as file:
                found = json.loads(file.read(_MOST))
            given = found.get("bin") if isinstance(found, dict) else None
            bins = given.values() if isinstance(given, dict) else [given]
            if any(isinstance(one, str) and os.path.realpath(f"{directory}/{one}") == program for one in bins):
                return version_in(str(found.get("version", "")))
    return ""


def _read(process: subprocess.Popen[bytes], seconds: float) -> tuple[bytes, str]:
    """What it prints until it ends, and why that was not waited for."""
    assert process.stdout is not None
    descriptor, until, found = process.stdout.fileno(), time.monotonic() + seconds, b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while (left := until - time.monotonic()) > 0:
            if selector.select(min(left, 0.2)):
                data = os.read(descriptor, _MOST)
                found += data
                if not data:
                    break
                if len(found) > _MOST:
                    return found, "prints without end"
            elif process.poll() is not None:
                return found, ""  # a child of its own holds the pipe
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(until - time.monotonic(), 0))
        return found, ""
    return found, f"has not ended after {seconds:g} s"


def _said(text: str) -> str:
    return f": {excerpt(text)}" if text.strip() else ""


# -- what is known already ---------------------------------------------------------------------------------------


def _kept(directory: str) -> dict[str, list[object]]:
    try:
        with open(f"{directory}/{_KEPT}", "rb") as file:
            found = json.loads(file.read(_MOST))
    except (OSError, ValueError, RecursionError):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, list)} if isinstance(found, dict) else {}


def _known(kept: Mapping[str, list[object]], place: str, program: Sequence[str]) -> str | None:
    """The version that a program told when it was as it is now."""
    found = kept.get(_key(place, program))
    if found is None or len(found) != 4:
        return None
    size, modified, asked, version = found
    recent = isinstance(asked, int | float) and 0 <= time.time() - asked < _KEEP_SECONDS
    same = recent and [size, modified] == _stamp(place) and isinstance(version, str)
    return version_in(str(version)) or None if same else None


def _keep(directory: str, kept: Mapping[str, list[object]], told: Iterable[tuple[str, Sequence[str], str]]) -> None:
    """Best effort: what is not kept is asked again."""
    now = time.time()
    new = {_key(place, words): [*(_stamp(place) or [0, 0]), now, version] for place, words, version in told if version}
    recent = {key: value for key, value in kept.items() if value[2:] and isinstance(value[2], int | float)}
    with suppress(OSError):
        os.makedirs(directory, mode=0o700, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".engines-", dir=directory)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump({**dict(list(recent.items())[-100:]), **new}, file)
        os.replace(temporary, f"{directory}/{_KEPT}")


def _key(place: str, program: Sequence[str]) -> str:
    return "\0".join((os.path.realpath(place), *program[1:]))


def _stamp(place: str) -> list[object] | None:
    """Size and time of the file that a program is; None where it has just gone."""
    try:
        found = os.stat(place)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]

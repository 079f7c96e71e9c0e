"""What has to be out of the way before an agent is started: files by which its CLI would not ask for leave; and what
has to be there: directories.

Decides nothing about which those are, which its engine says (`core/invocation.Invocation`), only where they lie.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from teamflow.core.invocation import Invocation, Obstacle
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.paths import path_shown
from teamflow.workspaces.waiting import unwaited

_MOST = 1 << 20
"""Bytes of a file that are looked into; in a longer one anything may stand."""


def unobstructed(
    invocation: Invocation | Failed, *, cwd: str, base: Callable[[], Mapping[str, str]], own: Mapping[str, str]
) -> Invocation | Failed:
    """The invocation; Failed (start) where one of its obstacles is there. `base`: what its process has in common with
    others, below what the invocation says; `own`: what the team file gives it, above that."""
    if isinstance(invocation, Failed) or not invocation.obstacles:
        return invocation
    variables = {**base(), **invocation.env, **own, **invocation.final}
    for obstacle in invocation.obstacles:
        for path in _places(obstacle, cwd, variables):
            if _is_there(path, obstacle.holding):
                return Failed(FailureClass.START, f"{path_shown(path)} {obstacle.why}")
    return invocation


def room(invocation: Invocation, cwd: str) -> None:
    """Makes its directories; one that a link would lead out of `cwd`, or that cannot be made, is left to the agent."""
    top = os.path.realpath(cwd)
    for directory in invocation.directories:
        path = os.path.realpath(os.path.join(top, directory))
        with suppress(OSError):
            if path.startswith(f"{top}/"):
                os.makedirs(path, exist_ok=True)


def _places(obstacle: Obstacle, cwd: str, env: Mapping[str, str]) -> Iterator[str]:
    if obstacle.variable:
        home = env.get(obstacle.variable) or os.path.join(env.get("HOME") or os.path.expanduser("~"), obstacle.usual)
        yield os.path.join(cwd, home, obstacle.name)
        return
    at = cwd
    while True:
        yield os.path.join(at, obstacle.name)
        above = os.path.dirname(at)
        if above == at or os.path.lexists(os.path.join(at, ".git")):
            return
        at = above


def _is_there(path: str, holding: str) -> bool:
    """What cannot be read, or is no file, is taken for there."""
    try:
        if os.path.isdir(path):
            return bool(os.listdir(path))
        if not holding or not os.path.exists(path):
            return os.path.exists(path)
        with open(path, "rb", opener=unwaited) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return True
            text = file.read(_MOST + 1)
    except OSError:
        return True
    # A key of JSON can be written in escapes.
    return len(text) > _MOST or holding.encode() in text or b"\\u" in text

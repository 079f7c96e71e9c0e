"""What the verbs that act on a run share: who asks, and how what became of it is told."""

from __future__ import annotations

import getpass
import os

from teamflow.cli.output import out, say
from teamflow.views.json import json_text


def who() -> str:
    """`user@host`, as records name who asked."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}"


def report(run: int, *, done: bool, message: str, as_json: bool, **more: str) -> int:
    """Prints it; the exit code: 1 for what was refused."""
    if as_json:
        out(json_text({"schema_version": 1, "run": run, **more, "ok": done, "message": message}) + "\n")
    elif done:
        out(f"{message}\n")
    else:
        say(f"teamflow: {message}")
    return 0 if done else 1

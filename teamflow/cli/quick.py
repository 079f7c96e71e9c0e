"""`run` with nothing to do, answered before click is imported. Anything but the plainest words is left to `cli/run`.

Decides nothing: `app/fresh.py` does, by stats. None from here means "go the long way", never an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def quick_run(words: Sequence[str]) -> int | None:
    """The exit code of `run WORDS`, if it is a run of a team file in which nothing has changed."""
    file, progress = _plain(words)
    if progress is None:
        return None
    from teamflow.app.fresh import run_fresh
    from teamflow.app.project import NoTeamFile, find_team_file, project_of
    from teamflow.store.errors import StoreError

    try:
        path = find_team_file(file, os.getcwd())
        found = run_fresh(project_of(os.path.dirname(path)).root, path, environ=os.environ)
    except (NoTeamFile, StoreError, OSError):
        return None
    if found is None:
        return None
    if progress != "quiet":
        number, team, steps = found
        print(f"run {number} of {team}: succeeded, nothing to do: {steps} cached", file=sys.stderr)
    return 0


def _plain(words: Sequence[str]) -> tuple[str | None, str | None]:
    """(file, progress) of words that only name a file and a way to show it; progress None: more than that."""
    file: str | None = None
    progress = "auto"
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--progress" and rest:
            progress = rest.pop(0)
        elif word.startswith("--progress="):
            progress = word.partition("=")[2]
        elif word.startswith("-") or file is not None:
            return None, None
        else:
            file = word
    return file, progress if progress in ("auto", "plain", "live", "quiet") else None

"""`run` with the plainest words, without click: `run`, `run FILE`, `--progress`. Anything more is left to `cli/run`.

A run with nothing to do is recognised by `app/fresh.py`, by stats, before anything else is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def quick_run(words: Sequence[str]) -> int | None:
    """The exit code of `run WORDS`; None where the words are not plain, or name no team file."""
    file, progress = _plain(words)
    if progress is None:
        return None
    from teamflow.app.fresh import run_fresh
    from teamflow.app.project import NoTeamFile, find_team_file, project_of
    from teamflow.store.errors import StoreError

    try:
        path = find_team_file(file, os.getcwd())
    except NoTeamFile:
        return None
    try:
        found = run_fresh(project_of(os.path.dirname(path)).root, path, environ=os.environ)
    except (StoreError, OSError):
        found = None  # it is told on the long way
    if found is None:
        return _run(file, progress)
    if progress != "quiet":
        number, team, steps = found
        print(f"run {number} of {team}: succeeded, nothing to do: {steps} cached", file=sys.stderr)
    return 0


def _run(file: str | None, progress: str) -> int:
    from teamflow.app.launch import RunOptions, run_team
    from teamflow.cli.errors import guarded
    from teamflow.cli.front import TerminalFront
    from teamflow.cli.output import prepare_streams

    prepare_streams()
    front = TerminalFront(progress=progress, junit=None, events=None)
    return guarded(lambda: run_team(RunOptions(file=file), front, environ=os.environ, directory=os.getcwd()))


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

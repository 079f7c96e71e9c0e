"""`run` with the plainest words, without click: `run`, `run FILE`, `--new`, `--progress`. Anything more is left to
`cli/run`.

A run with nothing to do is recognised by `app/fresh.py`, by stats, before anything else is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def quick_run(words: Sequence[str]) -> int | None:
    """The exit code of `run WORDS`; None where the words are not plain, or name no team file."""
    plain = _plain(words)
    if plain is None:
        return None
    file, new, progress = plain
    from teamflow.app.fresh import run_fresh
    from teamflow.app.project import NoTeamFile, find_team_file, project_of
    from teamflow.store.errors import StoreError

    try:
        path = find_team_file(file, os.getcwd())
    except NoTeamFile:
        return None
    try:
        found = None if new else run_fresh(project_of(os.path.dirname(path)).root, path, environ=os.environ)
    except (StoreError, OSError):
        found = None  # it is told on the long way
    if found is None:
        return _run(file, progress, new=new)
    if progress != "quiet":
        number, team, steps = found
        print(f"run {number} of {team}: succeeded, nothing to do: {steps} cached", file=sys.stderr)
    return 0


def _run(file: str | None, progress: str, *, new: bool) -> int:
    from teamflow.app.launch import RunOptions, run_team
    from teamflow.cli.errors import guarded
    from teamflow.cli.front import TerminalFront
    from teamflow.cli.output import prepare_streams

    prepare_streams()
    front = TerminalFront(progress=progress, junit=None, events=None)
    options = RunOptions(file=file, new=new)
    return guarded(lambda: run_team(options, front, environ=os.environ, directory=os.getcwd()))


def _plain(words: Sequence[str]) -> tuple[str | None, bool, str] | None:
    """(file, whether a new run is wanted, progress); None: the words say more than that."""
    file: str | None = None
    new = False
    progress = "auto"
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--progress" and rest:
            progress = rest.pop(0)
        elif word.startswith("--progress="):
            progress = word.partition("=")[2]
        elif word == "--new":
            new = True
        elif word.startswith("-") or file is not None:
            return None
        else:
            file = word
    return (file, new, progress) if progress in ("auto", "plain", "live", "quiet") else None

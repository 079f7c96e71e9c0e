"""`teamflow gc`: removes what nothing needs any more."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from teamflow.app.failpoints import boundaries
from teamflow.app.forget import CACHE_LIMIT, Collected, collect, would_collect
from teamflow.app.inspect import NoRun, open_project
from teamflow.app.project import project_around
from teamflow.cli.output import out, say
from teamflow.cli.verb import VerbCommand, json_option
from teamflow.engines.exits import size as size_words
from teamflow.views import words
from teamflow.views.json import json_text

if TYPE_CHECKING:
    from teamflow.app.uncloned import Uncloned
    from teamflow.app.unneeded import KeptLine
    from teamflow.store.sqlite import Database

_SHOWN: Final = 10
"""Things that stay, in the text."""


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow gc", "what nothing needs in this project"),
        ("teamflow gc --cache 500MB", "and keep at most so much of the cache"),
        ("teamflow gc --dry-run", "which worktrees and branches would go, and why others stay"),
    ),
)
@click.option("--cache", "cache", metavar="SIZE", help="What the cache may keep; 5GB without it.")
@click.option("--dry-run", is_flag=True, help="Say what would become of workspaces and clones; change nothing.")
@json_option
def gc(cache: str | None, as_json: bool, dry_run: bool) -> None:
    """Remove what nothing needs: worktrees, branches and refs of runs that are over, processes that have lost their
    owner, purges that were broken off, results that the cache has no room for, and what clones of other repositories
    need no more.

    Never a worktree that is in use, or holds uncommitted files or a repository of its own, nor a branch that is
    neither merged nor pushed: what stays is told, with the command that lets it go. Runs and logs stay: `rm` forgets
    runs.
    """
    limit = CACHE_LIMIT if cache is None else _bytes(cache)
    try:
        with _opened() as database:
            if dry_run:
                found = would_collect(database, environ=os.environ)
            else:
                between = boundaries(os.environ)
                found = collect(database, cache_limit=limit, environ=os.environ, between=between)
    except NoRun:
        say("no run yet: there is nothing to remove")
        return
    if as_json:
        out(json_text(_as_object(found, dry_run=dry_run)) + "\n")
        return
    out("".join(f"{line}\n" for line in _lines(found, dry_run=dry_run)))


def _opened() -> Database:
    """Also of a project whose `.teamflow` was deleted by hand, as long as git knows of its runs. NoRun, StoreError."""
    project = project_around(os.getcwd())
    try:
        return open_project(project, os.environ)
    except NoRun:
        if not project.git:
            raise
        from teamflow.app.unneeded import database_of_traces

        database = database_of_traces(project.root, os.environ)
        if database is None:
            raise
        return database


def _as_object(found: Collected, *, dry_run: bool) -> dict[str, object]:
    from teamflow.app.uncloned import Uncloned
    from teamflow.app.unneeded import Cleared

    # Not of a repository: as one in which there is nothing.
    rows = (found.cleared or Cleared())._asdict()
    del rows["freed"]
    rows["kept"] = [line._asdict() for line in rows["kept"]]
    clones = found.uncloned or Uncloned()
    rows |= {"stores": clones.stores, "mirrors": clones.mirrors}
    rows["kept"] += [line._asdict() for line in clones.kept]
    numbers = {name: value for name, value in found._asdict().items() if name not in ("cleared", "uncloned")}
    return {"schema_version": 1, "dry_run": dry_run, **numbers, **rows}


def _lines(found: Collected, *, dry_run: bool) -> list[str]:
    parts = [
        words.plural(found.processes, "process without an owner", "processes without an owner"),
        words.plural(found.directories, "broken-off purge"),
        words.plural(found.results, "cached result"),
    ]
    cleared = found.cleared
    lines = []
    if cleared is not None:
        counts = [
            words.plural(len(cleared.worktrees), "worktree"),
            words.plural(len(cleared.branches), "branch", "branches"),
            words.plural(len(cleared.refs), "ref"),
        ]
        parts = counts if dry_run else [*parts, *counts]
        gone = [*cleared.worktrees, *(f"branch {name.removeprefix('refs/heads/')}" for name in cleared.branches)]
        lines += [f"  {'would go' if dry_run else 'removed'}: {name}" for name in gone]
        lines += [f"  kept: {line}" for line in kept_lines(cleared.kept)]
        lines += [f"  workspaces stay: {cleared.trouble}"] if cleared.trouble else []
    lines += _clones(found.uncloned, dry_run=dry_run) if found.uncloned is not None else []
    verb = "would remove" if dry_run else "removed"
    end = "" if dry_run else f"; {size_words(found.freed)} freed"
    return [f"{verb} {', '.join(parts)}{end}", *lines]


def _clones(found: Uncloned, *, dry_run: bool) -> list[str]:
    """Lines about clones; none where there is nothing to tell."""
    verb = "would go" if dry_run else "removed"
    gone = [f"store {path}" for path in found.stores] + [f"mirror {path}" for path in found.mirrors]
    return [
        *(f"  {verb}: {what}" for what in gone),
        *(f"  kept: {line}" for line in kept_lines(found.kept)),
        *([f"  clones stay: {found.trouble}"] if found.trouble else []),
    ]


def kept_lines(kept: Sequence[KeptLine]) -> list[str]:
    """One for each, of at most ten."""
    lines = [f"{line.what}: {line.why}" + (f" ({line.remedy})" if line.remedy else "") for line in kept[:_SHOWN]]
    return [*lines, *([f"and {len(kept) - _SHOWN} more"] if len(kept) > _SHOWN else [])]


def _bytes(text: str) -> int:
    """Raises UsageError."""
    from teamflow.team.scalars import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--cache") from error

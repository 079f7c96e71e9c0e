"""`teamflow run`: words and a terminal around `app/launch.run_team`."""

from __future__ import annotations

import os
from typing import Any

import click

from teamflow.app.launch import RunOptions, run_team
from teamflow.cli.arguments import caps
from teamflow.cli.front import TerminalFront
from teamflow.cli.verb import VerbCommand


@click.command(
    "run",
    cls=VerbCommand,
    examples=(
        ("teamflow run", "the project's team.yaml, or what is left of its last run"),
        ("teamflow run nightly build/api", "one step of teams/nightly.yaml, and what it needs"),
        ("teamflow run team.yaml -i issue=42", "with an input"),
    ),
)
@click.argument("words", nargs=-1, metavar="[FILE|NAME|PLAN] [STEP]...")
@click.option("-i", "inputs", multiple=True, metavar="NAME=VALUE", help="An input; NAME=@FILE takes a file's content.")
@click.option("-d", "--detach", is_flag=True, help="Return at once; the run goes on in the background.")
@click.option("--from", "since", multiple=True, metavar="STEP", help="Only this step and all after it.")
@click.option("--until", multiple=True, metavar="STEP", help="Only this step and what it needs.")
@click.option("--force", multiple=True, metavar="STEP", help="Run this step even if the cache has its result.")
@click.option("--no-cache", is_flag=True, help="Use no result of the cache; results are still stored.")
@click.option("--new", is_flag=True, help="Start a new run, even if the last one is not finished.")
@click.option("--watch", is_flag=True, help="Stay, and run again what a saved file changes.")
@click.option("--fail-fast", is_flag=True, help="The first failure stops all other steps.")
@click.option("--max-parallel", type=click.IntRange(min=1), metavar="N", help="At most N steps at once.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Override a key of an agent: agents.build.model=opus (engine, timeout, idle_timeout, cache, …).",
)
@click.option(
    "--budget",
    multiple=True,
    metavar="usd=N|tokens=N",
    help="What the run may spend in all, whatever limits.budget says; it holds until it is said anew.",
)
@click.option("--yes", is_flag=True, help="Confirm going over limits.max_steps.")
@click.option("--trust", is_flag=True, help="Run files from outside the project, and from now on, until they change.")
@click.option("--locked", is_flag=True, help="Do not begin where anything differs from teamflow.lock.")
@click.option("--no-input", is_flag=True, help="Ask nobody: when only questions are left, end with exit code 5.")
@click.option(
    "--progress", type=click.Choice(["auto", "live", "plain", "json", "quiet"]), default="auto", show_default=True
)
@click.option(
    "--replay",
    default="",
    metavar="N|DIR",
    help="Play run N, or a fixture of `teamflow record`, back: no agent works, nothing is spent; commands run.",
)
@click.option("--go-on-with", "number", type=int, hidden=True)
@click.option("--junit", type=click.Path(dir_okay=False), metavar="FILE", help="Write a JUnit XML report at the end.")
@click.option("--events", type=click.Path(dir_okay=False), metavar="FILE", help="Write every record as a JSON line.")
def run(
    words: tuple[str, ...],
    inputs: tuple[str, ...],
    detach: bool,
    since: tuple[str, ...],
    until: tuple[str, ...],
    force: tuple[str, ...],
    no_cache: bool,
    new: bool,
    watch: bool,
    replay: str,
    number: int | None,
    fail_fast: bool,
    max_parallel: int | None,
    overrides: tuple[str, ...],
    budget: tuple[str, ...],
    yes: bool,
    trust: bool,
    locked: bool,
    no_input: bool,
    progress: str,
    junit: str | None,
    events: str | None,
) -> int:
    """Run a team file, or go on with its last run; or execute a plan that `plan -o` has saved.

    \b
    teamflow run                          team.yaml, or what is left of its last run
    teamflow run nightly build/api        one step of teams/nightly.yaml, and what it needs
    teamflow run team.yaml -i issue=42    with an input
    teamflow run ship.plan                exactly what `teamflow plan -o ship.plan` has shown
    teamflow run --budget usd=30          go on with more money than limits.budget says
    """
    if watch and no_input:
        raise click.UsageError("a watched run stays, and waits for answers from any terminal: leave --no-input out")
    if watch and replay:
        raise click.UsageError("a replay has an end: leave --watch out")
    options = chosen(
        words,
        overrides,
        inputs=inputs,
        since=since,
        until=until,
        force=force,
        new=new,
        use_cache=not no_cache,
        fail_fast=fail_fast,
        yes=yes,
        trust=trust,
        locked=locked,
        budget=caps(budget),
        max_parallel=max_parallel,
        detach=detach,
        watch=watch,
        replay=replay,
        number=number,
        no_input=no_input,
    )
    front = TerminalFront(progress=progress, junit=junit, events=events)
    return run_team(options, front, environ=os.environ, directory=os.getcwd())


def chosen(words: tuple[str, ...], overrides: tuple[str, ...], **others: Any) -> RunOptions:
    """What the words, the `--set` pairs and the other options of `run` and `plan` ask for. UsageError."""
    from teamflow.app.compile import words_of

    file, steps = _split(words)
    try:
        pairs = words_of(overrides)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return RunOptions(file=file, steps=steps, overrides=pairs, **others)


def _split(words: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """(team file, steps): the first word is a file if there is one of that name, as a path or in teams/."""
    if not words:
        return None, ()
    from teamflow.app.project import NoTeamFile, find_team_file

    first = words[0]
    try:
        find_team_file(first, os.getcwd())
    except NoTeamFile:
        if first.endswith((".yaml", ".yml")) or not _has_team_file():
            raise
        return None, words
    return first, words[1:]


def _has_team_file() -> bool:
    from teamflow.app.project import NoTeamFile, find_team_file

    try:
        find_team_file(None, os.getcwd())
    except NoTeamFile:
        return False
    return True

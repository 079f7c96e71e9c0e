"""`teamflow plan`: what would run, and why."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from teamflow.cli.output import columns, out, say, use_color
from teamflow.cli.verb import VerbCommand, json_option
from teamflow.core.shell import quoted

if TYPE_CHECKING:
    from teamflow.core.diagnostics import Diagnostics
    from teamflow.plan.explain import Preview

CHANGES = 10


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow plan", "what `teamflow run` would do now"),
        ("teamflow plan nightly build/api", "one step of teams/nightly.yaml, and what it needs"),
        ("teamflow plan --graph dot | dot -Tsvg > plan.svg", "a picture, by Graphviz"),
    ),
)
@click.argument("words", nargs=-1, metavar="[FILE|NAME] [STEP]...")
@click.option("-i", "inputs", multiple=True, metavar="NAME=VALUE", help="An input; NAME=@FILE takes a file's content.")
@click.option("--from", "since", multiple=True, metavar="STEP", help="Only this step and all after it.")
@click.option("--until", multiple=True, metavar="STEP", help="Only this step and what it needs.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Override a key of an agent: agents.build.timeout=9m (engine, model, idle_timeout, cache, …).",
)
@click.option("--force", multiple=True, metavar="STEP", help="As if the cache did not have this step's result.")
@click.option("--no-cache", is_flag=True, help="As if the cache were empty.")
@click.option("--new", is_flag=True, help="As if no run were to be gone on with.")
@click.option(
    "-o", "output", metavar="PLAN", help="Save the plan in the file PLAN: `teamflow run PLAN` executes exactly it."
)
@click.option(
    "--graph",
    type=click.Choice(["text", "mermaid", "dot"]),
    help="How to show it: text (table and tree, the default), or as a graph for Mermaid or Graphviz.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 10 when there is something to do.")
@json_option
def plan(
    words: tuple[str, ...],
    inputs: tuple[str, ...],
    since: tuple[str, ...],
    until: tuple[str, ...],
    overrides: tuple[str, ...],
    force: tuple[str, ...],
    no_cache: bool,
    new: bool,
    output: str | None,
    graph: str | None,
    detailed_exitcode: bool,
    as_json: bool,
) -> int:
    """Show what would run, with the reason of each step; changes nothing."""
    if as_json and graph is not None:
        raise click.UsageError("--json and --graph are two forms of one answer: take one")
    from teamflow.app.preview import Shown, preview_team
    from teamflow.cli.run import chosen

    options = chosen(
        words, overrides, inputs=inputs, since=since, until=until, force=force, new=new, use_cache=not no_cache
    )
    shown: Shown = preview_team(options, environ=os.environ, directory=os.getcwd())
    _diagnostics(shown.compiled.diagnostics, shown.compiled.sources)
    if shown.preview is None:
        return 2
    if output is not None:
        from teamflow.app.saved import save_plan

        save_plan(output, shown.compiled, options, root=shown.root, directory=os.getcwd(), environ=os.environ)
    if shown.note and not as_json:
        say(shown.note)
    out(_drawn(shown.preview, "json" if as_json else graph or "text") + "\n")
    if output is not None:
        say(f"saved in {output}: `teamflow run {quoted(output)}` executes exactly this plan")
    return CHANGES if detailed_exitcode and shown.preview.has_work else 0


def _drawn(preview: Preview, form: str) -> str:
    match form:
        case "dot":
            from teamflow.views.diagram import plan_dot

            return plan_dot(preview)
        case "mermaid":
            from teamflow.views.diagram import MOST_EDGES, plan_mermaid

            edges = sum(1 for _ in preview.edges)
            if edges > MOST_EDGES:
                say(f"{edges} edges: Mermaid draws {MOST_EDGES}, unless its maxEdges is raised; dot draws all")
            return plan_mermaid(preview)
    from teamflow.views.plan import plan_json, plan_text

    if form == "json":
        return plan_json(preview)
    return plan_text(preview, columns=columns(), ascii_only=_ascii_only())


def _diagnostics(found: Diagnostics | None, sources: Mapping[str, str]) -> None:
    if found is not None and len(found):
        from teamflow.views.diagnostics import to_text

        say(to_text(found, sources, color=use_color(sys.stderr)).rstrip("\n"))


def _ascii_only() -> bool:
    """Whether stdout cannot show the lines of a tree."""
    return "utf" not in (sys.stdout.encoding or "").lower()

"""`teamflow relaunch`: one step anew, from any state, perhaps with something changed."""

from __future__ import annotations

import json

import click

from teamflow.cli.acting import control
from teamflow.cli.arguments import duration, text_argument
from teamflow.cli.verb import VerbCommand, json_option, run_option
from teamflow.core.changes import ENGINE, MODEL, PROMPT, TIMEOUT


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow relaunch build/api", "ends it if it runs, and starts it anew"),
        ("teamflow relaunch review --engine my-cli --timeout 20m", "with another engine, and less time"),
        ("teamflow relaunch build/api --prompt - < prompt.md", "with another prompt"),
    ),
)
@click.argument("step", metavar="STEP")
@click.option("--prompt", metavar="TEXT", help="Another prompt; - reads it from standard input.")
@click.option("--engine", metavar="NAME", help="Another engine, or engine/model.")
@click.option("--model", metavar="NAME", help="Another model.")
@click.option("--timeout", type=duration, metavar="DURATION", help="Another time limit, such as 45m.")
@run_option
@json_option
def relaunch(
    step: str,
    prompt: str | None,
    engine: str | None,
    model: str | None,
    timeout: float | None,
    number: int | None,
    as_json: bool,
) -> int:
    """Start a step anew, whatever its state; exit 1 when that is refused, and then nothing was stopped.

    What is changed holds for this run, until its definition in the team file changes. What was skipped because of the
    step comes along.
    """
    changes: dict[str, object] = {}
    if prompt is not None:
        changes[PROMPT] = text_argument(prompt)
    if engine is not None:
        name, _, of_engine = engine.partition("/")
        changes[ENGINE] = name
        model = model or of_engine or None
    if model is not None:
        changes[MODEL] = model
    if timeout is not None:
        changes[TIMEOUT] = timeout
    args = json.dumps({"step": step, "changes": changes})
    return control("relaunch", (step,), run=number, as_json=as_json, args=args)

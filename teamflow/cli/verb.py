"""What all verbs share: help that opens with three examples, and the options that mean the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from teamflow.cli.toplevel import examples as example_lines

if TYPE_CHECKING:
    from teamflow.app.inspect import Inspected

F = TypeVar("F", bound=Callable[..., Any])


RUN_NUMBER: Final = click.IntRange(1, 10**9)
"""What may be the number of a run."""


class VerbCommand(click.Command):
    """A command whose help opens with `examples`: (command line, what it does)."""

    def __init__(self, *args: Any, examples: tuple[tuple[str, str], ...], **changes: Any) -> None:
        changes.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **changes)
        self.examples = examples

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(f"Examples:\n{example_lines(self.examples)}\n\n")
        super().format_help(ctx, formatter)


def run_option(function: F) -> F:
    """`-r N`: which run; the newest of the project without it."""
    option = click.option(
        "-r", "--run", "number", type=RUN_NUMBER, metavar="N", help="Run N; the newest one without it."
    )
    return option(function)


def json_option(function: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def check_step(text: str, inspected: Inspected) -> None:
    """Raises UsageError for a step that the run does not have, with the closest that it has."""
    steps = inspected.state.steps
    if text in steps:
        return
    from teamflow.core.diagnostics import did_you_mean
    from teamflow.core.ids import listed

    instances = [step for step in steps if step.startswith(f"{text}/")]
    if instances:
        hint = f"it has instances: {listed(instances)}"
    else:
        hint = did_you_mean(text, steps) or f"`teamflow status{inspected.option}` lists the steps"
    raise click.UsageError(f"there is no step {text!r} in this run; {hint}")

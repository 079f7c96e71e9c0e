"""The command line: which verb, and nothing of the others. A verb's module is imported when the verb is called."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from teamflow.cli.errors import guarded
from teamflow.cli.output import prepare_streams
from teamflow.cli.toplevel import VERBS, help_text


class Verbs(click.Group):
    """A group that knows its verbs by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        command: click.Command = getattr(import_module(f"teamflow.cli.{verb.module}"), verb.module)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from teamflow.core.diagnostics import did_you_mean

            meant = did_you_mean(args[0], VERBS)
            raise click.UsageError(f"there is no verb {args[0]!r}{'; ' + meant if meant else ''}", ctx)
        return super().resolve_command(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        return help_text().rstrip("\n")


def _version(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value and not ctx.resilient_parsing:
        from teamflow import __version__

        click.echo(f"teamflow {__version__}")
        ctx.exit()


@click.group(cls=Verbs, subcommand_metavar="VERB [ARGS]...", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
def teamflow() -> None:
    """docker compose, make and terraform for teams of agents."""


def main(words: Sequence[str]) -> int:
    """Runs the command line `words`; the exit code."""
    prepare_streams()
    return guarded(lambda: _run(list(words)))


def _run(words: list[str]) -> int:
    # Not `teamflow.main()`: it would swallow a closed pipe and Ctrl-C, which have exit codes of their own.
    try:
        with teamflow.make_context("teamflow", words) as context:
            code = teamflow.invoke(context)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return code if isinstance(code, int) else 0

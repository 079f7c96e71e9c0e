"""`teamflow convert`: the settings of one program as those of another."""

from __future__ import annotations

import click

from teamflow.cli.output import out_bytes, say
from teamflow.cli.verb import VerbCommand

FORMATS = ("claude", "vscode", "gemini", "opencode", "codex", "zed", "copilot")


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow convert mcp .vscode/mcp.json", "as .mcp.json, on stdout"),
        ("teamflow convert mcp .mcp.json --to codex", "as [mcp_servers] of config.toml"),
        ("teamflow convert mcp .mcp.json --to gemini -o .gemini/settings.json", "put among the settings there"),
    ),
)
@click.argument("what", type=click.Choice(["mcp"]), metavar="mcp")
@click.argument("file", metavar="FILE")
@click.option(
    "--from", "source", type=click.Choice(FORMATS), help="The format of FILE; by its name and content without it."
)
@click.option(
    "--to", "target", type=click.Choice(FORMATS), default="claude", show_default=True, help="The format to write."
)
@click.option("-o", "--output", metavar="FILE", help="Write into this file; what else it has stays. stdout without it.")
def convert(what: str, file: str, source: str | None, target: str, output: str | None) -> int:
    """Translate the MCP servers of a settings file into the format of another program.

    What that format cannot say is told on stderr. `-` reads stdin. References to variables are written as the program
    spells them.
    """
    from teamflow.app.convert import ConvertError, convert
    from teamflow.views.diagnostics import safe

    try:
        done = convert(file, source=source, target=target, out=output)
    except ConvertError as error:
        say("teamflow: " + "\n".join(safe(line) for line in str(error).split("\n")))
        return 2
    if output is None:
        out_bytes(done.text.encode())
    for loss in done.losses:
        say(safe(f"warning: {loss.server + ': ' if loss.server else ''}{loss.field}: {loss.why}"))
    if output is not None:
        count = "1 server" if done.servers == 1 else f"{done.servers} servers"
        say(safe(f"{output}: {count} from {file}, {done.source} to {target}"))
    return 0

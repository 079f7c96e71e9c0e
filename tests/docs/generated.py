"""The parts of the pages that are made from the code, between `<!-- NAME:begin ... -->` and `<!-- NAME:end -->`.

    python -m tests.docs.generated        writes them anew

`PARTS` says which page has which part. The tests compare; they write nothing.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable
from pathlib import Path

import click

from teamflow.cli.main import teamflow
from teamflow.cli.toplevel import GROUPS
from teamflow.core.capabilities import Capabilities
from teamflow.core.plan import EngineDefinition
from teamflow.core.status import ENDED, Status
from teamflow.core.transitions import TRANSITIONS
from teamflow.engines.exits import duration
from teamflow.engines.registry import BUILT_IN, custom_engine, engine

ROOT = Path(__file__).resolve().parent.parent.parent


def states() -> str:
    """The table of transitions as a diagram: an arrow per pair of statuses, with the records that lead along it."""
    arrows: dict[tuple[Status, Status], list[str]] = {(Status.PENDING, Status.QUEUED): ["nothing is left to wait for"]}
    for (status, event), following in TRANSITIONS.items():
        for after in sorted(following):
            arrows.setdefault((status, after), []).append(event.__name__)
    order = list(Status)
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> pending"]
    for (before, after), names in sorted(arrows.items(), key=lambda item: tuple(map(order.index, item[0]))):
        lines.append(f"    {before} --> {after}: {', '.join(names)}")
    lines += [f"    {status} --> [*]" for status in order if status in ENDED]
    return "\n".join([*lines, "```"])


def layers() -> str:
    """The layers of `.importlinter`, as a drawing."""
    contract = configparser.ConfigParser()
    contract.read(ROOT / ".importlinter")
    rows = contract["importlinter:contract:layers"]["layers"].split("\n")
    about = {
        "__main__": "answers --help and --version, hands on the rest",
        "cli": "verbs, terminals, exit codes (click, rich)",
        "app": "the composition root: names every adapter",
        "run | views": "the only loop that acts | state to text and JSON, pure",
        "engines | targets | workspaces | store | watch": "translators | processes | files | records | file changes",
        "keeper": "starts and kills processes; imports nothing of teamflow",
        "ports | git": "the seams, as Protocols | git's command lines and answers, as values",
        "policy": "decide and retry: state in, records out",
        "plan": "model to plan, keys, differences (networkx)",
        "team": "file to model, every complaint (yaml, pydantic, jinja2)",
        "servers": "MCP servers, from and to the settings of other programs (pyjson5, tomlkit)",
        "core": "words: plan, events, state, outcomes, diagnostics",
    }
    drawn = [f"{row.strip():<40} {about.get(row.strip(), '')}".rstrip() for row in rows if row.strip()]
    return "\n".join(["```text", *drawn, "```"])


def verbs() -> str:
    """`teamflow VERB --help` of every verb."""
    parts = []
    for title, group in GROUPS:
        parts.append(f"## {title}")
        for verb in group:
            parts.append(f"### {verb.name}\n\n```text\n{help_of(verb.name)}\n```")
    return "\n\n".join(parts)


def help_of(verb: str) -> str:
    """What `teamflow VERB --help` prints on a terminal of 80 columns."""
    above = click.Context(teamflow, info_name="teamflow")
    command = teamflow.get_command(above, verb)
    assert command is not None
    context = click.Context(command, parent=above, info_name=verb, terminal_width=78, **command.context_settings)
    return command.get_help(context).rstrip()


def engines() -> str:
    """What each engine for agents can do, by its `Capabilities`."""
    rows = [(f"`{name}`", engine(name).capabilities) for name in BUILT_IN]
    rows.append(("any other that speaks ACP", custom_engine("x", EngineDefinition(("x",), output="acp")).capabilities))
    lines = [
        "| engine | goes on | hears while it works | interrupted | outputs by schema | asks leave "
        "| keeps by itself or asks about | MCP | `isolate` | `base_url` | tells money |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, can in rows:
        steer = {"fold": "yes", "abort": "no: it would start anew", "none": "no"}[can.steer]
        cells = (
            *(name, _yes(can.resume), steer, "by message" if can.interrupt else "by signal"),
            *("its own" if can.schema else "asked for in the prompt", _yes(can.asks)),
            *(", ".join(part for part in PARTS_KEPT if part in can.enforces) or "what it asks about", _kinds(can)),
            *(_yes(can.isolates), _yes(can.base_url), _yes(can.cost)),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


PARTS_KEPT = ("read", "edit", "globs", "run", "net")
"""As in `Capabilities.enforces`, in the order of the page."""


def programs() -> str:
    """What has to be installed for each engine, and the limits of its watchdogs."""
    lines = [
        "| engine | program | needs at least | tested with | installed by | inherits besides the basic variables "
        "| session within | silent for at most |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in BUILT_IN:
        can = engine(name).capabilities
        login = ", ".join(f"`{variable}`" for variable in can.login)
        limits = (duration(limit) if limit is not None else "" for limit in (can.session_within, can.silence))
        versions = (can.least or "not known", can.tested)
        cells = (f"`{name}`", f"`{can.program[0]}`", *versions, f"`{can.install}`", login, *limits)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _yes(can: bool) -> str:
    return "yes" if can else "no"


def _kinds(can: Capabilities) -> str:
    return ", ".join(kind for kind in ("stdio", "http", "sse") if kind in can.mcp) or "no"


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "states": ("docs/operations.md", states),
    "layers": ("docs/architecture.md", layers),
    "verbs": ("docs/cli.md", verbs),
    "engines": ("docs/engines.md", engines),
    "programs": ("docs/engines.md", programs),
}


def between(text: str, name: str) -> tuple[int, int]:
    """Where the part of that name lies in a page: after its first marker, before its last."""
    found = re.search(rf"(?s)<!-- {name}:begin[^\n]*-->\n(.*?)\n<!-- {name}:end -->", text)
    if found is None:
        raise ValueError(f"no markers {name}:begin and {name}:end")
    return found.span(1)


def main() -> None:
    for name, (page, make) in PARTS.items():
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        start, end = between(text, name)
        path.write_text(text[:start] + make() + text[end:], encoding="utf-8")


if __name__ == "__main__":
    main()

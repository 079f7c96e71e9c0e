"""`teamflow explain`: what a diagnostic code means, with an example of wrong and right."""

from __future__ import annotations

import click

from teamflow.cli.output import out
from teamflow.cli.verb import VerbCommand, json_option
from teamflow.core.code import Code
from teamflow.core.codes import CODES
from teamflow.core.codes import explain as explain_code
from teamflow.core.plan import Json
from teamflow.views.json import json_text


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow explain unknown-key", "one code, as it stands in a message"),
        ("teamflow explain", "every code with its title"),
        ("teamflow explain --json unknown-key", "for a script"),
    ),
)
@click.argument("code", required=False)
@json_option
def explain(code: str | None, as_json: bool) -> None:
    """Explain a diagnostic code; all of them are listed without one."""
    if code is None:
        if as_json:
            out(json_text({"schema_version": 1, "codes": [_entry(entry) for entry in CODES.values()]}, indent=2) + "\n")
            return
        size = max(len(slug) for slug in CODES)
        out("".join(f"{slug:<{size}}  {entry.title}\n" for slug, entry in sorted(CODES.items())))
        return
    word = code.strip("[]")
    text = explain_code(word)
    if text is None:
        from teamflow.core.diagnostics import did_you_mean

        raise click.UsageError(
            f"there is no code {code!r}; {did_you_mean(word, CODES) or '`teamflow explain` lists them all'}"
        )
    out(json_text({"schema_version": 1, **_entry(CODES[word])}, indent=2) + "\n" if as_json else text)


def _entry(code: Code) -> dict[str, Json]:
    """As in diagnostics, the stable word is called `code`."""
    fields = code._asdict()
    return {"code": fields.pop("slug"), **fields}

"""References to environment variables within texts: `${X}`, `${env:X}`, `{env:X}`, `$X`, by who expands them.

Decides which spelling means what to whom, and whether a text still says the same in another spelling. Looks no
variable up, except in what `expanded` is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from teamflow.core.named import NamedTuple

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
# Ends before the next opening: text full of openings without an end would be scanned to its end for each.
_DEFAULT = r"(?::-(?P<default>(?:[^}$]|\$(?!\{))*+))?"


class Reference(NamedTuple):
    name: str
    default: str | None = None


Parts: TypeAlias = "tuple[str | Reference, ...]"
"""A text in pieces; no two texts beside each other, none is empty."""


class Spelling(NamedTuple):
    """`pattern` finds references, by the groups `name` or `name2`, `default` and `input`; None: nobody expands any.

    `write`: how one is spelled.
    """

    owner: str
    pattern: re.Pattern[str] | None
    write: Callable[[Reference], str]


class Translated(NamedTuple):
    """`why`: what the text does not say any more; "" when it says the same."""

    text: str
    why: str


def _dollar(reference: Reference) -> str:
    default = "" if reference.default is None else f":-{reference.default}"
    return f"${{{reference.name}{default}}}"


CANONICAL: Final = Spelling("teamflow", re.compile(rf"\$\{{(?P<name>{_NAME}){_DEFAULT}\}}"), _dollar)
LENIENT: Final = Spelling(
    "claude",
    re.compile(
        rf"\$\{{(?:env:)?(?P<name>{_NAME}){_DEFAULT}\}}|\$\{{input:(?P<input>[^}}$]{{1,200}})\}}|\{{env:(?P<name2>{_NAME})\}}"
    ),
    _dollar,
)
"""What files called `.mcp.json` have in them, of whichever program they were written for."""
SHELL: Final = Spelling("", re.compile(rf"\$\{{(?P<name>{_NAME}){_DEFAULT}\}}|\$(?P<name2>[A-Za-z0-9_]+)"), _dollar)
"""Gemini and Copilot."""
COLON: Final = Spelling(
    "vscode",
    re.compile(rf"\$\{{env:(?P<name>{_NAME})\}}|\$\{{input:(?P<input>[^}}$]{{1,200}})\}}"),
    lambda reference: f"${{env:{reference.name}}}",
)
BRACE: Final = Spelling(
    "opencode", re.compile(rf"\{{env:(?P<name>{_NAME})\}}"), lambda reference: f"{{env:{reference.name}}}"
)
PLAIN: Final = Spelling("", None, _dollar)
"""Codex and Zed: texts are taken as they stand."""


def parts(text: str, spelling: Spelling) -> Parts:
    if spelling.pattern is None:
        return (text,) if text else ()
    found: list[str | Reference] = []
    end = 0
    for match in spelling.pattern.finditer(text):
        groups = match.groupdict()
        asked = groups.get("input")
        name = variable_of(asked) if asked else groups.get("name") or groups.get("name2") or ""
        if match.start() > end:
            found.append(text[end : match.start()])
        found.append(Reference(name, groups.get("default")))
        end = match.end()
    if end < len(text):
        found.append(text[end:])
    return tuple(found)


def variable_of(asked: str) -> str:
    """The variable that stands for what VS Code asks for as `${input:asked}`: `github-token` is `GITHUB_TOKEN`."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", asked).upper()
    return f"_{name}" if name[:1].isdigit() else name


def inputs(text: str) -> list[str]:
    """The ids of `${input:id}` in a text."""
    return re.findall(r"\$\{input:([^}$]{1,200})\}", text)


def translated(text: str, before: Spelling, after: Spelling) -> Translated:
    """`text` as `after` spells it."""
    meant = parts(text, before)
    out = "".join(part if isinstance(part, str) else after.write(part) for part in meant)
    found = parts(out, after)
    if found == meant:
        return Translated(out, "")
    references = [part for part in meant if isinstance(part, Reference)]
    if references and after.pattern is None:
        return Translated(out, f"{_dollar(references[0])} is not expanded there, and stays as text")
    if [part if isinstance(part, str) else part.name for part in found] == [
        part if isinstance(part, str) else part.name for part in meant
    ]:
        return Translated(out, "there are no defaults for variables there")
    first = next((part for part in found if isinstance(part, Reference) and part not in meant), None)
    what = f'"{after.write(first)}"' if first else "a part of it"
    return Translated(out, f"{what} was text, and is a reference to a variable there")


class Expanded(NamedTuple):
    """`missing`: names of variables that have neither value nor default; their references stay."""

    text: str
    missing: tuple[str, ...]


def expanded(text: str, environ: Mapping[str, str]) -> Expanded:
    """A canonical text with values in the place of its references. An empty value counts as none where there is a
    default, as in a shell."""
    out: list[str] = []
    missing: list[str] = []
    for part in parts(text, CANONICAL):
        if isinstance(part, str):
            out.append(part)
            continue
        value = environ.get(part.name)
        if part.default is not None and not value:
            value = part.default
        if value is None:
            missing.append(part.name)
        out.append(_dollar(part) if value is None else value)
    return Expanded("".join(out), tuple(missing))

"""Team files to start from, and how one is written into a directory without touching what is there.

A template is a directory below `templates/`; its `team.yaml` opens with a comment that describes it, after the line
that tells editors where the schema lies: a copy in `.teamflow/`, written with it.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from teamflow.app.project import project_of
from teamflow.core.named import NamedTuple

_ROOT: Final = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "templates")
_IGNORED: Final = ".teamflow/"
_SCHEMA: Final = ".teamflow/team.schema.json"


class Template(NamedTuple):
    name: str
    about: str


class InitError(Exception):
    """A template that cannot be written; the message says where, why, and what to do. Nothing was written."""


class Written(NamedTuple):
    """Absolute paths: the files made, the directory, and the `.gitignore` that was added to (None: not needed)."""

    files: tuple[str, ...]
    directory: str
    gitignore: str | None


def templates() -> list[Template]:
    """All of them, `default` first."""
    names = sorted(
        (name for name in os.listdir(_ROOT) if os.path.isdir(f"{_ROOT}/{name}")), key=lambda n: (n != "default", n)
    )
    return [Template(name, _about(name)) for name in names]


def _about(name: str) -> str:
    with open(f"{_ROOT}/{name}/team.yaml", encoding="utf-8") as file:
        for line in file:
            if line.startswith("#") and "$schema" not in line:
                return line.lstrip("# ").strip()
    raise AssertionError(f"template {name} does not describe itself")


def write_template(name: str, directory: str) -> Written:
    """Writes a template's files into `directory`, which is made where it is missing. InitError."""
    source = _files(name)
    if not source:
        known = ", ".join(template.name for template in templates())
        raise InitError(f"there is no template {name!r}\n  there are: {known}")
    taken = [path for path in source if os.path.lexists(os.path.join(directory, path))]
    if taken:
        there = os.path.join(directory, taken[0])
        raise InitError(
            f"{there}: it is there already, and init overwrites nothing\n  name another directory, or move it"
        )
    try:
        os.makedirs(directory, exist_ok=True)
        schema = os.path.join(project_of(directory).root, _SCHEMA)
        source["team.yaml"] = source["team.yaml"].replace(
            _SCHEMA, os.path.relpath(schema, os.path.realpath(directory)), 1
        )
        written = [_write(os.path.join(directory, path), text) for path, text in source.items()]
        _write_schema(schema)
        return Written(tuple(written), os.path.realpath(directory), _ignore(directory))
    except OSError as error:
        raise InitError(
            f"{error.filename or directory}: {error.strerror or errno.errorcode.get(error.errno or 0)}"
        ) from error


def _files(name: str) -> dict[str, str]:
    root = f"{_ROOT}/{name}"
    if name not in os.listdir(_ROOT):
        return {}
    found = {}
    for place, _, files in os.walk(root):
        for file in sorted(files):
            path = os.path.join(place, file)
            with open(path, encoding="utf-8") as opened:
                found[os.path.relpath(path, root)] = opened.read()
    return found


def _write(path: str, text: str) -> str:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)
    return os.path.realpath(path)


def _write_schema(path: str) -> None:
    """The schema of this version, for editors; one that is there is brought up to date."""
    from teamflow.team.schema import schema_text

    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(schema_text())


def _ignore(directory: str) -> str | None:
    """Adds `.teamflow/` to the project's .gitignore, where git is used and does not ignore it yet."""
    project = project_of(directory)
    if not project.git:
        return None
    path = f"{project.root}/.gitignore"
    before = ""
    if os.path.lexists(path):
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            before = file.read()
    if any(line.strip() in (_IGNORED, ".teamflow", "/.teamflow/", "/.teamflow") for line in before.splitlines()):
        return None
    with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(("\n" if before and not before.endswith("\n") else "") + _IGNORED + "\n")
    return path

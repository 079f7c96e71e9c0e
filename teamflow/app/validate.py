"""One team file read and checked as far as that needs no inputs: what `validate` reports.

Places are named as seen from the directory in which the command was called, or from the top of the repository for those
who show them there. Starts nothing and writes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from teamflow.app.brought import Brought
from teamflow.app.files import ProjectFiles
from teamflow.app.plugins import spare_plugins
from teamflow.app.project import find_source, project_of
from teamflow.core.diagnostics import Diagnostic, Diagnostics, Span
from teamflow.core.named import NamedTuple

if TYPE_CHECKING:
    from teamflow.team.load import LoadedTeam


class Checked(NamedTuple):
    """`name`: the file as messages call it; `sources`: texts for excerpts, by the names in the diagnostics; `root`: of
    the project; `loaded`: None when there are errors."""

    name: str
    diagnostics: Diagnostics
    sources: Mapping[str, str]
    root: str
    loaded: LoadedTeam | None


def validate_file(word: str | None, directory: str, *, from_top: bool = False) -> Checked:
    """`from_top`: places are named from the top of the file's git repository, where it is in one. Raises NoTeamFile."""
    path = find_source(word, directory)
    root, git = project_of(os.path.dirname(path))
    file = os.path.relpath(path, root)
    spare_plugins()
    from teamflow.team.files import is_outside
    from teamflow.team.load import load

    files = ProjectFiles(root)
    loaded = load(file, sources=files, anywhere=files.anywhere, others=Brought())
    found = Diagnostics(loaded.diagnostics)
    if loaded.team is not None:
        from teamflow.plan.checked import check_graph

        found.extend(check_graph(loaded.team))

    here = root if from_top and git else os.path.realpath(directory)

    def shown(name: str) -> str:
        return name if is_outside(name) else os.path.relpath(os.path.join(root, name), here)

    diagnostics = Diagnostics(moved(item, shown) for item in found)
    sources = {shown(name): text for name, text in loaded.sources.items()}
    return Checked(shown(file), diagnostics, sources, root, None if diagnostics.has_errors else loaded.team)


def moved(item: Diagnostic, shown: Callable[[str], str]) -> Diagnostic:
    """The same complaint with its places named by `shown`."""

    def place(span: Span) -> Span:
        return replace(span, file=shown(span.file))

    related = tuple((word, place(span)) for word, span in item.related)
    return replace(item, span=None if item.span is None else place(item.span), related=related)

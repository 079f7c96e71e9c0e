"""The run that a reading verb means: of the project around the current directory, opened for as long as it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from teamflow.app.inspect import Inspected, open_project, open_run
from teamflow.app.project import project_around
from teamflow.cli.output import say


@contextmanager
def opened(number: int | None, *, root: str | None = None) -> Iterator[Inspected]:
    """Raises NoRun, StoreError."""
    project = project_around(root or os.getcwd())
    with open_project(project, os.environ) as database:
        inspected = open_run(database, number)
        if inspected.gone and not inspected.state.ended:
            from teamflow.app.leftovers import end_leftovers

            killed = end_leftovers(database.layout, inspected.row.number)
            if killed:
                say(f"ended {len(killed)} processes that had lost both runner and keeper")
        yield inspected

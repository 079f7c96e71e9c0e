"""The comparison of a run's worktrees, beside its loop: begun with it, ended with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from teamflow.core.state import RunState
from teamflow.ports import Workspaces
from teamflow.run.executor import Executor
from teamflow.run.overlapping import Overlapping


@contextmanager
def comparing(
    state: RunState,
    executor: Executor,
    workspaces: Callable[[], Workspaces | str],
    *,
    environ: Mapping[str, str],
    warn: Callable[[str], object],
) -> Iterator[None]:
    every = _seconds(environ.get("TEAMFLOW_OVERLAP_SECONDS", ""))
    one = Overlapping(
        state, workspaces=workspaces, take=executor.take, over=lambda: executor.over, warn=warn, every=every
    )
    task = asyncio.get_running_loop().create_task(one.follow(), name="overlaps")
    try:
        yield
    finally:
        one.stop()
        task.cancel()


def _seconds(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0.0 < found < 1e6 else None

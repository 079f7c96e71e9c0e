"""What runs on after runner and keeper both died: ended by the next verb that looks at the run.

With the keeper dead nobody holds limits or takes output in any more, so such processes have no owner.
"""

from __future__ import annotations

from teamflow.store.layout import Layout
from teamflow.store.lock import PATIENCE, undriven
from teamflow.targets import keeper_files


def end_leftovers(layout: Layout, run: int) -> tuple[int, ...]:
    """The processes that were killed; none while a runner or the keeper lives, or where nothing is left."""
    run_dir = layout.run(run)
    # keeper.json goes with a keeper that ends in order.
    if keeper_files.is_held(run_dir) or keeper_files.identity(run_dir) is None:
        return ()
    from teamflow.keeper import reaper

    with undriven(layout, run) as free:
        return tuple(reaper.reap(run_dir, deadline=PATIENCE / 2).killed) if free else ()

"""What the loop of a run needs first, as soon and as cheap as it is to be had: asyncio, and a keeper."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from teamflow.app.parts import Wired
    from teamflow.app.session import Session
    from teamflow.targets.keeper_process import Child


def asyncio_without_tls() -> ModuleType:
    """asyncio does without `ssl` where there is none; here only local sockets are used, and it is slow to import."""
    absent = "ssl" not in sys.modules
    if absent:
        sys.modules["ssl"] = cast("ModuleType", None)
    try:
        import asyncio
    finally:
        if absent:
            del sys.modules["ssl"]
    return asyncio


def start_keeper(run_dir: str, session: Session, wired: Wired) -> Child | None:
    """None where it cannot be started: the first step then says why."""
    from teamflow.targets.keeper_process import spawn

    try:
        return spawn(run_dir, environ=wired.environ, orphan_after=session.plan.limits.orphan_after)
    except OSError:
        return None

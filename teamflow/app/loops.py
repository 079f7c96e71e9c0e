"""asyncio for a run, as cheap as it is to be had."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import cast


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

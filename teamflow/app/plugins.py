"""Spares commands what libraries do when they are imported, and nobody here needs.

A look for plugins of pydantic takes 10 ms, and more the more packages are installed beside us: when the first model is
made, pydantic imports `importlib.metadata` and reads what each of them says of itself. Nothing of ours is for plugins.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Final, cast

LOADER: Final = "pydantic.plugin._loader"


class NoPlugins(ModuleType):
    """In place of pydantic's loader. Whatever else somebody wants of that, they get from the real one."""

    def __init__(self) -> None:
        super().__init__(LOADER, __doc__)

    @staticmethod
    def get_plugins() -> tuple[()]:
        return ()

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(LOADER) is self:
            del sys.modules[LOADER]
        return getattr(importlib.import_module(LOADER), name)


def spare_plugins() -> None:
    """To be called before the first model is made. Idempotent."""
    sys.modules.setdefault(LOADER, NoPlugins())


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

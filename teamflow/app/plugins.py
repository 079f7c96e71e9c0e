"""Spares commands a look for plugins of pydantic: 10 ms, and more the more packages are installed beside us.

To look for them, pydantic imports `importlib.metadata` and reads what each installed package says of itself, when the
first model is made. Nothing of ours is for plugins.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Final

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

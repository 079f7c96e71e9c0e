"""pydantic's loader of plugins, and what stands in its place."""

from __future__ import annotations

import subprocess
import sys

CHECK = """
import sys
from teamflow.app.plugins import LOADER, NoPlugins, spare_plugins
spare_plugins()
import teamflow.team.model
stand_in = sys.modules[LOADER]
assert isinstance(stand_in, NoPlugins)
assert stand_in.get_plugins() == ()
assert not hasattr(stand_in, "__path__")
from pydantic.plugin._loader import PYDANTIC_ENTRY_POINT_GROUP
assert PYDANTIC_ENTRY_POINT_GROUP == "pydantic"
assert not isinstance(sys.modules[LOADER], NoPlugins), "who wants more gets the real one"
"""


def test_no_plugin_is_looked_for_and_the_rest_is_there() -> None:
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

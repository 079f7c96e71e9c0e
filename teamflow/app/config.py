"""The effective team file for people and programs: loaded, settled, and without the values of secrets.

Values of declared secrets and of env files never stand in it, not even where somebody has written one into a file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from teamflow.app.secrets import declared_secrets
from teamflow.app.validate import Checked, validate_file
from teamflow.core.named import NamedTuple
from teamflow.core.redact import Redactor
from teamflow.team.effective import Node, effective
from teamflow.team.files import is_outside


class Config(NamedTuple):
    """`settings` is None when the file has errors."""

    checked: Checked
    settings: dict[str, Node] | None


def config_file(word: str | None, *, environ: Mapping[str, str], directory: str) -> Config:
    """Raises NoTeamFile."""
    checked = validate_file(word, directory)
    if checked.loaded is None:
        return Config(checked, None)
    hidden = declared_secrets(checked.loaded, root=checked.root, environ=environ)
    here = os.path.realpath(directory)

    def named(file: str) -> str:
        return file if is_outside(file) else os.path.relpath(os.path.join(checked.root, file), here)

    return Config(checked, effective(checked.loaded, named=named, hide=Redactor(hidden).json))

"""The id of the model that answers, out of what an agent tells: only what can be the name of one is believed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from teamflow.core.invocation import ModelTold
from teamflow.core.plan import Json

_ID: Final = re.compile(r"[A-Za-z0-9][\w./:@+~\[\]-]{0,119}", re.ASCII)
_NO_ID: Final = frozenset(("default", "auto"))
"""They stand for a choice that is made elsewhere."""


def model_told(value: Json) -> Iterator[ModelTold]:
    """Nothing for what is no id."""
    if isinstance(value, str) and value not in _NO_ID and _ID.fullmatch(value):
        yield ModelTold(value)

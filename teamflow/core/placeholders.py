"""Names in the words of an engine's definition: `--model={{ model }}`. Filled in once, and nothing that is filled in is
read again; there are no expressions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from teamflow.core.plan import EngineDefinition

PROMPT: Final = "prompt"
PROMPT_FILE: Final = "prompt_file"
MODEL: Final = "model"
SESSION: Final = "session"

_PLACEHOLDER: Final = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}")


def placeholders(word: str) -> list[str]:
    """The names that a word holds."""
    return _PLACEHOLDER.findall(word)


def without_placeholders(word: str) -> str:
    """What else stands in it."""
    return _PLACEHOLDER.sub("", word)


def begins_with(word: str, name: str) -> bool:
    """Whether what is filled in for `name` will be the beginning of the word."""
    found = _PLACEHOLDER.match(word)
    return found is not None and found[1] == name


def takes_model(definition: EngineDefinition) -> bool:
    """Whether a model can be named for an engine."""
    return bool(definition.model) or any(MODEL in placeholders(value) for value in definition.env.values())


def fill(word: str, values: Mapping[str, str]) -> str:
    """The word with its placeholders filled in. KeyError for a name without a value."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], word)

"""Exceptions from the rules that `tests/arch` holds the code to: one list, each entry with its reason."""

from __future__ import annotations

from typing import Final

FILES: Final[dict[str, tuple[int, str]]] = {}
"""Path → (lines that it may have, why it is not two files)."""

FUNCTIONS: Final[dict[str, tuple[int, str]]] = {}
"""`path:name` → (lines that it may have, why)."""

COMPLEXITY: Final[dict[str, tuple[int, str]]] = {}
"""`path:name` → (branches that it may have, why)."""

IMPURE: Final[dict[str, str]] = {
    "teamflow/engines/_scripted_player.py": "the program that the scripted engine starts: it runs as a process of its "
    "own, and nothing imports it",
    "teamflow/engines/_replay_player.py": "likewise, of recordings",
}
"""Files in pure packages that may act."""

BROAD_EXCEPT: Final[dict[str, str]] = {
    "teamflow/app/brought.py": "the edge to engines of other packages, which may do anything when they are loaded",
    "teamflow/cli/errors.py": "the boundary of the command line",
    "teamflow/keeper/program.py": "the edge of the keeper: the last place that can say what happened",
}
"""Files that may catch everything."""

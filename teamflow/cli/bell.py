"""Getting somebody's attention: a bell and a notification on a terminal, once for each question.

The notification is OSC 9, which many terminals show on the desktop and the others ignore. Nothing is written where no
terminal is, to one that is dumb, and in CI.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final, TextIO

from teamflow.core.state import Question

_BELL: Final = "\a"
_LONGEST: Final = 200


class Bell:
    """Of one terminal, for one run."""

    def __init__(self, stream: TextIO, run: int, *, environ: Mapping[str, str] = os.environ) -> None:
        self._stream = stream
        self._run = run
        self._told: set[int] = set()
        self._silent = bool(environ.get("CI")) or environ.get("TERM", "dumb") == "dumb" or not stream.isatty()

    def ring(self, questions: Iterable[Question]) -> None:
        """For those of the questions that are open, and that it has not rung for."""
        fresh = [question for question in questions if question.open and question.number not in self._told]
        if not fresh:
            return
        self._told.update(question.number for question in fresh)
        if not self._silent:
            # Imported here: most runs ask nobody.
            from teamflow.views.questions import notification
            from teamflow.views.width import fit

            told = fit(notification(fresh, self._run), _LONGEST)
            self._stream.write(f"{_BELL}\x1b]9;{told}{_BELL}")
            self._stream.flush()

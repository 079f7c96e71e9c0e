"""Which models have really answered: of a team file, by engine and by the name that it was asked for by.

Decides by the runs of the file, newest first; what was played back, or cannot be read, tells nothing. An id is what
the engine reported of the session (`Outcome.model`), not what the team file says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from teamflow.app.session import read_state
from teamflow.core.chain import works_as
from teamflow.core.codec import CodecError
from teamflow.core.outcome import Succeeded
from teamflow.core.state import RunState
from teamflow.plan.stored import PlanFormatError
from teamflow.store.errors import StoreError
from teamflow.store.sqlite import Database

_RUNS: Final = 20
"""So many runs are looked at."""


def answered(database: Database, file: str, wanted: Iterable[tuple[str, str]]) -> dict[str, dict[str, str]]:
    """Engine → name → id, of these (engine, name; empty where none is named), each as the newest run has it in which it
    answered. StoreError: there is no reading at all."""
    missing, found = set(wanted), dict[str, dict[str, str]]()
    runs = (row for row in database.runs() if row.file == file and not row.replay)
    for row, _ in zip(runs, range(_RUNS), strict=False):
        if not missing:
            break
        try:
            state, _plans = read_state(database, row.number)
        except (StoreError, CodecError, PlanFormatError):  # removed just now, or of a newer teamflow
            continue
        for (engine, name), model in _told(state).items():
            if (engine, name) in missing:
                missing.discard((engine, name))
                found.setdefault(engine, {})[name] = model
    return found


def _told(state: RunState) -> dict[tuple[str, str], str]:
    """The last one of each; programs that the team file defines are its own affair."""
    own, found = state.plan.engines, dict[tuple[str, str], tuple[float, str]]()
    for known in state.steps.values():
        for attempt in known.attempts:
            outcome = attempt.outcome
            engine = works_as(attempt.engine, own.get(attempt.engine))
            if engine is None or not isinstance(outcome, Succeeded) or outcome.model is None:
                continue
            key, at = (engine, attempt.model or ""), attempt.ended or 0.0
            found[key] = max(found.get(key, (at, outcome.model)), (at, outcome.model))
    return {key: model for key, (_, model) in found.items()}

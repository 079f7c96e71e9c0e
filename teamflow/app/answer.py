"""Answering a question of a run, whether or not a runner lives: without one the answer is recorded, and nothing else.

Notes are redacted before anything is stored.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.app.act import Told, ask
from teamflow.app.inspect import Inspected
from teamflow.policy.answering import Given
from teamflow.policy.requests import answer_args

VERB = "answer"


def answer(inspected: Inspected, given: Given, *, by: str, environ: Mapping[str, str]) -> Told:
    """The answer of a person; whether it counts, and what to say."""
    args = answer_args(given._replace(note=inspected.redactor.text(given.note)))
    return ask(inspected, VERB, args, by=by, environ=environ)

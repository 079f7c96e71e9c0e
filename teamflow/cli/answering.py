"""What `answer`, `approve` and `reject` share: which question is meant, and what became of the answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from teamflow.app.answer import answer
from teamflow.app.inbox import NoQuestion, meant
from teamflow.app.inspect import open_project, open_run
from teamflow.app.project import project_around
from teamflow.cli.acting import report, who
from teamflow.core.questions import question_id
from teamflow.policy.answering import Given
from teamflow.store.text import storable

F = TypeVar("F", bound=Callable[..., Any])

ABOUT_ID = "ID is a question's, such as 12.1, its number in the newest run, or the step that asks."


def note_option(function: F) -> F:
    return click.option("--note", default="", metavar="TEXT", help="Said with it; steps that come after can read it.")(
        function
    )


def give(name: str, verb: str, *, run: int | None, text: str = "", note: str = "", as_json: bool) -> int:
    """Answers the question of that name; the exit code. Raises NoQuestion, NoRun, StoreError."""
    with open_project(project_around(os.getcwd()), os.environ) as database:
        number, question = meant(database, name, run=run)
        inspected = open_run(database, number)
        if not 1 <= question <= len(inspected.state.questions):
            asked = len(inspected.state.questions)
            known = f"its questions are numbered from 1 to {asked}" if asked else "it has asked nothing"
            raise NoQuestion(f"run {number} has no question {question}: {known}\n  `teamflow inbox` lists what is open")
        given = Given(question, verb, storable(text), storable(note))
        done, message = answer(inspected, given, by=who(), environ=os.environ)
        told = question_id(number, question)
        return report(number, done=done, message=message, as_json=as_json, question=told)

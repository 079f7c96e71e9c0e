"""Leave that running agents ask for: the events of it. Part of the union in `core/events.py`.

A request is a question to a person while the agent's process lives and waits. Its answer is a `QuestionAnswered`.
"""

from __future__ import annotations

from teamflow.core.named import NamedTuple

PERMISSION = "permission"
"""What such a question is about."""


class LeaveAsked(NamedTuple):
    """A running agent wants leave for something that nobody has settled yet. `request` names it within the attempt;
    the first line of `text` says for what, the next one why somebody is asked.

    The step waits for a person; its process lives and keeps its slot, its deadlines stand still.
    """

    step: str
    attempt: int
    request: str
    text: str


class LeaveWithdrawn(NamedTuple):
    """The agent does not wait for that any more."""

    step: str
    attempt: int
    request: str

"""What the server keeps of each request, and what it hands to the HTTP side to be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tests.fakes.models import anthropic, chat, gemini, responses
from tests.fakes.models.script import Step
from tests.fakes.models.wire import Answer, Ask

DIALECTS: Final[tuple[Any, ...]] = (anthropic, responses, chat, gemini)

DEFAULT: Final = "agent"
"""The agent of a call that names none."""


@dataclass
class Request:
    """One HTTP request. `kind`: `step` and `side` are model calls, else `count` or `other`. `ended`: `answered`, `cut`,
    `hung up` (by the client), `refused` (a bad script), or nothing while the answer is under way.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    agent: str = DEFAULT
    kind: str = "other"
    ask: Ask | None = None
    step: Step | None = None
    ended: str = ""

    def says(self, text: str) -> bool:
        """Whether the text stands anywhere in what the model was sent."""
        return _within(self.body, text)


def _within(value: Any, text: str) -> bool:
    if isinstance(value, dict):
        return any(_within(one, text) for one in value.values())
    if isinstance(value, list):
        return any(_within(one, text) for one in value)
    return text in str(value)


@dataclass
class Reply:
    """What `http.py` has to send."""

    request: Request
    step: Step
    answer: Answer | None = None

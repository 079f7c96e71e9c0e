"""Conversations with the real Codex, kept for the fast tests by TEAMFLOW_RECORD=1 in tests/e2e/test_real_codex.py.

What names a machine or a moment is replaced, so that a new recording differs from the old one where Codex does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from teamflow.core.invocation import Brief, Exit
from tests.fakes.agents.pump import Pump
from tests.unit.engines.transcripts import Transcript, save

FOLDER = "codex_sessions"

KEPT = (
    "a_session",
    "a_turn",
    "failures_of",
    "an_interrupt_ends_the_turn_and_its_end_the_command-full",
    "it_is_steered",
    "no_subsequent_line",
    "other_commands",
    "outputs_are",
    "patches_are_judged_by_the_list-more0",
    "permissions_hold",
    "what_comes_when",
    "what_is_to_leave_the_sandbox_is_asked_for",
)
"""Beginnings of the names of those tests."""

_SAME = (
    (re.compile(r'("(?:\w*[aA]t|\w*AtMs|recencyAt|durationMs)":)\d+'), r"\g<1>1"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "http://127.0.0.1:1"),
    (re.compile(r'("(?:serverName|installationId)":)"[^"]*"'), r'\g<1>"x"'),
    (re.compile(r"rollout-[\w:-]+?T[\d-]{8}-"), "rollout-"),
    (re.compile(r"/sessions/\d+/\d+/\d+/"), "/sessions/1/1/1/"),
    (re.compile(r'"processId":"\d+"'), '"processId":"1"'),
)
_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


def keep(name: str, agent: Pump, end: Exit, *, replaced: Mapping[str, str]) -> None:
    """One attempt that has ended. `replaced`: text by what is to stand in its place."""
    if not name.startswith(KEPT):
        return
    names: dict[str, str] = {}

    def plain(text: str) -> str:
        for old, new in replaced.items():
            text = text.replace(old, new)
        for pattern, new in _SAME:
            text = pattern.sub(new, text)
        return _ID.sub(lambda found: names.setdefault(found[0], f"00000000-0000-4000-8000-{len(names):012}"), text)

    output, inputs, at = "", [], 0
    whole = agent.output
    for offset, text in agent.inputs:
        output += plain(whole[at:offset].decode())
        inputs.append((len(output.encode()), plain(text)))
        at = offset
    output += plain(whole[at:].decode())
    brief = Brief(*(_plain(value, plain) for value in agent.brief))
    save(FOLDER, Transcript(name, brief, output.encode(), tuple(inputs), end))


def _plain(value: Any, plain: Any) -> Any:
    return plain(value) if isinstance(value, str) else value

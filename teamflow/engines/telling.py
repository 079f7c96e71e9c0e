"""What an agent CLI is told, in which part of its input: who it is and what it may rely on, then what it has to do.

Instructions go where a CLI has a place for them besides its own (and again on resume, for none keeps them); else they
stand before the prompt. A session that goes on is told only what is new.
"""

from __future__ import annotations

from teamflow.core.invocation import Brief
from teamflow.engines.results import request


def instructions(brief: Brief) -> str:
    """Who the agent is, and what it is told of its team."""
    told = (brief.instructions, brief.context, brief.reporting)
    return "\n\n".join(part for part in map(str.strip, told) if part)


def prompt(brief: Brief, *, schema: bool = False, with_instructions: bool = False) -> str:
    """What it has to do. `schema`: the CLI itself asks its model for declared outputs. `with_instructions`: it has no
    other place for them."""
    wanted = request(brief.schemas) if brief.schemas and not schema else ""
    # A notice about outputs that did not fit says what is wanted already.
    parts = (
        instructions(brief) if with_instructions else "",
        brief.prompt,
        wanted if wanted not in brief.notice else "",
        brief.notice,
        *brief.messages,
    )
    text = "\n\n".join(part for part in parts if part)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # Halves of surrogate pairs are no text.
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text

"""Every diagnostic code with its explanation and an example: what `teamflow explain CODE` prints.

Decides nothing. A test proves that each code used in the sources is here, and that each wrong example yields it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Final

from teamflow.core.code import Code
from teamflow.core.codes_engines import ENGINES
from teamflow.core.codes_run import RUN
from teamflow.core.codes_team import TEAM
from teamflow.core.codes_yaml import YAML

CODES: Final[Mapping[str, Code]] = {code.slug: code for code in (*YAML, *TEAM, *RUN, *ENGINES)}


def explain(slug: str) -> str | None:
    """The explanation of a code as text of several lines, None when there is no such code."""
    code = CODES.get(slug)
    if code is None:
        return None
    parts = [f"{code.slug}: {code.title}", textwrap.fill(code.explanation, 100, break_long_words=False)]
    for word, example in (("Wrong", code.wrong), ("Right", code.right)):
        if example:
            about = "" if code.about == "team file" else f" ({code.about})"
            indented = "\n".join(f"    {line}".rstrip() for line in example.rstrip("\n").splitlines())
            parts.append(f"{word}{about}:\n\n{indented}")
    return "\n\n".join(parts) + "\n"

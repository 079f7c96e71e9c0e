"""What an agent is shown to do, and to ask leave for, in words for people."""

from __future__ import annotations

import pytest

from teamflow.core.invocation import Brief
from teamflow.core.permissions import Wish
from teamflow.engines.doing import named

BRIEF = Brief("a", 1, "first", "/p/work/a/sub", roots=("/p/work/a", "/real/a"))


@pytest.mark.parametrize(
    ("paths", "text", "shown"),
    [
        (("/p/work/a/.claude/x.json",), "edit /p/work/a/.claude/x.json", "edit .claude/x.json"),
        (("/real/a/b", "/real/a/b/c"), "edit /real/a/b, /real/a/b/c: wants to", "edit b, b/c: wants to"),
        (("/etc/passwd",), "edit /etc/passwd", "edit /etc/passwd"),
        (("/p/work/ab/x",), "edit /p/work/ab/x", "edit /p/work/ab/x"),
        (("src/a.py",), "edit src/a.py", "edit src/a.py"),
        ((), "edit files", "edit files"),
    ],
)
def test_files_of_the_workspace_are_asked_about_by_their_names_in_it(
    paths: tuple[str, ...], text: str, shown: str
) -> None:
    assert named(Wish("edit", text, paths=paths), BRIEF).text == shown


def test_a_command_is_asked_about_word_for_word() -> None:
    """Who approves it has to see what is run."""
    wish = Wish("run", "run rm -r /p/work/a/x", paths=("/p/work/a/x",), command="rm -r /p/work/a/x")
    assert named(wish, BRIEF) == wish

"""The live table as rich draws it, on a terminal of so many columns and lines that there is none."""

from __future__ import annotations

import io

from teamflow.cli.live import Screen
from teamflow.core.events import Event
from teamflow.views.text import no_last_line
from tests.unit.views.stories import BUSY, HEADER, busy_plan, later, told


def drawn(
    events: list[Event], *, elsewhere: str = "", columns: int = 80, lines: int = 24, footer: str = ""
) -> list[str]:
    """The lines of the table, without blanks at their end. `elsewhere`: a step that works on another machine."""
    plan = busy_plan()
    steps = [step._replace(target="mac") if step.id == elsewhere else step for step in plan.steps]
    state, log = told(plan._replace(steps=tuple(steps)), events)
    file = io.StringIO()
    screen = Screen(file)
    screen.console.size = (columns, lines)  # type: ignore[assignment]
    screen.console.print(screen.render(state, HEADER, later(log), no_last_line, footer=footer))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_where_all_is_done_on_this_machine_no_column_says_so() -> None:
    shown = drawn([*BUSY])
    assert "TARGET" not in shown[1]
    assert shown[1].split()[:5] == ["STEP", "STATUS", "ENGINE", "TIME", "COST"]
    assert not [line for line in shown if " local " in line]


def test_another_machine_has_its_column() -> None:
    shown = drawn([*BUSY], elsewhere="build/ui", columns=100)
    assert "TARGET" in shown[1]
    (line,) = [line for line in shown if line.startswith("build/ui")]
    assert " mac " in line


def test_the_footer_takes_no_line_from_a_step() -> None:
    steps = len(busy_plan().steps)
    assert drawn([*BUSY], lines=steps + 6, footer="? shows the keys")[-1] == "? shows the keys"
    full = drawn([*BUSY], lines=steps + 5, footer="? shows the keys")
    assert (len(full), "keys" in full[-1]) == (steps + 3, False)

"""Many steps that live and print: how late a follower sees a line, and what it costs. Full size: the campaign."""

from __future__ import annotations

import pytest

from tests.campaign.live_steps import MEMORY, SCREENS, measure
from tests.e2e.tool import Project, until


@pytest.mark.slow
@pytest.mark.parametrize("screen", SCREENS)
def test_two_hundred_live_steps(screen: str) -> None:
    """How late in milliseconds is the campaign's question, to an idle machine; here: before the next is printed."""
    pace = 1.0
    figures = measure(200, 6, pace, screen=screen)
    print(figures)
    assert figures.wrong == []
    assert figures.runner.memory < MEMORY
    assert figures.lag(50) < pace


@pytest.mark.slow
def test_two_hundred_failures_at_once_do_not_hold_up_the_terminal() -> None:
    """Each prints its last lines above the table, which is drawn again once for all that fail together."""
    numbers = list(range(200))
    team = (
        f"limits: {{max_parallel: {len(numbers)}}}\n"
        f"agents: {{bad: {{command: sleep 2; seq 20; exit 3, matrix: {{n: {numbers}}}}}}}\n"
    )
    with Project(team) as project:
        terminal = project.start_on_terminal("run", "team.yaml")
        assert terminal.process.wait(60) == 1
        assert until(lambda: terminal.shown.count(b"| 20\r\n") == len(numbers), "every last line is shown")

"""What can be done with what steps have left, in words."""

from __future__ import annotations

import pytest

from teamflow.core.fold import initial
from teamflow.core.work import Left
from teamflow.views.left import work_lines
from tests.fakes.plans import make_plan, make_step


@pytest.mark.parametrize(
    ("names", "look", "merge"),
    [
        (("a",), "`teamflow diff a` shows it", "`teamflow merge a` merges it here"),
        (("a", "b", "c"), "`teamflow diff STEP` shows what each did", "`teamflow merge c` merges c here"),
    ],
)
def test_where_several_have_left_something_none_is_named_to_look_at(
    names: tuple[str, ...], look: str, merge: str
) -> None:
    state = initial(make_plan([make_step(name, workspace="worktree") for name in names]))
    for name in names:
        state.steps[name].left = Left(f"c-{name}", "base", f"teamflow/1/{name}", 1, 1, 0)
    *lines, words = work_lines(state)
    assert [line.partition(":")[0] for line in lines] == list(names)
    assert words.startswith(f"{look}, {merge}, ")

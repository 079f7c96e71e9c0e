"""What `explain` shows of a code about plans is true: the wrong example gives it, the right one nothing."""

from __future__ import annotations

import pytest

from teamflow.core.code import Code
from teamflow.core.codes_engines import ENGINES
from teamflow.core.codes_run import RUN
from tests.fakes.teams import plan_of, try_plan

CODES = [code for code in (*RUN, *ENGINES) if code.about == "plan" and code.wrong]


@pytest.mark.parametrize("code", CODES, ids=[code.slug for code in CODES])
def test_examples_of_plan_codes(code: Code) -> None:
    _, found = try_plan(code.wrong)
    assert {item.code for item in found} == {code.slug}
    assert plan_of(code.right).steps

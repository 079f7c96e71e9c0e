"""Ports and names that a slot gives: valid wherever they are used, and never those of another slot."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamflow.core.slots import BASE, COUNT, WIDTH, ports, variables

SLOTS = st.integers(0, COUNT - 1)


def test_what_a_step_has() -> None:
    found = variables(7, project_name="My Shop", number=12, step="build/api")
    assert {name: value for name, value in found.items() if "PORT" not in name} == {
        "TEAMFLOW_SLOT": "7",
        "TEAMFLOW_DATABASE": "teamflow_my_shop_7",
        "COMPOSE_PROJECT_NAME": "my-shop-12-build-api-7",
    }
    assert [found[f"TEAMFLOW_PORT_{at}"] for at in range(WIDTH)] == [str(port) for port in range(20070, 20080)]


def test_names_of_a_project_that_has_none() -> None:
    found = variables(0, project_name="日本", number=1, step="?")
    assert (found["TEAMFLOW_DATABASE"], found["COMPOSE_PROJECT_NAME"]) == ("teamflow_0", "teamflow-1-0")


def test_blocks_lie_side_by_side_below_the_ephemeral_ports() -> None:
    every = [port for slot in range(COUNT) for port in ports(slot)]
    assert every == list(range(BASE, BASE + COUNT * WIDTH))
    assert every[-1] < 30000
    for wrong in (-1, COUNT):
        with pytest.raises(ValueError, match=f"no slot {wrong}"):
            ports(wrong)


@given(SLOTS, SLOTS, st.text(), st.text(), st.integers(1, 10**9), st.text())
def test_names_are_valid_and_of_one_slot(one: int, two: int, name: str, other: str, number: int, step: str) -> None:
    first = variables(one, project_name=name, number=number, step=step)
    second = variables(two, project_name=other, number=number, step=step)
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,62}", first["TEAMFLOW_DATABASE"])
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", first["COMPOSE_PROJECT_NAME"])
    if one != two:
        assert not set(first.values()) & set(second.values())

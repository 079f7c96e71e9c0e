"""Saved plans as text: all of it comes back, and no damage goes unnoticed."""

from __future__ import annotations

import json

import pytest

from teamflow.plan.saved import Asked, SavedPlan, Unusable, begins_saved, saved_from_text, saved_to_text
from tests.unit.plan.test_stored import RICH, same

ASKED = Asked(
    "teams/t.yaml",
    ("x=\udcff é", "y=@f"),
    ("a",),
    ("b",),
    ("c", "d"),
    (("agents.a.timeout", "9m"), ("agents.b.x", "=")),
    ("e",),
    new=True,
    use_cache=False,
)
SAVED = SavedPlan(RICH, "/home/ü/p", git=True, asked=ASKED, given={"x": [1, {"y": None}]})
TEXT = saved_to_text(SAVED, version="1.2.3")


def test_all_of_it_comes_back() -> None:
    assert TEXT.isascii()
    assert TEXT.endswith("}\n")
    found = saved_from_text(TEXT, version="1.2.3")
    assert found._replace(plan=RICH) == SAVED
    assert repr(found.asked) == repr(ASKED)
    same(found.plan, RICH)
    plain = SAVED._replace(asked=Asked(), git=False, given={})
    assert saved_from_text(saved_to_text(plain, version="x"), version="x") == plain


def test_another_layout_of_the_same_json_is_the_same_plan() -> None:
    pretty = json.dumps(json.loads(TEXT), indent=4)
    assert begins_saved(pretty.encode()[:64])
    assert saved_from_text(pretty, version="1.2.3") == saved_from_text(TEXT, version="1.2.3")


def test_a_truncated_file_is_damaged_wherever_it_ends() -> None:
    for end in [*range(3, 100), *range(100, len(TEXT) - 2, 7), len(TEXT) - 3]:
        assert begins_saved(TEXT[: min(end, 64)].encode())
        with pytest.raises(Unusable, match="damaged"):
            saved_from_text(TEXT[:end], version="1.2.3")


def test_a_changed_byte_is_noticed_wherever_it_is() -> None:
    start = TEXT.index('"saved"')
    for at in range(0, len(TEXT) - 1, 3):
        changed = TEXT[:at] + ("1" if TEXT[at] != "1" else "2") + TEXT[at + 1 :]
        if at < start and '"teamflow_plan": 1' not in changed:
            continue  # then it is no saved plan, or one of another format: told below
        with pytest.raises(Unusable, match=r"damaged|was saved by teamflow"):
            saved_from_text(changed, version="1.2.3")


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"teamflow_plan": 2}, "another format than 1"),
        ({"teamflow_plan": "1"}, "another format than 1"),
        ({"teamflow": "1.2.4"}, "saved by teamflow 1.2.4, and this is 1.2.3"),
        ({"teamflow": None}, "saved by teamflow None"),
        ({"saved": []}, "damaged"),
        ({"saved": {}}, "damaged"),
        ({"sha256": ""}, "damaged"),
    ],
)
def test_what_cannot_be_executed_says_why(change: dict[str, object], fact: str) -> None:
    with pytest.raises(Unusable, match=fact):
        saved_from_text(json.dumps({**json.loads(TEXT), **change}), version="1.2.3")


@pytest.mark.parametrize(
    "damage",
    [
        {"root": 1}, {"git": "yes"}, {"asked": {"nonsense": 1}}, {"asked": {"overrides": [1]}}, {"given": None},
        {"plan": None}, {"plan": {"format": 1}}, {"plan": {"format": 2}}, {"plan": {"format": 1, "steps": 3}},
    ],
)  # fmt: skip
def test_content_that_goes_with_its_digest_and_makes_no_sense(damage: dict[str, object]) -> None:
    """Nobody but a hand with patience makes such a file; it is refused, not believed."""
    from teamflow.plan.saved import _digest

    raw = json.loads(TEXT)
    raw["saved"] = {**raw["saved"], **damage}
    raw["sha256"] = _digest(raw["saved"])
    with pytest.raises(Unusable, match="damaged"):
        saved_from_text(json.dumps(raw), version="1.2.3")


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "1", "[" * 100_000, '{"teamflow_plan": 1}', "\x00"])
def test_other_texts(text: str) -> None:
    with pytest.raises(Unusable):
        saved_from_text(text, version="1.2.3")


@pytest.mark.parametrize(
    ("beginning", "saved"),
    [
        (b'{"teamflow_plan": 1, "tea', True),
        (b' \n{ "teamflow_plan" :', True),
        (b'{"teamfl', True),
        (b"", False),
        (b"{", False),
        (b'{"agents": {}}', False),
        (b'{"teamflow_plans": 1}', False),
        (b'agents:\n  a: {command: x}\nx: {"teamflow_plan": 1}', False),
        (b'# {"teamflow_plan": 1}', False),
        (b"\x00\xff", False),
    ],
)
def test_a_saved_plan_is_told_by_its_beginning(beginning: bytes, *, saved: bool) -> None:
    assert begins_saved(beginning) is saved

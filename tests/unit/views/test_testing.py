"""What is not as expected is told, with what came; and nothing else is."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from teamflow.views.testing import Difference, Got, Verdict, differences, junit, lines, tally

GOT = Got(
    status="failed",
    exit=1,
    reason="1 failed: b",
    route=("a", "c", "b", "d"),
    steps={"a": "succeeded", "b": "failed", "e": "skipped"},
    reasons={"b": "it broke"},
    attempts={"a": ("succeeded",), "b": ("crash", "exit"), "e": ()},
    outputs={"a": {"n": 1, "f": 1.0, "yes": True, "list": [1, 2]}},
    texts={"a": "one two", "b": None},
)


@pytest.mark.parametrize(
    ("expect", "what"),
    [
        ({"status": "failed", "exit": 1}, []),
        ({"status": "succeeded", "exit": 0}, ["status", "exit"]),
        ({"route": ["a", ["b", "c"], "d"]}, []),
        ({"route": [["d", "c", "b", "a"]]}, []),
        ({"route": ["a", ["b", "c"]]}, ["route"]),
        ({"route": ["a", "b", "c", "d"]}, ["route"]),
        ({"route": ["a", ["b", "c"], "d", "e"]}, ["route"]),
        ({"skipped": ["e"]}, []),
        ({"skipped": []}, ["skipped"]),
        ({"steps": {"b": "failed"}}, []),
        ({"steps": {"b": "skipped", "nobody": "failed"}}, ["steps.b", "steps.nobody"]),
        ({"attempts": {"a": 1, "b": ["crash", "exit"]}}, []),
        ({"attempts": {"a": 2, "b": ["crash"], "nobody": 1}}, ["attempts.a", "attempts.b", "attempts.nobody"]),
        ({"outputs": {"a": {"n": 1, "f": 1, "list": [1, 2]}}}, []),
        ({"outputs": {"a": {"n": True, "yes": 1, "m": None}}}, ["outputs.a.n", "outputs.a.yes", "outputs.a.m"]),
        ({"text": {"a": ["one", "two"]}}, []),
        ({"text": {"a": ["three"], "b": ["x"]}}, ["text.a", "text.b"]),
    ],
)
def test_differences(expect: dict[str, Any], what: list[str]) -> None:
    assert [each.what for each in differences(expect, GOT)] == what


def test_words_of_others_stay_words() -> None:
    bad = Verdict("t.yaml", "a\x1b[31m\nb", 0.5, (Difference("text.a", "x\x00", "]]><&\x1b", "why"),))
    broken = Verdict("t.yaml", "c", 0.1, (), "it is\nnot there")
    good = Verdict("u.yaml", "d", 0.1)
    shown = "\n".join(line for each in (bad, broken, good) for line in lines(each))
    assert "\x1b" not in shown
    suites = ElementTree.fromstring(junit([bad, broken, good]))
    assert [suite.get("name") for suite in suites] == ["t.yaml", "u.yaml"]
    assert [(case.find("failure") is not None, case.find("error") is not None) for case in suites.iter("testcase")] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    assert tally([bad, broken, good]) == "3 cases: 2 failed"
    assert tally([good]) == "1 case, all as expected"

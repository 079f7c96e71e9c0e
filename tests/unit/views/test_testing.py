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


SUITE = {"name", "tests", "failures", "errors", "skipped", "time"}
KNOWN = {
    "testsuites": SUITE - {"skipped"},
    "testsuite": SUITE,
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"name", "classname", "time", "file", "line"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
}
"""Elements and attributes of the JUnit form that the readers of GitLab, GitHub and Jenkins know."""


def test_the_report_has_what_ci_systems_read() -> None:
    failed = Verdict("t.yaml", "a", 0.5, (Difference(("exit",), "0", "1"),), team="team.yaml", line=7)
    broken = Verdict("t.yaml", "b", 0.25, (), "t.yaml:9:3: is not there", team="team.yaml", line=9)
    good = Verdict("u.yaml", "c", 0.25, team="u.yaml", line=1)
    suites = ElementTree.fromstring(junit([failed, broken, good]))
    for element in suites.iter():
        assert set(element.keys()) <= KNOWN[element.tag], element.tag
    assert {suite.get("name"): suite.get("time") for suite in suites} == {"t.yaml": "0.750", "u.yaml": "0.250"}
    first = suites[0]
    assert [element.tag for element in first] == ["properties", "testcase", "testcase"]
    assert [(each.get("name"), each.get("value")) for each in first.iter("property")] == [("team", "team.yaml")]
    assert (first.get("tests"), first.get("failures"), first.get("errors"), first.get("skipped")) == (
        "2",
        "1",
        "1",
        "0",
    )
    case = first[1]
    assert (case.get("classname"), case.get("file"), case.get("line")) == ("t.yaml", "t.yaml", "7")
    assert [(each.get("type"), each.get("message")) for each in case] == [("failure", "exit")]
    assert [(each.get("type"), each.text) for each in first[2]] == [("error", "t.yaml:9:3: is not there")]


def test_words_of_others_stay_words() -> None:
    bad = Verdict(
        "t.yaml", "a\x1b[31m\nb", 0.5, (Difference(("text", "a"), "x\x00", "]]><&\x1b", "why", "t.yaml:7:9"),)
    )
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

"""Any bytes as a test file: complaints with places or cases; its schema and its model take the same documents."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from teamflow.core.diagnostics import Diagnostics
from teamflow.team.source import parse
from teamflow.team.testfile import load_tests
from teamflow.team.testfile_schema import schema_for_tests
from teamflow.views.diagnostics import to_text
from tests.property.test_team_files import SCALARS, TREES, WORDS, YAMLISH

QUICK = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(QUICK, max_examples=1_000)
EXAMPLE = b"""
team: team.yaml
x-agents: &agents
  plan: {script: [{outputs: {x: 3}}, hang, {attempt: {"1": [{say: a}]}}]}
  left: {script: left.yaml}
  right: {recording: fix}
cases:
  happy:
    inputs: {n: 7, none: null}
    agents: *agents
    steps: [plan]
    answers: {ok: approve}
    timeout: 5m
    expect: {status: succeeded, exit: 0, route: [plan, [left, right]], skipped: [], text: {a: b, c: [d, e]}}
  sad:
    team: other.yaml
    recording: fix
    faults:
      plan: {"1": bad_json, "2": {usage_limit: {reset: 5h}}, "3": {usage_limit: {}}, "4": hang}
      left: {"1": {crash_after: {events: 0}}, "2": {crash_after: {bytes: 7}}, "3": {conflict: file}}
    expect: {steps: {a: failed}, attempts: {a: 0, b: [output, succeeded]}, outputs: {a: {x: null, y: [1]}}}
"""
SCHEMA = jsonschema.Draft202012Validator(schema_for_tests())


def loaded(data: bytes) -> bool:
    found = Diagnostics()
    tests = load_tests(data, file="team.test.yaml", found=found)
    assert (tests is None) == found.has_errors
    to_text(found, {"team.test.yaml": data.decode("utf-8", "replace")})
    assert all(item.span is not None and item.span.line >= 1 for item in found)
    return tests is not None


def test_the_example_is_right() -> None:
    assert loaded(EXAMPLE)
    assert list(SCHEMA.iter_errors(yaml.safe_load(EXAMPLE))) == []


@QUICK
@given(st.binary(max_size=300) | YAMLISH)
@example(b"cases: {a: 1}")
@example(b"cases: {a: {expect: {exit: 0}, faults: {b: 1}}}")
def test_any_bytes(data: bytes) -> None:
    loaded(data)


@QUICK
@given(st.data())
def test_a_right_file_with_a_change(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(EXAMPLE)))
    end = data.draw(st.integers(start, min(len(EXAMPLE), start + 30)))
    loaded(EXAMPLE[:start] + data.draw(st.binary(max_size=6) | WORDS.map(str.encode)) + EXAMPLE[end:])


VALID = yaml.safe_load(EXAMPLE)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


def copied(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: copied(value) for key, value in tree.items()}
    return [copied(value) for value in tree] if isinstance(tree, list) else tree


PLACES = places(VALID)
VALUES = SCALARS | TREES | st.sampled_from([VALID[key] for key in ("cases", "team", "x-agents")]) | st.sampled_from(
    ["hang", "usage_limit", "crash_after", "bad_json", {"hang": True}, {"hang": 1}, {"usage_limit": None}, {}, [],
     "succeeded", 0, 1, 255, 256, -1, "", ["a", []], {"events": 1, "bytes": 1}, {"script": [], "recording": "x"},
     {"script": None}, "1", None]
)  # fmt: skip
NAMES = st.sampled_from(
    ["x-note", "nope", "script", "recording", "events", "hang", "inputs", "1", "0", "01", "1234567"]
)


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """The example with some places changed, taken away or added to."""
    tree = copied(VALID)
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(PLACES[1:]))
        part = tree
        for key in above:
            fits = (isinstance(part, dict) and key in part) or (isinstance(part, list) and isinstance(key, int))
            part = part[key] if fits and (isinstance(part, dict) or key < len(part)) else None
        if isinstance(part, dict):
            match draw(st.integers(0, 2)):
                case 0:
                    part.pop(last, None)
                case 1:
                    part[last] = draw(VALUES)
                case _:
                    part[draw(NAMES)] = draw(VALUES)
        elif isinstance(part, list):
            part.append(draw(VALUES))
    return tree


def same(tree: Any) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True)
    found = Diagnostics()
    source = parse(text.encode("utf-8", "surrogatepass"), file="t", found=found)
    assume(source is not None and not found.has_errors)
    complaints = Diagnostics()
    taken = load_tests(text.encode("utf-8", "surrogatepass"), file="t", found=complaints) is not None
    told = [item.message for item in complaints]
    assert SCHEMA.is_valid(yaml.safe_load(text)) == taken, (told, text)


@QUICK
@given(documents())
def test_schema_and_model_take_the_same_documents(tree: Any) -> None:
    same(tree)


@pytest.mark.slow
@LONG
@given(documents())
def test_schema_and_model_take_the_same_documents_at_length(tree: Any) -> None:
    same(tree)

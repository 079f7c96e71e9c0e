"""Declared outputs are found where agents put them, and what does not fit is told with its place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.plan import Json
from teamflow.engines.results import outputs, request
from tests.fakes.yardstick import measured

REVIEW: dict[str, Json] = {"approved": {"type": "boolean"}, "findings": {"type": "string"}}
TASKS: dict[str, Json] = {
    "tasks": {
        "type": "array",
        "maxItems": 2,
        "items": {"type": "object", "required": ["id"], "additionalProperties": {"type": "string"}},
    }
}
GOOD = '{"approved": true, "findings": "none"}'
VALUE = {"approved": True, "findings": "none"}


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"  {GOOD}\n",
        f"Done.\n\n```json\n{GOOD}\n```\n",
        f"```\n{GOOD}\n```",
        f"~~~~ json\n{GOOD}\n~~~~",
        f"First I thought {{x}}.\n```json\n{{}}\n```\nthen\n```json\n{GOOD}\n```\n",
        f"```python\n{{'a': 1}}\n```\nSo: {GOOD}. Bye!",
        f"I looked at [x](y) and {{}} and [1, 2]; {GOOD}",
        f'{{"approved": false, "findings": 3}} no, {GOOD}',
        f"{GOOD} and then {{oops",
        '{"approved": true, "findings": "none", "more": {"a": 1}}\nsee {"a": 1}',
        '```json\n{"approved": 1}\n```\n' + GOOD,
    ],
)
def test_found(text: str) -> None:
    assert outputs(text, REVIEW) == VALUE


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("42\n", {"type": "integer"}, 42),
        ("42\n", "integer", 42),
        ("true", "boolean", True),
        ("some words\n", "string", "some words"),
        ('"quoted"', "string", "quoted"),
        ("42", "string", "42"),
        ("yes", {"enum": ["yes", "no"]}, "yes"),
        ('{"n": "keyed"}', "string", "keyed"),
        ('{"a": 1}', "object", {"a": 1}),
        ('{"n": {"a": 1}}', "object", {"a": 1}),
        ("Here: [1, 2] of [9]", {"type": "array", "maxItems": 1}, [9]),
        ("```json\n[1]\n```", "array", [1]),
        ("null", "null", None),
    ],
)
def test_a_single_output_may_be_bare(text: str, schema: Json, value: Json) -> None:
    assert outputs(text, {"n": schema}) == {"n": value}


@pytest.mark.parametrize(
    ("text", "schemas", "reason"),
    [
        ("", REVIEW, "outputs: there is no text that could hold approved, findings"),
        ("All good.", REVIEW, "outputs: no JSON object with approved, findings in what it returned"),
        ("All good.", TASKS, "outputs: no JSON object with tasks in what it returned"),
        ('{"approved": true}', REVIEW, "outputs: findings: is missing"),
        ('{"approved": "yes"}', REVIEW, "outputs: approved: 'yes' is not of type 'boolean' (and 1 more)"),
        ('[{"id": "a"}, {"id": 1}]', TASKS, "outputs: tasks[1].id: 1 is not of type 'string'"),
        ('{"tasks": [{}]}', TASKS, "outputs: tasks[0]: 'id' is a required property"),
        ('{"n": 1}', {"n": {"$ref": "http://localhost:1/x"}}, None),
        ('{"n": 1}', {"n": {"type": "nonsense"}}, None),
        ('{"n": "x"}', {"n": {"pattern": "("}}, None),
        ('{"n": NaN, "m": 1}', {"n": "number", "m": "number"}, None),
        ('{"n": 1e999, "m": 1}', {"n": "number", "m": "number"}, None),
    ],
)
def test_refused(text: str, schemas: dict[str, Json], reason: str | None) -> None:
    failed = outputs(text, schemas)
    assert isinstance(failed, Failed)
    assert failed.failure is FailureClass.OUTPUT
    assert "\n" not in failed.reason
    if reason is not None:
        assert failed.reason == reason
    assert request(schemas) in failed.detail


def test_the_request_holds_the_schema() -> None:
    shape = json.loads(request({"n": "integer"}).partition("```json\n")[2].partition("```")[0])
    assert shape == {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


HOSTILE = [
    "{" * 200_000,
    "[" * 200_000,
    '{"a":' * 100_000,
    "[1," * 100_000,
    "[" * 900 + "1," * 100_000,
    "```\n~~~~\n`````\n" * 20_000,
    '"' * 200_000,
    "[" + "9" * 200_000 + "]",
    '{"approved": true, "findings": "\\ud800"}',
    '{"approved": ' + "[" * 500 + "]" * 500 + ', "findings": ""}',
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_bounded(text: str) -> None:
    found, rounds = measured(lambda: outputs(text, REVIEW))
    assert rounds < 400
    json.dumps(found if not isinstance(found, Failed) else found.reason, ensure_ascii=False).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(value=st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON, min_size=3), prose=st.text(max_size=40))
def test_any_values_come_back(value: dict[str, Json], prose: str) -> None:
    """Whatever is written after some prose is found, where the prose itself holds no object."""
    prose = prose.replace("{", "").replace("[", "").replace("`", "").replace("~", "")
    schemas: dict[str, Json] = {name: {} for name in value}
    assert outputs(json.dumps(value), schemas) == value
    assert outputs(f"{prose}\n```json\n{json.dumps(value, indent=1)}\n```\n", schemas) == value
    assert outputs(f"{prose} {json.dumps(value, ensure_ascii=False)} {prose}", schemas) == value


@given(text=st.text(max_size=200))
def test_any_text_is_answered(text: str) -> None:
    for schemas in (REVIEW, TASKS, {"n": "string"}):
        found = outputs(text, schemas)
        assert isinstance(found, Failed) or set(found) == set(schemas)

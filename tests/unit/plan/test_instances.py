from __future__ import annotations

import pytest

from teamflow.core.ids import UNDECIDED, hashed_instance
from teamflow.core.plan import Json
from teamflow.plan.instances import Instance, expand, is_undecided
from teamflow.team.resolved import Matrix

Complaints = list[tuple[str, str, str | None]]


def expanded(matrix: Matrix | None, **inputs: Json) -> tuple[tuple[Instance, ...], Complaints]:
    found: Complaints = []
    return expand(matrix, inputs, lambda code, message, hint: found.append((code, message, hint))), found


def ids(*values: Json) -> list[str | None]:
    instances, found = expanded(Matrix({"item": values}))
    assert found == []
    return [instance.name for instance in instances]


def test_no_matrix_is_one_step() -> None:
    assert expanded(None) == ((Instance(None, {}),), [])


def test_scalars_name_their_instances() -> None:
    assert ids("api", 3, 1.5, True, None, "v1.2-x") == ["api", "3", "1.5", "true", "null", "v1.2-x"]


def test_objects_are_named_by_their_id() -> None:
    assert ids({"id": "api", "dir": "x"}, {"id": 2}) == ["api", "2"]


@pytest.mark.parametrize("odd", ["a/b", "", "..", "a..b", "x.", "x.lock", "-x", "ü", "a b", "a" * 65, "a,b", "x\n"])
def test_what_is_no_id_is_hashed(odd: str) -> None:
    assert ids("fine", odd, {"id": odd + "!"}) == ["fine", hashed_instance(odd), hashed_instance(odd + "!")]


def test_objects_without_an_id_are_hashed_by_content() -> None:
    first, second = ids({"b": 1, "a": 2}, {"a": 1})
    assert [first] == ids({"a": 2, "b": 1})
    assert first != second


def test_names_that_differ_by_case_only_are_both_hashed() -> None:
    assert ids("API", "api", "web") == [hashed_instance("API"), hashed_instance("api"), "web"]


@pytest.mark.parametrize("values", [("a", "a"), (1, "1"), ({"id": "a"}, "a"), ({"x": 1}, {"x": 1}), ("a/b", "a/b")])
def test_duplicates_are_an_error(values: tuple[Json, ...]) -> None:
    instances, found = expanded(Matrix({"item": values}))
    assert instances == ()
    assert [code for code, _, _ in found] == ["duplicate-instance"]


def test_a_literal_that_equals_a_hash_is_a_duplicate() -> None:
    _, found = expanded(Matrix({"item": ("a b", hashed_instance("a b"))}))
    assert [code for code, _, _ in found] == ["duplicate-instance"]


def test_axes_make_a_product_joined_by_comma() -> None:
    instances, found = expanded(Matrix({"os": ("linux", "mac"), "py": (311, "3 12")}))
    assert found == []
    assert [instance.name for instance in instances] == [
        "linux,311",
        f"linux,{hashed_instance('3 12')}",
        "mac,311",
        f"mac,{hashed_instance('3 12')}",
    ]
    assert instances[2].matrix == {"os": "mac", "py": 311}


def test_an_expression_over_inputs_is_evaluated() -> None:
    instances, found = expanded(Matrix({"svc": "inputs.services"}), services=["api", "web"])
    assert found == []
    assert [instance.matrix for instance in instances] == [{"svc": "api"}, {"svc": "web"}]


def test_what_only_a_run_can_tell_is_one_undecided_instance() -> None:
    matrix = Matrix({"t": "agents.plan.outputs.tasks", "x": ("a",)})
    assert expanded(matrix) == ((Instance(UNDECIDED, {}),), [])
    assert is_undecided("build/?")
    assert not is_undecided("build")


def test_empty_axes_have_no_instances_and_are_no_mistake_here() -> None:
    assert expanded(Matrix({"a": ("x",), "b": ()})) == ((), [])


@pytest.mark.parametrize(
    ("source", "value", "part"),
    [
        ("inputs.s", "text", "is a text"),
        ("inputs.s", 3, "is a number"),
        ("inputs.s", {"a": 1}, "is a map"),
        ("inputs.t", 1, "has no value"),
    ],
)
def test_an_axis_must_be_a_list(source: str, value: Json, part: str) -> None:
    instances, found = expanded(Matrix({"a": source}), s=value)
    assert instances == ()
    assert [code for code, _, _ in found] == ["bad-matrix"]
    assert part in found[0][1]


def test_a_product_that_nobody_means_is_refused_before_it_is_made() -> None:
    thousand: tuple[Json, ...] = tuple(range(1000))
    instances, found = expanded(Matrix({"a": thousand, "b": thousand, "c": thousand}))
    assert instances == ()
    assert found[0][0] == "matrix-too-large"
    assert "1000000000" in found[0][1]

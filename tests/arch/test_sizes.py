"""Files, functions and branches stay small, in the tail and at the 90th percentile. Exceptions are in `allowed.py`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

from tests.arch.allowed import COMPLEXITY, FILES, FUNCTIONS
from tests.arch.source import modules, nodes

LINES, LINES_P90 = 400, 250
FUNCTION, FUNCTION_P90 = 60, 30
BRANCHES = 10

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[str, Function]]:
    for module in modules():
        for node in nodes(module.tree):
            if isinstance(node, Function):
                yield f"{module.path}:{node.name}", node


def p90(sizes: list[int]) -> int:
    return sorted(sizes)[int(len(sizes) * 0.9)]


def test_files() -> None:
    sizes = {module.path: module.text.count("\n") for module in modules()}
    wrong = {path: size for path, size in sizes.items() if size > FILES.get(path, (LINES, ""))[0]}
    assert not wrong, f"more than {LINES} lines: {wrong}"
    assert p90(list(sizes.values())) <= LINES_P90


def test_functions() -> None:
    sizes = [(name, length(node)) for name, node in functions()]
    wrong = {name: size for name, size in sizes if size > FUNCTIONS.get(name, (FUNCTION, ""))[0]}
    assert not wrong, f"more than {FUNCTION} lines: {wrong}"
    assert p90([size for _, size in sizes]) <= FUNCTION_P90


def length(node: Function) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def test_branches() -> None:
    found = [(name, complexity(node)) for name, node in functions()]
    wrong = {name: count for name, count in found if count > COMPLEXITY.get(name, (BRANCHES, ""))[0]}
    assert not wrong, f"more than {BRANCHES} branches: {wrong}"


@cache
def complexity(function: Function) -> int:
    """As ruff's C901 counts: statements that branch, their handlers and cases, and functions within."""
    count = 1
    for node in ast.walk(function):
        match node:
            case ast.If() | ast.ExceptHandler():
                count += 1
            case ast.For() | ast.AsyncFor() | ast.While() | ast.Try():
                count += bool(node.orelse) + (not isinstance(node, ast.Try))
            case ast.match_case():
                count += not (isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if node is not function:
                count += 1
            case _:
                pass
    return count


def test_exceptions_are_needed_and_explained() -> None:
    sizes: dict[str, int] = {module.path: module.text.count("\n") for module in modules()}
    lengths = {name: length(node) for name, node in functions()}
    branches = {name: complexity(node) for name, node in functions()}
    for table, found, limit in (
        (FILES, sizes, LINES),
        (FUNCTIONS, lengths, FUNCTION),
        (COMPLEXITY, branches, BRANCHES),
    ):
        for name, (allowed, reason) in table.items():
            assert reason, name
            assert limit < found.get(name, 0) <= allowed, f"{name} needs no exception any more, or a smaller one"

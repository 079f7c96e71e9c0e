"""Every code is explained, and its wrong example yields it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from teamflow.core.code import Code
from teamflow.core.codes import CODES, explain
from teamflow.plan.checked import check_graph
from teamflow.team.loaded import Loaded

Read = Callable[..., Loaded]
PACKAGE = Path(__file__).parents[3] / "teamflow"
_CALLS = frozenset(
    ("error", "warn", "complain", "_problem", "problem", "_spelled", "Diagnostic", "PydanticCustomError")
)
HELPERS = {"demo.yaml": "- say: hi\n"}


def used_codes() -> Iterator[str]:
    """Codes written in calls that complain, and in the table of the grammar."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        if path.name != "grammar.py" and not any(f"{call}(" in text for call in _CALLS):
            continue  # reading it all takes a second
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in _CALLS:
                for argument in node.args[:2]:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        word = argument.value
                        if "-" in word and word.replace("-", "").isalpha() and word.islower():
                            yield word
            elif path.name == "grammar.py" and isinstance(node, ast.Tuple) and len(node.elts) == 4:
                yield str(getattr(node.elts[1], "value", "yaml-syntax"))


def test_every_code_that_is_used_is_explained() -> None:
    assert set(used_codes()) - set(CODES) == set()


def test_explanations_read_well() -> None:
    for code in CODES.values():
        assert code.slug == code.slug.lower()
        assert not code.title.endswith(".")
        assert code.explanation.endswith(".")
        assert (explain(code.slug) or "").startswith(f"{code.slug}: {code.title}\n")
        assert bool(code.wrong) == bool(code.right)
    assert explain("nope") is None


def files_of(code: Code, text: str) -> tuple[dict[str, str | bytes], str]:
    name = f"{code.slug}.yaml"
    match code.about:
        case "persona file":
            team = "personas: {p: {file: p.md}}\nagents: {a: {persona: p, prompt: x}}\n"
            return {**HELPERS, name: team, "p.md": text}, name
        case "MCP file":
            team = "personas: {p: {file: p.md}}\nagents: {a: {persona: p, prompt: x}}\n"
            return {**HELPERS, name: team, "p.md": "You are p.\n", "p.mcp.json": text}, name
        case "script":
            team = "agents: {a: {engine: scripted, script: demo.yaml, prompt: x}}\n"
            return {name: team, "demo.yaml": text}, name
        case "env file":
            return {**HELPERS, name: "env_file: .env\nagents: {a: {command: x}}\n", ".env": text}, name
        case _:
            return {**HELPERS, name: text}, name


ABOUT = ("team file", "persona file", "MCP file", "env file", "script")
FILES = [code for code in CODES.values() if code.wrong and code.about in ABOUT]
PLANS = [code for code in CODES.values() if code.wrong and code.slug in ("cycle", "rework-not-before")]


@pytest.mark.parametrize("code", FILES, ids=lambda code: code.slug)
def test_the_wrong_example_yields_the_code_and_the_right_one_nothing(read: Read, code: Code) -> None:
    files, name = files_of(code, code.wrong)
    assert {item.code for item in read(files, name).diagnostics} == {code.slug}
    files, name = files_of(code, code.right)
    assert [item.message for item in read(files, name).diagnostics] == []


@pytest.mark.parametrize("code", PLANS, ids=lambda code: code.slug)
def test_the_wrong_example_of_a_plan_yields_the_code(read: Read, code: Code) -> None:
    wrong, right = (read(text).team for text in (code.wrong, code.right))
    assert wrong is not None
    assert right is not None
    assert [item.code for item in check_graph(wrong)] == [code.slug]
    assert [item.code for item in check_graph(right)] == []


@pytest.mark.parametrize(
    ("slug", "data"),
    [("file-too-large", b"a: " + b"x" * 2**21), ("yaml-encoding", "agents: {ä: 1}".encode("latin-1"))],
)
def test_codes_without_an_example_to_print(read: Read, slug: str, data: bytes) -> None:
    assert [item.code for item in read(data).diagnostics] == [slug]

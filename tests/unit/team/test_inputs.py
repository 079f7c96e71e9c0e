"""Inputs from the command line, secrets from the environment, env files."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from teamflow.core.diagnostics import Diagnostics
from teamflow.team.check_secrets import check_secrets
from teamflow.team.env_file import parse_env_file
from teamflow.team.inputs import bind_inputs
from teamflow.team.loaded import LoadedTeam

Team = Callable[..., LoadedTeam]
DECLARED = """
inputs:
  issue: string
  n: {type: integer, default: 3, minimum: 1}
  rows: {type: array, items: {type: string}, default: [a]}
  flag: {type: boolean, default: false}
  any: {default: null}
  maybe: {type: [string, number], default: 1}
agents: {a: {command: x}}
"""
FILES = {"text.md": b"hello\n", "rows.json": b'["x", "y"]', "bad": b"\xff"}


def read_file(path: str) -> bytes:
    if path not in FILES:
        raise FileNotFoundError(2, "No such file or directory")
    return FILES[path]


def bind(team: Team, *given: str, previous: dict[str, object] | None = None) -> tuple[dict[str, object], list[str]]:
    bound = bind_inputs(team(DECLARED), given, read_file=read_file, previous=previous)  # type: ignore[arg-type]
    return dict(bound.values), [f"{item.code}: {item.message}" for item in bound.diagnostics]


def test_defaults_and_given_values(team: Team) -> None:
    assert bind(team, "issue=12") == (
        {"issue": "12", "n": 3, "rows": ["a"], "flag": False, "any": None, "maybe": 1},
        [],
    )
    values, problems = bind(team, "issue=a=b", "n=7", 'rows=["q"]', "flag=true", 'any={"k": 1}', "maybe=text")
    assert problems == []
    assert values == {"issue": "a=b", "n": 7, "rows": ["q"], "flag": True, "any": {"k": 1}, "maybe": "text"}


def test_files_and_a_plain_at_sign(team: Team) -> None:
    values, problems = bind(team, "issue=@text.md", "rows=@rows.json")
    assert problems == []
    assert (values["issue"], values["rows"]) == ("hello\n", ["x", "y"])
    assert bind(team, "issue=@@octocat")[0]["issue"] == "@octocat"


def test_an_earlier_run_gives_what_is_not_given(team: Team) -> None:
    values, problems = bind(team, "n=5", previous={"issue": "7", "n": 9, "gone": 1})
    assert problems == []
    assert (values["issue"], values["n"], "gone" in values) == ("7", 5, False)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([], 'missing-input: the input "issue" has no value'),
        (["issue=1", "isue=2"], 'unknown-input: there is no input "isue"'),
        (["issue=1", "n"], 'bad-input: -i takes name=value, not "n"'),
        (["issue=1", "n=many"], "bad-input: -i n=many: expected integer as JSON"),
        (["issue=1", "n=0"], 'bad-input: the input "n" does not fit: 0 is less than the minimum of 1'),
        (["issue=1", "n=true"], "bad-input: the input \"n\" does not fit: True is not of type 'integer'"),
        (["issue=1", "n=NaN"], "bad-input: -i n=NaN: expected integer as JSON"),
        (["issue=1", "flag=1"], 'bad-input: the input "flag" does not fit: 1 is not of type boolean'),
        (["issue=1", "rows=[1]"], "bad-input: the input \"rows\" does not fit: [0]: 1 is not of type 'string'"),
        (["issue=1", "rows=" + "[" * 100_000], "bad-input: -i rows=" + "[" * 59 + "…: expected array as JSON"),
        (["issue=@no"], "bad-input: -i issue=@no: cannot read no: No such file or directory"),
        (["issue=@bad"], "bad-input: -i issue=@bad: bad is not UTF-8"),
    ],
)
def test_what_does_not_fit(team: Team, given: list[str], problem: str) -> None:
    assert problem in bind(team, *given)[1]


def test_a_missing_input_names_the_flag(team: Team) -> None:
    found = list(bind_inputs(team(DECLARED), [], read_file=read_file).diagnostics)
    assert [item.hint for item in found] == ["Run with -i issue=VALUE, or give it a default."]
    assert found[0].span is not None
    assert found[0].span.line == 3


def test_secrets_that_are_asked_for(team: Team) -> None:
    loaded = team(
        "secrets: {A: {env: TOKEN_A}, B: {file: ~/b}, C: {env: TOKEN_C}, D: {file: /d}}\n"
        "agents: {a: {command: x, secrets: [A, B]}, b: {command: y, secrets: [C]}, c: {command: z, secrets: [D]}}\n"
    )

    def check(agents: list[str], environ: dict[str, str], files: dict[str, str]) -> list[tuple[str, str]]:
        def read(path: str) -> str:
            if path not in files:
                raise FileNotFoundError(2, "No such file or directory")
            return files[path]

        found = Diagnostics()
        check_secrets(loaded, agents, environ=environ, read_secret=read, found=found)
        return [(item.code, item.message) for item in found]

    right = {"TOKEN_A": "long-enough-value"}
    assert check(["a"], right, {"~/b": "another-long-value\n"}) == []
    assert check([], {}, {}) == []
    assert check(["a", "b"], {}, {"~/b": "\n"}) == [
        ("secret-not-set", '"a" asks for the secret "A", but $TOKEN_A is not set'),
        ("secret-not-set", '"a" asks for the secret "B", but ~/b is empty'),
        ("secret-not-set", '"b" asks for the secret "C", but $TOKEN_C is not set'),
    ]
    assert check(["c"], {}, {}) == [
        ("secret-not-set", '"c" asks for the secret "D", but /d: No such file or directory')
    ]
    assert [code for code, _ in check(["a"], right, {"~/b": "short"})] == ["short-secret"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=1", "1"),
        (" export  A = 1 ", "1"),
        ("A=", ""),
        ("A='x #y'", "x #y"),
        ('A="x\\n\\"y\\" \\$z"', 'x\n"y" $z'),
        ("A=x # note", "x"),
        ("A=x#y", "x#y"),
        ("A=$HOME", "$HOME"),
        ("A=1\r\nB=2", "1"),
        ("A=0\nA=1", "1"),
        ("# A=0\n\nA=1", "1"),
    ],
)
def test_env_files(text: str, value: str) -> None:
    found = Diagnostics()
    assert parse_env_file(text, file="e", found=found)["A"] == value
    assert list(found) == []


@pytest.mark.parametrize("text", ["A", "A B=1", "1A=1", "A='x", "A='x'y'", 'A="x', 'A="x\\', "=1"])
def test_lines_that_are_none(text: str) -> None:
    found = Diagnostics()
    assert parse_env_file(text, file="e", found=found) == {}
    assert [item.code for item in found] == ["bad-env-file"]

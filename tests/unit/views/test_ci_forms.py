"""`validate --format github|sarif`: whole results, what must be escaped, places that land in the repository."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest

from teamflow.core.codes import CODES, explain
from teamflow.core.diagnostics import Diagnostic, Diagnostics, Severity, Span
from teamflow.views.github import to_github
from teamflow.views.json import json_text
from teamflow.views.sarif import to_sarif
from tests.unit.cli.made import call
from tests.unit.views.sarif_schema import LOG

ITEMS = [
    Diagnostic("unknown-key", 'there is no key "x"', Span("a/team.yaml", 2, 5, 2, 9), "Leave it out."),
    Diagnostic(
        "cycle",
        "these wait for each other",
        Span("t.yaml", 1, 1, 3, 2),
        related=(("a, b", Span("t.yaml", 2, 1, 2, 2)),),
    ),
    Diagnostic("unknown-key", "somewhere", severity=Severity.WARNING),
    Diagnostic("empty-matrix", "no entries", Span("t.yaml", 4, 7, 4, 7), severity=Severity.WARNING),
]


def test_workflow_commands() -> None:
    assert to_github(ITEMS) == (
        "::error file=a/team.yaml,line=2,col=5,endLine=2,endColumn=8,title=unknown-key::"
        'there is no key "x"%0Ahint: Leave it out.\n'
        "::error file=t.yaml,line=1,endLine=3,title=cycle::these wait for each other%0At.yaml:2:1: a, b\n"
        "::warning title=unknown-key::somewhere\n"
        "::warning file=t.yaml,line=4,col=7,endLine=4,endColumn=7,title=empty-matrix::no entries\n"
    )
    assert to_github([]) == ""


NASTY = "100%,a:b\r\n::set-env name=X::y\x1b[31m\u202e\x00%0A"


def test_nothing_escapes_from_a_workflow_command() -> None:
    span = Span(NASTY, 1, 1, 1, 2)
    text = to_github([Diagnostic(NASTY, NASTY, span, NASTY, related=((NASTY, span),))])
    assert text.count("\n") == 1
    found = re.fullmatch(
        r"::error file=([^,:\n]*),line=1,col=1,endLine=1,endColumn=1,title=([^,:\n]*)::([^\r\n]*)\n", text
    )
    assert found is not None
    shown = r"100%,a:b\x0d\x0a::set-env name=X::y\x1b[31m\u202e\x00%0A"
    assert [undone(part) for part in found.groups()[:2]] == [shown, shown]
    assert undone(found[3]) == f"{shown}\n{shown}:1:1: {shown}\nhint: {shown}"


def undone(text: str) -> str:
    """As the runner of Actions reads it: `%25` last."""
    for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, char)
    return text


def checked(log: Any) -> Any:
    """The run of a log that keeps to the standard, and whose indexes lead to what they name."""
    jsonschema.Draft202012Validator(LOG).validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    return run


def test_sarif() -> None:
    run = checked(to_sarif(ITEMS, version="1.2.3"))
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("teamflow", "1.2.3")
    assert [rule["id"] for rule in driver["rules"]] == ["unknown-key", "cycle", "empty-matrix"]
    assert driver["rules"][0] == {
        "id": "unknown-key",
        "shortDescription": {"text": CODES["unknown-key"].title},
        "fullDescription": {"text": CODES["unknown-key"].explanation},
        "help": {"text": explain("unknown-key")},
    }
    first, cycle, nowhere, warning = run["results"]
    assert first == {
        "ruleId": "unknown-key",
        "ruleIndex": 0,
        "level": "error",
        "message": {"text": 'there is no key "x"\nhint: Leave it out.'},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "a/team.yaml", "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": 2, "startColumn": 5, "endLine": 2, "endColumn": 9},
                }
            }
        ],
    }
    assert [(place["id"], place["message"]["text"]) for place in cycle["relatedLocations"]] == [(1, "a, b")]
    assert "locations" not in nowhere
    assert (warning["level"], warning["ruleIndex"]) == ("warning", 2)
    assert checked(to_sarif([], version="1"))["results"] == []


def test_sarif_of_every_code_and_of_hostile_text() -> None:
    names = (NASTY, "a b/ü?#x.yaml", "a:b.yaml", "x\udcff.yaml", "C:\\x.yaml", "{0} [a](http://b)")
    items = [Diagnostic(code, NASTY, Span("t.yaml", 1, 1, 1, 1)) for code in CODES]
    items += [Diagnostic("not-a-code", name, Span(name, 9, 1, 9, 1), name) for name in names]
    text = json_text(to_sarif(items, version="1"), indent=2)
    assert text.encode().decode() == text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    run = checked(json.loads(text))
    uris = [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]]
    assert [unquote(uri, errors="surrogateescape") for uri in uris[-len(names) :]] == list(names)


WRONG = "agents:\n  a: {comand: x}\n  b: {command: y, depends_on: [c]}\n"


@pytest.mark.parametrize("git", [True, False])
def test_places_are_named_from_the_top_of_the_repository(tmp_path: Path, *, git: bool) -> None:
    below, other = tmp_path / "below", tmp_path / "other, too"
    below.mkdir()
    other.mkdir()
    if git:
        (tmp_path / ".git" / "refs").mkdir(parents=True)
    (below / "team.yaml").write_text(WRONG)
    (other / "team.yaml").write_text("include: inc.yaml\nagents: {a: {command: x}}\n")
    (other / "inc.yaml").write_text("\n\nnmae: x\n")
    names = ["below/team.yaml", "below/team.yaml", "other, too/inc.yaml"]
    if not git:  # there is no top: as seen from here
        names = ["../other, too/inc.yaml", "team.yaml", "team.yaml"]
    answer = call(below, "validate", "--format", "github", "team.yaml", "../other, too/team.yaml")
    assert (answer.code, answer.err) == (2, "")
    lines = answer.out.splitlines()
    assert [undone(line.partition("file=")[2].partition(",line")[0]) for line in lines] == names
    assert [re.findall(r",line=(\d+),", line)[0] for line in lines] == (["2", "3", "3"] if git else ["3", "2", "3"])
    answer = call(below, "validate", "--format", "sarif", "team.yaml", "../other, too/team.yaml")
    assert (answer.code, answer.err) == (2, "")
    places = [result["locations"][0]["physicalLocation"] for result in checked(json.loads(answer.out))["results"]]
    assert [unquote(place["artifactLocation"]["uri"]) for place in places] == names
    found = json.loads(call(below, "validate", "--json", "team.yaml").out)["diagnostics"]
    assert [entry["file"] for entry in found] == ["team.yaml"] * 2, "other forms stay as they were"


def test_a_right_file(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text("agents: {a: {command: x}}\n")
    assert call(tmp_path, "validate", "--format", "github") == (0, "", "team.yaml: valid\n")
    answer = call(tmp_path, "validate", "--format", "sarif")
    assert (answer.code, answer.err) == (0, "")
    assert checked(json.loads(answer.out))["results"] == []
    assert call(tmp_path, "validate", "--format", "xml").code == 2
    assert call(tmp_path, "validate", "--format", "sarif", "--json").code == 2
    assert call(tmp_path, "validate", "--format", "github", "nope.yaml").code == 2


def test_every_diagnostic_of_the_golden_files_can_be_told(tmp_path: Path) -> None:
    """As one log: places of real files are places of the standard."""
    from teamflow.app.validate import validate_file

    golden = Path(__file__).parents[2] / "golden" / "diagnostics"
    found = Diagnostics()
    for path in sorted(golden.glob("*.yaml")):
        found.extend(validate_file(str(path), str(tmp_path), from_top=True).diagnostics)
    run = checked(json.loads(json_text(to_sarif(found, version="1"))))
    assert len(run["results"]) == len(to_github(found).splitlines()) > 60

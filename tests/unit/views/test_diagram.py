"""Graphs for Mermaid and Graphviz: whole results, and that no name can become anything but a label."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from teamflow.plan.explain import Preview, Probe, preview
from teamflow.views.diagram import plan_dot, plan_mermaid
from teamflow.views.sanitize import cell
from tests.fakes.plans import make_plan, make_step
from tests.fakes.teams import plan_of
from tests.unit.cli.made import call

TEAM = """
agents:
  plan: {prompt: x, engine: claude/opus}
  build: {command: make, matrix: {os: [a, b]}, depends_on: [plan]}
  mend: {command: mend, depends_on: {plan: failed}}
  off: {command: x, if: "false", depends_on: [plan]}
  approve: {ask: "Ship?", depends_on: {build: succeeded, off: passed}}
  tidy: {command: rm -r tmp, depends_on: {approve: finished}}
"""

MERMAID = """\
---
title: "team: 7 steps: 3 to run, 1 unchanged, 1 skipped, 1 ask, 1 known later"
---
flowchart LR
  s0("[+] plan
claude/opus, to run")
  s1["[+] build/a
command, to run"]
  s2["[=] build/b
command, unchanged"]
  s3["[?] mend
command, known later"]:::uncertain
  s4["[-] off
command, skipped"]:::uncertain
  s5{{"[!] approve
ask"}}
  s6["[+] tidy
command, to run"]
  s0 --> s1
  s0 --> s2
  s0 -->|failed| s3
  s0 --> s4
  s1 --> s5
  s2 --> s5
  s4 -->|passed| s5
  s5 -->|finished| s6
  classDef uncertain stroke-dasharray: 4 4"""

DOT = """\
digraph "team" {
  graph [rankdir=LR, labelloc=t, label="team: 7 steps: 3 to run, 1 unchanged, 1 skipped, 1 ask, 1 known later"];
  node [shape=box];
  "plan" [label="+ plan\\nclaude/opus, to run", tooltip="first", style="rounded"];
  "build/a" [label="+ build/a\\ncommand, to run", tooltip="after plan", style="solid"];
  "build/b" [label="= build/b\\ncommand, unchanged", tooltip="as in run 3", style="solid"];
  "mend" [label="? mend\\ncommand, known later", tooltip="runs only if plan fails", style="solid,dashed"];
  "off" [label="- off\\ncommand, skipped", tooltip="if: false", style="solid,dashed"];
  "approve" [label="! approve\\nask", tooltip="after build/a, build/b, off", style="diagonals"];
  "tidy" [label="+ tidy\\ncommand, to run", tooltip="after approve", style="solid"];
  "plan" -> "build/a";
  "plan" -> "build/b";
  "plan" -> "mend" [label=failed];
  "plan" -> "off";
  "build/a" -> "approve";
  "build/b" -> "approve";
  "off" -> "approve" [label=passed];
  "approve" -> "tidy" [label=finished];
}"""


def test_the_whole_of_both() -> None:
    shown = preview(plan_of(TEAM), probes={"build/b": Probe(hit=True, reason="as in run 3")})
    assert plan_mermaid(shown) == MERMAID
    assert plan_dot(shown) == DOT


# -- names that want to be more ----------------------------------------------------------------------------------

NAMES = (
    "end", "subgraph", "click a call b()", "direction LR", "classDef x:#f;", "style:x#y;", "%% c", "%%{init: {}}%%",
    'a"b', "a\\", 'a\\"b', "a]b", "a)b}}", "a|b|", "-->", "a;b", "a:::uncertain", "@{ shape: x }", "{{x}}", "---",
    "#35;", "&amp;", "&lt;b&gt;", "<b>x</b>", "<script>alert(1)</script>", "`md`", "**b** __i__ _x_", "- item", "+ x",
    "1. item", "# head", "fa:fa-ban", "$$x^2$$", "\\n\\N\\G\\l", "a\nb", "a\tb", "日本語 → ü ß",
    "\ufb02\u00b0\u00b035\u00b6\u00df", "\u202eabc", "\x1b[31mred", "\x00", "\ud800", "a'b", "", "x" * 300,
)  # fmt: skip
WHEN = ("succeeded", "failed", "finished", "passed")
KINDS = ("command", "prompt", "ask")
TITLE = 't"\\ <b a="x">: &amp; #35; \u202e ---\n'


def hostile() -> Preview:
    steps = [
        make_step(
            name,
            needs={NAMES[number - 1]: WHEN[number % 4]} if number else (),
            kind=KINDS[number % 3],
            engine=name,
            model=name if number % 2 else None,
            skip='a "reason" & \\' if number % 5 == 0 else None,
        )
        for number, name in enumerate(NAMES)
    ]
    return preview(make_plan(steps)._replace(team=TITLE))


class Node(NamedTuple):
    """What a reader of the picture sees of a step."""

    shape: str
    first: str
    second: str
    uncertain: bool


def expected(*, start: str, close: str) -> list[Node]:
    """`start`, `close`: what stands around the symbol."""
    nodes = []
    for line in hostile().lines:
        step, kind = line.step, line.action.kind
        sign = {"run": "+", "skip": "-", "ask": "!", "undecided": "?"}[kind]
        told = {"run": "to run", "skip": "skipped", "ask": "ask", "undecided": "known later"}[kind]
        engine = f"{step.engine}/{step.model}" if step.model else step.engine
        uncertain = kind in ("skip", "undecided")
        nodes.append(Node(step.kind, f"{start}{sign}{close} {cell(step.id)}", f"{cell(engine)}, {told}", uncertain))
    return nodes


SHAPES = {"[": ("]", "command"), "(": (")", "prompt"), "{{": ("}}", "ask")}


def read_mermaid(text: str) -> tuple[str, list[Node], list[tuple[str, str, str]]]:
    """Title, nodes, edges of a flowchart; strict: AssertionError for a line that is none of what is written here."""
    lines = text.split("\n")
    assert (lines[0], lines[2], lines[3]) == ("---", "---", "flowchart LR")
    title = json.loads(lines[1].removeprefix("title: "))
    rest = "\n".join(lines[4:]).removesuffix("\n  classDef uncertain stroke-dasharray: 4 4")
    nodes: list[Node] = []
    edges: list[tuple[str, str, str]] = []
    at = 0
    pattern = re.compile(
        r'  s(?P<n>\d+)(?P<o>\[|\(|\{\{)"(?P<a>[^"\n]*)\n(?P<b>[^"\n]*)"(?P<c>\]|\)|\}\})(?P<u>:::uncertain)?(?:\n|\Z)'
        r"|  (?P<f>s\d+) -->(?:\|(?P<w>failed|finished|passed)\|)? (?P<t>s\d+)(?:\n|\Z)"
    )
    while at < len(rest):
        found = pattern.match(rest, at)
        assert found is not None, rest[at : at + 200]
        at = found.end()
        if found["n"] is None:
            edges.append((found["f"], found["t"], found["w"] or ""))
            continue
        close, shape = SHAPES[found["o"]]
        assert (found["c"], int(found["n"])) == (close, len(nodes))
        nodes.append(Node(shape, plain(found["a"]), plain(found["b"]), found["u"] is not None))
    return title, nodes, edges


def plain(label: str) -> str:
    """A label as Mermaid shows it; nothing but entities may be foreign in it."""
    bare = re.sub(r"#\d+;", "", label)
    assert not re.search(r"[#;:<>`*_\"'{}|@$%^&\\\x00-\x1f\ufb02\u00b6]|direction\s", bare), label
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label)


def test_mermaid_shows_hostile_names_and_does_nothing_else() -> None:
    title, nodes, edges = read_mermaid(plan_mermaid(hostile()))
    assert title == f"{cell(TITLE)}: 45 steps: 16 to run, 16 skipped, 9 ask, 4 known later"
    assert nodes == expected(start="[", close="]")
    after = [(f"s{n - 1}", f"s{n}", "" if n % 4 == 0 else WHEN[n % 4]) for n in range(1, len(NAMES))]
    assert edges == after
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", plan_mermaid(hostile()))


@pytest.mark.slow
def test_graphviz_reads_what_is_written(tmp_path: Path) -> None:
    drawn = graphviz(plan_dot(hostile()), tmp_path)
    nodes, wanted = drawn["objects"], expected(start="", close="")
    assert [node["label"] for node in nodes] == [rf"{dotted(n.first)}\n{dotted(n.second)}" for n in wanted]
    assert [("dashed" in node["style"]) for node in nodes] == [node.uncertain for node in wanted]
    assert drawn["label"].startswith(dotted(cell(TITLE)))
    edges = [(edge["tail"], edge["head"], edge.get("label") or "succeeded") for edge in drawn["edges"]]
    assert edges == [(n - 1, n, WHEN[n % 4]) for n in range(1, len(NAMES))]


def dotted(text: str) -> str:
    """A text as an escString, which is what Graphviz tells of labels."""
    return text.replace("&", "&amp;").replace("\\", "\\\\")


def graphviz(text: str, directory: Path) -> dict[str, list[dict[str, str]]]:
    """The graph as `dot` lays it out; AssertionError for a warning."""
    source = directory / "plan.dot"
    source.write_text(text, encoding="utf-8")
    done = subprocess.run(["dot", "-Tjson", source], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    drawn: dict[str, list[dict[str, str]]] = json.loads(done.stdout)
    return drawn


@pytest.mark.slow
@pytest.mark.parametrize("name", ["commands", "conditions", "empty", "later-keys", "outcomes", "run-time", "wide"])
def test_graphviz_draws_real_plans(tmp_path: Path, name: str) -> None:
    team = Path(__file__).parents[2] / "golden" / "plan" / f"{name}.yaml"
    text = team.read_text(encoding="utf-8")
    inputs = re.search(r"(?m)^# inputs: (.*)$", text)
    values = json.loads(inputs[1]) if inputs else {}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    given = [word for key, value in texts.items() for word in ("-i", f"{key}={value}")]
    (tmp_path / "team.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "play.yaml").write_bytes((team.parent / "play.yaml").read_bytes())
    plan = json.loads(call(tmp_path, "plan", "--json", *given).out)
    drawn = graphviz(call(tmp_path, "plan", "--graph", "dot", *given).out, tmp_path)
    nodes = drawn.get("objects", [])
    assert [node["name"] for node in nodes] == [step["id"] for step in plan["steps"]]
    named = [[nodes[int(edge["tail"])]["name"], nodes[int(edge["head"])]["name"]] for edge in drawn.get("edges", [])]
    assert sorted(named) == sorted(plan["edges"])


# -- the command line --------------------------------------------------------------------------------------------


def test_plan_graph(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(TEAM, encoding="utf-8")
    plain_text = call(tmp_path, "plan")
    assert call(tmp_path, "plan", "--graph", "text") == plain_text
    fresh = MERMAID.replace("[=]", "[+]").replace("unchanged", "to run").replace("3 to run, 1 to run", "4 to run")
    assert call(tmp_path, "plan", "--graph", "mermaid").out == fresh + "\n"
    assert call(tmp_path, "plan", "--graph", "dot", "--detailed-exitcode").code == 10
    assert call(tmp_path, "plan", "--graph", "dot").out.startswith('digraph "team" {\n')
    answer = call(tmp_path, "plan", "--graph", "svg")
    assert (answer.code, answer.out) == (2, "")
    answer = call(tmp_path, "plan", "--graph", "dot", "--json")
    assert (answer.code, answer.out) == (2, "")
    assert "take one" in answer.err


def test_more_edges_than_mermaid_draws(tmp_path: Path) -> None:
    names = ", ".join(f"n{number}" for number in range(23))
    (tmp_path / "team.yaml").write_text(
        f"agents:\n  a: {{command: x, matrix: [{names}]}}\n  b: {{command: y, matrix: [{names}], depends_on: [a]}}\n"
    )
    answer = call(tmp_path, "plan", "--graph", "mermaid")
    assert answer.code == 0
    assert "529 edges: Mermaid draws 500" in answer.err
    assert call(tmp_path, "plan", "--graph", "dot").err == ""

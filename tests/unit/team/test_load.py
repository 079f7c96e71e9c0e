"""Whole teams: the two examples of the format, includes, personas, files that are named, digests, places."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from teamflow.team.load import load
from teamflow.team.loaded import Loaded, LoadedTeam
from teamflow.team.resolved import AskWork, CommandWork, EngineChoice, Matrix, PromptWork, SchemaOutput

Read = Callable[..., Loaded]
Team = Callable[..., LoadedTeam]
Complaints = Callable[..., list[tuple[str, int, int]]]
TEST = "agents:\n  test: {command: pytest -q}\n"


def test_the_smallest_example(examples: Any) -> None:
    loaded = load("smallest.yaml", sources=examples)
    assert list(loaded.diagnostics) == []
    assert loaded.team is not None
    agents = loaded.team.resolved
    assert list(agents) == ["build", "review"]
    assert isinstance(agents["build"].work, PromptWork)
    assert agents["build"].work.engines == (EngineChoice("claude"),)
    assert agents["build"].verify == ("pytest -q",)
    assert agents["build"].retry.attempts == 2
    assert agents["review"].depends_on == {"build": "succeeded"}
    assert loaded.team.name == "smallest"


def test_the_larger_example(examples: Any) -> None:
    loaded = load("larger.yaml", sources=examples)
    assert list(loaded.diagnostics) == []
    team = loaded.team
    assert team is not None
    assert team.name == "ship-rate-limits"
    there = sorted(name for name, digest in team.files.items() if digest)
    assert there == ["common/personas.yaml", "larger.yaml", "personas/architect.md"]
    plan, build, review, lint = (team.resolved[name] for name in ("plan", "build", "review", "lint"))
    assert isinstance(plan.work, PromptWork)
    assert plan.work.instructions == "You are an architect who prefers small designs."
    assert plan.work.engines == (EngineChoice("claude", "opus"),)
    assert plan.work.permissions.edit == ("DESIGN.md",)
    assert isinstance(plan.outputs["tasks"], SchemaOutput)
    assert plan.timeout == 1800.0
    assert build.matrix == Matrix({"task": "agents.plan.outputs.tasks"})
    assert (build.timeout, build.idle_timeout, build.retry.attempts, build.retry.max_delay) == (2700.0, 600.0, 3, 300.0)
    assert isinstance(build.work, PromptWork)
    assert build.work.mcp_servers == {"docs": {"command": "docs-mcp", "args": ("--stdio",), "env": {}}}
    assert review.matrix == Matrix(pairs_with="build")
    assert review.loop is not None
    assert review.loop.rework == "build"
    assert isinstance(lint.work, CommandWork)
    assert lint.env == {"PYTHONUNBUFFERED": "1", "FEATURE": "{{ inputs.feature }}"}
    approve = team.resolved["approve"]
    assert isinstance(approve.work, AskWork)
    assert approve.depends_on == {"review": "succeeded", "lint": "passed"}
    assert team.resolved["ship"].pr == {"base": "main", "branch": "teamflow/{{ run.number }}/{{ step.slug }}",
                                        "draft": True, "labels": ("agents",), "reviewers": ("octocat",),
                                        "title": "{{ inputs.feature }}"}  # fmt: skip
    assert not team.resolved["helper"].startable
    assert (team.limits.max_parallel, team.limits.timeout, team.limits.orphan_after) == (4, 10800.0, 3600.0)
    assert team.limits.budget.tokens == 4_000_000


def test_include_merges_maps_by_key_and_replaces_the_rest(team: Team) -> None:
    loaded = team(
        {
            "team.yaml": "include: [a.yaml, b.yaml]\nname: own\nenv: {A: own}\nagents:\n  test: {timeout: 5m}\n",
            "a.yaml": "name: a\nenv: {A: a, B: a, C: a}\nagents:\n  test: {command: a, timeout: 1m, reads: [x]}\n",
            "b.yaml": "env: {C: b}\nagents:\n  test: {command: b}\n  lint: {command: lint}\n",
        }
    )
    assert loaded.team.name == "own"
    assert loaded.team.env == {"A": "own", "B": "a", "C": "b"}
    test = loaded.resolved["test"]
    assert isinstance(test.work, CommandWork)
    assert (test.work.command, test.timeout, test.reads) == ("b", 300.0, ("x",))
    assert list(loaded.resolved) == ["test", "lint"]
    assert loaded.value_span("agents", "test", "command").file == "b.yaml"
    assert loaded.value_span("agents", "test", "reads").file == "a.yaml"
    assert loaded.value_span("agents", "test", "timeout").file == "team.yaml"
    assert loaded.key_span("agents", "lint").file == "b.yaml"


def test_files_are_relative_to_the_file_that_names_them(team: Team) -> None:
    files = {
        "teams/team.yaml": "include: ../common/base.yaml\nagents:\n  b: {prompt: {file: prompts/b.md}}\n",
        "common/base.yaml": "include: deep/more.yaml\nenv_file: .env\nagents:\n  a: {prompt: {file: prompts/a.md}}\n",
        "common/deep/more.yaml": (
            "personas: {p: {file: p.md}}\n"
            "agents:\n  c: {persona: p, prompt: Do it.}\n  d: {engine: scripted, script: d.yaml, prompt: x}\n"
        ),
        "common/deep/p.md": "---\ntimeout: 7m\nprompt: {file: unused.md}\n---\nYou are p.\n",
        "common/deep/unused.md": "unused",
        "common/deep/d.yaml": "- say: hello\n",
        "common/prompts/a.md": "Prompt a",
        "common/.env": "# secrets\nTOKEN=abc\nexport B='x y'\n",
        "teams/prompts/b.md": "Prompt b",
    }
    loaded = team(files, "teams/team.yaml")
    works = {name: agent.work for name, agent in loaded.resolved.items()}
    assert {name: work.text for name, work in works.items() if isinstance(work, PromptWork)} == {
        "a": "Prompt a",
        "b": "Prompt b",
        "c": "Do it.",
        "d": "x",
    }
    assert isinstance(works["d"], PromptWork)
    assert works["d"].script is not None
    assert works["d"].script.value == [{"say": "hello"}]
    assert loaded.env_file_values == {"TOKEN": "abc", "B": "x y"}
    assert loaded.resolved["c"].timeout == 420.0
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    assert loaded.files == {**digests, "common/deep/p.mcp.json": ""}  # looked for beside p.md, and not there


def test_places_inside_front_matter(complaints: Complaints, read: Read) -> None:
    files = {
        "team.yaml": "personas:\n  p: {file: p.md}\nagents:\n  a: {persona: p, prompt: x}\n",
        "p.md": "---\ndescription: d\ntimeuot: 5m\nengine: cluade\n---\nYou are p.\n",
    }
    assert complaints(files) == [("unknown-key", 3, 1)]
    files["p.md"] = files["p.md"].replace("timeuot", "timeout")
    assert complaints(files) == [("unknown-engine", 4, 9)]
    assert [item.span.file for item in read(files).diagnostics if item.span] == ["p.md"]


def test_agent_files_of_claude_code_load_as_they_are(team: Team, read: Read) -> None:
    files = {
        "team.yaml": "personas:\n  r: {file: .claude/agents/r.md}\nagents:\n  a: {persona: r, prompt: x}\n",
        ".claude/agents/r.md": (
            "---\nname: reviewer\ndescription: Reviews.\ntools: Read, Grep, Glob\nmodel: inherit\ncolor: blue\n---\n\n"
            "You review.\n\nYou are strict.\n"
        ),
    }
    work = team(files).resolved["a"].work
    assert isinstance(work, PromptWork)
    assert work.instructions == "You review.\n\nYou are strict."
    assert work.permissions.level == "read"
    assert work.engines == (EngineChoice("claude"),)
    files[".claude/agents/r.md"] = "---\nname: r\ntools: Edit, Bash\nskills: [pdf]\nmodel: opus\n---\nYou review.\n"
    loaded = read(files)
    assert [(item.code, item.severity.value) for item in loaded.diagnostics] == [("foreign-key", "warning")]
    assert loaded.team is not None
    work = loaded.team.resolved["a"].work
    assert isinstance(work, PromptWork)
    assert work.engines == (EngineChoice("claude", "opus"),)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"team.yaml": "include: [no.yaml]\n" + TEST}, [("file-unreadable", 1, 11)]),
        ({"team.yaml": "include: [../up.yaml]\n" + TEST}, [("path-outside", 1, 11)]),
        ({"team.yaml": "include: [/no/such.yaml]\n" + TEST}, [("file-unreadable", 1, 11)]),
        ({"team.yaml": "include: [~root/x.yaml]\n" + TEST}, [("path-outside", 1, 11)]),
        ({"team.yaml": "include: [~/../x.yaml]\n" + TEST}, [("path-outside", 1, 11)]),
        ({"team.yaml": "agents:\n  a: {prompt: {file: /etc/passwd}}\n"}, [("path-outside", 2, 22)]),
        ({"team.yaml": "env_file: [/etc/passwd]\n" + TEST}, [("path-outside", 1, 12)]),
        ({"team.yaml": "include: [a.yaml]\n" + TEST, "a.yaml": "include: team.yaml\n"}, [("include-cycle", 1, 10)]),
        ({"team.yaml": "agents:\n  a: {prompt: {file: ~/p.md}}\n"}, [("path-outside", 2, 22)]),
        ({"team.yaml": "agents:\n  a: {prompt: {file: p.md}}\n", "p.md": b"\xff"}, [("yaml-encoding", 1, 1)]),
        ({"team.yaml": "env_file: [e]\n" + TEST, "e": "A=1\nB 2\nC='x\n"},
         [("bad-env-file", 2, 1), ("bad-env-file", 3, 1)]),
        ({"team.yaml": "include: [a.yaml]\n" + TEST, "a.yaml": "env: {A: 1\n"}, [("yaml-syntax", 1, 6)]),
        ({"team.yaml": "include: [a.yaml]\n" + TEST, "a.yaml": "agents: {x: {comand: y}}\n"},
         [("unknown-key", 1, 14)]),
        ({"team.yaml": "personas: {p: {file: p.md}}\n" + TEST, "p.md": "---\nengine: x\n"},
         [("bad-front-matter", 1, 1)]),
        ({"team.yaml": "personas: {p: {file: p.md}}\n" + TEST, "p.md": "---\n- x\n---\n"},
         [("bad-front-matter", 2, 1)]),
        ({"team.yaml": "agents:\n  a: {engine: scripted, script: s.yaml, prompt: x}\n", "s.yaml": "a: 1\na: 2\n"},
         [("duplicate-key", 2, 1)]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_files(complaints: Complaints, files: Any, expected: object) -> None:
    assert complaints(files) == expected


@pytest.mark.parametrize("url", ["https://example.org/t.yaml", "ssh://git@host/t.yaml", "FILE:///t.yaml"])
def test_a_url_is_told_to_be_none_that_is_read(read: Read, url: str) -> None:
    named = {
        f"include: ['{url}']\n{TEST}": (1, 11),
        f"agents:\n  a: {{prompt: {{file: '{url}'}}}}\n": (2, 22),
        f"personas: {{p: {{file: '{url}'}}}}\n{TEST}": (1, 22),
    }
    for text, (line, column) in named.items():
        (told,) = read({"team.yaml": text}, "team.yaml").diagnostics
        assert (told.code, told.message) == ("file-unreadable", f'cannot read "{url}": URLs are not read')
        assert told.span is not None
        assert (told.span.line, told.span.column) == (line, column)
        assert told.hint == "Clone its repository, or copy the file into the project, and name it by its path."


def test_a_missing_team_file_is_a_complaint(read: Read) -> None:
    loaded = read({}, "team.yaml")
    assert loaded.team is None
    assert [item.code for item in loaded.diagnostics] == ["file-unreadable"]


def test_deep_and_many_includes_end(complaints: Complaints) -> None:
    chain = {f"f{n}.yaml": f"include: f{n + 1}.yaml\n" + TEST for n in range(40)}
    assert [code for code, _, _ in complaints(chain, "f0.yaml")] == ["include-depth"]
    wide = {f"f{n}.yaml": f"include: [f{n + 1}.yaml, f{n + 1}.yaml, f{n + 1}.yaml]\n" + TEST for n in range(10)}
    assert {code for code, _, _ in complaints(wide, "f0.yaml")} == {"include-depth", "file-unreadable"}


def test_notes_and_anchors(team: Team) -> None:
    loaded = team(
        "x-base: &base {timeout: 5m, x-why: because}\nagents:\n  x-note: {whatever: [1]}\n"
        "  test: {<<: *base, command: pytest -q, env: {x-kept: a}, x-more: 1}\n".replace("env: {x-kept: a}, ", "")
    )
    assert list(loaded.resolved) == ["test"]
    assert loaded.resolved["test"].timeout == 300.0


def test_all_problems_in_one_go(complaints: Complaints) -> None:
    text = (
        "nmae: x\n"
        "agents:\n"
        "  build: {command: make, timeuot: 5m}\n"
        "  test: {command: pytest, depends_on: [biuld, lint]}\n"
        "  lint: {command: 'ruff {{ inputs.x }}', retry: {attempts: none}}\n"
        "  fix: {prompt: '{{ inputs.issue }}', persona: engineer}\n"
    )
    assert complaints(text) == [
        ("unknown-key", 1, 1),
        ("unknown-key", 3, 26),
        ("unknown-agent", 4, 40),
        ("template-in-shell", 5, 19),
        ("wrong-type", 5, 60),
        ("unknown-reference", 6, 17),
        ("unknown-persona", 6, 48),
    ]


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys; from teamflow.team.load import load\n"
        "class S:\n"
        "    def read(self, path): return b'agents: {a: {command: [echo, \"{{ step.id }}\"]}}'\n"
        "assert load('t.yaml', sources=S()).team is not None\n"
        "heavy = {'jinja2', 'networkx', 'jsonschema', 'asyncio', 'subprocess', 'sqlite3', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

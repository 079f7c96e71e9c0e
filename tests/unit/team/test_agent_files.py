"""Agent files of Claude Code as they lie about: what their keys come to, and what is said of the rest."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from teamflow.core.diagnostics import Diagnostics, Severity
from teamflow.team.loaded import Loaded, LoadedTeam
from teamflow.team.persona_file import parse_persona
from teamflow.team.resolved import PromptWork

Read = Callable[..., Loaded]
Team = Callable[..., LoadedTeam]


def keys(front: str) -> tuple[dict[str, object], list[str]]:
    """Our keys, and the codes of what is said."""
    found = Diagnostics()
    parsed = parse_persona(f"---\nname: x\n{front}\n---\nYou are x.\n", file="x.md", found=found)
    assert parsed is not None
    assert not found.has_errors
    return {key: value for key, value in parsed.keys.items() if key != "instructions"}, [item.message for item in found]


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("tools: Read, Grep, Glob", "read"),
        ("tools: [Read, WebFetch]", "read"),
        ("tools: []", "read"),
        ("tools: Read, Edit, Bash", "edit"),
        ("tools: Read, Write", {"run": []}),
        ("tools: Read, Bash(git diff:*), Bash(npm test)", {"edit": [], "run": ["git diff", "npm test"]}),
        ("tools: Read, Bash(git diff:*), Bash(git log:*), Bash(ls:*)", "read"),
        ("tools: Read, Bash(git push:*)", {"edit": [], "run": ["git push"]}),
        ("tools: Read, Bash(lsof:*)", {"edit": [], "run": ["lsof"]}),
        ("tools: Edit, Bash(git diff, or so:*)", {"run": ["git diff, or so"]}),
        ("tools: Read, Edit, Bash\ndisallowedTools: Bash", {"run": []}),
        ("tools: Read, Edit, Bash\npermissionMode: plan", "read"),
        ("disallowedTools: Edit, Write, MultiEdit, Bash", "read"),
        ("disallowedTools: [Bash]", {"run": []}),
        ("permissionMode: plan", "read"),
        ("permissionMode: dontAsk", {"ask": "deny"}),
        ("permissionMode: dontAsk\ntools: Edit", {"run": [], "ask": "deny"}),
        ("permissionMode: acceptEdits", None),
        ("tools: '*'", None),
        ("permissions: full\ntools: Read", "full"),
    ],
)
def test_tools_become_permissions(front: str, expected: object) -> None:
    found, said = keys(front)
    assert (found.get("permissions"), said) == (expected, [])


@pytest.mark.parametrize(
    ("front", "permissions", "word"),
    [
        ("permissionMode: bypassPermissions", None, "gives nothing here"),
        ("permissionMode: [x]", None, "gives nothing here"),
        ("tools: Read, Task", "read", "Task"),
        ("tools: Read, mcp__docs__search", "read", "mcp__docs__search"),
        ("tools: Read, Bash(*)", "read", "Bash(*)"),
        ("tools: Read, Bash", "edit", "commands change files, so it may edit here"),
        ("tools: {Read: true}", None, "is no list of tools"),
        ("tools: [1]", None, "is no list of tools"),
        ("tools: Edit, Bash\ndisallowedTools: Bash(rm:*)", "edit", "single uses"),
        ("disallowedTools: Write, Edit", None, "it may edit here"),
        ("disallowedTools: WebFetch", None, "cannot be denied here"),
        ("maxTurns: many", None, "no number of turns"),
        ("maxTurns: true", None, "no number of turns"),
        ("mcpServers: [github]", None, "names github"),
        ("mcpServers: 7", None, "names 7"),
        ("skills: [pdf]", None, "no counterpart"),
        ("hooks: {Stop: []}", None, "no counterpart"),
        ("effort: high", None, "no counterpart"),
    ],
)
def test_what_cannot_be_said_here_is_warned_of(front: str, permissions: object, word: str) -> None:
    found, said = keys(front)
    assert found.get("permissions") == permissions
    assert len(said) == 1
    assert word in said[0]


def test_a_model_of_theirs_is_one_of_their_program() -> None:
    assert keys("model: opus")[0] == {"model": "opus", "engine": "claude"}
    assert keys("model: inherit")[0] == {}
    assert keys("model: gpt-5\nengine: codex")[0] == {"model": "gpt-5", "engine": "codex"}
    assert keys("maxTurns: 30")[0] == {"guards": {"turns": 30}}
    assert keys("maxTurns: 30\nguards: {turns: 5, calls: 9}")[0] == {"guards": {"turns": 5, "calls": 9}}


def test_a_model_of_the_file_is_not_taken_to_another_engine(team: Team) -> None:
    files = {
        "team.yaml": (
            "defaults: {engine: opencode}\n"
            "personas: {r: {file: r.md}, s: {file: r.md, engine: codex}}\n"
            "agents:\n  a: {persona: r, prompt: x}\n  b: {persona: r, engine: gemini, prompt: x}\n"
            "  c: {persona: s, prompt: x}\n"
        ),
        "r.md": "---\nname: r\nmodel: opus\n---\nYou review.\n",
    }
    works = [agent.work for agent in team(files).resolved.values()]
    engines = [(work.engines[0].name, work.engines[0].model) for work in works if isinstance(work, PromptWork)]
    assert engines == [("claude", "opus"), ("gemini", None), ("codex", None)]


def test_a_description_with_colons_is_taken_as_it_stands(team: Team) -> None:
    said = 'Use this agent when: you review. Examples: <example>user: "hi" #1</example>'
    files = {
        "team.yaml": "agents:\n  a: {persona: r, prompt: x}\n",
        ".claude/agents/r.md": f"---\nname: r\ndescription: {said}\nmodel: sonnet\n---\nYou review.\n",
    }
    assert team(files).team.personas["r"].description == said  # type: ignore[index]


def test_other_mistakes_of_front_matter_keep_their_place(complaints: Callable[..., object]) -> None:
    files = {
        "team.yaml": "personas: {r: {file: r.md}}\nagents:\n  a: {persona: r, prompt: x}\n",
        "r.md": "---\nname: r\ndescription: a: b\nenv: [1\n---\nYou review.\n",
    }
    assert complaints(files) != []
    files["r.md"] = "---\nname: r\ndescription: a: b\ntimeuot: 3m\n---\nYou review.\n"
    assert complaints(files) == [("unknown-key", 4, 1)]


# -- found by name -----------------------------------------------------------------------------------------------

NAMED = "agents:\n  a: {persona: code-reviewer, prompt: x}\n"


def test_personas_are_found_by_name_and_in_order(team: Team) -> None:
    places = (".claude/agents", "teams/personas", "~/.claude/agents")
    files = {f"{place}/code-reviewer.md": f"You are of {place}." for place in places}
    for index, place in enumerate(places):
        loaded = team({"teams/team.yaml": NAMED, **files}, "teams/team.yaml")
        work = loaded.resolved["a"].work
        assert isinstance(work, PromptWork)
        assert work.instructions == f"You are of {place}."
        # What would win if it were there is known, so that it is not overlooked when it comes.
        absent = {name for name, digest in loaded.files.items() if not digest and name.endswith(".md")}
        assert absent == {f"{earlier}/code-reviewer.md" for earlier in places[:index]}
        del files[f"{place}/code-reviewer.md"]


def test_a_declaration_wins_over_a_file_of_its_name(team: Team) -> None:
    files = {
        "team.yaml": "personas: {code-reviewer: {instructions: Mine.}}\n" + NAMED,
        ".claude/agents/code-reviewer.md": "Theirs.",
    }
    work = team(files).resolved["a"].work
    assert isinstance(work, PromptWork)
    assert work.instructions == "Mine."
    assert set(team(files).files) == {"team.yaml"}


def test_defaults_and_subagents_name_personas_too(team: Team) -> None:
    files = {
        "team.yaml": "defaults: {persona: one}\nagents:\n  a: {prompt: x, subagents: [two, b]}\n  b: {prompt: y}\n",
        "personas/one.md": "One.",
        "personas/two.md": "---\nsubagents: [three]\n---\nTwo.",
        "personas/three.md": "Three.",
    }
    assert sorted(team(files).team.personas or {}) == ["one", "three", "two"]


def test_files_that_a_found_persona_names_are_relative_to_it(team: Team) -> None:
    files = {
        "teams/team.yaml": "agents:\n  a: {persona: p}\n",
        "teams/personas/p.md": "---\nprompt: {file: p/task.md}\n---\nYou are p.",
        "teams/personas/p/task.md": "Do it.",
    }
    work = team(files, "teams/team.yaml").resolved["a"].work
    assert isinstance(work, PromptWork)
    assert work.text == "Do it."


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "~/x", "A", "a.b", "a\\b", ""])
def test_names_that_are_no_names_are_looked_for_nowhere(read: Read, name: str) -> None:
    asked: list[str] = []

    class Asked:
        def read(self, path: str) -> bytes:
            asked.append(path)
            if path == "team.yaml":
                return f"agents:\n  a: {{persona: {json.dumps(name)}, prompt: x}}\n".encode()
            raise FileNotFoundError(2, "No such file or directory", path)

    from teamflow.team.load import load

    assert load("team.yaml", sources=Asked()).team is None
    assert asked == ["team.yaml"]


def test_an_unknown_one_suggests_files(read: Read) -> None:
    class Some:
        def read(self, path: str) -> bytes:
            if path == "team.yaml":
                return NAMED.encode()
            raise FileNotFoundError(2, "No such file or directory", path)

        def names(self, path: str) -> list[str]:
            return ["code_reviewer.md", "README.md", "notes.txt"] if path == ".claude/agents" else []

    from teamflow.team.load import load

    found = list(load("team.yaml", sources=Some(), anywhere=Some()).diagnostics)
    assert [(item.code, item.hint) for item in found] == [("unknown-persona", 'did you mean "code_reviewer"?')]


def test_a_found_persona_that_is_wrong_is_an_error_in_its_file(read: Read) -> None:
    files = {"team.yaml": NAMED, ".claude/agents/code-reviewer.md": "---\nname: x\n"}
    found = list(read(files).diagnostics)
    assert [(item.code, item.span.file) for item in found if item.span] == [
        ("bad-front-matter", ".claude/agents/code-reviewer.md")
    ]


@pytest.mark.parametrize("text", ["agents: 7\n", "personas: 7\n" + NAMED, "agents: {a: {persona: [x], prompt: y}}\n"])
def test_damaged_teams_are_told_of_and_nothing_else(read: Read, text: str) -> None:
    assert read(text).diagnostics.has_errors


# -- MCP servers beside them -------------------------------------------------------------------------------------


def servers(front: str, beside: str | bytes | None, own: str = "") -> dict[str, str]:
    return {
        "team.yaml": f"personas: {{p: {{file: people/p.md{own}}}}}\nagents:\n  a: {{persona: p, prompt: x}}\n",
        "people/p.md": f"---\n{front}\n---\nYou are p.\n" if front else "You are p.\n",
        **({} if beside is None else {"people/p.mcp.json": beside}),  # type: ignore[dict-item]
    }


DOCS = '{\n\t"mcpServers": {"docs": {"command": "docs-mcp", "args": ["--stdio"], "env": {"K": "${KEY}"}}}}'


def test_servers_beside_a_persona_file(team: Team) -> None:
    work = team(servers("", DOCS)).resolved["a"].work
    assert isinstance(work, PromptWork)
    assert work.mcp_servers == {
        "docs": {"type": "stdio", "command": "docs-mcp", "args": ("--stdio",), "env": {"K": "${KEY}"}}
    }
    work = team(servers("mcp_servers: {docs: {command: mine}, more: {url: 'http://x/'}}", DOCS)).resolved["a"].work
    assert isinstance(work, PromptWork)
    assert {name: server.get("command") for name, server in work.mcp_servers.items()} == {"docs": "mine", "more": None}
    work = team(servers("", DOCS, own=", mcp_servers: {}")).resolved["a"].work
    assert isinstance(work, PromptWork)
    assert work.mcp_servers == {}


def test_servers_that_an_agent_file_describes(team: Team) -> None:
    front = "name: p\nmcpServers:\n  - docs: {type: stdio, command: docs-mcp}"
    work = team(servers(front, None)).resolved["a"].work
    assert isinstance(work, PromptWork)
    assert work.mcp_servers == {"docs": {"type": "stdio", "command": "docs-mcp"}}


@pytest.mark.parametrize(
    ("beside", "line"),
    [
        ("", 1),
        ("[]", 1),
        ("{}", 1),
        ('{"mcpServers": 7}', 1),
        ('{"mcpServers": {"docs": 7}}', 1),
        ('{"mcpServers": {"docs": {"args": [1]}}}', 1),
        ('{\n "mcpServers": {\n  "docs": {"command": "x" "args": []}}}', 3),
        (b"\xff\xfe", 1),
        ("[" * 5000, 1),
        ('{"mcpServers": {"docs": {"command": "\\ud800"}}}', 1),
    ],
)
def test_servers_that_cannot_be_read_are_an_error_with_a_place(read: Read, beside: str | bytes, line: int) -> None:
    found = [item for item in read(servers("", beside)).diagnostics if item.severity is Severity.ERROR]
    assert [(item.code, item.span.file, item.span.line) for item in found if item.span] == [
        ("bad-mcp-file", "people/p.mcp.json", line)
    ]


def test_what_a_server_loses_is_warned_of(read: Read) -> None:
    beside = '{"mcpServers": {\n"docs": {"command": "x", "cwd": "/x", "disabled": true}}}'
    found = list(read(servers("", beside)).diagnostics)
    assert {item.severity for item in found} == {Severity.WARNING}
    assert {(item.code, item.span.line if item.span else 0) for item in found} == {("foreign-key", 2)}


AGENT = "agents: {a: {persona: r, prompt: x}}\n"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_may_end_as_on_windows(team: Team, end: str) -> None:
    file = "---\nname: r\nmodel: opus\n---\nYou review.\nWell.\n".replace("\n", end)
    [agent] = team({"team.yaml": AGENT, ".claude/agents/r.md": file}).resolved.values()
    assert isinstance(agent.work, PromptWork)
    assert agent.work.engines[0].model == "opus"


def test_keys_that_newer_programs_know_are_left_out_and_told(read: Read) -> None:
    front = "---\nname: r\nnovelty: 7\nother-thing: [x]\ninstructionz: y\n---\nYou review.\n"
    loaded = read({"team.yaml": AGENT, ".claude/agents/r.md": front})
    assert loaded.team is not None
    assert [(item.code, item.severity, item.span.line) for item in loaded.diagnostics if item.span] == [
        ("foreign-key", Severity.WARNING, line) for line in (3, 4, 5)
    ]


def test_in_a_file_of_ours_they_are_errors(read: Read) -> None:
    files = {"team.yaml": AGENT, "personas/r.md": "---\nnovelty: 7\n---\nYou review.\n"}
    assert [item.code for item in read(files).diagnostics] == ["unknown-key"]

"""Settings as people have them, of every format: what is read, what is not, and how they are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from teamflow.servers.canonical import BadServers, Loss, Read, Server
from teamflow.servers.formats import FORMATS, guess, read, section_of
from teamflow.servers.text import parse

SAMPLES = Path(__file__).parent / "samples"


def sample(path: str) -> tuple[str, Read]:
    """The name of the format that is guessed, and what is read."""
    value = parse((SAMPLES / path).read_bytes(), "toml" if path.endswith(".toml") else "json").value
    found = guess(f"/home/ana/{path}", value)
    return found.name, read(value, found)


def fields(losses: tuple[Loss, ...]) -> list[tuple[str, str]]:
    return [(loss.server, loss.field) for loss in losses]


def test_claude() -> None:
    name, done = sample("claude.mcp.json")
    assert name == "claude"
    assert done.servers == (
        Server(
            "github", "http", url="https://api.example.com/mcp/", headers={"Authorization": "Bearer ${GITHUB_TOKEN}"}
        ),
        Server("linear", "sse", url="https://mcp.example.com/sse", timeout=30),
        Server(
            "db",
            "stdio",
            "npx",
            ("-y", "@example/db", "--dsn", "${DSN:-postgres://localhost/x}"),
            {"PGUSER": "ana", "PORT": "5432"},
        ),
        Server("windsurf", "http", url="https://w.example.com/mcp"),
        Server("cline", "http", url="https://c.example.com/mcp", headers={"X-Key": "${KEY}"}, enabled=False),
    )
    assert fields(done.losses) == [("cline", "autoApprove"), ("later", "type")]


def test_vscode() -> None:
    name, done = sample(".vscode/mcp.json")
    assert name == "vscode"
    assert done.servers == (
        Server(
            "perplexity",
            "stdio",
            "npx",
            ("-y", "server-perplexity"),
            {"API_KEY": "${API_KEY}", "HOME_DIR": "${HOME}"},
            "tools",
        ),
        Server("remote", "http", url="https://api.example.com/mcp/", headers={"Authorization": "Bearer ${TOKEN}"}),
        Server("old", "sse", url="http://localhost:8080/events"),
    )
    assert fields(done.losses) == [("perplexity", "env.API_KEY"), ("perplexity", "envFile")]
    assert "set API_KEY instead" in done.losses[0].why


def test_vscode_settings() -> None:
    name, done = sample("vscode.settings.json")
    assert name == "vscode"
    assert done.servers[0].command == "python"
    assert done.losses == (Loss("time", "args", "only VS Code knows ${workspaceFolder}: write a path instead"),)


def test_gemini() -> None:
    name, done = sample(".gemini/settings.json")
    assert name == "gemini"
    assert done.servers == (
        Server("python", "stdio", "python", ("-m", "srv"), {"DB": "${DB_URL}", "KEY": "${KEY}"}, "./mcp", timeout=15),
        Server(
            "web",
            "http",
            url="http://localhost:3000/mcp",
            headers={"Authorization": "Bearer abc"},
            tools=("read", "find"),
        ),
        Server("events", "sse", url="http://localhost:8080/sse"),
    )
    assert fields(done.losses) == [("python", "trust"), ("web", "excludeTools")]


def test_opencode() -> None:
    name, done = sample("opencode.json")
    assert name == "opencode"
    assert done.servers == (
        Server("everything", "stdio", "npx", ("-y", "server-everything"), {"A": "${A}"}, timeout=10),
        Server("context", "http", url="https://mcp.example.com/mcp", headers={"KEY": "${CONTEXT_KEY}"}, enabled=False),
    )
    assert fields(done.losses) == [("context", "oauth"), ("jira", "command")]


def test_codex() -> None:
    name, done = sample("config.toml")
    assert name == "codex"
    assert done.servers == (
        Server(
            "docs",
            "stdio",
            "docs-mcp",
            ("--stdio",),
            {"DOCS_TOKEN": "${DOCS_TOKEN}", "OTHER": "${OTHER}", "LEVEL": "info"},
            "tools",
            timeout=1.5,
            tools=("search",),
        ),
        Server(
            "figma",
            "http",
            url="https://mcp.example.com/mcp",
            headers={"X-Region": "us", "X-Key": "${FIGMA_KEY}", "Authorization": "Bearer ${FIGMA}"},
            enabled=False,
        ),
    )
    assert fields(done.losses) == [("docs", "startup_timeout_sec")]


def test_zed() -> None:
    name, done = sample(".zed/settings.json")
    assert name == "zed"
    assert done.servers == (
        Server("local", "stdio", "some-command", ("a", "b"), timeout=90),
        Server("older", "stdio", "old-mcp", ("run",), {"A": "1"}),
        Server(
            "remote", "http", url="https://r.example.com/mcp", headers={"Authorization": "Bearer abc"}, enabled=False
        ),
    )
    assert fields(done.losses) == [("older", "settings"), ("extension", "command")]


def test_copilot() -> None:
    name, done = sample("mcp-config.json")
    assert name == "copilot"
    assert done.servers == (
        Server("playwright", "stdio", "npx", ("@playwright/mcp@latest",), {"KEY": "${COPILOT_MCP_KEY}"}),
        Server(
            "sentry",
            "http",
            url="https://mcp.example.com/mcp",
            headers={"H": "${TOKEN}"},
            timeout=60,
            tools=("whoami", "find"),
        ),
    )
    assert done.losses == ()


HTTP = Server("a", "http", url="https://x/mcp", headers={"H": "v"}, timeout=0.25, tools=("t",))
STDIO = Server("b", "stdio", "./run", ("x",), {"A": "${A}"}, "d", enabled=False)
SSE = Server("c", "sse", url="https://x/events")


@pytest.mark.parametrize(
    ("name", "entries", "lost"),
    [
        (
            "claude",
            {
                "a": {"type": "http", "url": "https://x/mcp", "headers": {"H": "v"}, "timeout": 250},
                "c": {"type": "sse", "url": "https://x/events"},
            },
            ["a.tools", "b.enabled"],
        ),
        (
            "vscode",
            {
                "a": {"type": "http", "url": "https://x/mcp", "headers": {"H": "v"}},
                "c": {"type": "sse", "url": "https://x/events"},
            },
            ["a.timeout", "a.tools", "b.enabled"],
        ),
        (
            "gemini",
            {
                "a": {"httpUrl": "https://x/mcp", "headers": {"H": "v"}, "timeout": 250, "includeTools": ["t"]},
                "c": {"type": "sse", "url": "https://x/events"},
            },
            ["b.enabled"],
        ),
        (
            "opencode",
            {
                "a": {"type": "remote", "url": "https://x/mcp", "headers": {"H": "v"}, "timeout": 250},
                "b": {
                    "type": "local",
                    "environment": {"A": "{env:A}"},
                    "cwd": "d",
                    "enabled": False,
                    "command": ["./run", "x"],
                },
                "c": {"type": "remote", "url": "https://x/events"},
            },
            ["a.tools", "c.type"],
        ),
        (
            "codex",
            {
                "a": {
                    "url": "https://x/mcp",
                    "http_headers": {"H": "v"},
                    "tool_timeout_sec": 0.25,
                    "enabled_tools": ["t"],
                },
                "b": {"command": "./run", "args": ["x"], "env_vars": ["A"], "cwd": "d", "enabled": False},
            },
            ["c.type"],
        ),
        (
            "zed",
            {
                "a": {"url": "https://x/mcp", "headers": {"H": "v"}, "timeout": 1},
                "b": {"command": "./run", "args": ["x"], "env": {"A": "${A}"}, "enabled": False},
                "c": {"url": "https://x/events"},
            },
            ["a.timeout", "a.tools", "b.env.A", "b.cwd", "c.type"],
        ),
        (
            "copilot",
            {
                "a": {
                    "type": "http",
                    "url": "https://x/mcp",
                    "headers": {"H": "v"},
                    "timeout": 250,
                    "tools": ["t"],
                },
                "c": {"type": "sse", "url": "https://x/events", "tools": ["*"]},
            },
            ["b.enabled"],
        ),
    ],
)
def test_what_is_written(name: str, entries: object, lost: list[str]) -> None:
    done = FORMATS[name].write([HTTP, STDIO, SSE])
    assert done.entries == entries
    assert [f"{loss.server}.{loss.field}" for loss in done.losses] == lost


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("claude", [], "the file is to be a map"),
        ("claude", {"mcpServers": []}, "mcpServers is to be a map of servers"),
        ("claude", {"x": 1}, "there is no mcpServers in it"),
        ("claude", {"mcpServers": {"a": 1}}, "mcpServers.a is to be a map, and is a number"),
        ("claude", {"mcpServers": {"a": {}}}, "mcpServers.a needs a command or a url"),
        ("claude", {"mcpServers": {"a b": {"type": "http"}}}, "mcpServers['a b'] needs a url"),
        ("claude", {"mcpServers": {"a": {"command": ["x"]}}}, "mcpServers.a.command is to be a text, and is a list"),
        ("claude", {"mcpServers": {"a": {"command": "x", "args": "y"}}}, "mcpServers.a.args is to be a list of texts"),
        ("claude", {"mcpServers": {"a": {"command": "x", "args": [[]]}}}, "mcpServers.a.args[0] is to be a text"),
        ("claude", {"mcpServers": {"a": {"command": "x", "env": ["A=1"]}}}, "mcpServers.a.env is to be a map"),
        ("claude", {"mcpServers": {"a": {"command": "x", "url": "y"}}}, "mcpServers.a has both a command and a url"),
        (
            "claude",
            {"mcpServers": {"a": {"command": "x", "timeout": -1}}},
            "mcpServers.a.timeout is to be a time above 0",
        ),
        ("claude", {"mcpServers": {"a": {"command": "x", "timeout": 10**400}}}, "timeout is to be a time above 0"),
        ("claude", {"mcpServers": {"a": {"command": "x", "timeout": float("nan")}}}, "timeout is to be a time above 0"),
        ("claude", {"mcpServers": {"a": {"command": "x", "timeout": True}}}, "timeout is to be a number"),
        ("claude", {"mcpServers": {"a": {"command": "x", "disabled": "no"}}}, "disabled is to be true or false"),
        ("claude", {"mcpServers": {"a": {"command": "x", "env": {"A": 10**5000}}}}, "is a very large number"),
        (
            "claude",
            {"mcpServers": {"a": {"command": "x", "disabled": True, "enabled": True}}},
            "mcpServers.a is enabled and disabled at once",
        ),
        ("claude", {"mcpServers": {"a": {"command": "\ud800"}}}, "mcpServers.a.command has half of a surrogate pair"),
        ("opencode", {"mcp": {"a": {"type": "local", "command": []}}}, "mcp.a.command is to have at least"),
        ("codex", {"mcp_servers": {"a": {"command": "x", "url": "y"}}}, "mcp_servers.a needs one of command and url"),
        ("codex", {"mcp_servers": {"a": {"command": "x", "env_vars": "A"}}}, "env_vars is to be a list of names"),
        ("codex", {"mcp_servers": {"a": {"command": "x", "env_vars": [{}]}}}, "env_vars[0] is to be a text"),
    ],
)
def test_what_is_no_servers(name: str, value: object, message: str) -> None:
    with pytest.raises(BadServers) as caught:
        read(value, FORMATS[name])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        ("x.json", {"mcpServers": {}}, "claude"),
        ("x.json", {"a": {"command": "x"}}, "claude"),
        ("x.json", {"servers": {}}, "vscode"),
        ("x.json", {"mcp": {"servers": {"a": {"command": "x"}}}}, "vscode"),
        ("x.json", {"mcp": {"servers": {"a": {"type": "local", "command": ["x"]}}}}, "opencode"),
        ("x.json", {"mcp": {"servers": {"type": "local", "command": ["x"]}}}, "opencode"),
        ("x.json", {"mcpServers": {"a": {"httpUrl": "x"}}}, "gemini"),
        ("x.json", {"mcpServers": {"a": {"type": "local", "command": "x"}}}, "copilot"),
        ("C:\\u\\.gemini\\settings.json", {"mcpServers": {}}, "gemini"),
        ("", {"context_servers": {}}, "zed"),
    ],
)
def test_how_formats_are_told_apart(path: str, value: object, name: str) -> None:
    assert guess(path, value).name == name
    section_of(value, FORMATS[name])


@pytest.mark.parametrize("value", [{}, [], None, 3, {"a": 1}, {"servers": 1}, {"mcp": []}])
def test_what_no_format_has(value: object) -> None:
    with pytest.raises(BadServers):
        guess("settings.json", value)


def test_the_second_version_of_opencode_is_read() -> None:
    value = {"mcp": {"servers": {"a": {"type": "local", "command": ["x"], "disabled": True}}}}
    assert read(value, FORMATS["opencode"]).servers == (Server("a", "stdio", "x", enabled=False),)


def test_servers_of_single_projects_are_told_of() -> None:
    value = {"mcpServers": {}, "projects": {"/a": {"mcpServers": {"x": {}}}, "/b": {"mcpServers": {}}}}
    assert fields(read(value, FORMATS["claude"]).losses) == [("", "projects['/a']")]


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_lost_of_what_all_can_say(name: str) -> None:
    plain = (
        Server("docs", "stdio", "npx", ("-y", "docs mcp", "--max=5%"), {"LEVEL": "in fo"}),
        Server("team", "http", url="https://x/mcp?a=b&c", headers={"Authorization": "Bearer abc", "X-A": "ü"}),
    )
    done = FORMATS[name].write(plain)
    assert done.losses == ()
    assert read({FORMATS[name].sections[0][0]: done.entries}, FORMATS[name]) == Read(plain, ())


def test_tools_as_others_write_them() -> None:
    rules = [{"name": "t", "permission_policy": "always_ask"}]
    value = {"mcpServers": {"a": {"url": "https://x", "tools": rules}, "b": {"url": "https://x", "tools": "*"}}}
    for name in ("claude", "copilot"):
        done = read(value, FORMATS[name])
        assert [server.tools for server in done.servers] == [None, None]
        assert fields(done.losses) == [("a", "tools")]

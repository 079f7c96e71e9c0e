"""Servers as the agents' programs take them when a step starts."""

from __future__ import annotations

import os
import subprocess
import tomllib

import pytest

from teamflow.servers.canonical import BadServers, Server
from teamflow.servers.codex import renamed
from teamflow.servers.engines import (
    for_claude,
    for_codex,
    from_team,
    with_values,
)
from teamflow.servers.references import expanded

STDIO = Server("docs", "stdio", "docs-mcp", ("--stdio",), {"TOKEN": "hush"})
HTTP = Server("team", "http", url="https://x/mcp", headers={"Authorization": "Bearer hush"})
SSE = Server("old", "sse", url="https://x/events")
OFF = Server("off", "stdio", "rm", enabled=False)
ALL = (STDIO, HTTP, SSE, OFF)


def test_from_a_team_file() -> None:
    servers = {"docs": {"command": "docs-mcp", "args": ("--stdio",), "env": {"TOKEN": "hush"}}}
    assert from_team(servers).servers == (STDIO,)
    with pytest.raises(BadServers, match=r"mcp_servers\.docs needs a command or a url"):
        from_team({"docs": {}})


def test_claude() -> None:
    assert for_claude(ALL) == {
        "mcpServers": {
            "docs": {"type": "stdio", "command": "docs-mcp", "args": ["--stdio"], "env": {"TOKEN": "hush"}},
            "team": {"type": "http", "url": "https://x/mcp", "headers": {"Authorization": "Bearer hush"}},
            "old": {"type": "sse", "url": "https://x/events"},
        }
    }


def test_codex_hides_values() -> None:
    done = for_codex([HTTP, STDIO, OFF])
    assert done.words[0::2] == ["-c", "-c"]
    assert "hush" not in " ".join(done.words)
    assert done.env == {"TEAMFLOW_MCP_TOKEN_1": "Bearer hush", "TEAMFLOW_MCP_TOKEN_2": "hush"}
    assert done.words[1].startswith("mcp_servers.team={")
    assert tomllib.loads(done.words[1])["mcp_servers"] == {
        "team": {"url": "https://x/mcp", "env_http_headers": {"Authorization": "TEAMFLOW_MCP_TOKEN_1"}}
    }


def test_a_server_of_codex_has_its_environment_by_its_own_names() -> None:
    script = 'printf "%s|%s|%s" "$TOKEN" "$1" "${TEAMFLOW_MCP_TOKEN_1-unset}"'
    value = "a 'b' \"c\" $(d) \\ \n e"
    done = for_codex([Server("s", "stdio", "sh", ("-c", script, "sh", "x y"), {"TOKEN": value})])
    entry = tomllib.loads(done.words[1])["mcp_servers"]["s"]
    assert entry["env_vars"] == list(done.env)
    argv = [entry["command"], *entry["args"]]
    told = subprocess.run(argv, env={**os.environ, **done.env}, capture_output=True, text=True, check=True).stdout
    assert told == f"{value}|x y|unset"
    with pytest.raises(BadServers, match=r"docs\.env\.A-B: Codex can be told no variable that a shell cannot export"):
        for_codex([STDIO._replace(env={"A-B": "c"})])


def test_codex_takes_variables_that_are_named() -> None:
    headers = {"Authorization": "Bearer ${T}", "X": "${X}"}
    done = for_codex([HTTP._replace(headers=headers), STDIO._replace(env={"TOKEN": "${TOKEN}"})])
    assert done.env == {}
    servers = [tomllib.loads(word)["mcp_servers"] for word in done.words[1::2]]
    assert servers == [
        {"team": {"url": "https://x/mcp", "bearer_token_env_var": "T", "env_http_headers": {"X": "X"}}},
        {"docs": {"command": "docs-mcp", "args": ["--stdio"], "env_vars": ["TOKEN"]}},
    ]


def test_names_that_codex_does_not_take() -> None:
    servers = [SSE._replace(name=name, kind="http") for name in ("a.b", "a b", "a_b", "")]
    words = for_codex(servers).words[1::2]
    assert [word.partition("=")[0] for word in words] == [
        "mcp_servers.a_b_2",
        "mcp_servers.a_b_3",
        "mcp_servers.a_b",
        "mcp_servers._",
    ]
    assert len(renamed(servers)[1]) == 3


def test_a_great_many_names_that_codex_does_not_take() -> None:
    names, losses = renamed([SSE._replace(name=chr(0x4E00 + number)) for number in range(10_000)])
    assert len(set(names.values())) == len(losses) == 10_000


def test_values_in_the_place_of_references() -> None:
    server = Server("s", "stdio", "${BIN:-run}", ("${A}", "${MISSING}"), {"T": "x${A}y"}, "${D:-.}")
    done = with_values([server, HTTP], {"A": "1", "D": ""})
    assert done.servers == (Server("s", "stdio", "run", ("1", "${MISSING}"), {"T": "x1y"}, "."), HTTP)
    assert done.missing == {"s": ("MISSING",)}


@pytest.mark.parametrize(
    ("text", "value"),
    [("${A}", "${B}"), ("${A}${A}", "${B}${B}"), ("${B:-}", ""), ("$A {env:A}", "$A {env:A}"), ("${E}", "")],
)
def test_a_value_is_not_looked_at_again(text: str, value: str) -> None:
    assert expanded(text, {"A": "${B}", "E": ""}).text == value

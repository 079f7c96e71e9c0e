"""What the real programs make of what is written for them. None of them starts a server, or goes to the network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from teamflow.servers.canonical import Server
from teamflow.servers.engines import for_codex
from teamflow.servers.formats import FORMATS
from teamflow.servers.text import rendered

pytestmark = pytest.mark.slow

ARGS = ("--say", 'a "b"\n${A}é')
SERVERS = (
    Server("docs", "stdio", "docs-mcp", ARGS, {"A": "x", "B": "${B}"}, "sub", timeout=1.5, tools=("t",)),
    Server("a b.c", "http", url="http://127.0.0.1:9/mcp", headers={"X-Key": "k", "Authorization": "Bearer ${T}"}),
    Server("__proto__", "http", url="http://127.0.0.1:9/p"),
)
SSE = Server("old", "sse", url="http://127.0.0.1:9/events", enabled=False)


def run(home: Path, *argv: str, **env: str) -> str:
    """What a program says that lives in `home` alone; without its messages where it prints JSON."""
    program = shutil.which(argv[0])
    if program is None:
        pytest.skip(f"there is no {argv[0]} here")
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "NO_COLOR": "1", **env}
    done = subprocess.run(
        [program, *argv[1:]],
        cwd=home,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout if "--json" in argv else done.stdout + done.stderr


def written(name: str, *servers: Server) -> str:
    form = FORMATS[name]
    return rendered(form.sections[0], form.write(servers).entries, form.syntax)


def test_codex_reads_its_settings(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(written("codex", *SERVERS, SSE))
    found = {
        one["name"]: one
        for one in json.loads(run(tmp_path, "codex", "mcp", "list", "--json", CODEX_HOME=str(tmp_path)))
    }
    assert set(found) == {"docs", "a_b_c", "__proto__"}
    assert found["docs"]["transport"] == {
        "type": "stdio",
        "command": "docs-mcp",
        "args": ["--say", 'a "b"\n${A}é'],
        "env": {"A": "x"},
        "env_vars": ["B"],
        "cwd": "sub",
    }
    assert found["docs"]["tool_timeout_sec"] == 1.5
    there = found["a_b_c"]["transport"]
    assert (there["type"], there["url"], there["bearer_token_env_var"], there["http_headers"]) == (
        "streamable_http",
        "http://127.0.0.1:9/mcp",
        "T",
        {"X-Key": "k"},
    )


def test_codex_reads_its_words(tmp_path: Path) -> None:
    done = for_codex(SERVERS)
    out = run(tmp_path, "codex", "mcp", "list", "--json", *done.words, CODEX_HOME=str(tmp_path), **done.env)
    found = {one["name"]: one["transport"] for one in json.loads(out)}
    assert found["docs"]["command"] == "/bin/sh"
    assert found["docs"]["args"][-3:] == ["docs-mcp", "--say", 'a "b"\n${A}é']
    assert found["docs"]["env_vars"] == ["B", *[name for name, value in done.env.items() if value == "x"]]
    assert found["a_b_c"]["env_http_headers"] == {"X-Key": next(n for n, value in done.env.items() if value == "k")}
    assert found["a_b_c"]["bearer_token_env_var"] == "T"


def test_claude_reads_its_settings(tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_text(written("claude", *SERVERS[:2], SSE._replace(enabled=True)))
    out = run(tmp_path, "claude", "mcp", "list", CLAUDE_CONFIG_DIR=str(tmp_path / "own"))
    assert "a b.c: http://127.0.0.1:9/mcp (HTTP)" in out
    assert "old: http://127.0.0.1:9/events (SSE)" in out
    assert "docs: docs-mcp --say" in out


def test_gemini_reads_its_settings(tmp_path: Path) -> None:
    (tmp_path / ".gemini").mkdir()
    (tmp_path / ".gemini/settings.json").write_text(written("gemini", *SERVERS[:2], SSE._replace(enabled=True)))
    out = run(tmp_path, "gemini", "mcp", "list")
    assert "a b.c: http://127.0.0.1:9/mcp (http)" in out
    assert "old: http://127.0.0.1:9/events (sse)" in out
    assert "docs: docs-mcp --say" in out


def test_opencode_reads_its_settings(tmp_path: Path) -> None:
    off = [server._replace(enabled=False) for server in (*SERVERS[:2], SSE)]
    (tmp_path / "opencode.json").write_text(written("opencode", *off))
    out = run(
        tmp_path,
        "opencode",
        "mcp",
        "list",
        OPENCODE_DISABLE_AUTOUPDATE="1",
        OPENCODE_DISABLE_MODELS_FETCH="1",
    )
    assert "docs disabled" in " ".join(out.replace("\x1b[90m", "").split())
    assert "http://127.0.0.1:9/mcp" in out
    assert "3 server(s)" in out


def test_copilot_reads_its_settings(tmp_path: Path) -> None:
    servers = (SERVERS[0], SERVERS[1]._replace(name="remote"), SSE._replace(enabled=True))
    (tmp_path / "mcp-config.json").write_text(written("copilot", *servers))
    found = json.loads(run(tmp_path, "copilot", "mcp", "list", "--json", COPILOT_HOME=str(tmp_path)))
    told = json.dumps(found)
    assert '"docs-mcp"' in told
    one = json.loads(run(tmp_path, "copilot", "mcp", "get", "remote", "--json", COPILOT_HOME=str(tmp_path)))["remote"]
    assert (one["type"], one["url"], one["tools"]) == ("http", "http://127.0.0.1:9/mcp", ["*"])
    assert one["headers"] == {"X-Key": "k", "Authorization": "Bearer ${T}"}
    assert one["enabled"]

"""Settings of agents in a workspace that no commit holds."""

from __future__ import annotations

import os
from pathlib import Path

from teamflow.workspaces.hidden import hidden_settings


def made(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")


def test_what_git_does_not_know_is_found_where_agents_work(tmp_path: Path) -> None:
    made(
        tmp_path,
        *("a.py", "src/b.py", ".claude/agents/a.md", ".github/hooks/ours.json", ".mcp.json", "src/new/opencode.json"),
        *(".claude/settings.local.json", "src/.opencode/plugin/p.js", ".github/hooks/a.json", ".GEMINI/settings.json"),
        *("node_modules/x/.vscode/tasks.json", ".github/workflows/w.yml", ".cursor/brought", ".vscode/mcp.json"),
    )
    tracked = ("a.py", "src/b.py", "src/new/x", ".claude/agents/a.md", ".github/hooks/ours.json")
    assert hidden_settings(str(tmp_path), tracked, copied=(".mcp.json", ".cursor/")) == (
        ".GEMINI/settings.json",
        ".claude/settings.local.json",
        ".github/hooks/a.json",
        ".vscode/mcp.json",
        "src/.opencode/plugin/p.js",
        "src/new/opencode.json",
    )


def test_links_are_named_and_not_followed(tmp_path: Path) -> None:
    made(tmp_path, "work/a.py", "elsewhere/settings.json")
    for name in (".claude", ".github", ".opencode"):
        os.symlink("../elsewhere", tmp_path / "work" / name)
    assert hidden_settings(str(tmp_path / "work"), ("a.py", ".opencode")) == (".claude", ".github")
    assert hidden_settings(str(tmp_path / "nowhere"), ()) == ()

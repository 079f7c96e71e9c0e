"""Whatever stands in an agent file, or in the servers beside it: keys or complaints, and never more than it says."""

from __future__ import annotations

import json

import yaml
from hypothesis import given
from hypothesis import strategies as st

from teamflow.core.diagnostics import Diagnostics
from teamflow.team.persona_file import parse_persona
from teamflow.team.persona_servers import parse_servers

KEYS = st.sampled_from(
    ["name", "description", "tools", "disallowedTools", "permissionMode", "model", "mcpServers", "maxTurns", "skills",
     "isolation", "guards", "permissions", "mcp_servers", "engine", "x-note"]
)  # fmt: skip
TOOLS = st.lists(
    st.sampled_from(["Read", "Edit", "Write", "Bash", "Bash(git diff:*)", "Bash(*)", "Bash(", "Task", "*", "", "ä,b"])
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=12) | TOOLS | TOOLS.map(",".join),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(KEYS, VALUES))
def test_any_front_matter_is_read_or_complained_about(front: dict[str, object]) -> None:
    text = f"---\n{yaml.safe_dump(front, allow_unicode=True)}---\nYou are it.\n"
    found = Diagnostics()
    parsed = parse_persona(text, file="p.md", found=found)
    assert parsed is not None or found.has_errors
    if parsed is not None and "permissions" not in front:
        assert parsed.keys.get("permissions") != "full"


@given(TOOLS)
def test_nothing_is_granted_that_is_not_listed(tools: list[str]) -> None:
    parsed = parse_persona(f"---\nname: x\ntools: {json.dumps(tools)}\n---\n", file="p.md", found=Diagnostics())
    assert parsed is not None
    granted = parsed.keys.get("permissions")
    if "*" in tools:
        assert granted is None
        return
    may_edit = granted == "edit" or (isinstance(granted, dict) and granted.get("edit") != [])
    runs_all = granted == "edit" or (isinstance(granted, dict) and "run" not in granted)
    assert may_edit == any(tool in ("Edit", "Write", "Bash") for tool in tools)
    assert runs_all == ("Bash" in tools)


@given(st.text(max_size=60))
def test_any_text_is_a_persona_or_complained_about(text: str) -> None:
    found = Diagnostics()
    assert parse_persona(f"---\n{text}", file="p.md", found=found) is not None or found.has_errors


@given(st.binary(max_size=60) | VALUES.map(lambda value: json.dumps({"mcpServers": value}).encode()))
def test_any_file_of_servers_is_read_or_complained_about(data: bytes) -> None:
    found = Diagnostics()
    servers = parse_servers(data, file="p.mcp.json", found=found)
    assert not servers or not found.has_errors
    json.dumps(servers)
    for item in found:
        assert item.span is not None
        assert item.span.line >= 1

"""Settings as text: what is read, where a mistake is, and what a file keeps."""

from __future__ import annotations

import json
import tomllib

import pytest

from teamflow.servers.canonical import BadServers, Table
from teamflow.servers.text import Syntax, merged, parse, rendered

NEW: dict[str, Table] = {"docs": {"command": "docs-mcp"}}


@pytest.mark.parametrize(
    ("text", "value", "plain"),
    [
        ('{"a": 1}', {"a": 1}, True),
        ('\ufeff{"a": 1}', {"a": 1}, True),
        ('// c\n{"a": [1, 2,], /* d */ }', {"a": [1, 2]}, False),
        ('{"url": "http://x/*no*/"}', {"url": "http://x/*no*/"}, True),
        ("{'a': 'b', c: +1}", {"a": "b", "c": 1}, False),
    ],
)
def test_json_with_and_without_comments(text: str, value: object, plain: bool) -> None:
    assert parse(text.encode(), "json") == (value, plain)


@pytest.mark.parametrize(
    ("data", "syntax", "message"),
    [
        (b"", "json", "line 1, column 1: "),
        (b'{"a": 1\n "b": 2}', "json", "line 2, column 2: Expecting ',' delimiter"),
        (b'// c\n{"a": }', "json", "line 2, column 7: it is no JSON, nor JSON with comments"),
        (b'{"a": {"b": 1, "b": 2}}', "json", 'the key "b" is there twice in one map'),
        (b"[" * 100_000, "json", "it is nested too deeply"),
        (b"// c\n" + b"[" * 100_000, "json", "it is nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "json", ""),
        (b"\xff{}", "json", "byte 1: it is no UTF-8"),
        (b"a = ", "toml", "it is no TOML: Invalid value (at "),
        (b"a = " + b"[" * 100_000, "toml", "it is nested too deeply"),
    ],
)
def test_where_a_mistake_is(data: bytes, syntax: Syntax, message: str) -> None:
    with pytest.raises(BadServers) as caught:
        parse(data, syntax)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", '{\n  "mcpServers": {\n    "docs": {\n      "command": "docs-mcp"\n    }\n  }\n}\n'),
        (
            '{\n\t"a": 1.5,\n\t"mcpServers": {}\n}',
            '{\n\t"a": 1.5,\n\t"mcpServers": {\n\t\t"docs": {\n\t\t\t"command": "docs-mcp"\n\t\t}\n\t}\n}\n',
        ),
        (
            '{\n    "é": "\\ud83d\\ude00\\u202e"\n}',
            '{\n    "é": "😀\\u202e",\n'
            '    "mcpServers": {\n        "docs": {\n            "command": "docs-mcp"\n        }\n    }\n}\n',
        ),
    ],
)
def test_servers_among_other_settings(old: str, new: str) -> None:
    assert merged(old.encode(), ("mcpServers",), NEW, "json") == new


def test_what_else_is_there_stays() -> None:
    old = {"mcpServers": {"docs": {"url": "x"}, "other": {"command": "o"}}, "half": "\ud800", "n": 10**30}
    new = json.loads(merged(json.dumps(old).encode(), ("mcpServers",), NEW, "json"))
    assert new == {**old, "mcpServers": {**NEW, "other": {"command": "o"}}}
    assert list(new["mcpServers"]) == ["docs", "other"]


@pytest.mark.parametrize(
    ("old", "message"),
    [
        ('{"a": 1,}', "it has comments or trailing commas, which would be lost"),
        ("[]", "the file is to be a map"),
        ('{"mcp": []}', "mcp is to be a map"),
        ('{"mcp": {"servers": 1}}', "servers is to be a map"),
        ('{"a": 1e999}', "it cannot be written anew"),
    ],
)
def test_what_is_not_rewritten(old: str, message: str) -> None:
    with pytest.raises(BadServers) as caught:
        merged(old.encode(), ("mcp", "servers"), NEW, "json")
    assert message in str(caught.value)


def test_toml_keeps_its_comments() -> None:
    old = '# mine\nmodel = "m" # this\n\n'
    old += '[mcp_servers.docs] # old\nurl = "u"\n\n[mcp_servers.docs.env_http_headers]\nA = "B"\n\n[tui]\ntheme = "t"'
    assert merged(old.encode(), ("mcp_servers",), NEW, "toml") == (
        '# mine\nmodel = "m" # this\n\n[tui]\ntheme = "t"\n\n[mcp_servers.docs]\ncommand = "docs-mcp"\n'
    )


def test_toml_in_which_no_table_can_be_added() -> None:
    with pytest.raises(BadServers, match="write each of them as a table"):
        merged(b'mcp_servers = {a = {command = "x"}}\n', ("mcp_servers",), NEW, "toml")


def test_nothing_steers_a_terminal() -> None:
    entries: dict[str, Table] = {"a": {"command": "\x1b[2J\x9b\u202e\x7f", "args": ["\n"]}}
    syntaxes: tuple[Syntax, ...] = ("json", "toml")
    for syntax in syntaxes:
        text = rendered(("mcpServers",), entries, syntax)
        assert text.isascii()
        assert all(char.isprintable() or char == "\n" for char in text)
        back = json.loads(text) if syntax == "json" else tomllib.loads(text)
        assert back == {"mcpServers": entries}

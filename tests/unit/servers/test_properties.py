"""Hostile names and values through every format: what comes back differs only where a loss says so."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teamflow.servers.canonical import BadServers, Loss, Server
from teamflow.servers.codex import renamed
from teamflow.servers.engines import for_claude, for_codex, with_values
from teamflow.servers.formats import FORMATS, guess, read
from teamflow.servers.references import BRACE, CANONICAL, COLON, LENIENT, PLAIN, SHELL, Spelling, parts, translated
from teamflow.servers.text import Syntax, merged, parse, rendered

NASTY = ("__proto__", "constructor", "a.b", 'q"uote', "sp ace", "new\nline", "é", "\x00", "\x7f\x9b", "]\\", "", "''''")
PIECES = (
    "${A}",
    "${A:-d}",
    "${A:-}",
    "$A",
    "$",
    "{env:A}",
    "${env:A}",
    "${input:a-b}",
    "{",
    "}",
    "${",
    "${workspaceFolder}",
    "Bearer ",
)
"""What texts are made of, so that they mean something to one format or another."""

letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
names = st.one_of(st.sampled_from(NASTY), letters)
values = st.lists(st.one_of(st.sampled_from((*PIECES, *NASTY)), letters), max_size=4).map("".join)
maps = st.dictionaries(names, values, max_size=3)
rest = {
    "enabled": st.booleans(),
    "timeout": st.one_of(st.none(), st.sampled_from((0.001, 0.25, 1.0, 1.5, 30.0, 600.0)), st.floats(1e-6, 1e6)),
    "tools": st.one_of(st.none(), st.lists(names.filter(lambda name: name != "*"), max_size=3).map(tuple)),
}
local = st.builds(
    Server,
    name=names,
    kind=st.just("stdio"),
    command=values,
    args=st.lists(values, max_size=3).map(tuple),
    env=maps,
    cwd=values,
    url=st.just(""),
    headers=st.just({}),
    **rest,
)
remote = st.builds(
    Server,
    name=names,
    kind=st.sampled_from(("http", "sse")),
    command=st.just(""),
    args=st.just(()),
    env=st.just({}),
    cwd=st.just(""),
    url=values,
    headers=maps,
    **rest,
)
servers = st.lists(st.one_of(local, remote), max_size=3, unique_by=lambda server: server.name)


def flat(server: Server) -> dict[str, object]:
    """What a loss may be about, each by its name."""
    own = {
        "type": server.kind,
        "command": server.command,
        "args": server.args,
        "cwd": server.cwd,
        "url": server.url,
        "enabled": server.enabled,
        "timeout": server.timeout,
        "tools": server.tools,
    }
    header = {f"headers.{name}": value for name, value in server.headers.items()}
    return own | {f"env.{name}": value for name, value in server.env.items()} | header


def differing(before: Server, after: Server) -> set[str]:
    one, other = flat(before), flat(after)
    return {key for key in {*one, *other} if one.get(key) != other.get(key)}


def told(losses: Sequence[Loss], name: str) -> set[str]:
    return {loss.field for loss in losses if loss.server == name}


@pytest.mark.parametrize("name", FORMATS)
@given(found=servers)
def test_what_comes_back_differs_where_a_loss_says_so(name: str, found: list[Server]) -> None:
    form = FORMATS[name]
    written = form.write(found)
    text = rendered(form.sections[0], written.entries, form.syntax)
    back = read(parse(text.encode(), form.syntax).value, form)
    names = renamed(found)[0] if name == "codex" else {server.name: server.name for server in found}
    after = {server.name: server for server in back.servers}
    for server in found:
        lost = told(written.losses, server.name) | told(written.losses, names[server.name])
        come = after.pop(names[server.name], None)
        if come is None:
            assert {"enabled", "type"} & lost
            continue
        # Of the header of a bearer token only the meaning comes back: its name may be written in any way.
        assert {key for key in differing(server, come) if key.lower() != "headers.authorization"} <= lost
    assert not after


@pytest.mark.parametrize("spelling", [LENIENT, SHELL, COLON, BRACE, PLAIN])
@given(text=values)
@example("${A:-${B}}")
@example("$${A}}{env:A}")
def test_a_text_says_the_same_or_it_is_told(spelling: Spelling, text: str) -> None:
    for before, after in ((CANONICAL, spelling), (spelling, CANONICAL)):
        done = translated(text, before, after)
        if not done.why:
            assert parts(done.text, after) == parts(text, before)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), values),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=12,
)
SYNTAXES: tuple[Syntax, ...] = ("json", "toml")
KEYS = ("mcpServers", "servers", "mcp", "mcp_servers", "context_servers", "projects")
FIELDS = (
    *("command", "args", "env", "cwd", "url", "httpUrl", "serverUrl", "headers", "type", "transport", "enabled"),
    *("disabled", "timeout", "tools", "env_vars", "environment", "bearer_token_env_var", "env_http_headers"),
)
entries = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=5)


@given(
    data=st.dictionaries(
        st.sampled_from(KEYS),
        st.one_of(json_values, st.dictionaries(names, st.one_of(entries, json_values), max_size=3)),
    ),
    path=values,
)
def test_any_settings_are_read_or_refused(data: object, path: str) -> None:
    try:
        guess(path, data)
    except BadServers:
        pass
    for form in FORMATS.values():
        try:
            done = read(data, form)
        except BadServers:
            continue
        for other in FORMATS.values():
            other.write(done.servers)


@given(data=st.one_of(st.binary(max_size=60), st.text('{}[]",:/*\n a1.=-\\u', max_size=60).map(str.encode)))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    for syntax in SYNTAXES:
        try:
            parse(data, syntax)
        except BadServers:
            pass


@given(old=st.dictionaries(names, json_values, max_size=4), found=servers)
def test_all_else_in_a_file_stays(old: dict[str, object], found: list[Server]) -> None:
    written = FORMATS["gemini"].write(found)
    old["mcpServers"] = {}
    text = merged(json.dumps(old).encode(), ("mcpServers",), written.entries, "json")
    assert json.loads(text) == {**old, "mcpServers": written.entries}


OLD = 'a = 1 # one\n[mcp_servers.x] # mine\ncommand = "x"\n[mcp_servers.x.env]\nA = "1"\n[z]\nb = [1,\n 2] # two\n'


@given(found=servers)
def test_all_else_in_toml_stays_with_its_comments(found: list[Server]) -> None:
    written = FORMATS["codex"].write(
        [server._replace(name="x" if at == 0 else server.name) for at, server in enumerate(found) if server.name != "x"]
    )
    text = merged(OLD.encode(), ("mcp_servers",), written.entries, "toml")
    wanted = tomllib.loads(OLD)
    wanted["mcp_servers"] |= written.entries
    assert tomllib.loads(text) == wanted
    assert "a = 1 # one\n" in text
    assert "b = [1,\n 2] # two\n" in text
    again = merged(text.encode(), ("mcp_servers",), written.entries, "toml")
    assert tomllib.loads(again) == wanted


@given(found=servers, value=st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=12))
def test_no_value_of_a_header_or_an_environment_is_a_word_of_codex(found: list[Server], value: str) -> None:
    marked = [
        server._replace(
            env={f"N{n}": value for n in range(len(server.env))},
            headers=dict.fromkeys(server.headers, f"Bearer {value}"),
        )
        for server in found
    ]
    done = for_codex(marked)
    others = json.dumps([server._replace(env={}, headers={}) for server in marked])
    quoted = json.dumps(value)[1:-1]
    if quoted not in others:
        assert not any(quoted in word or value in word for word in done.words)
    for flag, word in zip(done.words[::2], done.words[1::2], strict=True):
        assert flag == "-c"
        assert "\n" not in word
        assert tomllib.loads(word)["mcp_servers"]


@given(found=servers, environ=st.dictionaries(st.sampled_from(("A", "B")), letters))
def test_engines_get_plain_data(found: list[Server], environ: dict[str, str]) -> None:
    valued = with_values(found, environ)
    assert set(valued.missing) <= {server.name for server in found}
    json.dumps(for_claude(valued.servers))

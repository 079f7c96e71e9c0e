"""`teamflow convert`."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from teamflow.cli.convert import FORMATS as NAMES
from teamflow.servers.formats import FORMATS
from tests.unit.cli.made import REPOSITORY, call

ONE = '{"mcpServers": {"docs": {"type": "http", "url": "https://x/mcp", "headers": {"Authorization": "Bearer ${T}"}}}}'
SAMPLES = Path(__file__).parents[1] / "servers/samples"


def test_all_formats_can_be_named() -> None:
    assert tuple(FORMATS) == NAMES


def test_on_stdout(tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_text(ONE)
    done = call(tmp_path, "convert", "mcp", ".mcp.json", "--to", "codex")
    assert done == (0, '[mcp_servers.docs]\nurl = "https://x/mcp"\nbearer_token_env_var = "T"\n', "")
    assert os.listdir(tmp_path) == [".mcp.json"]


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize(
    "sample", sorted(str(path.relative_to(SAMPLES)) for path in SAMPLES.rglob("*.*") if path.is_file())
)
def test_every_sample_to_every_format_and_back(tmp_path: Path, sample: str, target: str) -> None:
    there = tmp_path / ("config.toml" if target == "codex" else "settings.json")
    done = call(tmp_path, "convert", "mcp", str(SAMPLES / sample), "--to", target, "-o", str(there))
    assert (done.code, done.out) == (0, "")
    assert all(line.startswith("warning: ") for line in done.err.splitlines()[:-1])
    again = call(tmp_path, "convert", "mcp", str(there), "--from", target, "--to", target)
    assert again.code == 0
    before = call(tmp_path, "convert", "mcp", str(SAMPLES / sample), "--to", target)
    if target == "vscode":  # within its settings.json they stand in `mcp`
        assert json.loads(there.read_text())["mcp"] == json.loads(before.out)
    else:
        assert there.read_text() == before.out


def test_losses_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"mcpServers": {"a\\u001b[2J": {"command": "x", "timeout": 5, "k": 1}}}')
    done = call(tmp_path, "convert", "mcp", "x.json", "--to", "vscode")
    assert done.code == 0
    assert json.loads(done.out) == {"servers": {"a\x1b[2J": {"type": "stdio", "command": "x", "args": []}}}
    assert done.err.splitlines() == [
        "warning: a\\x1b[2J: k: there is no place for it outside the format that it is in",
        "warning: a\\x1b[2J: timeout: vscode has none per server",
    ]


def test_into_a_file_that_has_other_settings(tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_text(ONE)
    settings = tmp_path / "real" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{"theme": "x", "mcpServers": {"mine": {"command": "m"}}}\n')
    settings.chmod(0o640)
    (tmp_path / "link.json").symlink_to(settings)
    done = call(tmp_path, "convert", "mcp", ".mcp.json", "--to", "gemini", "-o", "link.json")
    assert done == (0, "", "link.json: 1 server from .mcp.json, claude to gemini\n")
    assert json.loads(settings.read_text()) == {
        "theme": "x",
        "mcpServers": {
            "mine": {"command": "m"},
            "docs": {"httpUrl": "https://x/mcp", "headers": {"Authorization": "Bearer ${T}"}},
        },
    }
    assert (tmp_path / "link.json").is_symlink()
    assert stat.S_IMODE(settings.stat().st_mode) == 0o640
    assert os.listdir(settings.parent) == ["settings.json"]


def test_a_new_file_is_read_by_no_more_people(tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_text(ONE)
    (tmp_path / ".mcp.json").chmod(0o600)
    assert call(tmp_path, "convert", "mcp", ".mcp.json", "--to", "vscode", "-o", ".vscode/mcp.json").code == 0
    assert stat.S_IMODE((tmp_path / ".vscode/mcp.json").stat().st_mode) == 0o600
    assert list(json.loads((tmp_path / ".vscode/mcp.json").read_text())) == ["servers"]


def test_comments_are_not_lost(tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_text(ONE)
    old = '{\n  // mine\n  "theme": "x"\n}\n'
    (tmp_path / "settings.json").write_text(old)
    done = call(tmp_path, "convert", "mcp", ".mcp.json", "--to", "zed", "-o", "settings.json")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "teamflow: settings.json: it has comments or trailing commas, which would be lost\n"
        "  write without -o and copy what you need, or remove the comments first\n"
    )
    assert (tmp_path / "settings.json").read_text() == old


@pytest.mark.parametrize(
    ("name", "text", "words", "message"),
    [
        ("x.json", None, (), "teamflow: x.json: No such file or directory\n"),
        ("x.json", "{", (), "teamflow: x.json: line 1, column 2: "),
        ("x.json", "[]", (), "teamflow: x.json: the file is to be a map\n"),
        ("x.json", "{}", (), "teamflow: x.json: nothing in it tells its format: name it with --from\n"),
        ("x.json", "{}", ("--from", "zed"), "teamflow: x.json: there is no context_servers in it\n"),
        ("x.json", '{"servers": {"a": 1}}', (), "teamflow: x.json: servers.a is to be a map, and is a number\n"),
        ("x.toml", "a = [", (), "teamflow: x.toml: it is no TOML: "),
        ("x.json", ONE, ("-o", "."), "teamflow: .: Is a directory\n"),
        ("x.json", ONE, ("-o", "x.json/y"), "Not a directory\n"),
        ("x.json", ONE, ("--to", "nope"), "Invalid value for '--to': 'nope' is not one of"),
        ("x.json", ONE, ("--from", "nope"), "Invalid value for '--from': 'nope' is not one of"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, text: str | None, words: tuple[str, ...], message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    done = call(tmp_path, "convert", "mcp", name, *words)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_only_mcp(tmp_path: Path) -> None:
    assert call(tmp_path, "convert", "nope", "x").code == 2


def test_a_file_without_an_ending(tmp_path: Path) -> None:
    (tmp_path / "servers").write_text('[mcp_servers.a]\ncommand = "x"\n')
    done = call(tmp_path, "convert", "mcp", "servers")
    assert json.loads(done.out) == {"mcpServers": {"a": {"type": "stdio", "command": "x", "args": []}}}


def test_codex_keeps_its_comments(tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_text(ONE)
    (tmp_path / "config.toml").write_text('model = "m" # mine\n')
    assert call(tmp_path, "convert", "mcp", ".mcp.json", "--to", "codex", "-o", "config.toml").code == 0
    assert (tmp_path / "config.toml").read_text().startswith('model = "m" # mine\n\n[mcp_servers.docs]\n')


def test_a_file_of_the_second_opencode_is_not_mixed(tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_text(ONE)
    old = '{"mcp": {"servers": {"a": {"type": "local", "command": ["x"]}}}}'
    (tmp_path / "opencode.json").write_text(old)
    done = call(tmp_path, "convert", "mcp", ".mcp.json", "--to", "opencode", "-o", "opencode.json")
    assert done.code == 2
    assert "opencode.json: it is of opencode 2, which has its servers in mcp.servers" in done.err
    assert (tmp_path / "opencode.json").read_text() == old


def test_stdin(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "teamflow", "convert", "mcp", "-", "--to", "zed"]
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(argv, cwd=tmp_path, env=environ, input=ONE, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["context_servers"]["docs"]["url"] == "https://x/mcp"
    assert done.stderr == ("warning: docs: headers.Authorization: ${T} is not expanded there, and stays as text\n")

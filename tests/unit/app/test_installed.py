"""Agent CLIs that are asked for their versions: those that answer, and those that do anything else."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from teamflow.app.installed import Installed, find_program, look
from teamflow.core.capabilities import Capabilities
from teamflow.core.versions import is_older, version_in


def program(place: Path, body: str, name: str = "tool") -> Path:
    place.mkdir(parents=True, exist_ok=True)
    path = place / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def capabilities(name: str = "tool") -> dict[str, Capabilities]:
    return {"engine": Capabilities(program=(name, "--version"))}


def environ(tmp_path: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "HOME": str(tmp_path),
        **more,
    }


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2.1.197 (Claude Code)", "2.1.197"),
        ("codex-cli 0.169.0\n", "0.169.0"),
        ("v1.2", "1.2"),
        ("tool version 1.0.0-beta.2, built 2026", "1.0.0-beta.2"),
        ("10", ""),
        ("", ""),
        ("1.2.3.4.5.6", ""),
        ("nine.nine", ""),
    ],
)
def test_the_version_in_what_is_printed(text: str, version: str) -> None:
    assert version_in(text) == version


def test_versions_are_compared_by_number() -> None:
    assert is_older("0.9.0", than="0.10")
    assert is_older("1.0.0-rc.1", than="1.0")
    assert not is_older("1.0", than="1.0.0")
    assert not is_older("", than="1.0")
    assert not is_older("1.0", than="rubbish")


def test_a_program_that_answers_is_asked_once(tmp_path: Path) -> None:
    path = program(tmp_path / "bin", f"echo called >> {tmp_path}/calls; echo tool 1.2.3")
    env = environ(tmp_path)
    for _ in range(2):
        assert look(capabilities(), env) == {"engine": Installed(str(path), "1.2.3")}
    assert (tmp_path / "calls").read_text() == "called\n"
    program(tmp_path / "bin", "echo tool 1.2.10")
    assert look(capabilities(), env)["engine"].version == "1.2.10"
    program(tmp_path / "bin", f"echo called >> {tmp_path}/calls; echo tool 1.2.3")
    assert look(capabilities(), env, again=True)["engine"].version == "1.2.3"
    assert (tmp_path / "calls").read_text() == "called\n" * 2


@pytest.mark.parametrize("kept", ["", "[", "[]", '{"x": 1}', "[" * 9000, '{"a": [], "b": [1], "c": [1, 2, "x", 4]}'])
def test_what_is_kept_may_be_anything(tmp_path: Path, kept: str) -> None:
    program(tmp_path / "bin", "echo 1.2.3")
    (tmp_path / "state" / "teamflow").mkdir(parents=True)
    (tmp_path / "state" / "teamflow" / "engines.json").write_text(kept)
    assert look(capabilities(), environ(tmp_path))["engine"].version == "1.2.3"


def test_nothing_is_kept_where_it_cannot_be(tmp_path: Path) -> None:
    program(tmp_path / "bin", "echo 1.2.3")
    (tmp_path / "state").write_text("a file")
    assert look(capabilities(), environ(tmp_path))["engine"].version == "1.2.3"
    assert look(capabilities(), {"PATH": f"{tmp_path}/bin:/bin"})["engine"].version == "1.2.3"


@pytest.mark.parametrize(
    ("body", "trouble"),
    [
        ("echo hello", "tells no version: hello"),
        ("exit 0", "tells no version"),
        ("echo broken 1.2.3 >&2; exit 3", "exited 3: broken 1.2.3"),
        ("printf '\\033[2J\\377\\0'", "tells no version"),
        ("kill -9 $$", "exited -9"),
        ("exec cat /dev/zero", "prints without end"),
    ],
)
def test_programs_that_say_something_else(tmp_path: Path, body: str, trouble: str) -> None:
    program(tmp_path / "bin", body)
    found = look(capabilities(), environ(tmp_path))["engine"]
    assert found.version == ""
    assert trouble in found.trouble
    assert "\x1b" not in found.trouble


def package(place: Path, about: object, body: str = "exit 0") -> None:
    """A program as npm installs it: a link among the programs, and what describes it some directories above."""
    program(place / "lib/tool/dist", body, "index.js")
    (place / "lib/tool/package.json").write_text(about if isinstance(about, str) else json.dumps(about))
    (place / "bin").mkdir(exist_ok=True)
    (place / "bin/tool").symlink_to("../lib/tool/dist/index.js")


@pytest.mark.parametrize("bins", [{"tool": "dist/index.js"}, {"x": "y", "tool": "./dist/index.js"}, "dist/index.js"])
def test_the_package_of_a_program_that_tells_no_version_tells_it(tmp_path: Path, bins: object) -> None:
    package(tmp_path, {"version": "0.49.0", "bin": bins})
    assert look(capabilities(), environ(tmp_path)) == {"engine": Installed(f"{tmp_path}/bin/tool", "0.49.0")}


def test_what_the_program_says_goes_before_its_package(tmp_path: Path) -> None:
    package(tmp_path, {"version": "0.49.0", "bin": "dist/index.js"}, "echo 2.0.1")
    assert look(capabilities(), environ(tmp_path))["engine"].version == "2.0.1"


@pytest.mark.parametrize(
    "about",
    [
        "", "[", "[]", "[" * 9000, "null", '{"bin": 1, "version": "1.0.0"}', '{"bin": {"tool": 1}, "version": "1.0.0"}',
        '{"bin": {"tool": "other.js"}, "version": "1.0.0"}', '{"bin": "dist/index.js", "version": ["x"]}',
        '{"bin": "dist/index.js"}', '{"bin": "\\u0000", "version": "1.0.0"}', '{"version": "1.0.0"}',
    ],
)  # fmt: skip
def test_a_package_of_somebody_else_or_a_damaged_one_tells_nothing(tmp_path: Path, about: str) -> None:
    package(tmp_path, about)
    found = look(capabilities(), environ(tmp_path))["engine"]
    assert (found.version, found.trouble) == ("", "`tool --version` tells no version")


def test_a_package_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    package(tmp_path, "")
    (tmp_path / "lib/tool/package.json").unlink()
    os.mkfifo(tmp_path / "lib/tool/package.json")
    assert look(capabilities(), environ(tmp_path))["engine"].version == ""


def _ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_one_that_hangs_is_ended_with_all_that_it_has_started(tmp_path: Path) -> None:
    program(tmp_path / "bin", f"sleep 1000 & echo $! > {tmp_path}/child; exec sleep 1000")
    for seconds in (0.3, 2, 10, 60):  # until it has come to start something
        found = look(capabilities(), environ(tmp_path), again=True, seconds=seconds)["engine"]
        assert found.trouble == f"`tool --version` has not ended after {seconds:g} s"
        if (tmp_path / "child").exists() and (tmp_path / "child").read_text():
            break
    child = int((tmp_path / "child").read_text())
    # Killed; it may not have come to its end yet, nor whoever is its parent now have looked.
    until = time.monotonic() + 60
    while not _ended(child):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_child_that_holds_the_pipe_is_not_waited_for(tmp_path: Path) -> None:
    program(tmp_path / "bin", "echo 1.2.3; sleep 1000 &")
    assert look(capabilities(), environ(tmp_path))["engine"].version == "1.2.3"


def test_it_gets_little_of_our_environment_and_nothing_to_read(tmp_path: Path) -> None:
    program(tmp_path / "bin", f"env > {tmp_path}/env; cat > {tmp_path}/stdin; pwd > {tmp_path}/cwd; echo 1.0")
    look(capabilities(), environ(tmp_path, ANTHROPIC_API_KEY="secret", NODE_OPTIONS="--require evil"))
    text = (tmp_path / "env").read_text()
    assert "secret" not in text
    assert "evil" not in text
    assert (tmp_path / "stdin").read_text() == ""
    assert (tmp_path / "cwd").read_text() == "/\n"


def test_programs_are_not_looked_for_where_a_project_could_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program(tmp_path / "bin", "echo 1.0")
    monkeypatch.chdir(tmp_path / "bin")
    assert find_program("tool", ".::relative:bin") is None
    assert find_program("tool", f".:{tmp_path}/bin") == str(path)
    path.chmod(0o644)
    assert find_program("tool", f"{tmp_path}/bin") is None
    (tmp_path / "bin" / "folder").mkdir()
    assert find_program("folder", f"{tmp_path}/bin") is None
    assert look(capabilities("nothing"), environ(tmp_path))["engine"] == Installed(None)


def test_a_program_that_cannot_be_started_says_so(tmp_path: Path) -> None:
    path = program(tmp_path / "bin", "")
    path.write_text("#!/no/such/interpreter\n")
    assert "cannot be started" in look(capabilities(), environ(tmp_path))["engine"].trouble

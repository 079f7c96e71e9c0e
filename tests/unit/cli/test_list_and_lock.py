"""`list`, `lock`, `run --locked` and what is looked for before a run, with programs of our own on PATH."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from teamflow.core.versions import version_in
from tests.fakes.agents import claude
from tests.unit.cli.made import Answer, call, process

TEAM = """\
personas: {writer: {instructions: "You write.\\nWell.", engine: claude/opus, permissions: read}}
agents:
  a: {persona: reviewer, engine: claude, prompt: x}
  b: {command: touch ran}
"""
REVIEWER = (
    "---\nname: reviewer\ndescription: Reviews.\ntools: Read, Edit, Bash(git diff:*)\nmodel: sonnet\n---\nYou review.\n"
)


class Here:
    def __init__(self, root: Path) -> None:
        self.root = root / "project"
        self.bin = root / "bin"
        self.home = root / "home"
        for directory in (self.root, self.bin, self.home):
            directory.mkdir()
        subprocess.run(["git", "init", "-q", str(self.root)], check=True)
        who = ("-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "commit.gpgsign=false")
        commit = ("commit", "-q", "--allow-empty", "-m", "start")
        subprocess.run(["git", "-C", str(self.root), *who, *commit], check=True)
        self.write("team.yaml", TEAM)
        self.write(".claude/agents/reviewer.md", REVIEWER)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def program(self, name: str, body: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\necho {name} >> {self.bin}/asked\n{body}\n")
        (self.bin / name).chmod(0o755)

    def asked(self) -> Sequence[str]:
        path = self.bin / "asked"
        return path.read_text().split() if path.exists() else ()

    def call(self, *words: str, **more: str) -> Answer:
        env = {"HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state"), "PATH": f"{self.bin}:/usr/bin:/bin"}
        start = process if words[0] == "run" else call
        return start(self.root, *words, **{**env, **more})

    def lock(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.root / "teamflow.lock").read_text())["teams"]["team.yaml"]
        return found


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


# -- list --------------------------------------------------------------------------------------------------------


def test_personas(here: Here) -> None:
    here.write("personas/broken.md", "---\nname: broken\n")
    here.write("personas/README", "no persona")
    here.write("personas/Odd Name.md", "no name")
    (here.home / ".claude" / "agents").mkdir(parents=True)
    (here.home / ".claude" / "agents" / "mine.md").write_text("I am \x1b[2Jmine.\n")
    (here.home / ".claude" / "agents" / "reviewer.md").write_text("Not this one.\n")
    answer = here.call("list", "personas", "--json")
    assert answer.code == 0, answer
    found = {one["name"]: one for one in json.loads(answer.out)["personas"]}
    assert {name: one["from"] for name, one in found.items()} == {
        "broken": "personas/broken.md",
        "mine": "~/.claude/agents/mine.md",
        "reviewer": ".claude/agents/reviewer.md",
        "writer": "team.yaml",
    }
    assert found["reviewer"]["engine"] == "claude/sonnet"
    assert found["reviewer"]["permissions"] == "edits; runs git diff"
    assert found["reviewer"]["description"] == "Reviews."
    assert (found["writer"]["engine"], found["writer"]["instructions"]) == ("claude/opus", "You write.")
    assert "never closed" in found["broken"]["trouble"]
    text = here.call("list", "personas").out
    assert "\x1b" not in text
    assert text.startswith("persona ")


@pytest.mark.slow
def test_personas_of_a_team_with_errors_and_of_none(here: Here) -> None:
    here.write("team.yaml", "agents: {a: {comand: x}}\n")
    answer = here.call("list", "personas")
    assert answer.code == 2
    assert "unknown-key" in answer.err
    assert "reviewer" in answer.out
    (here.root / "team.yaml").unlink()
    answer = here.call("list", "personas")
    assert (answer.code, answer.err) == (0, "")
    assert "reviewer" in answer.out
    assert here.call("list", "personas", "nothing").code == 2


def test_engines(here: Here) -> None:
    here.write("team.yaml", "engines: {mine: {command: [./mine], prompt: stdin}}\nagents: {a: {command: x}}\n")
    here.write("mine", "#!/bin/sh\ntouch ran\n").chmod(0o755)
    here.program("claude", "echo '2.1.190 (Claude Code)'")
    here.program("codex", "echo rubbish")
    answer = here.call("list", "engines", "--json", ANTHROPIC_API_KEY="sk-secret", NODE_EXTRA_CA_CERTS="/x")  # no login
    assert answer.code == 0, answer
    assert "sk-secret" not in answer.out
    found = {one["name"]: one for one in json.loads(answer.out)["engines"]}
    assert (found["claude"]["state"], found["claude"]["version"]) == ("installed", "2.1.190")
    assert found["claude"]["login"] == ["ANTHROPIC_API_KEY"]
    assert (found["codex"]["version"], found["codex"]["trouble"]) == (
        None,
        "`codex --version` tells no version: rubbish",
    )
    assert (found["gemini"]["state"], found["gemini"]["path"]) == ("missing", None)
    assert found["mine"]["origin"] == "team.yaml"
    assert "command" not in found
    assert not (here.root / "ran").exists()
    text = here.call("list", "engines").out
    assert "claude: 2.1.190 is older than" in text
    assert "gemini: `gemini` is not installed: `" in text


VARIANT = "engines: {local: {engine: claude, base_url: 'http://h:1/v1', model: qwen3, inherit_env: [GATEWAY]}}\n"


def test_a_variant_is_listed_with_what_its_engine_can_do(here: Here) -> None:
    here.write("team.yaml", VARIANT + "agents: {a: {command: x}}\n")
    here.program("claude", "echo '2.1.190 (Claude Code)'")
    words = {"ANTHROPIC_API_KEY": "x", "GATEWAY": "y", "CLAUDE_CONFIG_DIR": "/z"}
    answer = here.call("list", "engines", "--json", **words)
    found = {one["name"]: one for one in json.loads(answer.out)["engines"]}
    local, claude = found["local"], found["claude"]
    assert (local["origin"], local["variant_of"], local["base_url"]) == ("team.yaml", "claude", "http://h:1")
    assert (claude["variant_of"], claude["base_url"]) == (None, None)
    assert (local["version"], local["capabilities"]) == ("2.1.190", claude["capabilities"])
    assert local["login"] == ["GATEWAY"], "of its own server it has no login"
    assert "local: claude/qwen3 at http://h:1\n" in here.call("list", "engines").out


def test_a_variant_needs_the_program_of_its_engine(here: Here) -> None:
    here.write("team.yaml", VARIANT + "agents:\n  a: {engine: [claude, local], prompt: x, permissions: read}\n")
    assert here.call("run").err.count("claude: `claude` is not installed: `npm install") == 1
    here.program("claude", "echo '2.1.84 (Claude Code)'")
    assert "is too old" in here.call("run").err
    here.program("claude", "echo '2.1.197 (Claude Code)'")
    assert "not installed" not in here.call("plan").out
    assert here.call("lock").code == 0
    assert here.lock()["engines"] == {"claude": {"models": ["qwen3"], "version": "2.1.197"}}
    (here.bin / "claude").unlink()
    here.write(
        "team.yaml",
        VARIANT.replace("model", "env: {PATH: /elsewhere}, model") + "agents:\n  a: {engine: local, prompt: x}\n",
    )
    assert "not installed" not in here.call("plan").out, "only that PATH knows"


def test_other_lists(here: Here) -> None:
    here.write("team.yaml", "targets: {gpu: {ssh: gpu-box}}\nagents: {a: {command: x}}\n")
    assert here.call("list", "targets").out == "local  this machine\ngpu    gpu-box\n"
    assert json.loads(here.call("list", "templates", "--json").out)["templates"]
    for words in (("list", "nothing"), ("list",), ("list", "templates", "team.yaml")):
        assert here.call(*words).code == 2


# -- what is installed -------------------------------------------------------------------------------------------


def test_an_engine_that_is_not_there_is_found_out_before_anything_is_recorded(here: Here) -> None:
    answer = here.call("run")
    assert answer.code == 3
    assert "claude: `claude` is not installed: `npm install" in answer.err
    assert "(for a)" in answer.err
    assert here.call("status").code == 2  # there is no run
    assert "`claude` is not installed" in here.call("plan").out.replace("\n  ", " ")
    assert not (here.root / "ran").exists()


@pytest.mark.parametrize(
    ("engine", "version", "least"),
    [("claude", "2.1.84 (Claude Code)", "2.1.89"), ("codex", "codex-cli 0.131.0", "0.133.0"),
     ("codex-exec", "codex-cli 0.133.0-alpha.1", "0.133.0"), ("gemini", "0.45.2", "0.47.0"),
     ("copilot", "GitHub Copilot CLI 1.0.88.", "1.0.89"),
     ("claude-agent-acp", "0.42.0", "0.45.1")],
)  # fmt: skip
def test_one_that_is_too_old_is_refused_with_what_mends_it(here: Here, engine: str, version: str, least: str) -> None:
    program = engine.removesuffix("-exec")
    here.program(program, f"echo {version!r}")
    here.write("team.yaml", f"agents:\n  a: {{engine: {engine}, prompt: x, permissions: read}}\n")
    number = version_in(version)
    answer = here.call("run")
    assert answer.code == 3
    told = f"{engine}: `{program}` {number} is too old, {least} is needed: `npm install -g "
    assert told in answer.err
    assert "(for a)" in answer.err
    assert here.call("status").code == 2, "there is no run"
    assert told in " ".join(here.call("plan").out.split())
    assert f"{engine}: {number} is too old, {least} is needed" in here.call("list", "engines").out


def test_copilot_tells_the_version_that_is_started_and_none_that_another_start_has_left(here: Here) -> None:
    here.program("copilot", "case $* in *--no-auto-update*) echo 1.0.83;; *) echo 1.0.102;; esac")
    here.write("team.yaml", "agents:\n  a: {engine: copilot, prompt: x, permissions: read}\n")
    answer = here.call("run")
    assert answer.code == 3
    assert "`copilot` 1.0.83 is too old" in answer.err


@pytest.mark.slow
def test_plans_without_engines_ask_nobody(here: Here) -> None:
    here.program("claude", "echo 2.1.190")
    assert here.call("plan", "team.yaml", "b").code == 0
    assert here.call("run", "b").code == 0
    assert here.asked() == ()
    for _ in range(2):
        assert here.call("plan").code == 0
    assert here.asked() == ["claude"]


@pytest.mark.slow
def test_one_engine_of_a_chain_is_enough(here: Here) -> None:
    here.write("team.yaml", "agents:\n  a: {engine: [claude, codex], prompt: x}\n")
    assert "not installed" in here.call("plan").out
    here.program("codex", "echo codex-cli 0.169.0")
    assert "not installed" not in here.call("plan").out
    here.write("team.yaml", "agents:\n  a: {engine: gemini, prompt: x, env: {PATH: /elsewhere}}\n")
    assert "not installed" not in here.call("plan").out


DONE = """\
agents:
  a: {prompt: FIRST, permissions: read, model: opus}
  b: {command: "BEHIND", depends_on: [a]}
  c: {command: "true", depends_on: [b]}
"""


@pytest.mark.slow
def test_what_is_done_needs_no_program(here: Here) -> None:
    """Only steps that may run are looked at: not those that the run has behind it, or that the cache knows."""
    here.program("claude", f'exec {sys.executable} -ISE {claude.__file__} "$@"')
    text = DONE.replace("FIRST", "Say hello.")
    here.write("team.yaml", text.replace("BEHIND", "false"))
    assert here.call("run").code == 1
    (here.bin / "claude").unlink()

    answer = here.call("run")
    assert (answer.code, "not installed" in answer.out + answer.err) == (1, False), answer
    here.write("team.yaml", text.replace("BEHIND", "touch ran"))
    assert "not installed" not in here.call("plan").out
    answer = here.call("run")
    assert answer.code == 0, answer
    assert (here.root / "ran").exists()

    here.write("team.yaml", DONE.replace("FIRST", "Say more.").replace("BEHIND", "touch ran"))
    assert "not installed" in here.call("plan").out
    answer = here.call("run")
    assert (answer.code, "(for a)" in answer.err) == (3, True), answer


@pytest.mark.slow
def test_what_the_cache_knows_needs_no_program(here: Here) -> None:
    here.program("claude", f'exec {sys.executable} -ISE {claude.__file__} "$@"')
    here.write("team.yaml", "agents:\n  a: {prompt: Say hello., permissions: read, reads: [x.txt]}\n")
    here.write("x.txt", "x")
    assert here.call("run").code == 0
    (here.bin / "claude").unlink()
    answer = here.call("run")
    assert answer.code == 0, answer
    here.write("x.txt", "y")
    assert here.call("run").code == 3


# -- the lock ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_lock_and_what_differs_from_it(here: Here) -> None:
    here.write("team.yaml", TEAM.replace("prompt: x", "prompt: {file: p.md}") + "env_file: .env\n")
    here.write("p.md", "Do it.")
    here.write(".env", "A=1\n")
    here.program("claude", "echo 2.1.197")
    answer = here.call("lock")
    assert answer.code == 0, answer
    assert "claude 2.1.197 is locked\n" in answer.out
    assert "persona reviewer (.claude/agents/reviewer.md) is locked\n" in answer.out
    assert "is new" not in answer.out, "all of it is"
    assert here.lock()["engines"] == {"claude": {"models": [], "version": "2.1.197"}}
    files = here.lock()["files"]
    assert isinstance(files, dict)
    assert sorted(files) == [".claude/agents/reviewer.md", "p.md"]
    assert files[".claude/agents/reviewer.md"]["personas"] == ["reviewer"]
    before = (here.root / "teamflow.lock").read_bytes()
    answer = here.call("lock")
    assert (answer.out, "as it was" in answer.err) == ("", True)
    assert (here.root / "teamflow.lock").read_bytes() == before
    assert "teamflow.lock" not in here.call("plan").out

    here.program("claude", "echo 2.2.0")
    here.write(".claude/agents/reviewer.md", REVIEWER + "More.\n")
    here.write("p.md", "Do more.")
    shown = " ".join(here.call("plan").out.split())
    assert "claude 2.1.197 → 2.2.0" in shown.replace(" > ", " → ")
    assert "persona reviewer (.claude/agents/reviewer.md) changed" in shown
    answer = here.call("run", "b", "--locked")
    assert answer.code == 3
    assert "--locked: p.md changed" in answer.err
    assert not (here.root / "ran").exists()
    assert (here.root / "teamflow.lock").read_bytes() == before
    assert here.call("lock").code == 0
    assert here.call("run", "b", "--locked").code == 0


@pytest.mark.slow
def test_locks_that_are_missing_or_damaged(here: Here) -> None:
    answer = here.call("run", "b", "--locked")
    assert (answer.code, "nothing is locked" in answer.err) == (3, True)
    here.write("teamflow.lock", "<<<<<<< HEAD\n")
    answer = here.call("run", "b", "--locked")
    assert (answer.code, "git has left a conflict" in answer.err) == (3, True)
    assert here.call("lock").code == 3
    assert "git has left a conflict" in " ".join(here.call("plan", "team.yaml", "b").out.split())
    assert here.call("run", "b").code == 0
    here.write("teamflow.lock", '{"lock_version": 99}')
    assert "newer teamflow" in here.call("lock").err


def test_what_cannot_be_asked_is_not_locked(here: Here) -> None:
    answer = here.call("lock")
    assert answer.code == 0
    assert "claude is not locked: it is not installed" in answer.err
    assert here.lock()["engines"] == {}
    os.chmod(here.root, 0o755)
    here.write("team.yaml", "agents: {a: {comand: x}}\n")
    assert here.call("lock").code == 2

"""The real agent CLIs of the slow tests: where they are, how they come there, and the environment that keeps them here.

They come from npm with the versions of `clis/package.json`, into the directory named by TEAMFLOW_TEST_CLIS, else into a
cache of the user; once, under a lock, by whoever needs one first (`.ci/run` beforehand: `python -m tests.fakes.clis`).
Without npm the tests skip and say so; where TEAMFLOW_CI is set a CLI that is missing is an error.

The lock file names no registry: `npm install --package-lock-only --omit-lockfile-registry-resolved` makes it anew. Its
entries of opencode's packages for other platforms were written by hand, since not every registry has them: they have no
checksum.

Each environment is made from nothing, with a home of its own and the scripted model server as the only provider: no CLI
here asks the network, or reads what its user has at home. A prompt is data: stdin is to be /dev/null or a pipe that is
closed, for codex and opencode wait for ever on an open one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

from tests.fakes.models import DEFAULT, Models

LISTED: Final = Path(__file__).with_name("clis")

CLIS: Final = {
    "claude": "@anthropic-ai/claude-code",
    "codex": "@openai/codex",
    "gemini": "@google/gemini-cli",
    "opencode": "opencode-ai",
    "copilot": "@github/copilot",
    "claude-agent-acp": "@agentclientprotocol/claude-agent-acp",
}
"""Name of the program → its package."""

NODE: Final = 20
"""The oldest major version that all of them run on."""


class _Asked(NamedTuple):
    """What the environment said before the fixtures gave each test a home of its own."""

    place: str
    home: str
    cache: str
    strict: bool


_ASKED: Final = _Asked(
    os.environ.get("TEAMFLOW_TEST_CLIS", ""),
    os.path.expanduser("~"),
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
    bool(os.environ.get("TEAMFLOW_CI")),
)


class NoClis(Exception):
    """The CLIs cannot be had; the text says why."""


def place() -> Path:
    """The directory whose `node_modules` they are in, or are to be in."""
    if _ASKED.place:
        return Path(_ASKED.place)
    digest = hashlib.sha256((LISTED / "package-lock.json").read_bytes()).hexdigest()[:12]
    return Path(_ASKED.cache) / "teamflow-test-clis" / digest


def versions() -> dict[str, str]:
    """Name of the program → the version that is asked for."""
    wanted = json.loads((LISTED / "package.json").read_text())["dependencies"]
    return {name: wanted[package] for name, package in CLIS.items()}


def installed(where: Path) -> bool:
    """Whether all are there in the versions asked for. npm writes this list last, after the packages' own scripts."""
    try:
        packages = json.loads((where / "node_modules/.package-lock.json").read_text())["packages"]
    except (OSError, ValueError):
        return False
    found = {name: packages.get(f"node_modules/{package}", {}).get("version") for name, package in CLIS.items()}
    return found == versions()


def install() -> Path:
    """Their directory, after they have been installed if they were not. Raises NoClis."""
    where = place()
    if installed(where):
        return where
    _check_node()
    where.mkdir(parents=True, exist_ok=True)
    with (where / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed(where):
            for name in ("package.json", "package-lock.json"):
                shutil.copy(LISTED / name, where / name)
            _npm_ci(where)
    return where


def _check_node() -> None:
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        raise NoClis("there is no node and npm on PATH")
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = told.strip().removeprefix("v").split(".")[0]
    if not major.isdecimal() or int(major) < NODE:
        raise NoClis(f"node is {told.strip() or 'broken'}; the agent CLIs need {NODE} or newer")


def _npm_ci(where: Path) -> None:
    argv = ["npm", "ci", "--no-audit", "--no-fund", "--no-update-notifier"]
    # As whoever runs the tests, not as one test: npm's own settings say where its registry is.
    environment = {**os.environ, "HOME": _ASKED.home}
    done = subprocess.run(argv, cwd=where, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or not installed(where):
        raise NoClis(f"npm ci failed with {done.returncode} in {where}:\n{(done.stderr or done.stdout)[-2000:]}")


def program(name: str) -> str:
    """The path of a CLI, installed if need be; skips the test, or fails it in CI, where it cannot be had."""
    assert name in CLIS, name
    try:
        return str(install() / "node_modules/.bin" / name)
    except NoClis as problem:
        if _ASKED.strict:
            raise
        import pytest  # Only here: `.ci/run` installs before there is a pytest.

        pytest.skip(f"the agent CLIs are not installed: {problem}")


# Environments


def _base(home: Path) -> dict[str, str]:
    home.mkdir(parents=True, exist_ok=True)
    # The programs are scripts for `env node`.
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "TERM": "dumb"}


def claude_env(server: Models, home: Path, *, agent: str = DEFAULT, retries: int = 2) -> dict[str, str]:
    """Claude Code, and the ACP agent made of it. IS_SANDBOX: as root it refuses to skip permissions without."""
    return {
        **_base(home),
        "ANTHROPIC_BASE_URL": server.url(),
        "ANTHROPIC_API_KEY": server.key(agent),
        "CLAUDE_CONFIG_DIR": str(home / ".claude"),
        "IS_SANDBOX": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": str(retries),
    }


_CODEX: Final = """\
model = "gpt-5"
model_provider = "scripted"

[model_providers.scripted]
name = "scripted"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "SCRIPTED_KEY"
request_max_retries = {retries}
stream_max_retries = {retries}
stream_idle_timeout_ms = 15000
"""


def codex_env(server: Models, home: Path, *, agent: str = DEFAULT, retries: int = 1) -> dict[str, str]:
    """Codex: its provider stands in its own configuration, so that no argument needs to name it."""
    folder = home / ".codex"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(_CODEX.format(url=server.url(), retries=retries))
    return {**_base(home), "CODEX_HOME": str(folder), "SCRIPTED_KEY": server.key(agent)}


def gemini_env(server: Models, home: Path, *, agent: str = DEFAULT, attempts: int = 2) -> dict[str, str]:
    """Gemini. Without `selectedType` it takes a base URL for a gateway and refuses to start."""
    folder = home / ".gemini"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"enableAutoUpdate": False, "maxAttempts": attempts},
        "privacy": {"usageStatisticsEnabled": False},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    return {
        **_base(home),
        "GOOGLE_GEMINI_BASE_URL": server.url(),
        "GEMINI_API_KEY": server.key(agent),
        "GEMINI_CLI_NO_RELAUNCH": "true",
    }


def opencode_env(server: Models, home: Path, *, agent: str = DEFAULT, permission: str = "allow") -> dict[str, str]:
    """Opencode. `enabled_providers`: else it offers, and falls through to, its vendor's own models."""
    model = {"name": "m1", "limit": {"context": 128000, "output": 8000}, "cost": {"input": 1, "output": 2}}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "scripted",
        "options": {"baseURL": f"{server.url()}/v1", "apiKey": server.key(agent)},
        "models": {"m1": model},
    }
    config = {
        "provider": {"scripted": provider},
        "enabled_providers": ["scripted"],
        "model": "scripted/m1",
        "small_model": "scripted/m1",
        "permission": {"*": permission},
        "autoupdate": False,
        "share": "disabled",
    }
    _plugins_are_there(home / ".config/opencode")
    return {
        **_base(home),
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    }


def _plugins_are_there(place: Path) -> None:
    """As after the first start: else each start installs opencode's plugin library there, from npm's registry, which
    takes seconds of work and is broken off unfinished when the agent ends."""
    (place / "node_modules").mkdir(parents=True, exist_ok=True)
    wanted = {"packages": {"": {"dependencies": {"@opencode-ai/plugin": "*"}}}}
    (place / "package-lock.json").write_text(json.dumps(wanted))


def copilot_env(server: Models, home: Path, *, agent: str = DEFAULT) -> dict[str, str]:
    """Copilot. It unpacks 235 MB of itself into its cache: one for all tests."""
    return {
        **_base(home),
        "COPILOT_PROVIDER_BASE_URL": f"{server.url()}/v1",
        "COPILOT_PROVIDER_API_KEY": server.key(agent),
        "COPILOT_MODEL": "gpt-5",
        "COPILOT_OFFLINE": "true",
        "COPILOT_CACHE_HOME": str(place() / "copilot-cache"),
    }


ENVIRONMENTS: Final = {
    "claude": claude_env,
    "codex": codex_env,
    "gemini": gemini_env,
    "opencode": opencode_env,
    "copilot": copilot_env,
    "claude-agent-acp": claude_env,
}
"""Name of the program → what makes its environment: `(server, home, agent=...)`."""

ACP: Final[dict[str, tuple[str, ...]]] = {
    "gemini": ("--acp", "--skip-trust"),
    "opencode": ("acp",),
    "copilot": ("--acp", "--no-auto-update", "--disable-builtin-mcps"),
    "claude-agent-acp": (),
}
"""Those that speak ACP, and the arguments with which they do. In a directory that it does not trust, gemini offers no
tool of an MCP server, and does not say so."""


def headless(name: str, prompt: str) -> list[str]:
    """The shortest command line that takes one turn with every permission and writes JSON lines."""
    rest = {
        "claude": ["-p", prompt, "--output-format", "stream-json", "--verbose"]
        + ["--permission-mode", "bypassPermissions"],
        "codex": ["exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", prompt],
        "gemini": ["-p", prompt, "-o", "stream-json", "--yolo", "--skip-trust", "-m", "gemini-2.5-pro"],
        "opencode": ["run", "--format", "json", prompt],
        "copilot": ["-p", prompt, "--allow-all", "--output-format", "json", "--no-auto-update"]
        + ["--disable-builtin-mcps", "--disable-client-telemetry", "--no-ask-user"],
    }
    return [program(name), *rest[name]]


def main() -> int:
    try:
        print(install())
    except NoClis as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

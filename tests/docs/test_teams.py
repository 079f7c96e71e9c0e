"""Every example in `teams/` is valid, is planned, runs offline in a git repository, and leaves its work tree clean.

`check` is no example: it runs these tests among others. It is planned here, and run by tests/e2e/test_check_team.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TEAMS = sorted(path.stem for path in ROOT.glob("teams/*.yaml") if path.stem != "check")
STEPS = {
    "review-loop": ["write", "compile", "review", "announce"],
    "feature": ["plan", "build/?", "review/?", "ship", "test", "report"],
    "hello": ["look", "greet", "words", "polite", "report"],
    "migrate": ["old", "plan", "move/?", "check/?", "report"],
    "own-engine": ["draft", "title", "report"],
    "ship": [
        "plan", "build/slug", "build/wrap", "build/count", "review/bugs", "review/names", "pack", "announce",
    ],
    "site": [
        "page/architecture", "page/engines", "page/glossary", "page/operations", "titles", "index", "links",
    ],
}  # fmt: skip
ADDED = {"migrate": {f"{agent}/?": [f"{agent}/site-{n:02}" for n in range(1, 41)] for agent in ("move", "check")}} | {
    "feature": {f"{agent}/?": [f"{agent}/roman", f"{agent}/ordinal"] for agent in ("build", "review")}
}
"""What a run puts in the place of steps whose matrix is a result."""
RETRIED = {
    "feature": dict.fromkeys(("build/roman", "review/roman"), ["succeeded"] * 2),
    "migrate": {"move/site-13": ["exit", "succeeded"]},
    "own-engine": {"draft": ["verify", "succeeded"]},
    "ship": {"build/wrap": ["verify", "succeeded"]},
    "review-loop": dict.fromkeys(("write", "compile", "review"), ["succeeded"] * 3),
}
"""How the attempts ended of steps that have had several."""


def teamflow(*words: str, at: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "teamflow", *words]
    return subprocess.run(argv, cwd=at, env=environ, capture_output=True, text=True, timeout=60, check=False)


def git(*words: str, at: Path) -> str:
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", *author, *words], cwd=at, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with our examples and what they read."""
    for name in ("teams", "docs", "schemas"):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".teamflow", "build")
        )
    shutil.copy(ROOT / ".gitignore", tmp_path)
    git("init", "--quiet", at=tmp_path)
    git("add", ".", at=tmp_path)
    git("commit", "--quiet", "-m", "examples", at=tmp_path)
    return tmp_path


def attempts(at: Path) -> dict[str, list[str]]:
    """The failure class of each attempt, or how it ended, by step."""
    shown = json.loads(teamflow("status", "--json", at=at).stdout)
    return {step["id"]: [each["failure"] or each["outcome"] for each in step["attempts"]] for step in shown["steps"]}


def statuses(at: Path) -> dict[str, str]:
    shown = json.loads(teamflow("status", "--json", at=at).stdout)
    return {step["id"]: step["status"] for step in shown["steps"]}


def test_there_are_at_least_three() -> None:
    assert len(TEAMS) >= 3
    assert sorted(STEPS) == TEAMS


def test_what_checks_this_repository_is_planned(repository: Path) -> None:
    text = (repository / "teams/check.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=../schemas/team.schema.json\n")
    planned = json.loads(teamflow("plan", "check", "--json", at=repository).stdout)
    assert {"format", "lint", "layers", "types", "pure", "docs", "wheel"} <= {step["id"] for step in planned["steps"]}


QUICK = ("hello",)


@pytest.mark.parametrize("team", [pytest.param(t, marks=() if t in QUICK else pytest.mark.slow) for t in TEAMS])
def test_example(team: str, repository: Path) -> None:
    text = (repository / "teams" / f"{team}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=../schemas/team.schema.json\n")
    planned = json.loads(teamflow("plan", team, "--json", at=repository).stdout)
    assert [step["id"] for step in planned["steps"]] == STEPS[team]
    ran = teamflow("run", team, "--progress", "plain", at=repository)
    assert ran.returncode == 0, ran.stderr
    there = [each for step in STEPS[team] for each in ADDED.get(team, {}).get(step, [step])]
    assert statuses(repository) == dict.fromkeys(there, "succeeded")
    assert git("status", "--porcelain", at=repository) == ""
    retried = {step: each for step, each in attempts(repository).items() if len(each) > 1}
    assert retried == RETRIED.get(team, {})


@pytest.mark.slow
def test_a_review_loop_that_may_not_go_round_often_enough_gives_up(repository: Path) -> None:
    team = repository / "teams/review-loop.yaml"
    team.write_text(team.read_text(encoding="utf-8").replace("max: 4", "max: 2"), encoding="utf-8")
    assert teamflow("run", "review-loop", at=repository).returncode == 1
    shown = {step["id"]: step for step in json.loads(teamflow("status", "--json", at=repository).stdout)["steps"]}
    assert shown["review"]["failure"] == "not_converged"
    assert shown["announce"]["status"] == "skipped"
    assert "40" in shown["review"]["outputs"]["findings"]


@pytest.mark.slow
def test_site_is_made_again_only_where_it_changed(repository: Path) -> None:
    assert teamflow("run", "site", at=repository).returncode == 0
    assert teamflow("run", "site", at=repository).returncode == 0
    assert statuses(repository) == dict.fromkeys(STEPS["site"], "cached")
    with (repository / "docs/engines.md").open("a", encoding="utf-8") as page:
        page.write("One more line.\n")
    assert teamflow("run", "site", at=repository).returncode == 0
    changed = {step for step, status in statuses(repository).items() if status == "succeeded"}
    assert changed == {"page/engines", "titles", "links"}

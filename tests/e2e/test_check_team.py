"""`teamflow run check`, which is how this repository checks itself: in a copy of it, as it is now."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from teamflow.core.globs import covers
from tests.e2e.project import REPOSITORY, Project, Shown

TEAM = yaml.safe_load((REPOSITORY / "teams/check.yaml").read_text(encoding="utf-8"))
AGENTS = TEAM["agents"]
NEEDS = {"wheel": ["version"], "install": ["version", "wheel"]}
SECONDS = 600.0

TESTS = "command: python -m pytest -q $TESTS"


def files() -> list[str]:
    """What git knows or would take."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listing, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    return [path for path in done.stdout.split("\0") if (REPOSITORY / path).is_file()]


def copied(place: Path, paths: Iterable[str]) -> Project:
    """A repository with these files of ours."""
    project = Project(place, git=True)
    for path in paths:
        (project.root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / path, project.root / path)
    project.git("add", ".")
    project.git("commit", "-q", "-m", "as it is")
    return project


def side_by_side(shown: Shown) -> int:
    """At most so many attempts were there at one time."""
    times = [(datetime.fromisoformat(each[key]), change) for step in shown.steps.values() for each in step["attempts"]
             for key, change in (("started", 1), ("ended", -1))]  # fmt: skip
    return max(itertools.accumulate(change for _, change in sorted(times)))


@pytest.mark.slow
def test_it_runs_side_by_side_and_again_only_what_reads_what_changed(tmp_path: Path) -> None:
    project = copied(tmp_path, files())
    steps = ["format", "lint", "layers", "architecture"]

    def ran() -> set[str]:
        project.run("check", *steps, "--new", seconds=SECONDS).expect(0)
        return project.status().ran()

    assert ran() == set(steps)
    assert side_by_side(project.status()) > 1
    assert project.git("status", "--porcelain") == ""
    assert ran() == set()
    assert set(project.status().statuses.values()) == {"cached"}
    project.write("docs/glossary.md", project.read("docs/glossary.md") + "\n")
    assert ran() == {"architecture"}
    project.write("teamflow/views/width.py", project.read("teamflow/views/width.py") + "\n\n# no more\n")
    assert ran() == {"format", "lint", "layers", "architecture"}
    assert "teamflow/views/width.py changed" in project.why("layers")


def alone(place: Path, step: str) -> Project:
    """A repository with nothing but what the step reads, and the steps that it needs."""
    reads = [AGENTS[name]["reads"] for name in [step, *NEEDS.get(step, [])]]
    return copied(place, [
        path for path in files()
        if path in ("teams/check.yaml", ".gitignore") or any(covers(patterns, path) for patterns in reads)
    ])  # fmt: skip


def passes(project: Project, step: str) -> None:
    # Without -P, the part of our package that is there would hide the whole.
    project.call("run", "--progress", "plain", "check", step, python=["-P"], seconds=SECONDS).expect(0)


@pytest.mark.slow
@pytest.mark.parametrize("step", AGENTS)
def test_a_step_needs_nothing_but_what_it_reads(tmp_path: Path, step: str) -> None:
    """Where a file is missing among `reads`, the step would be called unchanged when it is not.

    Of tests this says that they can be imported; one step of them runs whole below, another one each time.
    """
    project = alone(tmp_path, step)
    if AGENTS[step].get("persona") == "tests":
        team = project.read("teams/check.yaml")
        assert team.count(TESTS) == 1
        project.write("teams/check.yaml", team.replace(TESTS, f"{TESTS} --collect-only"))
    passes(project, step)


@pytest.mark.slow
def test_the_tests_of_a_step_need_nothing_but_what_they_read(tmp_path: Path) -> None:
    """Of one, drawn anew each time: all of them take six minutes. TEAMFLOW_TEST_STEPS=runs,stores names others."""
    tests = [name for name, agent in AGENTS.items() if agent.get("persona") == "tests"]
    drawn = os.environ.get("TEAMFLOW_TEST_STEPS") or random.SystemRandom().choice(tests)
    print(f"steps {drawn}")
    for step in drawn.split(","):
        passes(alone(tmp_path / step, step), step)

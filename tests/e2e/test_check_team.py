"""`teamflow run check`, which is how this repository checks itself: in a copy of it, as it is now."""

from __future__ import annotations

import itertools
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
    steps = ["format", "lint", "layers", "types", "contracts", "architecture"]

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
    assert ran() == {"format", "lint", "layers", "types", "architecture"}
    assert "teamflow/views/width.py changed" in project.why("types")


@pytest.mark.slow
@pytest.mark.parametrize("step", AGENTS)
def test_a_step_needs_nothing_but_what_it_reads(tmp_path: Path, step: str) -> None:
    """Where a file is missing among `reads`, the step would be called unchanged when it is not."""
    reads = [AGENTS[name]["reads"] for name in [step, *NEEDS.get(step, [])]]
    project = copied(tmp_path, [
        path for path in files()
        if path in ("teams/check.yaml", ".gitignore") or any(covers(patterns, path) for patterns in reads)
    ])  # fmt: skip
    # Without -P, the part of our package that is there would hide the whole.
    project.call("run", "--progress", "plain", "check", step, python=["-P"], seconds=SECONDS).expect(0)

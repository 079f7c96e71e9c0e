"""What a reworked step worked on, as a digest: real files, below git and not."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from teamflow.app.cachework import CacheResults, ProjectReads, file_artifact
from teamflow.core.fold import initial
from teamflow.run.probe import Prober
from tests.fakes.plans import make_plan, make_step

Look = Callable[..., str]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """The digest for a step with these globs."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("1")
    (tmp_path / "spec").write_text("s")

    def tree(*, reads: tuple[str, ...] | None = None, writes: tuple[str, ...] = ()) -> str:
        step = make_step("a", reworked=True, reads=reads, writes=writes)
        results = CacheResults(str(tmp_path), directory=str(tmp_path / "cache"), team_file="t", warn=print)
        prober = Prober(
            initial(make_plan([step])),
            root=str(tmp_path),
            results=results,
            reads=ProjectReads(str(tmp_path), results=results),
            run={},
            digest_file=file_artifact,
        )
        try:
            return prober.tree(step, 1)
        finally:
            results.close()

    return tree


def test_outside_git_and_without_globs_nothing_is_known(look: Look) -> None:
    assert look() == ""


def test_outside_git_what_it_reads_tells(look: Look, tmp_path: Path) -> None:
    before = look(reads=("spec",))
    assert before == look(reads=("spec",))
    (tmp_path / "spec").write_text("t")
    assert look(reads=("spec",)) != before


def test_what_it_may_write_tells_alone(look: Look, tmp_path: Path) -> None:
    before = look(writes=("src/**",))
    (tmp_path / "spec").write_text("t")
    assert look(writes=("src/**",)) == before
    (tmp_path / "src/b.py").write_text("2")
    after = look(writes=("src/**",))
    assert after != before
    (tmp_path / "src/b.py").unlink()
    assert look(writes=("src/**",)) == before
    assert look(writes=("nothing/**",)) != "", "known to be nothing"


def test_in_git_all_that_is_not_ignored_tells_and_what_it_reads(look: Look, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text("made\n/cache\n")
    before, wide = look(), look(reads=("made",))
    (tmp_path / "made").write_text("x")
    assert look() == before, "git ignores it"
    assert look(reads=("made",)) != wide
    (tmp_path / "new").write_text("untracked")
    assert look() != before


def test_what_cannot_be_read_is_not_known(look: Look, tmp_path: Path) -> None:
    (tmp_path / "outside").symlink_to("/etc")
    assert look(writes=("../x",)) == ""

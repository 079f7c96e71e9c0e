"""What an agent does to git itself: to the configuration that all worktrees share, to its index, its attributes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.work import Left, Ready
from teamflow.ports import Done, Finish, Order, Parent
from tests.fakes.worktrees import changed, finished, git, prepared, repository, workspaces

pytestmark = pytest.mark.slow
"""Each starts several programs; `test_git_hostile` and `test_landing` stand for them in the fast run."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return repository(tmp_path / "project")


def trap(canary: Path) -> str:
    script = canary.with_suffix(".sh")
    script.write_text(f"#!/bin/sh\ntouch '{canary}'\nexit 0\n")
    script.chmod(0o755)
    return str(script)


def test_no_merge_driver_runs_where_contents_conflict(project: Path, tmp_path: Path) -> None:
    git(project, "config", "merge.x.driver", trap(tmp_path / "ran"))
    git(project, "config", "merge.default", "x")
    (project / ".git/info/attributes").write_text("* merge=x\n")
    parents = []
    for step in ("one", "two"):
        ready = prepared(project, step)
        Path(ready.path, "a.txt").write_text(f"{step}\n")
        Path(ready.path, ".gitattributes").write_text("* merge=x\n")
        parents.append(Parent(step, finished(project, ready, step).left.commit))
    failed = workspaces(project).prepare(Order("both", 1, tuple(parents), own=True))
    assert isinstance(failed, Failed)
    assert failed.failure is FailureClass.CONFLICT
    left = Left(parents[0].commit, git(project, "rev-parse", "main"))
    assert workspaces(project).on_top("one", left, (parents[1],)) is None
    assert not (tmp_path / "ran").exists()


def test_a_missing_object_of_a_partial_clone_is_said_and_nothing_is_fetched(project: Path, tmp_path: Path) -> None:
    (project / "b.txt").write_text("only here\n")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "b")
    git(project, "config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{project}", str(clone))
    (clone / ".teamflow").mkdir()
    git(clone, "config", "remote.origin.url", f"ext::{trap(tmp_path / 'ran')}")
    git(clone, "config", "protocol.ext.allow", "always")
    failed = workspaces(clone).prepare(Order("a", 1, (), own=True))
    assert isinstance(failed, Failed)
    assert failed.failure is FailureClass.SETUP
    assert "partial clone" in failed.reason, failed.reason
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("core.worktree", "/tmp"),
        ("core.bare", "true"),
        ("core.ignoreCase", "true"),
        ("core.symlinks", "false"),
        ("core.fileMode", "false"),
        ("core.sparseCheckout", "true"),
        ("extensions.worktreeConfig", "true"),
        ("include.path", "/nowhere"),
        ("core.excludesFile", "/proc/self/mem"),
        ("core.attributesFile", "/proc/self/mem"),
        ("core.bigFileThreshold", "0"),
        ("core.logAllRefUpdates", "always"),
        ("core.preferSymlinkRefs", "true"),
        ("transfer.hideRefs", "refs/"),
        ("core.protectHFS", "false"),
        ("core.compression", "0"),
        ("status.showUntrackedFiles", "no"),
        ("advice.x", "true"),
        ("i18n.commitEncoding", "UTF-16"),
        ("core.abbrev", "4"),
        ("core.checkStat", "minimal"),
        ("core.trustctime", "false"),
    ],
)
def test_no_setting_of_the_shared_configuration_hides_work(project: Path, key: str, value: str) -> None:
    ready = prepared(project)
    git(ready.path, "config", key, value)
    Path(ready.path, "A.txt").write_text("other case\n")
    Path(ready.path, "link").symlink_to("a.txt")
    Path(ready.path, "run").write_text("#!/bin/sh\n")
    Path(ready.path, "run").chmod(0o755)
    Path(ready.path, "a.txt").chmod(0o755)
    done = finished(project, ready)
    assert changed(done) == ["A.txt", "a.txt", "link", "run"]
    env = dict(os.environ, GIT_CONFIG_COUNT="0")
    subprocess.run(["git", "config", "--file", project / ".git/config", "--unset", key], env=env, check=True)
    listed = git(project, "ls-tree", done.left.commit)
    assert "120000" in listed
    assert listed.count("100755") == 2
    again = prepared(project, "b", Parent("a", done.left.commit))
    assert os.path.islink(f"{again.path}/link")


def test_replaced_and_grafted_commits_are_what_they_were(project: Path) -> None:
    first = git(project, "rev-parse", "HEAD")
    ready = prepared(project)
    Path(ready.path, "b").write_text("b\n")
    git(ready.path, "add", "b")
    git(ready.path, "commit", "-q", "-m", "fake")
    fake = git(ready.path, "rev-parse", "HEAD")
    git(ready.path, "replace", "-f", first, fake)
    git(ready.path, "reset", "-q", "--soft", "main")
    (project / ".git/info").mkdir(exist_ok=True)
    (project / ".git/info/grafts").write_text(f"{fake}\n")
    other = prepared(project, "other")
    assert sorted(os.listdir(other.path)) == [".git", "a.txt"]
    git(ready.path, "update-ref", "HEAD", fake)
    done = finished(project, ready)
    assert done.left.commit == fake
    assert changed(done) == ["b"]


def test_bits_of_the_agents_index_hide_no_edit(project: Path) -> None:
    (project / "c.txt").write_text("1\n")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "c")
    ready = prepared(project)
    git(ready.path, "update-index", "--assume-unchanged", "a.txt")
    git(ready.path, "update-index", "--skip-worktree", "c.txt")
    Path(ready.path, "a.txt").write_text("2\n")
    Path(ready.path, "c.txt").write_text("2\n")
    assert changed(finished(project, ready)) == ["a.txt", "c.txt"]


def test_a_sparse_checkout_of_the_agent_deletes_nothing(project: Path) -> None:
    for name in ("src/x", "docs/y", "docs/z"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("1\n")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "more")
    ready = prepared(project)
    git(ready.path, "sparse-checkout", "set", "--sparse-index", "src")
    assert not Path(ready.path, "docs").exists()
    Path(ready.path, "src/x").write_text("2\n")
    done = finished(project, ready)
    assert changed(done) == ["src/x"]
    assert changed(finished(project, ready)) == ["src/x"]
    taken = workspaces(project).prepare(Order("look", 1, (Parent("a", done.left.commit),), own=False, takes=ready.path))
    assert isinstance(taken, Ready)
    assert Path(taken.path, "docs/y").exists()


@pytest.mark.parametrize(
    "line",
    ["* export-ignore", "* ident", "* working-tree-encoding=UTF-16", "* working-tree-encoding=NO-SUCH", "* text",
     "* text=auto eol=crlf", "[attr]x binary", "* -diff -merge -text", "* !text", "\x00\xff"],
)  # fmt: skip
def test_no_attribute_drops_a_file(project: Path, line: str) -> None:
    ready = prepared(project)
    Path(ready.path, ".gitattributes").write_text(f"{line}\n", encoding="latin-1")
    Path(ready.path, "odd").write_bytes(b"\xd8\x00odd\r\n$Id$\n")
    Path(ready.path, "plain").write_bytes(b"plain\n")
    done = finished(project, ready)
    assert changed(done) == [".gitattributes", "odd", "plain"]
    again = workspaces(project).prepare(Order("b", 1, (Parent("a", done.left.commit),), own=True))
    assert isinstance(again, Ready), again
    assert {"odd", "plain"} <= set(os.listdir(again.path))


@pytest.mark.parametrize(
    "name", [".gitignore", "sub/.gitignore", ".gitattributes", "sub/.gitattributes", ".gitmodules"]
)
@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_pipe_where_git_looks_for_a_file_holds_nobody_up(project: Path, name: str, kind: str, tmp_path: Path) -> None:
    (project / "sub").mkdir()
    (project / "sub/f").write_text("1\n")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "sub")
    ready = prepared(project)
    Path(ready.path, "sub/new").write_text("1\n")
    Path(ready.path, "a.txt").write_text("2\n")
    path = Path(ready.path, name)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe")
    done = finished(project, ready)
    assert {"a.txt", "sub/new"} <= set(changed(done))
    if kind == "pipe":
        assert any(line.startswith(f"{name}: ") for line in done.aside)


@pytest.mark.parametrize(
    "name",
    ["config", "HEAD", "packed-refs", "info/exclude", "info/attributes", "worktrees/a/index", "worktrees/a/HEAD",
     "worktrees/a/config.worktree", "info/grafts", "shallow", "refs/heads/teamflow/7/a", "excludes", "teamflow.lock",
     "worktrees/a/commondir", "worktrees/a/gitdir", "objects/info/alternates"],
)  # fmt: skip
def test_a_pipe_in_the_git_directory_is_said_or_passed_over(project: Path, name: str) -> None:
    ready = prepared(project)
    git(project, "config", "extensions.worktreeConfig", "true")
    if name == "excludes":
        git(project, "config", "core.excludesFile", str(project / ".git/excludes"))
    path = project / ".git" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    Path(ready.path, "b").write_text("b\n")
    done = workspaces(project).finish(Finish("a", 1, ready, "m"))
    if isinstance(done, Done):
        assert changed(done) == ["b"]
    else:
        assert f"/{name}: is a pipe" in done.reason, done.reason


def test_a_git_directory_that_claims_to_belong_to_another_is_refused(project: Path, tmp_path: Path) -> None:
    other = repository(tmp_path / "other")
    before = git(other, "for-each-ref")
    (project / ".git/commondir").write_text(f"{other}/.git\n")
    failed = workspaces(project).prepare(Order("a", 1, (), own=True))
    assert isinstance(failed, Failed)
    assert "commondir" in failed.reason
    assert git(other, "for-each-ref") == before
    assert not (other / ".git/worktrees").exists()


def test_our_own_directory_is_trusted_for_nothing(project: Path, tmp_path: Path) -> None:
    ready = prepared(project)
    own = project / ".teamflow/git"
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "config").write_text(
        f'[core]\n\tfsmonitor = {trap(tmp_path / "ran")}\n[filter "x"]\n\tclean = {tmp_path}/ran.sh\n'
    )
    (own / "commondir").write_text(f"{evil}\n")
    (own / "info/grafts").write_text(f"{ready.base}\n")
    (own / "shallow").write_text(f"{ready.base}\n")
    (own / "config").unlink()
    os.mkfifo(own / "config")
    (own / "HEAD").unlink()
    (own / "HEAD").mkdir()
    Path(ready.path, ".gitattributes").write_text("* filter=x\n")
    assert changed(finished(project, ready)) == [".gitattributes"]
    assert not (tmp_path / "ran").exists()


def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_taken(project: Path) -> None:
    ready = prepared(project)
    Path(ready.path, "new").write_text("n\n")
    Path(ready.path, "inner").mkdir()
    Path(ready.path, "inner/.git").mkdir()
    Path(ready.path, "inner/f").write_text("f\n")
    Path(ready.path, "dangling").mkdir()
    Path(ready.path, "dangling/.git").symlink_to("/nowhere")
    Path(ready.path, "dangling/f").write_text("f\n")
    Path(ready.path, "text").mkdir()
    Path(ready.path, "text/.git").write_text("gitdir: /nowhere\n")
    Path(ready.path, "text/f").write_text("f\n")
    done = finished(project, ready)
    assert changed(done) == ["dangling/f", "inner/f", "new", "text/f"]


def test_names_that_git_forbids_are_named(project: Path) -> None:
    ready = prepared(project)
    Path(ready.path, "sub/.GIT").mkdir(parents=True)
    Path(ready.path, "sub/.GIT/config").write_text("x\n")
    Path(ready.path, "ok").write_text("x\n")
    done = finished(project, ready)
    assert "ok" in changed(done)
    assert set(changed(done)) | {line.partition(":")[0] for line in done.aside} >= {"ok", "sub/.GIT/config"}

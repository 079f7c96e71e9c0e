"""Merging into the user's checkout: what it does, what it refuses, and that nothing that was there is lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from teamflow.workspaces.checked_out import CheckedOut
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.landing import Landed, Wanted, land
from tests.fakes.repositories import Repo


def merge(repo: Repo, commit: str, *, always: bool = False, at: Path | None = None) -> Landed:
    root = at or repo.root
    here = CheckedOut(str(root), home=f"{root}/.teamflow", environ=repo.environ)
    return land(here, Wanted(commit, "work", "Merge work\n\nTeamflow-Step: build\n", always=always))


def refused(repo: Repo, commit: str, code: str, *, at: Path | None = None) -> str:
    """What is said; the branch, the index and the files are as before."""
    at = at or repo.root
    before = (
        repo.git("rev-parse", "--verify", "-q", "HEAD", at=at, ok=False),
        repo.git("status", "--porcelain", at=at),
    )
    with pytest.raises(WorkspaceError) as caught:
        merge(repo, commit, at=at)
    assert caught.value.code == code, caught.value
    assert caught.value.remedy
    after = (repo.git("rev-parse", "--verify", "-q", "HEAD", at=at, ok=False), repo.git("status", "--porcelain", at=at))
    assert before == after
    return str(caught.value)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path)


@pytest.mark.slow
def test_a_branch_that_can_just_move_on(repo: Repo) -> None:
    old = repo.head
    work = repo.branch("work", {"a.txt": "ONE\ntwo\nthree\n", "new/b.txt": "b\n"})
    landed = merge(repo, work)
    assert (landed.old, landed.new, landed.branch, landed.forward) == (old, work, "main", True)
    assert (repo.head, repo.status) == (work, "")
    assert (repo.read("a.txt"), repo.read("new/b.txt")) == ("ONE\ntwo\nthree\n", "b\n")
    assert sum(change.added for change in landed.changes) == 2
    for log in ("HEAD", "main"):
        assert "merge work: Fast-forward" in repo.git("reflog", "-1", log)
    repo.git("reset", "--keep", landed.old)
    assert (repo.head, repo.status, repo.read("a.txt")) == (old, "", "one\ntwo\nthree\n")
    assert not (repo.root / "new").exists()


@pytest.mark.slow
def test_two_that_have_gone_apart(repo: Repo) -> None:
    work = repo.branch("work", {"a.txt": "one\ntwo\nTHREE\n"})
    old = repo.commit({"a.txt": "ONE\ntwo\nthree\n"})
    repo.git("config", "user.name", "Bea")
    repo.git("config", "user.email", "bea@example.org")
    landed = merge(repo, work)
    assert not landed.forward
    assert repo.git("rev-list", "--parents", "-1", "HEAD").split() == [landed.new, old, work]
    assert repo.read("a.txt") == "ONE\ntwo\nTHREE\n"
    assert repo.status == ""
    assert repo.git("log", "-1", "--format=%an <%ae> %s") == "Bea <bea@example.org> Merge work"
    again = merge(repo, work)
    assert (again.old, again.new) == (landed.new, landed.new)


@pytest.mark.slow
def test_who_merges(repo: Repo) -> None:
    """As git would name them: the environment, then the configuration; else nobody but teamflow."""
    work = repo.branch("work", {"b.txt": "b\n"})
    base = repo.head
    for environ, name in (
        ({}, "teamflow"),
        ({"GIT_AUTHOR_NAME": "Cleo"}, "Cleo"),
        ({"GIT_COMMITTER_NAME": "Cleo"}, "teamflow"),
    ):
        repo.git("reset", "-q", "--hard", base)
        here = CheckedOut(str(repo.root), home=f"{repo.root}/.teamflow", environ={**repo.environ, **environ})
        land(here, Wanted(work, "work", "Merge work\n", always=True))
        assert repo.git("log", "-1", "--format=%an") == name


@pytest.mark.slow
def test_a_message_makes_a_commit(repo: Repo) -> None:
    work = repo.branch("work", {"b.txt": "b\n"})
    landed = merge(repo, work, always=True)
    assert landed.new != work
    assert repo.git("diff", "HEAD", "work") == ""


def test_untracked_and_ignored_files_stay(repo: Repo) -> None:
    work = repo.branch("work", {"b.txt": "b\n", "deep/c.txt": "c\n", "a.txt": None})
    repo.write("mine.txt", "mine")
    repo.write("deep/x.tmp", "ignored")
    merge(repo, work)
    assert repo.status == "?? mine.txt"
    assert repo.read("deep/x.tmp") == "ignored"
    assert not (repo.root / "a.txt").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "lies"),
    [
        ({"b.txt": "b\n"}, "b.txt"),
        ({"x.txt": "b\n"}, "x.txt/inner"),
        ({"deep/b.txt": "b\n"}, "deep"),
        ({"deep/b.txt": "b\n"}, "deep/b.txt/inner"),
    ],
)
def test_what_nobody_tracks_is_never_overwritten(repo: Repo, made: dict[str, str], lies: str) -> None:
    work = repo.branch("work", made)
    repo.write(lies, "mine")
    assert "in the way" in refused(repo, work, "in-the-way")
    assert repo.read(lies) == "mine"


@pytest.mark.slow
def test_nor_what_is_ignored(repo: Repo) -> None:
    work = repo.branch("work", {".gitignore": ".teamflow/\n", "cache.tmp": "theirs\n"})
    repo.write("cache.tmp", "mine")
    assert "cache.tmp" in refused(repo, work, "in-the-way")
    assert repo.read("cache.tmp") == "mine"


@pytest.mark.slow
def test_nor_a_link_that_leads_out(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    work = repo.branch("work", {"deep/b.txt": "b\n"})
    (repo.root / "deep").symlink_to(tmp_path / "out")
    refused(repo, work, "in-the-way")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.slow
def test_files_become_directories_and_back(repo: Repo) -> None:
    repo.commit({"d/x": "x\n", "f": "f\n"})
    work = repo.branch("work", {"d/x": None, "f": None})
    repo.git("checkout", "-q", "work")
    if (repo.root / "d").exists():
        (repo.root / "d").rmdir()
    work = repo.commit({"d": "now a file\n", "f/y": "y\n"})
    repo.git("checkout", "-q", "main")
    merge(repo, work)
    assert (repo.read("d"), repo.read("f/y"), repo.status) == ("now a file\n", "y\n", "")


def _staged(repo: Repo) -> None:
    repo.write("a.txt", "changed\n")
    repo.git("add", "a.txt")


def _added(repo: Repo) -> None:
    repo.write("n.txt", "n\n")
    repo.git("add", "-N", "n.txt")


def _conflicted(repo: Repo) -> None:
    repo.branch("other", {"a.txt": "other\n"})
    repo.commit({"a.txt": "here\n"})
    repo.git("merge", "other", ok=False)
    os.unlink(repo.root / ".git/MERGE_HEAD")


@pytest.mark.slow
@pytest.mark.parametrize(
    "soil",
    [
        lambda repo: repo.write("a.txt", "changed\n"),
        lambda repo: (repo.root / "a.txt").unlink(),
        _staged,
        _added,
        _conflicted,
        lambda repo: repo.git("rm", "-q", "--cached", "a.txt"),
        lambda repo: (repo.root / "a.txt").chmod(0o755),
    ],
)
def test_a_dirty_checkout(repo: Repo, soil: Callable[[Repo], object]) -> None:
    work = repo.branch("work", {"b.txt": "b\n"})
    soil(repo)
    assert "not committed" in refused(repo, work, "dirty")


def test_times_alone_make_nothing_dirty(repo: Repo) -> None:
    work = repo.branch("work", {"a.txt": "b\n"})
    os.utime(repo.root / "a.txt", (1, 1))
    assert merge(repo, work).forward


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begin", "says"),
    [
        (["merge", "--no-commit", "--no-ff", "side"], "merge"),
        (["cherry-pick", "clash"], "cherry-pick"),
        (["revert", "--no-commit", "HEAD"], "revert"),
        (["rebase", "clash"], "rebase"),
        (["bisect", "start"], "bisect"),
    ],
)
def test_something_unfinished(repo: Repo, begin: list[str], says: str) -> None:
    work = repo.branch("work", {"b.txt": "b\n"})
    repo.branch("side", {"c.txt": "c\n"})
    repo.branch("clash", {"a.txt": "clash\n"})
    repo.commit({"a.txt": "other\n"})
    repo.git("config", "user.name", "Ana")
    repo.git("config", "user.email", "ana@example.org")
    repo.git(*begin, ok=False)
    assert says in refused(repo, work, "busy")


def test_another_git_at_work(repo: Repo) -> None:
    work = repo.branch("work", {"b.txt": "b\n"})
    repo.write(".git/index.lock", "")
    assert "index.lock" in refused(repo, work, "busy")


@pytest.mark.slow
def test_no_branch(repo: Repo) -> None:
    work = repo.branch("work", {"b.txt": "b\n"})
    repo.git("checkout", "-q", "--detach")
    assert "git switch" in refused(repo, work, "detached")


@pytest.mark.slow
def test_no_commit(repo: Repo) -> None:
    work = repo.branch("work", {"b.txt": "b\n"})
    repo.git("checkout", "-q", "--orphan", "fresh")
    repo.git("rm", "-rfq", "--cached", ".")
    assert "no commit yet" in refused(repo, work, "unborn")


def test_a_bare_repository(repo: Repo) -> None:
    work = repo.branch("work", {"b.txt": "b\n"})
    repo.git("config", "core.bare", "true")
    with pytest.raises(WorkspaceError, match="bare"):
        merge(repo, work)


def test_both_have_changed_the_same(repo: Repo) -> None:
    work = repo.branch("work", {"a.txt": "ONE\n", "b.txt": "b\n"})
    repo.commit({"a.txt": "uno\n"})
    said = refused(repo, work, "conflict")
    assert "main and work: both have changed a.txt; nothing was merged" in said
    assert "git merge work" in said


@pytest.mark.slow
def test_another_worktree(repo: Repo, tmp_path: Path) -> None:
    """The project may itself be a worktree that the user has added, also of a bare repository."""
    work = repo.branch("work", {"b.txt": "b\n"})
    repo.git("worktree", "add", "-q", "-b", "second", str(tmp_path / "w"), "main")
    repo.git("config", "core.bare", "true")
    merge(repo, work, at=tmp_path / "w")
    assert repo.git("rev-parse", "HEAD", at=tmp_path / "w") == work
    assert repo.git("status", "--porcelain", at=tmp_path / "w") == ""
    assert "merge work" in repo.git("reflog", "-1", "HEAD", at=tmp_path / "w")


@pytest.mark.slow
@pytest.mark.parametrize("cone", [True, False])
def test_a_sparse_checkout_stays_sparse(repo: Repo, cone: bool) -> None:
    repo.commit({"in/x": "x\n", "out/y": "y\n"})
    work = repo.branch("work", {"in/x": "X\n", "out/y": "Y\n", "out/new": "new\n", "in/new": "new\n"})
    if cone:
        repo.git("sparse-checkout", "set", "--cone", "--sparse-index", "in")
    else:
        repo.git("sparse-checkout", "set", "--no-cone", "/*", "!/out/")
    assert not (repo.root / "out").exists()
    merge(repo, work)
    assert repo.status == ""
    assert not (repo.root / "out").exists()
    assert (repo.read("in/x"), repo.read("in/new")) == ("X\n", "new\n")
    assert repo.git("ls-files", "-t", "out").splitlines() == ["S out/new", "S out/y"]


@pytest.mark.slow
def test_a_split_index(repo: Repo) -> None:
    work = repo.branch("work", {"b.txt": "b\n"})
    repo.git("update-index", "--split-index")
    merge(repo, work)
    assert (repo.status, repo.read("b.txt")) == ("", "b\n")


@pytest.mark.slow
def test_line_endings_as_the_repository_says(repo: Repo) -> None:
    work = repo.branch("work", {"b.txt": "b\n"})
    repo.git("config", "core.autocrlf", "true")
    repo.git("rm", "-q", "--cached", "-r", ".")
    repo.git("reset", "-q", "--hard")
    merge(repo, work)
    assert repo.read("b.txt") == "b\r\n"
    assert repo.status == ""


@pytest.mark.slow
def test_nothing_that_the_repository_names_is_run(repo: Repo, tmp_path: Path) -> None:
    repo.commit({".gitattributes": "*.txt merge=evil diff=evil\n"})
    work = repo.branch("work", {"a.txt": "one\ntwo\nTHREE\n"})
    repo.commit({"a.txt": "ONE\ntwo\nthree\n"})
    trap = f"touch {tmp_path}/trapped; false"
    for key in ("core.fsmonitor", "merge.evil.driver", "diff.evil.command", "diff.evil.textconv", "core.sshCommand",
                "filter.evil.smudge", "core.pager", "gpg.program"):  # fmt: skip
        repo.git("config", key, trap)
    repo.git("config", "commit.gpgSign", "true")
    repo.git("config", "core.hooksPath", str(tmp_path / "hooks"))
    for directory in (tmp_path / "hooks", repo.root / ".git/hooks"):
        directory.mkdir(exist_ok=True)
        for name in ("post-merge", "pre-merge-commit", "post-checkout", "reference-transaction", "post-index-change",
                     "pre-commit", "prepare-commit-msg", "commit-msg", "post-commit"):  # fmt: skip
            (directory / name).write_text(f"#!/bin/sh\n{trap}\n")
            (directory / name).chmod(0o755)
    merge(repo, work)
    assert not (tmp_path / "trapped").exists()
    assert repo.read("a.txt") == "ONE\ntwo\nTHREE\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", [".git", ".GIT", ".."])
def test_a_tree_that_reaches_into_the_git_directory(repo: Repo, name: str) -> None:
    blob = repo.git("hash-object", "-w", "a.txt")
    inner = repo.git("mktree", given=f"100755 blob {blob}\tplanted\n")
    tree = repo.git("mktree", given=f"040000 tree {inner}\t{name}\n100644 blob {blob}\ta.txt\n")
    work = repo.git("commit-tree", tree, "-p", "HEAD", "-m", "evil")
    refused(repo, work, "git")
    assert not list(repo.root.parent.rglob("planted"))


@pytest.mark.slow
def test_a_filter_of_the_repository_is_for_the_user_to_run(repo: Repo, tmp_path: Path) -> None:
    work = repo.branch("work", {".gitattributes": "*.bin filter=evil\n", "x.bin": "x\n"})
    repo.git("config", "filter.evil.smudge", f"touch {tmp_path}/trapped; cat")
    said = refused(repo, work, "filter")
    assert 'x.bin: goes through the filter "evil"' in said
    assert "`git merge work`" in said
    assert not (tmp_path / "trapped").exists()


@pytest.mark.slow
def test_a_filter_of_the_user_is_used(repo: Repo) -> None:
    work = repo.branch("work", {".gitattributes": "*.bin filter=own\n", "x.bin": "x\n"})
    (repo.home / ".gitconfig").write_text('[filter "own"]\n\tsmudge = sed s/x/X/\n\tclean = sed s/X/x/\n')
    merge(repo, work)
    assert (repo.read("x.bin"), repo.status) == ("X\n", "")


@pytest.mark.slow
def test_a_filter_that_fails_halfway_leaves_all_as_it_was(repo: Repo) -> None:
    work = repo.branch(
        "work", {".gitattributes": "*.bin filter=own\n", "a.txt": "A\n", "new/b.txt": "b\n", "x.bin": "x\n"}
    )
    (repo.home / ".gitconfig").write_text('[filter "own"]\n\tsmudge = false\n\trequired = true\n')
    refused(repo, work, "git")
    assert repo.read("a.txt") == "one\ntwo\nthree\n"
    assert not (repo.root / "new").exists()
    assert not (repo.root / ".git/index.lock").exists()


@pytest.mark.slow
def test_a_git_that_is_killed_in_the_middle(repo: Repo) -> None:
    """The lock that it leaves is named; without it the next merge puts everything right."""
    work = repo.branch(
        "work", {".gitattributes": "*.bin filter=own\n", "a.txt": "A\n", "new/b.txt": "b\n", "x.bin": "x\n"}
    )
    (repo.home / ".gitconfig").write_text('[filter "own"]\n\tsmudge = kill -9 $PPID\n\trequired = true\n')
    with pytest.raises(WorkspaceError, match="nothing was merged"):
        merge(repo, work)
    (repo.home / ".gitconfig").write_text('[filter "own"]\n\tsmudge = cat\n')
    lock = repo.root / ".git/index.lock"
    with pytest.raises(WorkspaceError, match=f"remove {lock}"):
        merge(repo, work)
    lock.unlink()
    assert merge(repo, work).new == work
    assert (repo.status, repo.head, repo.read("a.txt"), repo.read("x.bin")) == ("", work, "A\n", "x\n")


@pytest.mark.slow
def test_odd_names(repo: Repo) -> None:
    names = ["-x", "with space", "new\nline", 'quo"te', "ünï", "tab\there", "\udcff"]
    work = repo.branch("work", dict.fromkeys(names, "x\n"))
    merge(repo, work)
    assert repo.status == ""
    assert all(repo.read(name) == "x\n" for name in names)


class Killed(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("boundary", range(1, 6))
def test_broken_off_anywhere_the_next_one_finishes(repo: Repo, boundary: int, forward: bool) -> None:
    work = repo.branch("work", {"a.txt": "ONE\ntwo\nthree\n", "new/b.txt": "b\n"})
    if not forward:
        repo.commit({"c.txt": "c\n"})
    left = [boundary]

    def crossed() -> None:
        left[0] -= 1
        if not left[0]:
            raise Killed

    here = CheckedOut(str(repo.root), home=f"{repo.root}/.teamflow", environ=repo.environ)
    with pytest.raises(Killed):
        land(here, Wanted(work, "work", "Merge work\n"), crossed=crossed)
    merge(repo, work)
    assert (repo.status, repo.read("a.txt"), repo.read("new/b.txt")) == ("", "ONE\ntwo\nthree\n", "b\n")
    assert repo.git("merge-base", "--is-ancestor", work, "HEAD") == ""
    assert not os.path.exists(f"{here.own}/merge")


def _half(repo: Repo, work: str) -> None:
    """As a git that was killed in the middle of writing files leaves it."""
    here = CheckedOut(str(repo.root), home=f"{repo.root}/.teamflow", environ=repo.environ)
    calls = [0]

    def crossed() -> None:
        calls[0] += 1
        if calls[0] == 2:
            raise Killed

    with pytest.raises(Killed):
        land(here, Wanted(work, "work", "Merge work\n"), crossed=crossed)
    repo.write("a.txt", "ON")
    repo.write("new/b.txt", "b\n")
    (repo.root / "gone.txt").unlink()


@pytest.mark.slow
def test_half_written_files_are_put_right(repo: Repo) -> None:
    repo.commit({"gone.txt": "x\n"})
    work = repo.branch("work", {"a.txt": "ONE\ntwo\nthree\n", "new/b.txt": "b\n", "gone.txt": None})
    _half(repo, work)
    assert merge(repo, work).mended
    assert (repo.status, repo.head, repo.read("a.txt")) == ("", work, "ONE\ntwo\nthree\n")


@pytest.mark.slow
def test_what_the_user_has_made_of_half_written_files_stays(repo: Repo) -> None:
    repo.commit({"gone.txt": "x\n"})
    work = repo.branch("work", {"a.txt": "ONE\ntwo\nthree\n", "new/b.txt": "b\n", "gone.txt": None})
    _half(repo, work)
    repo.write("a.txt", "mine\n")
    assert "a.txt" in refused(repo, work, "dirty")
    assert repo.read("a.txt") == "mine\n"
    repo.git("checkout", "-q", "a.txt")
    assert merge(repo, work).mended
    assert (repo.status, repo.head) == ("", work)


@pytest.mark.slow
def test_the_user_has_gone_on_without_it(repo: Repo) -> None:
    repo.commit({"gone.txt": "x\n"})
    work = repo.branch("work", {"a.txt": "ONE\ntwo\nthree\n", "new/b.txt": "b\n", "gone.txt": None})
    _half(repo, work)
    mine = repo.commit({"a.txt": "mine\n"})
    refused(repo, work, "conflict")
    assert (repo.head, repo.status) == (mine, "")


@pytest.mark.slow
def test_submodules_are_told_of(repo: Repo) -> None:
    repo.git("checkout", "-q", "-b", "work")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{repo.head},sub")
    repo.git("commit", "-q", "-m", "sub")
    work = repo.head
    repo.git("checkout", "-q", "main")
    assert merge(repo, work).submodules

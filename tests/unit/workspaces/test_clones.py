"""Clones of other repositories, on real git: fresh from the origin, their commits kept, nothing planted runs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.work import Left, Ready
from teamflow.ports import Done, Finish, Order, Parent
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.mirrors import remove, unused
from teamflow.workspaces.origins import origin, redacted
from teamflow.workspaces.provider import GitWorkspaces
from teamflow.workspaces.stores import remove_store, stores

RUN = "01JB0000000000000000000RUN"


def git(root: Path | str, *words: str) -> str:
    argv = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words]
    return subprocess.run(argv, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def repository(root: Path, text: str = "1\n") -> Path:
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "a.txt").write_text(text)
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


def commit(root: Path, path: str, text: str) -> str:
    (root / path).write_text(text)
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", path)
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = repository(tmp_path / "project", "project\n")
    (root / ".teamflow").mkdir()
    repository(tmp_path / "other")
    return root


@pytest.fixture
def other(tmp_path: Path, project: Path) -> Path:
    return tmp_path / "other"


def workspaces(project: Path, **environ: str) -> GitWorkspaces:
    env = {**os.environ, "XDG_CACHE_HOME": str(project.parent / "cache"), **environ}
    return GitWorkspaces(str(project), run_id=RUN, number=7, home=str(project / ".teamflow"), environ=env)


def prepared(project: Path, step: str = "a", *parents: Parent, repo: str | None = "../other", **more: object) -> Ready:
    own = bool(more.pop("own", True))
    order = Order(step, 1, parents, own=own, repo=repo if own else None)._replace(**more)  # type: ignore[arg-type]
    ready = workspaces(project).prepare(order)
    assert isinstance(ready, Ready), ready
    return ready


def finished(project: Path, ready: Ready, step: str = "a") -> Done:
    done = workspaces(project).finish(Finish(step, 1, ready, "done"))
    assert isinstance(done, Done), done
    return done


def made(project: Path, step: str, path: str, *parents: Parent) -> Parent:
    ready = prepared(project, step, *parents)
    (Path(ready.path) / path).write_text(f"{step}\n")
    left = finished(project, ready, step).left
    return Parent(step, left.commit, ready.path, left.repo)


def failure(project: Path, repo: str, **environ: str) -> Failed:
    failed = workspaces(project, **environ).prepare(Order("a", 1, (), own=True, repo=repo))
    assert isinstance(failed, Failed), failed
    return failed


def test_a_clone_is_a_repository_of_its_own_at_the_head_of_its_origin(project: Path, other: Path) -> None:
    git(other, "branch", "release")
    git(other, "tag", "v1")
    head = git(other, "rev-parse", "HEAD")
    ready = prepared(project)
    assert ready == Ready(f"{project}/.teamflow/work/7-00000run/a", head, "teamflow/7/a", repo=ready.repo, copied=())
    assert git(ready.path, "status", "--porcelain") == ""
    assert git(ready.path, "fsck", "--strict") == ""
    assert git(ready.path, "rev-parse", "--git-common-dir") == ".git"
    assert git(ready.path, "symbolic-ref", "HEAD") == "refs/heads/teamflow/7/a"
    assert git(ready.path, "remote", "get-url", "origin") == str(other)
    found = git(ready.path, "for-each-ref", "--format=%(refname)").split()
    assert found == [
        "refs/heads/teamflow/7/a", "refs/remotes/origin/HEAD", "refs/remotes/origin/main",
        "refs/remotes/origin/release", "refs/tags/v1",
    ]  # fmt: skip
    assert git(ready.path, "fetch", "origin") == ""
    (Path(ready.path) / "b").write_text("b\n")
    git(ready.path, "add", "b")
    git(ready.path, "commit", "-q", "-m", "mine")
    (Path(ready.path) / "c").write_text("c\n")
    done = finished(project, ready)
    assert done.left == Left(done.left.commit, head, "teamflow/7/a", 2, 2, 0, ready.repo)
    assert git(ready.path, "rev-parse", "HEAD") == done.left.commit
    assert git(ready.path, "status", "--porcelain") == ""
    assert git(ready.path, "fsck", "--strict") == ""
    assert finished(project, ready) == done
    assert workspaces(project).remove(ready) == ""
    assert git(done.left.repo, "log", "--format=%s", "teamflow/7/a") == "done\nmine\nfirst"
    assert git(project, "for-each-ref", "refs/teamflow", "refs/heads/teamflow") == ""
    assert workspaces(project).content(done.left.commit, "c", repo=done.left.repo) == b"c\n"
    assert workspaces(project).tree(done.left.commit, ("b",), repo=done.left.repo).keys() == {"b"}  # type: ignore[union-attr]


@pytest.mark.slow
def test_each_clone_starts_from_what_the_origin_has_then(project: Path, other: Path) -> None:
    prepared(project)
    second = commit(other, "b", "b\n")
    assert prepared(project, "b").base == second
    git(other, "checkout", "-q", "-b", "next")
    third = commit(other, "c", "c\n")
    ready = prepared(project, "c")
    assert ready.base == third
    assert git(ready.path, "symbolic-ref", "refs/remotes/origin/HEAD") == "refs/remotes/origin/next"
    git(other, "checkout", "-q", "--orphan", "anew")
    fourth = commit(other, "d", "d\n")
    git(other, "branch", "-D", "next", "main")
    git(other, "branch", "next/deeper")
    assert prepared(project, "d").base == fourth
    found = workspaces(project).origin("../other")
    assert found == Parent("", fourth, repo=prepared(project, "d").repo)


@pytest.mark.slow
def test_what_cannot_be_reached_is_never_replaced_by_the_mirror(project: Path, other: Path) -> None:
    prepared(project)
    other.rename(other.parent / "gone")
    failed = failure(project, "../other")
    assert failed.failure is FailureClass.SETUP
    assert str(other) in failed.reason
    failed = failure(project, "git://127.0.0.1:9/nothing")
    assert (failed.failure, failed.reason.partition(": ")[0]) == (
        FailureClass.TRANSIENT,
        "git://127.0.0.1:9/nothing cannot be reached",
    )
    empty = other.parent / "empty"
    git(other.parent, "init", "-q", str(empty))
    assert "no commit" in failure(project, str(empty)).reason


@pytest.mark.slow
def test_dependents_start_from_commits_of_the_same_repository(project: Path, tmp_path: Path) -> None:
    one, two = made(project, "one", "1"), made(project, "two", "2")
    ready = prepared(project, "both", one, two)
    assert sorted(os.listdir(ready.path)) == [".git", "1", "2", "a.txt"]
    assert workspaces(project).merged((one, two), "") == ready.base
    taken = prepared(project, "look", one, own=False, takes=one.path)
    assert taken == Ready(one.path, one.commit, own=False, repo=one.repo)
    fresh = prepared(project, "see", one, two, own=False)
    assert sorted(os.listdir(fresh.path)) == [".git", "1", "2", "a.txt"]
    worktree = workspaces(project).prepare(Order("tree", 1, (one,), own=True))
    assert isinstance(worktree, Ready)
    assert worktree.base == git(project, "rev-parse", "HEAD")
    mine = Parent("tree", worktree.base)
    failed = workspaces(project).prepare(Order("mixed", 1, (one, mine), own=False))
    assert isinstance(failed, Failed)
    assert (failed.failure, "`one` and `tree`" in failed.reason) == (FailureClass.SETUP, True)
    assert prepared(project, "own", mine, one).base == one.commit


@pytest.mark.slow
def test_going_on_clean_and_on_top(project: Path, other: Path) -> None:
    ready = prepared(project)
    (Path(ready.path) / "b").write_text("b\n")
    assert prepared(project, "a", goes_on=True, before=ready, attempt=2) == ready
    assert workspaces(project).keep("a", 1, ready)
    assert workspaces(project).remove(ready) == ""
    assert prepared(project, "a", goes_on=True, before=ready, attempt=2) == ready
    assert git(ready.path, "status", "--porcelain") == "?? b"
    assert prepared(project, "a", before=ready, attempt=2) == ready
    assert git(ready.path, "status", "--porcelain") == ""
    (Path(ready.path) / "b").write_text("b\n")
    left = finished(project, ready).left
    second = commit(other, "c", "c\n")
    now = workspaces(project).origin("../other")
    assert isinstance(now, Parent)
    on_top = workspaces(project).on_top("a", left, (now,))
    assert on_top is not None
    assert (on_top.base, on_top.files, on_top.repo) == (second, 1, left.repo)
    assert workspaces(project).on_top("a", left, (Parent("x", git(project, "rev-parse", "HEAD")),)) is None


@pytest.mark.slow
def test_a_workspace_may_become_one_of_another_repository(project: Path, tmp_path: Path) -> None:
    third = repository(tmp_path / "third", "3\n")
    ready = prepared(project)
    (Path(ready.path) / "b").write_text("b\n")
    again = prepared(project, "a", repo="../third", before=ready, attempt=2)
    assert (again.base, again.path) == (git(third, "rev-parse", "HEAD"), ready.path)
    assert git(ready.repo, "show", f"refs/teamflow/{RUN}/a/1:b") == "b"
    assert prepared(project, "own", repo=".").base == git(project, "rev-parse", "HEAD")


def plant(admin: Path, canaries: Path) -> None:
    """Everything in a repository that names a program; each leaves a file of its own."""
    canaries.mkdir(exist_ok=True)

    def trap(name: str) -> str:
        script = canaries.parent / f"trap-{name}"
        script.write_text(f"#!/bin/sh\ntouch '{canaries}/{name}'\ncat\n")
        script.chmod(0o755)
        return str(script)

    for hook in ("post-checkout", "reference-transaction", "post-commit", "pre-commit", "post-index-change"):
        (admin / f"hooks/{hook}").write_text(Path(trap(hook)).read_text())
        (admin / f"hooks/{hook}").chmod(0o755)
    for key in (
        "core.fsmonitor", "filter.x.clean", "filter.x.smudge", "diff.external", "core.sshCommand", "core.pager",
        "core.alternateRefsCommand", "uploadpack.packObjectsHook", "remote.bad.uploadpack",
    ):  # fmt: skip
        git(admin, "config", "--file", str(admin / "config"), key, trap(key))
    for key, value in {
        "filter.x.required": "true",
        "remote.bad.url": str(canaries),
        "remote.bad.promisor": "true",
        "protocol.ext.allow": "always",
        "extensions.partialClone": "bad",
        "core.repositoryFormatVersion": "1",
    }.items():
        git(admin, "config", "--file", str(admin / "config"), key, value)
    (admin / "info").mkdir(exist_ok=True)
    (admin / "info/attributes").write_text("* filter=x diff=x merge=x\n")


@pytest.mark.slow
def test_nothing_that_is_planted_runs(project: Path, other: Path, tmp_path: Path) -> None:
    plant(other / ".git", tmp_path / "canaries")
    ready = prepared(project)
    mirrors = list((tmp_path / "cache/teamflow/mirrors").glob("*.git"))
    (mirrors[0] / "hooks").mkdir()
    plant(mirrors[0], tmp_path / "canaries")
    plant(Path(ready.path) / ".git", tmp_path / "canaries")
    (Path(ready.path) / ".gitattributes").write_text("* filter=x diff=x merge=x\n")
    (Path(ready.path) / ".git/HEAD").write_text(f"{'1' * 40}\n")
    done = finished(project, ready)
    assert [change.path for change in done.changes] == [".gitattributes"]
    assert git(ready.path, "rev-parse", "HEAD") == done.left.commit
    assert workspaces(project).keep("a", 2, ready)
    prepared(project, "two", Parent("a", done.left.commit, ready.path, done.left.repo))
    prepared(project, "look", Parent("a", done.left.commit, ready.path, done.left.repo), own=False, takes=ready.path)
    assert workspaces(project).remove(ready) == ""
    assert sorted(os.listdir(tmp_path / "canaries")) == []


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["gone", "file", "link", "objects", "head", "refs", "locks"])
def test_whatever_becomes_of_its_git_directory_the_files_are_committed(
    project: Path, tmp_path: Path, damage: str
) -> None:
    ready = prepared(project)
    admin = Path(ready.path) / ".git"
    aside = tmp_path / "aside"
    match damage:
        case "gone":
            shutil.rmtree(admin)
        case "file":
            shutil.rmtree(admin)
            admin.write_text(f"gitdir: {project}/.git\n")
        case "link":
            admin.rename(aside)
            admin.symlink_to(project / ".git")
        case "objects":
            shutil.rmtree(admin / "objects")
            aside.mkdir()
            (admin / "objects").symlink_to(aside)
        case "head":
            (admin / "HEAD").write_text("nonsense\n")
        case "refs":
            (admin / "refs/heads/teamflow").write_text("x")
        case "locks":
            (admin / "HEAD.lock").write_text("")
            (admin / "index.lock").write_text("")
            (admin / "packed-refs.lock").write_text("")
    (Path(ready.path) / "b").write_text("b\n")
    before = git(project, "for-each-ref"), git(project, "rev-parse", "HEAD")
    done = finished(project, ready)
    assert [change.path for change in done.changes] == ["b"]
    assert git(ready.path, "rev-parse", "HEAD") == done.left.commit
    assert git(ready.path, "status", "--porcelain") == ""
    assert (git(project, "for-each-ref"), git(project, "rev-parse", "HEAD")) == before
    assert not aside.is_dir() or damage == "link" or os.listdir(aside) == []


@pytest.mark.slow
def test_history_of_which_parts_are_missing_does_not_count(project: Path) -> None:
    ready = prepared(project)
    (Path(ready.path) / "b").write_text("b\n")
    git(ready.path, "add", "b")
    git(ready.path, "commit", "-q", "-m", "mine")
    tree = git(ready.path, "rev-parse", "HEAD^{tree}")
    os.unlink(f"{ready.path}/.git/objects/{tree[:2]}/{tree[2:]}")
    done = finished(project, ready)
    assert git(done.left.repo, "rev-parse", f"{done.left.commit}^") == ready.base
    assert [change.path for change in done.changes] == ["b"]


@pytest.mark.slow
def test_two_at_once_and_a_mirror_that_somebody_was_killed_in(project: Path, other: Path, tmp_path: Path) -> None:
    heads: list[str] = []

    def one(step: str) -> None:
        heads.append(prepared(project, step).base)

    threads = [threading.Thread(target=one, args=(f"s{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(heads) == {git(other, "rev-parse", "HEAD")}
    assert len(heads) == 4
    (mirror,) = (tmp_path / "cache/teamflow/mirrors").glob("*.git")
    head = commit(other, "b", "b\n")
    (mirror / "refs/heads/main.lock").write_text("")
    (mirror / "packed-refs.lock").write_text("")
    (mirror / "objects/pack/tmp_pack_x").write_text("x")
    assert prepared(project, "again").base == head
    head = commit(other, "c", "c\n")
    for pack in (mirror / "objects").rglob("*"):
        if pack.is_file():
            pack.chmod(0o644)
            pack.write_text("broken")
    assert prepared(project, "more").base == head


@pytest.mark.slow
def test_killed_in_the_middle_and_then_again(project: Path, other: Path) -> None:
    """The runner goes with SIGKILL at each of its git commands."""
    code = (
        "import os,sys\n"
        "from teamflow.ports import Order\n"
        "from teamflow.workspaces.provider import GitWorkspaces\n"
        "left=[int(sys.argv[2])]\n"
        "def boundary():\n"
        "    left[0]-=1\n"
        "    if not left[0]: os.kill(os.getpid(),9)\n"
        f"w=GitWorkspaces(sys.argv[1],run_id={RUN!r},number=7,home=sys.argv[1]+'/.teamflow',environ=os.environ,boundary=boundary)\n"
        "print(w.prepare(Order('a',1,(),own=True,repo='../other')))\n"
    )
    env = {**os.environ, "XDG_CACHE_HOME": str(project.parent / "cache")}
    at = 0
    while True:
        at += 3
        ended = subprocess.run([sys.executable, "-c", code, str(project), str(at)], env=env, capture_output=True)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        head = commit(other, f"f{at}", "x\n")
        if at % 2:
            assert prepared(project).base == head
    assert at > 6


def test_credentials_are_neither_shown_nor_kept(project: Path, tmp_path: Path) -> None:
    failed = failure(project, "http://me:hunter2@127.0.0.1:9/r.git")
    assert failed.failure is FailureClass.TRANSIENT
    assert "hunter2" not in f"{failed.reason}{failed.detail}"
    assert failed.reason.startswith("http://127.0.0.1:9/r.git cannot be reached")
    for path in (tmp_path / "cache").rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes()
    assert redacted("fatal: https://a:b@h/x and ssh://c@h") == "fatal: https://h/x and ssh://h"


@pytest.mark.parametrize(
    "text", ["-x", "--upload-pack=x", "ext::sh -c x", "ftp://h/x", "ssh://-oProxyCommand=x/y", "-h:x", "", "a\nb"]
)
def test_what_is_no_repository_is_refused(project: Path, text: str) -> None:
    with pytest.raises(WorkspaceError) as refused:
        origin(text, project=str(project))
    assert refused.value.code == "refused"
    assert failure(project, text).failure is FailureClass.SETUP


def test_the_same_repository_by_other_words(project: Path, other: Path) -> None:
    def name(text: str) -> str:
        return origin(text, project=str(project)).name

    assert name("../other") == name(str(other)) == name(f"file://{other}/")
    assert name("https://a:b@H/x.git") == name("HTTPS://h/x/") != name("https://h/y")
    assert name("git@h:x/y.git") == name("h:x/y") != name("g:x/y")
    assert origin("ssh://git:pw@h/x", project="/").shown == "ssh://git@h/x"
    assert not origin("git@h:x", project="/").is_local


@pytest.mark.slow
def test_a_store_that_nothing_names_goes_and_is_made_anew(project: Path) -> None:
    ready = prepared(project)
    home = f"{project}/.teamflow"
    assert stores(home) == [ready.repo]
    assert workspaces(project).remove(ready) == ""
    remove_store(home, ready.repo)
    assert stores(home) == []
    assert workspaces(project).tree(ready.base, None, repo=ready.repo) is None
    assert prepared(project) == ready


@pytest.mark.slow
def test_mirrors_that_nobody_has_used_go(project: Path, tmp_path: Path) -> None:
    ready = prepared(project)
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert unused(env) == []
    (mirror,) = unused(env, seconds=0)
    os.utime(mirror.removesuffix(".git") + ".lock", (time.time() - 31 * 86400,) * 2)
    assert unused(env) == [mirror]
    remove(mirror)
    assert unused(env, seconds=0) == []
    assert prepared(project, "b").base == ready.base


@pytest.mark.slow
def test_what_an_agent_leaves_out_by_a_sparse_checkout_is_not_deleted(project: Path, other: Path) -> None:
    (other / "sub").mkdir()
    commit(other, "sub/b.txt", "b\n")
    ready = prepared(project)
    git(ready.path, "sparse-checkout", "set", "--no-cone", "/a.txt")
    assert not os.path.lexists(f"{ready.path}/sub/b.txt")
    Path(ready.path, "a.txt").write_text("2\n")
    done = finished(project, ready)
    assert [change.path for change in done.changes] == ["a.txt"]


@pytest.mark.slow
def test_pipes_in_a_clones_git_directory_keep_nobody_waiting(project: Path, other: Path) -> None:
    ready = prepared(project)
    Path(ready.path, "a.txt").write_text("2\n")
    for name in ("packed-refs", "objects/info/alternates", "config"):
        path = Path(ready.path, ".git", name)
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    done = finished(project, ready)
    assert [change.path for change in done.changes] == ["a.txt"]


@pytest.mark.slow
def test_a_clone_can_be_looked_at_while_somebody_works_there(project: Path, other: Path) -> None:
    ready = prepared(project)
    Path(ready.path, "a.txt").write_text("2\n")
    found = workspaces(project).look(ready)
    assert found is not None
    assert list(found[1]) == ["a.txt"]
    assert workspaces(project).differs(Left(found[0], ready.base, repo=ready.repo)) == found[1]

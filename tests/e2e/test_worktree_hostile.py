"""Worktrees under hardship: many at once from several processes, and a kill between any two steps of git."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from teamflow.core.work import Ready
from teamflow.ports import Done, Finish, Order
from teamflow.workspaces.provider import GitWorkspaces
from tests.e2e.tool import until

RUN = "01JB0000000000000000000RUN"
ROOT = Path(__file__).parents[2]


def git(root: Path | str, *words: str) -> str:
    argv = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words]
    return subprocess.run(argv, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / ".teamflow").mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    (root / ".teamflow/.gitignore").write_text("*\n")
    for number in range(40):
        (root / f"f{number}").write_text(f"{number}\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


def workspaces(project: Path) -> GitWorkspaces:
    return GitWorkspaces(str(project), run_id=RUN, number=7, home=str(project / ".teamflow"), environ=dict(os.environ))


LIFE = """
import os, sys
from teamflow.ports import Finish, Order
from teamflow.workspaces.provider import GitWorkspaces
project, step, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
for at in range(rounds):
    home = project + "/.teamflow"
    spaces = GitWorkspaces(project, run_id="01JB0000000000000000000RUN", number=7, home=home, environ=dict(os.environ))
    name = f"{step}-{at}" if rounds > 1 else step
    ready = spaces.prepare(Order(name, 1, (), own=True))
    open(ready.path + "/new", "w").write(name)
    print(spaces.finish(Finish(name, 1, ready, "m")).left.commit, flush=True)
"""


def life(project: Path, step: str, rounds: int) -> subprocess.Popen[bytes]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-c", LIFE, str(project), step, str(rounds)]
    return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


@pytest.mark.slow
def test_many_at_once_from_threads_and_processes(project: Path) -> None:
    others = [life(project, f"p{number}", 12) for number in range(2)]

    def one(name: str) -> bool:
        return isinstance(workspaces(project).prepare(Order(name, 1, (), own=True)), Ready)

    with ThreadPoolExecutor(8) as pool:
        good = list(pool.map(one, [f"t{number}" for number in range(64)]))
    for other in others:
        _, said = other.communicate()
        assert other.returncode == 0, said
    print(f"{good.count(False)} of {len(good)} failed")
    assert all(good)
    assert git(project, "worktree", "list").count("\n") == 64 + 24


FULL = """
import os, subprocess, sys
from pathlib import Path
place = sys.argv[1]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], check=True)
from teamflow.core.outcome import Failed
from teamflow.core.work import Ready
from teamflow.ports import Done, Finish, Order
from tests.fakes.worktrees import changed, git, repository, workspaces
project = repository(Path(place) / "project")
ready = workspaces(project).prepare(Order("a", 1, (), own=True))
assert isinstance(ready, Ready), ready
Path(ready.path, "b").write_bytes(os.urandom(1500 << 10))
def fill(left):
    filler = Path(place, "filler")
    with open(filler, "wb", buffering=0) as file:
        try:
            while os.statvfs(place).f_bavail * os.statvfs(place).f_frsize > left:
                file.write(b"x" * 4096)
        except OSError:
            pass
    return filler
for left in (0, 4096, 12288, 40960, 200 << 10, 1 << 20):
    filler = fill(left)
    done = workspaces(project).finish(Finish("a", 1, ready, "m"))
    fresh = workspaces(project).prepare(Order("b", 1, (), own=True))
    print(left, done.reason if isinstance(done, Failed) else done.aside, "|", getattr(fresh, "reason", ""))
    assert isinstance(done, Failed), (left, done)
    filler.unlink()
done = workspaces(project).finish(Finish("a", 1, ready, "m"))
assert isinstance(done, Done), done
assert changed(done) == ["b"], done
assert git(project, "rev-parse", ready.branch) == done.left.commit
assert isinstance(workspaces(project).prepare(Order("b", 1, (), own=True)), Ready)
git(project, "fsck", "--connectivity-only")
"""


@pytest.mark.slow
def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    argv = ["unshare", "-rm", sys.executable, "-c", FULL, str(tmp_path)]
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no namespaces here")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    reasons = [line for line in done.stdout.splitlines() if line[:1].isdigit()]
    assert all("space" in line or "disk" in line.lower() for line in reasons), done.stdout


@pytest.mark.slow
def test_a_git_that_outlives_its_runner_is_waited_for(project: Path, tmp_path: Path) -> None:
    """The user's own filter holds a checkout up; the runner is killed; whoever comes next does not come in between."""
    started, go = tmp_path / "started", tmp_path / "go"
    wait = f"touch '{started}'; while ! test -e '{go}'; do sleep 0.02; done; cat"
    git(project, "config", "--global", "filter.slow.smudge", f'sh -c "{wait}"')
    (project / ".gitattributes").write_text("f39 filter=slow\n")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "slow")
    process = life(project, "a", 1)
    until(started.exists, "the checkout has begun")
    process.kill()
    process.communicate()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(workspaces(project).prepare, Order("a", 1, (), own=True))
        time.sleep(0.5)
        waited = not coming.done() and Path(f"{project}/.teamflow/work/7-00000run/a/f0").exists()
        go.touch()
        ready = coming.result()
    git(project, "config", "--global", "--unset", "filter.slow.smudge")
    assert isinstance(ready, Ready), ready
    assert waited
    assert git(ready.path, "status", "--porcelain") == ""
    assert (Path(ready.path) / "f39").read_text() == "39\n"


@pytest.mark.slow
def test_a_kill_at_any_time_is_mended_by_the_next_call(project: Path) -> None:
    """The runner and the git process that it has just started, at forty moments of a workspace's life."""
    begin = time.monotonic()
    first = life(project, "whole", 1)
    first.communicate()
    assert first.returncode == 0
    whole = time.monotonic() - begin
    for number in range(40):
        step = f"s{number}"
        process = life(project, step, 1)
        time.sleep(whole * (0.2 + 0.8 * number / 40))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        spaces = workspaces(project)
        ready = spaces.prepare(Order(step, 1, (), own=True))
        assert isinstance(ready, Ready), (number, ready)
        assert git(ready.path, "status", "--porcelain") == "", number
        assert not os.path.exists(f"{ready.path}/new")
        Path(f"{ready.path}/new").write_text(step)
        done = spaces.finish(Finish(step, 1, ready, "m"))
        assert isinstance(done, Done), (number, done)
        assert [change.path for change in done.changes] == ["new"]
        assert spaces.finish(Finish(step, 1, ready, "m")) == done
        assert git(project, "rev-parse", ready.branch) == done.left.commit
    git(project, "fsck", "--connectivity-only")

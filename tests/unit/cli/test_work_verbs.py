"""`path`, `diff` and `merge` of steps whose workspaces lie in real repositories; the records are made by hand."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from teamflow.core.events import AttemptEnded, AttemptStarted, Event, RunnerStarted, StepEnded
from teamflow.core.outcome import Failed, FailureClass, Succeeded
from teamflow.core.plan import Ask
from teamflow.core.work import Left, Ready, WorkspaceReady
from teamflow.store.sqlite import Database
from tests.fakes.plans import make_plan, make_step
from tests.fakes.repositories import WHO, Repo
from tests.unit.cli.made import REPOSITORY, Made, call, environment, make_run, process

NASTY = "\x1b[31mred\x1b]0;title\x07 supersecretvalue\n"


class Work:
    """A run: `api` and `web` have succeeded, `late` works, `bad` has failed, `here` works in the project directory."""

    def __init__(self, place: Path) -> None:
        self.repo = repo = Repo(place, {"a.txt": "one\ntwo\nthree\n", "b.txt": "b\n"})
        repo.git("config", "user.name", "Ana")
        repo.git("config", "user.email", "ana@example.org")
        self.base = repo.head
        steps = [
            make_step("api", workspace="worktree"),
            make_step("web/x", workspace="worktree"),
            make_step("web/y", workspace="worktree"),
            make_step("same", workspace="worktree"),
            make_step("late", workspace="worktree", workdir="sub"),
            make_step("bad", workspace="worktree"),
            make_step("here"),
            make_step("new", workspace="worktree", needs=["late"]),
            make_step("ask", kind="ask", shell=None, ask=Ask("Well?")),
        ]
        events: list[Event] = [RunnerStarted("boot", 1, 4)]
        self.left: dict[str, Left] = {}
        changes = {
            "api": {"a.txt": "ONE\ntwo\nthree\n"},
            "web/x": {"x y.txt": NASTY},
            "web/y": {"a.txt": "uno\n"},
            "same": {},
        }
        for name, files in changes.items():
            events += self._succeeded(name, files)
        for name in ("late", "bad"):
            path = self.worktree(name)
            events += [AttemptStarted(name, 1, "first"), WorkspaceReady(name, 1, Ready(str(path), self.base))]
            (path / "sub").mkdir()
            (path / "sub/new.txt").write_text("new\n")
            (path / "a.txt").write_text("one\ntwo\nthree\nfour\n")
            (path / "x.tmp").write_text("ignored\n")
            (path / "b.txt").unlink()
        events += [
            AttemptEnded("bad", 1, Failed(FailureClass.EXIT, "exited 1")),
            StepEnded("bad", "failed", "exited 1"),
        ]
        events += [AttemptStarted("here", 1, "first")]
        self.made: Made = make_run(repo.root, make_plan(steps), events)

    def worktree(self, name: str, *branch: str) -> Path:
        path = self.repo.root.resolve() / ".teamflow/work/1" / name.replace("/", "--")
        self.repo.git("worktree", "add", "-q", *(branch or ("--detach",)), str(path), self.base)
        return path

    def _succeeded(self, name: str, files: dict[str, str]) -> list[Event]:
        branch = f"teamflow/1/{name.replace('/', '--')}"
        path = self.worktree(name, "-b", branch)
        for file, text in files.items():
            (path / file).write_text(text)
        self.repo.git("add", "-A", at=path)
        if files:
            self.repo.git("commit", "-q", "-m", name, at=path)
        commit = self.repo.git("rev-parse", "HEAD", at=path)
        left = self.left[name] = Left(commit, self.base, branch, len(files), 1, 1)
        ready = Ready(str(path), self.base, branch)
        ended = AttemptEnded(name, 1, Succeeded(left=left))
        return [
            AttemptStarted(name, 1, "first"),
            WorkspaceReady(name, 1, ready),
            ended,
            StepEnded(name, "succeeded", ""),
        ]

    @property
    def root(self) -> Path:
        return self.repo.root


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


# path


@pytest.mark.slow
def test_path(work: Work) -> None:
    place = f"{work.root.resolve()}/.teamflow/work/1"
    assert call(work.root, "path", "api") == (0, f"{place}/api\n", "")
    assert call(work.root, "path", "late") == (0, f"{place}/late/sub\n", "")
    assert call(work.root, "path", "here", "-r", "1") == (0, f"{work.root.resolve()}\n", "")
    told = json.loads(call(work.root, "path", "api", "--json").out)
    assert told == {"schema_version": 1, "run": 1, "step": "api", "path": f"{place}/api", "there": True}


@pytest.mark.slow
def test_path_of_what_is_not_there(work: Work) -> None:
    for step, says in {"new": "has no workspace yet (pending)", "ask": "asks people"}.items():
        answer = call(work.root, "path", step)
        assert (answer.code, answer.out) == (1, "")
        assert says in answer.err
    work.repo.git("worktree", "remove", "--force", f"{work.root}/.teamflow/work/1/api")
    answer = call(work.root, "path", "api")
    assert (answer.code, answer.out) == (1, "")
    assert "its workspace is gone" in answer.err
    assert "teamflow diff api" in answer.err
    assert json.loads(call(work.root, "path", "api", "--json").out)["there"] is False


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["path", "diff", "merge"])
def test_a_step_that_is_not_there(work: Work, verb: str) -> None:
    answer = call(work.root, verb, "apo")
    assert (answer.code, answer.out) == (2, "")
    assert 'did you mean "api"?' in answer.err
    if verb != "merge":
        assert "it has instances: web/x, web/y" in call(work.root, verb, "web").err


# diff


@pytest.mark.slow
def test_diff_of_what_has_ended(work: Work) -> None:
    wanted = work.repo.git("diff", "--full-index", work.base, work.left["api"].commit)
    assert call(work.root, "diff", "api") == (0, wanted + "\n", "")
    assert call(work.root, "diff", "api", "--name-only").out == "a.txt\n"
    assert call(work.root, "diff", "api", "--stat").out.endswith(" 1 file changed, 1 insertion(+), 1 deletion(-)\n")
    assert call(work.root, "diff", "same") == (0, "", "same: no changes\n")
    assert call(work.root, "diff", "api", "--", "b.txt") == (0, "", "api: no changes in b.txt\n")
    assert call(work.root, "diff", "api", "--stat", "--name-only").code == 2
    assert call(work.root, "diff", "api", "--", "../x").code == 2


@pytest.mark.slow
@pytest.mark.parametrize("step", ["late", "bad"])
def test_diff_of_what_lies_there(work: Work, step: str) -> None:
    place = work.root / ".teamflow/work/1" / step
    index = Path(work.repo.git("rev-parse", "--absolute-git-dir", at=place)) / "index"
    before = index.read_bytes()
    answer = call(work.root, "diff", step, "--json")
    found = json.loads(answer.out)
    assert answer.code == 0
    assert found["before"] == work.base
    assert [(row["path"], row["kind"], row["added"], row["deleted"]) for row in found["files"]] == [
        ("a.txt", "M", 1, 0), ("b.txt", "D", 0, 1), ("sub/new.txt", "A", 1, 0),
    ]  # fmt: skip
    assert call(work.root, "diff", step, "--name-only", "--", "sub").out == "sub/new.txt\n"
    assert index.read_bytes() == before
    assert work.repo.git("status", "--porcelain", at=place).split() == ["M", "a.txt", "D", "b.txt", "??", "sub/"]


@pytest.mark.slow
def test_paths_are_those_of_the_directory_that_one_is_in(work: Work) -> None:
    (work.root / "sub").mkdir()
    assert call(work.root / "sub", "diff", "late", "--name-only", "--", "new.txt").out == "sub/new.txt\n"
    assert call(work.root / "sub", "diff", "late", "--name-only", "--", "../a.txt").out == "a.txt\n"


@pytest.mark.slow
def test_in_a_workspace_the_project_is_meant(work: Work) -> None:
    place = work.root / ".teamflow/work/1"
    assert call(place / "api", "path", "late") == (0, f"{place.resolve()}/late/sub\n", "")
    assert call(place / "late/sub", "diff", "late", "--name-only", "--", "new.txt").out == "sub/new.txt\n"
    assert call(place / "api", "merge", "api").code == 0
    assert (work.repo.read("a.txt"), work.repo.status) == ("ONE\ntwo\nthree\n", "")


@pytest.mark.slow
def test_a_patch_can_be_applied(work: Work) -> None:
    (work.root / ".teamflow/work/1/late/bin").write_bytes(bytes(range(256)))
    done = subprocess.run(
        f"{sys.executable} -m teamflow diff late | git apply", shell=True, cwd=work.root, env=environment(), check=False
    )
    assert done.returncode == 0
    assert work.repo.read("a.txt") == "one\ntwo\nthree\nfour\n"
    assert (work.root / "bin").read_bytes() == bytes(range(256))
    assert not (work.root / "b.txt").exists()


@pytest.mark.slow
def test_on_a_terminal_nothing_steers_it_and_nothing_secret_shows(work: Work) -> None:
    work.made.secrets({"TOKEN": "supersecretvalue"})
    raw = process(work.root, "diff", "web/x").out
    assert "\x1b]0;" in raw
    assert "supersecretvalue" in raw
    shown = process(work.root, "diff", "web/x", FORCE_COLOR="1").out
    assert "\x1b[32m+red ***\x1b[0m\n" in shown
    assert "\x1b[36m@@ -0,0 +1 @@\x1b[0m\n" in shown
    assert "\x1b]" not in shown
    assert "x y.txt" in process(work.root, "diff", "web/x", "--stat", FORCE_COLOR="1").out


@pytest.mark.slow
def test_on_a_real_terminal(work: Work) -> None:
    leader, follower = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "teamflow", "diff", "web/x"], cwd=work.root, env=environment(TERM="xterm"),
        stdout=follower, check=False,
    )  # fmt: skip
    os.close(follower)
    shown = os.read(leader, 1 << 16).decode()
    os.close(leader)
    assert done.returncode == 0
    assert "\x1b[32m+red supersecretvalue\x1b[0m\r\n" in shown
    assert "\x1b]" not in shown


@pytest.mark.slow
def test_diff_of_what_cannot_be_seen(work: Work) -> None:
    for step, says in {"here": "git diff", "new": "no workspace yet", "ask": "asks people"}.items():
        answer = call(work.root, "diff", step)
        assert (answer.code, answer.out) == (1, ""), answer
        assert says in answer.err
    subprocess.run(["rm", "-r", str(work.root / ".teamflow/work/1/late")], check=True)
    assert "its workspace is gone" in call(work.root, "diff", "late").err


@pytest.mark.slow
def test_a_workspace_that_is_gone_but_was_kept(work: Work) -> None:
    place = work.root / ".teamflow/work/1/bad"
    work.repo.git("add", "-A", at=place)
    work.repo.git("commit", "-q", "-m", "kept", at=place)
    with Database.open(str(work.root)) as database:
        run = database.newest_run()
    assert run is not None
    work.repo.git("update-ref", f"refs/teamflow/{run.id}/bad/1", "HEAD", at=place)
    work.repo.git("worktree", "remove", "--force", str(place))
    assert call(work.root, "diff", "bad", "--name-only").out.split() == ["a.txt", "b.txt", "sub/new.txt"]


@pytest.mark.slow
def test_a_clone_of_another_repository(work: Work, tmp_path: Path) -> None:
    other = Repo(tmp_path / "other")
    base = other.head
    made = other.commit({"a.txt": "other\n"})
    store = work.root / ".teamflow/clones" / f"{'0' * 24}.git"
    other.git("clone", "-q", "--bare", str(other.root), str(store))
    left = Left(made, base, "", 1, 1, 3, f"/where/the/project/was/{store.name}")
    ready = Ready(str(other.root), base, repo=left.repo)
    work.made.append([
        AttemptEnded("late", 1, Succeeded(left=left)), StepEnded("late", "succeeded", ""),
        AttemptStarted("new", 1, "first"), WorkspaceReady("new", 1, ready),
    ])  # fmt: skip
    assert "+other" in call(work.root, "diff", "late").out
    refused = call(work.root, "merge", "late").err
    assert "clone of another repository" in refused
    assert f"git -C {store.resolve()} push origin {made}:refs/heads/teamflow/late" in refused
    other.write("a.txt", "more\n")
    assert "+more" in call(work.root, "diff", "new").out


def drop(work: Work, name: str) -> None:
    """The commit of a step, as `git gc` would in the end."""
    work.repo.git("worktree", "remove", "--force", f"{work.root}/.teamflow/work/1/{name}")
    work.repo.git("branch", "-D", work.left[name].branch)
    work.repo.git("reflog", "expire", "--expire=now", "--all")
    work.repo.git("gc", "-q", "--prune=now")


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["diff", "merge"])
def test_commits_that_are_gone(work: Work, verb: str) -> None:
    drop(work, "api")
    answer = call(work.root, verb, "api")
    assert answer.code == 3
    assert "is not in the repository any more" in answer.err
    assert "teamflow run --force api" in answer.err


@pytest.mark.slow
def test_traps_in_a_workspace(work: Work, tmp_path: Path) -> None:
    place = work.root / ".teamflow/work/1/late"
    (place / ".gitattributes").write_text("* filter=evil diff=evil\n")
    for key in ("core.fsmonitor", "filter.evil.clean", "diff.evil.command", "diff.evil.textconv", "diff.external"):
        work.repo.git("config", key, f"touch {tmp_path}/trapped; cat")
    assert call(work.root, "diff", "late").code == 0
    assert not (tmp_path / "trapped").exists()


# merge


@pytest.mark.slow
def test_merge(work: Work) -> None:
    answer = call(work.root, "merge", "api")
    stat = "1 file changed, 1 insertion(+), 1 deletion(-)"
    undo = f"`git reset --keep {work.base[:12]}` undoes it"
    assert answer == (0, f"api: merged into main (fast-forward): {stat}; {undo}\n", "")
    assert (work.repo.head, work.repo.status) == (work.left["api"].commit, "")
    assert call(work.root, "merge", "api") == (0, "api: main has it already\n", "")
    assert call(work.root, "merge", "same") == (0, "same: no changes: nothing to merge\n", "")


@pytest.mark.slow
def test_several_are_merged_until_one_cannot_be(work: Work) -> None:
    answer = call(work.root, "merge", "api", "web")
    assert answer.code == 1
    assert answer.out.splitlines()[1].startswith("web/x: merged into main: 1 file changed")
    assert "web/y: main and teamflow/1/web--y: both have changed a.txt; nothing was merged" in answer.err
    assert "`git merge teamflow/1/web--y`" in answer.err
    assert "merged before that: api, web/x" in answer.err
    told = work.repo.git("log", "-1", "--format=%an|%B").splitlines()
    assert told[0] == "Ana|Merge web/x of run 1"
    assert told[-1] == "Teamflow-Step: web/x"
    assert work.repo.status == ""


@pytest.mark.slow
def test_two_at_once(work: Work) -> None:
    begun = [
        subprocess.Popen(
            [sys.executable, "-m", "teamflow", "merge", step], cwd=work.root, env=environment(), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        for step in ("api", "web/x")
    ]  # fmt: skip
    for merging in begun:
        assert "merged into main" in merging.communicate(timeout=60)[0]
    assert (work.repo.status, work.repo.read("a.txt")) == ("", "ONE\ntwo\nthree\n")
    assert (work.root / "x y.txt").exists()


@pytest.mark.slow
def test_merge_with_a_message(work: Work) -> None:
    answer = call(work.root, "merge", "api", "-m", "Add the API", "--json")
    row = json.loads(answer.out)["steps"][0]
    assert (row["ok"], row["branch"], row["before"], row["fast_forward"]) == (True, "main", work.base, False)
    assert row["after"] == work.repo.head
    assert work.repo.git("log", "-1", "--format=%s") == "Add the API"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "says"),
    [("bad", "has not succeeded (failed)"), ("late", "has not ended (running)"), ("here", "project directory"),
     ("ask", "asks people"), ("new", "has not ended (pending)")],
)  # fmt: skip
def test_steps_that_cannot_be_merged(work: Work, step: str, says: str) -> None:
    answer = call(work.root, "merge", step)
    assert (answer.code, answer.out) == (1, "")
    assert says in answer.err
    assert work.repo.head == work.base


@pytest.mark.slow
def test_a_dirty_checkout_is_refused(work: Work) -> None:
    work.repo.write("b.txt", "mine\n")
    answer = call(work.root, "merge", "api")
    assert answer.code == 3
    assert "there are changes that are not committed: b.txt" in answer.err
    assert work.repo.read("b.txt") == "mine\n"
    rows = json.loads(call(work.root, "merge", "api", "web", "--json").out)["steps"]
    assert [(row["step"], row["ok"]) for row in rows] == [("api", False)]


@pytest.mark.slow
def test_a_branch_that_has_gone_on(work: Work) -> None:
    place = work.root / ".teamflow/work/1/api"
    (place / "more").write_text("more")
    work.repo.git("add", "more", at=place)
    work.repo.git("commit", "-q", "-m", "more", at=place)
    answer = call(work.root, "merge", "api")
    assert "`git merge teamflow/1/api` takes that, too" in answer.out
    assert work.repo.head == work.left["api"].commit


@pytest.mark.slow
@pytest.mark.parametrize("forward", [True, False])
def test_killed_anywhere_the_next_merge_finishes(tmp_path: Path, forward: bool) -> None:
    """SIGKILL at each boundary, then once more: it is as if nothing had happened."""
    ended = False
    for boundary in range(1, 12):
        work = Work(tmp_path / str(boundary))
        if not forward:
            work.repo.commit({"c.txt": "c\n"})
        done = subprocess.run(
            [sys.executable, "-m", "teamflow", "merge", "api"], cwd=work.root, capture_output=True, check=False,
            env={**environment(TEAMFLOW_FAILPOINT=str(boundary)), **WHO, "PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip
        ended = done.returncode == 0
        assert ended or done.returncode == -9, done.stderr
        again = call(work.root, "merge", "api")
        assert again.code == 0, again.err
        assert (work.repo.status, work.repo.read("a.txt")) == ("", "ONE\ntwo\nthree\n")
        assert work.repo.git("merge-base", "--is-ancestor", work.left["api"].commit, "HEAD") == ""
        if ended:
            break
    assert ended
    assert boundary == 6

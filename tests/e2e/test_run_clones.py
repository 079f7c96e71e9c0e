"""Steps in clones of other repositories, on real git: by path, over http and by git's own protocol."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.project import Project, proves
from tests.e2e.test_run_workspaces import repository, sh, team, untouched


def git(root: Path | str, *words: str) -> str:
    argv = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words]
    return subprocess.run(argv, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def other(tmp_path: Path) -> Path:
    root = tmp_path / "elsewhere/other"
    root.mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    return commit(root, "there.txt", "1\n")


def commit(root: Path, path: str, text: str) -> Path:
    (root / path).write_text(text)
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", path)
    return root


def left(project: Project, step: str, path: str, run: int = 1) -> str:
    (store,) = (project.root / ".teamflow/clones").glob("*.git")
    return git(store, "show", f"teamflow/{run}/{step}:{path}")


@pytest.mark.slow
@proves(agent=["workspace.repo"])
def test_each_works_in_a_clone_and_the_next_sees_what_the_one_before_did(tmp_path: Path, other: Path) -> None:
    clone = {"repo": str(other)}
    agents = {
        "one": sh("cat there.txt; echo one > one.txt", workspace=clone),
        "two": sh("test ! -e one.txt; echo two > two.txt", workspace=clone),
        "both": sh("cat one.txt two.txt > both.txt", workspace=clone, depends_on=["one", "two"]),
        "look": {"command": "cat both.txt; git remote get-url origin; git log --format=%s -1", "depends_on": ["both"]},
        "here": sh("test ! -e both.txt; cp a.txt b.txt", depends_on=["both"]),
    }
    project = repository(tmp_path / "here", agents)
    project.run("--trust").expect(0)
    untouched(project)
    status = project.status()
    assert status.text("look").splitlines()[:3] == ["one", "two", str(other)]
    assert status.text("look").splitlines()[3].startswith("both: cat one.txt two.txt")
    assert status.step("both")["branch"] == "teamflow/1/both"
    assert status.step("one")["diffstat"] == {"files": 1, "added": 1, "deleted": 0}
    assert left(project, "both", "both.txt") == "one\ntwo"
    assert project.git("show", "teamflow/1/here:b.txt") == "a\n"
    assert git(other, "for-each-ref", "refs/heads/teamflow", "refs/teamflow") == ""


@pytest.mark.slow
def test_every_run_starts_from_what_the_origin_has_then_and_the_cache_knows(tmp_path: Path, other: Path) -> None:
    agents = {
        "build": sh("cat there.txt > made", workspace={"repo": str(other)}, reads=["there.txt"]),
        "use": {"command": "cat made; ls", "depends_on": ["build"]},
    }
    project = repository(tmp_path / "here", agents)
    project.run("--trust", "--new").expect(0)
    commit(other, "more.txt", "x\n")
    project.run("--trust", "--new").expect(0)
    status = project.status()
    assert status.statuses["build"] == "cached"
    assert status.text("use").split() == ["1", "made", "more.txt", "there.txt"]
    commit(other, "there.txt", "2\n")
    project.run("--trust", "--new").expect(0)
    status = project.status()
    assert status.statuses["build"] == "succeeded"
    assert status.text("use").split()[0] == "2"
    other.rename(other.parent / "gone")
    project.run("--trust", "--new").expect(1)
    assert project.status().failures("build") == ["setup"]


@pytest.mark.slow
def test_a_retry_starts_clean_and_a_repair_goes_on(tmp_path: Path, other: Path) -> None:
    agents = {
        "repair": sh("echo x >> tries", workspace={"repo": str(other)}, verify=["test $(wc -l < tries) -ge 2"]),
        "clean": sh("test ! -e tries; echo x > tries; kill -9 $$", workspace={"repo": str(other)}),
    }
    for agent in agents.values():
        agent["retry"] = {"attempts": 2, "delay": "1ms", "backoff": "fixed"}
    project = repository(tmp_path / "here", agents)
    project.run("--trust").expect(1)
    assert project.status().statuses == {"repair": "succeeded", "clean": "failed"}
    assert project.status().failures("clean") == ["crash", "crash"]
    assert left(project, "repair", "tries") == "x\nx"


@pytest.mark.slow
def test_a_clone_of_the_project_itself_keeps_its_repository_out_of_reach(tmp_path: Path) -> None:
    script = "git config user.evil yes; git branch mine; echo b > b.txt"
    project = repository(tmp_path, {"a": sh(script, workspace={"mode": "clone"})})
    project.run("--trust").expect(0)
    untouched(project)
    assert "evil" not in (project.root / ".git/config").read_text()
    assert project.git("branch", "--list").split() == ["*", "main"]
    assert left(project, "a", "b.txt") == "b"


@pytest.mark.slow
def test_two_repositories_in_one_step_without_its_own_are_refused(tmp_path: Path, other: Path) -> None:
    agents = {
        "there": sh("echo 1 > x", workspace={"repo": str(other)}),
        "here": sh("echo 1 > y"),
        "both": {"command": "ls", "depends_on": ["there", "here"]},
    }
    project = repository(tmp_path / "here", agents)
    project.run("--trust").expect(1)
    status = project.status()
    assert status.failures("both") == ["setup"]
    assert "`here` and `there`" in status.step("both")["reason"]


@pytest.mark.slow
def test_the_project_itself_need_not_be_in_git(tmp_path: Path, other: Path) -> None:
    agents = {
        "a": sh("cat there.txt > made", workspace={"repo": str(other)}),
        "b": {"command": "cat made", "depends_on": ["a"]},
    }
    project = Project(tmp_path / "here", team(agents))
    project.run("--trust").expect(0)
    assert project.status().text("b") == "1"


@pytest.mark.slow
def test_verbs_look_into_the_clone_and_merge_says_where_to_push(tmp_path: Path, other: Path) -> None:
    keep = {"repo": str(other), "keep": "always"}
    agents = {"a": sh("echo new > b.txt", workspace=keep), "bad": sh("echo late > c.txt; false", workspace=keep)}
    project = repository(tmp_path / "here", agents)
    project.run("--trust").expect(1)
    assert "+new" in project.call("diff", "a").expect(0).out
    assert "+late" in project.call("diff", "bad").expect(0).out
    refused = project.call("merge", "a").expect(1)
    assert "works in a clone of another repository" in refused.said
    untouched(project)
    push = next(line for line in refused.said.splitlines() if "push" in line).split("`")[1]
    subprocess.run(push, shell=True, check=True, capture_output=True)
    assert git(other, "show", "teamflow/1/a:b.txt") == "new"
    project.root = project.root.rename(project.root.parent / "moved")
    assert "+new" in project.call("diff", "a").expect(0).out


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["repo", "clone"])
def test_all_that_is_said_of_a_clone_works(tmp_path: Path, other: Path, mode: str) -> None:
    clone = {"repo": str(other)} if mode == "repo" else {"mode": "clone"}
    project = repository(tmp_path / "he re", {"a": sh("echo new > b.txt", workspace=clone)})
    told = project.run("--trust").expect(0).said
    assert "merges it here" not in told
    assert "branch -D" not in told
    assert "teamflow path" not in told
    assert "+new" in project.call("diff", "a").expect(0).out
    pushes = {line.split("`")[1] for line in told.splitlines() if " push " in line}
    for refused in (project.call("merge", "a").expect(1), project.call("path", "a").expect(1)):
        assert "git branch" not in refused.said
        pushes |= {word for line in refused.said.splitlines() for word in line.split("`") if " push " in word}
    (push,) = pushes
    subprocess.run(push, shell=True, check=True, capture_output=True)
    origin = other if mode == "repo" else project.root
    assert git(origin, "show", "teamflow/1/a:b.txt") == "new"
    (store,) = (project.root / ".teamflow/clones").glob("*.git")
    project.call("rm", "1").expect(0)
    assert f"would go: store {store}" in project.call("gc", "--dry-run").expect(0).out
    assert f"removed: store {store}" in project.call("gc").expect(0).out
    assert not store.exists()


@pytest.mark.slow
def test_a_clone_that_stays_can_be_gone_to(tmp_path: Path, other: Path) -> None:
    agents = {"a": sh("echo new > b.txt", workspace={"repo": str(other), "keep": "always"})}
    project = repository(tmp_path / "here", agents)
    assert "`teamflow path a` says where the clone is" in project.run("--trust").expect(0).said
    assert Path(project.call("path", "a").expect(0).out.strip(), "b.txt").read_text() == "new\n"


@pytest.mark.slow
def test_who_commits_in_a_clone_is_who_commits_in_the_project(tmp_path: Path, other: Path) -> None:
    script = "echo 1 > b.txt; git add b.txt; git commit -qm own; echo 2 > c.txt"
    project = repository(tmp_path / "here", {"a": sh(script, workspace={"repo": str(other)})})
    project.git("config", "user.name", 'Ana "A"')
    project.git("config", "user.email", "ana@example.org")
    project.run("--trust").expect(0)
    (store,) = (project.root / ".teamflow/clones").glob("*.git")
    who = git(store, "log", "-2", "--format=%an <%ae> %cn <%ce>", "teamflow/1/a").splitlines()
    assert len(who) == 2
    assert all(line.count("ana@example.org") == 2 and line.startswith("Ana") for line in who)
    assert "user.name" not in git(other, "config", "--list", "--local")


@pytest.mark.slow
def test_gc_takes_stores_that_no_run_names_and_the_origin_has(tmp_path: Path, other: Path) -> None:
    agents = {
        "a": sh("echo new > b.txt", workspace={"repo": str(other)}, cache=False),
        "b": {"command": "ls", "depends_on": ["a"]},
    }
    project = repository(tmp_path / "here", agents)
    project.run("--trust").expect(0)
    (store,) = (project.root / ".teamflow/clones").glob("*.git")
    assert "store" not in project.call("gc").expect(0).out
    assert store.is_dir()
    project.call("rm", "--purge", "1").expect(0)
    told = project.call("gc").expect(0).out
    assert f"kept: {store}: unmerged (rm -rf {store})" in told
    assert store.is_dir()
    git(store, "push", "-q", str(other), "teamflow/1/a:refs/heads/done")
    agents["a"] = sh("true", workspace={"repo": str(other)}, cache=False)
    again = repository(tmp_path / "again", agents)
    again.run("--trust").expect(0)
    (idle,) = (again.root / ".teamflow/clones").glob("*.git")
    again.call("rm", "--purge", "1").expect(0)
    assert f"would go: store {idle}" in again.call("gc", "--dry-run").expect(0).out
    assert idle.is_dir()
    assert f"removed: store {idle}" in again.call("gc").expect(0).out
    assert not idle.exists()
    (lock,) = again.place.rglob("mirrors/*.lock")
    long_ago = time.time() - 31 * 86400
    os.utime(lock, (long_ago, long_ago))
    told = again.call("gc").expect(0).out
    assert "removed: store" not in told
    assert f"removed: mirror {lock.with_suffix('.git')}" in told
    assert "removed: mirror" not in again.call("gc").expect(0).out
    again.run("--trust").expect(0)


class Backend(BaseHTTPRequestHandler):
    """`git http-backend` as a CGI program, for who knows the password."""

    protocol_version = "HTTP/1.1"
    root = ""

    def do_GET(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def answer(self, body: bytes) -> None:
        if self.headers.get("Authorization") != "Basic bWU6aHVudGVyMg==":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="r"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        env = {
            **os.environ,
            "GIT_PROJECT_ROOT": self.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        answer = subprocess.run(["git", "http-backend"], env=env, input=body, capture_output=True).stdout
        head, _, rest = answer.partition(b"\r\n\r\n")
        rows = [line.partition(": ") for line in head.decode().splitlines()]
        status = next((value for name, _, value in rows if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, _, value in rows:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(root: Path) -> Iterator[int]:
    handler = type("Handler", (Backend,), {"root": str(root)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.slow
def test_over_http_with_credentials_that_nobody_sees(tmp_path: Path, other: Path) -> None:
    with served(other.parent) as port:
        url = f"http://me:hunter2@127.0.0.1:{port}/other/.git"
        agents = {"a": sh("git remote get-url origin; echo b > b.txt", workspace={"repo": url})}
        project = repository(tmp_path / "here", agents)
        project.run("--trust").expect(0)
        assert left(project, "a", "b.txt") == "b"
        head = commit(other, "new.txt", "n\n")
        assert head
        project.run("--trust", "--new").expect(0)
        assert left(project, "a", "new.txt", run=2) == "n"
        for path in (project.root / ".teamflow/clones").rglob("*"):
            assert not path.is_file() or b"hunter2" not in path.read_bytes()
        wrong = {"a": sh("true", workspace={"repo": url.replace("hunter2", "wrong")})}
        denied = repository(tmp_path / "denied", wrong)
        done = denied.run("--trust").expect(1)
        assert denied.status().failures("a") == ["auth"]
        assert "wrong" not in done.said
        nothing = repository(tmp_path / "nothing", {"a": sh("true", workspace={"repo": url.replace("other", "no")})})
        nothing.run("--trust").expect(1)
        assert nothing.status().failures("a") == ["setup"]

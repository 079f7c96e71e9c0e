"""Clones of repositories behind a real sshd."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.test_run_clones import commit, git, left
from tests.e2e.test_run_workspaces import repository, sh
from tests.fakes.sshd import SSHD, sshd

pytestmark = [pytest.mark.slow, pytest.mark.skipif(SSHD is None, reason="no sshd (Debian: openssh-server)")]


def test_a_step_starts_from_what_a_repository_behind_ssh_has_now(tmp_path: Path) -> None:
    other = tmp_path / "else where/other"
    other.mkdir(parents=True)
    git(other, "init", "-q", "-b", "main")
    commit(other, "there.txt", "1\n")
    with sshd(tmp_path / "ssh") as server:
        url = f"{server.url}{other}"
        agents = {
            "a": sh("git remote get-url origin > url; cat there.txt > b.txt", workspace={"repo": url}),
            "b": {"command": "cat b.txt url", "depends_on": ["a"]},
        }
        project = repository(tmp_path / "here", agents)
        login = {"GIT_SSH_COMMAND": f"ssh -F {server.config}"}
        project.run("--trust", env=login).expect(0)
        assert left(project, "a", "b.txt") == "1"
        assert project.status().text("b").splitlines() == ["1", url]
        commit(other, "there.txt", "2\n")
        project.run("--trust", "--new", env=login).expect(0)
        assert left(project, "a", "b.txt", run=2) == "2"
        missing = repository(tmp_path / "missing", {"a": sh("true", workspace={"repo": f"{url}-not"})})
        missing.run("--trust", env=login).expect(1)
        assert missing.status().failures("a") == ["setup"]


def test_a_host_or_a_user_that_is_not_known_is_said_at_once_and_nobody_is_asked(tmp_path: Path) -> None:
    with sshd(tmp_path / "ssh") as server:
        project = repository(tmp_path / "here", {"a": sh("true", workspace={"repo": f"{server.url}/nowhere"})})
        options = f"-F none -o UserKnownHostsFile={tmp_path}/none -o IdentityAgent=none -o IdentityFile={tmp_path}/none"
        strange = {"GIT_SSH_COMMAND": f"ssh -o BatchMode=yes -o StrictHostKeyChecking=yes {options}"}
        done = project.run("--trust", env=strange).expect(1)
        assert "Host key verification failed" in done.said, done.said
        unknown = {"GIT_SSH_COMMAND": f"ssh {options} -o BatchMode=yes -o StrictHostKeyChecking=no"}
        done = project.run("--trust", env=unknown).expect(1)
        assert project.status().failures("a")[-1] == "auth"
        # As it is when nobody has said how to start ssh: in a HOME without keys it gives up, and does not ask.
        shutil.rmtree(tmp_path / "none", ignore_errors=True)
        project.run("--trust").expect(1)
        assert project.status().failures("a")[-1] in ("auth", "setup")

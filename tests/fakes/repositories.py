"""Git repositories for tests, made by the real git with a home directory of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

WHO = {
    "GIT_AUTHOR_NAME": "Ana",
    "GIT_AUTHOR_EMAIL": "ana@example.org",
    "GIT_COMMITTER_NAME": "Ana",
    "GIT_COMMITTER_EMAIL": "ana@example.org",
}


class Repo:
    """A repository with one commit, on `main`. `home` is the user's home directory."""

    def __init__(self, place: Path, files: Mapping[str, str] | None = None) -> None:
        self.root = place / "p"
        self.home = place / "home"
        self.root.mkdir(parents=True)
        self.home.mkdir()
        self.git("init", "-q", "-b", "main")
        self.write(".gitignore", ".teamflow/\n*.tmp\n")
        self.commit(files or {"a.txt": "one\ntwo\nthree\n"}, "first")

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}

    def git(self, *words: str, at: Path | None = None, ok: bool = True, given: str = "") -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=at or self.root,
            env={**self.environ, **WHO},
            input=given,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
        assert done.returncode == 0 or not ok, done.stderr
        return done.stdout.strip()

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return path

    def read(self, name: str) -> str:
        return (self.root / name).read_bytes().decode("utf-8", "surrogateescape")

    def commit(self, files: Mapping[str, str | None], message: str = "more") -> str:
        """Writes files (None: takes one away), commits everything, gives the commit."""
        for name, text in files.items():
            if text is None:
                (self.root / name).unlink()
            else:
                self.write(name, text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head

    def branch(self, name: str, files: Mapping[str, str | None], *, at: str = "HEAD") -> str:
        """A commit on a branch of its own, which is not checked out afterwards."""
        before = self.git("symbolic-ref", "--short", "HEAD")
        self.git("checkout", "-q", "-b", name, at)
        made = self.commit(files, name)
        self.git("checkout", "-q", before)
        return made

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    @property
    def status(self) -> str:
        return self.git("status", "--porcelain")

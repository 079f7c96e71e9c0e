"""Defining files are read inside the project only, and nothing that could block is waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teamflow.app.files import ProjectFiles


def test_what_is_read_and_what_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / "sub").mkdir(parents=True)
    (root / "sub/a.yaml").write_bytes(b"a")
    (root / "inside.yaml").symlink_to("sub/a.yaml")
    (tmp_path / "b.yaml").write_bytes(b"b")
    (root / "outside.yaml").symlink_to(tmp_path / "b.yaml")
    (root / "up").symlink_to(tmp_path)
    os.mkfifo(root / "pipe.yaml")
    with (root / "huge.yaml").open("wb") as file:
        file.truncate(1 << 40)
    files = ProjectFiles(str(root))
    assert files.read("sub/a.yaml") == b"a"
    assert files.read("inside.yaml") == b"a"
    opened = len(os.listdir("/dev/fd"))
    for path, word in [
        ("outside.yaml", "leads out"),
        ("up/b.yaml", "leads out"),
        ("../b.yaml", "leads out"),
        ("pipe.yaml", "regular file"),
        ("sub", "directory"),
        ("huge.yaml", "larger than"),
        ("none.yaml", "No such file"),
    ]:
        with pytest.raises(OSError, match=word):
            files.read(path)
    assert len(os.listdir("/dev/fd")) == opened


def test_a_project_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.yaml").write_bytes(b"a")
    (tmp_path / "link").symlink_to("real")
    assert ProjectFiles(str(tmp_path / "link")).read("a.yaml") == b"a"

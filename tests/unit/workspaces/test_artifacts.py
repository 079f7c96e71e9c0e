"""Output files: what they are, and putting them back without harm to anything."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from pathlib import Path

import pytest

from teamflow.workspaces.artifacts import Restored, file_facts, restore
from teamflow.workspaces.errors import WorkspaceError


class Contents:
    """Objects in memory, handed out as descriptors."""

    def __init__(self, *texts: str) -> None:
        self.known = {hashlib.sha256(text.encode()).hexdigest(): text.encode() for text in texts}

    def __call__(self, digest: str) -> int | None:
        data = self.known.get(digest)
        if data is None:
            return None
        read, write = os.pipe()
        os.write(write, data)
        os.close(write)
        return read


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "out").mkdir(parents=True)
    (root / "out/a.bin").write_text("content")
    (root / "out/a.bin").chmod(0o755)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    return root


def test_facts_of_a_file(root: Path) -> None:
    assert file_facts(str(root), "out/a.bin") == (sha("content"), 7, 0o755)
    os.symlink("out", root / "link")
    os.symlink("a.bin", root / "out/latest")
    assert file_facts(str(root), "link/latest") == (sha("content"), 7, 0o755)
    taken: list[bytes] = []

    def keep(source: int) -> tuple[str, int]:
        taken.append(os.read(source, 100))
        return "digest", 7

    assert file_facts(str(root), "out/a.bin", keep=keep) == ("digest", 7, 0o755)
    assert taken == [b"content"]
    assert file_facts(str(root), "out/a.bin", keep=lambda _: None).digest == sha("content")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("nothing", "missing"),
        ("no/where", "missing"),
        ("out/a.bin/x", "missing"),
        ("out", "not-a-file"),
        ("pipe", "not-a-file"),
        ("../outside/secret", "escape"),
        ("/etc/passwd", "escape"),
        ("leak", "escape"),
        ("away/secret", "escape"),
        ("a\0b", "escape"),
    ],
)
def test_what_is_no_output_file(root: Path, path: str, code: str) -> None:
    os.mkfifo(root / "pipe")
    os.symlink("../outside/secret", root / "leak")
    os.symlink("../outside", root / "away")
    with pytest.raises(WorkspaceError) as caught:
        file_facts(str(root), path)
    assert (caught.value.code, caught.value.path) == (code, path)


def test_a_missing_file_is_put_back_with_its_mode_and_nothing_else(root: Path) -> None:
    contents = Contents("kept")
    for path in ("new.txt", "out/deep/er/new.txt"):
        result = restore(str(root), path, digest=sha("kept"), mode=0o751, contents=contents)
        assert result is Restored.PUT
        assert (root / path).read_text() == "kept"
        assert (root / path).stat().st_mode & 0o7777 == 0o751
        again = restore(str(root), path, digest=sha("kept"), mode=0o600, contents=contents)
        assert again is Restored.THERE
    assert sorted(path.name for path in root.rglob("*") if path.is_file()) == ["a.bin", "new.txt", "new.txt"]


def test_what_is_there_and_differs_is_never_touched(root: Path) -> None:
    contents = Contents("kept")
    for path in ("out/a.bin", "out"):
        before = sorted((p, p.lstat().st_mtime_ns) for p in root.rglob("*"))
        assert restore(str(root), path, digest=sha("kept"), mode=0o644, contents=contents) is Restored.DIFFERS
        assert sorted((p, p.lstat().st_mtime_ns) for p in root.rglob("*")) == before
    assert restore(str(root), "out/a.bin/x", digest=sha("kept"), mode=0o644, contents=contents) is Restored.DIFFERS
    assert (root / "out/a.bin").read_text() == "content"


def test_contents_that_are_gone_or_damaged_leave_nothing(root: Path) -> None:
    contents = Contents("kept")
    assert restore(str(root), "x", digest=sha("other"), mode=0o644, contents=contents) is Restored.GONE
    contents.known[sha("other")] = b"damaged"
    assert restore(str(root), "x", digest=sha("other"), mode=0o644, contents=contents) is Restored.GONE
    assert os.listdir(root) == ["out"]


def test_nothing_is_put_outside_the_root(root: Path) -> None:
    os.symlink("../outside", root / "away")
    os.symlink("../outside/new", root / "leak")
    for path in ("away/new", "leak", "../outside/new", "/tmp/new"):
        with pytest.raises(WorkspaceError) as caught:
            restore(str(root), path, digest=sha("kept"), mode=0o644, contents=Contents("kept"))
        assert caught.value.code == "escape"
    assert os.listdir(root.parent / "outside") == ["secret"]


@pytest.mark.parametrize("how", ["directory", "link"])
@pytest.mark.parametrize("rounds", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_directory_swapped_meanwhile_for_a_link_leads_nowhere(root: Path, how: str, rounds: int) -> None:
    """A thread exchanges what lies inside and outside as fast as it can; nothing crosses over."""
    outside = root.parent / "outside"
    (root / "inside").mkdir()
    (root / "inside/secret").write_text("inside")
    (root / "d").symlink_to("inside")
    if how == "directory":
        (root / "d").unlink()
        (root / "inside").rename(root / "d")
        (root / "spare").symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            if how == "directory":
                for name, other in (("d", "hold"), ("spare", "d"), ("d", "spare"), ("hold", "d")):
                    os.rename(root / name, root / other)
            else:
                for target in (outside, "inside"):
                    os.symlink(target, root / "next")
                    os.rename(root / "next", root / "d")

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    try:
        for n in itertools.count():
            if n >= rounds and seen & {sha("inside"), "escape"}:
                break
            try:
                seen.add(file_facts(str(root), "d/secret").digest)
                if how == "link":
                    restore(str(root), f"d/new{n}", digest=sha("kept"), mode=0o644, contents=Contents("kept"))
            except WorkspaceError as error:
                seen.add(error.code)
    finally:
        stop.set()
        swapper.join()
    assert sha("secret") not in seen
    assert os.listdir(outside) == ["secret"]

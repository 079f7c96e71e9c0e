"""`teamflow.lock`: what stands in it, what counts as a difference, and files that are none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from teamflow.app.lock_file import LockError, read_lock, write_lock
from teamflow.app.locked import Locked, LockedEngine, LockedFile, differences, news

OLD = Locked(
    {"claude": LockedEngine("2.1.197", ("opus",)), "codex": LockedEngine("0.1")},
    {"p/reviewer.md": LockedFile("a", ("reviewer",)), "p/gone.md": LockedFile("b"), "q.md": LockedFile("c")},
)
NEW = Locked(
    {
        "claude": LockedEngine("2.2.0", ("sonnet",), {"": "x", "sonnet": "claude-sonnet-5"}),
        "gemini": LockedEngine("1.0"),
    },
    {"p/reviewer.md": LockedFile("A"), "q.md": LockedFile("c"), "~/new.md": LockedFile("d")},
)


def test_differences_are_told_in_words() -> None:
    assert differences(OLD, NEW, whole=True) == [
        "claude 2.1.197 → 2.2.0",
        "claude: model sonnet is new",
        "claude: model opus is not used any more",
        "codex 0.1 is not used any more",
        "gemini 1.0 is new",
        "p/gone.md is not used any more",
        "persona reviewer (p/reviewer.md) changed",
        "~/new.md is new",
    ]
    assert "codex was 0.1, and its version here is not known" in differences(OLD, NEW, whole=True, used=["codex"])
    assert differences(Locked({}, {}), NEW, whole=True, unknown="is locked")[-1] == "~/new.md is locked"
    part = differences(OLD, NEW, whole=False)
    assert "codex 0.1 is not used any more" not in part
    assert "claude: model opus is not used any more" not in part
    assert differences(OLD, OLD, whole=True) == []


def test_an_engine_that_is_named_and_not_there_is_in_use() -> None:
    lacking = Locked({"claude": OLD.engines["claude"]}, OLD.files)
    told = ["codex was 0.1, and its version here is not known"]
    assert differences(OLD, lacking, whole=True, used={"claude", "codex"}) == told
    assert differences(OLD, lacking, whole=False, used={"claude", "codex"}) == told


def test_a_model_that_is_another_is_a_difference_and_one_that_is_known_now_is_none() -> None:
    one = Locked({"claude": LockedEngine("1.0", ("opus",), {"opus": "claude-opus-4-8"})}, {})
    other = Locked({"claude": LockedEngine("1.0", ("opus",), {"opus": "claude-opus-5", "": "claude-sonnet-5"})}, {})
    unknown = Locked({"claude": LockedEngine("1.0", ("opus",))}, {})
    moved = ["claude: model opus is claude-opus-5 now, and was claude-opus-4-8"]
    assert differences(one, other, whole=True) == differences(one, other, whole=False) == moved
    assert differences(one, unknown, whole=True) == differences(unknown, one, whole=True) == []
    assert news(unknown, one) == ["claude: model opus is claude-opus-4-8"]
    assert news(one, other) == ["claude: its own choice of a model is claude-sonnet-5"]
    assert news(one, unknown) == []
    as_named = Locked({"claude": LockedEngine("1.0", ("m",), {"m": "m"})}, {})
    assert news(Locked({}, {}), as_named) == [], "that m is m is no news"
    assert news(Locked({}, {}), one) == ["claude: model opus is claude-opus-4-8"]


def test_it_is_written_the_same_way_each_time(tmp_path: Path) -> None:
    path = tmp_path / "teamflow.lock"
    write_lock(str(path), "b.yaml", NEW)
    write_lock(str(path), "a.yaml", OLD)
    first = path.read_bytes()
    other = tmp_path / "other.lock"
    write_lock(str(other), "a.yaml", OLD)
    write_lock(str(other), "b.yaml", NEW)
    assert other.read_bytes() == first
    assert first.endswith(b"}\n")
    assert read_lock(str(path), "a.yaml") == OLD
    assert read_lock(str(path), "b.yaml") == NEW
    assert read_lock(str(path), "c.yaml") is None
    assert read_lock(str(tmp_path / "none"), "a.yaml") is None
    assert sorted(os.listdir(tmp_path)) == ["other.lock", "teamflow.lock"]


def test_through_a_link_and_with_its_mode(tmp_path: Path) -> None:
    (tmp_path / "real").write_text('{"lock_version": 1, "teams": {}}')
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "teamflow.lock").symlink_to("real")
    write_lock(str(tmp_path / "teamflow.lock"), "a.yaml", OLD)
    assert (tmp_path / "teamflow.lock").is_symlink()
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640
    assert read_lock(str(tmp_path / "real"), "a.yaml") == OLD


TEAM = '{"lock_version": 1, "teams": {"a.yaml": %s}}'


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('{"n": ' + "1" * 10_000 + "}", "no JSON"),
        ("<<<<<<< ours\n{}\n=======\n>>>>>>> theirs\n", "git has left a conflict"),
        ("[]", "lock_version"),
        ("{}", "lock_version"),
        ('{"lock_version": "1", "teams": {}}', "lock_version"),
        ('{"lock_version": 1, "teams": []}', "lock_version"),
        ('{"lock_version": 2, "teams": {}}', "newer teamflow"),
        (TEAM % "7", "another shape"),
        (TEAM % "{}", "another shape"),
        (TEAM % '{"engines": [], "files": {}}', "another shape"),
        (TEAM % '{"engines": {"claude": "2"}, "files": {}}', "another shape"),
        (TEAM % '{"engines": {"claude": {"version": 2}}, "files": {}}', "another shape"),
        (TEAM % '{"engines": {"claude": {"version": "2", "models": "opus"}}, "files": {}}', "another shape"),
        (TEAM % '{"engines": {}, "files": {"x": {"sha256": null}}}', "another shape"),
    ],
)
def test_what_is_no_lock_is_a_clear_error_and_stays(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "teamflow.lock"
    path.write_text(text)
    with pytest.raises(LockError, match=word):
        read_lock(str(path), "a.yaml")
    if "shape" not in word:
        with pytest.raises(LockError):
            write_lock(str(path), "b.yaml", OLD)
        assert path.read_text() == text


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "teamflow.lock")
    with pytest.raises(LockError, match="cannot be read"):
        read_lock(str(tmp_path / "teamflow.lock"), "a.yaml")
    (tmp_path / "d").mkdir()
    with pytest.raises(LockError, match="cannot be read"):
        read_lock(str(tmp_path / "d"), "a.yaml")
    (tmp_path / "large").write_text(json.dumps("x" * 5_000_000))
    with pytest.raises(LockError, match="far too large"):
        read_lock(str(tmp_path / "large"), "a.yaml")

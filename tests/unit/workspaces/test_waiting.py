"""Reading small files where an agent may have put anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teamflow.workspaces.registered import short_text
from teamflow.workspaces.waiting import read_plain


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "directory")
    return [str(tmp_path / name) for name in ("directory", "pipe", "link", "nothing")]


def test_what_is_no_file_reads_as_nothing_and_is_closed(places: list[str]) -> None:
    before = len(os.listdir("/dev/fd"))
    for place in places:
        assert short_text(place) == ""
        assert read_plain(place, most=10) == b""
    assert len(os.listdir("/dev/fd")) == before


def test_a_file_behind_a_link_is_read_only_where_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one\ntwo\n")
    (tmp_path / "link").symlink_to("file")
    assert short_text(str(tmp_path / "file")) == "one\ntwo"
    assert short_text(str(tmp_path / "link")) == ""
    assert read_plain(str(tmp_path / "link"), most=3) == b"one"

"""The cache: what is put is found, and whatever happens to its files, nothing fails and nothing wrong is found."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamflow.store.cache import DAY, Artifact, Cache, Entry
from tests.fakes.projects import finish, private_mounts, python

NOW = 1_000_000.0


class Subject:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.warnings: list[str] = []
        self.cache = self.another()

    def another(self) -> Cache:
        return Cache(str(self.directory), on_warning=self.warnings.append)

    def keep(self, text: str, *, name: str = "f", mode: int = 0o644) -> Artifact:
        source = self.directory.parent / "source"
        source.write_text(text)
        descriptor = os.open(source, os.O_RDONLY)
        added = self.cache.add_object(descriptor)
        os.close(descriptor)
        assert added is not None
        return Artifact(name, f"out/{name}", *added, mode)


@pytest.fixture
def subject(tmp_path: Path) -> Iterator[Subject]:
    made = Subject(tmp_path / "cache")
    yield made
    made.cache.close()


def sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def test_looking_makes_nothing(subject: Subject) -> None:
    assert subject.cache.get(["k"], now=NOW) == {}
    assert subject.cache.parts("team.yaml", "a") is None
    assert subject.cache.stats("/root") == b""
    assert subject.cache.collect(limit=0, now=NOW) == 0
    assert not subject.directory.exists()


def test_what_is_put_is_found_by_others(subject: Subject) -> None:
    kept = subject.keep("artifact", mode=0o755)
    entries = [
        Entry("plain"),
        Entry("short", "text", '{"n": 1}', (kept,), (3, 2)),
        Entry("long", "é" * 50_000),
        Entry("odd", "\udcff\0\n", '{"\udc80": "\\u0000"}'),
        Entry("empty", "", "{}"),
    ]
    assert subject.cache.put(entries, now=NOW)
    found = subject.another().get(["long", "missing", "plain", "short", "odd", "empty"], now=NOW)
    expected = {entry.key: entry for entry in entries}
    expected["odd"] = entries[3]._replace(outputs='{"\\udc80": "\\u0000"}')
    assert found == expected
    descriptor = subject.cache.open_object(kept.digest)
    assert descriptor is not None
    assert os.read(descriptor, 100) == b"artifact"
    os.close(descriptor)
    assert subject.cache.open_object(sha("never")) is None
    assert subject.warnings == []


@given(text=st.text(st.characters(), max_size=50), outputs=st.one_of(st.none(), st.text(max_size=20)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_any_text_comes_back(subject: Subject, text: str, outputs: str | None) -> None:
    entry = Entry(sha(text + str(outputs)), text, outputs)
    assert subject.cache.put([entry], now=NOW)
    assert subject.cache.get([entry.key], now=NOW) == {entry.key: entry}


def test_a_later_put_replaces_the_earlier_one(subject: Subject) -> None:
    subject.cache.put([Entry("k", "one")], now=NOW)
    subject.cache.put([Entry("k", "two")], now=NOW)
    assert subject.cache.get(["k"], now=NOW)["k"].text == "two"


def test_a_result_whose_contents_were_not_added_is_not_kept(subject: Subject) -> None:
    assert subject.cache.put([Entry("k", artifacts=(Artifact("f", "f", sha("never"), 5, 0o644),)), Entry("l")], now=NOW)
    assert set(subject.cache.get(["k", "l"], now=NOW)) == {"l"}


def test_thousands_at_once(subject: Subject) -> None:
    entries = [Entry(sha(str(n)), None, "{}") for n in range(2500)]
    assert subject.cache.put(entries, now=NOW)
    assert len(subject.cache.get([entry.key for entry in entries], now=NOW)) == 2500


def test_parts_say_what_the_last_key_was_made_of(subject: Subject) -> None:
    subject.cache.set_parts("team.yaml", {"a": ("k1", "{}"), "b/\udcff": ("k2", "{}")})
    subject.cache.set_parts("team.yaml", {"a": ("k3", '{"x":1}')})
    assert subject.cache.parts("team.yaml", "a") == ("k3", '{"x":1}')
    assert subject.cache.parts("team.yaml", "b/\udcff") == ("k2", "{}")
    assert subject.cache.parts("other.yaml", "a") is None


def test_stats_are_kept_for_each_root(subject: Subject) -> None:
    subject.cache.save_stats("/a\udcff", b"\0one")
    subject.cache.save_stats("/b", b"two")
    subject.cache.save_stats("/b", b"three")
    assert (subject.another().stats("/a\udcff"), subject.cache.stats("/b")) == (b"\0one", b"three")


# -- room ------------------------------------------------------------------------------------------------------


def test_the_longest_unused_goes_first_and_contents_go_with_the_last_that_names_them(subject: Subject) -> None:
    shared, own = subject.keep("s" * 1000), subject.keep("o" * 1000)
    subject.cache.put([Entry("old", "x" * 100, None, (own,)), Entry("old2", "x" * 100)], now=NOW)
    subject.cache.put([Entry("mid", "x" * 100, None, (shared,))], now=NOW + 10)
    subject.cache.put([Entry("new", "x" * 100, None, (shared,))], now=NOW + 20)
    later = NOW + 2 * DAY
    assert set(subject.cache.get(["old2"], now=later)) == {"old2"}  # of use again, two days later
    for path in subject.directory.rglob("objects/??/*"):
        os.utime(path, (NOW, NOW))
    assert subject.cache.collect(limit=10_000, now=later) == 0
    assert subject.cache.collect(limit=2400, now=later) == 1
    assert set(subject.cache.get(["old", "old2", "mid", "new"], now=later)) == {"old2", "mid", "new"}
    assert subject.cache.open_object(own.digest) is None
    assert subject.cache.collect(limit=1300, now=later) == 1
    assert set(subject.cache.get(["old2", "mid", "new"], now=later)) == {"old2", "new"}
    descriptor = subject.cache.open_object(shared.digest)
    assert descriptor is not None
    os.close(descriptor)
    assert subject.cache.collect(limit=0, now=later) == 2
    assert list(subject.directory.rglob("objects/??/*")) == []


def test_contents_that_somebody_is_about_to_name_stay(subject: Subject) -> None:
    kept = subject.keep("fresh")
    subject.cache.put([Entry("k")], now=NOW)
    added = os.stat(next(subject.directory.rglob("objects/??/*"))).st_mtime
    subject.cache.collect(limit=0, now=added + 60)
    assert subject.cache.put([Entry("k", artifacts=(kept,))], now=NOW)
    assert set(subject.cache.get(["k"], now=NOW)) == {"k"}


# -- damage ----------------------------------------------------------------------------------------------------


def works(subject: Subject) -> None:
    """Whatever was there, it can be used now."""
    cache = subject.another()
    assert cache.put([Entry("again", "t")], now=NOW)
    assert cache.get(["again"], now=NOW) == {"again": Entry("again", "t")}
    cache.close()


def fill(subject: Subject, count: int = 200) -> dict[str, Entry]:
    entries = {f"k{n}": Entry(f"k{n}", "text " * 20, '{"n": 1}') for n in range(count)}
    subject.cache.put(entries.values(), now=NOW)
    subject.cache.save_stats("/r", b"blob" * 100)
    subject.cache.close()
    return entries


@pytest.mark.slow
def test_an_index_cut_or_scratched_anywhere_gives_no_error_and_nothing_wrong(subject: Subject) -> None:
    entries = fill(subject)
    index = subject.directory / "index.db"
    whole = index.read_bytes()
    for at in range(0, len(whole), 2048):
        for damaged in (whole[:at], whole[:at] + os.urandom(256) + whole[at + 256 :]):
            for ending in ("", "-wal", "-shm"):
                Path(f"{index}{ending}").unlink(missing_ok=True)
            index.write_bytes(damaged)
            cache = subject.another()
            found = cache.get(entries, now=NOW)
            assert found.items() <= entries.items()
            cache.stats("/r")
            cache.parts("f", "s")
            cache.close()
    assert any("is damaged" in warning and "starts again empty" in warning for warning in subject.warnings)
    index.write_bytes(b"no database" * 1000)
    works(subject)


def test_a_newer_index_is_left_alone_and_an_older_one_replaced(subject: Subject) -> None:
    fill(subject)
    index = subject.directory / "index.db"
    for version in (9, 0):
        with sqlite3.connect(index) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
        connection.close()
        cache = subject.another()
        assert cache.get(["k1"], now=NOW) == {}
        assert cache.put([Entry("new")], now=NOW) is (version == 0)
        cache.close()
        with sqlite3.connect(index) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (version or 1,)
        connection.close()
    assert len(subject.warnings) == 1
    assert "has format 9, and this teamflow reads formats up to 1" in subject.warnings[0]


def test_damaged_contents_are_no_hit(subject: Subject) -> None:
    subject.cache.put([Entry("k", "é" * 50_000), Entry("l", "ok")], now=NOW)
    (path,) = subject.directory.rglob("objects/??/*")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert set(subject.cache.get(["k", "l"], now=NOW)) == {"l"}
    assert not path.exists()


def test_damaged_fields_are_no_hit_and_no_error(subject: Subject) -> None:
    subject.cache.put([Entry(f"k{n}", "t") for n in range(6)], now=NOW)
    with sqlite3.connect(subject.directory / "index.db") as connection:
        for n, value in enumerate(["{", "[1]", '[["a"]]', "7", "null", '[["a","b","c",1,2,3]]']):
            connection.execute("UPDATE entries SET artifacts = ? WHERE key = ?", (value, f"k{n}"))
    connection.close()
    assert subject.cache.get([f"k{n}" for n in range(6)], now=NOW) == {}
    assert subject.cache.collect(limit=0, now=NOW) == 6


def test_removed_while_it_is_used(subject: Subject) -> None:
    fill(subject)
    assert subject.cache.get(["k1"], now=NOW)
    shutil.rmtree(subject.directory)
    subject.cache.get(["k1"], now=NOW)
    subject.cache.close()
    works(subject)


def test_a_copy_is_a_cache(subject: Subject, tmp_path: Path) -> None:
    kept = subject.keep("artifact")
    subject.cache.put([Entry("k", "t" * 20_000, None, (kept,))], now=NOW)
    subject.cache.close()
    shutil.copytree(subject.directory, tmp_path / "copy")
    shutil.rmtree(subject.directory)
    copy = Subject(tmp_path / "copy")
    assert copy.cache.get(["k"], now=NOW)["k"].artifacts == (kept,)
    copy.cache.close()


def test_a_place_that_is_a_file_is_a_warning(subject: Subject) -> None:
    subject.directory.write_text("in the way")
    assert not subject.cache.put([Entry("k")], now=NOW)
    assert not subject.cache.put([Entry("k")], now=NOW)
    assert subject.cache.get(["k"], now=NOW) == {}
    assert len(subject.warnings) == 1


FULL = """
import os, sys, subprocess
if sys.argv[2] == "mount":
    subprocess.run("mount -t tmpfs -o size=2m none /mnt".split(), check=True)
    root = "/mnt"
else:
    import resource
    root = sys.argv[1]
from teamflow.store.cache import Cache, Entry
told = []
cache = Cache(root + "/cache", on_warning=told.append)
assert cache.put([Entry("first", "t")], now=1.0)
if sys.argv[2] == "mount":
    with open(root + "/fill", "wb", buffering=0) as file:
        try:
            while file.write(b"f" * 4096): pass
        except OSError: pass
else:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
print(cache.put([Entry(str(n), "x" * 5000) for n in range(400)], now=1.0))
read, write = os.pipe(); os.write(write, b"y" * 50000); os.close(write)
print(cache.add_object(read))
print(sorted(cache.get(["first", "3"], now=1.0)))
print(len(told) > 0)
"""


def test_a_full_disk_is_a_warning_and_keeps_what_is_there(tmp_path: Path) -> None:
    mounts = private_mounts()
    child = python(FULL, tmp_path, "mount" if mounts else "limit", before=mounts or ())
    assert finish(child).splitlines() == ["False", "None", "['first']", "True"]


CROWD = """
import os, sys
from teamflow.store.cache import Cache, Entry
told = []
cache = Cache(sys.argv[1], on_warning=told.append)
for n in range(30):
    text = f"{sys.argv[2]}-{n}-" + "x" * 10_000
    assert cache.put([Entry(f"{sys.argv[2]}-{n}", text), Entry(f"shared-{n}", "s" * 10_000)], now=1e6)
    assert cache.get([f"{sys.argv[2]}-{n}"], now=1e6)[f"{sys.argv[2]}-{n}"].text == text
    cache.save_stats("/r", os.urandom(100))
print(told)
"""


@pytest.mark.slow
def test_many_processes_at_once(subject: Subject) -> None:
    children = [python(CROWD, subject.directory, n) for n in range(6)]
    assert [finish(child) for child in children] == ["[]\n"] * 6
    found = subject.cache.get([f"{who}-{n}" for who in ("shared", *range(6)) for n in range(30)], now=NOW)
    assert len(found) == 7 * 30

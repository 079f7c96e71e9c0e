"""Digests of what steps read: the right files, the right contents, and no file read twice without need."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamflow.core.globs import parse, path_matcher
from teamflow.workspaces.digest import ReadsDigester
from teamflow.workspaces.errors import WorkspaceError
from tests.fakes.projects import finish, python


class Kept:
    """A keeper of stats without a database."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def stats(self, root: str) -> bytes:
        return self.blobs.get(root, b"")

    def save_stats(self, root: str, blob: bytes) -> None:
        self.blobs[root] = blob


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def later(keeper: Kept, root: Path) -> ReadsDigester:
    """A look a second from now, when nothing has been written just before."""
    return ReadsDigester(str(root), keeper, clock=lambda: time.time_ns() + 1_000_000_000)


def look(root: Path, *patterns: str) -> dict[str, str]:
    return dict(ReadsDigester(str(root), None).digests(patterns))


FILES = {
    "a.py": "1",
    "b.txt": "2",
    ".hidden": "3",
    "src/a.py": "4",
    "src/deep/er/c.py": "5",
    "src/deep/d.txt": "6",
    "docs/x y.md": "7",
    "docs/é.md": "8",
    "src.py": "9",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make(tmp_path, FILES)
    return tmp_path


def test_contents_by_path_in_order(root: Path) -> None:
    found = look(root, "src/**", "a.py", "missing", "a.py/below", "docs")
    expected = ["a.py", "docs/x y.md", "docs/é.md", "src/a.py", "src/deep/d.txt", "src/deep/er/c.py"]
    assert list(found) == expected
    assert found == {path: sha(FILES[path]) for path in expected}


def test_negation_takes_away_what_came_before_and_not_what_comes_after(root: Path) -> None:
    assert list(look(root, "src/**", "!**/*.py")) == ["src/deep/d.txt"]
    assert list(look(root, "src/**", "!src/**", "src/a.py")) == ["src/a.py"]
    assert list(look(root, "src/**", "!src/deep")) == ["src/a.py"]


def test_what_git_and_teamflow_keep_is_not_walked_into(root: Path) -> None:
    make(root, {".git/HEAD": "x", "sub/.git/HEAD": "x", ".teamflow/state.db": "x", "sub/.teamflow": "kept"})
    assert {path for path in look(root, "**") if "git" in path or "teamflow" in path} == {"sub/.teamflow"}
    assert list(look(root, ".git/HEAD")) == [".git/HEAD"]


PATTERNS = st.lists(
    st.sampled_from(["**", "*", "?", "a", "b", "c", "a*", "[ab]", "a.py", "*.py"]), min_size=1, max_size=4
).map("/".join)


@pytest.mark.slow
@given(
    files=st.sets(
        st.lists(st.sampled_from(["a", "b", "c", "a.py", ".h"]), min_size=1, max_size=4).map("/".join), max_size=8
    ),
    patterns=st.lists(st.tuples(st.booleans(), PATTERNS, st.sampled_from(["", "", "/"])), min_size=1, max_size=3),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_walking_agrees_with_matching_every_path(
    tmp_path: Path, files: set[str], patterns: list[tuple[bool, str, str]]
) -> None:
    shutil.rmtree(tmp_path)
    kept = {path for path in files if not any(other.startswith(path + "/") for other in files)}
    tmp_path.mkdir()
    make(tmp_path, dict.fromkeys(kept, ""))
    texts = [("!" if negated else "") + pattern + end for negated, pattern, end in patterns]
    expected: set[str] = set()
    for text in texts:
        glob = parse(text)
        matched = {path for path in kept if path_matcher(glob).match(path)}
        expected = expected - matched if glob.negated else expected | matched
    assert set(look(tmp_path, *texts)) == expected


# -- what is no plain file -------------------------------------------------------------------------------------


def test_a_link_counts_by_its_target_and_within_the_root_by_the_content_too(root: Path, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    make(outside, {"secret": "one", "dir/x": "y"})
    for name, target in {
        "in": "a.py",
        "out": f"{outside}/secret",
        "up": f"../{outside.name}/secret",
        "nowhere": "nothing",
        "self": "self",
        "dir": "src",
        "outdir": f"{outside}/dir",
    }.items():
        os.symlink(target, root / name)
    names = ["in", "out", "up", "nowhere", "self", "dir", "outdir"]
    before = look(root, *names)
    assert sorted(before) == sorted(names)
    assert len(set(before.values())) == len(names)
    assert set(look(root, "**")) == {*FILES, *names}
    (outside / "secret").write_text("two")
    make(root, {"src/a.py": "changed", "src/new.py": ""})
    assert look(root, *names) == before
    (root / "a.py").write_text("changed")
    changed = look(root, *names)
    assert {name for name in names if changed[name] != before[name]} == {"in"}
    (root / "out").unlink()
    os.symlink("a.py", root / "out")
    assert look(root, "out") != {"out": before["out"]}
    shutil.rmtree(outside)


def test_directories_behind_links_within_the_root_can_be_named_and_those_outside_are_an_error(root: Path) -> None:
    os.symlink("src", root / "link")
    os.symlink("/usr", root / "usr")
    assert look(root, "link/a.py") == {"link/a.py": sha("4")}
    assert list(look(root, "link/*.py")) == ["link/a.py"]
    for pattern in ("usr/bin/env", "usr/bin/*", "usr/**", "usr/*/env"):
        with pytest.raises(WorkspaceError, match="`usr` is a link that leads out of") as caught:
            look(root, pattern)
        assert caught.value.code == "escape"


@pytest.mark.parametrize("pattern", ["/etc/passwd", "../x", "src/../../x", "a\0b", ""])
def test_patterns_that_leave_the_root_are_errors(root: Path, pattern: str) -> None:
    with pytest.raises(WorkspaceError) as caught:
        look(root, pattern)
    assert caught.value.code == "escape"


def test_pipes_sockets_and_devices_do_not_count_and_do_not_block(root: Path) -> None:
    os.mkfifo(root / "src/pipe")
    assert "src/pipe" not in look(root, "src/**")
    assert look(root, "src/pipe") == {}


def test_names_that_are_no_text(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff\n", "w"):
        pass
    keeper = Kept()
    for _ in range(2):
        digester = later(keeper, tmp_path)
        assert digester.digests(["**"]) == {"\udcff\n": sha("")}
        digester.save()
    assert set(later(keeper, tmp_path)._known) == {"\udcff\n"}


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """Readable for every user, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        yield Path(path)


UNREADABLE = """
import os, sys
from teamflow.workspaces.digest import ReadsDigester
from teamflow.workspaces.errors import WorkspaceError
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
for pattern in ("secret", "*", "locked/x", "locked/*", "locked"):
    try:
        print(ReadsDigester(sys.argv[1], None).digests([pattern]))
    except WorkspaceError as error:
        print(error.code, error.path)
"""


def test_what_cannot_be_read_is_an_error_that_names_it(public_directory: Path) -> None:
    root = public_directory
    make(root, {"secret": "x", "locked/x": "y"})
    (root / "secret").chmod(0)
    (root / "locked").chmod(0)
    told = finish(python(UNREADABLE, root)).splitlines()
    (root / "locked").chmod(0o755)
    assert told == [
        "unreadable secret",
        "unreadable secret",
        "unreadable locked/x",
        "unreadable locked",
        "unreadable locked",
    ]


# -- what is known by stat -------------------------------------------------------------------------------------


@pytest.fixture
def keeper(root: Path) -> Kept:
    kept = Kept()
    digester = later(kept, root)
    digester.digests(["**"])
    digester.save()
    return kept


def test_an_unchanged_file_is_not_read_again(root: Path, keeper: Kept) -> None:
    digester = ReadsDigester(str(root), keeper)
    assert set(digester._known) == set(FILES)
    # A digest that no file has: if it comes back, it came from the stat.
    digester._known["a.py"] = (*digester._known["a.py"][:4], "f" * 64)
    assert digester.digests(["a.py"]) == {"a.py": "f" * 64}
    os.utime(root / "a.py")
    assert digester.digests(["a.py"]) == {"a.py": "f" * 64}  # one look
    digester.look_again()
    assert digester.digests(["a.py"]) == {"a.py": sha("1")}


@pytest.mark.parametrize("how", ["content", "same size", "times put back", "replaced", "gone", "link", "directory"])
def test_every_kind_of_change_is_seen(root: Path, keeper: Kept, how: str) -> None:
    path = root / "a.py"
    before = path.stat()
    expected: dict[str, str] = {"a.py": sha("!")}
    match how:
        case "content":
            path.write_text("longer")
            expected = {"a.py": sha("longer")}
        case "same size":
            path.write_text("!")
        case "times put back":
            path.write_text("!")
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        case "replaced":
            (root / "new").write_text("!")
            os.utime(root / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
            os.replace(root / "new", path)
        case "gone":
            path.unlink()
            expected = {}
        case "link":
            path.unlink()
            os.symlink("src/a.py", path)
            expected = {"a.py": hashlib.sha256(b"link\0src/a.py\0" + sha("4").encode()).hexdigest()}
        case "directory":
            path.unlink()
            make(root, {"a.py/x": "!"})
            expected = {"a.py/x": sha("!")}
    assert ReadsDigester(str(root), keeper).digests(["a.py"]) == expected


def test_a_file_written_just_now_is_not_remembered(tmp_path: Path) -> None:
    keeper = Kept()
    for n in range(50):
        (tmp_path / "f").write_text(str(n % 10))
        digester = ReadsDigester(str(tmp_path), keeper)
        assert digester.digests(["f"]) == {"f": sha(str(n % 10))}
        digester.save()
        (tmp_path / "f").write_text(str((n + 1) % 10))  # within the same clock tick, more often than not
        assert ReadsDigester(str(tmp_path), keeper).digests(["f"]) == {"f": sha(str((n + 1) % 10))}


def test_times_in_the_future_and_without_fraction_are_not_trusted(tmp_path: Path) -> None:
    make(tmp_path, {"future": "1", "whole": "2", "old": "3"})
    os.utime(tmp_path / "future", (time.time() + 1000,) * 2)
    whole = int(time.time()) - 50
    os.utime(tmp_path / "whole", (whole, whole))
    keeper = Kept()
    digester = later(keeper, tmp_path)
    digester.digests(["*"])
    digester.save()
    # `whole` may lie on a file system of whole seconds, whose ctime would be as coarse.
    assert set(ReadsDigester(str(tmp_path), keeper)._known) == {"old"}


@pytest.mark.parametrize("blob", [b"", b"x", b"tfstat1\n", b"tfstat1\n" + bytes(12), b"tfstat1\n" + os.urandom(400)])
def test_a_damaged_blob_is_as_none(root: Path, blob: bytes) -> None:
    keeper = Kept()
    keeper.blobs[str(root)] = blob
    assert ReadsDigester(str(root), keeper).digests(["a.py"]) == {"a.py": sha("1")}


def test_a_blob_cut_or_scratched_anywhere_is_as_none(root: Path, keeper: Kept) -> None:
    (whole,) = keeper.blobs.values()
    for at in range(0, len(whole), 7):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            keeper.blobs[str(root)] = damaged
            assert ReadsDigester(str(root), keeper)._known == {}


def test_what_is_gone_is_forgotten_in_the_long_run(root: Path, keeper: Kept) -> None:
    (root / "b.txt").unlink()
    make(root, {"new": "x"})
    digester = later(keeper, root)
    digester.digests(["b.txt", "new"])
    digester.save()
    assert set(ReadsDigester(str(root), keeper)._known) == {*FILES, "new"} - {"b.txt"}


def test_a_file_that_never_stands_still_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "busy"
    path.write_bytes(bytes(30_000_000))
    script = "import os, sys\nprint('go', flush=True)\nwhile True: os.utime(sys.argv[1])"
    child = python(script, path)
    assert child.stdout is not None
    child.stdout.readline()
    said: list[str] = []
    try:
        # On a busy machine the other process may stand still while we read, and then so does the file.
        for _ in range(20):
            try:
                look(tmp_path, "busy")
            except WorkspaceError as error:
                said.append(str(error))
                break
    finally:
        child.kill()
        child.communicate()
    assert "changes while it is read" in "".join(said)

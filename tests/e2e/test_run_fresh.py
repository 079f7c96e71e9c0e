"""A run with nothing to do is quick, and is never wrong about it.

`EDITS` change one thing that a step's result rests on; after each the next `run` must not say "nothing to do".
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.project import Done, Project

TEAM = """
include: [more.yaml]
inputs: {who: {type: string, default: me}}
personas: {p: {file: persona.md}}
agents:
  source: {command: "cat src/a src/deep/b > out.txt", reads: ["src/**"], outputs: {out: {file: out.txt}}}
  single: {command: "true", reads: [single.txt]}
  absent: {command: "true", reads: [absent.txt]}
  nowhere: {command: "true", reads: ["nowhere/**"]}
  globbed: {command: "true", reads: ["*.cfg"]}
  later: {command: "true", reads: [single.txt], depends_on: [source]}
  told: {command: [echo, "{{ inputs.who }}"], reads: [single.txt]}
  talks:
    {prompt: {file: prompt.md}, persona: p, engine: scripted, script: s.yaml, permissions: read, reads: [single.txt]}
"""
FILES = {
    "more.yaml": "env: {MORE: more}\n",
    "persona.md": "---\ndescription: d\n---\nYou are p.\n",
    "prompt.md": "Do it.\n",
    "s.yaml": "- say: hi\n",
    "src/a": "aaaa\n",
    "src/deep/b": "bbbb\n",
    "single.txt": "one\n",
    "x.cfg": "x\n",
    "one.target": "1\n",
    "two.target": "2\n",
}
LINKS = """
agents:
  linked: {command: "true", reads: [link]}
  behind: {command: "true", reads: ["linked/*"]}
  plain: {command: "true", reads: [x.cfg]}
"""
NOTHING = "nothing to do"
HEAVY = {"pydantic", "networkx", "jinja2", "yaml", "asyncio", "click", "rich", "jsonschema"}


def made(place: Path) -> Project:
    return Project(place, TEAM, files=FILES)


def settle(project: Project) -> None:
    """Runs until the quick way has taken over."""
    for _ in range(12):
        done = project.call("run").expect(0)
        if NOTHING in done.err:
            return
    raise AssertionError(f"the quick way never takes over\n{done.err}")


def test_a_run_with_nothing_to_do_imports_little_and_starts_nothing(tmp_path: Path) -> None:
    project = made(tmp_path)
    project.run().expect(0)
    settle(project)
    before = len(list((project.root / ".teamflow" / "runs").iterdir()))
    done = project.call("run", python=["-X", "importtime"]).expect(0)
    assert not HEAVY & {name.partition(".")[0] for name in done.importtime()}
    assert NOTHING in done.err
    newest = project.run_dir(before + 1)
    assert not (newest / "keeper.journal").exists()
    shown = project.status()
    assert shown.data["run"] == before + 1
    assert shown.data["status"] == "succeeded"
    assert set(shown.statuses.values()) == {"cached"}
    kinds = [event["kind"] for event in project.events()]
    assert kinds == ["RunnerStarted", "Cached", "RunEnded"]


@pytest.mark.slow
def test_after_a_run_of_a_part_the_whole_is_certified_as_the_whole(tmp_path: Path) -> None:
    project = made(tmp_path)
    project.run().expect(0)
    settle(project)
    project.call("run", "single").expect(0)
    assert set(project.status().steps) == {"single"}
    assert NOTHING in project.call("run").expect(0).err
    shown = project.status()
    assert len(shown.steps) == 8
    assert set(shown.statuses.values()) == {"cached"}
    # Nor is a plan of some other history believed, whose runs had the same numbers.
    for path in (project.root / ".teamflow").glob("state.db*"):
        path.unlink()
    for _ in range(9):
        project.call("run", "single").expect(0)
    project.call("run").expect(0)
    assert len(project.status().steps) == 8


@pytest.mark.slow
def test_the_long_way_of_a_run_with_nothing_to_do_imports_little_too(tmp_path: Path) -> None:
    """`-i` takes the compiled plan and the cache, but not the certificate."""
    project = made(tmp_path)
    project.run().expect(0)
    for _ in range(3):
        project.call("run", "-i", "who=me", "--progress", "quiet").expect(0)
    done = project.call("run", "-i", "who=me", "--progress", "quiet", python=["-X", "importtime"]).expect(0)
    assert not (HEAVY - {"click"}) & {name.partition(".")[0] for name in done.importtime()}
    assert not (project.run_dir(project.status().data["run"]) / "keeper.journal").exists()


@pytest.mark.slow
@pytest.mark.parametrize("progress", ["plain", "json", "quiet", "live", "auto"])
def test_every_way_of_showing_takes_a_run_with_nothing_to_do(tmp_path: Path, progress: str) -> None:
    project = Project(tmp_path, "agents: {a: {command: 'true', reads: [x]}}", files={"x": "1"})
    for _ in range(3):
        project.call("run", "--progress", progress).expect(0)


# -- never wrongly -------------------------------------------------------------------------------------------


def _same_size_and_mtime(project: Project) -> None:
    path = project.root / "src" / "a"
    found = path.stat()
    path.write_text(path.read_text().swapcase())
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def _write(name: str, text: str) -> Callable[[Project], None]:
    def edit(project: Project) -> None:
        project.write(name, text)

    edit.__name__ = f"write {name}"
    return edit


def _append(name: str, text: str) -> Callable[[Project], None]:
    def edit(project: Project) -> None:
        project.write(name, project.read(name) + text)

    edit.__name__ = f"append {name}"
    return edit


def _delete(name: str) -> Callable[[Project], None]:
    def edit(project: Project) -> None:
        (project.root / name).unlink()

    edit.__name__ = f"delete {name}"
    return edit


def _replaced_by_rename(project: Project) -> None:
    path = project.root / "single.txt"
    found = path.stat()
    other = project.write("other", path.read_text().upper())
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.rename(path)


def _directory_renamed(project: Project) -> None:
    (project.root / "src" / "deep").rename(project.root / "src" / "deeper")
    (project.root / "src" / "deep").mkdir()
    (project.root / "src" / "deep" / "b").write_text("bbbb\n")


def _directory_replaced(project: Project) -> None:
    (project.root / "src").rename(project.root / "moved")
    (project.root / "src").mkdir()
    for name in ("a", "deep/b"):
        project.write(f"src/{name}", "new\n")


def _other_artifact(project: Project) -> None:
    project.write("out.txt", "somebody else's\n")


def _persona(project: Project) -> None:
    project.write("persona.md", "---\ndescription: d\n---\nYou are q.\n")


def _in_team(old: str, new: str) -> Callable[[Project], None]:
    def edit(project: Project) -> None:
        assert old in project.read("team.yaml")
        project.write("team.yaml", project.read("team.yaml").replace(old, new, 1))

    edit.__name__ = f"team {old}"
    return edit


EDITS: list[Callable[[Project], None]] = [
    _same_size_and_mtime,
    _append("src/deep/b", "more\n"),
    _write("src/new", "new\n"),
    _write("src/deep/very/new", "new\n"),
    _write("absent.txt", "now\n"),
    _write("nowhere/x", "now\n"),
    _write("y.cfg", "y\n"),
    _delete("x.cfg"),
    _delete("single.txt"),
    _delete("src/deep/b"),
    _replaced_by_rename,
    _directory_renamed,
    _directory_replaced,
    _other_artifact,
    _delete("out.txt"),
    _persona,
    _write("prompt.md", "Do that.\n"),
    _write("s.yaml", "- say: ho\n"),
    _write("more.yaml", "env: {MORE: less}\n"),
    _in_team("cat src/a", "cat ./src/a"),
    _in_team("default: me", "default: you"),
]
HARMLESS = {"_directory_renamed", "_delete out.txt"}


def _id(edit: Callable[[Project], None]) -> str:
    return edit.__name__.strip("_").replace(" ", "-")


def _not_fresh(project: Project) -> Done:
    done = project.call("run")
    assert NOTHING not in done.err, "nothing to do, although something has changed"
    return done


@pytest.mark.slow
def test_what_was_missing_and_what_a_step_made_count_as_well(tmp_path: Path) -> None:
    project = made(tmp_path)
    project.run().expect(0)
    for edit, step in (
        (_write("absent.txt", "now\n"), "absent"),
        (_other_artifact, "source"),
    ):
        settle(project)
        edit(project)
        _not_fresh(project).expect(0)
        assert step in project.status().ran(), edit.__name__


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS, ids=_id)
def test_after_an_edit_the_quick_way_is_not_taken(tmp_path: Path, edit: Callable[[Project], None]) -> None:
    project = made(tmp_path)
    project.run().expect(0)
    settle(project)
    edit(project)
    done = _not_fresh(project)
    if edit.__name__ == "delete single.txt" or edit.__name__ == "delete src/deep/b":
        return  # what the commands need is gone
    if edit.__name__ == "delete out.txt":
        assert project.read("out.txt") == "aaaa\nbbbb\n"
    done.expect(0)
    if edit.__name__ not in ("_directory_renamed", "delete out.txt", "team default: me"):
        assert project.status().ran(), "nothing ran"
    settle(project)


def _link_swapped(project: Project) -> None:
    link = project.root / "link"
    link.unlink()
    link.symlink_to("two.target")


def _link_into_file(project: Project) -> None:
    link = project.root / "link"
    link.unlink()
    link.write_text("1\n")


def _file_behind_the_link(project: Project) -> None:
    path = project.root / "one.target"
    found = path.stat()
    path.write_text("9\n")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def _file_in_the_directory_behind_the_link(project: Project) -> None:
    project.write("real/new", "new\n")


def _link_to_another_directory(project: Project) -> None:
    link = project.root / "linked"
    link.unlink()
    project.write("other/x", "other\n")
    link.symlink_to("other")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edit", "step"),
    [
        (_link_swapped, "linked"),
        (_link_into_file, "linked"),
        (_file_behind_the_link, "linked"),
        (_file_in_the_directory_behind_the_link, "behind"),
        (_link_to_another_directory, "behind"),
    ],
)
def test_links_are_looked_through(tmp_path: Path, edit: Callable[[Project], None], step: str) -> None:
    project = Project(tmp_path, LINKS, files={**FILES, "real/x": "x\n"})
    (project.root / "link").symlink_to("one.target")
    (project.root / "linked").symlink_to("real")
    for _ in range(4):
        project.call("run").expect(0)
    assert not project.status().ran()
    edit(project)
    project.call("run").expect(0)
    assert project.status().ran() == {step}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_random_edits_between_runs(tmp_path: Path, seed: int) -> None:
    """A second project, made afresh each time, tells what an honest run gives: the same output file."""
    chance = random.Random(seed)
    agent = "{command: 'find src -type f | sort | xargs cat > out', reads: ['src/**'], outputs: {o: {file: out}}}"
    project = Project(tmp_path, f"agents: {{a: {agent}}}", files={"src/0": "0", "src/d/1": "1"})
    project.call("run").expect(0)
    for _ in range(20):
        if chance.random() < 0.5:
            for _ in range(3):
                project.call("run").expect(0)
        _random_edit(project, chance)
        project.call("run").expect(0)
        files = sorted(path for path in (project.root / "src").rglob("*") if path.is_file())
        names = sorted(str(path.relative_to(project.root)) for path in files)
        assert project.read("out") == "".join(project.read(name) for name in names)


def _random_edit(project: Project, chance: random.Random) -> None:
    source = project.root / "src"
    files = sorted(path for path in source.rglob("*") if path.is_file())
    path = chance.choice(files)
    match chance.randrange(5):
        case 0:
            found = path.stat()
            path.write_text(chr(ord("a") + chance.randrange(26)) * found.st_size)
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
        case 1:
            project.write(f"src/{chance.choice('def')}/{chance.randrange(5)}", str(chance.random()))
        case 2 if len(files) > 1:
            path.unlink()
        case 3:
            other = path.with_name("renamed")
            path.rename(other)
        case _:
            path.write_text(str(chance.random()))


@pytest.mark.slow
def test_environment_inputs_and_git_count_too(tmp_path: Path) -> None:
    team = """
inputs: {who: {type: string, default: me}}
secrets: {S: {env: S_SOURCE}}
agents:
  a: {command: "true", reads: [x], secrets: [S]}
"""
    project = Project(tmp_path, team, files={"x": "1"})
    env = {"S_SOURCE": "a-secret-value"}
    for _ in range(4):
        project.call("run", env=env).expect(0)
    project.call("run").expect(3)
    done = project.call("run", "-i", "who=you", env=env).expect(0)
    assert NOTHING not in done.err


@pytest.mark.slow
def test_a_repository_that_appears_counts(tmp_path: Path) -> None:
    project = Project(tmp_path, "agents: {a: {command: 'true', reads: [x]}}", files={"x": "1"})
    project.run().expect(0)
    settle(project)
    project.git("init", "-q")
    assert NOTHING not in project.call("run").expect(0).err


@pytest.mark.slow
def test_outputs_of_the_team_that_name_the_run_are_those_of_this_run(tmp_path: Path) -> None:
    team = "agents: {a: {command: 'true', reads: [x]}}\noutputs: {n: run.number}"
    project = Project(tmp_path, team, files={"x": "1"})
    for number in range(1, 6):
        project.call("run").expect(0)
        shown = project.status()
        assert shown.data["outputs"] == {"n": number}

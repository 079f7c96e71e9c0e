"""`plan -o` and `run PLAN`: exactly that plan is executed, or it is refused with what changed and what to do."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.project import Project
from tests.unit.cli.made import Answer, call

TEAM = """
include: parts/common.yaml
env_file: [.env]
inputs: {who: {type: string, default: me}}
agents:
  write: {persona: writer, prompt: {file: parts/prompt.md}, engine: scripted, script: parts/play.yaml}
  count: {command: "echo $WHO >> ran; echo count >> ran", env: {WHO: "{{ inputs.who }}"}, depends_on: [write]}
  other: {command: echo other >> ran, secrets: [TOKEN]}
  last: {command: echo last >> ran, depends_on: [count, other]}
"""
FILES = {
    "parts/common.yaml": "personas: {writer: {file: writer.md}}\nsecrets: {TOKEN: {env: MY_TOKEN}}\n",
    "parts/writer.md": "---\npermissions: read\n---\nYou write.\n",
    "parts/prompt.md": "Write.\n",
    "parts/play.yaml": "- say: done\n",
    ".env": "PASSWORD=hunter2-of-the-env-file\n",
}
TOKEN = "tok-3141592653589793"
SECRETS = {"MY_TOKEN": TOKEN}


def project_of(tmp_path: Path) -> Project:
    return Project(tmp_path, TEAM, files=FILES)


def saved(project: Project, *words: str, name: str = "x.plan") -> Path:
    answer = call(project.root, "plan", *words, "-o", name)
    assert answer.code == 0, answer
    assert answer.err.endswith(f"saved in {name}: `teamflow run {shlex.quote(name)}` executes exactly this plan\n")
    return project.root / name


def refused(answer: Answer, *facts: str) -> None:
    assert (answer.code, answer.out) == (2, ""), answer
    for fact in facts:
        assert fact in answer.err, answer.err


def no_run(project: Project) -> bool:
    return not (project.root / ".teamflow" / "runs").exists()


def test_what_is_in_the_file(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    path = saved(project, "count", "-i", "who=you", "--set", "agents.count.timeout=9m")
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert "hunter2" not in text
    assert TOKEN not in text
    body = json.loads(text)["saved"]
    assert set(body["plan"]["files"]) == {"team.yaml", *FILES, "parts/writer.mcp.json"}  # the last: looked for
    assert body["plan"]["inputs"] == {"who": "you"}
    assert body["plan"]["selected"] == ["write", "count"]
    assert body["asked"]["overrides"] == [["agents.count.timeout", "9m"]]
    assert sorted(os.listdir(project.root)) == [".env", "parts", "team.yaml", "x.plan"], "nothing is left beside it"


def test_exactly_the_saved_plan_is_executed(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    saved(project, "count", "-i", "who=you", "--set", "agents.count.timeout=9m")
    assert project.run("x.plan", env=SECRETS).expect(0)
    assert project.lines("ran") == ["you", "count"]
    shown = project.status()
    assert set(shown.steps) == {"write", "count"}
    assert shown.data["inputs"] == {"who": "you"}


# -- stale -------------------------------------------------------------------------------------------------------

NAMES = ["team.yaml", *FILES]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_source_that_changed_makes_it_stale_until_it_is_as_it_was(tmp_path: Path, name: str) -> None:
    project = project_of(tmp_path)
    saved(project)
    path = project.root / name
    before = path.read_text()
    path.write_text(before + "\n# a comment\n")
    refused(
        call(project.root, "run", "x.plan"),
        "x.plan: this plan is stale: what it was made from has changed",
        f"  {name} has changed\n",
        "make a new one: `teamflow plan team.yaml -o x.plan`",
    )
    path.unlink()
    refused(call(project.root, "run", "x.plan"), f"  {name} is gone\n")
    path.mkdir()
    refused(call(project.root, "run", "x.plan"), f"  {name} cannot be read: Is a directory\n")
    assert no_run(project)
    path.rmdir()
    path.write_text(before)
    answer = call(project.root, "run", "x.plan")
    assert (answer.code, "TOKEN" in answer.err) == (3, True), "fresh again: it gets as far as the missing secret"


def test_all_that_changed_is_named_with_a_command_that_makes_the_plan_again(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    words = ["-i", "who=it's me", "--from", "count", "--until", "last", "--set", "agents.count.timeout=9m"]
    path = saved(project, "team.yaml", "last", *words, "--force", "count", "--new", "--no-cache", name="a plan")
    first = json.loads(path.read_text())["saved"]["asked"]
    project.write("parts/prompt.md", "x")
    project.write("parts/writer.md", "x")
    (project.root / "below").mkdir()
    answer = call(project.root / "below", "run", "../a plan")
    refused(answer, "  parts/writer.md has changed\n", "  parts/prompt.md has changed\n")
    assert "play.yaml" not in answer.err
    again = shlex.split(answer.err.partition("make a new one: `")[2].rpartition("`")[0])
    assert again[:3] == ["teamflow", "plan", "../team.yaml"]
    assert call(project.root / "below", *again[1:]).code == 0
    assert json.loads(path.read_text())["saved"]["asked"] == {**first, "file": "../team.yaml"}
    assert (first["force"], first["new"], first["use_cache"]) == (["count"], True, False)
    assert (first["inputs"], first["since"]) == (["who=it's me"], ["count"])


@pytest.mark.slow
def test_git_is_a_source_too(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    saved(project)
    project.git("init", "-q")
    refused(call(project.root, "run", "x.plan"), f"{project.root} is in a git repository now")
    shutil.rmtree(project.root / ".git")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, env=project.environ)
    refused(call(project.root, "run", "x.plan"), f"team.yaml belongs to the project {tmp_path} now")


# -- where ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_project_that_has_moved_keeps_its_plans(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    saved(project)
    moved = tmp_path / "q"
    project.root.rename(moved)
    answer = call(moved, "run", "x.plan")
    assert (answer.code, "TOKEN" in answer.err) == (3, True), "it is found, and fresh"
    refused(
        call(tmp_path, "run", "q/x.plan"), f"plan of the project {project.root}, which is not there", "has no team.yaml"
    )
    (moved / ".env").write_text("PASSWORD=x\n")
    refused(call(moved, "run", "x.plan"), "  .env has changed\n")


@pytest.mark.slow
def test_a_project_below_that_has_moved_is_found_by_the_same_words(tmp_path: Path) -> None:
    """Outside git the project is the team file's own directory, wherever the command is called."""
    place = tmp_path / "p"
    (place / "teams").mkdir(parents=True)
    (place / "teams" / "x.yaml").write_text("agents: {a: {command: x, secrets: [S]}}\nsecrets: {S: {env: NOT_SET}}\n")
    assert call(place, "plan", "x", "-o", "x.plan").code == 0
    assert call(place, "run", "x.plan").code == 3
    assert call(tmp_path, "run", "p/x.plan").code == 3
    place.rename(tmp_path / "q")
    assert call(tmp_path / "q", "run", "x.plan").code == 3
    assert (tmp_path / "q" / "teams" / ".teamflow").is_dir()


@pytest.mark.slow
def test_a_plan_of_another_project_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "team.yaml").write_text("agents: {a: {command: echo >> ran}}\n")
        (tmp_path / name / ".git" / "refs").mkdir(parents=True)
    assert call(tmp_path / "one", "plan", "-o", "../x.plan").code == 0
    refused(
        call(tmp_path / "two", "run", "../x.plan"),
        f"../x.plan: this is a plan of the project {tmp_path}/one, and here is {tmp_path}/two",
    )
    assert not (tmp_path / "two" / ".teamflow").exists()
    assert not (tmp_path / "one" / ".teamflow").exists()
    shutil.rmtree(tmp_path / "one")
    (tmp_path / "two" / "team.yaml").write_text("agents: {b: {command: x}}\n")
    refused(call(tmp_path / "two", "run", "../x.plan"), "  team.yaml has changed\n")
    (tmp_path / "two" / "team.yaml").unlink()
    refused(call(tmp_path / "two", "run", "../x.plan"), "which is not there", "has no team.yaml")


# -- what contradicts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["count"], "STEP is settled"),
        (["-i", "who=x"], "-i is settled"),
        (["--set", "agents.count.timeout=1s"], "--set is settled"),
        (["--from", "count", "--until", "last"], "--from, --until are settled"),
        (["--force", "count", "--no-cache", "--new"], "--force, --new, --no-cache are settled"),
    ],
)
def test_what_is_settled_cannot_be_said_again(tmp_path: Path, words: list[str], named: str) -> None:
    project = project_of(tmp_path)
    saved(project, "-i", "who=you")
    refused(
        call(project.root, "run", "x.plan", *words),
        f"x.plan is a saved plan, in which {named}",
        "-i who=you -o x.plan`",
    )
    assert no_run(project)


def test_other_verbs_say_that_it_is_no_team_file(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    saved(project)
    for verb in ("plan", "validate"):
        refused(
            call(project.root, verb, "x.plan"), "x.plan: this is a saved plan, which `teamflow run x.plan` executes"
        )


# -- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plan.yaml", "x", "team.yaml", ".hidden", "ü \n'$(x)", "-o"])
def test_it_is_told_by_its_content_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "main.yaml").write_text("agents: {a: {command: x, secrets: [S]}}\nsecrets: {S: {env: NOT_SET}}\n")
    path = f"./{name}"
    assert call(tmp_path, "plan", "main.yaml", "-o", path).code == 0
    assert call(tmp_path, "run", path).code == 3
    if name == "team.yaml":
        assert call(tmp_path, "run").code == 3
        assert "this is a saved plan" in call(tmp_path, "plan").err


@pytest.mark.slow
def test_only_plans_are_overwritten(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    first = saved(project).read_bytes()
    saved(project, "-i", "who=you")
    assert (project.root / "x.plan").read_bytes() != first
    for name in ("team.yaml", ".env", "parts/play.yaml"):
        before = (project.root / name).read_bytes()
        answer = call(project.root, "plan", "-o", name)
        refused(answer, f"{name}: this is no saved plan, and is not overwritten")
        assert (project.root / name).read_bytes() == before
    refused(call(project.root, "plan", "-o", "parts"), "parts: this is a directory")
    refused(call(project.root, "plan", "-o", "/dev/null"), "/dev/null: this is no saved plan")
    (project.root / "empty").touch(mode=0o644)
    assert saved(project, name="empty").stat().st_mode & 0o777 == 0o600
    (project.root / "link").symlink_to("elsewhere")
    saved(project, name="link")
    assert (project.root / "link").is_symlink()
    assert (project.root / "elsewhere").read_bytes().startswith(b'{"teamflow_plan": 1,')
    answer = call(project.root, "plan", "-o", "not/there")
    assert (answer.code, answer.out) == (3, "")
    assert "not/there: the plan cannot be saved: No such file or directory" in answer.err


def test_a_file_with_errors_saves_nothing(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text("agents: {a: {comand: x}}\n")
    assert call(tmp_path, "plan", "-o", "x.plan").code == 2
    assert not (tmp_path / "x.plan").exists()


@pytest.mark.slow
def test_damage_and_other_versions(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    path = saved(project)
    text = path.read_text()
    for damaged in (
        text[:5],
        text[:60],
        text[: len(text) // 2],
        text[:-3],
        text.replace("echo last", "rm -rf"),
        text + "}",
    ):
        path.write_text(damaged)
        refused(
            call(project.root, "run", "x.plan"),
            "x.plan: this saved plan is damaged",
            "make a new one: `teamflow plan FILE",
        )
    path.write_bytes(text.encode()[:200] + b"\xff\xfe" + text.encode()[200:])
    refused(call(project.root, "run", "x.plan"), "damaged: it is not ASCII")
    path.write_text(text.replace('"teamflow_plan": 1', '"teamflow_plan": 2', 1))
    refused(call(project.root, "run", "x.plan"), "was saved in another format than 1")
    path.write_text(text.replace('"teamflow": "', '"teamflow": "9.', 1))
    refused(call(project.root, "run", "x.plan"), "was saved by teamflow 9.")
    assert no_run(project)


def _limited(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    """teamflow where no file may grow: writing fails as on a full disk."""
    line = shlex.join([sys.executable, "-m", "teamflow", *words])
    return subprocess.run(
        ["sh", "-c", f"ulimit -f 0; exec {line}"],
        cwd=project.root, env=project.environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_a_full_disk_leaves_the_plan_that_was_there(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    done = _limited(project, "plan", "-o", "x.plan")
    assert done.returncode == 3
    assert "x.plan: the plan cannot be saved: File too large" in done.stderr
    assert not (project.root / "x.plan").exists()
    before = saved(project).read_bytes()
    assert _limited(project, "plan", "-i", "who=you", "-o", "x.plan").returncode == 3
    assert (project.root / "x.plan").read_bytes() == before
    assert sorted(os.listdir(project.root)) == [".env", "parts", "team.yaml", "x.plan"]


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(small)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        (small / "filler").write_bytes(bytes(16 << 10))
        done = project.call("plan", "-o", str(small / "x.plan")).expect(3)
        assert "No space left on device" in done.err
        assert os.listdir(small) == ["filler"]
        (small / "filler").unlink()
        project.call("plan", "-o", str(small / "x.plan")).expect(0)
        project.run(str(small / "x.plan"), env=SECRETS).expect(0)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


# -- beside runs -----------------------------------------------------------------------------------------------------

GATED = """
inputs: {who: {type: string, default: me}}
agents:
  one: {command: echo one >> ran}
  two: {command: "echo two >> ran; test -e go", depends_on: [one]}
  three: {command: echo three >> ran, depends_on: [two]}
"""


def started(project: Project, call: Callable[[], object]) -> list[str]:
    before = len(project.lines("ran"))
    call()
    return project.lines("ran")[before:]


@pytest.mark.slow
def test_it_goes_on_with_a_run_of_the_same_inputs_and_executes_its_own_steps(tmp_path: Path) -> None:
    project = Project(tmp_path, GATED)
    saved(project, "two", name="part.plan")
    saved(project, name="whole.plan")
    saved(project, "-i", "who=you", "one", name="you.plan")
    assert started(project, lambda: project.run("part.plan").expect(1)) == ["one", "two"]
    assert started(project, lambda: project.run("part.plan").expect(1)) == ["two"]
    assert project.status().data["run"] == 1
    assert started(project, lambda: project.run("you.plan").expect(0)) == ["one"]
    assert project.status().data["run"] == 2, "other inputs, another run"
    project.write("go", "")
    assert started(project, lambda: project.run("whole.plan").expect(0)) == ["two", "three"]
    shown = project.status(1)
    assert (shown.data["revision"], shown.data["status"]) == (2, "succeeded")
    assert started(project, lambda: project.run("part.plan").expect(0)) == ["one", "two"], "that one has succeeded"
    assert project.status().data["run"] == 3
    assert set(project.status().steps) == {"one", "two"}


@pytest.mark.slow
def test_what_plan_was_told_is_done(tmp_path: Path) -> None:
    """--new, --force and --no-cache are part of the plan."""
    project = Project(tmp_path, "agents:\n  a: {command: echo a >> ran, reads: [src]}\n", files={"src": "1"})
    saved(project, name="plain.plan")
    saved(project, "--force", "a", name="force.plan")
    saved(project, "--no-cache", name="nocache.plan")
    assert started(project, lambda: project.run("plain.plan").expect(0)) == ["a"]
    assert started(project, lambda: project.run("plain.plan").expect(0)) == []
    assert started(project, lambda: project.run("force.plan").expect(0)) == ["a"]
    assert started(project, lambda: project.run("nocache.plan").expect(0)) == ["a"]
    assert started(project, lambda: project.run().expect(0)) == []
    gated = Project(tmp_path / "gated", GATED)
    saved(gated, "--new", name="new.plan")
    assert started(gated, lambda: gated.run().expect(1)) == ["one", "two"]
    assert started(gated, lambda: gated.run("new.plan").expect(1)) == ["one", "two"]
    assert gated.status().data["run"] == 2


@pytest.mark.slow
def test_in_the_background_and_beside_a_living_run(tmp_path: Path) -> None:
    project = Project(tmp_path, "agents:\n  a: {command: 'while test ! -e go; do sleep 0.02; done'}\n")
    saved(project)
    done = project.call("run", "-d", "x.plan").expect(0)
    assert done.out == "1\n"
    answer = project.run("x.plan").expect(3)
    assert "run 1 is held by" in answer.err
    project.write("go", "")
    with project.popen("status", "-w", "--exit-status") as watching:
        watching.communicate(timeout=30)
    assert watching.returncode == 0


@pytest.mark.slow
def test_a_certificate_of_the_team_file_says_nothing_of_a_plan(tmp_path: Path) -> None:
    """Runs with nothing to do are recognised by stats: a saved plan neither makes such a certificate nor uses one."""
    project = Project(tmp_path, "agents:\n  a: {command: echo a, reads: [src]}\n  b: {command: echo b, reads: [src]}\n",
                      files={"src": "1"})  # fmt: skip
    saved(project, "a")
    project.age()
    for _ in range(3):
        project.run("x.plan").expect(0)
    assert set(project.status().steps) == {"a"}
    for _ in range(3):
        project.run().expect(0)
    assert set(project.status().steps) == {"a", "b"}
    project.run("x.plan").expect(0)
    assert set(project.status().steps) == {"a"}
    project.run().expect(0)
    assert set(project.status().steps) == {"a", "b"}


@pytest.mark.slow
def test_a_saved_plan_is_not_watched(tmp_path: Path) -> None:
    project = Project(tmp_path, "agents: {a: {command: echo a}}")
    project.call("plan", "-o", "p.plan").expect(0)
    for words in (("run", "--watch", "p.plan"), ("watch", "p.plan")):
        done = project.call(*words).expect(2)
        assert "p.plan is a saved plan, which is executed as it is and not watched" in done.err
        assert "`teamflow watch team.yaml`" in done.err

"""The cache, sentence by sentence of `docs/team-file.md`: what makes a key, what a hit does, what `why` says."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.project import Project, Shown, proves

CHAIN = """
inputs: {who: {type: string, default: me}}
env: {TEAM: t}
agents:
  make: {command: "cat src/*.txt | tr a-z A-Z > made; echo said", reads: ["src/**"], cache: true,
    outputs: {made: {file: made}}}
  use: {command: "cat made; echo $OWN", depends_on: [make], cache: true, reads: [], env: {OWN: one}}
  last: {command: "echo last >> lasts", depends_on: [use], reads: []}
"""
SOURCES = {"src/a.txt": "a\n", "src/b.txt": "b\n"}


def ran(project: Project, *words: str, env: dict[str, str] | None = None) -> set[str]:
    """The steps that a run has started."""
    project.run(*words, env=env).expect(0)
    return project.status().ran()


@proves(agent=["reads", "cache"])
def test_unchanged_steps_are_not_started_and_ripples_stop_at_equal_outputs(tmp_path: Path) -> None:
    project = Project(tmp_path, CHAIN, files=SOURCES)
    assert ran(project) == {"make", "use", "last"}
    assert ran(project) == set()
    assert set(project.status().statuses.values()) == {"cached"}
    project.write("src/a.txt", "A\n")
    (project.root / "made").unlink()
    assert ran(project) == {"make"}, "it made the same again"
    project.write("src/a.txt", "c\n")
    (project.root / "made").unlink()
    assert ran(project) == {"make", "use"}
    assert "src/a.txt changed" in project.why("make")
    assert "artifact made of make changed" in project.why("use")
    assert project.lines("lasts") == ["last"], "use gives no outputs and its text counts for nobody"
    project.write("src/a.txt", "a\n")
    (project.root / "made").unlink()
    assert ran(project) == set(), "back where it was, and the artifact is put back"
    assert project.read("made") == "A\nB\n"


@pytest.mark.slow
def test_why_names_what_changed(tmp_path: Path) -> None:
    project = Project(tmp_path, CHAIN, files=SOURCES)
    project.run().expect(0)
    changes = (
        (lambda: project.write("src/c.txt", "c\n"), "make", "reads: src/c.txt added"),
        (lambda: (project.root / "src/c.txt").unlink(), None, ""),
        (lambda: (project.root / "src/b.txt").unlink(), "make", "reads: src/b.txt removed"),
        (lambda: project.team(project.read("team.yaml").replace("OWN: one", "OWN: two")), "use", "env"),
        (lambda: project.team(project.read("team.yaml").replace("cat made;", "cat  made;")), "use", "command"),
    )
    for change, step, reason in changes:
        change()
        (project.root / "made").unlink(missing_ok=True)
        started = ran(project)
        if step is not None:
            assert step in started
            assert reason in project.why(step), project.why(step)


KEYS = """
inputs: {who: {type: string, default: me}}
personas: {p: {instructions: I, env: {P: "1"}}}
secrets: {S: {env: S}}
agents:
  command: {command: "true", reads: [x]}
  agent: {prompt: "for {{ inputs.who }}", persona: p, engine: scripted, script: s.yaml, permissions: read, reads: [x]}
  timed: {command: "true", reads: [x], timeout: 60s, retry: {attempts: 1}, idle_timeout: 50s}
  secret: {command: "true", reads: [x], secrets: [S]}
  verified: {command: "true", reads: [x], verify: ["true"]}
  out: {command: "echo 1", reads: [x], outputs: {n: integer}}
  where: {command: "true", reads: [x], workdir: sub}
"""
EVERYTHING = {"command", "agent", "timed", "secret", "verified", "out", "where"}


@pytest.mark.slow
def test_what_counts_in_a_key_and_what_does_not(tmp_path: Path) -> None:
    project = Project(tmp_path, KEYS, files={"x": "1", "s.yaml": "- say: hi\n", "sub/.keep": ""})
    env = {"S": "secret-value-1"}
    assert ran(project, env=env) == EVERYTHING

    def edited(old: str, new: str) -> set[str]:
        text = project.read("team.yaml")
        assert old in text
        project.team(text.replace(old, new))
        return ran(project, env=env)

    assert ran(project, env={"S": "secret-value-2"}) == set(), "secrets count by name"
    assert edited("timeout: 60s", "timeout: 70s") == set()
    assert edited("attempts: 1", "attempts: 3") == set()
    assert edited("engine: scripted,", "engine: scripted, description: new,") == set()
    assert edited("instructions: I", "instructions: You") == {"agent"}
    assert edited('P: "1"', 'P: "2"') == {"agent"}
    assert edited('verify: ["true"]', 'verify: [":"]') == {"verified"}
    assert edited("n: integer", "n: number") == {"out"}
    assert edited("workdir: sub", "workdir: ./") == {"where"}
    project.write("s.yaml", "- say: ho\n")
    assert ran(project, env=env) == {"agent"}
    assert ran(project, "-i", "who=you", env=env) == {"agent"}
    project.write("x", "2")
    assert ran(project, env=env) == EVERYTHING


@pytest.mark.slow
def test_text_counts_only_where_it_is_referenced(tmp_path: Path) -> None:
    team = """
agents:
  says: {command: "cat word", reads: [word], cache: true}
  hears: {command: [echo, "{{ agents.says.text }}"], reads: [], cache: true}
  after: {command: "true", depends_on: [says], reads: []}
"""
    project = Project(tmp_path, team, files={"word": "one"})
    assert ran(project) == {"says", "hears", "after"}
    project.write("word", "two")
    assert ran(project) == {"says", "hears"}
    project.write("word", "two\n")
    assert ran(project) == {"says"}
    project.write("word", "one")
    assert ran(project) == set()
    assert project.status().text("says") == "one"


@pytest.mark.slow
def test_an_artifact_that_differs_is_never_overwritten(tmp_path: Path) -> None:
    project = Project(tmp_path, CHAIN, files=SOURCES)
    project.run().expect(0)
    made = project.root / "made"
    made.chmod(0o640)
    project.write("made", "mine\n")
    assert "make" in ran(project), "no hit; the step itself makes it anew"
    assert project.read("made") == "A\nB\n"
    made.unlink()
    made.mkdir()
    project.run().expect(1)
    assert made.is_dir()


@pytest.mark.slow
def test_a_file_that_changes_while_the_step_runs_leaves_no_key(tmp_path: Path) -> None:
    team = """
agents:
  a: {command: "echo more >> src/x; echo made > out/y", reads: ["src/**", "out/**"], outputs: {y: {file: out/y}}}
"""
    project = Project(tmp_path, team, files={"src/x": "1\n", "out/.keep": ""})
    assert ran(project) == {"a"}
    assert "src/x" in project.why("a")
    assert project.status().step("a")["key"] is None
    assert ran(project) == {"a"}
    project.team(team.replace("echo more >> src/x; ", ""))
    assert ran(project) == {"a"}
    assert ran(project) == set(), "what it makes itself is its own"


@pytest.mark.slow
@proves(agent=["writes"])
def test_what_a_step_writes_of_what_it_reads_counts_as_it_left_it(tmp_path: Path) -> None:
    """Patterns of `writes` mean what those of `reads` do: a plain name is a directory, `*` stays within one name."""
    team = """
agents:
  format: {command: "sort -u src/list -o src/list", reads: [src], writes: [src, "!src/keep/**"]}
  other: {command: "echo x >> top.txt; mkdir -p sub; echo x >> sub/y.txt", reads: ["**/*.txt"], writes: ["*.txt"]}
  keep: {command: "echo x >> src/keep/z", reads: [src/keep], writes: ["src/keep/**", "!src/keep/z"]}
"""
    project = Project(tmp_path, team, files={"src/list": "b\na\n", "src/keep/z": "", "top.txt": ""})
    assert ran(project, "format") == {"format"}
    assert project.read("src/list") == "a\nb\n"
    assert ran(project, "format", "--new") == set(), "it is as the step left it"
    project.write("src/list", "c\na\n")
    assert ran(project, "format", "--new") == {"format"}
    assert ran(project, "other", "keep") == {"other", "keep"}
    assert "sub/y.txt changed while it ran" in project.why("other")
    assert "src/keep/z changed while it ran" in project.why("keep")


@pytest.mark.slow
def test_steps_that_may_write_one_file_at_once_are_not_run(tmp_path: Path) -> None:
    team = """
agents:
  first: {command: "touch ran"}
  api: {command: "touch ran", writes: ["src/**"]}
  docs: {command: "touch ran", writes: ["**/*.md"]}
"""
    project = Project(tmp_path, team)
    refused = project.run().expect(2).err
    assert "team.yaml:5:" in refused
    assert "api and docs may run at once, and both may write src/x.md" in refused
    assert "add depends_on: [api] to docs" in refused
    assert "teamflow explain overlapping-writes" in refused
    assert not project.exists("ran")
    assert project.call("plan").expect(2).err == refused
    project.call("validate").expect(0)
    project.team(team.replace('["**/*.md"]', '["**/*.md"], depends_on: [api]'))
    project.run().expect(0)


@pytest.mark.slow
def test_reads_that_only_a_run_can_render_count(tmp_path: Path) -> None:
    team = """
agents:
  where: {command: "echo src"}
  use: {command: [cat, src/x], reads: ["{{ agents.where.text }}/**"]}
"""
    project = Project(tmp_path, team, files={"src/x": "1\n"})
    assert ran(project) == {"where", "use"}
    assert project.status().step("use")["key"] is not None
    assert ran(project, "--new") == {"where"}
    project.write("src/x", "2\n")
    assert ran(project, "--new") == {"where", "use"}
    assert "src/x changed" in project.why("use")


@pytest.mark.slow
def test_no_cache_and_force(tmp_path: Path) -> None:
    project = Project(tmp_path, CHAIN, files=SOURCES)
    project.run().expect(0)
    assert ran(project, "--force", "use") == {"use"}
    assert ran(project, "--no-cache") == {"make", "use", "last"}
    assert ran(project) == set()
    assert "nobody" in project.run("--force", "nobody").expect(2).err


@pytest.mark.slow
def test_the_cache_is_safe_to_delete_and_to_copy(tmp_path: Path) -> None:
    project = Project(tmp_path / "one", CHAIN, files=SOURCES)
    project.run().expect(0)
    other = Project(tmp_path / "two", CHAIN, files=SOURCES)
    (other.root / ".teamflow").mkdir()
    shutil.copytree(project.root / ".teamflow" / "cache", other.root / ".teamflow" / "cache")
    assert ran(other) == set()
    assert other.read("made") == "A\nB\n"
    shutil.rmtree(project.root / ".teamflow" / "cache")
    assert ran(project) == {"make", "use", "last"}
    assert ran(project) == set()
    shutil.rmtree(project.root / ".teamflow")
    assert ran(project) == {"make", "use", "last"}
    index = project.root / ".teamflow" / "cache" / "index.db"
    index.write_bytes(b"rubbish" * 1000)
    assert ran(project) == {"make", "use", "last"}
    shutil.rmtree(project.root / ".teamflow" / "cache" / "objects", ignore_errors=True)
    (project.root / "made").unlink()
    assert "make" in ran(project), "the contents are gone"


@pytest.mark.slow
def test_a_failure_is_never_cached(tmp_path: Path) -> None:
    project = Project(tmp_path, "agents: {a: {command: 'test -e go', reads: [x]}}", files={"x": "1"})
    project.run().expect(1)
    project.run("--new").expect(1)
    project.write("go", "")
    assert ran(project) == {"a"}


@pytest.mark.slow
def test_in_git_reads_are_what_git_does_not_ignore(tmp_path: Path) -> None:
    team = "agents: {a: {command: 'true', cache: true}}"
    files = {"tracked": "1", ".gitignore": "ignored\n", "ignored": "1", "sub/untracked": "1"}
    project = Project(tmp_path, team, files=files, git=True)
    project.git("add", "tracked", ".gitignore", "team.yaml")
    project.git("commit", "-q", "-m", "first")
    assert ran(project) == {"a"}
    assert ran(project) == set()
    project.write("ignored", "2")
    assert ran(project) == set()
    project.write("sub/untracked", "2")
    assert ran(project) == {"a"}
    assert "sub/untracked changed" in project.why("a")
    project.write("tracked", "2")
    assert ran(project) == {"a"}
    project.write("new", "2")
    assert ran(project) == {"a"}
    project.git("add", "-A")
    assert ran(project) == set(), "what git knows of a file does not count"


@pytest.mark.slow
def test_outside_git_reads_are_required(tmp_path: Path) -> None:
    project = Project(tmp_path, "agents: {a: {command: 'true', cache: true}}")
    done = project.run()
    assert "reads" in done.said
    if done.code == 0:
        assert "reads" in project.why("a") + done.said


@pytest.mark.slow
def test_reads_of_what_lies_outside_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path, "agents: {a: {command: 'true', reads: [../x]}}")
    assert "../x" in project.run().expect(2).err
    project = Project(tmp_path / "l", "agents: {a: {command: 'true', reads: ['out/**']}}")
    (project.root / "out").symlink_to("/etc")
    shown = _ran_without_a_key(project)
    assert shown.statuses == {"a": "succeeded"}


def _ran_without_a_key(project: Project) -> Shown:
    project.run().expect(0)
    shown = project.status()
    if shown.step("a")["key"] is not None:
        project.run().expect(0)
        return project.status()
    assert project.why("a")
    return shown


@pytest.mark.slow
def test_modes_of_artifacts_come_back(tmp_path: Path) -> None:
    team = "agents: {a: {command: 'echo x > tool; chmod 755 tool', reads: [], outputs: {tool: {file: tool}}}}"
    project = Project(tmp_path, team)
    project.run().expect(0)
    (project.root / "tool").unlink()
    assert ran(project) == set()
    assert os.access(project.root / "tool", os.X_OK)


@pytest.mark.slow
@pytest.mark.parametrize("cache", ["", ", cache: false", ", cache: true, writes: [live]"])
def test_what_cannot_be_put_back_is_only_as_the_last_success_left_it(tmp_path: Path, cache: str) -> None:
    team = "agents: {deploy: {command: cp cfg live, reads: [cfg]%s}}"
    project = Project(tmp_path, team % cache, files={"cfg": "a"})
    for text in ("a", "b", "a", "a"):
        project.write("cfg", text)
        project.age()
        done = project.run().expect(0)
        assert project.read("live") == text, done.said
    assert "cached" in done.said, "it is as it was left"


@pytest.mark.slow
def test_with_cache_a_result_of_any_time_will_do(tmp_path: Path) -> None:
    team = "agents: {upper: {command: tr a-z A-Z <cfg >out, reads: [cfg], cache: true, outputs: {out: {file: out}}}}"
    project = Project(tmp_path, team, files={"cfg": "a"})
    for text in ("a", "b"):
        project.write("cfg", text)
        project.run().expect(0)
    (project.root / "out").unlink()
    project.write("cfg", "a")
    assert "cached" in project.run().expect(0).said
    assert project.read("out") == "A"


@pytest.mark.slow
def test_after_a_success_that_was_not_kept_nothing_is_as_it_was_left(tmp_path: Path) -> None:
    team = "agents: {deploy: {command: 'cp cfg live; test ! -e spoil || echo more >>cfg', reads: [cfg]}}"
    project = Project(tmp_path, team, files={"cfg": "a"})
    project.run().expect(0)
    project.write("cfg", "b")
    project.write("spoil", "")
    project.run().expect(0)
    assert project.read("live") == "b"
    (project.root / "spoil").unlink()
    project.write("cfg", "a")
    project.run().expect(0)
    assert project.read("live") == "a"


@pytest.mark.slow
def test_after_a_failure_nothing_is_as_the_last_success_left_it(tmp_path: Path) -> None:
    team = "agents: {deploy: {command: cp cfg live; test ! -e spoil, reads: [cfg]}}"
    project = Project(
        tmp_path, team.replace("cp cfg live; test ! -e spoil", "'cp cfg live; test ! -e spoil'"), files={"cfg": "a"}
    )
    project.run().expect(0)
    project.write("cfg", "b")
    project.write("spoil", "")
    project.run().expect(1)
    assert project.read("live") == "b"
    (project.root / "spoil").unlink()
    project.write("cfg", "a")
    project.plan("--new")
    project.run("--new").expect(0)
    assert project.read("live") == "a"
    assert "deploy: cached" in project.run().expect(0).said


@pytest.mark.slow
def test_a_look_at_the_plan_forgets_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path, "agents: {deploy: {command: cp cfg live, reads: [cfg]}}", files={"cfg": "a"})
    project.run().expect(0)
    project.write("cfg", "b")
    project.plan()
    project.write("cfg", "a")
    assert "deploy: cached" in project.run().expect(0).said

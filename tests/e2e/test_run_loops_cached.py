"""Loops and the cache: what a round reworks runs, its last result is kept, a later run finds that and no other."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.e2e.project import Project, finish

TEAM = """
limits: {max_parallel: 2}
defaults: {cache: true}
agents:
  build:
    reads: [spec]
    command: cat spec >> made; cp made out.txt
    outputs: {out: {file: out.txt}}
  check:
    depends_on: [build]
    reads: [wanted]
    env: {OUT: "{{ agents.build.outputs.out }}"}
    command: wc -l < "$OUT"
    outputs: {lines: integer}
  review:
    depends_on: [check]
    reads: [wanted]
    env: {LINES: "{{ agents.check.outputs.lines }}"}
    command: test "$LINES" -ge "$(cat wanted)" && echo true || echo false
    outputs: {ok: boolean}
    loop: {until: outputs.ok, max: 4, rework: build}
  ship: {depends_on: [review], reads: [], command: echo shipped >> shipped}
"""
FILES = {"spec": "line\n", "wanted": "3\n"}


def ran(project: Project) -> dict[str, int]:
    return {name: len(step["attempts"]) for name, step in project.status().steps.items()}


@pytest.mark.slow
def test_the_last_round_is_what_a_later_run_finds(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM, files=FILES)
    project.run().expect(0)
    assert ran(project) == {"build": 3, "check": 3, "review": 3, "ship": 1}
    project.run().expect(0)
    assert set(project.status().statuses.values()) == {"cached"}, "nothing was started"
    assert project.lines("made") == ["line"] * 3
    (project.root / "out.txt").unlink()
    project.run().expect(0)
    assert set(project.status().statuses.values()) == {"cached"}
    assert project.lines("out.txt") == ["line"] * 3, "put back as the last round left it"
    project.write("wanted", "4\n")
    project.run().expect(0)
    assert project.status().statuses["build"] == "succeeded", "cached at first, and then reworked"
    assert ran(project) == {"build": 1, "check": 2, "review": 2, "ship": 0}
    assert [attempt["cause"] for attempt in project.status().step("build")["attempts"]] == ["rework"]
    assert project.lines("made") == ["line"] * 4


@pytest.mark.slow
def test_a_result_that_asked_for_another_round_is_none(tmp_path: Path) -> None:
    project = Project(tmp_path, TEAM.replace("max: 4", "max: 1"), files=FILES)
    project.run().expect(1)
    project.run("--new").expect(1)
    assert ran(project) == {"build": 0, "check": 0, "review": 1, "ship": 0}
    assert "by its last result `outputs.ok` was false" in project.why("review")
    project.team(TEAM)
    project.run("--new").expect(0)
    assert ran(project) == {"build": 2, "check": 2, "review": 3, "ship": 1}


@pytest.mark.slow
def test_a_stricter_until_does_not_take_what_was_over_by_an_older_one(tmp_path: Path) -> None:
    team = TEAM.replace("until: outputs.ok", "until: outputs.ok and agents.check.outputs.lines > 0")
    project = Project(tmp_path, team, files=FILES)
    project.run().expect(0)
    project.team(team.replace("lines > 0", "lines > 3"))
    project.run().expect(0)
    assert ran(project) == {"build": 1, "check": 1, "review": 2, "ship": 0}
    assert project.lines("made") == ["line"] * 4


@pytest.mark.slow
def test_an_interrupted_round_keeps_what_it_has_done(tmp_path: Path) -> None:
    """Killed in round 2, after the rework and before the verdict: the rework is not lost, and not looked up."""
    slow = TEAM.replace("command: wc -l", 'command: test "$TEAMFLOW_ATTEMPT" = 2 && touch two && sleep 3; wc -l')
    project = Project(tmp_path, slow, files=FILES)
    process = project.popen("run", "--progress", "plain")
    while not project.exists("two"):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 130
    assert "stays" not in project.call("plan").expect(0).out
    project.run().expect(0)
    assert ran(project) == {"build": 3, "check": 4, "review": 3, "ship": 1}
    assert project.lines("made") == ["line"] * 3
    project.run().expect(0)
    assert set(project.status().statuses.values()) == {"cached"}


@pytest.mark.slow
def test_feedback_in_a_template_is_no_part_of_the_key(tmp_path: Path) -> None:
    team = TEAM.replace("    reads: [spec]\n", '    reads: [spec]\n    env: {SAID: "{{ feedback.text }}"}\n')
    project = Project(tmp_path, team.replace("cat spec >> made", 'echo "$SAID" >> said; cat spec >> made'), files=FILES)
    project.run().expect(0)
    assert project.lines("said") == ["", "false", "false"]
    project.run().expect(0)
    assert set(project.status().statuses.values()) == {"cached"}


@pytest.mark.slow
def test_an_adopted_attempt_is_kept_if_what_it_read_is_as_it_was(tmp_path: Path) -> None:
    slow = TEAM.replace("cp made out.txt", "cp made out.txt; touch began; sleep 2")
    for edit, cached in ((False, True), (True, False)):
        project = Project(tmp_path / str(edit), slow.replace("max: 4", "max: 9"), files={**FILES, "wanted": "1\n"})
        with project.popen("run", "--progress", "plain") as process:
            while not project.exists("began"):
                time.sleep(0.02)
            process.kill()
        if edit:
            project.write("spec", "other\n")
        project.run().expect(0)
        build = project.status().step("build")
        assert len(build["attempts"]) == 1
        assert (build["attempts"][0]["note"] == "") is cached
        if edit:
            assert "what it read when it began is not known any more" in project.why("build")
        project.run("--new").expect(0)
        assert (project.status().statuses["build"] == "cached") is cached

"""Watch: what a save does to a run that is alive, with real processes and real files."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from tests.e2e.project import Project
from tests.e2e.watched import Watched, save

TEAM = """
agents:
  lint: {command: "cat src/a.txt >> lint.log; test ! -e fail", reads: ["src/**"]}
  test: {command: "cat src/a.txt", reads: ["src/**"], depends_on: [lint]}
  other: {command: echo hi}
"""


def project(tmp_path: Path, team: str = TEAM, **files: str) -> Project:
    return Project(tmp_path, team, files={"src/a.txt": "one\n", **files})


@pytest.mark.slow
def test_a_changed_file_runs_again_what_reads_it_and_no_more(tmp_path: Path) -> None:
    made = project(tmp_path)
    with Watched(made) as watched:
        watched.rests(1)
        save(made.root / "src/a.txt", "two\n")
        watched.rests(2)
        assert (watched.starts("lint"), watched.starts("test"), watched.starts("other")) == (2, 2, 1)
        assert "~ lint  reads: src/a.txt changed" in watched.said
        assert made.lines("lint.log") == ["one", "two"]
        assert watched.stop() == 0
    assert made.status().statuses == {"lint": "succeeded", "test": "succeeded", "other": "succeeded"}


@pytest.mark.slow
def test_a_saved_team_file_is_a_revision_of_the_same_run(tmp_path: Path) -> None:
    made = project(tmp_path)
    with Watched(made) as watched:
        watched.rests(1)
        save(made.root / "team.yaml", TEAM.replace("echo hi", "echo ho") + "  new: {command: echo new}\n")
        watched.rests(2)
        assert (watched.starts("lint"), watched.starts("other"), watched.starts("new")) == (1, 2, 1)
        assert [line for line in watched.said.splitlines() if line.startswith(("+", "~", "-"))] == [
            "+ new    added",
            "~ other  definition changed: command",
        ]
        save(made.root / "team.yaml", TEAM.replace("  other: {command: echo hi}\n", ""))
        watched.rests(3)
        assert "- other  removed" in watched.said
        assert set(watched.status().statuses) == {"lint", "test"}
        assert watched.status().data["revision"] == 3
        assert watched.status().data["run"] == 1


@pytest.mark.slow
def test_errors_are_told_once_and_the_last_good_plan_stays(tmp_path: Path) -> None:
    made = project(tmp_path)
    with Watched(made) as watched:
        watched.rests(1)
        for _ in range(3):
            save(made.root / "team.yaml", TEAM.replace("command: echo hi", "comand: echo hi"))
            watched.until(lambda: "unknown-key" in watched.said, "the complaint")
        save(made.root / "src/a.txt", "two\n")
        watched.rests(2)
        assert watched.said.count("error[unknown-key]") == 1
        assert watched.starts("lint") == 2
        save(made.root / "team.yaml", TEAM)
        watched.until(lambda: "is valid again" in watched.said, "the all-clear")
        assert watched.starts("lint") == 2


@pytest.mark.slow
def test_a_half_written_team_file_is_not_complained_about(tmp_path: Path) -> None:
    made = project(tmp_path)
    with Watched(made) as watched:
        watched.rests(1)
        path = made.root / "team.yaml"
        path.write_text("agents: {other: {comm")  # the first half of a save in place
        time.sleep(0.03)
        path.write_text(TEAM.replace("echo hi", "echo ho"))
        watched.rests(2)
        assert "error[" not in watched.said
        assert watched.starts("other") == 2


@pytest.mark.slow
def test_several_saves_at_once_end_in_the_last_one(tmp_path: Path) -> None:
    made = project(tmp_path)
    with Watched(made) as watched:
        watched.rests(1)
        for number in range(10):
            save(made.root / "team.yaml", TEAM.replace("echo hi", f"echo {number}"))
            time.sleep(0.008)
        watched.until(lambda: watched.status().steps["other"]["text"] == "9", "the last save")
        watched.until(lambda: watched.status().data["status"] == "succeeded", "rest")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["file", "directory", "moved", "new directory", "link"])
def test_files_and_directories_that_go_and_come(tmp_path: Path, way: str) -> None:
    made = project(tmp_path)
    source = made.root / "src"
    with Watched(made) as watched:
        watched.rests(1)
        match way:
            case "file":
                (source / "a.txt").unlink()
                watched.rests(2)
                (source / "a.txt").write_text("two\n")
            case "directory":
                shutil.rmtree(source)
                watched.rests(2)
                source.mkdir()
                (source / "a.txt").write_text("two\n")
            case "moved":
                source.rename(made.root / "away")
                watched.rests(2)
                (made.root / "away" / "a.txt").write_text("two\n")
                (made.root / "away").rename(source)
            case "new directory":
                (source / "deep" / "er").mkdir(parents=True)
                (source / "deep" / "er" / "b.txt").write_text("b\n")
                watched.until(lambda: watched.starts("lint") >= 2, "a file in a directory that is new")
                (source / "deep" / "er" / "b.txt").write_text("c\n")
            case _:
                (made.root / "real.txt").write_text("two\n")
                (source / "a.txt").unlink()
                (source / "a.txt").symlink_to("../real.txt")
        watched.until(lambda: watched.starts("test") >= 2, "what depends on it runs again")
        watched.until(lambda: watched.status().data["status"] == "succeeded", "rest")


@pytest.mark.slow
def test_a_touched_file_changes_nothing(tmp_path: Path) -> None:
    made = project(tmp_path)
    with Watched(made) as watched:
        watched.rests(1)
        for _ in range(3):
            save(made.root / "src/a.txt", "one\n")
            time.sleep(0.1)
        save(made.root / "src/a.txt", "two\n")
        watched.rests(2)
        assert watched.starts("lint") == 2


SLOW = """
agents:
  slow: {command: "touch began; sleep 1.5; cat src/a.txt", reads: ["src/**"]}
  other: {command: "echo hi; sleep 0.2"}
  after: {command: cat src/a.txt, depends_on: [slow]}
"""


@pytest.mark.slow
def test_a_changed_file_stops_nothing_and_counts_when_the_step_has_ended(tmp_path: Path) -> None:
    made = project(tmp_path, SLOW)
    with Watched(made) as watched:
        watched.until(lambda: made.exists("began"), "slow")
        save(made.root / "src/a.txt", "two\n")
        watched.until(lambda: watched.starts("slow") == 2, "slow again")
        watched.until(
            lambda: watched.said.count("; watching ") and watched.status().steps["after"]["text"] == "two", "rest"
        )
        outcomes = [event["outcome"]["end"] for event in watched.events("AttemptEnded") if event["step"] == "slow"]
        assert outcomes == ["succeeded", "succeeded"]
        assert not watched.events("AttemptStopping")


@pytest.mark.slow
def test_a_redefined_running_step_is_stopped_and_others_are_not_touched(tmp_path: Path) -> None:
    made = project(tmp_path, SLOW.replace("sleep 0.2", "sleep 3"))
    with Watched(made) as watched:
        watched.until(lambda: made.exists("began") and watched.starts("other"), "both")
        save(made.root / "team.yaml", SLOW.replace("sleep 0.2", "sleep 3").replace("sleep 1.5", "sleep 0.1"))
        watched.rests(1)
        stopped = [(event["step"], event["cause"]) for event in watched.events("AttemptStopping")]
        assert stopped == [("slow", "redefined")]
        assert (watched.starts("slow"), watched.starts("other"), watched.starts("after")) == (2, 1, 1)
        assert watched.status().data["status"] == "succeeded"


@pytest.mark.slow
def test_a_removed_running_step_is_cancelled(tmp_path: Path) -> None:
    made = project(tmp_path, SLOW.replace("sleep 0.2", "sleep 30"))
    with Watched(made) as watched:
        watched.until(lambda: watched.starts("other"), "other")
        save(made.root / "team.yaml", SLOW.replace('  other: {command: "echo hi; sleep 0.2"}\n', ""))
        watched.rests(1)
        assert [(e["step"], e["cause"]) for e in watched.events("AttemptStopping")] == [("other", "cancel")]
        assert watched.status().statuses == {"slow": "succeeded", "after": "succeeded"}
        assert watched.stop() == 0


PROMPT = """
agents:
  think: {engine: scripted, permissions: read, prompt: "Think {WORD}.", script: think.yaml}
"""
THINK = """
- usage: {input_tokens: 1200, output_tokens: 30, usd: 0.31}
- run: touch began
- sleep: 5s
- say: thought
"""


@pytest.mark.slow
def test_a_running_prompt_gets_two_seconds_without_a_save_and_its_price_is_told(tmp_path: Path) -> None:
    made = Project(tmp_path, PROMPT.replace("{WORD}", "once"), files={"think.yaml": THINK.replace("5s", "90s")})
    with Watched(made) as watched:
        watched.until(lambda: made.exists("began"), "the prompt")
        time.sleep(0.5)
        began = time.monotonic()
        for number in range(3):
            save(made.root / "team.yaml", PROMPT.replace("{WORD}", f"word {number}"))
            time.sleep(0.6)
        assert not watched.events("AttemptStopping")
        watched.until(lambda: watched.events("AttemptStopping"), "the stop")
        assert time.monotonic() - began > 3.0
        assert "think ($0.31" in watched.said
        assert len(watched.events("PlanRevised")) == 1
        watched.until(lambda: watched.starts("think") == 2, "think again")


@pytest.mark.slow
def test_taking_the_save_back_leaves_a_running_prompt_alone(tmp_path: Path) -> None:
    made = Project(tmp_path, PROMPT.replace("{WORD}", "once"), files={"think.yaml": THINK.replace("5s", "4s")})
    with Watched(made) as watched:
        watched.until(lambda: made.exists("began"), "the prompt")
        save(made.root / "team.yaml", PROMPT.replace("{WORD}", "twice"))
        watched.until(lambda: "unless you save again" in watched.said, "the warning")
        save(made.root / "team.yaml", PROMPT.replace("{WORD}", "once"))
        watched.rests(1)
        assert watched.starts("think") == 1
        assert not watched.events("PlanRevised")


SELF = """
agents:
  stamp: {command: "date +%s.%N >> src/a.txt", reads: ["src/**"]}
"""


@pytest.mark.slow
def test_a_step_that_sets_itself_off_is_held_back_with_a_question(tmp_path: Path) -> None:
    made = project(tmp_path, SELF)
    with Watched(made) as watched:
        watched.until(lambda: watched.events("QuestionAsked"), "the question")
        asked = watched.events("QuestionAsked")[0]
        assert (asked["step"], asked["about"]) == ("stamp", "guard")
        assert "writes" in asked["text"]
        time.sleep(0.5)
        assert watched.starts("stamp") == 4, watched.said


@pytest.mark.slow
def test_what_a_step_declares_to_write_does_not_set_it_off(tmp_path: Path) -> None:
    made = project(tmp_path, SELF.replace('reads: ["src/**"]', 'reads: ["src/**"], outputs: {f: {file: src/a.txt}}'))
    with Watched(made) as watched:
        watched.rests(1)
        time.sleep(0.5)
        assert watched.starts("stamp") == 1
        save(made.root / "src/b.txt", "b")
        watched.rests(2)
        time.sleep(0.5)
        assert watched.starts("stamp") == 2


TWO = """
agents:
  a: {command: "date +%s.%N >> x", reads: [y]}
  b: {command: "date +%s.%N >> y", reads: [x]}
"""


@pytest.mark.slow
def test_steps_that_set_each_other_off_are_held_back(tmp_path: Path) -> None:
    made = Project(tmp_path, TWO, files={"x": "x\n", "y": "y\n"})
    with Watched(made) as watched:
        watched.until(lambda: watched.events("QuestionAsked"), "the question")
        time.sleep(1.0)
        assert watched.starts("a") + watched.starts("b") <= 12


@pytest.mark.slow
def test_many_saves_by_a_person_are_no_reason_to_ask(tmp_path: Path) -> None:
    team = """
agents:
  slow: {command: "sleep 0.4; cat src/a.txt", reads: ["src/**"]}
  quick: {command: cat src/a.txt, reads: ["src/**"]}
"""
    made = project(tmp_path, team)
    with Watched(made) as watched:
        watched.rests(1)
        for number in range(12):
            save(made.root / "src/a.txt", f"{number}\n")
            time.sleep(0.25)
        watched.until(lambda: watched.status().steps["slow"]["text"] == "11", "the last save")
        assert not watched.events("QuestionAsked")


@pytest.mark.slow
def test_everything_that_defines_is_followed(tmp_path: Path) -> None:
    team = """
include: [more/parts.yaml]
personas: {who: {file: who.md}}
agents:
  think: {engine: scripted, persona: who, permissions: read, prompt: {file: ask.md}, script: think.yaml}
"""
    files = {
        "more/parts.yaml": "agents: {part: {command: echo 1}}\n",
        "who.md": "---\ndescription: one\n---\nYou are one.\n",
        "ask.md": "Do one.\n",
        "think.yaml": "- say: one\n",
    }
    made = Project(tmp_path, team, files=files)
    with Watched(made) as watched:
        watched.rests(1)
        for count, (name, step) in enumerate(
            (("who.md", "think"), ("ask.md", "think"), ("think.yaml", "think"), ("more/parts.yaml", "part")), start=2
        ):
            save(made.root / name, files[name].replace("one", "two").replace("echo 1", "echo 2"))
            watched.rests(count)
            assert watched.starts(step) == (2 if step == "part" else count), (name, watched.said)
        (made.root / "more/parts.yaml").unlink()
        watched.until(lambda: "file-unreadable" in watched.said, "the complaint")
        save(made.root / "more/parts.yaml", "agents: {part: {command: echo 3}}\n")
        watched.rests(6)
        assert watched.status().text("part") == "3"


@pytest.mark.slow
def test_a_file_that_an_error_names_is_followed_as_well(tmp_path: Path) -> None:
    made = project(tmp_path)
    with Watched(made) as watched:
        watched.rests(1)
        save(made.root / "team.yaml", "include: [later/new.yaml]\n" + TEAM)
        watched.until(lambda: "later/new.yaml" in watched.said, "the complaint")
        (made.root / "later").mkdir()
        (made.root / "later/new.yaml").write_text("agents: {late: {command: echo late}}\n")
        watched.rests(2)
        assert watched.status().text("late") == "late"


@pytest.mark.slow
def test_a_run_that_has_nothing_to_do_is_watched_too(tmp_path: Path) -> None:
    made = project(tmp_path, TEAM.replace("command: echo hi", "command: echo hi, reads: [src/a.txt]"))
    made.run().expect(0)
    with Watched(made) as watched:
        watched.rests(1)
        assert set(watched.status().statuses.values()) == {"cached"}
        save(made.root / "src/a.txt", "two\n")
        watched.rests(2)
        assert watched.starts("other") == 1


@pytest.mark.slow
def test_ctrl_c_while_steps_run_interrupts_and_run_goes_on(tmp_path: Path) -> None:
    made = project(tmp_path, SLOW)
    with Watched(made) as watched:
        watched.until(lambda: made.exists("began"), "slow")
        assert watched.stop() == 130
    assert made.status().data["status"] == "interrupted"
    made.run().expect(0)
    assert made.status().data["run"] == 1


@pytest.mark.slow
def test_a_failed_step_runs_again_when_its_files_change_and_others_that_failed_do_not(tmp_path: Path) -> None:
    made = project(tmp_path, TEAM.replace("command: echo hi", 'command: "exit 1"'), fail="")
    with Watched(made) as watched:
        watched.rests(1)
        assert watched.status().statuses == {"lint": "failed", "test": "skipped", "other": "failed"}
        (made.root / "fail").unlink()
        save(made.root / "src/a.txt", "two\n")
        watched.rests(2)
        assert watched.status().statuses == {"lint": "succeeded", "test": "succeeded", "other": "failed"}
        assert watched.starts("other") == 1
        assert watched.stop() == 1


@pytest.mark.slow
def test_new_limits_hold_for_the_living_run(tmp_path: Path) -> None:
    agents = "\n".join(f"  s{n}: {{command: sleep 0.3}}" for n in range(6))
    made = project(tmp_path, f"limits: {{max_parallel: 1}}\nagents:\n{agents}\n")
    with Watched(made) as watched:
        watched.until(lambda: watched.starts("s0"), "the first")
        save(made.root / "team.yaml", f"limits: {{max_parallel: 6}}\nagents:\n{agents}\n")
        watched.rests(1)
        revised = watched.events("PlanRevised")[0]
        assert revised["max_parallel"] == 6


@pytest.mark.slow
@pytest.mark.parametrize("resting", [True, False])
def test_cancelling_the_whole_run_ends_the_watch(tmp_path: Path, resting: bool) -> None:
    made = project(tmp_path, TEAM if resting else SLOW)
    with Watched(made) as watched:
        if resting:
            watched.rests(1)
        else:
            watched.until(lambda: made.exists("began"), "slow")
        made.call("cancel", "--all").expect(0)
        assert watched.process.wait(60) == (0 if resting else 1), watched.said


ABSENT = """
agents:
  shows:
    command: |
      until test -e go; do sleep 0.01; done
      cat src/a.txt || true
      touch read
      until test -e end; do sleep 0.01; done
    reads: ["src/**"]
  uses: {command: [echo, "{{ agents.shows.text }}"]}
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["directory", "file"])
def test_what_was_otherwise_for_a_moment_while_a_step_ran_counts(tmp_path: Path, way: str) -> None:
    made = project(tmp_path, ABSENT, go="", end="")
    place = made.root / ("src" if way == "directory" else "src/a.txt")
    with Watched(made) as watched:
        watched.rests(1)
        for name in ("go", "end", "read"):
            (made.root / name).unlink()
        save(made.root / "src/b.txt", "another\n")
        watched.until(lambda: watched.starts("shows") == 2, "it runs again")
        place.rename(made.root / "away")
        made.write("go", "")
        watched.until(lambda: made.exists("read"), "it has looked")
        (made.root / "away").rename(place)
        made.write("end", "")
        watched.until(lambda: watched.starts("shows") >= 3, "it runs once more")
        watched.until(lambda: watched.status().data["status"] == "succeeded", "rest")
        assert watched.status().text("shows") == "one"
    assert made.run().expect(0)
    assert made.status().text("shows") == "one", "and so the cache has it"

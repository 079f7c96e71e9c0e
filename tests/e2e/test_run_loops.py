"""Loops as users write them: rounds that converge, do not, or change nothing; feedback, sessions, interruption."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.project import Done, Project, Shown, finish, proves

REVIEW = """
  review{name}:
    depends_on: [count]
    env: {{LINES: "{{{{ agents.count.outputs.lines }}}}"}}
    command: |
      echo "there are $LINES lines"
      if [ "$LINES" -ge {wanted} ]; then echo '{{"approved": true}}'; else echo '{{"approved": false}}'; fi
    outputs: {{approved: boolean}}
    loop: {{until: outputs.approved, max: {most}, rework: draft}}
"""


def team(*, wanted: int = 3, most: int = 5, draft: str = "") -> str:
    return f"""
defaults: {{retry: {{delay: 10ms}}}}
agents:
  draft:
    engine: scripted
    script: draft.yaml
    workspace: {{mode: shared, setup: echo setup >> setups}}
    prompt: Write words.txt.
    {draft}
  count:
    depends_on: [draft]
    command: wc -l < words.txt
    outputs: {{lines: integer}}
{REVIEW.format(name="", wanted=wanted, most=most)}
  beside: {{depends_on: [draft], command: echo beside >> beside}}
  ship: {{depends_on: [review], command: cat words.txt}}
outputs: {{asked: agents.draft.text, words: agents.ship.text}}
"""


WRITES = "- run: echo word >> words.txt\n- echo: prompt\n"
WRITES_TWICE = """
- attempt:
    "1": [{run: echo word >> words.txt}]
    "2": [{run: echo word >> words.txt}]
    "3": [{say: I would not know what to do}]
- echo: prompt
"""


class World(NamedTuple):
    project: Project
    done: Done
    shown: Shown


@pytest.fixture(scope="module")
def converged(tmp_path_factory: pytest.TempPathFactory) -> World:
    place = tmp_path_factory.mktemp("converged")
    project = Project(place, team(), files={"draft.yaml": WRITES}, git=True)
    done = project.run().expect(0)
    return World(project, done, project.status())


def causes(shown: Shown, step: str) -> list[tuple[str, int | None]]:
    return [(attempt["cause"], attempt["continues"]) for attempt in shown.step(step)["attempts"]]


@proves(agent=["loop", "loop.until", "loop.rework"])
def test_a_review_that_converges_in_its_third_round(converged: World) -> None:
    shown = converged.shown
    assert set(shown.statuses.values()) == {"succeeded"}
    for step in ("draft", "count", "review"):
        assert causes(shown, step) == [("first", None), ("rework", 1), ("rework", 2)]
    assert causes(shown, "ship") == causes(shown, "beside") == [("first", None)], "what is not between runs once"
    assert shown.data["outputs"]["words"] == "word\nword\nword"
    assert shown.step("review")["loop"] == {"until": "outputs.approved", "max": 5, "rework": "draft", "round": 3}
    assert shown.step("review")["failure"] is None
    assert shown.step("draft")["loop"] is None


def test_a_round_continues_the_session_and_its_workspace(converged: World) -> None:
    sessions = {attempt["session"] for attempt in converged.shown.step("draft")["attempts"]}
    assert len(sessions) == 1
    assert converged.project.read("setups") == "setup\n"


def test_only_the_newest_feedback_is_in_the_prompt(converged: World) -> None:
    assert converged.shown.data["outputs"]["asked"] == (
        'Write words.txt.\n\nFeedback from review (round 3 of 5):\n\nthere are 2 lines\n{"approved": false}'
    )
    assert "Feedback" not in converged.project.log("draft", 1)
    assert "there are 1 lines" in converged.project.log("draft", 2)


def test_every_view_tells_the_round(converged: World) -> None:
    project = converged.project
    assert "review: round 2 of 5 opens draft, count again" in converged.done.err
    assert "review: succeeded after" in converged.done.err
    assert "in round 3 of 5" in project.why("review")
    assert "rework (for review, round 3 of 5)" in project.why("draft")
    assert "rounds   review 3 of 5" in converged.done.err
    assert "in round 3 of 5" in project.call("status").expect(0).out
    plan = project.call("plan", "--new").expect(0).out
    assert "review goes back to draft, at most 5 rounds in all, until outputs.approved" in plan


@pytest.mark.slow
@proves(agent=["loop.max"])
def test_a_review_that_never_converges(tmp_path: Path) -> None:
    project = Project(tmp_path, team(wanted=100, most=3), files={"draft.yaml": WRITES}, git=True)
    done = project.run("--junit", "report.xml").expect(1)
    shown = project.status()
    review = shown.step("review")
    assert (review["status"], review["failure"]) == ("failed", "not_converged")
    assert review["reason"] == "`outputs.approved` is still false after 3 rounds (loop.max)"
    assert shown.failures("review") == [None] * 3, "no attempt of it has failed"
    assert len(shown.step("draft")["attempts"]) == 3
    assert shown.statuses["ship"] == "skipped"
    assert 'type="not_converged"' in project.read("report.xml")
    assert "`outputs.approved` is still false after 3 rounds" in done.err
    project.run().expect(1)
    assert project.status().step("review")["loop"]["round"] == 3, "run again: the loop starts over, with all its rounds"
    assert len(project.status().step("review")["attempts"]) == 6


@pytest.mark.slow
def test_a_loop_of_one_round_only_judges(tmp_path: Path) -> None:
    project = Project(tmp_path, team(most=1), files={"draft.yaml": WRITES})
    project.run().expect(1)
    assert project.status().step("review")["reason"] == "`outputs.approved` is still false after 1 round (loop.max)"
    assert len(project.status().step("draft")["attempts"]) == 1


@pytest.mark.slow
def test_two_rounds_that_change_nothing_end_it(tmp_path: Path) -> None:
    project = Project(tmp_path, team(most=50), files={"draft.yaml": WRITES_TWICE}, git=True)
    project.run().expect(1)
    shown = project.status()
    assert shown.step("review")["reason"] == "`outputs.approved` is still false, and the last 2 rounds changed nothing"
    assert shown.step("review")["failure"] == "not_converged"
    assert len(shown.step("draft")["attempts"]) == 4, "round 2 changed something, rounds 3 and 4 did not"


@pytest.mark.slow
def test_what_nobody_knows_to_be_unchanged_goes_on(tmp_path: Path) -> None:
    """Outside git, without globs, of an agent whose words nobody reads: it may well have changed something."""
    quiet = team(wanted=4, most=6).replace("outputs: {asked: agents.draft.text, words", "outputs: {words")
    script = "- run: echo word >> words.txt\n- say: done\n"
    project = Project(tmp_path, quiet, files={"draft.yaml": script})
    project.run().expect(0)
    assert project.status().step("review")["loop"]["round"] == 4


PAIRS = """
limits: {max_parallel: 1}
agents:
  write: {matrix: {part: [a, b]}, env: {PART: "{{ matrix.part }}"}, command: echo line >> "$PART"}
  polish:
    matrix: {part: [a, b]}
    depends_on: [write]
    env: {PART: "{{ matrix.part }}"}
    command: echo "$PART" >> polished
  review:
    matrix: {part: [a, b]}
    depends_on: [polish]
    env: {PART: "{{ matrix.part }}"}
    command: test "$PART" = b || test "$(wc -l < a)" = 3 && echo true || echo false
    outputs: {ok: boolean}
    loop: {until: outputs.ok, max: 4, rework: write}
"""


@pytest.mark.slow
def test_only_the_matching_instance_is_reworked(tmp_path: Path) -> None:
    project = Project(tmp_path, PAIRS)
    project.run().expect(0)
    attempts = {name: len(step["attempts"]) for name, step in project.status().steps.items()}
    assert (attempts["write/a"], attempts["write/b"]) == (3, 1)
    assert (attempts["review/a"], attempts["review/b"]) == (3, 1)
    assert project.lines("a") == ["line"] * 3
    assert project.lines("b") == ["line"]
    # Both instances of polish lie on a path from write/a to review/a, because each waits for both.
    assert (attempts["polish/a"], attempts["polish/b"]) == (3, 3)


NAMED = """
agents:
  draft:
    engine: scripted
    script: s.yaml
    workspace: {mode: shared}
    prompt: "[{{ feedback.from }}|{{ feedback.text }}|{{ feedback.outputs.findings }}]"
  fix:
    depends_on: [draft]
    env: {SAID: "{{ feedback.outputs.findings }}", FROM: "{{ feedback.from }}"}
    command: echo "$FROM:$SAID" >> fixes
  review:
    depends_on: [fix]
    env: {ATTEMPT: "{{ step.attempt }}"}
    command: printf '{"ok":%s,"findings":"f%s"}' "$(test $ATTEMPT = 2 && echo true || echo false)" $ATTEMPT
    outputs: {ok: boolean, findings: string}
    loop: {until: outputs.ok and matrix is defined, max: 3, rework: draft}
outputs: {asked: agents.draft.text}
"""


@pytest.mark.slow
def test_feedback_is_a_name_in_templates_and_then_not_appended(tmp_path: Path) -> None:
    team = NAMED.replace(" and matrix is defined", "")
    project = Project(tmp_path, team, files={"s.yaml": "- echo: prompt\n"})
    project.run().expect(0)
    assert project.status().data["outputs"]["asked"] == '[review|{"ok":false,"findings":"f1"}|f1]'
    assert "[||]" in project.log("draft", 1), "before any round they are empty texts"
    assert project.lines("fixes") == [":", "review:f1"]


WRONG = """
agents:
  work: {{command: echo x >> worked}}
  judge:
    depends_on: [work]
    command: {command}
    {outputs}
    loop: {{until: "{until}", max: 3, rework: work}}
"""


@pytest.mark.parametrize(
    ("command", "until", "reason"),
    [
        ("echo 3", "outputs.n", "loop.until must be true or false, but `outputs.n` gave 3"),
        ("""echo '{"a": 1}'""", "outputs.n.b", "loop.until could not be evaluated"),
    ],
)
@pytest.mark.slow
def test_an_until_that_is_neither_true_nor_false_fails_at_once(
    tmp_path: Path, command: str, until: str, reason: str
) -> None:
    outputs = "outputs: {n: {}}"
    project = Project(tmp_path, WRONG.format(command=json.dumps(command), until=until, outputs=outputs))
    project.run().expect(1)
    judge = project.status().step("judge")
    assert judge["reason"].startswith(reason)
    assert (judge["failure"], len(judge["attempts"])) == ("fatal", 1)
    assert project.lines("worked") == ["x"]


@pytest.mark.slow
def test_a_rework_that_fails_is_retried_with_the_same_feedback_and_then_skips_what_follows(tmp_path: Path) -> None:
    script = """
- attempt:
    "1": [{run: echo word >> words.txt}]
    "2": [{expect: {prompt_contains: there are 1 lines}}, crash]
    "3": [{expect: {prompt_contains: there are 1 lines}}, {expect: {notice_contains: crash}}, crash]
    "4": [{expect: {prompt_contains: there are 1 lines}}, {run: "echo word >> words.txt; echo word >> words.txt"}]
"""
    project = Project(tmp_path, team(), files={"draft.yaml": script}, git=True)
    project.run().expect(1)
    shown = project.status()
    assert shown.failures("draft") == [None, "crash", "crash"]
    assert causes(shown, "draft") == [("first", None), ("rework", 1), ("retry", None)]
    assert shown.statuses == {"draft": "failed", "count": "skipped", "review": "skipped", "beside": "succeeded",
                              "ship": "skipped"}  # fmt: skip
    project.run().expect(0)
    assert causes(project.status(), "draft")[3:] == [("retry", None)]
    assert project.lines("words.txt") == ["word"] * 3


SLOW_ROUND = """
- attempt:
    "1": [{run: echo word >> words.txt}]
    "2": [{run: touch second}, {sleep: 30s}]
    "3": [{expect: {prompt_contains: there are 1 lines}}, {run: "echo word >> words.txt; echo word >> words.txt"}]
- echo: session
"""


@pytest.mark.slow
def test_an_interrupted_round_goes_on_with_its_feedback_and_session(tmp_path: Path) -> None:
    project = Project(tmp_path, team(), files={"draft.yaml": SLOW_ROUND}, git=True)
    process = project.popen("run", "--progress", "plain")
    while not project.exists("second"):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 130
    between = project.status()
    assert between.statuses["draft"] == "waiting"
    assert between.step("review")["loop"]["round"] == 2
    project.run().expect(0)
    shown = project.status()
    assert causes(shown, "draft") == [("first", None), ("rework", 1), ("resume", 2)]
    assert len({attempt["session"] for attempt in shown.step("draft")["attempts"]}) == 1
    assert shown.step("review")["loop"]["round"] == 2
    assert project.read("setups") == "setup\n"


TWO = """
agents:
  work: {command: echo x >> worked}
  first:
    depends_on: [work]
    command: test "$(wc -l < worked)" -ge 2 && echo true || echo false
    outputs: {ok: boolean}
    loop: {until: outputs.ok, max: 3, rework: work}
  second:
    depends_on: [work]
    command: sleep 0.3; test "$(wc -l < worked)" -ge 4 && echo true || echo false
    outputs: {ok: boolean}
    loop: {until: outputs.ok, max: 3, rework: work}
  both: {depends_on: [first, second], command: cat worked}
"""


@pytest.mark.slow
def test_two_loops_may_rework_the_same_step(tmp_path: Path) -> None:
    project = Project(tmp_path, TWO)
    project.run("--max-parallel", "4").expect(0)
    shown = project.status()
    assert len(project.lines("worked")) == 4
    assert shown.step("first")["loop"]["round"] == 2
    assert shown.step("second")["loop"]["round"] <= 3


NESTED = """
agents:
  draft: {command: echo d >> drafts}
  inner:
    depends_on: [draft]
    command: test "$(( $(wc -l < drafts) % 2 ))" = 0 && echo true || echo false
    outputs: {ok: boolean}
    loop: {until: outputs.ok, max: 2, rework: draft}
  outer:
    depends_on: [inner]
    command: test "$(wc -l < drafts)" = 6 && echo true || echo false
    outputs: {ok: boolean}
    loop: {until: outputs.ok, max: 3, rework: draft}
"""


@pytest.mark.slow
def test_a_loop_within_a_loop_starts_over_in_each_round(tmp_path: Path) -> None:
    project = Project(tmp_path, NESTED)
    project.run().expect(0)
    assert len(project.lines("drafts")) == 6
    assert project.status().step("outer")["loop"]["round"] == 3
    assert project.status().step("inner")["loop"]["round"] == 2


CONDITION = """
agents:
  work: {command: 'echo x >> worked; wc -l < worked'}
  even: {if: "agents.work.text == '2'", command: echo even >> evens}
  judge:
    depends_on: {work: succeeded, even: passed}
    command: test "$(wc -l < worked)" = 4 && echo true || echo false
    outputs: {ok: boolean}
    loop: {until: outputs.ok, max: 5, rework: work}
"""


@pytest.mark.slow
def test_a_condition_between_is_looked_at_in_every_round(tmp_path: Path) -> None:
    project = Project(tmp_path, CONDITION)
    project.run().expect(0)
    assert project.lines("evens") == ["even"]
    assert project.status().statuses["even"] == "skipped"


CONTINUE = """
agents:
  work:
    command: echo x >> worked; test "$(wc -l < worked)" -ge 3
    continue_on_error: true
  judge:
    depends_on: {work: finished}
    command: test "$(wc -l < worked)" = 3 && echo true || echo false
    outputs: {ok: boolean}
    loop: {until: outputs.ok, max: 5, rework: work}
"""


@pytest.mark.slow
def test_a_failed_step_is_reworked_too(tmp_path: Path) -> None:
    project = Project(tmp_path, CONTINUE)
    project.run().expect(0)
    shown = project.status()
    assert shown.failures("work") == ["exit", "exit", None]
    assert causes(shown, "work") == [("first", None), ("rework", None), ("rework", None)], "a failed session is left"


@pytest.mark.slow
def test_a_loop_whose_rework_was_left_out_says_so(tmp_path: Path) -> None:
    project = Project(tmp_path, team(), files={"draft.yaml": WRITES}, git=True)
    project.run("team.yaml", "draft", "count").expect(0)
    project.run("team.yaml", "--from", "review").expect(1)
    reason = project.status().step("review")["reason"]
    assert reason.endswith("and draft, which it reworks, is not among the steps of this run")

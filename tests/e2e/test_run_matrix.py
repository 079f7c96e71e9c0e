"""A matrix over results: steps that a run adds to itself, pairs, other lists, limits, and what is seen of it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, proves

ITEMS = [f"i{number:02}" for number in range(40)]

MIGRATION = """
limits: {max_parallel: 4, max_steps: 100}
agents:
  plan:
    command: cat list.json
    outputs: {items: {type: array, items: {type: object, required: [id], properties: {id: {type: string}}}}}
  migrate:
    matrix: {item: agents.plan.outputs.items}
    env: {ITEM: "{{ matrix.item.id }}", TO: "{{ matrix.item.to }}"}
    command: |
      set -e
      echo "migrate $ITEM $TO" >> ran
      test ! -e "bad/$ITEM"
      test ! -e "flaky/$ITEM" || test "$TEAMFLOW_ATTEMPT" -gt 1
      echo "$ITEM is $TO"
    retry: {attempts: 2, delay: 10ms, backoff: fixed}
    max_failures: 3
  check:
    matrix: migrate
    env: {ITEM: "{{ matrix.item.id }}", SAID: "{{ agents.migrate.text }}"}
    command: echo "check $ITEM" >> ran; test "$SAID" = "$ITEM is $(echo "$SAID" | cut -d' ' -f3)"
  report:
    command: [sh, -c, 'echo "report $0" >> ran', "{{ agents.check.instances | length }}"]
    depends_on: [check]
"""


def listed(names: Sequence[str], to: str = "new") -> str:
    return json.dumps([{"id": name, "to": to} for name in names])


def ran(project: Project) -> Counter[str]:
    return Counter(project.lines("ran"))


def migration(place: Path, *, bad: Sequence[str] = (), flaky: Sequence[str] = ()) -> Project:
    files = {"list.json": listed(ITEMS), **{f"bad/{name}": "" for name in bad}, **{f"flaky/{n}": "" for n in flaky}}
    return Project(place, MIGRATION, files=files)


@pytest.mark.slow
@proves(team=["limits.max_steps"], agent=["max_failures"])
def test_a_migration_stops_when_told_and_converges(tmp_path: Path) -> None:
    project = migration(tmp_path, bad=ITEMS[:6], flaky=ITEMS[6:12])
    project.run().expect(1)
    shown = project.status()
    assert len(shown.steps) == 2 + 2 * 40, "the steps that stand for others are not shown"
    statuses = Counter(shown.statuses[f"migrate/{name}"] for name in ITEMS)
    # Three have failed for good; at most those that ran beside the third can be more.
    assert 3 <= statuses["failed"] <= 6
    events = project.events()
    failed = [at for at, event in enumerate(events) if event["kind"] == "StepEnded" and event["status"] == "failed"]
    begun = [
        event["step"] for event in events[failed[2] :] if event["kind"] == "AttemptStarted" and event["attempt"] == 1
    ]
    assert not [step for step in begun if step.startswith("migrate/")], "no further one starts"
    assert statuses["cancelled"] > 0
    cancelled = next(name for name in ITEMS if shown.statuses[f"migrate/{name}"] == "cancelled")
    assert "max_failures of 3 reached" in shown.step(f"migrate/{cancelled}")["reason"]
    assert shown.step(f"migrate/{cancelled}")["attempts"] == []
    assert shown.statuses[f"check/{cancelled}"] == shown.statuses["report"] == "skipped"
    assert all(len(shown.step(f"migrate/{name}")["attempts"]) == 2 for name in ITEMS[:3])
    for name in ITEMS[:6]:
        (project.root / "bad" / name).unlink()
    project.run().expect(0)
    shown = project.status()
    assert shown.data["run"] == 1
    assert set(shown.statuses.values()) == {"succeeded"}
    lines = ran(project)
    assert all(lines[f"check {name}"] == 1 for name in ITEMS), "nothing is done twice"
    assert all(lines[f"migrate {name} new"] == 1 for name in ITEMS[12:])
    assert lines["report 40"] == 1
    added = [event for event in project.events() if event["kind"] == "StepsAdded"]
    assert [event["parent"] for event in added] == ["migrate/?", "check/?"]
    assert len(project.plan("--new")["steps"]) == 4


SMALL = """
agents:
  plan: {command: cat list.json, outputs: {items: array}}
  build:
    matrix: {item: agents.plan.outputs.items}
    command: [sh, -c, 'echo "build $0 $1" >> ran; echo "$0:$1"', "{{ matrix.item.id }}", "{{ matrix.item.to }}"]
  test:
    matrix: build
    command: [sh, -c, 'echo "test $0 $1" >> ran', "{{ step.id }}", "{{ agents.build.text }}"]
  all: {command: [sh, -c, 'echo "all $0" >> ran', "{{ agents.build.instances | join(' ') }}"]}
  other: {command: test -e go}
"""


def small(place: Path, *names: str, team: str = SMALL) -> Project:
    return Project(place, team, files={"list.json": listed(names)})


def again(project: Project, *words: str, code: int = 0) -> list[str]:
    """What a call ran, by its own ledger."""
    before = len(project.lines("ran"))
    project.run(*words).expect(code)
    return sorted(project.lines("ran")[before:])


@pytest.mark.slow
def test_another_list_keeps_what_is_the_same(tmp_path: Path) -> None:
    project = small(tmp_path, "a", "b", "c")
    assert again(project, code=1) == [
        "all a b c", "build a new", "build b new", "build c new", "test test/a a:new", "test test/b b:new",
        "test test/c c:new",
    ]  # fmt: skip
    project.write("list.json", json.dumps([{"id": "d", "to": "new"}, {"id": "b", "to": "new"}, {"id": "c", "to": "x"}]))
    assert again(project, "--force", "plan", code=1) == [
        "all d b c", "build c x", "build d new", "test test/c c:x", "test test/d d:new",
    ]  # fmt: skip
    shown = project.status()
    assert [name for name in shown.steps if name.startswith("build")] == ["build/d", "build/b", "build/c"]
    assert len(shown.step("build/b")["attempts"]) == len(shown.step("test/b")["attempts"]) == 1
    assert len(shown.step("build/c")["attempts"]) == 2
    assert "its matrix value changed" in project.why("build/c")
    project.write("go", "")
    assert again(project) == []
    assert project.status().statuses["other"] == "succeeded"


@pytest.mark.slow
def test_a_revision_keeps_what_it_does_not_redefine(tmp_path: Path) -> None:
    project = small(tmp_path, "a", "b")
    again(project, code=1)
    project.team(SMALL.replace("test -e go", "test -e gone"))
    assert again(project, code=1) == []
    project.team(SMALL.replace("test $0 $1", "checks $0 $1"))
    assert again(project, code=1) == ["checks test/a a:new", "checks test/b b:new"]
    project.team(SMALL.replace("agents.plan.outputs.items}", "'agents.plan.outputs.items[1:]'}"))
    assert again(project, code=1) == ["all b", "test test/b b:new"], "test is what it was, and build/b never changed"
    assert "build/a" not in project.status().statuses
    project.team(SMALL)
    assert again(project, code=1) == ["all a b", "test test/a a:new"], "build/a has its result still; test/a checked"
    revisions = [event["reason"] for event in project.events() if event["kind"] == "PlanRevised"]
    assert revisions == ["the team file has changed"] * 4
    # From a list that a run finds to one that stands in the file, and back.
    project.team(SMALL.replace("agents.plan.outputs.items}", "[{id: a, to: new}, {id: z, to: new}]}"))
    assert again(project, code=1) == [
        "all a z", "build a new", "build z new", "test test/a a:new", "test test/z z:new",
    ]  # fmt: skip
    project.team(SMALL)
    assert "build b new" not in again(project, code=1)
    assert list(project.status().statuses) == ["plan", "build/a", "build/b", "test/a", "test/b", "all", "other"]


@pytest.mark.slow
def test_a_part_of_it(tmp_path: Path) -> None:
    project = small(tmp_path, "a", "b", "c")
    assert again(project, "test/b") == ["build b new", "test test/b b:new"]
    assert list(project.status().statuses) == ["plan", "build/b", "test/b"]
    assert again(project, "build/a", "build/c", "--new") == ["build a new", "build c new"]
    missing = project.run("build/x", "--new").expect(1)
    assert "there is no build/x: there are build/a, build/b, build/c" in missing.said
    assert project.call("run", "build/-x").expect(2).said.count("error[unknown-step]") == 1
    assert again(project, "--new", code=1)[0] == "all a b c"
    assert again(project, "--force", "build/b", code=1) == ["all a b c", "build b new", "test test/b b:new"]
    assert again(project, "--from", "all", code=0) == []
    assert again(project, "--from", "all", "--new") == ["all a b c"], "results of another run's instances"


TEXTS = """
agents:
  plan: {command: cat list.json, outputs: {items: array}}
  work:
    matrix: agents.plan.outputs.items
    workdir: "parts/{{ matrix.item.id }}"
    reads: ["parts/{{ matrix.item.id }}/in"]
    if: matrix.item.id != 'off'
    env: {SLUG: "{{ step.slug }}", VALUE: "{{ matrix.item }}"}
    command: 'echo "$SLUG in $(basename "$PWD"): $(cat in)" > out; echo "$SLUG" >> ../../ran'
    outputs: {made: {file: "parts/{{ matrix.item.id }}/out"}}
  after:
    matrix: work
    depends_on: {work: passed}
    command: [sh, -c, 'echo "$0"', "{{ agents.work.outputs.made if agents.work.outputs else 'nothing' }}"]
"""


@pytest.mark.slow
def test_every_text_of_an_instance_has_its_values(tmp_path: Path) -> None:
    files = {"list.json": listed(["a", "b", "off"]), "parts/a/in": "1", "parts/b/in": "2"}
    project = Project(tmp_path, TEXTS, files=files)
    assert again(project) == ["work--a", "work--b"]
    assert project.read("parts/a/out") == "work--a in a: 1\n"
    shown = project.status()
    assert shown.statuses["work/off"] == "skipped"
    assert shown.step("work/off")["reason"] == "if: matrix.item.id != 'off'"
    assert shown.step("work/a")["workspace"] == f"{project.root}/parts/a"
    assert [shown.text(f"after/{name}") for name in ("a", "b", "off")] == ["parts/a/out", "parts/b/out", "nothing"]
    project.write("parts/b/in", "3")
    planned = {step["id"]: step["action"] for step in project.plan()["steps"]}
    assert planned == {"plan": "run", "work/?": "undecided", "after/?": "undecided"}
    assert again(project) == ["work--b"], "the other is in the cache"
    assert project.status().statuses["work/a"] == "cached"
    assert "parts/b/in changed" in project.why("work/b")


OUTSIDE = """
agents:
  plan: {command: "echo '[\\"..\\", \\"fine\\"]'", outputs: {names: array}}
  there: {matrix: agents.plan.outputs.names, workdir: "{{ matrix.item }}", command: pwd, continue_on_error: true}
  reads: {matrix: agents.plan.outputs.names, reads: ["{{ matrix.item }}/x"], command: pwd, continue_on_error: true}
  makes:
    {matrix: agents.plan.outputs.names, outputs: {o: {file: "{{ matrix.item }}/o"}}, command: "true",
     continue_on_error: true}
"""


@pytest.mark.slow
def test_a_value_does_not_lead_out_of_the_workspace(tmp_path: Path) -> None:
    project = Project(tmp_path, OUTSIDE, files={"parts/fine/x": "", "fine/x": ""})
    project.run().expect(0)
    shown = project.status()
    [bad] = [name for name in shown.steps if name.startswith("there/") and name != "there/fine"]
    hashed = bad.partition("/")[2]
    for agent, told in (("there", 'workdir: ".."'), ("reads", 'reads: "../x"'), ("makes", 'outputs.o: "../o"')):
        assert shown.failures(f"{agent}/{hashed}") == ["start"]
        assert shown.step(f"{agent}/{hashed}")["attempts"][0]["reason"] == f"{told} leads out of the workspace"
    assert shown.statuses["there/fine"] == shown.statuses["reads/fine"] == "succeeded"


ODD = """
agents:
  plan: {command: cat list.json, outputs: {names: {}}}
  show:
    matrix: agents.plan.outputs.names
    env: {VALUE: "{{ matrix.item }}"}
    command: 'printf "%s" "$VALUE"'
  count: {command: [echo, "{{ agents.show.instances | length }}"]}
"""
VALUES: list[Any] = [
    "plain", "$(touch pwned)", "'; touch pwned; '", "new\nline", "a/b", "../..", "über", "\u202e\x1b[31m", "x" * 300,
    "?", ".", "x.lock", 3, -1, 2.5, True, None, {"id": "named", "x": [1]}, {"no": "id"}, ["a"],
    "{{ inputs.x }}", "\x7f", "",
]  # fmt: skip


@pytest.mark.slow
def test_odd_values_are_values(tmp_path: Path) -> None:
    project = Project(tmp_path, ODD, files={"list.json": json.dumps(VALUES)})
    project.run().expect(0)
    shown = project.status()
    names = [name for name in shown.steps if name.startswith("show/")]
    assert shown.text("count") == str(len(VALUES)) == str(len(names))
    texts = [value if isinstance(value, str) else json.dumps(value) for value in VALUES]
    assert [shown.text(name) for name in names] == texts
    assert all(name.isascii() and len(name) < 70 for name in names)
    assert not project.exists("pwned")
    assert "show/plain" in names
    assert "show/named" in names


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "told"),
    [
        ('"text"', "matrix.item must be a list, but agents.plan.outputs.names is a text"),
        ('{"a": 1}', "is a map"),
        ("null", "is null"),
        ('["a", "a"]', "matrix.item holds a twice, so two steps would be one: give each entry its own value"),
        ('[{"id": 1}, "1"]', "holds 1 twice"),
    ],
)
def test_what_is_no_list_of_different_things_fails_the_agent(tmp_path: Path, names: str, told: str) -> None:
    project = Project(tmp_path, ODD, files={"list.json": names})
    project.run().expect(1)
    shown = project.status()
    assert shown.statuses == {"plan": "succeeded", "show/?": "failed", "count": "skipped"}
    assert told in shown.step("show/?")["reason"]
    assert told in project.why("show/?")
    project.write("list.json", '["x"]')
    project.run("--force", "plan").expect(0)
    assert project.status().statuses == {"plan": "succeeded", "show/x": "succeeded", "count": "succeeded"}


@pytest.mark.slow
def test_text_that_cannot_be_stored_or_passed_on(tmp_path: Path) -> None:
    """Halves of surrogate pairs, and a NUL, which no environment can hold."""
    project = Project(tmp_path, ODD, files={"list.json": '["\\ud800", "fine", "a\\u0000b"]'})
    project.run().expect(1)
    statuses = project.status().statuses
    assert sorted(statuses.values()).count("failed") == 1
    assert statuses["show/fine"] == "succeeded"


@pytest.mark.slow
def test_an_empty_list_is_no_failure_and_is_told(tmp_path: Path) -> None:
    team = ODD + "  pair: {matrix: show, command: touch never}\n  end: {command: touch end, depends_on: [pair]}\n"
    project = Project(tmp_path, team, files={"list.json": "[]"})
    done = project.run("--junit", "j.xml").expect(0)
    assert "show/?: its matrix is empty, so it has no instances" in done.err
    assert "empty    show/?, pair/?: no instances" in done.err
    shown = project.status()
    assert shown.text("count") == "0"
    assert shown.statuses["show/?"] == shown.statuses["end"] == "succeeded"
    assert shown.step("show/?")["reason"] == "no instances"
    assert "no instances" in project.why("show/?")
    assert project.exists("end")
    assert not project.exists("never")
    cases = ET.fromstring(project.read("j.xml")).iter("testcase")
    assert [case.get("name") for case in cases] == ["plan", "show/?", "count", "pair/?", "end"]


@pytest.mark.slow
def test_what_is_seen_of_it(tmp_path: Path) -> None:
    project = small(tmp_path, "a", "b")
    planned = project.call("plan").expect(0).out
    assert "? build/?" in planned
    assert "its instances are known once plan has ended" in planned
    assert "the run may add steps without a limit" in planned
    done = project.run("--junit", "j.xml", "--events", "e").expect(1)
    assert "build/?: 2 instances: build/a, build/b" in done.err
    assert "run 1 of team starts: 5 steps" in done.err
    shown = project.status()
    assert list(shown.steps) == ["plan", "build/a", "build/b", "test/a", "test/b", "all", "other"]
    assert shown.step("build/a")["depends_on"] == ["plan"], "what its matrix needed"
    assert shown.step("test/a")["depends_on"] == ["build/a"]
    assert shown.step("all")["depends_on"] == ["build/a", "build/b"]
    assert {step["parent"] for step in shown.steps.values()} == {None}
    assert "build/?" not in project.read("j.xml")
    assert "build/?" not in project.call("status").expect(0).out
    [added] = [e for e in map(json.loads, project.lines("e")) if e["kind"] == "StepsAdded" and e["parent"] == "build/?"]
    items = {"build/a": {"id": "a", "to": "new"}, "build/b": {"id": "b", "to": "new"}}
    assert added["instances"] == {step: {"item": item} for step, item in items.items()}
    going_on = project.plan()
    actions = {step["id"]: step["action"] for step in going_on["steps"]}
    assert actions == {
        **dict.fromkeys(("plan", "build/a", "build/b", "test/a", "test/b", "all"), "cached"),
        "other": "run",
    }
    assert going_on["edges"] == [
        ["plan", "build/a"], ["plan", "build/b"], ["build/a", "test/a"], ["build/b", "test/b"], ["build/a", "all"],
        ["build/b", "all"],
    ]  # fmt: skip
    assert going_on["most_steps"] == 7
    project.team(SMALL.replace("cat list.json", "cat ./list.json"))
    again = {step["id"]: step for step in project.plan()["steps"]}
    assert again["build/?"]["action"] == again["build/a"]["action"] == "undecided"
    assert again["build/a"]["reason"].startswith("if build/? gives it again: succeeded at")
    assert again["all"]["action"] == "cached", "unless there are other instances"


OVER = "limits: {max_steps: 3}\n" + SMALL.replace("test -e go", "'true'")


@pytest.mark.slow
def test_yes_goes_over_max_steps(tmp_path: Path) -> None:
    project = small(tmp_path, "a", "b", team=OVER)
    planned = project.plan()
    assert planned["most_steps"] == 6
    project.run("--yes").expect(0)
    assert len(project.status().steps) == 7


@pytest.mark.slow
def test_more_than_max_steps_is_never_cut_but_asked(tmp_path: Path) -> None:
    project = small(tmp_path, "a", "b", "c", "d", team=OVER)
    ended = project.run().expect(4)
    assert "build/? would add 4 steps, and limits.max_steps is 3. Add them?" in ended.err
    shown = project.status()
    assert (shown.data["status"], shown.data["exit_reason"]) == ("limited", "limit")
    assert shown.statuses == {
        "plan": "succeeded", "build/?": "waiting", "test/?": "pending", "all": "pending", "other": "succeeded",
    }  # fmt: skip
    # The same question, until somebody answers it.
    project.run().expect(4)
    assert [(each["id"], each["kind"]) for each in project.status().data["questions"]] == [("1.1", "budget")]
    assert {step["id"]: step["action"] for step in project.plan()["steps"]}["build/?"] == "ask"
    project.call("approve", "build/?").expect(0)
    project.run().expect(4)
    (asked,) = [each for each in project.status().data["questions"] if each["answered"] is None]
    assert asked["text"].startswith("test/? would add 4 steps to the 4 that were added before")
    assert len(project.lines("ran")) == 5, "four builds, and what waits for no test"
    # Another list is another question, and a limit that is high enough is an answer.
    project.write("list.json", listed("abc"))
    project.run("--force", "plan").expect(4)
    project.team(OVER.replace("max_steps: 3", "max_steps: 6"))
    project.run().expect(0)
    assert sorted(name for name in project.status().steps if "/" in name) == [
        "build/a", "build/b", "build/c", "test/a", "test/b", "test/c",
    ]  # fmt: skip


@pytest.mark.slow
def test_more_steps_are_refused(tmp_path: Path) -> None:
    project = small(tmp_path, "a", "b", "c", "d", team=OVER)
    project.run().expect(4)
    project.call("reject", "1.1", "--note", "too many").expect(0)
    project.run().expect(1)
    shown = project.status()
    assert shown.statuses["build/?"] == "failed"
    assert shown.statuses["test/?"] == shown.statuses["all"] == "skipped"
    assert "too many" in shown.step("build/?")["reason"]
    project.run("--yes").expect(0)
    assert len(project.status().steps) == 11

"""`teamflow test`: cases with scripts, recordings and faults; what is as expected, what is not, what cannot be read."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.e2e.project import Project
from tests.fakes.here import here

TEAM = """
inputs: {n: {type: integer, default: 1}}
defaults: {engine: claude, permissions: edit, retry: {delay: 1h}}
agents:
  plan: {prompt: "{{ inputs.n }}", outputs: {x: integer}}
  left: {prompt: l, depends_on: [plan], workspace: {mode: worktree}, timeout: 1h}
  right: {prompt: r, depends_on: [plan], workspace: {mode: worktree}, fallback: [{engine: codex}]}
  ok: {ask: "go on?", depends_on: [left, right]}
  both: {command: 'cat a b; echo "$N"', env: {N: "{{ inputs.n }}"}, depends_on: [ok, left, right],
         workspace: {mode: worktree}}
"""
TESTS = """
cases:
  happy path:
    inputs: {n: 7}
    agents: &agents
      plan: {script: [{outputs: {x: 3}}]}
      left: {script: left.yaml}
      right: {script: [{write: {path: b, text: "right\\n"}}, {say: written}]}
    answers: {ok: approve}
    expect:
      status: succeeded
      exit: 0
      route: [plan, [left, right], ok, both]
      attempts: {left: 1, right: [succeeded]}
      outputs: {plan: {x: 3}}
      text: {both: [left, right, "7"]}
  everything goes wrong:
    agents: *agents
    answers: {ok: reject}
    faults:
      plan: {"1": bad_json}
      left: {"1": hang, "2": {crash_after: {events: 0}}}
    expect:
      status: failed
      exit: 1
      attempts: {plan: [output, succeeded], left: [timeout, crash]}
      skipped: [both, ok]
  a limit is waited for:
    agents: *agents
    answers: {ok: reject}
    faults: {left: {"1": {usage_limit: {reset: 5h}}}}
    expect: {attempts: {left: [usage_exhausted, succeeded]}, steps: {ok: failed}}
  they meet:
    agents: *agents
    answers: {ok: approve}
    faults: {left: {"1": {conflict: same}}, right: {"1": {conflict: same}}}
    expect: {status: failed, steps: {both: failed}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    team = TEAM.replace(", fallback: [{engine: codex}]", "").replace(
        "defaults:", "limits: {on_usage_limit: wait}\ndefaults:"
    )
    files = {"team.test.yaml": TESTS, "left.yaml": '- write: {path: a, text: "left\\n"}\n- say: written\n'}
    project = Project(tmp_path, team, files=files, git=True)
    (tmp_path / "tmp").mkdir()
    return project


def test_cases_are_as_expected(project: Project) -> None:
    env = {"TMPDIR": str(project.place / "tmp")}
    done = project.call("test", "--junit", "report.xml", env=env).expect(0)
    assert [line.split(" (")[0] for line in done.out.splitlines()] == [
        "ok      team.test.yaml: happy path",
        "ok      team.test.yaml: everything goes wrong",
        "ok      team.test.yaml: a limit is waited for",
        "ok      team.test.yaml: they meet",
        "4 cases, all as expected",
    ]
    suites = ElementTree.fromstring(project.read("report.xml"))
    assert {key: suites.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "4",
        "failures": "0",
        "errors": "0",
    }
    assert not project.exists(".teamflow"), "nothing of the project is touched"
    assert not [name for name in os.listdir(project.place / "tmp") if "test" in name], "no copy is left"
    assert not (project.place / "state").exists(), "no other run is told anything"


@pytest.mark.slow
def test_what_is_not_as_expected_is_shown(project: Project) -> None:
    project.write(
        "team.test.yaml",
        TESTS.replace("route: [plan, [left, right], ok, both]", "route: [plan, left, both]")
        .replace("{x: 3}}\n      text", "{x: 4}}\n      text")
        .replace('"7"]', "eight]"),
    )
    done = project.call("test", "-k", "HAPPY", "--junit", "r.xml").expect(1)
    lines = [line.strip() for line in done.out.splitlines()]
    assert lines[0].startswith("FAILED  team.test.yaml: happy path")
    assert "expected  plan → left → both" in lines
    assert "outputs.plan.x   team.test.yaml:15:24" in lines
    assert "expected  … eight …" in lines
    assert lines[-1] == "1 case: 1 failed"
    failure = ElementTree.fromstring(project.read("r.xml")).find(".//failure")
    assert failure is not None
    assert failure.get("message") == "route, outputs.plan.x, text.both"


@pytest.mark.slow
def test_why_steps_failed_is_told_and_the_copy_can_be_kept(project: Project) -> None:
    project.write(
        "team.test.yaml",
        TESTS.replace(
            "plan: {script: [{outputs: {x: 3}}]}", "plan: {script: [{fail: {class: fatal, reason: no idea how}}]}"
        ),
    )
    env = {"TMPDIR": str(project.place / "tmp")}
    done = project.call("test", "-k", "happy", "--keep", env=env).expect(1)
    lines = [line.strip() for line in done.out.splitlines()]
    (reason,) = [line for line in lines if line.startswith("plan: failed")]
    assert "no idea how" in reason
    (copy,) = [line.removeprefix("its copy is left in ") for line in lines if line.startswith("its copy")]
    assert "no idea how" in here(copy, "why", "plan", env=project.environ)[1]


@pytest.mark.slow
def test_no_values_are_asked_for_where_no_server_is_started(tmp_path: Path) -> None:
    team = """
secrets: {SHOP_TOKEN: {env: SHOP_TOKEN}}
agents:
  shop:
    prompt: Buy.
    engine: claude
    permissions: edit
    secrets: [SHOP_TOKEN]
    mcp_servers: {n: {url: "https://shop.example/mcp", headers: {Authorization: "Bearer ${SHOP_TOKEN}"}}}
"""
    cases = "cases: {one: {agents: {shop: {script: [{say: bought}]}}, expect: {status: succeeded}}}\n"
    project = Project(tmp_path, team, files={"team.test.yaml": cases}, git=True)
    assert project.call("test").expect(0).out.splitlines()[-1] == "1 case, all as expected"


@pytest.mark.slow
def test_a_recording_is_played_in_a_case(project: Project) -> None:
    scripted = TEAM.replace("engine: claude", "engine: scripted, script: s.yaml").replace(
        ", fallback: [{engine: codex}]", ""
    )
    project.team(scripted.replace("defaults:", "limits: {on_usage_limit: wait}\ndefaults:"), "rec.yaml")
    project.write("s.yaml", "- write: {path: '{{ x }}', text: x}\n- outputs: {x: 3}\n".replace("{{ x }}", "b"))
    project.git("add", ".")
    project.git("commit", "-qm", "a")
    project.run("rec.yaml")
    project.call("record", "-o", "fix").expect(0)
    project.write(
        "rec.test.yaml",
        """
cases:
  all:
    recording: fix
    answers: {ok: reject}
    expect: {route: [plan, [left, right], ok], outputs: {plan: {x: 3}}}
  one, cut:
    agents: {plan: {recording: "fix#plan"}, left: {recording: "fix#right"}, right: {script: [{say: x}]}}
    answers: {ok: reject}
    faults: {left: {"1": {crash_after: {events: 1}}, "2": {crash_after: {bytes: 0}}}, plan: {"1": {usage_limit: {}}}}
    expect: {attempts: {left: [crash, crash], plan: [usage_exhausted, succeeded]}}
  none of that:
    agents: {plan: {recording: "fix#plan"}}
    expect: {steps: {left: failed}}
  nowhere:
    agents: {plan: {recording: "fix#nobody"}}
    expect: {status: failed}
""",
    )
    done = project.call("test", "rec.yaml").expect(1)
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == ["ok", "ok", "ok", "error", "4"], done.out
    assert "fix has no step nobody: it has " in done.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1:1: error[wrong-type]: a test file is a map"),
        ("- a\n", "1:1: error[wrong-type]: a test file is a map"),
        ("cases: {}\n", "1:8: error[wrong-type]"),
        ("cases: {a: {}}\n", 'error[missing-key]: the key "expect" is missing'),
        ("cases:\n  a:\n    expect:\n", '3:5: error[no-value]: the key "expect" has no value'),
        ("cases: {a: {expect: {}}}\n", "error[wrong-value]: it expects nothing"),
        (
            "cases:\n  a:\n    expact: {exit: 0}\n    expect: {exit: 0}\n",
            '3:5: error[unknown-key]: there is no key "expact"',
        ),
        ("cases: {a: {expect: {exit: none}}}\n", "1:28: error[wrong-type]"),
        ("cases: {a: {expect: {status: fine}}}\n", "1:30: error[wrong-value]"),
        ("cases: {a: {expect: {exit: 0}, agents: {b: {}}}}\n", "one of both"),
        ("cases: {a: {expect: {exit: 0}, agents: {b: {script: [{sey: x}]}}}}\n", 'unknown action "sey"'),
        ("cases: {a: {expect: {exit: 0}, faults: {b: {x: hang}}}}\n", "expected the number of an attempt"),
        ('cases: {a: {expect: {exit: 0}, faults: {b: {"1": hung}}}}\n', '"hung" is no fault; did you mean "hang"?'),
        ('cases: {a: {expect: {exit: 0}, faults: {b: {"1": {crash_after: {}}}}}}\n', "events or bytes"),
        (
            'cases: {a: {expect: {exit: 0}, faults: {b: {"1": {hang: true, bad_json: true}}}}}\n',
            "one word, or a map with one",
        ),
        ("cases: {a: {expect: {attempts: {b: [fine]}}}}\n", "error[wrong-value]"),
        ("cases: {a: {expect: {exit: 0}}, a: {expect: {exit: 1}}}\n", "error[duplicate-key]"),
        ("cases: {a: {inputs: , expect: {exit: 0}}}\n", '1:13: error[no-value]: the key "inputs" has no value'),
        (
            "cases: {a: {expect: {route: [plan, [lift]]}}}\n",
            '1:37: error[unknown-agent]: team.yaml has no agent "lift"',
        ),
        (
            "cases: {a: {expect: {steps: {nob/x: failed}}}}\n",
            '1:30: error[unknown-agent]: team.yaml has no agent "nob"',
        ),
        (
            'cases: {a: {faults: {left: {"1": {conflict: ../x}}}, expect: {exit: 0}}}\n',
            "1:45: error[wrong-value]: expected a path below the step's directory",
        ),
        ("cases: {a: {steps: [pln], expect: {exit: 0}}}\n", "1:21: error[unknown-agent]"),
        ("cases: {a: {answers: {okay: approve}, expect: {exit: 0}}}\n", 'did you mean "ok"?'),
        (
            'cases: {a: {faults: {both: {"1": hang}}, expect: {exit: 0}}}\n',
            '1:22: error[wrong-value]: "both" is no agent',
        ),
        ("cases: {a: {agents: {ok: {script: []}}, expect: {exit: 0}}}\n", "people are given answers"),
        (
            "cases: {a: {team: gone.yaml, expect: {exit: 0}}}\n",
            "1:19: error[file-unreadable]: there is no team file gone.yaml",
        ),
        ("team: gone.yaml\ncases: {a: {expect: {exit: 0}}}\n", "1:7: error[file-unreadable]"),
        ("team: team.test.yaml\ncases: {a: {expect: {exit: 0}}}\n", "team.test.yaml:1:1: error[missing-key]"),
        ("\x00", "error["),
    ],
)
def test_test_files_are_read_strictly(project: Project, text: str, said: str) -> None:
    project.write("team.test.yaml", text)
    done = project.refused("test")
    assert said in done.said, done.said
    assert "Traceback" not in done.said


@pytest.mark.slow
def test_words_that_name_nothing(project: Project) -> None:
    assert "no case has 'nothing'" in project.call("test", "-k", "nothing").expect(2).said
    assert "there is no such test file" in project.call("test", "other.test.yaml").expect(2).said
    for word in ("other.yaml", "other"):
        said = project.call("test", word).expect(2).said
        assert f"{word}: its cases would be in other.test.yaml, and there is no such file" in said
    project.write("lone.test.yaml", "cases: {a: {expect: {exit: 0}}}\n")
    lone = project.call("test", "lone.test.yaml").expect(2)
    assert "lone.test.yaml:1:12: error[file-unreadable]: there is no team file lone.yaml" in lone.said
    (project.root / "lone.test.yaml").unlink()
    project.write("team.test.yaml", "cases: {a: {inputs: {none: 1}, expect: {exit: 0}}}\n")
    broken = project.call("test", "team.test.yaml")
    assert broken.code == 1


@pytest.mark.slow
def test_all_files_of_the_project_or_none(project: Project) -> None:
    """Without words every test file counts; one with an error, and nothing is run."""
    project.team(TEAM.replace(", fallback: [{engine: codex}]", ""), "deep/er/other.yaml")
    project.write(
        "deep/er/other.test.yaml", "cases: {a: {steps: [plan], agents: {plan: {script: []}}, expect: {exit: 1}}}\n"
    )
    found = project.call("test", "-k", "a limit").expect(0).out
    assert "team.test.yaml: a limit is waited for" in found
    all_of_it = project.call("test", "--junit", "r.xml").out
    assert "deep/er/other.test.yaml: a" in all_of_it
    assert "5 cases" in all_of_it
    assert [suite.get("name") for suite in ElementTree.fromstring(project.read("r.xml"))] == [
        "team.test.yaml",
        "deep/er/other.test.yaml",
    ]
    # From below, and the same file twice.
    assert project.call("test", "deep/er/other.yaml", "deep/er/other.test.yaml", "-k", "a").out.count("other.test") == 1
    project.write("deep/er/other.test.yaml", "cases: {a: {expect: {exit: no}}}\n")
    broken = project.call("test").expect(2)
    assert "deep/er/other.test.yaml:1:28: error[wrong-type]" in broken.said
    assert "ok " not in broken.said, "nothing is run"
    os.mkfifo(project.root / "pipe.test.yaml")
    assert "pipe.test.yaml: is not a regular file" in project.call("test").expect(2).said


@pytest.mark.slow
def test_a_fault_that_never_comes_and_what_is_not_there(project: Project) -> None:
    project.write(
        "team.test.yaml",
        """
cases:
  never:
    steps: [plan]
    agents: {plan: {script: [{outputs: {x: 3}}]}}
    faults:
      plan: {"2": hang}
      left: {"1": bad_json}
    expect:
      status: failed
  nowhere:
    recording: gone
    expect: {exit: 0}
  no script:
    agents:
      plan: {script: gone.yaml}
    expect: {exit: 0}
""",
    )
    said = project.call("test", "team.yaml").expect(1).out
    lines = [line.strip() for line in said.splitlines()]
    assert "status   team.test.yaml:10:7" in lines
    assert "faults.plan.2   team.test.yaml:7:14" in lines
    assert "got       1 attempt of plan" in lines
    assert "faults.left.1   team.test.yaml:8:14" in lines
    assert "got       left did not run" in lines
    assert "team.test.yaml:12:5: gone: manifest.json: No such file or directory" in lines
    assert "team.test.yaml:16:14: gone.yaml: No such file or directory" in lines


OUTSIDE = """
cases:
  one: {expect: {status: succeeded}}
"""


@pytest.mark.slow
@pytest.mark.parametrize("word", ["named", "by a link"])
def test_files_of_another_project_are_not_run(project: Project, tmp_path: Path, word: str) -> None:
    mark = tmp_path / "mark"
    other = Project(tmp_path / "other", {"agents": {"a": {"command": ["touch", str(mark)]}}}, git=True)
    test = other.write("team.test.yaml", OUTSIDE)
    if word == "named":
        done = project.call("test", str(test)).expect(3)
    else:
        (project.root / "linked.test.yaml").symlink_to(test)
        project.team("agents: {a: {command: 'true'}}", "linked.yaml")
        done = project.call("test").expect(3)
    assert str(test) in done.err
    assert "from outside of this project" in done.err
    assert not done.out
    other.call("test").expect(0)
    assert mark.exists()


@pytest.mark.slow
def test_what_is_trusted_can_be_tested(tmp_path: Path) -> None:
    include = tmp_path / "include.yaml"
    include.write_text("agents: {a: {command: echo hi}}\n")
    project = Project(tmp_path / "own", {"include": [str(include)]}, files={"team.test.yaml": OUTSIDE}, git=True)
    told = project.call("test").expect(1).out
    assert "if you trust it: `teamflow run team.yaml --trust`" in told
    assert "recording" not in told
    project.call("run", "--trust").expect(0)
    project.call("test").expect(0)
    include.write_text("agents: {a: {command: echo other}}\n")
    assert "needs your trust" in project.call("test").expect(1).out

"""Which steps run, when, and after what: edges, conditions, matrices, selection, limits of the whole run, inputs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.e2e.project import Project, proves

EDGES = """
defaults: {continue_on_error: true}
inputs: {off: {type: boolean, default: false}, names: {type: array, default: [x, y]}}
agents:
  says: {command: "echo '{\\"yes\\": false}'", outputs: {yes: boolean}}
  bad: {command: echo this is wrong; exit 1}
  told: {command: [echo, "{{ agents.bad.text }}, {{ agents.bad.status }}"], depends_on: {bad: failed}}
  unverified: {command: "echo looked fine", verify: ["false"]}
  told_too: {command: [echo, "{{ agents.unverified.text }}"], depends_on: {unverified: finished}}
  static_off: {command: touch static_off, if: inputs.off}
  late_off: {command: touch late_off, if: agents.says.outputs.yes}
  late_on:
    command: touch late_on
    if: not agents.says.outputs.yes and agents.bad.status == 'failed'
    depends_on: {bad: finished}
  on_bad: {command: touch on_bad, depends_on: {bad: failed}}
  after_bad: {command: touch after_bad, depends_on: [bad]}
  finished: {command: touch finished, depends_on: {bad: finished, static_off: finished}}
  passed: {command: touch passed, depends_on: {static_off: passed, late_off: passed}}
  not_passed: {command: touch not_passed, depends_on: {bad: passed}}
  of_skipped: {command: touch of_skipped, depends_on: [static_off]}
  of_of_skipped: {command: touch of_of_skipped, depends_on: {of_skipped: passed}}
  failed_of_good: {command: touch failed_of_good, depends_on: {says: failed}}
  both: {command: touch both, depends_on: {says: succeeded, bad: failed}}
  grid:
    matrix: {os: [linux, mac], v: [1, 2]}
    command: [sh, -c, 'echo "$0" >> grid', "{{ matrix.os }}-{{ matrix.v }}"]
  listed: {matrix: [a, {id: b, n: 2}], command: [echo, "{{ matrix.item }}"]}
  by_input: {matrix: {n: inputs.names}, command: [echo, "{{ matrix.n }}"]}
  after_grid: {depends_on: [grid], command: wc -l < grid}
  gathers: {command: [echo, "{{ agents.listed.instances.a.text }}"]}
"""


@proves(agent=["depends_on", "if", "matrix"])
def test_edges_conditions_and_matrices(tmp_path: Path) -> None:
    project = Project(tmp_path, EDGES)
    project.run("--max-parallel", "4").expect(0)
    shown = project.status()
    expected = {
        "says": "succeeded",
        "bad": "failed",
        "told": "succeeded",
        "unverified": "failed",
        "told_too": "succeeded",
        "static_off": "skipped",
        "late_off": "skipped",
        "late_on": "succeeded",
        "on_bad": "succeeded",
        "after_bad": "skipped",
        "finished": "succeeded",
        "passed": "succeeded",
        "not_passed": "skipped",
        "of_skipped": "skipped",
        "of_of_skipped": "skipped",
        "failed_of_good": "skipped",
        "both": "succeeded",
        **dict.fromkeys(("grid/linux,1", "grid/linux,2", "grid/mac,1", "grid/mac,2"), "succeeded"),
        **dict.fromkeys(("listed/a", "listed/b", "by_input/x", "by_input/y"), "succeeded"),
        "after_grid": "succeeded",
        "gathers": "succeeded",
    }
    assert shown.statuses == expected
    for step, status in expected.items():
        assert project.exists(step) == (
            status == "succeeded" and step in ("late_on", "on_bad", "finished", "passed", "both", "grid")
        )
        if status == "skipped":
            assert shown.step(step)["reason"], f"{step} was skipped without a reason"
    assert sorted(project.lines("grid")) == ["linux-1", "linux-2", "mac-1", "mac-2"]
    assert project.log("after_grid").strip() == "4"
    assert project.log("gathers") == "a\n"
    assert project.log("told") == "this is wrong, failed\n", "what a failed step said is handed over, too"
    assert project.log("told_too") == "looked fine\n"
    assert project.log("listed/b") == '{"id": "b", "n": 2}\n'


@pytest.mark.slow
def test_a_failed_step_fails_the_run_and_other_branches_go_on(tmp_path: Path) -> None:
    team = """
agents:
  bad: {command: "echo line; exit 3"}
  other: {command: "sleep 0.3; touch other"}
  more: {command: touch more, depends_on: [other]}
  never: {command: touch never, depends_on: [bad]}
"""
    project = Project(tmp_path, team)
    project.run().expect(1)
    assert project.status().statuses == {"bad": "failed", "other": "succeeded", "more": "succeeded", "never": "skipped"}
    assert "bad" in project.why("never")


@pytest.mark.slow
def test_fail_fast_stops_the_others(tmp_path: Path) -> None:
    team = """
agents:
  bad: {command: "sleep 0.2; exit 3"}
  long: {command: sleep 600, grace: 200ms}
  more: {command: touch more, depends_on: [long]}
"""
    project = Project(tmp_path, team)
    project.run("--fail-fast").expect(1)
    statuses = project.status().statuses
    assert statuses["bad"] == "failed"
    assert statuses["long"] == "cancelled"
    assert statuses["more"] in ("cancelled", "skipped")
    assert not project.exists("more")


@pytest.mark.slow
@proves(team=["limits.max_parallel", "limits.engines"])
def test_no_more_at_once_than_allowed(tmp_path: Path) -> None:
    agent = "command: 'echo + >> ledger; sleep 0.1; echo - >> ledger'"
    talks = "prompt: x, engine: scripted, script: s.yaml, permissions: read"
    script = '- append: {path: talk, text: "+\\n"}\n- sleep: 150ms\n- append: {path: talk, text: "-\\n"}\n'
    team = f"""
limits: {{max_parallel: 3, engines: {{scripted: 1}}}}
agents:
  c: {{matrix: [1, 2, 3, 4, 5, 6, 7], {agent}}}
  p: {{matrix: [1, 2, 3], {talks}}}
"""
    project = Project(tmp_path, team, files={"s.yaml": script})
    project.run().expect(0)
    assert _most(project.lines("ledger")) in (2, 3)
    assert _most(project.lines("talk")) == 1
    project.run("--new", "--max-parallel", "1").expect(0)
    assert _most(project.lines("ledger")[14:]) == 1


def _most(lines: list[str]) -> int:
    most = now = 0
    for line in lines:
        now += 1 if line == "+" else -1
        most = max(most, now)
    assert now == 0
    return most


@pytest.mark.slow
@proves(team=["limits.timeout"])
def test_the_time_of_a_run_is_limited_and_it_goes_on_later(tmp_path: Path) -> None:
    team = """
limits: {timeout: 4s}
agents:
  first: {command: touch first}
  long: {command: 'test -e go || sleep 60', grace: 200ms, depends_on: [first]}
  last: {command: touch last, depends_on: [long]}
"""
    project = Project(tmp_path, team)
    done = project.run().expect(4)
    shown = project.status()
    assert shown.data["status"] == "limited"
    assert shown.data["exit_reason"] == "limit"
    assert shown.statuses == {"first": "succeeded", "long": "waiting", "last": "pending"}
    assert "goes on" in done.err
    project.write("go", "")
    assert "raise it" in project.run().expect(4).err, "the time is that of the whole run"
    project.team(team.replace("4s", "60s"))
    project.run().expect(0)
    shown = project.status()
    assert shown.data["run"] == 1
    assert shown.statuses == dict.fromkeys(("first", "long", "last"), "succeeded")
    assert len(shown.step("first")["attempts"]) == 1


@proves(team=["limits.orphan_after"])
@pytest.mark.slow
def test_a_keeper_without_a_runner_stops_after_a_while(tmp_path: Path) -> None:
    team = "limits: {orphan_after: 1s}\nagents: {a: {command: 'touch began; sleep 600', grace: 100ms}}"
    project = Project(tmp_path, team)
    process = project.popen("run")
    _until(lambda: project.exists("began"))
    process.kill()
    process.communicate()
    journal = project.run_dir() / "keeper.journal"
    _until(lambda: any('"e":"exit"' in line.replace(" ", "") for line in journal.read_text().splitlines()))
    assert "orphaned" in journal.read_text()


def _until(condition: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


SELECT = """
agents:
  a: {command: echo a >> ran}
  b: {command: echo b >> ran, depends_on: [a]}
  c: {command: echo c >> ran, depends_on: [b]}
  x: {command: echo x >> ran}
  m: {matrix: [1, 2], command: [sh, -c, 'echo "$0" >> ran', "m{{ matrix.item }}"]}
"""


@pytest.mark.slow
def test_steps_are_selected_with_what_they_need(tmp_path: Path) -> None:
    project = Project(tmp_path, SELECT)
    project.run("b", "--new").expect(0)
    assert project.lines("ran") == ["a", "b"]
    project.run("m/2", "--new").expect(0)
    assert project.lines("ran")[2:] == ["m2"]
    project.run("--until", "b", "--new").expect(0)
    assert project.lines("ran")[3:] == ["a", "b"]
    project.run("--from", "b", "--new")
    assert project.lines("ran")[5:] in (["b", "c"], ["a", "b", "c"])
    unknown = project.run("nobody").expect(2)
    assert "nobody" in unknown.err
    assert "nob" in project.run("m/7").expect(2).err or "m/7" in project.run("m/7").err


@pytest.mark.slow
@proves(agent=["start"])
def test_a_never_started_agent_is_no_step(tmp_path: Path) -> None:
    project = Project(tmp_path, "agents: {a: {command: touch a}, h: {start: never, command: touch h}}")
    project.run().expect(0)
    assert project.status().statuses == {"a": "succeeded"}
    assert "h" in project.run("h", "--new").expect(2).err
    assert not project.exists("h")


INPUTS = """
inputs:
  who: {type: string, default: me}
  n: {type: integer, default: 1}
  list: {type: array, items: {type: string}, default: []}
  need: string
agents:
  a:
    command: [sh, -c, 'printf "%s\\\\n" "$@" > said', x, "{{ inputs.who }}", "{{ inputs.n }}", "{{ inputs.list }}",
              "{{ inputs.need }}"]
"""


@pytest.mark.slow
def test_inputs_are_given_defaulted_and_checked(tmp_path: Path) -> None:
    project = Project(tmp_path, INPUTS, files={"text": "from a file\n", "list.json": '["p", "q"]'})
    missing = project.run().expect(2)
    assert "need" in missing.err
    assert "-i need=VALUE" in missing.err
    project.run("-i", "need=@text", "-i", "n=7", "-i", "list=@list.json", "-i", "who=@@me").expect(0)
    assert project.lines("said") == ["@me", "7", '["p", "q"]', "from a file", ""]
    assert "n" in project.run("-i", "need=x", "-i", "n=seven").expect(2).err
    assert "nobody" in project.run("-i", "nobody=x").expect(2).err
    assert "no-file" in project.run("-i", "need=@no-file").expect(2).err
    assert project.status().data["inputs"] == {"who": "@me", "n": 7, "list": ["p", "q"], "need": "from a file\n"}


@pytest.mark.slow
def test_settings_are_overridden_on_the_command_line(tmp_path: Path) -> None:
    team = """
defaults: {engine: scripted, script: s.yaml, permissions: read}
agents: {a: {prompt: x, timeout: 60s}, b: {command: sleep 60, timeout: 60s, grace: 100ms}}
"""
    project = Project(tmp_path, team, files={"s.yaml": "- say: one\n", "t.yaml": "- say: two\n"})
    project.run("--set", "agents.b.timeout=300ms", "--set", "agents.a.timeout=50s").expect(1)
    assert project.status().failures("b") == ["timeout"]
    assert 'no agent "x"' in project.run("--set", "agents.x.timeout=1s").expect(2).err
    project.run("--set", "nonsense").expect(2)
    assert "retired" in project.run("--set", "agents.a.retired=1s").expect(2).err
    project.run("a", "--new", "--set", "agents.a.model=opus").expect(0)
    assert project.status().step("a")["model"] == "opus"


@pytest.mark.slow
def test_files_are_found_by_name_and_upward(tmp_path: Path) -> None:
    project = Project(
        tmp_path, None, files={"teams/nightly.yaml": "agents: {a: {command: pwd}}", "sub/x": ""}, git=True
    )
    project.run("nightly").expect(0)
    assert project.status().data["file"] == "teams/nightly.yaml"
    assert project.log("a") == f"{project.root}\n"
    project.run("nobody.yaml").expect(2)
    project.run().expect(2)
    assert json.loads(project.call("status", "--json").out)["team"] == "nightly"

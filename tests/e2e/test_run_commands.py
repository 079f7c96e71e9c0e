"""How command steps run: shell and argv, phases, limits, retry, verify, outputs, isolation."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.keeper_driver import has_pidns
from tests.e2e.project import Done, Project, Shown, proves

TEAM = """
defaults: {continue_on_error: true}
limits: {max_parallel: 8, log_size: 64KiB}
agents:
  plain: {command: echo one two}
  shell: {command: "echo one   two | cat"}
  quotes: {command: "echo 'a  b' \\"c  d\\" e\\\\ f"}
  list: {command: [echo, "a  b", "$HOME", "*", "{{ step.id }}"]}
  nostdin: {command: cat}
  missing_plain: {command: no-such-program-here a b}
  missing_shell: {command: "no-such-program-here a b; exit $?"}
  missing_list: {command: [no-such-program-here, a]}
  missing_path: {command: ["./not/here"]}
  not_executable: {command: [./data.txt]}
  not_executable_sh: {command: ./data.txt}
  signalled: {command: "kill -SEGV $$"}
  exits: {command: exit 7}
  elsewhere: {command: pwd, workdir: sub/deep, target: local}
  nowhere: {command: pwd, workdir: not/there}
  set_up:
    command: 'test -e made && echo agent >> order'
    workspace: {setup: 'touch made; echo setup >> order', mode: shared}
    verify: ['echo v1 >> order', 'echo v2 >> order']
  bad_setup: {command: touch never, workspace: {setup: "echo no setup; exit 4"}}
  slow: {command: sleep 60, timeout: 300ms, grace: 100ms}
  silent: {command: "echo x; sleep 60", idle_timeout: 400ms, grace: 100ms}
  busy: {command: "for i in $(seq 16); do date > sub/busy; sleep 0.2; done", idle_timeout: 3s}
  stubborn: {command: "trap '' INT TERM; while :; do sleep 0.05; done", timeout: 200ms, grace: 300ms}
  floods: {command: "yes 0123456789 | head -c 1000000; sleep 60", grace: 100ms}
  tries:
    command: 'echo "$TEAMFLOW_ATTEMPT" >> tries; test "$TEAMFLOW_ATTEMPT" = 3'
    retry: {attempts: 3, backoff: fixed, delay: 50ms, max_delay: 60ms}
  gives_up: {command: exit 9, retry: {attempts: 2, backoff: linear, delay: 10ms}}
  checked:
    command: 'echo run >> checked; echo "$TEAMFLOW_ATTEMPT" > checked.n'
    verify: ['grep -q 2 checked.n']
    retry: {attempts: 2}
  unchecked: {command: "true", verify: ["true", "echo not good; exit 5", "touch third"]}
  files:
    command: 'mkdir -p out; echo data > out/x.txt'
    outputs: {x: {file: out/x.txt}}
  link: {command: ln -s /etc/passwd link, outputs: {x: {file: link}}}
  no_file: {command: "true", outputs: {x: {file: out/never.txt}}}
  schema:
    command: 'echo noise; echo "{\\"n\\": 3, \\"l\\": [1, 2]}"'
    outputs: {n: integer, l: {type: array, items: {type: integer}}}
  bare: {command: 'echo 42', outputs: {n: integer}}
  wrong: {command: 'echo "{\\"n\\": \\"three\\"}"', outputs: {n: integer}}
  daemon: {command: "sleep 30 & echo parent"}
  gets:
    command: [sh, -c, 'echo "$1|$2|$3|$4" > got; cat "$2" >> got', x, "{{ agents.schema.outputs.n }}",
              "{{ agents.files.outputs.x }}", "{{ agents.bare.text }}", "{{ agents.schema.outputs.l }}"]
    depends_on: [files, schema, bare]
"""


class World(NamedTuple):
    project: Project
    done: Done
    shown: Shown

    def failed(self, step: str, failure: str, reason: str = "") -> None:
        assert self.shown.statuses[step] == "failed"
        assert set(self.shown.failures(step)) == {failure}
        assert reason in self.shown.step(step)["reason"], self.shown.step(step)["reason"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    project = Project(
        tmp_path_factory.mktemp("commands"), TEAM, files={"data.txt": "no program\n", "sub/deep/.keep": ""}
    )
    done = project.run().expect(0)
    return World(project, done, project.status())


@proves(agent=["command", "workdir", "target"], team=["agents", "defaults"])
def test_a_string_runs_as_under_sh_and_a_list_as_it_is(world: World) -> None:
    log = world.project.log
    assert log("plain") == log("shell") == "one two\n"
    assert log("quotes") == "a  b c  d e f\n"
    assert log("list") == "a  b $HOME * list\n"
    assert log("nostdin") == ""
    assert log("elsewhere") == f"{world.project.root}/sub/deep\n"
    assert world.shown.step("elsewhere")["target"] == "local"


def test_what_is_not_found_ends_as_in_the_shell_or_cannot_start(world: World) -> None:
    for step in ("missing_plain", "missing_shell"):
        world.failed(step, "exit", "127")
        assert world.shown.step(step)["attempts"][0]["exit_code"] == 127
        assert "not found" in world.project.log(step)
    assert world.project.log("missing_plain") == world.project.log("missing_shell")
    for step in ("missing_list", "missing_path", "not_executable"):
        world.failed(step, "start")
    assert "is it installed" in world.shown.step("missing_list")["reason"]
    assert "chmod +x" in world.shown.step("not_executable")["reason"]
    world.failed("nowhere", "start", "its workdir must be there")
    world.failed("not_executable_sh", "exit", "126")


def test_exit_codes_and_signals(world: World) -> None:
    world.failed("exits", "exit", "exited 7")
    world.failed("signalled", "crash", "SIGSEGV")


@proves(agent=["workspace", "workspace.setup", "workspace.mode", "verify"])
def test_setup_then_the_command_then_verify(world: World) -> None:
    assert world.project.lines("order") == ["setup", "agent", "v1", "v2"]
    world.failed("bad_setup", "setup", "exited 4")
    assert not world.project.exists("never")
    world.failed("unchecked", "verify", "exited 5")
    assert not world.project.exists("third")
    assert world.shown.failures("checked") == ["verify", None]
    assert len(world.project.lines("checked")) == 2


@proves(agent=["timeout", "idle_timeout", "grace"], team=["limits", "limits.log_size"])
def test_limits_end_a_step(world: World) -> None:
    world.failed("slow", "timeout", "300ms")
    world.failed("silent", "idle", "400ms")
    world.failed("stubborn", "timeout")
    world.failed("floods", "log_limit", "64KiB")
    assert world.shown.statuses["busy"] == "succeeded", "a changed file is a sign of life"
    assert len(world.shown.step("stubborn")["attempts"]) == 1
    for step, least in (("slow", 0.3), ("silent", 0.4), ("stubborn", 0.5)):
        assert least - 0.05 <= _seconds(world.shown.step(step)["attempts"][0]), step


def _seconds(attempt: dict[str, str]) -> float:
    from datetime import datetime

    begun, ended = (datetime.fromisoformat(attempt[key]) for key in ("started", "ended"))
    return (ended - begun).total_seconds()


@proves(agent=["retry", "retry.attempts", "retry.backoff", "retry.delay", "retry.max_delay", "continue_on_error"])
def test_attempts_are_counted_and_delayed(world: World) -> None:
    assert world.shown.failures("tries") == ["exit", "exit", None]
    assert world.project.lines("tries") == ["1", "2", "3"]
    assert [attempt["cause"] for attempt in world.shown.step("tries")["attempts"]] == ["first", "retry", "retry"]
    assert world.shown.failures("gives_up") == ["exit", "exit"]
    assert "all 2 attempts used" in world.shown.step("gives_up")["reason"]
    delays = {e["step"]: e["delay"] for e in world.project.events() if e["kind"] == "RetryScheduled"}
    assert 0.03 <= delays["tries"] <= 0.06
    assert 0.005 <= delays["gives_up"] <= 0.01
    assert delays["checked"] == 0
    assert world.shown.data["status"] == "succeeded", "every failure was tolerated"


@proves(agent=["outputs"])
def test_outputs_are_checked_and_handed_on(world: World) -> None:
    step = world.shown.step
    assert step("files")["outputs"] == {"x": "out/x.txt"}
    assert [artifact["path"] for artifact in step("files")["artifacts"]] == ["out/x.txt"]
    assert step("schema")["outputs"] == {"n": 3, "l": [1, 2]}
    assert step("bare")["outputs"] == {"n": 42}
    world.failed("no_file", "output", "out/never.txt")
    world.failed("wrong", "output", "n")
    world.failed("link", "output", "leads out of")
    assert "\n" not in step("link")["reason"]
    assert world.project.lines("got") == ["3|out/x.txt|42|[1, 2]", "data"]


def test_a_step_ends_when_its_main_process_ends(world: World) -> None:
    assert world.shown.statuses["daemon"] == "succeeded"
    assert _seconds(world.shown.step("daemon")["attempts"][0]) < 15


@pytest.mark.slow
@proves(agent=["isolation"])
@pytest.mark.skipif(not has_pidns(), reason="this machine gives us no PID namespaces")
def test_isolation_gives_a_process_namespace(tmp_path: Path) -> None:
    team = "agents: {a: {command: 'echo $$; readlink /proc/self/ns/pid', isolation: pidns}}"
    project = Project(tmp_path, team)
    project.run().expect(0)
    pid, namespace = project.log("a").split()
    assert int(pid) < 10
    assert namespace != os.readlink("/proc/self/ns/pid")


SAME = [
    "echo a b",
    "echo 'a b'   c",
    'echo "x y"',
    "printf %s\\\\n one two",
    "echo a\\ b",
    "echo ''",
    "true",
    "false",
    "ls /does/not/exist",
    "no-such-thing",
    "./data.txt",
    "/etc",
    "echo ~",
    "echo $HOME",
    "A=1 env",
    "echo a; echo b",
    "exit 3",
    "cd sub",
    "test -e sub",
    "[ -e nothing ]",
    "echo *",
    "echo a#b",
    "echo a #b",
    "echo {a,b}",
    "! true",
    "sub/tool x 'y z'",
    "type echo",
    ": nothing",
]


@pytest.mark.slow
def test_a_string_gives_what_sh_gives(tmp_path: Path) -> None:
    import subprocess

    files = {"data.txt": "x\n", "sub/tool": '#!/bin/sh\nfor i; do echo "[$i]"; done\n'}
    agents = {f"s{number}": {"command": text, "continue_on_error": True} for number, text in enumerate(SAME)}
    project = Project(tmp_path, {"agents": agents}, files=files)
    (project.root / "sub/tool").chmod(0o755)
    project.run().expect(0)
    shown = project.status()
    for number, text in enumerate(SAME):
        if text.endswith("env"):
            continue
        expected = subprocess.run(
            ["/bin/sh", "-c", text], cwd=project.root, env=project.environ, capture_output=True, text=True, check=False
        )
        attempt = shown.step(f"s{number}")["attempts"][0]
        assert (attempt["exit_code"], project.log(f"s{number}")) == (
            expected.returncode,
            expected.stdout + expected.stderr,
        ), text


@pytest.mark.slow
def test_text_handed_on_is_cut_in_the_middle_and_stripped_of_one_newline(tmp_path: Path) -> None:
    team = """
agents:
  long: {command: "echo begin; yes 0123456789 | head -c 500000; echo; echo end"}
  wide: {command: "echo begin; yes äöü€ | head -c 500000; echo; echo end"}
  newlines: {command: "printf 'a\\\\n\\\\n'"}
  empty: {command: "true"}
  many: {command: [PYTHON, -c, "print(list(range(50000)))"], outputs: {l: array}}
  takes: {prompt: "{{ agents.long.text }} {{ agents.wide.text }}", engine: scripted, script: s.yaml, permissions: read}
outputs: {newlines: agents.newlines.text, empty: agents.empty.text, takes: agents.takes.text}
"""
    project = Project(tmp_path, team.replace("PYTHON", sys.executable), files={"s.yaml": "- echo: prompt\n"})
    project.run().expect(0)
    shown = project.status()
    for step in ("long", "wide", "takes"):
        text = shown.text(step)
        assert 100 * 1000 < len(text.encode()) <= 100 * 1024
        assert text.startswith("begin\n")
        assert text.endswith("\nend")
        assert "bytes left out" in text
    assert shown.data["outputs"]["newlines"] == "a\n"
    assert shown.data["outputs"]["empty"] == ""
    assert len(shown.step("many")["outputs"]["l"]) == 50000

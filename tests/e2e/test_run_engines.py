"""Engines that the team file defines, run: small programs that stand for one-shot agent CLIs.

`cli.py` answers in JSON and keeps sessions in files; `vibe.py` takes options and prints entries as Mistral's vibe does.
"""

from __future__ import annotations

import json
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from teamflow.app.answered import answered
from teamflow.store.sqlite import Database
from tests.e2e.project import Done, Project, Shown, proves
from tests.fakes.agents import acp

CLI = """
import json, os, sys
prompt = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
options = dict(word[2:].split("=", 1) for word in sys.argv[1:])
session = options.get("resume") or f"s-{os.getpid()}"
path = f"sessions/{session}"
os.makedirs("sessions", exist_ok=True)
with open(path, "a") as file:
    file.write(prompt + "\\n--\\n")
turns = open(path).read().count("\\n--\\n")
print("warning: this is not JSON")
print("on stderr", file=sys.stderr)
answers = json.load(open("answers.json"))[os.environ["TEAMFLOW_AGENT"]]
answer = answers[min(turns, len(answers)) - 1]
if answer.get("touch"):
    open(answer["touch"], "w")
told = {"prompt": prompt, "turn": turns, "model": options.get("model"), "set": os.environ.get("CLI_MODEL"),
        "login": os.environ.get("CLI_LOGIN"), "mode": os.environ["CLI_MODE"]}
print(json.dumps({"id": session, "out": {"text": answer.get("text", json.dumps(told))}, "failed": answer.get("failed"),
                  "stats": {"in": 10 * turns, "out": turns}, "price": 0.25}, indent=1))
sys.exit(answer.get("code", 0))
"""

VIBE = """
import argparse, json, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("-p", "--prompt", nargs="?", const="")
parser.add_argument("--output", choices=["text", "json", "streaming"], default="text")
parser.add_argument("--resume", nargs="?", const=True)
parser.add_argument("--auto-approve", action="store_true")
args = parser.parse_args()
if args.prompt is None:
    sys.exit("it would be interactive")
prompt = args.prompt or sys.stdin.read().strip()
if not prompt:
    sys.exit("Error: No prompt provided for programmatic mode")
session = args.resume or "5f3c0d0e"
if args.resume and not os.path.exists(f"vibe-{args.resume}"):
    sys.exit(f"Error: Session not found: {args.resume}")
open(f"vibe-{session}", "a").write("turn\\n")
turns = open(f"vibe-{session}").read().count("turn")

def entry(kind, **values):
    print(json.dumps({"id": "e", "sessionId": session, "turnId": "t", "createdAt": 1, "updatedAt": 2,
                      "generationStatus": "completed", "relatedEntryId": None, "type": kind, **values}), flush=True)

def message(role, text):
    entry("message", role=role, content=[{"type": "text", "text": text}], source=None)

message("user", prompt)
message("assistant", "Let me look.")
entry("effect", title="bash: ls", detail={}, state={"status": "completed"})
message("assistant", f"turn {turns} with {os.environ.get('VIBE_ACTIVE_MODEL')}: {prompt}")
"""

ENGINES = """
engines:
  upper: {command: [tr, a-z, A-Z]}
  cli:
    command: [python3, -ISE, cli.py]
    prompt: stdin
    output: json
    message: out.text
    error: failed
    session: id
    usage: {input_tokens: stats.in, output_tokens: stats.out, usd: price}
    resume: ["--resume={{ session }}"]
    model: ["--model={{ model }}"]
    env: {CLI_MODE: one-shot, CLI_MODEL: "{{ model }}"}
    inherit_env: [CLI_LOGIN]
  forgetful:
    command: [python3, -ISE, cli.py]
    output: json
    message: out.text
    env: {CLI_MODE: forgetful}
  vibe:
    command: [python3, -ISE, vibe.py, -p, --output, streaming, --auto-approve]
    prompt: ["--prompt={{ prompt }}"]
    long_prompt: stdin
    output: json-lines
    message: "[role=assistant].content[type=text].text"
    session: sessionId
    resume: [--resume, "{{ session }}"]
    env: {VIBE_ACTIVE_MODEL: "{{ model }}"}
  argument: {command: [printf, "%s|"], prompt: argument}
  words: {command: [printf, "%s|"], prompt: [--prompt, "{{ prompt }}", -x], model: [-m, "{{ model }}"]}
  file: {command: [sh, -c, 'echo noise >&2; cat "$1"', sh], prompt: file}
  either: {command: [sh, -c, 'printf %s "${1-}" | wc -c; wc -c', sh], prompt: argument, long_prompt: stdin}
"""

TEAM = (
    ENGINES
    + """
defaults: {permissions: read, continue_on_error: true, retry: {attempts: 1, delay: 10ms}}
agents:
  shout: {engine: upper, prompt: hello, instructions: Be loud.}
  told: {engine: cli/large, prompt: "After {{ agents.shout.text }}", instructions: Be exact.}
  model: {engine: cli, model: small, prompt: x}
  plain: {engine: cli, prompt: x}
  checked: {engine: cli, prompt: do it, retry: {attempts: 2}, verify: ["echo not yet; test -e checked"]}
  fitted: {engine: cli, prompt: count, outputs: {n: integer}}
  forgot:
    engine: forgetful
    prompt: do it
    retry: {attempts: 2}
    verify: ["test -e forgot || { touch forgot; false; }"]
  reported: {engine: cli, prompt: x}
  refused: {engine: cli, prompt: x}
  vibe:
    engine: vibe/devstral
    prompt: "--help me"
    retry: {attempts: 2}
    verify: ["test -e vibed || { touch vibed; false; }"]
  vibe_long: {engine: vibe, prompt: "{{ inputs.much }}"}
  argument: {engine: argument, prompt: "- one\\n- two"}
  words: {engine: words/m1, prompt: "'\\"$(x)\\n"}
  file: {engine: file, prompt: "in a file"}
  fits: {engine: either, prompt: "{{ inputs.fits }}"}
  long: {engine: either, prompt: "{{ inputs.much }}"}
  too_long: {engine: argument, prompt: "{{ inputs.much }}", workspace: {setup: "true"}}
  nul: {engine: argument, prompt: "{{ agents.nuls.text }}"}
  nuls: {command: 'printf "a\\\\000b"'}
outputs: {last: agents.file.text}
"""
)
ANSWERS = """{
 "told": [{}], "model": [{}], "plain": [{}],
 "checked": [{"text": "first"}, {"touch": "checked"}],
 "fitted": [{"text": "no idea"}, {"text": "Here: {\\"n\\": 7}"}],
 "forgot": [{}],
 "reported": [{"failed": {"message": "no credit left"}}],
 "refused": [{"failed": "not allowed", "code": 3}]
}"""
MUCH = "x" * (8 * 1024 + 1)


class World(NamedTuple):
    project: Project
    done: Done
    shown: Shown


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    files = {"cli.py": CLI, "vibe.py": VIBE, "answers.json": ANSWERS, "much.txt": MUCH, "fits.txt": MUCH[1:]}
    team = TEAM.replace("agents:", "inputs: {much: string, fits: string}\nagents:", 1)
    project = Project(tmp_path_factory.mktemp("engines"), team, files=files)
    words = ("-i", "much=@much.txt", "-i", "fits=@fits.txt", "--max-parallel", "6")
    done = project.run(*words, env={"CLI_LOGIN": "token-of-mine"}).expect(0)
    return World(project, done, project.status())


def said(world: World, step: str) -> dict[str, Any]:
    """What `cli.py` says that it was told."""
    found: dict[str, Any] = json.loads(world.shown.text(step))
    return found


def attempts(world: World, step: str, key: str) -> list[Any]:
    return [attempt[key] for attempt in world.shown.step(step)["attempts"]]


@proves(team=["engines", "engines.*.command", "engines.*.output"])
def test_a_filter_is_an_engine(world: World) -> None:
    assert world.shown.text("shout") == "BE LOUD.\n\nHELLO"
    assert world.shown.step("shout")["engine"] == "upper"
    assert "shout | HELLO" in world.done.err, "also a last line without an end is shown"


@proves(team=["engines.*.prompt", "engines.*.long_prompt"])
def test_prompts_by_every_way(world: World) -> None:
    assert said(world, "told")["prompt"] == "Be exact.\n\nAfter BE LOUD.\n\nHELLO"
    assert world.shown.text("argument") == "\n- one\n- two|", "it is no option"
    assert world.shown.text("words") == "-m|m1|--prompt|'\"$(x)\n|-x|"
    assert world.shown.text("file") == "in a file", "and what is on stderr is no part of it"
    written = world.project.run_dir() / "logs" / "file.1.prompt"
    assert written.read_text() == "in a file"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert world.shown.text("fits").split() == ["8192", "0"]
    assert world.shown.text("long").split() == ["0", "8193"]
    assert world.shown.text("vibe_long").endswith(MUCH)


def test_what_cannot_be_an_argument_fails_to_start_and_says_what_to_write(world: World) -> None:
    for step, fault in {"too_long": "8193 bytes, more than 8KiB", "nul": "NUL"}.items():
        assert world.shown.failures(step) == ["start"]
        assert fault in world.shown.step(step)["reason"]
        assert "long_prompt: stdin" in world.shown.step(step)["reason"]


@proves(
    team=[
        "engines.*.message", "engines.*.usage", "engines.*.usage.input_tokens", "engines.*.usage.output_tokens",
        "engines.*.usage.usd",
    ]
)  # fmt: skip
def test_message_and_usage_stand_in_its_json(world: World) -> None:
    assert said(world, "plain")["turn"] == 1
    assert 'plain | {"prompt": "x", "turn": 1' in world.done.err, "what it said is shown, though it came at the end"
    assert world.shown.step("plain")["usage"] == {"input_tokens": 10, "output_tokens": 1, "usd": 0.25}
    assert world.shown.step("checked")["usage"] == {"input_tokens": 30, "output_tokens": 3, "usd": 0.5}
    assert world.shown.step("shout")["usage"]["usd"] is None


@proves(team=["engines.*.model", "engines.*.env", "engines.*.inherit_env"], agent=["model"])
def test_models_and_variables_reach_it(world: World) -> None:
    models = {step: (said(world, step)["model"], said(world, step)["set"]) for step in ("told", "model", "plain")}
    assert models == {"told": ("large", "large"), "model": ("small", "small"), "plain": (None, None)}
    assert {said(world, step)["login"] for step in models} == {"token-of-mine"}
    assert said(world, "plain")["mode"] == "one-shot"
    assert said(world, "forgot")["login"] is None, "only the engine that declares it gets it"


@proves(team=["engines.*.session", "engines.*.resume"])
def test_after_verify_and_output_the_session_goes_on_and_is_told_why(world: World) -> None:
    assert world.shown.failures("checked") == ["verify", None]
    assert said(world, "checked")["turn"] == 2
    prompt = said(world, "checked")["prompt"]
    assert prompt.startswith("do it\n\nThe last attempt failed (verify): ")
    assert prompt.endswith("not yet")
    assert len(set(attempts(world, "checked", "session"))) == 1
    assert attempts(world, "fitted", "cause") == ["first", "repair"]
    assert len(set(attempts(world, "fitted", "session"))) == 1
    assert world.shown.step("fitted")["outputs"] == {"n": 7}
    told = (world.project.root / "sessions" / attempts(world, "fitted", "session")[0]).read_text()
    assert told.count("End with one JSON object") == 2, "the first attempt is told what is wanted, too"


def test_without_a_session_it_starts_afresh_and_is_told_why(world: World) -> None:
    assert world.shown.failures("forgot") == ["verify", None]
    assert said(world, "forgot")["turn"] == 1
    assert "The last attempt failed (verify)" in said(world, "forgot")["prompt"]
    assert attempts(world, "forgot", "session") == [None, None]


@proves(team=["engines.*.error"])
def test_a_reported_error_is_a_failure(world: World) -> None:
    assert world.shown.failures("reported") == world.shown.failures("refused") == ["exit"]
    assert world.shown.step("reported")["reason"] == "the agent reported an error: no credit left"
    assert attempts(world, "reported", "exit_code") == [0]
    assert attempts(world, "refused", "exit_code") == [3]
    assert world.shown.step("reported")["usage"]["usd"] == 0.25


def test_vibe_is_an_engine_by_configuration(world: World) -> None:
    assert world.shown.failures("vibe") == ["verify", None]
    last = world.shown.text("vibe").splitlines()
    assert last[0].endswith("with devstral: --help me")
    assert "failed (verify)" in last[2]
    assert attempts(world, "vibe", "session") == ["5f3c0d0e", "5f3c0d0e"]
    assert "vibe | Let me look." in world.done.err, "what it says is shown while it works"


# --- an ACP agent of the team file


AGENT = """
engines:
  goose: {command: [AGENT], output: acp, env: {FAKE_ACP: '[{"say": "hello"}, {"say": "Found it."}]'}}
  other: {command: [tr, a-z, A-Z]}
defaults: {permissions: full}
agents:
  a: {engine: goose, prompt: Find the bug.}
  b: {engine: other, prompt: small, depends_on: [a]}
  c: {command: "true"}
"""


@pytest.fixture
def acp_project(tmp_path: Path) -> Project:
    words = ", ".join((sys.executable, "-ISE", acp.__file__))
    return Project(tmp_path, AGENT.replace("AGENT", words))


@pytest.mark.slow
def test_the_lines_of_a_protocol_are_no_logs(acp_project: Project) -> None:
    acp_project.run().expect(0)
    shown = acp_project.call("logs", "a").expect(0).out
    assert "Found it." in shown
    assert "jsonrpc" not in shown
    raw = (acp_project.run_dir() / "logs/a.1.log").read_text()
    assert '"jsonrpc"' in raw


@pytest.mark.slow
def test_a_step_is_relaunched_with_any_engine_of_the_team_file(acp_project: Project) -> None:
    acp_project.run().expect(0)
    acp_project.call("relaunch", "b", "--engine", "goose").expect(0)
    done = acp_project.call("relaunch", "b", "--engine", "gose").expect(1)
    assert 'did you mean "goose"?' in done.said
    acp_project.run().expect(0)
    assert acp_project.status().text("b").endswith("Found it.")
    assert "jsonrpc" not in acp_project.call("logs", "b").expect(0).out


@pytest.mark.parametrize(
    "damage", ["UPDATE records SET kind = 'OfANewerOne'", "UPDATE plan_data SET data = x'7b7d'", "DELETE FROM plans"]
)
def test_of_a_run_that_cannot_be_read_no_model_is_known(damage: str, tmp_path: Path) -> None:
    """It is no reason why another run could not begin."""
    project = Project(tmp_path, "agents: {a: {command: 'true'}}")
    project.run().expect(0)
    with closing(sqlite3.connect(project.root / ".teamflow/state.db")) as database, database:
        database.execute(damage)
    found = Database.find(str(project.root), allow_network=True)
    assert found is not None
    with found:
        assert answered(found, "team.yaml", [("claude", "sonnet")]) == {}

"""How prompt steps run: what the agent is told, personas, repair, retry after verify, usage, progress."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.e2e.project import Done, Project, Shown, proves

TEAM = """
version: 1
name: named
description: A team.
include: inc/common.yaml
inputs: {who: {type: string, default: "{{ me }}"}}
defaults: {engine: scripted, permissions: read, continue_on_error: true, retry: {delay: 10ms}, script: prompt.yaml}
personas:
  plain: {instructions: "You are plain.\\n", timeout: 50s, env: {OF_PERSONA: p, BOTH: persona}}
  filed: {file: who/filed.md}
agents:
  told: {prompt: "For {{ inputs.who }} in {{ run.number }} at {{ step.id }}"}
  from_file: {prompt: {file: prompts/p.md}}
  instructed: {prompt: x, script: instructions.yaml, instructions: Be brief.}
  plain: {prompt: x, script: instructions.yaml, persona: plain, description: Has a persona.}
  filed: {prompt: x, script: instructions.yaml, persona: filed}
  own: {prompt: x, script: instructions.yaml, persona: filed, instructions: My own.}
  included: {prompt: x, script: instructions.yaml, persona: shared}
  as_default: {command: 'echo "$OF_PERSONA $BOTH $OF_INCLUDE"', persona: plain, env: {BOTH: agent}}
  reads_only: {prompt: x, script: permissions.yaml}
  edits: {prompt: x, script: permissions.yaml, permissions: edit}
  works: {prompt: x, script: works.yaml, permissions: edit, workspace: {mode: shared}, outputs: {f: {file: made/f.txt}}}
  verified:
    prompt: original
    script: verified.yaml
    permissions: edit
    verify: ['echo "note: $(cat note)"; grep -q good note']
  repaired: {prompt: x, script: repaired.yaml, outputs: {n: integer}, retry: {attempts: 1}}
  beyond_repair: {prompt: x, script: beyond.yaml, outputs: {n: integer}, retry: {attempts: 1}}
  twice: {prompt: x, script: crash.yaml}
  transient: {prompt: x, script: transient.yaml, retry: {attempts: 1, delay: 10ms}}
  auth: {prompt: x, script: auth.yaml}
  refused: {prompt: x, script: rejected.yaml}
  used: {prompt: x, script: used.yaml}
  tells: {prompt: x, script: progress.yaml}
  garbage: {prompt: x, script: garbage.yaml, retry: {attempts: 1}}
  hangs: {prompt: x, script: hang.yaml, timeout: 500ms, grace: 100ms, retry: {attempts: 1}}
outputs: {told: agents.told.text, file: agents.from_file.text}
"""
FILES = {
    "inc/common.yaml": "env: {OF_INCLUDE: included}\npersonas: {shared: {instructions: From the include.}}\n",
    "who/filed.md": "---\nname: filed\ndescription: From a file.\n---\nYou came from a file.\n",
    "prompts/p.md": "Filed prompt for {{ inputs.who }}\n",
    "prompt.yaml": "- echo: prompt\n",
    "instructions.yaml": "- echo: instructions\n",
    "permissions.yaml": "- echo: permissions\n",
    "works.yaml": "- write: {path: made/f.txt, text: made}\n- run: 'cat made/f.txt > copied'\n- say: done\n",
    "verified.yaml": """
- attempt:
    "1": [{write: {path: note, text: bad}}, {say: first}]
    "2": [{expect: {notice_contains: "note: bad"}}, {expect: {prompt_contains: original}}, {echo: session},
          {echo: notice}, {write: {path: note, text: good}}]
""",
    "repaired.yaml": """
- attempt:
    "1": [{say: "no json"}]
    "2": [{expect: {notice_contains: JSON}}, {outputs: {n: 3}}]
""",
    "beyond.yaml": "- say: never\n",
    "crash.yaml": '- attempt: {"1": [crash], "2": [{say: ok}]}\n',
    "transient.yaml": '- attempt: {"1": [{fail: {class: transient}}], "3": [{say: ok}]}\n',
    "auth.yaml": "- fail: {class: auth, reason: not logged in}\n",
    "rejected.yaml": "- fail: {class: rejected, reason: will not do that}\n",
    "used.yaml": """
- attempt:
    "1": [{usage: {input_tokens: 10, output_tokens: 1, usd: 0.25}}, crash]
    "2": [{usage: {input_tokens: 5}}, {usage: {input_tokens: 15, output_tokens: 3, usd: 0.5}}, {say: ok}]
""",
    "progress.yaml": "- progress: {percent: 40, text: reading}\n- sleep: 500ms\n- say: ok\n",
    "garbage.yaml": "- garbage: {kind: escapes, size: 4KiB}\n- garbage: {kind: nul}\n- say: ok\n",
    "hang.yaml": "- ignore_signals\n- hang\n",
}


class World(NamedTuple):
    project: Project
    done: Done
    shown: Shown


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    # A text for the agents whose last words are looked at: it is kept only where somebody refers to it.
    told = [
        "instructed",
        "plain",
        "filed",
        "own",
        "included",
        "reads_only",
        "edits",
        "verified",
        "twice",
        "transient",
        "garbage",
    ]
    more = "".join(f"  {name}: agents.{name}.text\n" for name in told)
    team = TEAM.replace(
        "outputs: {told: agents.told.text, file: agents.from_file.text}",
        f"""outputs:
  told: agents.told.text
  file: agents.from_file.text
{more}""",
    )
    project = Project(tmp_path_factory.mktemp("agents"), team, files=FILES)
    done = project.run("--max-parallel", "6").expect(0)
    return World(project, done, project.status())


@proves(
    agent=["prompt", "prompt.file", "script", "engine"], team=["inputs", "outputs", "version", "name", "description"]
)
def test_the_agent_is_told_its_prompt(world: World) -> None:
    outputs = world.shown.data["outputs"]
    assert outputs["told"] == "For {{ me }} in 1 at told", "values are never templates"
    assert outputs["file"] == "Filed prompt for {{ me }}\n"
    assert world.shown.data["team"] == "named"
    assert {world.shown.step("told")[key] for key in ("kind", "engine")} == {"prompt", "scripted"}


@proves(agent=["instructions", "persona", "file", "description"], team=["personas", "include"])
def test_personas_are_instructions_and_defaults(world: World) -> None:
    outputs = world.shown.data["outputs"]
    assert outputs["instructed"] == "Be brief."
    assert outputs["plain"].strip() == "You are plain."
    assert outputs["filed"].strip() == "You came from a file."
    assert outputs["own"] == "My own."
    assert outputs["included"] == "From the include."
    assert world.project.log("as_default") == "p agent included\n"
    described = world.project.call("plan", "--json").expect(0).out
    assert "as_default" in described


@proves(agent=["permissions"])
def test_permissions_are_handed_to_the_engine(world: World) -> None:
    assert world.shown.data["outputs"]["reads_only"] == "reads"
    assert world.shown.data["outputs"]["edits"] == "edits; runs commands"
    assert world.project.read("copied") == "made"
    assert world.shown.step("works")["outputs"] == {"f": "made/f.txt"}


def test_what_verify_said_goes_into_the_next_attempt(world: World) -> None:
    assert world.shown.statuses["verified"] == "succeeded"
    first, second = world.shown.step("verified")["attempts"]
    assert (first["failure"], second["outcome"]) == ("verify", "succeeded")
    assert second["session"] == first["session"], "the session goes on"
    notice = world.shown.data["outputs"]["verified"]
    assert "note: bad" in notice
    assert "verify" in notice


def test_one_repair_attempt_is_told_the_error(world: World) -> None:
    assert world.shown.failures("repaired") == ["output", None]
    assert [attempt["cause"] for attempt in world.shown.step("repaired")["attempts"]] == ["first", "repair"]
    assert world.shown.step("repaired")["outputs"] == {"n": 3}
    assert world.shown.failures("beyond_repair") == ["output", "output"]


def test_failures_of_agents_by_class(world: World) -> None:
    assert world.shown.failures("twice") == ["crash", None]
    assert world.shown.failures("transient") == ["transient", "transient", None]
    assert world.shown.failures("auth") == ["auth"]
    assert "not logged in" in world.shown.step("auth")["reason"]
    assert world.shown.failures("refused") == ["rejected"]
    assert world.shown.failures("hangs") == ["timeout"]
    assert world.shown.data["outputs"]["garbage"] == "ok"
    assert "\x1b" not in world.done.said


def test_usage_is_added_up_over_attempts_and_steps(world: World) -> None:
    assert world.shown.step("used")["usage"] == {"input_tokens": 30, "output_tokens": 4, "usd": 0.75}
    assert world.shown.data["usage"]["usd"] == 0.75
    assert "0.75" in world.done.err


def test_progress_is_recorded(world: World) -> None:
    assert world.shown.step("tells")["progress"] == {"percent": 40, "text": "reading"}


def test_what_agents_say_is_shown(world: World) -> None:
    assert "told | For {{ me }} in 1 at told" in world.done.err

"""What steps get as environment, and what nobody gets to see: env, env_file, inherit_env, secrets, redaction."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, quote_plus

import pytest

from tests.e2e.project import Done, Project, Shown, proves

TOKEN = "tok-0123456789abcdef"
FILED = "filed-zyxwvutsrqponm"
FROM_FILE = "env-file-value-4711"
VALUES = (TOKEN, FILED, FROM_FILE)

TEAM = """
env: {TEAM_VAR: "team-{{ inputs.who }}", OVER: team}
env_file: [conf/.env]
inherit_env: [KEEP_*, EXACT]
secrets:
  TOKEN: {env: TOKEN_SOURCE}
  FILED: {file: ~/filed}
  NEAR: {file: near.txt}
  UNUSED: {env: NOT_THERE}
inputs: {who: {type: string, default: me}}
agents:
  vars:
    command: 'env | sort'
    env: {OWN: "{{ step.id }}", OVER: agent, NUMBER: 7}
  asks:
    command: 'echo "$TOKEN"; echo "$FILED"; echo "$NEAR"; echo "$IN_FILE"'
    secrets: [TOKEN, FILED, NEAR]
  halves:
    command: 'printf "%s" "${TOKEN%????????}"; sleep 0.3; printf "%s\\n" "${TOKEN#????????????}"'
    secrets: [TOKEN]
  hands:
    command: 'echo "{\\"value\\": \\"$TOKEN $FILED\\"}"; echo "error $TOKEN" >&2'
    secrets: [TOKEN, FILED]
    outputs: {value: string}
  takes:
    command: [sh, -c, 'echo "got $HANDED"']
    env: {HANDED: "{{ agents.hands.outputs.value }} {{ agents.hands.text }}"}
  agent:
    engine: scripted
    script: agent.yaml
    prompt: x
    permissions: read
    env: {A: b}
    secrets: [TOKEN]
    retry: {attempts: 1}
    continue_on_error: true
  fails:
    command: 'echo "last words $TOKEN"; exit 3'
    secrets: [TOKEN]
    continue_on_error: true
  unverified:
    command: 'true'
    verify: ['echo "verify says $TOKEN"; exit 1']
    secrets: [TOKEN]
    continue_on_error: true
  cuts:
    command: 'yes "$TOKEN" | head -n 2000 | tr -d "\\n"; exit 3'
    secrets: [TOKEN]
    verify: ["true"]
    continue_on_error: true
  cuts_verify:
    command: "true"
    secrets: [TOKEN]
    verify: ['yes "$TOKEN" | head -n 2000 | tr -d "\\n"; exit 3']
    continue_on_error: true
  cuts_text:
    command: 'yes "$TOKEN" | head -n 20000 | tr -d "\\n"'
    secrets: [TOKEN]
  tells:
    engine: scripted
    script: tells.yaml
    prompt: x
    permissions: read
    secrets: [TOKEN]
outputs: {handed: agents.hands.outputs.value, cut: agents.cuts_text.text}
"""
FILES = {
    "conf/.env": f"IN_FILE={FROM_FILE}\nOVER=file\n",
    "near.txt": "near-secret-value\n",
    "agent.yaml": f"- say: I know {TOKEN}\n- progress: {{percent: 50, text: at {TOKEN}}}\n- sleep: 300ms\n"
    f"- fail: {{class: fatal, reason: broke {TOKEN}}}\n",
    "tells.yaml": f"- say: final {TOKEN}\n",
}
ENV = {"TOKEN_SOURCE": TOKEN, "KEEP_A": "kept", "EXACT": "exact", "DROPPED": "dropped", "KEEPNOT": "x"}


class World(NamedTuple):
    project: Project
    done: Done
    shown: Shown


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    project = Project(tmp_path_factory.mktemp("environment"), TEAM, files=FILES)
    (project.place / "home" / "filed").write_text(FILED + "\n")
    done = project.run("--junit", "junit.xml", "--events", "events.jsonl", env=ENV).expect(0)
    return World(project, done, project.status())


@proves(team=["env", "env_file", "inherit_env", "secrets", "secrets.*.env", "secrets.*.file"], agent=["env", "secrets"])
def test_steps_get_the_basics_what_the_file_adds_and_the_secrets_that_they_ask_for(world: World) -> None:
    found = dict(line.partition("=")[::2] for line in world.project.log("vars").splitlines())
    assert found["TEAM_VAR"] == "team-me"
    assert found["OWN"] == "vars"
    assert found["OVER"] == "agent"
    assert found["NUMBER"] == "7"
    assert found["IN_FILE"] == FROM_FILE
    assert found["KEEP_A"] == "kept"
    assert found["EXACT"] == "exact"
    assert found["HOME"] == str(world.project.place / "home")
    assert found["TEAMFLOW_STEP"] == found["TEAMFLOW_AGENT"] == "vars"
    assert found["TEAMFLOW_RUN"] == found["TEAMFLOW_ATTEMPT"] == "1"
    assert found["TEAMFLOW_PROJECT"] == found["PWD"] == str(world.project.root)
    for name in ("DROPPED", "KEEPNOT", "TOKEN", "FILED", "TOKEN_SOURCE", "PYTHONPATH"):
        assert name not in found
    assert world.project.log("asks").splitlines() == [TOKEN, FILED, "near-secret-value", FROM_FILE]


def test_raw_logs_are_for_the_user_alone(world: World) -> None:
    for path in (world.project.run_dir() / "logs").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert (world.project.run_dir() / "secrets.json").stat().st_mode & 0o777 == 0o600


def _clean(text: str, where: str) -> None:
    for value in VALUES:
        assert value not in text, f"{value} is in {where}"
        # No half of it either: a cut in the middle of a value must not show the rest.
        for half in (value[:9], value[-9:]):
            found = text.find(half)
            assert found < 0, f"{half} of {value} is in {where}: …{text[max(0, found - 80) : found + 40]}…"


def _without_plans(path: Path) -> str:
    """What a database holds, but for the token: it stands in stored plans. Not its bytes: a text goes on from page to
    page, so that a token may be in two pieces there."""
    with closing(sqlite3.connect(path)) as database:
        return "\n".join(database.iterdump()).replace(TOKEN, "")


@pytest.mark.slow
def test_nothing_that_is_shown_recorded_or_exported_has_a_value(world: World) -> None:
    project = world.project
    _clean(world.done.said, "the plain output")
    _clean(project.read("junit.xml"), "junit")
    _clean(project.read("events.jsonl"), "--events")
    _clean(json.dumps(world.shown.data), "status --json")
    for words in (
        ["status"],
        ["status", "--json"],
        ["logs"],
        ["logs", "halves"],
        ["events"],
        ["why", "fails"],
        ["why", "agent"],
    ):
        _clean(project.call(*words).expect(0).said, " ".join(words))
    # The scripts of this test have the token in them, and the store has the scripts.
    _clean(_without_plans(project.root / ".teamflow" / "state.db"), "state.db")


def test_what_is_handed_on_is_redacted(world: World) -> None:
    assert "***" in world.shown.step("hands")["outputs"]["value"]
    assert TOKEN not in world.project.log("takes")
    assert "final" in world.shown.text("tells")


def test_a_value_split_over_two_reads_is_redacted(world: World) -> None:
    line = next(line for line in world.done.err.splitlines() if line.startswith("halves | "))
    assert TOKEN[:8] not in line
    assert "***" in line


def test_the_reason_of_a_failure_and_its_last_lines_are_redacted(world: World) -> None:
    assert "last words ***" in world.done.err
    assert "broke ***" in world.shown.step("agent")["reason"]
    assert world.shown.step("agent")["progress"]["text"].startswith("at ***")


@pytest.mark.slow
def test_a_missing_secret_stops_everything_before_it_starts_and_all_are_named(tmp_path: Path) -> None:
    team = """
secrets:
  A: {env: NO_A}
  B: {file: ~/nothing}
  C: {env: NO_C}
  D: {env: NO_D}
agents:
  first: {command: touch first}
  asks: {command: "true", secrets: [A, B]}
  more: {command: "true", secrets: [A]}
  off: {command: "true", secrets: [D], if: "false"}
"""
    project = Project(tmp_path, team)
    done = project.run().expect(3)
    assert "NO_A" in done.err
    assert "nothing" in done.err
    assert "asks" in done.err
    assert "NO_C" not in done.err
    assert "NO_D" not in done.err, "a step that is skipped asks for nothing"
    assert not project.exists("first")
    project.run("first").expect(0)
    project.run("--new", env={"NO_A": "value-of-a"}).expect(3)
    (tmp_path / "home" / "nothing").write_text("now it is\n")
    project.run("--new", env={"NO_A": "value-of-a"}).expect(0)


@pytest.mark.slow
def test_a_short_secret_is_no_reason_to_redact_every_letter(tmp_path: Path) -> None:
    team = "secrets: {S: {env: S}}\nagents: {a: {command: 'echo abcdef', secrets: [S]}}"
    done = Project(tmp_path, team).run(env={"S": "b"}).expect(0)
    assert "a | abcdef" in done.err


@pytest.mark.slow
def test_a_secret_with_several_lines_is_redacted_line_by_line(tmp_path: Path) -> None:
    team = "secrets: {K: {file: key}}\nagents: {a: {command: 'cat key; tail -n 2 key', secrets: [K]}}"
    key = "-----BEGIN-----\nAAAABBBBCCCCDDDD\nEEEEFFFFGGGGHHHH\n-----END-----\n"
    project = Project(tmp_path, team, files={"key": key})
    said = project.run().expect(0).said + project.call("logs").expect(0).said
    assert "AAAABBBB" not in said
    assert "EEEEFFFF" not in said


@pytest.mark.slow
def test_values_of_earlier_sessions_and_of_the_same_name_are_redacted(tmp_path: Path) -> None:
    team = """
env_file: [.env]
secrets: {SAME: {env: S}}
agents:
  file: {command: 'echo "file $SAME"'}
  asks: {command: 'echo "asks $SAME"', secrets: [SAME]}
  again: {command: 'echo "again $SAME"; test -e go', secrets: [SAME]}
"""
    project = Project(tmp_path, team, files={".env": "SAME=of-the-env-file\n"})
    values = ("of-the-env-file", "the-first-value", "the-second-value")
    said = project.run(env={"S": "the-first-value"}).expect(1).said
    project.write("go", "")
    said += project.run(env={"S": "the-second-value"}).expect(0).said
    said += project.call("logs").expect(0).said + project.call("logs", "again", "--attempt", "1").expect(0).said
    assert "the-first-value" in project.log("again")
    assert "the-second-value" in project.log("again", attempt=2)
    assert [value for value in values if value in said] == []


@pytest.mark.slow
def test_secrets_that_are_missing_empty_or_short_are_said_with_their_place(tmp_path: Path) -> None:
    team = "secrets:\n  A: {env: NO_A}\n  B: {env: EMPTY}\n  C: {env: SHORT}\n"
    agents = "agents: {a: {command: touch ran, secrets: [A, B]}, c: {command: 'echo $C', secrets: [C]}}\n"
    project = Project(tmp_path, team + agents)
    done = project.run(env={"EMPTY": "", "SHORT": "abc"}).expect(3)
    assert "team.yaml:2:3: error[secret-not-set]" in done.err
    assert "team.yaml:3:3: error[secret-not-set]" in done.err
    assert "Export NO_A" in done.err
    assert "warning[short-secret]" in done.err
    assert not project.exists("ran")
    done = project.run("c", env={"SHORT": "abc"}).expect(0)
    assert "warning[short-secret]" in done.err
    assert "c | abc" in done.err


@pytest.mark.slow
def test_encoded_values_are_redacted_also_in_what_is_handed_on(tmp_path: Path) -> None:
    token = 'tok/en+with "quotes" & spaces\\'
    written = {
        "basic": base64.b64encode(f"user:{token}".encode()).decode(),
        "url": quote(token, safe=""),
        "form": quote_plus(token),
        "json": json.dumps(token)[1:-1],
    }
    team = """
secrets: {T: {env: T}}
agents:
  prints: {command: cat written && exit 1, secrets: [T], continue_on_error: true}
  hands: {command: cat outputs.json, secrets: [T], outputs: {url: string, basic: string}}
  takes: {command: 'echo "got $URL"', env: {URL: "{{ agents.hands.outputs.url }}"}, depends_on: [hands]}
"""
    outputs = json.dumps({"url": f"https://u:{written['url']}@h/", "basic": written["basic"]})
    files = {"written": "\n".join(written.values()) + "\n", "outputs.json": outputs}
    project = Project(tmp_path, team, files=files)
    said = project.run(env={"T": token}).expect(0).said
    said += "".join(
        project.call(*words).expect(0).said for words in (["logs"], ["events"], ["status", "--json"], ["why", "prints"])
    )
    assert "got https://u:***@h/" in said
    for name, value in written.items():
        assert value[8:-4] not in said, name
    stored = b"".join(path.read_bytes() for path in (tmp_path / "p" / ".teamflow").glob("state.db*"))
    assert written["basic"][8:-4].encode() not in stored
    assert written["url"].encode() not in stored


@pytest.mark.slow
def test_plan_says_what_this_machine_lacks(tmp_path: Path) -> None:
    team = """
secrets: {TOKEN: {env: TOKEN_OF_SHOP}}
inherit_env: [SHOP]
agents:
  shop: {engine: claude, prompt: x, secrets: [TOKEN], mcp_servers: {n: {url: "http://${SHOP}/${TOKEN}"}}}
"""
    made = Project(tmp_path, team)
    notes = made.plan()["notes"]
    secret = "secret TOKEN: the environment variable TOKEN_OF_SHOP is not set (asked for by shop)"
    assert f"{secret}: run will not start without it" in notes
    assert "the MCP server n of shop refers to SHOP, which is not set here" in notes
    said = made.call("plan", env={"SHOP": "h", "TOKEN_OF_SHOP": "a-value-of-many-letters"}).expect(0).said
    assert "not set" not in said
    assert "many-letters" not in said

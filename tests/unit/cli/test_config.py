"""`config` on real files: the whole result, what it leaves out, and that it can stand in the place of the file."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.unit.cli.made import REPOSITORY, call

FILES = {
    "teams/deep.yaml": """\
include: [../common/one.yaml]
x-retry: &retry
  attempts: 4
  delay: 1s
env: {A: "top"}
limits: {max_parallel: 2}
agents:
  build:
    prompt: {file: prompts/build.md}
    persona: builder
    retry: {<<: *retry, max_delay: 2m}
    env: {FROM: agent}
    reads: &globs ["src/**", "0o17", "1e3"]
  test:
    command: |
      make
      make test
    depends_on: {build: succeeded}
    reads: *globs
    timeout: 9m
  ask: {ask: "Ship it?", depends_on: [test]}
""",
    "teams/prompts/build.md": "Build it.\n",
    "common/one.yaml": "include: two/two.yaml\nenv: {A: one, B: one}\n"
    "defaults: {timeout: 30m, env: {LAYER: defaults}}\n",
    "common/two/two.yaml": """\
include: ../three.yaml
env: {A: two, B: two, C: "yes"}
env_file: .env
personas:
  builder: {file: builder.md, retry: {attempts: 9, backoff: fixed}}
""",
    "common/two/builder.md": """\
---
engine: scripted
script: play.yaml
permissions: read
env: {FROM: persona, WHO: "true"}
timeout: 5m
---
You build.
Carefully.
""",
    "common/two/play.yaml": "- say: done\n",
    "common/two/.env": "PASSWORD=hunter2-hunter2\n",
    "common/three.yaml": "description: three deep\nsecrets: {TOKEN: {env: MY_TOKEN}}\nenv: {D: three}\n",
}

YAML = """\
version: 1  # built in
name: deep  # built in
description: three deep  # common/three.yaml:1
env:
  A: top  # teams/deep.yaml:5
  B: one  # common/one.yaml:2
  C: 'yes'  # common/two/two.yaml:2
  D: three  # common/three.yaml:3
env_file: [../common/two/.env]  # common/two/two.yaml:3
secrets:
  TOKEN:
    env: MY_TOKEN  # common/three.yaml:2
limits:
  max_parallel: 2  # teams/deep.yaml:6
  orphan_after: 1h  # built in
  log_size: 2GiB  # built in
  on_overlap: warn  # built in
agents:
  build:
    prompt:
      file: prompts/build.md  # teams/deep.yaml:9
    instructions: |-  # common/two/builder.md, persona builder
      You build.
      Carefully.
    engine: scripted  # common/two/builder.md:2, persona builder
    script: ../common/two/play.yaml  # common/two/builder.md:3, persona builder
    permissions: read  # common/two/builder.md:4, persona builder
    reads: [src/**, '0o17', '1e3']  # teams/deep.yaml:13
    cache: false  # built in
    env:
      FROM: agent  # teams/deep.yaml:12
      WHO: 'true'  # common/two/builder.md:5, persona builder
      LAYER: defaults  # common/one.yaml:3, defaults
    timeout: 5m  # common/two/builder.md:6, persona builder
    grace: 10s  # built in
    retry:
      max_delay: 2m  # teams/deep.yaml:11
      attempts: 4  # teams/deep.yaml:3
      delay: 1s  # teams/deep.yaml:4
      backoff: fixed  # common/two/two.yaml:5, persona builder
    on_failure: stop  # built in
    continue_on_error: false  # built in
    target: local  # built in
  test:
    command: |  # teams/deep.yaml:15
      make
      make test
    depends_on:
      build: succeeded  # teams/deep.yaml:18
    reads: [src/**, '0o17', '1e3']  # teams/deep.yaml:13
    cache: false  # built in
    env:
      LAYER: defaults  # common/one.yaml:3, defaults
    timeout: 9m  # teams/deep.yaml:20
    grace: 10s  # built in
    retry:
      attempts: 1  # built in
      backoff: exponential  # built in
      delay: 10s  # built in
      max_delay: 5m  # built in
    on_failure: stop  # built in
    continue_on_error: false  # built in
    target: local  # built in
  ask:
    ask: Ship it?  # teams/deep.yaml:21
    depends_on: [test]  # teams/deep.yaml:21
    timeout: 30m  # common/one.yaml:3, defaults
    on_failure: stop  # built in
    continue_on_error: false  # built in
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".git" / "refs").mkdir(parents=True)
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_includes_three_deep_personas_defaults_and_anchors(project: Path) -> None:
    assert call(project, "config", "deep") == (0, YAML, "")
    from_below = call(project / "common", "config", "../teams/deep.yaml")
    assert from_below.out == re.sub(r"# (common/|(?=teams/))", lambda found: "# " if found[1] else "# ../", YAML)


def test_the_result_can_stand_in_the_place_of_the_file(project: Path) -> None:
    before = json.loads(call(project, "plan", "deep", "--json").out)
    (project / "teams" / "deep.yaml").write_text(YAML)
    assert call(project, "validate", "deep") == (0, "", "teams/deep.yaml: valid\n")
    assert json.loads(call(project, "plan", "deep", "--json").out) == before
    again = call(project, "config", "deep").out
    strip = re.compile(r"  # .*")
    assert strip.sub("", again) == strip.sub("", YAML), "it is settled: nothing changes any more"


def test_json(project: Path) -> None:
    found = json.loads(call(project, "config", "deep", "--json").out)
    assert list(found) == ["schema_version", "file", "config"]
    assert (found["schema_version"], found["file"]) == (1, "teams/deep.yaml")
    config = found["config"]
    assert list(config) == ["version", "name", "description", "env", "env_file", "secrets", "limits", "agents"]
    build = config["agents"]["build"]
    assert build["timeout"] == {
        "value": "5m",
        "origin": {"kind": "persona", "file": "common/two/builder.md", "line": 6, "persona": "builder"},
    }
    assert build["instructions"]["origin"]["line"] is None
    assert build["retry"]["backoff"]["origin"]["kind"] == "persona"
    assert build["env"]["LAYER"] == {
        "value": "defaults",
        "origin": {"kind": "defaults", "file": "common/one.yaml", "line": 3, "persona": None},
    }
    assert config["version"]["origin"] == {"kind": "built in", "file": None, "line": None, "persona": None}
    lines = [line for line in YAML.splitlines() if "  # " in line]
    assert len(lines) == json.dumps(config).count('"origin"')


def test_secrets_are_never_printed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where somebody has written one out."""
    monkeypatch.setenv("MY_TOKEN", "tok-31415926535")
    (project / "key").write_text("file-secret-27182818\n")
    path = project / "teams" / "deep.yaml"
    text = (
        path.read_text()
        .replace("Ship it?", "Ship it with tok-31415926535?")
        .replace('A: "top"', 'A: "hunter2-hunter2"')
    )
    text += "  leak: {command: [echo, file-secret-27182818], matrix: {k: [[x, tok-31415926535]]}}\n"
    text += "secrets: {OTHER: {file: key}, GONE: {file: nowhere}, UNSET: {env: NOT_SET}}\n"
    path.write_text(text)
    for words in (["config", "deep"], ["config", "deep", "--json"]):
        answer = call(project, *words)
        assert answer.code == 0
        for secret in ("tok-31415926535", "hunter2", "file-secret"):
            assert secret not in answer.out + answer.err
        assert answer.out.count("***") == 4
    assert "env_file: [../common/two/.env]" in call(project, "config", "deep").out


def test_a_variant_of_an_engine_stays_one(tmp_path: Path) -> None:
    text = """\
engines: {local: {engine: claude, base_url: "http://h:1", model: m}, mine: {command: [mine]}}
defaults: {engine: claude, model: opus}
agents: {a: {prompt: x, engine: [claude/opus, local, mine]}}
"""
    (tmp_path / "team.yaml").write_text(text)
    before = json.loads(call(tmp_path, "plan", "--json").out)
    answer = call(tmp_path, "config")
    (tmp_path / "team.yaml").write_text(answer.out)
    assert answer.out.count("prompt: stdin") == 1
    assert json.loads(call(tmp_path, "plan", "--json").out) == before


def test_errors_and_warnings(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text("agents: {a: {comand: x}}\n")
    answer = call(tmp_path, "config")
    assert (answer.code, answer.out) == (2, "")
    assert "team.yaml:1:14: error[unknown-key]" in answer.err
    (tmp_path / "p.md").write_text("---\nskills: [pdf]\n---\nYou are p.\n")
    (tmp_path / "team.yaml").write_text("personas: {p: {file: p.md}}\nagents: {a: {prompt: x, persona: p}}\n")
    answer = call(tmp_path, "config")
    assert answer.code == 0
    assert "warning[foreign-key]" in answer.err
    assert "instructions: You are p.  # p.md, persona p\n" in answer.out
    assert call(tmp_path, "config", "nope.yaml") == (2, "", "teamflow: nope.yaml: there is no such team file\n")
    (tmp_path / "x").write_text('{"teamflow_plan": 1}')
    assert "this is a saved plan" in call(tmp_path, "config", "x").err


GOLDEN = REPOSITORY / "tests" / "golden" / "plan"
TEAMS = [*REPOSITORY.glob("teams/*.yaml"), *(path for path in GOLDEN.glob("*.yaml") if path.stem != "play")]


@pytest.mark.slow
@pytest.mark.parametrize("team", TEAMS, ids=lambda path: path.stem)
def test_every_example_plans_the_same_by_its_effective_form(tmp_path: Path, team: Path) -> None:
    shutil.copytree(team.parent, tmp_path / "t", ignore=shutil.ignore_patterns("*.txt", "__pycache__"))
    (tmp_path / ".git" / "refs").mkdir(parents=True)
    file = tmp_path / "t" / team.name
    inputs = re.search(r"(?m)^# inputs: (.*)$", file.read_text())
    values = json.loads(inputs[1]) if inputs else {}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    given = [word for key, value in texts.items() for word in ("-i", f"{key}={value}")]

    def plan() -> object:
        answer = call(tmp_path, "plan", f"t/{team.name}", "--json", *given)
        assert answer.code == 0, answer
        return json.loads(answer.out)

    before = plan()
    answer = call(tmp_path, "config", f"t/{team.name}")
    assert answer.code == 0
    file.write_text(answer.out)
    assert plan() == before

"""The team of the crash campaigns: a bit of everything, in a second or so.

Every process writes to the ledger, so that what really happened can be counted.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.policy.answering import Given
from tests.e2e.tool import Project

TEAM = """
inputs: {extra: {type: boolean, default: false}}
limits: {max_parallel: 4}
defaults: {retry: {delay: 50ms}}
agents:
  root: {command: ./work agent 0}
  gen:
    depends_on: [root]
    command: ./work agent 0 && printf '{"words":["x","y"]}'
    outputs: {words: {type: array, items: {type: string}}}
  build:
    depends_on: [gen]
    matrix: {part: [a, b, c]}
    env: {PART: "{{ matrix.part }}", WORD: "{{ agents.gen.outputs.words[0] }}"}
    command: test "$WORD" = x && ./work agent 0 0.05
  flaky:
    depends_on: [root]
    retry: {attempts: 3, backoff: exponential, delay: 40ms}
    command: ./work agent "$((3 - TEAMFLOW_ATTEMPT > 0 && TEAMFLOW_ATTEMPT < 3))"
  checked:
    workspace: {setup: ./work setup 0}
    command: ./work agent 0
    verify: [./work verify.1 0, ./work verify.2 0]
  agent:
    engine: scripted
    depends_on: [gen]
    workspace: {mode: shared}
    prompt: "Say {{ agents.gen.outputs.words[1] }}."
    verify: [./work verify.1 0]
    outputs: {done: boolean}
    script: agent.yaml
  kept:
    command: ./work agent 0 && cp source.txt made.txt
    reads: [source.txt]
    cache: true
    outputs: {made: {file: made.txt}}
  after-kept:
    depends_on: [kept]
    command: ./work agent 0 && cp "$MADE" last.txt
    reads: [source.txt]
    cache: true
    env: {MADE: "{{ agents.kept.outputs.made }}"}
    outputs: {last: {file: last.txt}}
  draft: {depends_on: [root], command: ./work agent 0 && echo line >> draft.txt}
  judge:
    depends_on: [draft]
    command: ./work agent 0 && test "$(wc -l < draft.txt)" -ge 2 && echo true || echo false
    outputs: {ok: boolean}
    loop: {until: outputs.ok, max: 4, rework: draft}
  looked: {command: ./work agent 0 && touch looked, verify: [test -e looked], skip_if_verified: true}
  listing:
    depends_on: [root]
    command: ./work agent 0 && printf '["one","two","three"]'
    outputs: {parts: array}
  move:
    matrix: {part: agents.listing.outputs.parts}
    env: {PART: "{{ matrix.part }}"}
    command: |
      test "$PART" = two || exec ./work agent 0 0.02
      ./work agent "$((TEAMFLOW_ATTEMPT < 2))"
    retry: {attempts: 2, backoff: fixed, delay: 20ms}
  moved: {matrix: move, command: ./work agent 0, verify: [./work verify.1 0]}
  bad: {command: ./work agent 7, continue_on_error: true}
  left-out: {if: inputs.extra, command: ./work agent 0}
  after-bad: {depends_on: {bad: failed}, command: ./work agent 0}
  not-reached: {depends_on: [bad], command: ./work agent 0}
  end:
    depends_on:
      {build: succeeded, flaky: succeeded, checked: succeeded, agent: succeeded, after-kept: succeeded,
       left-out: passed, after-bad: finished, judge: succeeded, looked: succeeded, moved: succeeded}
    command: ./work agent 0
outputs: {words: agents.gen.outputs.words, done: agents.agent.outputs.done}
"""

# A step with a key is looked up again after a crash, and then its result may come from the cache.
EXPECTED: Mapping[str, str] = {
    "root": "succeeded",
    "gen": "succeeded",
    "build/a": "succeeded",
    "build/b": "succeeded",
    "build/c": "succeeded",
    "flaky": "succeeded",
    "checked": "succeeded",
    "agent": "succeeded",
    "kept": "succeeded|cached",
    "after-kept": "succeeded|cached",
    "draft": "succeeded",
    "judge": "succeeded",
    "looked": "succeeded",
    "listing": "succeeded",
    **dict.fromkeys(("move/?", "move/one", "move/two", "move/three"), "succeeded"),
    **dict.fromkeys(("moved/?", "moved/one", "moved/two", "moved/three"), "succeeded"),
    "bad": "failed",
    "left-out": "skipped",
    "after-bad": "succeeded",
    "not-reached": "skipped",
    "end": "succeeded",
}

ROUNDS: Mapping[str, int] = {"draft": 2, "judge": 2}
"""Attempts of the steps of its loop, as long as none of them is lost with a keeper."""

SCRIPT = """
- progress: {percent: 10}
- say: on it
- run: ./work inner 0
- sleep: 60ms
- progress: {percent: 90}
- outputs: {done: true}
"""

REVISED = TEAM.replace("0.05", "0.06").replace("  bad:", "  new: {command: ./work agent 0}\n  bad:")
"""The same with another command for `build` and a step more."""

REVISED_EXPECTED: Mapping[str, str] = {**EXPECTED, "new": "succeeded"}


ASKED = """
limits: {max_parallel: 2}
agents:
  root: {command: ./work agent 0 && echo built}
  kept: {command: ./work agent 0 && cp source.txt made.txt, reads: [source.txt], outputs: {made: {file: made.txt}}}
  gate: {depends_on: [root, kept], ask: "Go on with {{ agents.root.text }}?"}
  pick: {ask: Which?, options: [x, y]}
  late: {ask: Anyone?, options: [a, b], default: b, timeout: 150ms}
  side: {depends_on: [root], command: ./work agent 0 0.05}
  after:
    depends_on: [gate]
    env: {SAID: "{{ agents.gate.text }} {{ agents.pick.text }} {{ agents.late.text }}"}
    command: test "$SAID" = "fine x b" && ./work agent 0
  end: {depends_on: [side, after], command: ./work agent 0}
"""
"""People are asked in the middle."""

ASKED_EXPECTED: Mapping[str, str] = {
    **dict.fromkeys(("root", "gate", "pick", "late", "side", "after", "end"), "succeeded"),
    "kept": "succeeded|cached",
}

ANSWERS: Mapping[str, Given] = {
    "gate": Given(0, "approve", "", "fine"),
    "pick": Given(0, "answer", "x"),
}
"""What people say to it; nobody cares for `late`."""


def asked(*, level: str = "") -> Project:
    return Project(ASKED, level=level, files={"source.txt": "one\n"})


def project(*, level: str = "", pace: float = 0.0) -> Project:
    """`pace`: seconds that every command takes longer."""
    team = f'env: {{PACE: "{pace}"}}\n{TEAM}' if pace else TEAM
    return Project(team, level=level, files={"source.txt": "one\n", "agent.yaml": SCRIPT})

"""Kills the runner of a run with worktrees at its Nth boundary, before or after each git command among them.

    python -m tests.campaign.crash_worktrees                 every boundary, then samples with the keeper killed too
    python -m tests.campaign.crash_worktrees --kind both --samples 40 --seed 7

Starting again must finish the run: every step has seen exactly what those before it left, a clean retry nothing of the
attempt before, one after `verify` all of it; branches hold what was done and nothing else; what a failed attempt left
is kept; the user's checkout is as it was.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from teamflow.core.events import RunEnded
from tests.campaign.checker import check
from tests.campaign.crash_sweep import KILLED, Trial, boundaries, report, trace
from tests.e2e.tool import Project

WORK: Final = '"$TEAMFLOW_PROJECT/work"'

TEAM: Final = f"""
engines: {{sh: {{command: [sh, -es]}}}}
limits: {{max_parallel: 3}}
defaults: {{retry: {{delay: 20ms, backoff: fixed}}}}
agents:
  plan: {{engine: sh, prompt: '{WORK} agent 0; mkdir -p by; echo plan >> by/plan; exit'}}
  build:
    engine: sh
    depends_on: [plan]
    matrix: {{part: [a, b]}}
    prompt: |
      {WORK} agent 0
      test "$(ls by | tr '\\n' ' ')" = "plan "
      echo "$TEAMFLOW_STEP" >> "by/$(basename "$TEAMFLOW_STEP")"
      git -c user.name=a -c user.email=a@a -c core.hooksPath=/dev/null add -A
      git -c user.name=a -c user.email=a@a commit -qm mine
      echo more >> "by/$(basename "$TEAMFLOW_STEP")"
      exit
  flaky:
    engine: sh
    depends_on: [plan]
    retry: {{attempts: 3}}
    prompt: |
      test ! -e junk
      echo junk > junk
      {WORK} agent "$((TEAMFLOW_ATTEMPT < 2))"
      test "$TEAMFLOW_ATTEMPT" -ge 2
      rm junk
      echo flaky >> by/flaky
      exit
  checked:
    engine: sh
    depends_on: [plan]
    retry: {{attempts: 3}}
    prompt: '{WORK} agent 0; echo line >> by/checked; exit'
    verify: ['test "$(wc -l < by/checked)" -ge 2']
  both: {{engine: sh, depends_on: [build, flaky, checked], prompt: '{WORK} agent 0; ls by > by/both; exit'}}
  look: {{command: '{WORK} agent 0; cat by/both', depends_on: [both]}}
  look-too: {{command: '{WORK} agent 0; git rev-parse HEAD', depends_on: [both]}}
  draft: {{engine: sh, depends_on: [plan], prompt: '{WORK} agent 0; echo round >> by/draft; exit'}}
  judge:
    depends_on: [draft]
    command: '{WORK} agent 0 && test "$(wc -l < by/draft)" -ge 2 && echo true || echo false'
    outputs: {{ok: boolean}}
    loop: {{until: outputs.ok, max: 4, rework: draft}}
  kept: {{engine: sh, prompt: '{WORK} agent 0; cp source.txt made.txt; exit', reads: [source.txt], cache: true}}
  end: {{depends_on: [look, look-too, judge, kept], command: '{WORK} agent 0; ls by | sort; cat made.txt'}}
outputs: {{end: agents.end.text, look: agents.look.text}}
"""

EXPECTED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("plan", "build/a", "build/b", "flaky", "checked", "both", "look", "look-too"), "succeeded"),
    **dict.fromkeys(("draft", "judge", "end"), "succeeded"),
    "kept": "succeeded|cached",
}
SEEN: Final = "a\nb\nboth\nchecked\nflaky\nplan"
"""What `both` finds; it makes one of them itself."""
CONTENTS: Final = {
    "teamflow/1/build--a": {"by/a": "build/a\nmore\n", "by/plan": "plan\n"},
    "teamflow/1/flaky": {"by/flaky": "flaky\n"},
    "teamflow/1/draft": {"by/draft": "round\nround\n"},
    "teamflow/1/both": {"by/both": SEEN + "\n"},
    "teamflow/1/kept": {"made.txt": "one\n"},
}


def project(*, level: str = "") -> Project:
    made = Project(TEAM, level=level, files={"source.txt": "one\n", ".gitignore": ".teamflow/\nledger\n"})
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "first"]):
        git(made, *words)
    return made


def git(project: Project, *words: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "core.hooksPath=/dev/null"]
    done = subprocess.run(
        ["git", *identity, *words], cwd=project.root, env=project.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr}"
    return done.stdout


def crash(kind: str, number: int, *, second: int = 0, level: str = "") -> Trial:
    """One trial; `kind` both: the keeper dies with the runner. Never raises for what a crash may lead to."""
    trial = Trial(kind, number, second)
    with project(level=level) as made:
        try:
            _crash(made, trial)
        except AssertionError as error:
            trial.wrong.append(f"{error}")
        if trial.wrong:
            trial.wrong.append(trace(made))
    return trial


def _crash(made: Project, trial: Trial) -> None:
    last = made.run(env={"TEAMFLOW_FAILPOINT": str(trial.number)})
    trial.over = last.code != KILLED
    for again in (trial.second, 0):
        if last.code != KILLED or made.events(RunEnded):
            break
        if trial.kind == "both":
            made.kill_keeper()
        last = made.run(env={"TEAMFLOW_FAILPOINT": str(again)} if again else {})
        trial.sessions += 1
    trial.recovery = last.seconds
    if last.code not in (0, KILLED):
        trial.wrong.append(f"exit {last.code}\n{last.out}\n{last.err}")
    verdict = check(made, expected=EXPECTED, lost_allowed=trial.kind == "both")
    trial.attempts, trial.lost = verdict.attempts, verdict.lost
    trial.wrong += verdict.wrong
    trial.wrong += _wrong_work(made, lost=bool(verdict.lost))


def _wrong_work(made: Project, *, lost: bool) -> Iterator[str]:
    """`lost`: attempts were begun again, clean, which changes how often lines are written."""
    if git(made, "status", "--porcelain"):
        yield f"the checkout is not as it was: {git(made, 'status', '--porcelain')}"
    if git(made, "rev-list", "--count", "main").strip() != "1":
        yield "somebody has committed to main"
    ended = made.events(RunEnded)[-1]
    if str(ended.outputs.get("look")).split() != sorted(SEEN.split()):
        yield f"look saw {ended.outputs.get('look')!r}"
    if not {"both", "draft", "one"} <= set(str(ended.outputs.get("end")).split()):
        yield f"end saw {ended.outputs.get('end')!r}"
    for branch, files in CONTENTS.items():
        for path, text in files.items():
            found = git(made, "show", f"refs/heads/{branch}:{path}")
            if found != text:
                yield f"{branch}: {path} is {found!r}"
    if "junk" in git(made, "ls-tree", "-r", "--name-only", "refs/heads/teamflow/1/flaky"):
        yield "flaky has kept what its failed attempt left"
    kept = [
        name for name in git(made, "for-each-ref", "--format=%(refname)", "refs/teamflow").split() if "/flaky/" in name
    ]
    if not lost and not any("junk" in git(made, "ls-tree", "-r", "--name-only", name) for name in kept):
        yield "what the failed attempt of flaky left is not kept"
    if list(made.root.glob(".git/worktrees/*/index.lock")):
        yield "a lock of git was left"


def sweep(*, level: str = "", step: int = 1, start: int = 1, jobs: int = 2) -> Iterator[Trial]:
    """Every `step`th boundary until a run ends by itself."""
    yield from boundaries(lambda number: crash("runner", number, level=level), step=step, start=start, jobs=jobs)


def sampled(kind: str, most: int, *, samples: int, chance: random.Random, jobs: int = 2) -> Iterator[Trial]:
    drawn = [
        (chance.randrange(1, most), chance.randrange(1, most) if chance.random() < 0.3 else 0) for _ in range(samples)
    ]
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda pair: crash(kind, pair[0], second=pair[1]), drawn)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kind", choices=["runner", "both"], action="append")
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--most", type=int, default=0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    chance = random.Random(options.seed)
    failed = 0
    for kind in options.kind or ["runner", "both"]:
        if kind == "runner":
            failed += report(kind, sweep(step=options.step, start=options.start))
        else:
            most = options.most or report.last or 400
            failed += report(kind, sampled(kind, most, samples=options.samples, chance=chance))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Random teams of committing agents: every step sees exactly what those before it have done, whatever ends first.

    python -m tests.campaign.trees_seen [--count N] [--seed N]

Each trial is a random graph of agents, commands and read-only prompts in a real repository, run twice with other random
pauses, and the second time perhaps killed and gone on with. An agent adds a file of its own, appends to one that only
its line of descendants touches, may commit by itself, and prints what it sees. Checked: each has seen the files of its
ancestors and no others; both runs left the same trees; the user's checkout is as it was.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.e2e.project import Project

SEE: Final = "ls by | sort | tr '\\n' ' '"
ENGINE: Final = {"sh": {"command": ["sh", "-es"]}}
IDENTITY: Final = "git config user.name a; git config user.email a@a; "
OWN: Final = frozenset({"agent", "committer"})


class Node(NamedTuple):
    """kind: agent | committer (commits by itself) | idle (changes nothing) | command | writer (a command that adds a
    file) | reader (a read-only prompt) | ask."""

    name: str
    kind: str
    before: tuple[str, ...]


def graph(chance: random.Random, count: int) -> list[Node]:
    nodes: list[Node] = []
    for number in range(count):
        kinds = ["agent", "agent", "agent", "committer", "idle", "command", "writer", "reader"]
        kind = chance.choice(kinds if number else ["agent"])
        names = [node.name for node in nodes]
        before = tuple(name for name in names if chance.random() < 2.2 / max(1, len(names)))
        if kind in ("command", "writer", "reader") and not before:
            before = (chance.choice(names),)
        nodes.append(Node(f"s{number}", kind, before))
    return nodes


def team(nodes: list[Node], chance: random.Random) -> dict[str, Any]:
    agents: dict[str, Any] = {}
    for node in nodes:
        pause = f"sleep 0.{chance.randrange(30):02d}; "
        add = f"mkdir -p by; echo {node.name} > by/{node.name}"
        commit = f"{IDENTITY}git add -A; git commit -qm 'by {node.name}'; echo more >> by/{node.name}"
        script = {
            "agent": f"{SEE}; {pause}{add}",
            "committer": f"{SEE}; {pause}{add}; {commit}",
            "idle": f"{SEE}; {pause}true",
            "command": f"{SEE}; {pause}true",
            "writer": f"{SEE}; {pause}{add}",
            "reader": f"{SEE}; {pause}true",
        }[node.kind]
        script = script.replace("ls by", "ls by 2>/dev/null", 1)
        if node.kind in ("command", "writer"):
            agents[node.name] = {"command": f"set -e; {script}"}
        else:
            agents[node.name] = {"engine": "sh", "prompt": f"{script}\nexit"}
            if node.kind == "reader":
                agents[node.name]["permissions"] = "read"
        if node.before:
            agents[node.name]["depends_on"] = list(node.before)
    limits = {"max_parallel": chance.randint(1, 4)}
    last = {f"see_{node.name}": f"agents.{node.name}.text" for node in nodes}
    return {"engines": ENGINE, "limits": limits, "agents": agents, "outputs": last}


def expected(nodes: list[Node]) -> dict[str, set[str]]:
    """By step, whose files it has to see."""
    seen: dict[str, set[str]] = {}
    adds = {node.name: node.kind in ("agent", "committer", "writer") for node in nodes}
    for node in nodes:
        seen[node.name] = set()
        for name in node.before:
            seen[node.name] |= seen[name] | ({name} if adds[name] else set())
    return seen


def trial(seed: int, place: Path) -> int:
    """How many steps ran. AssertionError: a step saw something else; the seed makes it again."""
    chance = random.Random(seed)
    nodes = graph(chance, chance.randint(3, 14))
    left = []
    for turn in range(2):
        project = Project(place / str(turn), team(nodes, chance), git=True)
        project.write(".gitignore", ".teamflow/\n")
        project.git("add", "-A")
        project.git("commit", "-qm", "first")
        if turn and chance.random() < 0.5:
            _killed(project, chance.uniform(0.2, 2.5))
        project.run().expect(0)
        status = project.status()
        for name, names in expected(nodes).items():
            found = set((status.step(name)["text"] or "").split())
            assert found == names, f"seed {seed}: {name} saw {sorted(found)}, not {sorted(names)}"
        assert project.git("status", "--porcelain") == "", f"seed {seed}: the checkout is not as it was"
        assert project.git("log", "--oneline", "main").count("\n") == 1
        commits = {name: step["commit"] for name, step in status.steps.items() if step["commit"]}
        trees = {
            name: project.git("rev-parse", f"{commit}^{{tree}}:by")
            for name, commit in commits.items()
            if _has(project, commit)
        }
        left.append(trees)
    assert left[0] == left[1], f"seed {seed}: the order of finishing made a difference"
    return 2 * len(nodes)


def _has(project: Project, commit: str) -> bool:
    return "by" in project.git("ls-tree", "--name-only", commit).split()


def _killed(project: Project, after: float) -> None:
    with project.popen("run", "--progress", "plain") as process:
        time.sleep(after)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    given = parser.parse_args()
    print(f"seed {given.seed}")
    steps = wrong = 0
    for number in range(given.count):
        place = Path(tempfile.mkdtemp(prefix="teamflow-trees-"))
        try:
            steps += trial(given.seed + number, place)
        except (AssertionError, subprocess.CalledProcessError) as error:
            wrong += 1
            print(error)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    print(f"{given.count} trials, {steps} steps, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

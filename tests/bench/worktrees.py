"""How long a workspace takes to be made, against `git worktree add` of the same commit, in pairs, either first in turn.

python -m tests.bench.worktrees [FILES] [ROUNDS]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from teamflow.core.work import Ready
from teamflow.ports import Order
from teamflow.workspaces.provider import GitWorkspaces


def make(root: Path, files: int) -> None:
    git = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run([*git, "init", "-q"], check=True)
    for number in range(files):
        path = root / f"d{number // 100}/f{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{number}\n" * 20)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    subprocess.run([*git, "-c", "pack.threads=1", "repack", "-a", "-d", "-q"], check=True)


def made(ours: GitWorkspaces, at: int) -> float:
    begin = time.perf_counter()
    ready = ours.prepare(Order(f"s{at}", 1, (), own=True))
    assert isinstance(ready, Ready), ready
    return time.perf_counter() - begin


def plain(root: Path, at: int) -> float:
    begin = time.perf_counter()
    words = ["git", "-C", str(root), "worktree", "add", "-q", "-b", f"plain{at}", f"{root}/.teamflow/plain{at}"]
    subprocess.run(words, check=True)
    return time.perf_counter() - begin


def main(files: int, rounds: int) -> float:
    with tempfile.TemporaryDirectory() as base:
        root = Path(os.path.realpath(base)) / "project"
        (root / ".teamflow").mkdir(parents=True)
        (root / ".teamflow/.gitignore").write_text("*\n")
        make(root, files)
        ours = GitWorkspaces(str(root), run_id="0" * 26, number=1, home=f"{root}/.teamflow", environ=dict(os.environ))
        pairs = []
        for at in range(rounds):
            if at % 2:
                theirs = plain(root, at)
                pairs.append((made(ours, at), theirs))
            else:
                pairs.append((made(ours, at), plain(root, at)))
            print(f"{pairs[-1][0]:.2f} s against {pairs[-1][1]:.2f} s: {pairs[-1][0] / pairs[-1][1]:.2f}")
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{files} files: median ratio {ratio:.2f}")
        return ratio


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000, int(sys.argv[2]) if len(sys.argv) > 2 else 5)

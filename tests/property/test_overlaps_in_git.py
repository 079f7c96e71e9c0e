"""Pairs of workspaces that are not compared: git merges all of them without a conflict."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from teamflow.policy.overlaps import may_meet

Tree = dict[str, str]

PLACES = ("", "d/", "d/s/", "e/", "f/", "g/", "g/s/", "h/")
CASES = 400


def body(tag: str) -> str:
    return "".join(f"{tag} line {n}\n" for n in range(12))


def possible(tree: Tree) -> Tree:
    """Without files where there is a directory."""
    return {path: held for path, held in tree.items() if not any(other.startswith(f"{path}/") for other in tree)}


def edited(tree: Tree, chance: random.Random) -> Tree:
    for _ in range(chance.randint(1, 2)):
        tree = dict(tree)
        place, other, name = chance.choice(PLACES), chance.choice(PLACES), chance.choice("abcxyz")
        picked = chance.choice(sorted(tree)) if tree else None
        match chance.randrange(6):
            case 0:
                moved = {path for path in tree if path.startswith(place) and (place or "/" not in path)}
                tree = {other + path[len(place) :] if path in moved else path: held for path, held in tree.items()}
            case 1:
                tree[place + name] = body(f"new {chance.random()}")
            case 2:
                tree[chance.choice("defgh")] = body("in the way")
            case 3 if picked:
                tree[picked] = tree[picked].replace("line 3", f"line {chance.random()}")
            case 4 if picked:
                del tree[picked]
            case 5 if picked:
                tree[place + name] = tree.pop(picked)
        tree = possible(tree)
    return tree


def changed(base: Tree, tree: Tree) -> Tree:
    return {path: tree.get(path, "") for path in {*base, *tree} if base.get(path) != tree.get(path)}


@pytest.mark.slow
def test_what_is_not_compared_does_not_conflict(tmp_path: Path) -> None:
    chance = random.Random(5)
    stream: list[str] = []
    skipped: dict[str, str] = {}
    mark = 0

    def commit(tree: Tree, parent: int | None) -> int:
        nonlocal mark
        mark += 1
        stream.append(f"commit refs/heads/c{mark}\nmark :{mark}\ncommitter a <a@b> 1 +0000\ndata 0\n")
        stream.append(f"from :{parent}\ndeleteall\n" if parent else "deleteall\n")
        stream.extend(f"M 644 inline {path}\ndata {len(held)}\n{held}\n" for path, held in tree.items())
        return mark

    for _ in range(CASES):
        base = possible(
            {place + name: body(place + name) for place in PLACES[:5] for name in "abc" if chance.random() < 0.5}
        )
        first, second = edited(base, chance), edited(base, chance)
        if not may_meet(changed(base, first), changed(base, second)):
            parent = commit(base, None)
            skipped[f"c{commit(first, parent)}"] = f"c{commit(second, parent)}"
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q", "--bare"], check=True, env=env)
    subprocess.run([*git, "fast-import", "--quiet"], check=True, env=env, input="".join(stream), text=True)
    assert CASES / 4 < len(skipped) < CASES
    for first_ref, second_ref in skipped.items():
        merge = [*git, "merge-tree", "--write-tree", first_ref, second_ref]
        done = subprocess.run(merge, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

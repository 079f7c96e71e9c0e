"""`gc` and `rm` in random repositories: what was reachable or written before is there afterwards, and nobody else's
things are touched.

    python tests/campaign/gc_states.py [--states 500] [--seed N]

Each state is a real repository with a random history, refs of the user's, of a remote and of runs in every stage, and
worktrees: clean, dirty, detached, locked, in use, half made, with broken registrations, links and other repositories in
their place. The check knows nothing of the rules: it lists commits and files before and after. One call in five is
killed at a random moment, and the next has to finish.
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
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from teamflow.app.forget import collect, forget
from teamflow.core.events import AttemptEnded, AttemptStarted, Record, RunnerStarted, StepEnded
from teamflow.core.outcome import Failed, FailureClass, Succeeded
from teamflow.plan.stored import plan_to_json
from teamflow.store.lock import RunLock, this_process
from teamflow.store.log import rows
from teamflow.store.rows import NewRun
from teamflow.store.sqlite import Database
from tests.fakes.plans import make_plan, make_step

STATUSES = ("succeeded", "failed", "failed", "interrupted", "cancelled", "succeeded")
"""Of the runs on record. The second is not the newest of its file, the third is."""
UNFINISHED = (3, 4, 5)
"""Numbers of those that `run` may go on with."""
STEPS = ("s0", "s1", "s2")
USERS = ("refs/heads/", "refs/remotes/", "refs/tags/")
IGNORED = b"*.tmp\n.teamflow/\n"
GONE = "01GONE0000000000000000GONE"
"""A run that nobody knows."""
ENVIRON = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b",
}


def run_id(number: int) -> str:
    return f"01RUN{number:021}"


def git(root: Path, *words: str, given: bytes = b"") -> bytes:
    return subprocess.run(["git", *words], cwd=root, env=ENVIRON, input=given, capture_output=True, check=True).stdout


def template(place: Path) -> Path:
    """A project with runs on record, and an empty repository."""
    root = place / "template"
    root.mkdir()
    git(root, "init", "-q", "-b", "main", "--template=")
    plan = make_plan([make_step(step) for step in STEPS])
    with Database.open(str(root), allow_network=True) as database:
        for at, status in enumerate(STATUSES):
            number = at + 1
            file = "team.yaml" if number in (2, 3) else f"{number}.yaml"
            made = database.create_run(NewRun(run_id(number), "t", file, "d", "{}", plan_to_json(plan).encode(), 1.0))
            assert made.number == number
            events = [
                RunnerStarted("boot", 1, 4),
                AttemptStarted("s0", 1, "first"),
                AttemptEnded("s0", 1, Succeeded("")),
                StepEnded("s0", "succeeded", ""),
                AttemptStarted("s1", 1, "first"),
                AttemptEnded("s1", 1, Failed(FailureClass.EXIT, "exited 1")),
                StepEnded("s1", "failed", "exited 1"),
            ]
            records = [Record(seq + 1, 1.0 + seq, float(seq), event) for seq, event in enumerate(events)]
            database.append(number, rows(records))
            database._connection.execute("UPDATE runs SET status = ? WHERE number = ?", (status, number))
            database.make_directories(number)
    return root


class World:
    """One random state. `root`: the project; beside it lies what belongs to others."""

    def __init__(self, place: Path, chance: random.Random) -> None:
        self.place = place
        self.root = place / "p"
        self.chance = chance
        self.files: list[dict[str, bytes]] = []
        self.commits: list[str] = []
        self.branches: dict[str, int] = {}
        self.locks: list[RunLock] = []
        self.inside: list[subprocess.Popen[bytes]] = []
        self.untouchable: set[int] = set(UNFINISHED)
        """Runs of which nothing may go."""
        self.locked: set[int] = set()
        self.fixed: list[Path] = []
        """Worktrees that may not go, whatever their run."""

    def often(self, share: float) -> bool:
        return self.chance.random() < share

    # -- commits and refs ------------------------------------------------------------------------------------

    def history(self) -> None:
        chance, lines = self.chance, []
        count = chance.randint(3, 9)
        for at in range(count):
            files = {".gitignore": IGNORED, "a.txt": b"a%d" % chance.randint(0, 3), f"f{at % 3}": b"%d" % at}
            self.files.append(files)
            lines.append(b"commit refs/x/%d\nmark :%d\ncommitter a <a@b> %d +0000\ndata 1\nx\n" % (at, at + 1, at))
            parents = chance.sample(range(at), min(at, chance.choice((0, 1, 1, 1, 2))))
            for number, parent in enumerate(parents):
                lines.append(b"%s :%d\n" % (b"merge" if number else b"from", parent + 1))
            lines.append(b"deleteall\n")
            for name, content in files.items():
                lines.append(b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(content), content))
        git(self.root, "fast-import", "--quiet", given=b"".join(lines))
        found = dict(line.split(" ") for line in self.show_refs().splitlines())
        self.commits = [found[f"refs/x/{at}"] for at in range(count)]
        shutil.rmtree(self.root / ".git/refs/x")

    def show_refs(self) -> str:
        return git(self.root, "for-each-ref", "--format=%(refname) %(objectname)").decode()

    def ref(self, name: str, at: int) -> None:
        path = self.root / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{self.commits[at]}\n")

    def any_commit(self) -> int:
        return self.chance.randrange(len(self.commits))

    def refs(self) -> None:
        self.ref("refs/heads/main", 0)
        for name in ("refs/heads/feature", "refs/remotes/origin/y", "refs/tags/v1", "refs/stash", "refs/heads/main"):
            if self.often(0.35):
                self.ref(name, self.any_commit())
        for number in range(1, len(STATUSES) + 2):
            run = run_id(number) if number <= len(STATUSES) else GONE
            for step in STEPS:
                if self.often(0.4):
                    self.step_refs(run, number, step)

    def step_refs(self, run: str, number: int, step: str) -> None:
        for what in ("start", "left", "1", "2", "removed", "stray-1"):
            if self.often(0.35):
                self.ref(f"refs/teamflow/{run}/{step}/{what}", self.any_commit())
        for at in (1, 2):
            if self.often(0.4):
                branch = f"refs/heads/teamflow/{number}/{step}{'-2' if at == 2 else ''}"
                if self.often(0.9):
                    self.branches[branch] = self.any_commit()
                    self.ref(branch, self.branches[branch])
                if self.often(0.85):
                    self.ref(f"refs/teamflow/{run}/{step}/branch/{at}", self.any_commit())

    # -- worktrees -------------------------------------------------------------------------------------------

    def trees(self) -> None:
        for number in self.chance.sample(range(1, len(STATUSES) + 2), 4):
            run = run_id(number) if number <= len(STATUSES) else GONE
            for step in STEPS:
                if self.often(0.45):
                    self.tree(f"{number}-{run[-8:].lower()}", step, run=run)

    def tree(self, directory: str, step: str, *, run: str) -> None:
        chance = self.chance
        path = self.root / ".teamflow/work" / directory / step
        mine = [name for name in self.branches if f"/{directory.partition('-')[0]}/{step}" in name]
        branch = chance.choice(mine) if mine and self.often(0.7) else ""
        if self.often(0.05) and self.branches:
            branch = chance.choice(list(self.branches))
        at = self.branches[branch] if branch else self.any_commit()
        kind = chance.choices(
            ("whole", "half", "nothing", "link", "file", "unregistered", "wrong", "repository", "unlinked"),
            (60, 5, 6, 4, 3, 5, 5, 3, 4),
        )[0]
        if kind in ("link", "file", "repository"):
            self.strange(path, kind)
            return
        admin = self.root / ".git/worktrees" / f"{step}{chance.randrange(10**6)}"
        if kind != "unregistered":
            self.register(admin, path, head=f"ref: {branch}" if branch else self.commits[at])
        if kind == "nothing":
            return
        path.mkdir(parents=True)
        if kind != "unlinked":
            (path / ".git").write_text(f"gitdir: {self.root / 'elsewhere' if kind == 'wrong' else admin}\n")
        self.fill(path, at, kind)
        if kind != "half":
            made = self.root / ".teamflow/git/trees" / directory / step
            made.mkdir(parents=True)
            if self.often(0.85):
                (made / "made").write_text('{"copied": ["brought"]}')
        if kind == "whole":
            self.trouble(path, admin)

    def register(self, admin: Path, path: Path, *, head: str) -> None:
        admin.mkdir(parents=True)
        (admin / "HEAD").write_text(f"{head}\n")
        (admin / "commondir").write_text("../..\n")
        (admin / "gitdir").write_text(f"{path}/.git\n")

    def fill(self, path: Path, at: int, kind: str) -> None:
        chance = self.chance
        for name, content in self.files[at].items():
            if kind != "half" or self.often(0.6):
                (path / name).write_bytes(content)
        if self.often(0.3):
            (path / "x.tmp").write_text("ignored")
        if self.often(0.2):
            (path / "brought").write_text("copied")
        if self.often(0.2):
            (path / chance.choice(("new.txt", "a.txt", "f 0\n", "-x"))).write_text(f"mine {chance.random()}")
        if self.often(0.05):
            (path / "a.txt").unlink(missing_ok=True)
        if self.often(0.03):
            (path / "deep").mkdir()
            (path / "deep" / "é").write_text(f"mine {chance.random()}")
        if self.often(0.03):
            nested = path / chance.choice(("sub", "sub.tmp"))
            nested.mkdir()
            (nested / ".git").mkdir()
            (nested / ".git/HEAD").write_text(f"ref: {chance.random()}\n")
        if self.often(0.04):
            (path / "out").symlink_to(self.place / "theirs")

    def trouble(self, path: Path, admin: Path) -> None:
        if self.often(0.1):
            (admin / "locked").write_text("mine")
            self.fixed.append(path)
        if self.often(0.05):
            (admin / "MERGE_HEAD").write_text(f"{self.commits[self.any_commit()]}\n")
        if self.often(0.04):
            self.inside.append(subprocess.Popen(["sleep", "60"], cwd=path))
            self.fixed.append(path)
        if self.often(0.06):
            content = b"staged %f" % self.chance.random()
            blob = git(self.root, "hash-object", "-w", "--stdin", given=content).decode().strip()
            environment = {**ENVIRON, "GIT_DIR": str(admin), "GIT_WORK_TREE": str(path)}
            for words in (["read-tree", "HEAD"], ["update-index", "--add", "--cacheinfo", f"100644,{blob},a.txt"]):
                subprocess.run(["git", *words], cwd=path, env=environment, check=True)

    def strange(self, path: Path, kind: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            path.symlink_to(self.place / "theirs")
        elif kind == "file":
            path.write_text("mine")
        else:
            path.mkdir()
            (path / ".git").mkdir()
            (path / ".git/HEAD").write_text("ref: refs/heads/x\n")
            (path / "code").write_text("mine")

    def others(self) -> None:
        theirs = self.place / "theirs"
        theirs.mkdir()
        (theirs / "precious").write_text("theirs")
        if self.often(0.4):
            branch = self.chance.choice([*self.branches, ""])
            head = f"ref: {branch}" if branch else self.commits[self.any_commit()]
            self.register(self.root / ".git/worktrees/theirs", theirs, head=head)
            (theirs / ".git").write_text(f"gitdir: {self.root / '.git/worktrees/theirs'}\n")
        if self.often(0.2) and self.branches:
            (self.root / ".git/HEAD").write_text(f"ref: {self.chance.choice(list(self.branches))}\n")
        if self.often(0.1):
            work = self.root / ".teamflow/work/not-a-run"
            work.mkdir(parents=True, exist_ok=True)
            (work / "x").write_text("mine")

    def alive(self, database: Database) -> None:
        for number in range(1, len(STATUSES) + 1):
            if self.often(0.12):
                lock = RunLock.acquire(database.layout, number, this_process(since=1.0))
                assert isinstance(lock, RunLock)
                self.locks.append(lock)
                self.untouchable.add(number)
                self.locked.add(number)
            elif self.often(0.15):
                forget(database, number, purge=False, environ=ENVIRON)
                self.untouchable.discard(number)

    def close(self) -> None:
        for lock in self.locks:
            lock.release()
        for process in self.inside:
            process.kill()
            process.wait()


class Seen(NamedTuple):
    """What there is: refs, commits and blobs that are reachable, files that are not ignored."""

    refs: dict[str, str]
    objects: frozenset[str]
    files: dict[str, bytes]
    admins: frozenset[str]


def look(world: World) -> Seen:
    root = world.root
    refs = dict(line.split(" ") for line in world.show_refs().splitlines())
    admins = sorted((root / ".git/worktrees").glob("*"))
    heads = [(root / ".git/HEAD").read_text().strip(), *((admin / "HEAD").read_text().strip() for admin in admins)]
    tips = {*refs.values(), *(head for head in heads if not head.startswith("ref: "))}
    objects = git(root, "rev-list", "--objects", "--no-object-names", "--stdin", given="\n".join(tips).encode())
    files = {}
    for base in (root / ".teamflow/work", world.place / "theirs"):
        for directory, names, plain in os.walk(base):
            for name in [*plain, *(name for name in names if os.path.islink(f"{directory}/{name}"))]:
                path = f"{directory}/{name}"
                # A worktree's own `.git` goes with it; a repository's directory is somebody's.
                own = name == ".git" and base != world.place / "theirs"
                if not own and not name.endswith(".tmp") and name != "brought":
                    files[path] = os.readlink(path).encode() if os.path.islink(path) else Path(path).read_bytes()
    return Seen(refs, frozenset(objects.decode().split()), files, frozenset(admin.name for admin in admins))


def wrongs(world: World, before: Seen, after: Seen, *, purged: int | None) -> list[str]:
    wrong = []
    for name, commit in before.refs.items():
        if after.refs.get(name) != commit and not name.startswith(("refs/heads/teamflow/", "refs/teamflow/")):
            wrong.append(f"{name} is not what it was")
    for path in world.fixed:
        if not (path / ".git").exists():
            wrong.append(f"{path} is gone")
    alive = world.untouchable - ({purged} if purged not in world.locked else set())
    for number in alive:
        prefixes = (f"refs/heads/teamflow/{number}/", f"refs/teamflow/{run_id(number)}/")
        changed = [name for name in set(before.refs) - set(after.refs) if name.startswith(prefixes)]
        work = str(world.root / f".teamflow/work/{number}-{run_id(number)[-8:].lower()}/")
        changed += [path for path in set(before.files) - set(after.files) if path.startswith(work)]
        if changed:
            wrong.append(f"run {number} is not over: {changed}")
    if set(after.refs) - set(before.refs):
        wrong.append(f"new refs: {sorted(set(after.refs) - set(before.refs))}")
    users = [commit for name, commit in after.refs.items() if name.startswith(USERS) and "/teamflow/" not in name]
    merged = set(git(world.root, "rev-list", "--stdin", given="\n".join(users).encode()).decode().split())
    for name in set(before.refs) - set(after.refs):
        if name.startswith("refs/heads/") and before.refs[name] not in merged:
            step = name.split("/")[4].removesuffix("-2")
            starts = {commit for ref, commit in before.refs.items() if ref.endswith(f"/{step}/start")}
            if before.refs[name] not in starts:
                wrong.append(f"{name} was not merged")
    lost = before.objects - after.objects
    if purged is not None and lost:
        # What an attempt has left of a step that has succeeded since may go with a purge.
        old = f"refs/teamflow/{run_id(purged)}/s0/"
        tips = [commit for name, commit in before.refs.items() if name in (f"{old}1", f"{old}2")]
        may = git(world.root, "rev-list", "--objects", "--no-object-names", "--stdin", given="\n".join(tips).encode())
        lost -= set(may.decode().split()) if tips else set()
    if lost:
        wrong.append(f"lost objects: {sorted(lost)}")
    for path, content in before.files.items():
        if after.files.get(path) != content:
            blob = git(world.root, "hash-object", "--stdin", given=content).decode().strip()
            if path in after.files or path.startswith(str(world.place / "theirs")) or blob not in after.objects:
                wrong.append(f"lost file: {path}")
    return wrong


class Found(NamedTuple):
    """What became of the states: numbers, and what was wrong."""

    states: int
    worktrees: int
    branches: int
    refs: int
    kept: int
    killed: int
    wrong: list[str]


def one(place: Path, source: Path, seed: int) -> tuple[Found, list[str]]:
    world = World(place, random.Random(seed))
    shutil.copytree(source, world.root)
    world.history()
    world.refs()
    world.others()
    world.trees()
    try:
        with Database.open(str(world.root), allow_network=True) as database:
            world.alive(database)
            before = look(world)
            purged = world.chance.randint(1, len(STATUSES)) if world.often(0.3) else None
            killed = world.often(0.2) and _killed(world, purged)
            cleared, kept = _call(database, purged, lambda: None), 0
            after = look(world)
            wrong = wrongs(world, before, after, purged=purged)
            _call(database, purged, lambda: None)
            again = look(world)
            if again != after:
                wrong.append(f"the second call did something: {set(after.refs) ^ set(again.refs)}")
            if (world.root / ".teamflow/git/gone").is_dir() and os.listdir(world.root / ".teamflow/git/gone"):
                wrong.append("something was put aside and stays")
            if cleared is not None:
                kept = len(cleared.kept)
                if cleared.trouble:
                    wrong.append(f"trouble: {cleared.trouble}")
    finally:
        world.close()
    branches = sum(name.startswith("refs/heads/") for name in set(before.refs) - set(after.refs))
    refs = len(set(before.refs) - set(after.refs)) - branches
    worktrees = len(before.admins) - len(after.admins)
    return Found(1, worktrees, branches, refs, kept, int(killed), []), [f"seed {seed}: {text}" for text in wrong]


def _call(database: Database, purged: int | None, between: Callable[[], None]):  # type: ignore[no-untyped-def]
    if purged is not None:
        forget(database, purged, purge=True, environ=ENVIRON, between=between)
    return collect(database, cache_limit=10**9, environ=ENVIRON, between=between).cleared


def _killed(world: World, purged: int | None) -> bool:
    """Whether a process that does it was killed on the way."""
    left = world.chance.randint(1, 25)
    child = os.fork()
    if child == 0:

        def between() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            with Database.open(str(world.root), allow_network=True) as database:
                _call(database, purged, between)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def campaign(states: int, seed: int) -> Found:
    chance = random.Random(seed)
    total = Found(0, 0, 0, 0, 0, 0, [])
    with tempfile.TemporaryDirectory(prefix="gc-states-") as name:
        base = Path(name).resolve()
        source = template(base)
        for at in range(states):
            place = base / str(at)
            place.mkdir()
            found, wrong = one(place, source, chance.randrange(1 << 31))
            numbers = [a + b for a, b in zip(total[:6], found[:6], strict=True)]
            total = Found(*numbers, [*total.wrong, *wrong])
            shutil.rmtree(place)
    return total


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--states", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--one", type=int, default=None, help="the seed of a single state")
    given = parser.parse_args()
    began = time.monotonic()
    if given.one is not None:
        with tempfile.TemporaryDirectory(prefix="gc-states-") as name:
            base = Path(name).resolve()
            source = template(base)
            (base / "x").mkdir()
            print(one(base / "x", source, given.one))
        return 0
    print(f"seed {given.seed}", flush=True)
    found = campaign(given.states, given.seed)
    seconds = time.monotonic() - began
    for text in found.wrong:
        print(text)
    print(
        f"{found.states} states in {seconds:.0f} s ({found.states / seconds:.1f}/s): {found.worktrees} worktrees, "
        f"{found.branches} branches, {found.refs} refs removed, {found.kept} kept, {found.killed} calls killed, "
        f"{len(found.wrong)} wrong"
    )
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

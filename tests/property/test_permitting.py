"""Commands that are taken for looking, run for real: nothing of a repository is other than before."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamflow.core.permissions import ALLOW, EDIT, FULL, READ, Permissions, Wish
from teamflow.policy.lookers import GIT, Options
from teamflow.policy.lookers import PROGRAMS as TABLE
from teamflow.policy.looking import begins_with, only_looks
from teamflow.policy.permitting import judge

ENV = {
    "PATH": "/usr/bin:/bin",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "LC_ALL": "C.UTF-8",
}
PROGRAMS = r"""
git diff|git log|git show|git status|git branch|git tag|git stash|git stash list|git stash show|
git remote|git config|git config --get|git config --list|git reflog|git reflog show|git blame|
git grep|git ls-files|git ls-tree|git cat-file|git rev-parse|git worktree list|git -C sub|
git -c alias.x=!sh|git diff-tree|git describe|ls|cat|grep|find|sed|sort|uniq|rg|jq|head|tail|
tee|touch|rm|cp|cd|echo|printf|test|file|tree|date|cut|wc|xargs|sh -c|bash -lc|env|git add|
git commit|git checkout|python3|diff|true
""".replace("\n", "").split("|")
WORDS = r"""
a.txt|b.txt|made|sub|sub/c.txt|HEAD|HEAD~1|main|expire|-n|-1|--|-|-p|-a|-o|-omade|
--output=made|--output|--stat|-d|-D|-m|-f|-u|-uo|-k|-t|-i|-e|-c|-l|--list|-v|-s|-r|-w|
-C|-rn|-name|-delete|-exec|rm|{}|\;|+|-fprint|-fls|-print|-type|f|-not|!|1,5p|'1w made'|
'w made'|.|*|*.txt|sub/*|-*|'*'|x|''|"a.txt"|a\.txt|--edit|--unset|user.name|--all|--pre|
./evil|--version|-V|'touch made'|'rm a.txt'|"ls; touch made"|%s|%d|+%F|01010000|-x|--ext-diff|
--textconv|--no-index|-O./evil|--open-files-in-pager=./evil|--global|--format=%GK|alias.x=!sh|3|
made2
""".replace("\n", "").split("|")
JOINTS = (
    " ",
    " | ",
    " && ",
    " || ",
    "; ",
    "\n",
    " & ",
    " > ",
    " >> ",
    " 2>/dev/null ",
    " < ",
    " \\\n ",
    " >| ",
    " <> ",
    " $",
    " `",
)

part = st.builds(
    lambda program, words: " ".join([program, *words]),
    st.sampled_from(PROGRAMS),
    st.lists(st.sampled_from(WORDS), max_size=4),
)
commands = st.lists(st.tuples(part, st.sampled_from(JOINTS)), min_size=1, max_size=3).map(
    lambda parts: "".join(text + joint for text, joint in parts[:-1]) + parts[-1][0]
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two commits, changes, a stash, a tag, a program that leaves a trace, and odd names of files."""
    root = tmp_path_factory.mktemp("looked") / "project"
    (root / "sub").mkdir(parents=True)

    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=root, env=env_of(root), check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    for number in range(2):
        (root / "a.txt").write_text(f"{number}\nb\na\n")
        (root / "b.txt").write_text("a\n" * (number + 3))
        (root / "sub/c.txt").write_text(f"c{number}\n")
        git("add", ".")
        git("commit", "-q", "-m", f"c{number}")
    (root / "a.txt").write_text("stashed\n")
    git("stash")
    git("tag", "v1")
    (root / "a.txt").write_text("changed\n")
    (root / "evil").write_text("#!/bin/sh\ntouch made\n")
    (root / "evil").chmod(0o755)
    (root / "-omade").write_text("an option by name\n")
    (root / "--output=made").write_text("another one\n")
    return root


def env_of(root: Path) -> dict[str, str]:
    return {**ENV, "HOME": str(root.parent)}


def seen(root: Path) -> dict[str, str]:
    """Every file of the place, home included, by the digest of what it holds; but for the index, which is refreshed."""
    found: dict[str, str] = {}
    for folder, folders, files in os.walk(root.parent):
        for name in (*folders, *files):
            path = Path(folder, name)
            mode = path.lstat().st_mode
            kept = path.is_file() and path != root / ".git/index"
            found[str(path)] = f"{mode:o} {hashlib.sha256(path.read_bytes()).hexdigest() if kept else ''}"
    return found


def start(argv: list[str], root: Path) -> None:
    subprocess.run(argv, cwd=root, env=env_of(root), stdin=subprocess.DEVNULL, capture_output=True, check=False)


def run(command: str, root: Path, *, shell: str = "sh") -> None:
    start([shell, "-c", command], root)


KNOWN = [
    "git diff --stat; git log -p -2 | head -40; git show HEAD~1; git status -sb",
    "git blame a.txt && git grep -n a && git ls-files -o --exclude-standard",
    "git branch -a -vv; git branch --list 'x*'; git tag -l 'v*'; git stash list; git stash show -p; git remote -v",
    "git reflog -3; git reflog show main; git config --list; git config --get user.name; git worktree list",
    "git cat-file -p HEAD; git ls-tree -r HEAD; git describe --tags --dirty; git rev-parse HEAD; git shortlog -s HEAD",
    "cd sub && git status && cd . && git diff",
    "ls *; cat *; grep -rn a . | head; find . -name '*.txt' ! -name b.txt; sed -n '1,2p' a.txt; jq . a.txt",
    "sort -u a.txt | uniq -c | sort -rn; wc -l < a.txt; date +%F; printf '%s\\n' *.none; file a.txt; diff a.txt b.txt",
    'bash -lc "git diff 2>&1 | head -5 >/dev/null"',
]


@pytest.mark.parametrize("command", KNOWN)
def test_known_ones_change_nothing(command: str, repository: Path) -> None:
    if "*.none" not in command:
        assert only_looks(command)
    before = seen(repository)
    for shell in ("sh", "bash"):
        run(command, repository, shell=shell)
    assert seen(repository) == before


@given(st.lists(commands.filter(only_looks), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_only_looks_changes_nothing(repository: Path, texts: list[str]) -> None:
    before = seen(repository)
    for text in texts:
        run(text, repository)
    assert seen(repository) == before, texts


@given(commands)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_levels_and_lists_only_ever_take_away(text: str) -> None:
    wish = Wish("run", text, command=text)

    def allowed(grants: Permissions) -> bool:
        return judge(grants, wish, cwd="/w").answer == ALLOW

    assert allowed(Permissions(FULL))
    assert allowed(Permissions(EDIT))
    read, listed = allowed(Permissions(READ)), allowed(Permissions(EDIT, run=("ls", "sort")))
    assert read == only_looks(text, roots=("/w",)) == allowed(Permissions(EDIT, run=()))
    assert listed or not read
    assert listed == begins_with(text, ("ls", "sort"), roots=("/w",))


@given(
    st.text(max_size=60) | st.lists(st.sampled_from(" ab'\"\\$&|;<>()*?[]{}#!~`\n\t0-/.=é\0"), max_size=20).map("".join)
)
@settings(max_examples=400, deadline=None)
def test_any_text_is_answered(text: str) -> None:
    assert only_looks(text) in (True, False)
    assert begins_with([text], [text]) in (True, False)
    for kind in ("read", "edit", "run", "net", "tool", "other", text):
        wish = Wish(kind, text, paths=(text,), command=text)
        for grants in (Permissions(READ), Permissions(), Permissions(EDIT, edit=("a/**",), run=("a",), net="deny")):
            assert judge(grants, wish, cwd="/w").answer in ("allow", "deny", "queue")


names = st.sampled_from(["a", "b", ".git", ".GIT", "..", ".", "", "~", ".claude", "w", "x y", "-"])


@given(st.lists(names, min_size=1, max_size=5), st.booleans())
@settings(max_examples=400, deadline=None)
def test_no_path_that_is_allowed_leads_out(parts: list[str], absolute: bool) -> None:
    path = ("/w/" if absolute else "") + "/".join(parts)
    wish = Wish("edit", path, paths=(path,))
    verdict = judge(Permissions(), wish, cwd="/w")
    if verdict.answer == ALLOW:
        whole = os.path.normpath(os.path.join("/w", path))
        assert whole.startswith("/w/")
        assert ".." not in path.split("/")
        assert not {".git", ".claude"} & set(whole.lower().split("/"))


# -- the table of options, held against the real programs --------------------------------------------------------

TAILS = ((), ("HEAD",), ("made",), ("--", "a.txt"), ("a.txt", "made"))


def every_option(options: Options) -> Iterator[str]:
    for name in sorted(options.long):
        yield from (f"--{name}", f"--{name}=made")
    for letter in options.flags:
        yield f"-{letter}"
    for letter in options.valued:
        yield from (f"-{letter}", f"-{letter}made")


@pytest.mark.slow
@pytest.mark.parametrize("words", [f"git {key}" for key in GIT] + [name for name in TABLE if which(name)])
def test_no_option_of_the_table_changes_anything(words: str, repository: Path) -> None:
    program, _, key = words.partition(" ")
    options = GIT[key] if key else TABLE[program]
    before = seen(repository)
    for option in every_option(options):
        for tail in TAILS:
            argv = [*words.split(), option, *tail]
            if only_looks(argv):
                subprocess.run(
                    argv,
                    cwd=repository,
                    env=env_of(repository),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    check=False,
                )
        assert seen(repository) == before, option

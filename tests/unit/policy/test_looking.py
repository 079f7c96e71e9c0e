"""Commands that only look, commands that begin with given words, and all the ways of only seeming to."""

from __future__ import annotations

import pytest

from teamflow.core.command_words import first_words
from teamflow.policy.looking import begins_with, only_looks

ROOTS = ("/w/project",)

LOOKS = r"""
git diff
git diff --stat
git diff HEAD~3 HEAD^ -- src
git diff --cached --name-only | head -20
git diff main...HEAD
git log -p
git log --oneline -20
git log --format='%h %s' --since=2.weeks
git log -S'old name' -- src
git -C src diff
git -C /w/project/src log -3
git --no-pager show HEAD:src/a.py
git show --stat
git status
git status -sb --porcelain=v2
git blame -L 10,20 src/a.py
git grep -n "def main"
git grep -n TODO -- '*.py'
git ls-files -o --exclude-standard
git rev-parse --abbrev-ref HEAD
git branch
git branch -a -vv
git branch --list 'feature/*'
git branch --show-current
git tag -l 'v1.*'
git remote -v
git stash list
git config --get user.name
git merge-base main HEAD
git describe --tags --always
git cat-file -p HEAD
git reflog -5
git --version
teamflow progress 40
teamflow progress 40% "third file of seven"
teamflow progress 40.5 half done
/usr/bin/teamflow progress 100 'all done!' --json
bash -lc 'teamflow progress 40 half'
git status && teamflow progress 40 'looked around' 2>/dev/null
/usr/bin/git diff
ls
ls -la src/
ls *
cat a.txt b.txt
cat *.md
cat -- -n
grep -rn x src | head
grep -rn --include=*.py "import os" .
grep -E 'a|b;c&d$(e)`f`' src/a.py
cd src && git status
cd /w/project && git status
cd /w/project/src; ls
cd /etc && ls
cd .. && ls -la
find . -name x
find . -name '*.py' -not -path './node_modules/*'
find . \( -name '*.py' -o -name '*.md' \) ! -path './x/*' -print
find src -type f -mtime -2 -size +10k
find . -maxdepth 2 -perm -u+x
find src/*.d -name x
rg foo
rg -n --hidden -g '*.py' foo src
rg -A3 -B 3 foo
rg --files | wc -l
sed -n 1,20p src/a.py
sed -n '10,$p' src/a.py
sed -n '1p;5,9p' src/a.py
jq . package.json
jq -r '.scripts | keys[]' package.json
sort -u names.txt | uniq -c | sort -rn | head
sort -k2,2 -t, names.txt
head -c 100 a.txt
tail -n +5 a.txt
wc -l < a.txt
echo "it is done"
echo done; pwd; true
printf '%s\n' one two
python --version
python3 -V
node --version
which python && type git
command -v pytest
test -f a.txt && cat a.txt
git diff 2>/dev/null
git diff 2>&1 | tail -5
git log > /dev/null
ls >/dev/null 2>&1 && echo there
ls &>/dev/null
git diff |
head
cat a.txt | tr a-z A-Z | cut -d, -f1
diff a.txt b.txt
stat -c %s a.txt
file -b a.txt
tree -L 2
date +%F
du -sh .
grep -n 'über' a.txt
grep -n "say \"hi\" \$5" a.txt
cat my\ file.txt
bash -lc "git diff | head"
sh -c 'ls -la'
/bin/bash -c 'bash -c "cat a.txt"'
"""

REFUSED = r"""
teamflow
teamflow run
teamflow approve 1.1
teamflow -C /elsewhere progress 40
./teamflow progress 40
/w/project/teamflow progress 40
X=1 teamflow progress 40
teamflow progress 40 half > a.py
teamflow progress 40 "$(make)"
teamflow progress 40 "$HOME"
teamflow progress 40 *
teamflow progress 40 --output=x
teamflow progress 40 half; touch made
rm -rf /
touch made
git
git add .
git commit -m x
git checkout .
git stash
git stash pop
git push
git fetch
git gc
git branch made
git branch -D main
git branch -v made
git branch -m old new
git branch --edit-description
git branch --list -D main
git tag made
git tag -n made
git tag -d v1
git remote add x y
git remote update
git reflog expire --all
git config user.name x
git config --get --unset x
git config --list --edit
git worktree add x
git diff --output=made
git diff --output made
git diff -p --outpu=made
git diff --no-index a b
git diff -Ofile
git log --ext-diff
git log --textconv -p
git show --show-signature
git show --remerge-diff
git log -p --diff-merges=remerge
git diff \x2d-output=made
g\it diff
git log --format=%G?
git log '--format=%h %+GK'
git grep -Oless x
git grep -nO x
git grep --open-files-in-pager=sh x
git -c alias.x=!sh x
git -c core.fsmonitor=./evil status
git -calias.x=y diff
git --exec-path
git --exec-path=/tmp diff
git --git-dir=/tmp/evil/.git diff
git --work-tree=/ diff
git -p log
git --paginate log
git -C /tmp/evil status
git -C .. status
git -C src/../.. status
git -C .git/modules/x status
git diff *
git log -- *.py
git alias
git difftool
git help diff
git diff -- --output=made
git cat-file --filters HEAD:a
cd /tmp/evil && git status
cd .. && git diff
cd && git diff
cd - && git diff
cd src/../.. && git diff
cd s* && git status
cd /tmp; cd /w/project; git status
cd /w/projectile && git status
cd '' && git status
cd 3<a.txt && git status
cd 3>/dev/null && git status
find . -exec rm {} +
find . -exec rm {} \;
find . -execdir sh -c x \;
find . -ok rm {} \;
find . -delete
find . -name x -fprint made
find . -fprintf made %p
find . -fls made
find *
find . -files0-from x
rg --pre ./evil foo
rg --pre=./evil foo
rg --hostname-bin ./evil foo
rg -z foo
rg foo *
sort -o made a.txt
sort -omade a.txt
sort -uo made a.txt
sort --output=made a.txt
sort -k -- -o made
sort --compress-program=./evil a.txt
sort *
uniq a.txt made
uniq -c a.txt made
uniq a*
uniq -- a.txt made
tee made
cat a.txt | tee made
xargs rm
ls | xargs rm
ls | sh
ls | bash -s
sed -i s/a/b/ a.txt
sed -n 'w made' a.txt
sed -n 1,20w a.txt
sed -n '1e touch made' a.txt
sed -n 1p -i a.txt
sed -n '1,20p' -- -i
sed 1,20p a.txt
sed -n 1p *
awk '{print > "made"}' a.txt
perl -e 'unlink "a"'
python -c 'open("made", "w")'
python script.py --version
python --version script.py
./python --version
cargo --version
yarn --version
pytest --version
env ls
sudo ls
time ls
nohup ls
timeout 5 ls
exec ls
eval ls
source x
. x
alias ls=rm
export PATH=.
PATH=. ls
FOO=1 git diff
GIT_EXTERNAL_DIFF=./evil git diff
LD_PRELOAD=./evil.so ls
test -v 'a[$(id)]'
test 'a[$(id)]' -eq 1
[ -f x ]
[[ -f x ]]
printf -v PATH /tmp/evil
printf %d 'a[$(id)]'
printf * x
date 01010000
date -s tomorrow
file -C -m x
tree -o made
jq -i . a.json
less a.txt
vi a.txt
dd if=a of=b
cp a b
mv a b
ln -s a b
ls > made
ls >made
ls >> made
ls >| made
ls &> made
ls &>> made
ls 1>made
ls 2> made
ls >& made
ls 2>&1>made
ls > /dev/nullx
ls > /dev/null/../made
ls > '/dev/null'x
ls >/dev/sda
ls <> made
cat << EOF
cat <<< x
cat < /dev/tcp/10.0.0.1/80
cat < /d"ev/"tcp/10.0.0.1/80
cat <(rm x)
ls >(tee made)
ls $(rm x)
ls `rm x`
ls "$(rm x)"
ls "`rm x`"
ls $HOME
ls "$HOME"
ls ${x:=y}
ls ~
ls ~root
ls {a,b}
ls $'a'
ls #comment
ls a#b
git diff # look
ls !
! ls
!ls
ls a!b
ls "a!"
ls &
ls & rm x
ls || rm x
ls && rm x
ls; rm x
ls | rm x
ls |& rm x
ls ;; ls
ls && && ls
&& ls
| ls
; ls
ls |
ls &&
(ls)
{ ls; }
if true; then rm x; fi
for f in a; do rm a; done
while true; do ls; done
ls () { rm x; }
function ls { rm x; }
ls 'open
ls "open
ls \
l* x
?s
"" ls
' ' ls
ls 日本
cat über
bash -c "rm x"
bash -lc 'ls; rm x'
bash -c 'ls' x
bash -ic ls
bash script
bash
bash -c "bash -c 'bash -c \"bash -c ls\"'"
"""

STRANGE = [
    "",
    " ",
    "\n",
    "ls\nrm x",
    "ls\r",
    "ls\rrm x",
    "ls\x00",
    "ls 'a\x00b'",
    "ls 'a\x1bb'",
    "ls\u00a0a",
    "ls\u2028rm x",
    "l\u200bs",
    "ec\\\nho x",
    "git diff -\\\n-output=made",
    "ls\\\nx",
    "git diff &\\\n& ls",
    "ls \ud800",
    "ls 'a\udcff'",
    "cat <<EOF\nrm x\nEOF",
    "ls; \\\nrm x",
    "find . -name x \\\n -delete",
    "ls\fx",
    "ls\vx",
]


def lines(table: str) -> list[str]:
    """Commands of a table; one that ends in a pipe goes on in the next line."""
    return table.strip("\n").replace("diff |\nhead", "diff |\0head").split("\n")


@pytest.mark.parametrize("command", [line.replace("\0", "\n") for line in lines(LOOKS)])
def test_looks(command: str) -> None:
    assert only_looks(command, roots=ROOTS)
    assert begins_with(command, [], roots=ROOTS)


@pytest.mark.parametrize("command", [*lines(REFUSED), *STRANGE])
def test_is_not_known_to_look(command: str) -> None:
    assert not only_looks(command, roots=ROOTS)
    assert not begins_with(command, ["make it", "git diff x", "npm test"], roots=ROOTS)


def test_there_are_enough_of_them() -> None:
    assert len(set(lines(LOOKS))) > 90
    assert len(set(lines(REFUSED))) > 200


def test_lines_and_continuations() -> None:
    assert only_looks("git status\n\ngit diff \\\n  --stat\n")
    assert only_looks("ls &&\n  ls;\nls\n")
    assert not only_looks("git status\n\ntouch made\n")


def test_words_that_no_shell_sees() -> None:
    assert only_looks(["ls", "$HOME", "*", "a b"])
    assert only_looks(("git", "diff", "*"))
    assert only_looks(["bash", "-lc", "git diff && ls"])
    assert not only_looks(["bash", "-lc", "git diff && rm x"])
    assert not only_looks(["bash", "-lc", "cat > made"])
    assert not only_looks(["bash", "-lc", "ls", "more"])
    assert not only_looks(["ls", "a\0b"])
    assert not only_looks([])
    assert not only_looks([""])
    assert not only_looks(["git", "diff", "--output=made"])


def test_absolute_paths_are_in_the_workspace_only_where_its_name_is_known() -> None:
    assert not only_looks("cd /w/project && git status")
    assert not only_looks("cd /w/project && git status", roots=("",))
    assert only_looks("cd /private/w/p && git status", roots=("/w/p", "/private/w/p/"))
    assert only_looks("cd /w/project && ls")


ALLOWED = ["pytest", "git diff", "npm test", "CI=1 make", "./check.sh", "python 'my tests.py'"]


@pytest.mark.parametrize(
    "command",
    [
        "pytest",
        "pytest -q tests/*.py",
        "pytest -q && npm test -- --watch=false",
        "pytest -q 2>&1 | tail -50",
        "cd src && pytest",
        "cd src && npm test",
        "git diff --output=made",
        'bash -lc "pytest -q"',
        "CI=1 make all",
        "./check.sh --all",
        'python "my tests.py" -v',
        "ls; pytest; git status",
        "pytest -k 'a and not b'",
        "pytest\nnpm test",
    ],
)
def test_begins_with(command: str) -> None:
    assert begins_with(command, ALLOWED)


@pytest.mark.parametrize(
    "command",
    [
        "pytest -q && rm -rf /",
        "pytest -q; curl x | sh",
        "pytest & rm x",
        "pytest || rm x",
        "pytest $(rm x)",
        "pytest `rm x`",
        'pytest "$X"',
        "pytest $X",
        "pytest > made",
        "pytest-evil",
        "pytes",
        "py*test",
        "./pytest",
        "FOO=1 pytest",
        "PYTEST_ADDOPTS='-p evil' pytest",
        "PATH=. pytest",
        "env pytest",
        "sudo pytest",
        "npm run test",
        "npm",
        "npm tests",
        "git -C x difftool",
        "git -c diff.external=x diff",
        "make",
        "CI=2 make",
        "check.sh",
        "cd sub && ./check.sh",
        "cd /tmp/evil && pytest",
        "cd .. && pytest",
        "cd /tmp && cd src && pytest",
        "python my tests.py",
        'bash -lc "pytest -q; rm x"',
        "bash -lc pytest -q x",
        "xargs pytest",
        "! pytest",
        "(pytest)",
        "'pytest -q'",
        "pytest\nrm x",
        "pytest \\\n; rm x",
        "pytest #",
        "pytest {a,b}",
        "pytest ~",
        "",
    ],
)
def test_does_not_begin_with(command: str) -> None:
    assert not begins_with(command, ALLOWED)


def test_nothing_is_allowed_by_entries_that_are_no_words() -> None:
    for entry in ("", " ", "a && b", "$X", "*", "py*", "'", "a\0b", "a | b"):
        assert first_words(entry) == ()
        assert not begins_with("rm x", [entry])
    assert first_words(" git   diff ") == ("git", "diff")
    assert first_words("npm run 'my test'") == ("npm", "run", "my test")


def test_words_of_a_command_that_no_shell_sees() -> None:
    assert begins_with(["pytest", "$HOME;rm"], ALLOWED)
    assert begins_with(["bash", "-lc", "pytest -q"], ALLOWED)
    assert not begins_with(["bash", "-lc", "pytest -q; rm x"], ALLOWED)
    assert not begins_with(["rm", "x"], ALLOWED)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "command",
    ["ls " + "a" * 200_000, "ls " + "'a'" * 100_000, "ls" + " x" * 100_000, "ls;" * 100_000, '"' * 100_001,
     "\\" * 100_001, "ls " + "*" * 100_000, "bash -c '" * 1000, "ls " + "\\\n" * 50_000, " \\\n" * 50_000,
     'ls "' + "\\a" * 100_000],
)  # fmt: skip
def test_long_ones_are_answered(command: str) -> None:
    assert only_looks(command) in (True, False)

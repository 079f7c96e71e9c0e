"""What needs no shell is started as a shell would have started it; all else is left to the shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamflow.core.shell import SHELL_WORDS, direct_argv, excerpt, quoted, shell_argv, shown
from tests.fakes.yardstick import measured

SHELLS = [shell for shell in ("/bin/sh", "/bin/bash") if Path(shell).exists()]


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        ("/bin/true", ("/bin/true",)),
        ("  ruff\tcheck   src ", ("ruff", "check", "src")),
        ("npm run build:all --if-present", ("npm", "run", "build:all", "--if-present")),
        ("tool --name='a b' \"c d\" ''", ("tool", "--name=a b", "c d", "")),
        ("tool 'a;b|c&$(d)`e`\\' x", ("tool", "a;b|c&$(d)`e`\\", "x")),
        ('tool "it\'s"', ("tool", "it's")),
        ("cc -DX=1 a,b@c%d+e", ("cc", "-DX=1", "a,b@c%d+e")),
    ],
)
def test_taken_apart(command: str, argv: tuple[str, ...]) -> None:
    assert direct_argv(command) == argv


@pytest.mark.parametrize(
    "command",
    [
        "",
        "  ",
        "a | b",
        "a; b",
        "a && b",
        "a &",
        "a > f",
        "a < f",
        "a 2>&1",
        "a $B",
        "a `b`",
        "a \\b",
        "a *",
        "a b?",
        "a [b]",
        "a ~",
        "a ~/b",
        "a #b",
        "a {b,c}",
        "a !b",
        "! a",
        "(a)",
        "A=1 b",
        "A=1",
        "a^b",
        "a\nb",
        "a\rb",
        "a\0b",
        'a "$B"',
        'a "`b`"',
        'a "\\$b"',
        "a 'b",
        'a "b',
        "''",
        "'' a",
        "-x",
        "+x",
        "%1",
        ":",
        ". file",
        "ünï",
        "a 'ü'",
        "a\u00a0b",
        "'a b'",
        *sorted(SHELL_WORDS),
        "echo hi",
        "'echo' hi",
        "ec'ho' hi",
        '"test" -f x',
    ],
)
def test_left_to_the_shell(command: str) -> None:
    assert direct_argv(command) is None


def test_every_builtin_of_the_shells_here_is_known() -> None:
    bash = Path("/bin/bash")
    if not bash.exists():
        pytest.skip("no bash here")
    listed = subprocess.run([bash, "-c", "compgen -b -k"], capture_output=True, text=True, check=True).stdout
    assert not [word for word in listed.split() if direct_argv(word) is not None]


@pytest.fixture(scope="module")
def printer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that prints its arguments, each ended by NUL."""
    program = tmp_path_factory.mktemp("bin") / "printer"
    program.write_text("#!/bin/sh\n[ $# = 0 ] || printf '%s\\0' \"$@\"\n")
    program.chmod(0o755)
    return program


WORDS = st.lists(
    st.one_of(
        st.text(alphabet="abc-=/.:,@%+_19'\" \t", max_size=12),
        st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=10),
        st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=10).map(quoted),
        st.sampled_from(["''", '""', "a''b", "'a'\"b\"", "--x='1 2'", "~", "*", "$HOME", "a#b", "#b", "a=~", "{a,b}"]),
    ),
    max_size=5,
)


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=WORDS)
def test_same_argv_as_a_shell(shell: str, printer: Path, words: list[str]) -> None:
    command = " ".join([str(printer), *words])
    argv = direct_argv(command)
    if argv is None:
        return
    done = subprocess.run([shell, "-c", command], capture_output=True, check=False, cwd=printer.parent)
    assert done.returncode == 0, done.stderr
    assert tuple(done.stdout.decode().split("\0")[:-1]) == argv[1:]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=4))
def test_shown_can_be_typed(printer: Path, words: list[str]) -> None:
    done = subprocess.run(["/bin/sh", "-c", shown([str(printer), *words])], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == words


def test_no_option_is_made_of_a_command() -> None:
    for command in ("-c true", "+x", "-"):
        done = subprocess.run(shell_argv(command), capture_output=True, text=True, check=False)
        assert done.returncode == 127
        assert "not found" in done.stderr


def test_excerpt() -> None:
    assert excerpt("make all") == "make all"
    assert excerpt("\n  make all\nmake test\n") == "make all …"
    assert excerpt("x" * 100, width=10) == "xxxxxxxxx…"
    assert excerpt("a\x1b[2Jb") == "a\ufffd[2Jb"
    assert excerpt("") == ""


@pytest.mark.parametrize("end", [";", "'", '"', " '", "\\", "$x", "'a' 'b"])
def test_long_words_take_no_time(end: str) -> None:
    """Of 30 characters it was seconds, of 40 hours."""
    found, rounds = measured(lambda: direct_argv(f"cd {'a' * 50_000}{end}"))
    assert found is None
    assert rounds < 100

"""What a step may change: every rule, in every ecosystem, with names that are meant to deceive."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.plan import FORBIDDEN, DiffPolicy
from teamflow.core.work import Change
from teamflow.policy.edits import LISTED, judged

FORBID = DiffPolicy(None, FORBIDDEN)


def made(*paths: str, kind: str = "M") -> list[Change]:
    return [Change(path, kind, 3, 1) for path in paths]


def failed(found: Failed | None) -> Failed:
    assert found is not None
    assert found.failure is FailureClass.WRITES
    return found


class Files:
    """Contents before and after, as `Read`."""

    def __init__(self, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        self._contents = (before, after)

    def __call__(self, path: str, *, after: bool) -> bytes | None:
        text = self._contents[after].get(path)
        return None if text is None else text.encode()


def test_no_writes_and_no_policy_allow_everything() -> None:
    assert judged(made("a", "b/c", ".git ignore\n"), writes=(), diff=None) is None
    assert judged([], writes=("src/**",), diff=FORBID) is None


def test_an_edit_outside_names_the_first_file_and_what_is_allowed() -> None:
    found = failed(judged(made("src/a.py", "z", "docs/b", "docs/a"), writes=("src/**", "!src/c"), diff=None))
    assert found.reason == "edited outside of `writes`: docs/a and 2 more (allowed: src/**, !src/c)"
    assert found.detail == f"{found.reason}\n- docs/a\n- docs/b\n- z"
    assert judged(made("src/a.py", "src/b/c"), writes=("src",), diff=None) is None
    assert judged(made("out/report.md"), writes=("src/**",), artifacts=("out/report.md",), diff=None) is None
    assert judged(made("out/report.md", kind="D"), writes=("src/**",), diff=None) is not None


def test_many_files_are_cut() -> None:
    found = failed(judged(made(*(f"f{n:03}" for n in range(120))), writes=("src",), diff=None))
    assert found.reason.startswith("edited outside of `writes`: f000 and 119 more ")
    assert found.detail.splitlines()[1:] == [f"- f{n:03}" for n in range(LISTED)] + ["- and 70 more"]
    assert (
        "(allowed: p0, p1, p2, p3, p4 and 4 more)"
        in failed(judged(made("x"), writes=tuple(f"p{n}" for n in range(9)), diff=None)).reason
    )


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("a\n- all tests passed", '"a\\n- all tests passed"'),
        ("\x1b[2Jx", '"\\x1b[2Jx"'),
        ("a b", "a b"),
        (" a", '" a"'),
        ("caf\u00e9/\u65e5\u672c", "caf\u00e9/\u65e5\u672c"),
        ("evil\u202egnp.exe", '"evil\\u202egnp.exe"'),
        ("a\u2028b", '"a\\u2028b"'),
        ("\udcff\udc80", '"\\xff\\x80"'),
        ('say "no"\\n', '"say \\"no\\"\\\\n"'),
        ("\U000e0041", '"\\U000e0041"'),
        ("x" * 400, "x" * 149 + "\u2026" + "x" * 150),
        ("--option", "--option"),
        ("$(reboot)", "$(reboot)"),
    ],
)
def test_hostile_names_stay_on_one_line(path: str, shown: str) -> None:
    found = failed(judged(made(path), writes=("src",), diff=None))
    assert found.detail.splitlines()[1:] == [f"- {shown}"]
    assert len(found.reason.splitlines()) == 1
    assert found.reason.isprintable()


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        (".claude/settings.json", ".claude/**"),
        ("sub/.mcp.json", ".mcp.json"),
        (".github/hooks/a.json", ".github/hooks/**"),
        (".opencode/plugin/p.js", ".opencode/**"),
        (".GEMINI/settings.json", ".gemini/**"),
        (".github", ".github/**"),
    ],
)
def test_settings_of_agents_are_kept_only_where_they_are_named(path: str, pattern: str) -> None:
    for kind in "AMDT":
        changes = made("src/a.py", path, kind=kind)
        for writes, edit in (((), None), (("**",), None), ((), ("**",)), (("**", f"!{path}"), ("**",))):
            found = failed(judged(changes, writes=writes, edit=edit, diff=None, fenced=True))
            assert path in found.detail
        found = failed(judged(changes, writes=(), diff=None, fenced=True))
        assert found.reason == (
            f"changed settings of agents: {path}, which could start programs outside of its permissions; such a change "
            f'is kept only where `writes` or `permissions.edit` names it in so many words (["**", "{pattern}"])'
        )
        assert judged(changes, writes=("**", path), diff=None, fenced=True) is None
        assert judged(changes, writes=(), edit=("**", path), diff=None, fenced=True) is None
        assert judged(changes, writes=(), diff=None, artifacts=(path,), fenced=True) is None
        assert judged(changes, writes=(), diff=None) is None


def test_settings_that_git_ignores_count_as_well() -> None:
    found = failed(judged((), writes=(), diff=None, fenced=True, hidden=(".claude/settings.local.json",)))
    assert ".claude/settings.local.json" in found.reason
    assert judged((), writes=("**", ".claude/**"), diff=None, fenced=True, hidden=(".claude/x",)) is None


def test_writes_that_mean_nothing_are_a_failure_and_no_exception() -> None:
    assert "leads out of the workspace" in failed(judged(made("a"), writes=("../x",), diff=None)).reason


def test_lines_are_counted_over_text_files() -> None:
    changes = [Change("a", "M", 300, 200), Change("b", "A", 101), Change("c", "A", 9000, binary=True)]
    assert judged(changes, writes=(), diff=DiffPolicy(601)) is None
    found = failed(judged(changes, writes=(), diff=DiffPolicy(600)))
    assert found.reason == "diff: 601 lines changed, at most 600"
    assert found.detail.splitlines()[1:] == ["- a (500)", "- b (101)"]
    assert judged([], writes=(), diff=DiffPolicy(0)) is None


def test_all_faults_are_told_at_once() -> None:
    changes = [Change("tests/test_a.py", "D", 0, 9), Change("x.png", "A", binary=True), *made("package.json")]
    found = failed(judged(changes, writes=("src",), diff=DiffPolicy(3, FORBIDDEN)))
    assert found.reason.startswith("edited outside of `writes`: package.json and 2 more")
    diff = [line for line in found.detail.splitlines() if line.startswith("diff:")]
    assert diff == [
        "diff: 13 lines changed, at most 3; deleted tests: tests/test_a.py; "
        "dependencies changed: package.json; binary files: x.png"
    ]


def test_binary_files() -> None:
    changes = [Change("a.png", "A", binary=True), Change("b.png", "M", binary=True), Change("c", "D", binary=True)]
    policy = DiffPolicy(None, ("binary",))
    found = failed(judged(changes, writes=(), diff=policy))
    assert found.reason == "diff: binary files: a.png and 1 more"
    assert judged(changes, writes=(), diff=policy, artifacts=("a.png", "b.png")) is None


TESTS = DiffPolicy(None, ("deleted_tests",))


def deleted(*changes: Change, read: Files | None = None) -> list[str]:
    found = judged(changes, writes=(), diff=TESTS, read=read)
    return [] if found is None else found.detail.splitlines()[1:]


def test_a_test_that_moved_is_not_deleted() -> None:
    gone, came = Change("tests/test_a.py", "D", 0, 9), Change("tests/unit/test_a.py", "A", 9)
    assert deleted(gone) == ["- tests/test_a.py"]
    assert deleted(gone, came) == []
    assert deleted(gone, came._replace(added=0)) == ["- tests/test_a.py"], "an empty one in its place"
    assert deleted(gone, came._replace(kind="M")) == ["- tests/test_a.py"], "that was there before"
    twice = gone._replace(path="other/test_a.py")
    assert deleted(gone, twice, came) == ["- tests/test_a.py"], "one stands for one"
    assert deleted(Change("tests/a.rs", "D", 0, 9), Change("old/a.rs", "A", 9)) == ["- tests/a.rs"], "none any more"


def test_a_test_that_was_emptied_is_deleted() -> None:
    change = Change("a_test.go", "M", 1, 30)
    assert deleted(change, read=Files({}, {"a_test.go": " \n"})) == ["- a_test.go"]
    assert deleted(change, read=Files({}, {"a_test.go": "package a\n"})) == []
    assert deleted(change, read=Files({}, {})) == deleted(change) == []
    assert deleted(Change("a_test.go", "T", 1, 30)) == ["- a_test.go"], "a link to /dev/null"
    assert deleted(Change("a_test.go", "T", 30, 1)) == []


IS_A_TEST = [
    "test_a.py",
    "pkg/a_test.py",
    "tests.py",
    "testing.py",
    "src/a.test.ts",
    "a.spec.jsx",
    "a.test.mjs",
    "test.js",
    "spec.ts",
    "__tests__/deep/a.tsx",
    "web/test/login.js",
    "test/a.cjs",
    "pkg/a_test.go",
    "tests/all.rs",
    "crates/x/tests/deep/main.rs",
    "src/tests.rs",
    "src/parse/test.rs",
    "src/test/java/x/Abc.java",
    "app/src/test/kotlin/Abc.kt",
    "app/src/androidTest/java/A.java",
    "x/FooTest.java",
    "FooTests.kt",
    "FooTestCase.java",
    "spec/models/user_spec.rb",
    "test/user_test.rb",
    "test/test_user.rb",
    "FooTest.cs",
    "src/FooTests.cs",
    "My.App.Tests/Login.cs",
    "App.UnitTests/deep/X.cs",
    "tests/FooTest.php",
    "tests/basic.phpt",
]
IS_NONE = [
    "src/a.py",
    "contest.py",
    "latest.go",
    "a_testing.go",
    "src/main.rs",
    "testdata/a.json",
    "tests/data.json",
    "tests/README.md",
    "src/attest.ts",
    "test/deep/a.js",
    "test/helper.rb",
    "spec/spec_helper.rb",
    "Protest.txt",
    "src/main/java/Testimony.java",
    "conftest.py",
    "Fastest.cs.bak",
    "App.Testing/X.cs",
    "src/Contest/A.cs",
    "mytest/a.js",
    "respec.rb",
    "test_.md",
    "__tests__/snap.json",
]


@pytest.mark.parametrize("path", IS_A_TEST)
def test_names_of_tests(path: str) -> None:
    assert deleted(Change(path, "D", 0, 1)) == [f"- {path}"]


@pytest.mark.parametrize("path", IS_NONE)
def test_names_of_no_tests(path: str) -> None:
    assert deleted(Change(path, "D", 0, 1)) == []


PATHS = st.sampled_from([*IS_A_TEST[:6], "other/test_a.py", "x.png", "package.json", "go.sum", "a\nb", "src/a"])
CHANGES = st.lists(
    st.builds(Change, PATHS, st.sampled_from("AMDT"), st.integers(0, 3), st.integers(0, 3), st.booleans()),
    unique_by=lambda change: change.path,
)


@given(CHANGES, st.randoms(), st.sampled_from([(), ("src",), ("**", "!x.png")]))
def test_the_order_of_changes_does_not_matter(changes: list[Change], chance: object, writes: tuple[str, ...]) -> None:
    mixed = list(changes)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    files = Files({"package.json": "{}"}, {"package.json": '{"dependencies": {"a": "1"}}', "test_a.py": ""})
    policy = DiffPolicy(5, FORBIDDEN)
    for read in (None, files):
        assert judged(mixed, writes=writes, diff=policy, read=read) == judged(
            changes, writes=writes, diff=policy, read=read
        )


@given(CHANGES)
def test_without_rules_everything_is_allowed(changes: list[Change]) -> None:
    assert judged(changes, writes=(), diff=None) is None
    assert judged(changes, writes=(), diff=DiffPolicy()) is None

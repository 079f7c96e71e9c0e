"""What an agent wishes, and what it gets: levels, lists, paths of every kind, and reasons that say what it may do."""

from __future__ import annotations

import pytest

from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.permissions import ALLOW, DENY, EDIT, FULL, QUEUE, READ, Permissions, Verdict, Wish
from teamflow.core.work import Change
from teamflow.policy.edits import judged
from teamflow.policy.permitting import judge

CWD = "/w/project"
DOCS = Permissions(edit=("docs/**", "DESIGN.md", "!docs/secret"))


def edit(grants: Permissions, *paths: str, cwd: str = CWD, roots: tuple[str, ...] = ()) -> Verdict:
    return judge(grants, Wish("edit", "Edit", paths=paths), cwd=cwd, roots=roots)


def run(grants: Permissions, command: str, *argv: str) -> Verdict:
    return judge(grants, Wish("run", f"Bash: {command}", command=command, argv=argv), cwd=CWD)


def test_full_may_do_everything() -> None:
    grants = Permissions(FULL)
    assert edit(grants, "/etc/passwd", ".git/config", "").answer == ALLOW
    assert run(grants, "rm -rf $HOME").answer == ALLOW
    assert judge(grants, Wish("other", "x"), cwd=CWD).answer == ALLOW


def test_everybody_looks_and_uses_the_tools_that_the_team_gave() -> None:
    for grants in (Permissions(READ), Permissions(), Permissions(edit=(), run=(), net=DENY, ask=DENY)):
        assert judge(grants, Wish("read", "Read", paths=("/etc/hosts",)), cwd=CWD).answer == ALLOW
        assert judge(grants, Wish("tool", "mcp", tool="docs.search"), cwd=CWD).answer == ALLOW
        assert run(grants, "git diff | head").answer == ALLOW
        assert run(grants, f"cd {CWD}/src && git status").answer == ALLOW
        assert run(grants, "", "git", "diff").answer == ALLOW


def test_everybody_reports_as_every_agent_is_told_to() -> None:
    for grants in (Permissions(READ), Permissions(run=("pytest",)), Permissions(run=(), ask=DENY)):
        assert run(grants, 'teamflow progress 40 "half of it"') == Verdict(ALLOW)
        assert run(grants, "", "teamflow", "progress", "40", "half of it") == Verdict(ALLOW)
        assert run(grants, "teamflow progress 40 half > a.py").answer != ALLOW
        assert run(grants, "teamflow approve 1.1").answer != ALLOW


def test_one_that_reads_is_told_what_it_may_do() -> None:
    grants = Permissions(READ)
    for verdict in (edit(grants, "a"), run(grants, "make"), run(grants, ""), run(grants, "ls > made")):
        assert verdict.answer == DENY
        assert "only reads (permissions: read)" in verdict.reason
        assert "git diff" in verdict.reason
    assert judge(grants, Wish("other", "Plan mode"), cwd=CWD).answer == DENY
    assert judge(grants, Wish("net", "WebFetch"), cwd=CWD).answer == ALLOW


@pytest.mark.parametrize(
    "path",
    ["a.txt", "src/a.py", "./src/a.py", "src//a.py", "src/", "/w/project/a", "/w/project//x/./y", "...", "a b", "ü/é",
     ".gitignore", ".github/workflows/x.yml", "src/.gitkeep", "gitx", "-rf", "a\nb", "*", "*/x", "CLAUDE.md"],
)  # fmt: skip
def test_files_of_the_workspace_may_be_edited(path: str) -> None:
    assert edit(Permissions(), path) == Verdict(ALLOW)


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/w/projectile/a", "/w", "/", "//w/project/a", "../a", "..", "src/../../x", "src/../a",
     "/w/project/../project/a", "link/../../a", "~/x", "~root/.ssh/id", "~", ".", "/w/project", "/w/project/",
     "./", "/W/project/a", "/w/Project/a"],
)  # fmt: skip
def test_what_is_not_known_to_be_in_it_is_asked_for(path: str) -> None:
    assert edit(Permissions(), path).answer == QUEUE
    verdict = edit(Permissions(ask=DENY), path)
    assert verdict.answer == DENY
    assert "workspace" in verdict.reason


@pytest.mark.parametrize(
    "path",
    [".git", ".git/config", ".git/hooks/pre-commit", "/w/project/.git/config", "sub/.git/config", ".GIT/config", ".Git",
     "git~1/config", "GIT~1", ".git /config", ".git./config", ".g\u200cit/config", ".git::$INDEX_ALLOCATION/config",
     ".teamflow/state.db", ".TEAMFLOW/x", "./.git/../.git/x", "./.git//config"],
)  # fmt: skip
def test_what_git_and_teamflow_keep_is_not_edited(path: str) -> None:
    for grants in (Permissions(), Permissions(edit=(".git/**", "**"))):
        verdict = edit(grants, path)
        if ".." in path:
            assert verdict.answer == QUEUE
        else:
            assert verdict.answer == DENY
            assert "permissions: full" in verdict.reason


@pytest.mark.parametrize(
    "path",
    [".claude/settings.json", ".claude/settings.local.json", "sub/.claude/settings.json", ".CLAUDE/x", ".mcp.json",
     ".codex/config.toml", ".gemini/settings.json", "opencode.json", ".opencode/agent/x.md", "/w/project/.mcp.json",
     ".github/hooks/a.json", ".GitHub/Hooks/a.json", "sub/.github/mcp.json", ".github", ".vscode/mcp.json",
     "src/.claude/settings.json", "src/.mcp.json"],
)  # fmt: skip
def test_settings_of_agents_are_asked_for(path: str) -> None:
    assert edit(Permissions(), path).answer == QUEUE
    assert edit(Permissions(ask=DENY), path).answer == DENY
    for patterns in (("**",), ("src/**", "sub/**"), ("src", "sub"), ("*/.c*/**", ".[a-z]*/**"), ("src/claude/**",)):
        assert edit(Permissions(edit=patterns), path).answer == QUEUE


@pytest.mark.parametrize(
    "path",
    [
        "AGENTS.md",
        "CLAUDE.md",
        ".github/copilot-instructions.md",
        ".github/workflows/a.yml",
        "docs/claude/x",
        "hooks/a.json",
        ".github/skills/x/SKILL.md",
    ],
)
def test_texts_for_models_are_no_settings(path: str) -> None:
    assert edit(Permissions(), path).answer == ALLOW


def test_settings_of_agents_that_the_team_names_may_be_edited() -> None:
    assert edit(Permissions(edit=(".claude/agents/**",)), ".claude/agents/a.md").answer == ALLOW
    assert edit(Permissions(edit=(".claude/agents/**",)), ".claude/settings.json").answer == QUEUE
    assert edit(Permissions(edit=("src/.claude/**",)), "src/.claude/settings.json").answer == ALLOW
    assert edit(Permissions(edit=("src/.claude/**", "**")), ".claude/settings.json").answer == QUEUE
    assert edit(Permissions(edit=("**/.mcp.json",)), "src/.mcp.json").answer == ALLOW
    assert edit(Permissions(edit=(".github/hooks/**",)), ".github/hooks/a.json").answer == ALLOW
    assert edit(Permissions(edit=(".github/**",)), ".github/hooks/a.json").answer == QUEUE
    assert edit(Permissions(edit=(".claude/**", "!.claude/settings.json")), ".claude/settings.json").answer == QUEUE
    assert edit(Permissions(edit=("!.claude/**", "**")), ".claude/settings.json").answer == QUEUE


@pytest.mark.parametrize("path", ["", "\0", "a\0b", "/w/project/a\0"])
def test_no_names_of_files_are_denied(path: str) -> None:
    assert edit(Permissions(), path).answer == DENY


def test_a_list_of_files() -> None:
    for path in ("docs/a.md", "DESIGN.md", "/w/project/docs/x/y", "docs//a"):
        assert edit(DOCS, path).answer == ALLOW
    for path in ("docs/secret", "src/a.py", "design.md", "DESIGN.md.bak", "Docs/a", "docs/../src/a", "../docs/a"):
        assert edit(DOCS, path).answer == QUEUE
        assert edit(DOCS._replace(ask=DENY), path).answer == DENY
    reason = edit(DOCS, "src/a.py").reason
    assert (
        reason == "src/a.py is none of the files that it may edit: docs/**, DESIGN.md, !docs/secret (permissions.edit)"
    )
    assert edit(DOCS, "/w/project/src/a.py").reason == reason, "by its name in the workspace"
    assert edit(Permissions(edit=("../x", "")), "x").answer == QUEUE


def test_no_list_allows_nothing() -> None:
    verdict = edit(Permissions(edit=()), "a")
    assert verdict.answer == DENY
    assert "permissions.edit: []" in verdict.reason


def test_of_several_files_the_worst_one_counts() -> None:
    assert edit(DOCS, "docs/a", "docs/b").answer == ALLOW
    assert edit(DOCS, "docs/a", "src/b").answer == QUEUE
    assert edit(DOCS, "docs/a", "src/b", ".git/config").answer == DENY
    assert edit(DOCS).answer == QUEUE
    assert edit(Permissions()).answer == QUEUE
    assert edit(Permissions(ask=DENY)).answer == DENY


def test_a_workspace_with_two_names() -> None:
    names = ("/tmp/w", "/private/tmp/w")
    for path in ("/tmp/w/a", "/private/tmp/w/a", "a"):
        assert edit(Permissions(edit=("a",)), path, cwd="/tmp/w", roots=names).answer == ALLOW
    assert edit(Permissions(), "/private/tmp/w/a", cwd="/tmp/w").answer == QUEUE
    wish = Wish("run", "Bash", command="cd /private/tmp/w && git status")
    assert judge(Permissions(READ), wish, cwd="/tmp/w", roots=names).answer == ALLOW
    assert judge(Permissions(READ), wish, cwd="/tmp/w").answer == DENY


def test_globs_are_those_of_the_workspace_wherever_in_it_the_agent_works() -> None:
    grants = Permissions(edit=("sub/a",))
    assert edit(grants, "a", cwd="/w/sub", roots=("/w",)).answer == ALLOW
    assert edit(grants, "sub/a", cwd="/w/sub", roots=("/w",)).answer == QUEUE
    assert edit(grants, "/w/sub/a", cwd="/w/sub", roots=("/w",)).answer == ALLOW
    assert edit(Permissions(), "/a", cwd="/").answer == ALLOW
    assert edit(Permissions(), "/a", cwd="").answer == QUEUE


def test_commands() -> None:
    listed = Permissions(run=("pytest", "git diff"))
    assert run(Permissions(), "make && curl x | sh").answer == ALLOW
    assert run(listed, "pytest -q 2>&1 | tail").answer == ALLOW
    assert run(listed, "", "bash", "-lc", "pytest -q").answer == ALLOW
    assert run(listed, "pytest -q && rm -rf /").answer == QUEUE
    assert run(listed, "", "rm", "-rf", "/").answer == QUEUE
    assert run(listed, "").answer == QUEUE
    assert run(listed._replace(ask=DENY), "make").answer == DENY
    assert run(listed, "make").reason.startswith(
        "`make` is none of the commands that it may run: pytest, git diff (permissions.run)"
    )
    nothing = Permissions(run=(), ask=DENY)
    assert run(nothing, "cat a.txt").answer == ALLOW
    assert run(nothing, "make").answer == DENY
    assert run(Permissions(), "").answer == QUEUE


def test_the_network() -> None:
    wish = Wish("net", "WebFetch https://example.com")
    assert judge(Permissions(), wish, cwd=CWD).answer == ALLOW
    verdict = judge(Permissions(net=DENY), wish, cwd=CWD)
    assert verdict.answer == DENY
    assert "permissions.net: deny" in verdict.reason


def test_everything_else_is_asked_for() -> None:
    for kind in ("other", "", "surprise"):
        assert judge(Permissions(), Wish(kind, "ExitPlanMode"), cwd=CWD).answer == QUEUE
        assert judge(Permissions(ask=DENY), Wish(kind, "ExitPlanMode"), cwd=CWD).answer == DENY
        assert judge(Permissions(READ), Wish(kind, ""), cwd=CWD).answer == DENY


def test_reasons_are_one_line_of_bounded_length_and_steer_no_terminal() -> None:
    hostile = "\x1b[2Jx\n\u202e" + "a" * 10_000
    many = Permissions(edit=tuple(f"f{number}" for number in range(500)), run=("x" * 10_000,) * 50, ask=DENY)
    for verdict in (
        edit(many, hostile),
        edit(Permissions(), "/" + hostile),
        run(many, hostile),
        run(Permissions(READ), hostile),
        judge(Permissions(), Wish("other", hostile), cwd=CWD),
    ):
        assert verdict.answer != ALLOW
        assert verdict.reason.isprintable()
        assert len(verdict.reason) < 2000


def test_levels_are_in_order() -> None:
    wishes = [Wish("edit", "e", paths=("a",)), Wish("run", "r", command="make"), Wish("net", "n"), Wish("other", "o")]
    order = {DENY: 0, QUEUE: 1, ALLOW: 2}
    for wish in wishes:
        answers = [order[judge(Permissions(level), wish, cwd=CWD).answer] for level in (READ, EDIT, FULL)]
        assert answers == sorted(answers)


# -- what has really been changed ------------------------------------------------------------------------------------


def changed(*paths: str) -> list[Change]:
    return [Change(path, "M", 1, 1) for path in paths]


def faults(changes: list[Change], grants: Permissions, *, writes: tuple[str, ...] = ()) -> Failed | None:
    return judged(changes, writes=writes, diff=None, edit=grants.editable, artifacts=("out/report.md",))


def test_what_has_changed_is_held_against_permissions_edit_whoever_changed_it() -> None:
    assert faults(changed("docs/a", "DESIGN.md", "out/report.md"), DOCS) is None
    found = faults(changed("src/a.py", "DESIGN.md", "docs/secret"), DOCS)
    assert found is not None
    assert found.failure is FailureClass.WRITES
    assert found.reason == (
        "edited outside of `permissions.edit`: docs/secret and 1 more (allowed: docs/**, DESIGN.md, !docs/secret)"
    )
    assert found.detail.splitlines()[1:] == ["- docs/secret", "- src/a.py"]


def test_nothing_may_be_changed_where_nothing_may_be_edited() -> None:
    for grants in (Permissions(READ), Permissions(edit=())):
        assert faults([], grants) is None
        assert faults(changed("out/report.md"), grants) is None
        found = faults(changed("a"), grants)
        assert found is not None
        assert found.reason == "edited outside of `permissions.edit`: a (allowed: none)"
    for grants in (Permissions(), Permissions(FULL)):
        assert faults(changed("a"), grants) is None


def test_writes_and_permissions_are_both_told() -> None:
    found = faults(changed("src/a.py", "docs/a"), DOCS, writes=("docs/**",))
    assert found is not None
    assert found.reason.startswith("edited outside of `writes`: src/a.py ")
    assert "edited outside of `permissions.edit`: src/a.py " in found.detail
    found = faults(changed("DESIGN.md"), DOCS, writes=("docs/**",))
    assert found is not None
    assert "permissions.edit" not in found.detail


def test_a_list_that_means_nothing_is_a_failure() -> None:
    found = faults(changed("a"), Permissions(edit=("../x",)))
    assert found is not None
    assert found.reason.startswith("cannot tell what `permissions.edit` allows: ")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("make", ""),
        ("printf x > a.py", "it writes into a file (>)"),
        ("printf x 2>> a.py", "it writes into a file (>)"),
        ('printf "$(make)"', "it puts in the output of another command ($(…))"),
        ("printf `make`", "it puts in the output of another command (`…`)"),
        ("printf x$HOME", "it uses a variable ($)"),
        ('printf "$HOME"', "it uses a variable ($)"),
        ("printf x & make", "it goes on in the background (&)"),
        ("cat <<EOF", "it has a here-document (<<)"),
        ("printf ~/x", "it names a home directory (~)"),
        ("printf {a,b}", "it has words in braces ({…})"),
        ("(printf x)", "it starts a shell within (…)"),
        ("bash -lc 'printf x > a.py'", "it writes into a file (>)"),
        ("printf x && rm -rf build && make", "`rm -rf build` is none"),
        ("cd /elsewhere && printf -v x y", "`printf -v x y` is none"),
        ("printf x |", "it is not certain to run what it seems to"),
        ('printf "', "it is not certain to run what it seems to"),
        ("|", "it is not certain to run what it seems to"),
    ],
)
def test_people_are_told_why_it_is_asked(command: str, why: str) -> None:
    verdict = run(Permissions(run=("printf",)), command)
    listed = f"`{command}` is none of the commands that it may run: printf (permissions.run)"
    assert verdict.answer == QUEUE
    more = ", and each part must begin with one of them, or only look" if why.endswith("is none") else ""
    assert verdict.reason == (f"{listed}: {why}{more}" if why else listed)


def test_they_are_told_it_of_a_command_in_words_too() -> None:
    verdict = run(Permissions(run=("printf",)), "", "bash", "-lc", "printf x > a.py")
    assert verdict.reason.endswith("(permissions.run): it writes into a file (>)")

"""Fences that are not there are plan errors, per engine and with a remedy; and what plan says in words."""

from __future__ import annotations

import pytest

from teamflow.core.capabilities import Capabilities
from teamflow.core.permissions import DENY, EDIT, FULL, LEVELS, READ, Permissions
from teamflow.core.plan import Plan
from teamflow.engines.registry import ENGINES as REGISTERED
from teamflow.engines.registry import engine as built_in
from teamflow.plan.permissions import Problem, kind_of, unenforced
from teamflow.plan.planner import make_plan
from teamflow.plan.words import grants_in_words, grants_object, team_in_words
from tests.fakes.teams import load_team, plan_of, step_of

ASKING = Capabilities(asks=True, enforces=frozenset(("read", "edit", "run")), mcp=frozenset(("stdio", "http", "sse")))
SANDBOX = Capabilities(
    asks=True, enforces=frozenset(("read", "edit", "net")), mcp=frozenset(("stdio", "http")), isolates=True
)
FALLBACK = Capabilities(enforces=frozenset(("read", "edit", "net")), mcp=frozenset(("stdio",)), isolates=True)
BARE = Capabilities()
ENGINES = {"claude": ASKING, "codex": SANDBOX, "codex-exec": FALLBACK, "bare": BARE}


def keys(grants: Permissions, engine: str, *, judged: bool = False) -> list[str]:
    return [item.key for item in unenforced(grants, engine, ENGINES[engine], judged=judged)]


def problem(grants: Permissions, engine: str, *, others: bool = True) -> Problem:
    [found] = unenforced(grants, engine, ENGINES[engine], others=ENGINES if others else {})
    return found


def test_levels() -> None:
    for level in LEVELS:
        assert keys(Permissions(level), "claude") == keys(Permissions(level), "codex-exec") == []
    assert keys(Permissions(FULL), "bare") == []
    read, edit = problem(Permissions(READ), "bare"), problem(Permissions(EDIT), "bare", others=False)
    assert read.message == "bare cannot be kept from changing files: it neither asks for leave nor has a sandbox"
    assert read.hint == "use claude or codex or codex-exec, or permissions: full, if it may do all that you may"
    assert edit.message == "bare cannot be kept to its workspace: it neither asks for leave nor has a sandbox"
    assert edit.hint == "permissions: full, if it may do all that you may"


def test_the_network() -> None:
    grants = Permissions(net=DENY)
    assert keys(grants, "codex") == keys(grants, "codex-exec") == []
    found = problem(grants, "claude")
    assert found.key == "permissions.net"
    assert found.message == "claude cannot keep commands off the network"
    assert found.hint == (
        "use codex or codex-exec, or permissions.run: [], which leaves it the commands that only look"
    )
    assert keys(grants._replace(run=("pytest",)), "claude") == ["permissions.net"]
    assert keys(grants._replace(run=()), "claude") == []
    asks_not = unenforced(grants, "x", Capabilities(enforces=frozenset(("edit",))))
    assert asks_not == [Problem("permissions.net", "x cannot be kept off the network", "leave out permissions.net")]


def test_lists_of_commands() -> None:
    for run in ((), ("pytest", "git diff")):
        assert keys(Permissions(run=run), "claude") == keys(Permissions(run=run), "codex") == []
        found = problem(Permissions(run=run), "codex-exec")
        assert found.key == "permissions.run"
        assert found.message == "codex-exec cannot be kept to some commands: it does not ask before it runs one"
        assert found.hint.startswith("use claude or codex, or leave out permissions.run")


def test_lists_of_files_hold_where_changes_are_judged() -> None:
    grants = Permissions(edit=("DESIGN.md",))
    for engine in ("claude", "codex", "codex-exec"):
        assert keys(grants, engine, judged=True) == []
        assert keys(grants, engine) == ["permissions.edit"]
    assert keys(grants._replace(run=()), "claude") == []
    assert problem(grants, "claude").message == (
        "claude cannot keep commands to some files, and in the project nobody judges what they change"
    )
    assert "workspace: {mode: worktree}" in problem(grants, "codex-exec").hint
    tools, sandbox = (Capabilities(enforces=frozenset(("edit", "globs", "run", *more))) for more in ((), ("net",)))
    assert [item.key for item in unenforced(grants, "x", tools)] == ["permissions.edit"]
    assert unenforced(grants._replace(run=()), "x", tools) == unenforced(grants, "x", sandbox) == []


def test_all_that_is_wrong_is_said_at_once() -> None:
    grants = Permissions(edit=("a",), run=("x",), net=DENY)
    assert keys(grants, "claude") == ["permissions.edit", "permissions.net"]
    sandboxed = Capabilities(enforces=frozenset(("edit",)))
    found = unenforced(grants, "x", sandboxed, servers={"s": {"url": "u"}}, isolate=True)
    assert [item.key for item in found] == [
        "permissions.run",
        "permissions.edit",
        "permissions.net",
        "mcp_servers.s",
        "isolate",
    ]


def test_only_engines_that_can_do_all_of_it_are_named() -> None:
    grants = Permissions(net=DENY, run=("pytest",))
    assert problem(grants, "claude").hint.startswith("use codex, or ")  # codex-exec keeps to no list
    old = {"old": {"type": "sse", "url": "x"}}
    [found] = unenforced(grants, "claude", ASKING, servers=old, others=ENGINES)
    assert found.hint.startswith("permissions.run: []")


def test_servers_and_isolation() -> None:
    servers = {"docs": {"command": "docs-mcp"}, "old": {"type": "sse", "url": "http://x"}}
    assert unenforced(Permissions(), "claude", ASKING, servers=servers) == []
    assert unenforced(Permissions(), "codex", SANDBOX, servers=servers, others=ENGINES) == [
        Problem(
            "mcp_servers.old",
            "codex cannot be given the MCP server old (sse): it takes stdio and http",
            "use claude, or give it one of type stdio or http",
        )
    ]
    assert [item.hint for item in unenforced(Permissions(FULL), "bare", BARE, servers=servers)] == [
        "leave out mcp_servers"
    ] * 2
    [found] = unenforced(Permissions(), "claude", ASKING, isolate=True, others=ENGINES)
    assert found == Problem(
        "isolate",
        "claude cannot be started without your own settings and memory",
        "use codex or codex-exec, or leave out isolate",
    )


@pytest.mark.parametrize(
    ("server", "kind"),
    [
        ({"command": "x"}, "stdio"),
        ({"url": "x"}, "http"),
        ({"type": "sse", "url": "x"}, "sse"),
        ({"type": "http"}, "http"),
        ({"type": 3, "url": "x"}, "http"),
        ({}, "stdio"),
        (None, "stdio"),
        ([], "stdio"),
    ],
)
def test_kinds_of_servers(server: object, kind: str) -> None:
    assert kind_of(server) == kind  # type: ignore[arg-type]


PLANNED = {"claude": ASKING, "codex": SANDBOX, "copilot": FALLBACK, "gemini": BARE}
"""Under names that a team file may use."""

# -- in a plan ---------------------------------------------------------------------------------------------------


def said(text: str, *, git: bool = True) -> list[tuple[str, int | None, str]]:
    plan, found = make_plan(load_team(text), inputs={}, git=git, engines=PLANNED)
    assert (plan is None) == bool(list(found))
    return [(item.code, item.span.line if item.span else None, item.message) for item in found]


def test_every_engine_of_a_list_is_held_to_it() -> None:
    team = """
engines: {mine: {command: [mine]}}
agents:
  build:
    engine: [codex, claude/opus, mine, copilot, opencode, claude/haiku]
    prompt: x
    permissions:
      run: [pytest]
      net: deny
"""
    assert said(team) == [
        ("not-enforced", 8, "build: copilot cannot be kept to some commands: it does not ask before it runs one"),
        ("not-enforced", 9, "build: claude cannot keep commands off the network"),
    ]
    assert said(team.replace("net: deny", "ask: deny").replace("copilot, ", "")) == []


def test_nothing_is_said_of_engines_of_which_nothing_is_known() -> None:
    plan, found = make_plan(
        load_team("agents: {a: {prompt: x, permissions: {net: deny}}, b: {command: x}}"), inputs={}, git=True
    )
    assert plan is not None
    assert list(found) == []


def test_a_workspace_of_its_own_judges_and_the_project_does_not() -> None:
    team = "agents: {a: {engine: claude, prompt: x, permissions: {edit: [DESIGN.md]}}}"
    assert said(team) == []
    assert [code for code, *_ in said(team, git=False)] == ["not-enforced"]
    assert len(said(team.replace("prompt: x", "prompt: x, workspace: {mode: shared}"))) == 1


def test_what_comes_from_a_persona_and_helpers_count() -> None:
    team = """
personas: {p: {engine: gemini}}
agents:
  a: {persona: p, prompt: x}
  b: {command: x, depends_on: [a], on_conflict: fixer}
  fixer: {start: never, engine: codex, prompt: x, mcp_servers: {a.b: {type: sse, url: "http://x"}}}
"""
    messages = [message for *_, message in said(team)]
    assert messages[0].startswith("a: gemini cannot be kept to its workspace")
    assert messages[1].startswith("fixer: codex cannot be given the MCP server a.b (sse)")


@pytest.mark.parametrize("name", [name for name in REGISTERED if name != "command"])
def test_the_engines_that_are_built_in_keep_to_every_level(name: str) -> None:
    for level in LEVELS:
        assert unenforced(Permissions(level), name, built_in(name).capabilities) == []
    judged = Permissions(edit=("DESIGN.md",), ask=DENY)
    assert unenforced(judged, name, built_in(name).capabilities, judged=True) == []


def test_what_the_real_ones_cannot_keep() -> None:
    def wrong(name: str, grants: Permissions) -> list[str]:
        return [item.key for item in unenforced(grants, name, built_in(name).capabilities)]

    assert wrong("claude", Permissions(net=DENY)) == ["permissions.net"]
    assert wrong("claude", Permissions(net=DENY, run=())) == []
    assert wrong("codex", Permissions(net=DENY, run=("pytest",), edit=("src/**",))) == []
    assert wrong("codex-exec", Permissions(net=DENY)) == []
    assert wrong("codex-exec", Permissions(run=("pytest",))) == ["permissions.run"]


# -- in words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grants", "words"),
    [
        (Permissions(READ), "reads"),
        (Permissions(), "edits; runs commands"),
        (Permissions(FULL), "everything"),
        (
            Permissions(edit=("DESIGN.md",), run=("pytest", "git diff"), net=DENY, ask=DENY),
            "edits DESIGN.md; runs pytest, git diff; no network; asks nobody",
        ),
        (Permissions(edit=(), run=()), "edits nothing; runs nothing"),
        (Permissions(edit=()), "edits nothing; runs commands"),
        (Permissions(READ, net=DENY), "reads; no network"),
    ],
)
def test_words_of_one(grants: Permissions, words: str) -> None:
    assert grants_in_words(grants) == words
    assert grants_in_words(grants, servers=("docs", "tickets")) == f"{words}; MCP docs, tickets"


TEAM = """
engines: {mine: {command: [mine]}}
agents:
  ship: {engine: claude, prompt: x, permissions: full, mcp_servers: {docs: {command: d}, db: {command: d}}}
  fix: {engine: claude, prompt: x, permissions: full}
  build: {engine: codex, prompt: x, matrix: [1, 2, 3, 4, 5, 6, 7], permissions: {net: deny}}
  write: {engine: [claude, mine], prompt: x, permissions: {edit: [A.md], run: [pytest]}, isolate: true}
  note: {engine: claude, prompt: x, permissions: {run: []}}
  try: {engine: claude, prompt: x, permissions: {edit: []}}
  part: {engine: claude, prompt: x, permissions: {edit: [], run: [make]}}
  review: {engine: codex, prompt: x, permissions: read, mcp_servers: {docs: {command: d}}}
  look: {engine: codex, prompt: x, permissions: {edit: [], run: []}}
  test: {command: pytest}
"""


def plan() -> Plan:
    return plan_of(TEAM, git=True)


def test_words_of_a_team() -> None:
    made = plan()
    assert set(team_in_words(made.steps).split("; ")) == {
        "2 steps may do everything: ship, fix",
        "2 steps may only look: review, look",
        "7 steps may edit files and run any command: build/1, build/2, build/3, build/4, build/5 and 2 more",
        "1 step may edit files and run some commands: write",
        "1 step may edit files: note",
        "1 step may run any command and edit nothing: try",
        "1 step may run some commands and edit nothing: part",
        "no network: build/1, build/2, build/3, build/4, build/5 and 2 more",
        "MCP servers: docs (ship, review), db (ship)",
        "not enforced by custom engines: write",
    }
    assert team_in_words(made.steps).startswith("2 steps may do everything: ")
    assert team_in_words([step_of(made, "test")]) == team_in_words([]) == ""


def test_data_of_a_step() -> None:
    made = plan()
    assert grants_object(step_of(made, "test")) is None
    assert grants_object(step_of(made, "write")) == {
        "level": "edit",
        "edit": ("A.md",),
        "run": ("pytest",),
        "net": "allow",
        "ask": "queue",
        "mcp_servers": [],
        "isolate": True,
        "base_url": None,
        "enforced": False,
    }
    ship = grants_object(step_of(made, "ship"))
    assert ship is not None
    assert (ship["level"], ship["edit"], ship["mcp_servers"], ship["enforced"]) == ("full", None, ["docs", "db"], True)
    assert step_of(made, "ship").permissions == "everything; MCP docs, db"

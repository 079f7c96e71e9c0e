"""Teams from outside: run only once somebody has said so, and only as they were then."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.made import Answer, argv, call, environment, process

EVIL = "agents:\n  a: {command: 'touch \"$TEAMFLOW_PROJECT/ran\"; echo $((6*7))'}\n"


class Place:
    """A project of the user's, a home, and somewhere else."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mine = root / "mine"
        self.other = root / "other"
        for directory in (self.mine / ".git", self.other, root / "home"):
            directory.mkdir(parents=True)
        subprocess.run(["git", "init", "-q", str(self.mine)], check=True)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @property
    def env(self) -> dict[str, str]:
        return {"HOME": str(self.root / "home"), "XDG_STATE_HOME": str(self.root / "state")}

    def call(self, *words: str) -> Answer:
        return (process if words[0] == "run" else call)(self.mine, *words, **self.env)

    def refused(self, *words: str) -> Answer:
        """Of a run that is to be refused before it starts anything."""
        answer = call(self.mine, "run", *words, **self.env)
        assert refused(answer), answer
        return answer

    def trusted(self) -> list[Path]:
        return sorted((self.root / "state" / "teamflow" / "trusted").glob("*"))

    @property
    def ran(self) -> bool:
        return any((place / "ran").exists() for place in (self.mine, self.other))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def refused(answer: Answer) -> bool:
    return answer.code == 3 and "needs your trust" in answer.err


def test_a_team_file_from_elsewhere(place: Place) -> None:
    path = place.write("other/team.yaml", EVIL)
    word = str(path)
    for words in ((word,), (word, "--yes"), (word, "--no-input"), (word, "--yes", "--new", "a"), (word, "-d")):
        answer = place.refused(*words)
        assert f"teamflow run {word} " in answer.err
        assert "runs `touch" in answer.err
    assert not place.ran
    assert place.trusted() == []
    assert place.call("run", word, "--trust").code == 0
    assert place.ran
    assert place.call("run", word).code == 0
    (kept,) = place.trusted()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    path.write_text(EVIL + "# changed\n")
    place.refused(word)
    path.write_text(EVIL)
    assert place.call("run", word).code == 0


@pytest.mark.slow
def test_a_variant_of_an_engine_is_shown_with_its_server_and_what_it_gets(place: Place) -> None:
    made = "{engine: claude, base_url: 'http://far:1', model: m, env: {A: b}, inherit_env: [MY_KEY]}"
    team = place.write("other/team.yaml", f"engines: {{x: {made}}}\nagents: {{a: {{engine: x, prompt: x}}}}\n")
    answer = place.refused(str(team))
    assert "engine x: claude at http://far:1 sets A=b gets your variables MY_KEY\n" in answer.err


REPOSITORY = "agents: {a: {engine: claude, prompt: x, permissions: read, workspace: {repo: '%s'}}}\n"


@pytest.mark.parametrize(
    ("repo", "named"),
    [
        ("https://me:token@far.example/x.git", "the repository https://far.example/x.git\n"),
        ("git@far.example:x", "the repository git@far.example:x\n"),
        ("../other", "the repository ../other\n"),
        ("https://far.example/{{ inputs.of }}", "the repository https://far.example/mine\n"),
    ],
)
def test_a_repository_of_somebody_else_that_an_agent_works_in(place: Place, repo: str, named: str) -> None:
    """Its settings start programs, and name servers, whatever the step may do."""
    place.write("mine/team.yaml", "inputs: {of: {default: mine}}\n" + REPOSITORY % repo)
    answer = place.refused("--no-input")
    assert named in answer.err
    assert "token" not in answer.err
    assert place.trusted() == []


def test_a_repository_is_trusted_by_its_name(place: Place) -> None:
    place.write("mine/team.yaml", REPOSITORY % "../other")
    assert not refused(place.call("run", "--trust", "--no-input"))
    (kept,) = place.trusted()
    assert "the repository ../other" in kept.read_text()
    assert not refused(place.call("run", "--no-input"))
    place.write("mine/team.yaml", REPOSITORY % "../another")
    place.refused("--no-input")


@pytest.mark.parametrize(
    "agent",
    [
        "{command: ls, workspace: {repo: ../other}}",
        "{engine: scripted, prompt: x, script: play.yaml, workspace: {repo: ../other}}",
        "{engine: claude, prompt: x, workspace: {repo: inner}}",
        "{engine: claude, prompt: x, workspace: {mode: clone}}",
    ],
)
def test_repositories_that_need_no_trust(place: Place, agent: str) -> None:
    """Of commands, whose text is in the team file; of agents that read no settings; and one's own."""
    place.write("mine/play.yaml", "- say: x\n")
    place.write("mine/team.yaml", f"agents: {{a: {agent}}}\n")
    answer = place.call("plan")
    assert answer.code == 0, answer
    assert "trust" not in answer.out


def test_reading_needs_no_trust_and_starts_nothing(place: Place) -> None:
    body = (
        "engines: {mine: {command: [./engine, --version], prompt: argument}}\n"
        "hooks: {before_run: touch ran}\n"
        "agents:\n  a: {engine: mine, prompt: x, verify: [touch ran], workspace: {setup: touch ran}}\n"
    )
    word = str(place.write("other/team.yaml", body))
    place.write("other/engine", "#!/bin/sh\ntouch ran\n").chmod(0o755)
    for words in (("validate",), ("config",), ("list", "engines"), ("list", "personas"), ("lock",)):
        assert place.call(*words, word).code == 0
    answer = place.call("plan", word)
    assert answer.code == 0
    assert "whether you trust it (--trust)" in answer.out.replace("\n ", "")
    assert not place.ran
    assert place.trusted() == []
    answer = place.call("run", word)
    assert refused(answer)
    for part in ("hook before_run: runs `touch ran`", "engine mine: runs `./engine --version '{{ prompt }}'`",
                 "a: sets up with `touch ran`", "a: checks with `touch ran`"):  # fmt: skip
        assert part in answer.err


def _absolute_include(place: Place) -> Path:
    path = place.write("other/part.yaml", EVIL)
    place.write("mine/team.yaml", f"include: {path}\nagents: {{}}\n")
    return path


def _home_include(place: Place) -> Path:
    place.write("mine/team.yaml", "include: ~/part.yaml\nagents: {}\n")
    return place.write("home/part.yaml", EVIL)


def _include_of_include(place: Place) -> Path:
    place.write("mine/team.yaml", "include: ~/parts/one.yaml\nagents: {}\n")
    place.write("home/parts/one.yaml", "include: deep/two.yaml\nagents: {}\n")
    return place.write("home/parts/deep/two.yaml", EVIL)


def _link(place: Place) -> Path:
    path = place.write("other/part.yaml", EVIL)
    place.write("mine/team.yaml", "include: part.yaml\nagents: {}\n")
    (place.mine / "part.yaml").symlink_to(path)
    return path


def _linked_directory(place: Place) -> Path:
    path = place.write("other/parts/part.yaml", EVIL)
    place.write("mine/team.yaml", "include: parts/part.yaml\nagents: {}\n")
    (place.mine / "parts").symlink_to(path.parent)
    return path


def _linked_team_file(place: Place) -> Path:
    path = place.write("other/team.yaml", EVIL)
    (place.mine / "team.yaml").symlink_to(path)
    return path


def _persona(place: Place) -> Path:
    place.write("mine/team.yaml", "personas: {p: {file: ~/p.md}}\nagents:\n  a: {persona: p}\n")
    return place.write("home/p.md", "---\ncommand: touch ran\n---\n")


def _users_agent(place: Place) -> Path:
    place.write("mine/team.yaml", "agents:\n  a: {persona: helper}\n")
    return place.write("home/.claude/agents/helper.md", "---\ncommand: touch ran\n---\n")


def _linked_agent(place: Place) -> Path:
    path = _users_agent(place)
    (place.mine / ".claude").symlink_to(path.parent.parent)
    return path


def _servers(place: Place) -> Path:
    place.write("mine/team.yaml", "personas: {p: {file: ~/p.md}}\nagents:\n  a: {persona: p, command: touch ran}\n")
    place.write("home/p.md", "You are p.")
    return place.write("home/p.mcp.json", '{"mcpServers": {"docs": {"command": "docs-mcp"}}}')


@pytest.mark.slow
@pytest.mark.parametrize(
    "made",
    [_absolute_include, _home_include, _include_of_include, _link, _linked_directory, _linked_team_file, _persona,
     _users_agent, _linked_agent, _servers],
)  # fmt: skip
def test_whatever_leads_out_of_the_project_is_asked_for(place: Place, made: Callable[[Place], Path]) -> None:
    path = made(place)
    answer = place.call("run")
    assert refused(answer), answer
    assert os.path.realpath(path) in answer.err
    assert not place.ran
    assert place.call("validate").code == 0
    assert place.call("run", "--trust").code == 0
    assert place.ran
    assert place.call("run", "--new").code == 0
    path.write_text(path.read_text() + "\n")
    assert refused(place.call("run", "--new"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("team", "code"),
    [
        ("agents:\n  a: {prompt: {file: ~/p.md}}\n", "path-outside"),
        ("agents:\n  a: {engine: scripted, script: /p.md, prompt: x}\n", "path-outside"),
        ("env_file: ~/p.md\nagents:\n  a: {command: x}\n", "path-outside"),
        ("include: ../other/part.yaml\nagents: {}\n", "path-outside"),
        ("agents:\n  a: {prompt: {file: link.md}}\n", "file-unreadable"),
        ("personas: {p: {file: ~/q.md}}\nagents:\n  a: {persona: p}\n", "path-outside"),
    ],
)
def test_prompts_scripts_and_env_files_stay_inside(place: Place, team: str, code: str) -> None:
    place.write("mine/team.yaml", team)
    place.write("other/part.yaml", EVIL)
    (place.mine / "link.md").symlink_to(place.write("home/p.md", "x"))
    place.write("home/q.md", "---\nprompt: {file: p.md}\n---\n")
    for words in (("run", "--trust"), ("plan",)):
        answer = place.call(*words)
        assert answer.code == 2
        assert code in answer.err


@pytest.mark.slow
def test_the_users_own_project_is_never_asked_for(place: Place) -> None:
    place.write("mine/teams/x.yaml", "include: ../parts/p.yaml\nagents: {}\n")
    place.write("mine/parts/p.yaml", EVIL)
    (place.mine / "sub").mkdir()
    assert process(place.mine / "sub", "run", "x", **place.env).code == 0
    (place.root / "alias").symlink_to(place.mine)
    assert process(place.root / "alias", "run", f"{place.root}/alias/teams/x.yaml", "--new", **place.env).code == 0
    include = place.write("mine/teams/y.yaml", f"include: {place.mine}/parts/p.yaml\nagents: {{}}\n")
    assert place.call("run", str(include)).code == 0
    assert place.trusted() == []


@pytest.mark.slow
def test_a_saved_plan_from_elsewhere(place: Place) -> None:
    place.write("mine/team.yaml", EVIL)
    elsewhere = place.root / "other" / "x.plan"
    assert place.call("plan", "-o", str(elsewhere)).code == 0
    assert place.call("run", str(elsewhere)).code == 0  # who saves a plan trusts it
    moved = elsewhere.rename(place.root / "other" / "y.plan")
    assert refused(place.call("run", str(moved)))
    text = moved.read_text()
    moved.rename(elsewhere)
    assert text.count("6*7") == 1
    elsewhere.write_text(text.replace("6*7", "7*7"))
    assert place.call("run", str(elsewhere)).code != 0
    elsewhere.write_text(text)
    assert place.call("plan", "-o", "x.plan").code == 0
    assert place.call("run", "x.plan").code == 0
    assert place.call("run", str(elsewhere.rename(moved)), "--trust", "--no-input").code == 0


def test_saving_the_plan_of_a_team_from_elsewhere_trusts_nothing(place: Place) -> None:
    word = str(place.write("other/team.yaml", EVIL))
    assert place.call("plan", word, "-o", "x.plan").code == 0
    assert place.call("plan", word, "-o", str(place.root / "y.plan")).code == 0
    assert place.trusted() == []


def test_what_cannot_be_remembered_is_trusted_once(place: Place) -> None:
    word = str(place.write("other/team.yaml", EVIL))
    answer = process(place.mine, "run", word, "--trust", **{**place.env, "XDG_STATE_HOME": "/dev/null"})
    assert answer.code == 0
    assert "asked again next time" in answer.err


@pytest.mark.slow
@pytest.mark.parametrize("how", ["writable", "link", "directory"])
def test_what_others_could_have_put_there_counts_for_nothing(place: Place, how: str) -> None:
    word = str(place.write("other/team.yaml", EVIL))
    assert place.call("run", word, "--trust").code == 0
    (kept,) = place.trusted()
    if how == "writable":
        kept.parent.chmod(0o777)
    elif how == "link":
        moved = kept.parent.rename(place.root / "elsewhere")
        kept.parent.symlink_to(moved)
    else:
        kept.unlink()
        kept.mkdir()
    assert refused(place.call("run", word, "--new"))


def test_what_is_shown_hides_nothing_and_steers_nothing(place: Place) -> None:
    command = "true \\u001b[2J\\u202e" + " " * 200 + "\\nrm -rf everything"
    word = str(place.write("other/team.yaml", f'agents:\n  a: {{command: "{command}"}}\n'))
    answer = place.refused(word)
    assert "\x1b" not in answer.err
    assert "\u202e" not in answer.err
    assert "⏎ rm -rf everything" in answer.err
    body = (
        "engines: {mine: {command: [x], prompt: argument, env: {LD_PRELOAD: ./evil.so}}}\n"
        "agents:\n  a: {engine: mine, prompt: Delete it., env: {PATH: ./bin}}\n"
        "  b: {engine: scripted, script: s.yaml, prompt: x}\n"
    )
    place.write("other/s.yaml", "- run: touch ran\n")
    place.write("other/team.yaml", body)
    answer = place.refused(word)
    for part in ("runs `x '{{ prompt }}'` sets LD_PRELOAD=./evil.so", "a: is asked `Delete it.`", "a: sets PATH=./bin",
                 "b: plays [{\"run\": \"touch ran\"}]"):  # fmt: skip
        assert part in answer.err, answer.err


@pytest.mark.parametrize(
    ("said", "runs"),
    [
        (b"y\n", True),
        pytest.param(b"yes\n", True, marks=pytest.mark.slow),
        pytest.param(b"n\n", False, marks=pytest.mark.slow),
        (b"\n", False),
    ],
)
def test_on_a_terminal_somebody_is_asked(place: Place, said: bytes, runs: bool) -> None:
    word = str(place.write("other/team.yaml", EVIL))
    ours, theirs = os.openpty()
    env = {name: value for name, value in environment(**place.env).items() if name != "CI"}
    with subprocess.Popen(
        argv("run", word, "--progress", "plain"), cwd=place.mine, env=env, stdin=theirs, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        os.close(theirs)
        os.write(ours, said)
        out, err = process.communicate(timeout=60)
    os.close(ours)
    assert b"Trust this, as it is now" in err
    assert (process.returncode, place.ran, len(place.trusted())) == ((0, True, 1) if runs else (3, False, 0)), (
        out,
        err,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_somebody_else_above_makes_nothing_ones_own(place: Place) -> None:
    place.write("shared/team.yaml", EVIL)
    shared = place.root / "shared"
    subprocess.run(["git", "init", "-q", str(shared)], check=True)
    (shared / "sub").mkdir()
    assert process(shared / "sub", "plan", **place.env).out.count("--trust") == 0
    for path in (shared, shared / ".git", shared / "team.yaml"):
        os.chown(path, 12345, 12345)
    assert refused(process(shared / "sub", "run", **place.env))
    os.chown(shared / "sub", 12345, 12345)
    assert process(shared / "sub", "run", **place.env).code == 0

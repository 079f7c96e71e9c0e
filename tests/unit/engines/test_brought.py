"""An engine of another package: the example of docs/engines.md, taken out of the page and installed from outside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import import_module
from pathlib import Path

import pytest

from teamflow.core.invocation import Called, Returned, Said, SessionOpened, Spent
from teamflow.core.outcome import Failed, FailureClass, Succeeded, Usage
from teamflow.engines.registry import ENGINES
from teamflow.ports import Engine
from teamflow.team.load import load
from teamflow.team.loaded import Loaded
from teamflow.team.scope import BUILT_IN_ENGINES
from tests.docs.blocks import Block, agrees, blocks, calls
from tests.fakes.agents.pump import Pump, brief_for
from tests.unit.engines.transcripts import Transcript, cut_anywhere, in_any_chunks, repeats_no_reply, whole

ROOT = Path(__file__).parents[3]
PAGE = blocks(ROOT / "docs/engines.md", root=ROOT)
MOST_LINES = 150
NAME = re.compile(r"# ([\w./]+)\n")


def named(name: str) -> str:
    """The block of the page that is that file, without the line that says so."""
    (text,) = (block.text for block in PAGE if block.text.startswith(f"# {name}\n"))
    return text.partition("\n")[2] + "\n"


def shell() -> Block:
    (found,) = (block for block in PAGE if block.language == "sh" and "pal.yaml" in block.text)
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The package as pip would leave it, and the program on PATH."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages/pal_engine.py").write_text(named("pal_engine.py"))
    (points,) = (block.text for block in PAGE if "entry-points" in block.text.partition("\n")[0])
    install(tmp_path, "pal", points.partition("\n")[2].replace('"', ""))
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/pal"
    program.write_text(f"#!{sys.executable}\n{named('pal')}")
    program.chmod(0o755)
    (tmp_path / "work").mkdir()
    return tmp_path


def install(place: Path, package: str, points: str) -> None:
    about = place / f"packages/{package}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[teamflow.engines]\n{points}\n")


def environ(place: Path) -> dict[str, str]:
    path = os.pathsep.join((str(place / "bin"), os.environ["PATH"]))
    return {**os.environ, "PATH": path, "PYTHONPATH": f"{ROOT}{os.pathsep}{place / 'packages'}"}


def teamflow(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "teamflow", *words]
    return subprocess.run(
        argv,
        cwd=place / "work",
        env=environ(place),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


# --- the example by itself


@pytest.fixture
def pal(place: Path) -> Iterator[Engine]:
    sys.path.insert(0, str(place / "packages"))
    try:
        engine: Engine = import_module("pal_engine").PalEngine()
        yield engine
    finally:
        sys.path.remove(str(place / "packages"))
        sys.modules.pop("pal_engine", None)


def recorded(pal: Engine, place: Path, prompt: str) -> Transcript:
    with Pump(pal, brief_for(place / "work", prompt, instructions="You are Kim."), env=environ(place)) as agent:
        agent.finish()
    return Transcript("recorded", agent.brief, agent.output, tuple(agent.inputs), agent.end)


def test_it_is_small_and_formatted() -> None:
    lines = named("pal_engine.py").splitlines()
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= 120


def test_what_succeeds(pal: Engine, place: Path) -> None:
    transcript = recorded(pal, place, "Find the bug.")
    events, outcome = whole(pal, transcript)
    usage = Usage(13, 4, 0.001)
    assert outcome == Succeeded("Heard 3 words.", exit_code=0, usage=usage, session="p-1")
    call = Called('think: {"model": null}', "1")
    assert events == [SessionOpened("p-1"), call, Returned("1"), Said("Heard 3 words."), Spent(usage)]
    holds(pal, transcript)


def test_what_fails(pal: Engine, place: Path) -> None:
    transcript = recorded(pal, place, "Please fail.")
    _, outcome = whole(pal, transcript)
    assert isinstance(outcome, Failed)
    assert (outcome.failure, outcome.reason, outcome.session) == (FailureClass.FATAL, "model not found (404)", "p-1")
    holds(pal, transcript)


def holds(pal: Engine, transcript: Transcript) -> None:
    in_any_chunks(pal, transcript)
    cut_anywhere(pal, transcript, every=True)
    repeats_no_reply(pal, transcript)


def test_hostile_output_is_passed_over(pal: Engine, place: Path) -> None:
    session = pal.session(brief_for(place / "work", "x"))
    lines = (
        b'{"type": "session", "id": "a\\u0000"}',
        b'{"type": "session", "id": 3}',
        b'{"type": "end", "ok": true, "usage": {"in": 1' + b"0" * 400 + b', "out": -1, "usd": true}}',
        b'{"type": ["end"]}',
        b"\xff\x00",
    )
    assert session.feed(b"\n".join(lines) + b"\n") == []


# --- named in a team file


@pytest.mark.slow
def test_it_is_planned_and_run_through_the_command_line(place: Path) -> None:
    (place / "work/pal.yaml").write_text(named("pal.yaml"))
    for call, code in zip(calls(shell()), (0, 1), strict=True):
        done = teamflow(place, *call.command.split()[1:])
        assert done.returncode == code, done.stdout
        assert agrees(call.expected or [], done.stdout), done.stdout
    shown = json.loads(teamflow(place, "status", "--json").stdout)
    look, fail = shown["steps"]
    assert (look["status"], look["attempts"][0]["session"]) == ("succeeded", "p-1")
    assert look["attempts"][0]["usage"]["usd"] == 0.001
    assert fail["attempts"][0]["failure"] == "fatal"
    logs = teamflow(place, "logs", "look").stdout
    assert "Heard 3 words." in logs
    # Nothing of it is kept: when the package has gone, its name is nobody's.
    (place / "packages/pal-1.0.dist-info/entry_points.txt").unlink()
    gone = teamflow(place, "plan", "pal.yaml")
    assert gone.returncode == 2
    assert 'there is no engine "pal"' in gone.stdout


@pytest.mark.slow
def test_a_step_is_relaunched_with_it(place: Path) -> None:
    (place / "packages/bare.py").write_text(BROKEN["bare"][0])
    install(place, "bare", "bare = bare:make")
    team = "engines: {up: {command: [tr, a-z, A-Z]}}\nagents: {a: {engine: up, prompt: x, permissions: full}}\n"
    (place / "work/team.yaml").write_text(team)
    assert teamflow(place, "run", "--progress", "plain").returncode == 0
    for name in ("no", "bare", "command"):
        done = teamflow(place, "relaunch", "a", "--engine", name)
        assert done.returncode == 1, done.stdout
        assert f"there is no engine {name} here; there is claude" in done.stdout
        assert "opencode, pal, up" in done.stdout
    done = teamflow(place, "relaunch", "a", "--engine", "pal")
    assert done.returncode == 0, done.stdout
    assert teamflow(place, "run", "--progress", "plain").returncode == 0
    assert "Heard 1 words." in teamflow(place, "logs", "a").stdout


@pytest.mark.slow
def test_a_saved_plan_needs_it(place: Path) -> None:
    (place / "work/pal.yaml").write_text(named("pal.yaml"))
    assert teamflow(place, "plan", "pal.yaml", "-o", "saved").returncode == 0
    (place / "packages/pal-1.0.dist-info/entry_points.txt").unlink()
    done = teamflow(place, "run", "saved", "--progress", "plain")
    assert done.returncode == 2, done.stdout
    assert "pal: there is no such engine here" in done.stdout


@pytest.mark.slow
def test_what_it_cannot_keep_is_an_error_of_the_plan(place: Path) -> None:
    (place / "work/team.yaml").write_text("agents: {a: {engine: pal, prompt: x, permissions: {run: [make]}}}\n")
    done = teamflow(place, "plan")
    assert done.returncode == 2
    assert "pal cannot be kept to some commands" in done.stdout


BROKEN = {
    "raises": ("import sys\nraise LookupError('no\\nkeys')\n", "raises:make: LookupError: no"),
    "leaves": ("raise SystemExit(0)\n", "leaves:make: SystemExit: 0"),
    "nothing": ("", "nothing:make: AttributeError"),
    "bare": ("class make:\n    pass\n", "bare:make has no capabilities"),
    "half": (
        "from teamflow.ports import Capabilities\nclass make:\n    capabilities = Capabilities()\n"
        "    def invoke(self, brief): ...\n",
        "half:make lacks session",
    ),
}


@pytest.mark.slow
def test_broken_packages_are_told_where_they_are_named(place: Path) -> None:
    for name, (source, _) in BROKEN.items():
        (place / f"packages/{name}.py").write_text(source)
        install(place, name, f"{name} = {name}:make")
    install(place, "worse", "no-such = no.such\nclaude = raises:make\ncommand = raises:make\nacp = raises:make")
    for name, points in (("a-mess", b"no point"), ("b-mess", b"x = \xff:y"), ("c-mess", b"= x")):
        install(place, name, "")
        (place / f"packages/{name}-1.0.dist-info/entry_points.txt").write_bytes(b"[teamflow.engines]\n" + points)
    names = [*BROKEN, "no-such", "claude", "command", "acp", "pall"]
    agents = "".join(f"  {name}: {{engine: {name}, prompt: x}}\n" for name in names)
    (place / "work/team.yaml").write_text(f"agents:\n{agents}")
    done = teamflow(place, "validate")
    assert done.returncode == 2, done.stdout
    told = re.findall(r"team.yaml:\d+:\d+: error\[unknown-engine\]: (.*)", done.stdout)
    wrong = dict(zip([name for name in names if name != "claude"], told, strict=True))
    for name, (_, problem) in BROKEN.items():
        assert wrong[name].startswith(f'the engine "{name}" cannot be used: {name}'), wrong[name]
        assert problem in wrong[name]
    assert "no.such: ModuleNotFoundError" in wrong["no-such"]
    assert wrong["command"] == 'there is no engine "command"'
    assert "acp is a protocol" in wrong["acp"]
    assert 'did you mean "pal"?' in done.stdout
    shown = teamflow(place, "list", "engines", "--json")
    lines = {line["name"]: line for line in json.loads(shown.stdout)["engines"]}
    for name, (_, problem) in BROKEN.items():
        assert (lines[name]["state"], lines[name]["origin"]) == ("broken", "another package")
        assert problem in lines[name]["trouble"]
    assert lines["claude"]["state"] != "broken"
    assert "cannot be loaded" in teamflow(place, "list", "engines").stdout
    (place / "work/team.yaml").write_text("agents: {a: {prompt: x}}\n")
    for name in BROKEN:
        done = teamflow(place, "plan", "--set", f"agents.a.engine={name}")
        assert (done.returncode, f'agents.a.engine: there is no engine "{name}"' in done.stdout) == (2, True)
    for name in ("command", "pall"):
        done = teamflow(place, "plan", "--set", f"agents.a.engine={name}")
        assert (done.returncode, f'agents.a.engine: there is no engine "{name}"' in done.stdout) == (2, True)
    done = teamflow(place, "plan", "--set", "agents.a.engine=pal")
    assert done.returncode == 0, done.stdout


# --- what the team layer makes of it


class Asked:
    """Engines of other packages, by name with what is wrong with them; counts how often anybody wants to know."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self.given = given
        self.times = 0

    def names(self) -> Collection[str]:
        self.times += 1
        return self.given.keys()

    def problem(self, name: str) -> str:
        return self.given[name]


class One:
    def __init__(self, text: str) -> None:
        self.text = text

    def read(self, path: str) -> bytes:
        if path != "team.yaml":
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.text.encode()


@pytest.fixture
def read() -> Callable[[str, Asked], Loaded]:
    return lambda text, others: load("team.yaml", sources=One(text), others=others)


KNOWN = "engines: {own: {command: [x]}}\nagents: {a: {engine: [claude, own, codex-exec/gpt-5], prompt: x}}\n"


def test_nobody_is_asked_about_engines_that_are_known(read: Callable[[str, Asked], Loaded]) -> None:
    others = Asked({"pal": ""})
    assert read(KNOWN, others).team is not None
    assert others.times == 0


def test_others_are_asked_about_once(read: Callable[[str, Asked], Loaded]) -> None:
    others = Asked({"pal": "", "claude": "worse"})
    text = "limits: {engines: {pal: 1}}\nagents: {a: {engine: [claude, pal/large], prompt: x}}\n"
    loaded = read(text, others)
    assert list(loaded.diagnostics) == []
    assert others.times == 1


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("bad", 'the engine "bad" cannot be used: it is so …'),
        ("pall", 'there is no engine "pall"'),
        ("pal/", '"pal/" names no engine and model'),
        ("person", 'there is no engine "person"'),
    ],
)
def test_what_is_wrong_with_a_name(read: Callable[[str, Asked], Loaded], engine: str, said: str) -> None:
    others = Asked({"pal": "", "bad": "it is so\nand so", "person": ""})
    [found] = read(f"agents: {{a: {{engine: {engine}, prompt: x}}}}\n", others).diagnostics
    assert (found.code, found.message) == ("unknown-engine", said)


def test_an_engine_of_the_team_goes_before_one_of_a_package(read: Callable[[str, Asked], Loaded]) -> None:
    others = Asked({"own": "broken"})
    assert read(KNOWN, others).team is not None


def test_every_engine_of_the_registry_can_be_named() -> None:
    assert set(BUILT_IN_ENGINES) == set(ENGINES) - {"command"}

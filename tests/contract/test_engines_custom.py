"""Engines by configuration on a real target: what the program gets is what it was told, by every way, at every size."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from teamflow.core.invocation import Brief, Exit, Invocation
from teamflow.core.outcome import Failed
from teamflow.core.plan import EngineDefinition
from teamflow.engines.custom import LONGEST_ARGUMENT, CustomEngine
from teamflow.ports import Start
from teamflow.targets.local import LocalTarget
from tests.contract.test_target import Recorder

STDIN = EngineDefinition(("cat",))
FILE = EngineDefinition(("cat",), prompt=("--", "{{ prompt_file }}"))
ARGUMENT = EngineDefinition(("sh", "-c", 'printf %s "$2"', "sh"), prompt=("--", "{{ prompt }}"))
SHORT_BY_ARGUMENT = EngineDefinition(
    ("sh", "-c", 'printf "%s" "${1-}"; cat', "sh"), prompt=("{{ prompt }}",), long_prompt=()
)
SIZES = (0, 1, LONGEST_ARGUMENT - 1, LONGEST_ARGUMENT, LONGEST_ARGUMENT + 1, 5_000_000)
HOSTILE = (
    "-n", "--help", "--", "-", "$(touch owned)", "`touch owned`", "; touch owned", "'\"\\", "%s%n", "*", "~", "\r\n\t",
    "a\nb\n", "ünï-çödé 漢字 \U0001f600", "\u202e\u2028", "a\udcff\udcfeb", "{{ prompt_file }}", "@file", "\x1b[2J",
)  # fmt: skip


def brief(step: str, prompt: str, run_dir: Path) -> Brief:
    return Brief(step, 1, "first", str(run_dir), prompt=prompt, stem=f"{run_dir}/{step}.1")


def started(run_dir: Path, step: str, invocation: Invocation) -> Start:
    log = f"{run_dir}/{step}.1.log"
    return Start(
        step, 1, "agent", invocation, str(run_dir), "base", {}, log, f"{run_dir}/{step}.1.err", 30, None, (), 1, None,
        None, {},
    )  # fmt: skip


def play(run_dir: Path, invocations: Mapping[str, Invocation]) -> dict[str, Exit]:
    """Runs all of them on one target; how they ended."""

    async def scenario() -> dict[str, Exit]:
        target, events = LocalTarget(str(run_dir), environ={"PATH": os.environ["PATH"]}), Recorder()
        await target.open(events, after=0)
        target.environment("base", {"PATH": "/usr/bin:/bin"})
        for step, invocation in invocations.items():
            target.start(started(run_dir, step, invocation))
        await events.ended(*invocations)
        await target.close()
        return events.ends

    return asyncio.run(scenario())


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


def got(run_dir: Path, step: str) -> bytes:
    return (run_dir / f"{step}.1.log").read_bytes()


@pytest.mark.slow
def test_every_size_by_every_way(run_dir: Path) -> None:
    ways = {"stdin": STDIN, "file": FILE, "argument": ARGUMENT, "short": SHORT_BY_ARGUMENT}
    invocations: dict[str, Invocation] = {}
    prompts: dict[str, str] = {}
    for name, definition in ways.items():
        for size in SIZES:
            step = f"{name}-{size}"
            prompt = ("x" * 99 + "\n") * (size // 100) + "é" * (size % 100 // 2) + "z" * (size % 2)
            made = CustomEngine(name, definition).invoke(brief(step, prompt, run_dir))
            if name == "argument" and size > LONGEST_ARGUMENT:
                assert isinstance(made, Failed)
                continue
            assert isinstance(made, Invocation)
            invocations[step], prompts[step] = made, prompt
            assert all(len(word.encode()) <= LONGEST_ARGUMENT for word in made.argv)
    ends = play(run_dir, invocations)
    for step, prompt in prompts.items():
        assert ends[step].code == 0, (step, ends[step])
        assert len(prompt.encode()) == int(step.partition("-")[2])
        assert got(run_dir, step) == prompt.encode(), step
    files = sorted(path.name for path in run_dir.glob("*.prompt"))
    assert files == sorted(f"file-{size}.1.prompt" for size in SIZES)
    assert {stat.S_IMODE((run_dir / name).stat().st_mode) for name in files} == {0o600}


def test_hostile_prompts_arrive_as_they_are(run_dir: Path) -> None:
    ways = {"stdin": STDIN, "file": FILE, "argument": ARGUMENT}
    invocations: dict[str, Invocation] = {}
    for name, definition in ways.items():
        for number, prompt in enumerate(HOSTILE):
            step = f"{name}-{number}"
            made = CustomEngine(name, definition).invoke(brief(step, prompt, run_dir))
            assert isinstance(made, Invocation)
            invocations[step] = made
    play(run_dir, invocations)
    for step in invocations:
        assert got(run_dir, step) == HOSTILE[int(step.partition("-")[2])].encode("utf-8", "surrogateescape"), step
    assert not (run_dir / "owned").exists()


@pytest.mark.slow
def test_without_a_separator_a_dash_is_led_by_a_line_break(run_dir: Path) -> None:
    definition = EngineDefinition(("printf", "%s"), prompt=("{{ prompt }}",))
    made = CustomEngine("p", definition).invoke(brief("dash", "-n", run_dir))
    assert isinstance(made, Invocation)
    play(run_dir, {"dash": made})
    assert got(run_dir, "dash") == b"\n-n"


def test_nuls_pass_by_stdin_and_file(run_dir: Path) -> None:
    made = {
        name: CustomEngine(name, definition).invoke(brief(name, "a\0b", run_dir))
        for name, definition in {"stdin": STDIN, "file": FILE, "short": SHORT_BY_ARGUMENT}.items()
    }
    play(run_dir, {name: one for name, one in made.items() if isinstance(one, Invocation)})
    assert [got(run_dir, name) for name in made] == [b"a\0b"] * 3


def test_a_file_that_cannot_be_written_is_told_and_nothing_runs(run_dir: Path) -> None:
    (run_dir / "taken.1.prompt").mkdir()
    (run_dir / "link.1.prompt").symlink_to(run_dir / "elsewhere")
    made = {
        step: CustomEngine("f", EngineDefinition(("touch", "ran"), prompt=("{{ prompt_file }}",))).invoke(
            brief(step, "x", run_dir)
        )
        for step in ("taken", "link")
    }
    ends = play(run_dir, {step: one for step, one in made.items() if isinstance(one, Invocation)})
    assert "Is a directory" in (ends["taken"].error or "")
    assert "taken.1.prompt" in (ends["taken"].error or "")
    assert ends["link"].error is not None
    assert not (run_dir / "ran").exists()
    assert not (run_dir / "elsewhere").exists()


@pytest.mark.slow
def test_a_file_is_written_anew(run_dir: Path) -> None:
    (run_dir / "again.1.prompt").write_text("from before, and longer than what comes")
    made = CustomEngine("f", FILE).invoke(brief("again", "new", run_dir))
    assert isinstance(made, Invocation)
    play(run_dir, {"again": made})
    assert got(run_dir, "again") == b"new"

"""What an agent with a protocol does is seen in `logs` and `status`, and its stream as it came where that is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from teamflow.app.inspect import open_run
from teamflow.cli.status import last_line_of
from teamflow.core.events import AttemptStarted, Event, RunnerStarted
from teamflow.store.sqlite import Database
from tests.fakes.plans import make_plan, make_step
from tests.unit.cli.made import Made, call, make_run

LIVE: list[Event] = [RunnerStarted("boot", 1, 2), AttemptStarted("a", 1, "first")]
SECRET = "correct-horse-battery-staple"


def use(id: str, tool: str, **given: str) -> bytes:
    block = {"type": "tool_use", "id": id, "name": tool, "input": given}
    return json.dumps({"type": "assistant", "message": {"content": [block]}}).encode() + b"\n"


def printed(id: str, text: str) -> bytes:
    block = {"type": "tool_result", "tool_use_id": id, "content": text}
    return json.dumps({"type": "user", "message": {"content": [block]}}).encode() + b"\n"


def last_line(made: Made) -> str:
    """As `status` has it while the step runs."""
    with Database.open(str(made.root)) as database:
        return last_line_of(open_run(database, made.number), "a", 1)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    step = make_step("a", kind="prompt", engine="claude", prompt="Do it.", command=None)
    return make_run(tmp_path, make_plan([step]), LIVE)


def test_what_it_does_has_a_line_and_no_secret(made: Made) -> None:
    made.secrets({"TOKEN": SECRET})
    todo = use("t", "TodoWrite", todos="x")
    made.log(
        "a.1.log",
        use("1", "Bash", command=f"pytest -q\x1b[2J --key {SECRET}") + todo + use("2", "Edit", file_path="x.py"),
    )
    assert call(made.root, "logs", "a").out == "> run pytest -q\ufffd[2J --key ***\n> edit x.py\n"
    assert call(made.root, "logs").out.splitlines()[-1] == "a | > edit x.py"
    assert last_line(made) == "> edit x.py"


def test_raw_is_the_stream_as_it_came(made: Made) -> None:
    made.secrets({"TOKEN": SECRET})
    line = use("1", "Bash", command=f"echo {SECRET}")
    made.log("a.1.log", line + b"\x1b[2J")
    assert call(made.root, "logs", "a", "--raw").out == line.decode().replace(SECRET, "***")
    told = [json.loads(each) for each in call(made.root, "logs", "a", "--raw", "--json").out.splitlines()]
    assert [json.loads(each["line"])["type"] for each in told if each.get("line")] == ["assistant"]


@pytest.mark.parametrize("size", [1_000, 100_000, 2_000_000])
def test_its_last_line_is_found_behind_what_a_tool_printed(made: Made, size: int) -> None:
    made.log("a.1.log", use("1", "Read", file_path="big.txt") + printed("1", "x" * size))
    assert last_line(made) == "> read big.txt"

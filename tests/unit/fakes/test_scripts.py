"""Scripts are checked when they are made, go through JSON unchanged, and the server is also a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.models import BadScript, Edit, Models, Run, Step, Tool, Usage, answer, call, cut, edit, fail, hang, say
from tests.fakes.models.script import from_json, to_json
from tests.fakes.models.wire import sample
from tests.unit.fakes.asking import ask, said, send

ROOT = Path(__file__).resolve().parents[3]


def test_round_trip() -> None:
    steps = [
        say("x", usage=Usage(1, 2, 1), gate="g", hold="middle"),
        call(Run("true"), Tool("t", {"a": [1]}), Edit("a", "b", "c"), text="all"),
        answer(None),
        answer({"a": 1}, times=3),
        fail("rate_limited", retry_after=0),
        cut(),
        hang(),
        edit("f", "a", "b"),
    ]
    assert from_json(to_json(steps)) == steps


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "says nothing"),
        ({"text": "x", "hold": "end"}, "before, headers or middle"),
        ({"text": "x", "times": 0}, "at least one"),
    ],
)
def test_bad_steps(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadScript, match=words):
        Step(**fields)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "JSON"),
        ("{}", "a list of steps"),
        ("[1]", "step 0 is not an object"),
        ('[{"text": "x"}, {"txt": "x"}]', "step 1 .*txt"),
        ('[{"calls": [{"run": {"cmd": "x"}}]}]', "step 0"),
        ('[{"calls": [{"dance": {}}]}]', "step 0"),
        ('[{"text": "x", "fault": {"name": "broken"}}]', "fails or says"),
    ],
)
def test_bad_scripts(text: str, words: str) -> None:
    with pytest.raises(BadScript, match=words):
        from_json(text)


def test_a_fault_that_there_is_not() -> None:
    with Models() as server, pytest.raises(BadScript, match="no fault is named 'tired'"):
        server.play(fail("tired"))


def test_least_values() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "string", "enum": ["x", "y"]},
            "b": {"type": ["INTEGER", "null"]},
            "c": {},
        },
        "required": ["a", "b"],
    }
    assert sample(schema) == {"a": "x", "b": 1}
    assert sample(None) == {}


class _Elsewhere:
    """What `asking` needs to know of a server in another process."""

    def __init__(self, port: int) -> None:
        self.port = port


def test_a_process_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('{"one": ' + to_json([say("from a file")]) + "}")
    argv = [sys.executable, "-m", "tests.fakes.models", "0", str(script)]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            server: Any = _Elsewhere(int(process.stdout.readline().rsplit(":", 1)[1]))
            assert said("chat", ask(server, "chat", agent="one")) == "from a file"
            [step] = [{"text": "from outside", "gate": "g"}]
            assert send(server, "POST", "/-/play/one", [step]).status == 200
            assert send(server, "POST", "/-/play/one", [{}]).status == 400
            assert send(server, "POST", "/-/open/g").status == 200
            assert said("chat", ask(server, "chat", agent="one")) == "from outside"
            assert send(server, "GET", "/-/reached/g").status == 200
            assert [one["agent"] for one in send(server, "GET", "/-/requests").json()] == ["one", "one"]
            assert send(server, "GET", "/-/errors").json() == []
            assert ask(server, "chat", agent="one").status == 400
        finally:
            process.terminate()
        _, told = process.communicate()
    assert process.returncode == 1
    assert "is over" in told


def test_a_process_with_a_bad_script(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("[{}]")
    argv = [sys.executable, "-m", "tests.fakes.models", "0", str(tmp_path / "bad.json")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "says nothing" in done.stderr

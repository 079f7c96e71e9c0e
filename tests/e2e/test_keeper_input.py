"""Stdin held by the keeper: once each, in order, recorded, never in the way of anything else."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.keeper_driver import Client, Keeper, wait_for


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    made = Keeper()
    yield made
    made.close()


def _record(keeper: Keeper, step: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(keeper.home, "logs", step, "in.log").read_text().splitlines()]


def test_input_is_written_once_and_recorded_with_the_offset_it_answers(keeper: Keeper) -> None:
    client = keeper.client()
    keeper.start(client, "s", "echo question; cat", stdin="pipe")
    wait_for(lambda: Path(keeper.log("s")).exists() and "question" in keeper.output("s"))
    client.send(op="input", step="s", attempt=1, n=1, data="one\n", offset=9)
    client.send(op="input", step="s", attempt=1, n=1, data="one\n", offset=9)
    wait_for(lambda: "one" in keeper.output("s"))
    client.send(op="input", step="s", attempt=1, n=2, data="two \udcff\n")
    client.send(op="input", step="s", attempt=1, n=3, data="", eof=True)
    assert client.entry("exit", "s")["code"] == 0
    assert Path(keeper.log("s")).read_bytes() == b"question\none\ntwo \xff\n"
    assert _record(keeper, "s") == [
        {"n": 1, "offset": 9, "data": "one\n", "eof": False, "note": ""},
        {"n": 2, "offset": 13, "data": "two \udcff\n", "eof": False, "note": ""},
        {"n": 3, "offset": _record(keeper, "s")[2]["offset"], "data": "", "eof": True, "note": ""},
    ]


def test_a_new_runner_repeats_without_effect(keeper: Keeper) -> None:
    first = keeper.client()
    keeper.start(first, "s", "cat", stdin="pipe")
    first.send(op="input", step="s", attempt=1, n=1, data="a\n")
    wait_for(lambda: Path(keeper.log("s")).exists() and keeper.output("s"))
    first.sock.close()
    second = keeper.client()
    second.send(op="input", step="s", attempt=1, n=1, data="a\n")
    second.send(op="input", step="s", attempt=1, n=2, data="b\n", eof=True)
    second.entry("exit", "s")
    assert keeper.output("s") == "a\nb\n"


def test_data_at_the_start(keeper: Keeper) -> None:
    client = keeper.client()
    text = "x" * 300_000
    keeper.start(client, "s", "sleep 0.1; wc -c", stdin={"data": text})
    keeper.start(client, "null", "wc -c")
    assert client.entry("exit", "s")["code"] == 0
    assert keeper.output("s").strip() == "300000"
    client.entry("exit", "null")
    assert keeper.output("null").strip() == "0"


@pytest.mark.slow
def test_a_reader_that_never_reads_holds_nobody_up(keeper: Keeper) -> None:
    client = keeper.client()
    keeper.start(client, "deaf", "sleep 300", stdin="pipe")
    client.entry("start", "deaf")
    for n in range(1, 5):
        client.send(op="input", step="deaf", attempt=1, n=n, data="y" * 10_000_000)
    client.send(op="input", step="deaf", attempt=1, n=5, data="z")
    assert client.wait(lambda m: m.get("op") == "error")["error"] == "input_full"
    keeper.start(client, "other", "true")
    client.entry("exit", "other")
    client.send(op="stop_all", grace=0)
    client.entry("exit", "deaf")


def test_a_reader_that_closed_its_end_is_no_fault(keeper: Keeper) -> None:
    client = keeper.client()
    keeper.start(client, "s", "exec <&-; echo closed; sleep 0.3; exit 6", stdin="pipe")
    client.entry("start", "s")
    assert wait_for(lambda: Path(keeper.log("s")).exists() and "closed" in keeper.output("s"))
    client.send(op="input", step="s", attempt=1, n=1, data="into the void\n")
    assert client.entry("exit", "s")["code"] == 6


@pytest.mark.parametrize("stdin", ["null", {"data": "x"}])
def test_without_a_pipe_input_is_refused(keeper: Keeper, stdin: object) -> None:
    client: Client = keeper.client()
    keeper.start(client, "s", "sleep 0.2", stdin=stdin)
    client.entry("start", "s")
    client.send(op="input", step="s", attempt=1, n=1, data="x")
    assert client.wait(lambda m: m.get("op") == "error")["error"] == "no_stdin"
    client.entry("exit", "s")
    client.send(op="input", step="s", attempt=1, n=2, data="x")
    client.send(op="ping")
    client.wait(lambda m: m.get("op") == "pong")
    assert sum(m.get("error") == "no_stdin" for m in client.messages) == 2


def test_a_record_that_cannot_be_written_refuses_the_input(keeper: Keeper) -> None:
    client = keeper.client()
    keeper.start(client, "s", "cat", stdin="pipe", in_log="/proc/no/in.log")
    client.send(op="input", step="s", attempt=1, n=1, data="x")
    assert client.wait(lambda m: m.get("op") == "error")["error"] == "in_log"
    client.send(op="stop_all", grace=0)
    client.entry("exit", "s")
    assert keeper.output("s") == ""

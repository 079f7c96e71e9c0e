#!/usr/bin/env python3
"""A `codex` that plays a scenario: as much of the app server and of `exec --json` as an attempt needs, by lines like
the real one's. Standard library only; it knows nothing of teamflow.

FAKE_CODEX is a JSON object. `turns`: lists of steps, one for each turn; the last one plays again when there are more
turns. A step is one of

    {"say": TEXT}                    a message of the agent; {heard} in it is all that the turn was told meanwhile
    {"run": COMMAND}                 a command that runs, and is not asked about
    {"ask": COMMAND}                 one that is asked about; with "reason", it wants out of the sandbox; with
                                     "runs": true it is really run where it gets leave
    {"patch": PATH}                  a change of a file, asked about
    {"await": "steer" | "interrupt"} nothing more until that comes
    {"request": METHOD, "params": {}}  any other request of the server; its answer is said
    {"retry": TEXT}                  an error that it tries again after
    {"fail": {"message": …, "codexErrorInfo": …}}  the end of the turn
    {"line": TEXT}                   a line as it stands
    {"exit": CODE}                   the end of the process, at once

`refuse`: {METHOD: message} of requests that are answered by an error; `used`: tokens that the thread had used before.
What each process is told is appended to the file FAKE_CODEX_SEEN, behind its pid, if that is given.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

THREAD = "00000000-0000-4000-8000-00000000c0de"


def put(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()


class Server:
    def __init__(self, scenario: dict[str, Any]) -> None:
        self.scenario = scenario
        self.used = scenario.get("used", 0)
        self.turns = 0
        self.turn = ""
        self.steps: Iterator[str] | None = None
        self.waits = ""
        self.answers: dict[Any, Any] = {}
        self.asked = 0
        self.heard: list[str] = []
        self.schema = False

    def run(self) -> None:
        # readline, for iterating reads ahead.
        while line := sys.stdin.readline():
            seen(line)
            self.take(json.loads(line))

    def take(self, message: dict[str, Any]) -> None:
        method, number, params = message.get("method"), message.get("id"), message.get("params") or {}
        if method is None:
            self.answers[number] = message.get("result", message.get("error"))
            self.note("serverRequest/resolved", requestId=number)
            self.go("answer")
            return
        if number is None:
            return
        refused = self.scenario.get("refuse", {}).get(method)
        handler = getattr(self, "do_" + method.replace("/", "_"), None)
        if refused or handler is None:
            put({"id": number, "error": {"code": -32600, "message": refused or f"unknown variant `{method}`"}})
            return
        handler(number, params)

    def note(self, method: str, **params: Any) -> None:
        put({"method": method, "params": {"threadId": THREAD, **params}, "emittedAtMs": 1})

    def do_initialize(self, number: int, params: dict[str, Any]) -> None:
        version = self.scenario.get("version", "0.169.0")
        put({"id": number, "result": {"userAgent": f"teamflow/{version} (fake)", "codexHome": "/h"}})

    def do_thread_start(self, number: int, params: dict[str, Any]) -> None:
        put({"id": number, "result": {"thread": {"id": THREAD, "turns": []}, "model": params.get("model") or "gpt-5"}})

    def do_thread_resume(self, number: int, params: dict[str, Any]) -> None:
        self.do_thread_start(number, params)
        if self.used:
            self.tokens("before", 0)

    def do_turn_start(self, number: int, params: dict[str, Any]) -> None:
        self.turns += 1
        self.turn = f"turn-{self.turns}"
        put({"id": number, "result": {"turn": self.told("inProgress")}})
        self.note("turn/started", turn=self.told("inProgress"))
        self.user(params)
        scripted = self.scenario["turns"]
        self.heard = []
        self.steps = self.play(scripted[min(self.turns, len(scripted)) - 1])
        self.waits = ""
        self.go("")

    def do_turn_steer(self, number: int, params: dict[str, Any]) -> None:
        if not self.turn or params["expectedTurnId"] != self.turn:
            put({"id": number, "error": {"code": -32600, "message": "no active turn to steer"}})
            return
        put({"id": number, "result": {"turnId": self.turn}})
        self.heard.append(params["input"][0]["text"])
        if not self.scenario.get("deaf"):
            self.user(params)
        self.go("steer")

    def do_turn_interrupt(self, number: int, params: dict[str, Any]) -> None:
        put({"id": number, "result": {}})
        self.ended("interrupted")

    def told(self, status: str, **more: Any) -> dict[str, Any]:
        return {"id": self.turn, "items": [], "status": status, "error": None, **more}

    def user(self, params: dict[str, Any]) -> None:
        item = {"type": "userMessage", "id": "u", "clientId": params.get("clientUserMessageId"), "content": []}
        self.note("item/started", item=item, turnId=self.turn)

    def tokens(self, turn: str, count: int) -> None:
        self.used += count
        total = {"inputTokens": self.used, "outputTokens": self.used // 5}
        last = {"inputTokens": count, "outputTokens": count // 5}
        self.note("thread/tokenUsage/updated", turnId=turn, tokenUsage={"total": total, "last": last})

    def ended(self, status: str, **more: Any) -> None:
        turn, self.steps = self.told(status, **more), None
        self.turn = ""
        self.note("turn/completed", turn=turn)

    def go(self, came: str) -> None:
        """On with the turn, if it waits for what came."""
        if self.steps is None or (self.waits and self.waits != came):
            return
        try:
            self.waits = next(self.steps)
        except StopIteration:
            if self.turn:
                self.ended("completed")

    def play(self, steps: list[dict[str, Any]]) -> Iterator[str]:
        for number, step in enumerate(steps):
            if "await" in step:
                yield step["await"]
                continue
            asking = step.keys() & {"ask", "patch", "request"}
            if asking:
                yield from self.asking(step, f"call-{self.turns}-{number}")
            else:
                self.plain(step, f"item-{self.turns}-{number}")
            if self.steps is None:
                return

    def plain(self, step: dict[str, Any], name: str) -> None:
        if "say" in step:
            self.tokens(self.turn, 100)
            text = step["say"].replace("{heard}", " ".join(self.heard))
            self.note("item/completed", item={"type": "agentMessage", "id": name, "text": text}, turnId=self.turn)
        elif "run" in step:
            self.command(name, step["run"], "item/started")
            self.command(name, step["run"], "item/completed")
        elif "retry" in step:
            info = {"responseStreamDisconnected": {"httpStatusCode": 503}}
            error = {"message": step["retry"], "codexErrorInfo": info}
            self.note("error", error=error, willRetry=True, turnId=self.turn)
        elif "fail" in step:
            self.note("error", error=step["fail"], willRetry=False, turnId=self.turn)
            self.ended("failed", error=step["fail"])
        elif "line" in step:
            sys.stdout.write(step["line"] + "\n")
            sys.stdout.flush()
        elif "exit" in step:
            os._exit(step["exit"])

    def command(self, name: str, command: str, method: str, status: str = "completed") -> None:
        item = {"type": "commandExecution", "id": name, "command": f"/bin/bash -lc '{command}'", "cwd": os.getcwd()}
        self.note(method, item={**item, "status": status}, turnId=self.turn)

    def asking(self, step: dict[str, Any], name: str) -> Iterator[str]:
        about = {"threadId": THREAD, "turnId": self.turn, "itemId": name, "startedAtMs": 1}
        if "ask" in step:
            self.command(name, step["ask"], "item/started", "inProgress")
            method = "item/commandExecution/requestApproval"
            params = {**about, "command": f"/bin/bash -lc '{step['ask']}'", "reason": step.get("reason")}
        elif "patch" in step:
            change = {"path": step["patch"], "kind": {"type": "add"}, "diff": "x"}
            item = {"type": "fileChange", "id": name, "changes": [change], "status": "inProgress"}
            self.note("item/started", item=item, turnId=self.turn)
            method, params = "item/fileChange/requestApproval", {**about, "reason": None}
        else:
            method, params = step["request"], {**about, **step.get("params", {})}
        number = self.asked
        self.asked += 1
        put({"method": method, "id": number, "params": params})
        while number not in self.answers:
            yield "answer"
        answer = self.answers[number]
        if step.get("runs") and answer.get("decision") == "accept":
            subprocess.run(["sh", "-c", step["ask"]], check=False)
        item = {"type": "agentMessage", "id": name + "-told", "text": json.dumps(answer, sort_keys=True)}
        self.note("item/completed", item={"type": "commandExecution", "id": name}, turnId=self.turn)
        self.note("item/completed", item=item, turnId=self.turn)


def seen(line: str) -> None:
    if path := os.environ.get("FAKE_CODEX_SEEN"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {line}")


def take_one_turn(scenario: dict[str, Any], arguments: list[str]) -> int:
    """`codex exec --json … -`."""
    prompt = sys.stdin.read()
    put({"type": "thread.started", "thread_id": THREAD})
    put({"type": "turn.started"})
    for number, step in enumerate(scenario["turns"][0]):
        if "say" in step:
            text = step["say"].replace("{heard}", prompt)
            put({"type": "item.completed", "item": {"id": f"item_{number}", "type": "agent_message", "text": text}})
        elif "fail" in step:
            put({"type": "turn.failed", "error": step["fail"]})
            return 1
        elif "exit" in step:
            return int(step["exit"])
    put({"type": "turn.completed", "usage": {"input_tokens": 100, "output_tokens": 20}})
    return 0


def main(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        print("codex-cli 0.169.0")
        return 0
    scenario = json.loads(os.environ["FAKE_CODEX"])
    if arguments[:1] == ["app-server"]:
        Server(scenario).run()
        return 0
    if arguments[:1] == ["exec"]:
        return take_one_turn(scenario, arguments)
    print(f"error: unrecognized subcommand {arguments}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A stand-in for an ACP agent, as a program: standard library only, plays what FAKE_ACP says, for each prompt anew.

FAKE_ACP is a JSON list of steps (FAKE_ACP_LATER: of all prompts but the first), each an object with one key:

    {"say": text}                       a message, in two pieces
    {"think": text}
    {"run": command}                    asks leave, runs it with sh where it gets that
    {"write": [path, text]}             asks leave, writes where it gets that
    {"once": step}                      in the first prompt alone
    {"plan": [[text, status], ...]}
    {"raw": text}                       a line as it stands
    {"ask": [method, params]}           a request; the answer goes to stderr
    {"wait": path}                      until the file is there; what it is told meanwhile is taken as `steer` says
    {"end": stopReason}  {"error": [code, message, data]}  {"exit": code}  {"hang": true}

Further keys of the environment: FAKE_ACP_STEER (fold | abort: what a second prompt does), FAKE_ACP_ABLE (JSON of its
capabilities), FAKE_ACP_SESSIONS (a directory: its sessions are kept there, and can be loaded), FAKE_ACP_GIVES_UP (a
refusal ends its turn), FAKE_ACP_SEEN (a file: what each process is told is appended to it, behind its pid).
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import uuid
from typing import Any


class Over(Exception):
    """The turn is over: its stop reason."""


class Fake:
    def __init__(self) -> None:
        self.play = json.loads(os.environ.get("FAKE_ACP", '[{"say": "hello"}]'))
        self.later = json.loads(os.environ.get("FAKE_ACP_LATER", "null")) or self.play
        self.folds = os.environ.get("FAKE_ACP_STEER", "abort") == "fold"
        self.kept = os.environ.get("FAKE_ACP_SESSIONS", "")
        self.session = ""
        self.number = 0
        self.prompts: list[Any] = []
        """Ids of those that are not answered yet."""
        self.waiting: list[dict[str, Any]] = []
        """Prompts that come after the turn that runs."""
        self.calls = 0
        self.prompted = 0
        """Prompts that were played."""
        self.buffer = b""
        self.answers: dict[int, Any] = {}
        self.cancelled = False
        os.set_blocking(0, False)

    # -- lines

    def send(self, **message: Any) -> None:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()

    def update(self, name: str, /, **more: Any) -> None:
        more = {"sessionId": self.session, "update": {"sessionUpdate": name, **more}}
        self.send(method="session/update", params=more)

    def look(self) -> None:
        """Takes in what has come. Ends the program where nothing comes any more."""
        try:
            data = os.read(0, 65536)
        except BlockingIOError:
            select.select([0], [], [], 0.01)  # not for ever: it may wait for a file
            return
        if not data:
            sys.exit(0)
        self.buffer += data
        while b"\n" in self.buffer:
            line, _, self.buffer = self.buffer.partition(b"\n")
            seen(line)
            self.take(json.loads(line))

    def ask(self, method: str, params: Any) -> Any:
        self.number += 1
        number = self.number
        self.send(id=number, method=method, params=params)
        while number not in self.answers:
            self.look()
        return self.answers.pop(number)

    # -- what is asked of it

    def take(self, message: dict[str, Any]) -> None:
        number, method, params = message.get("id"), message.get("method"), message.get("params", {})
        if method is None:
            self.answers[message["id"]] = message.get("result", message.get("error"))
        elif method == "initialize":
            able = json.loads(os.environ.get("FAKE_ACP_ABLE", "{}"))
            able = {"loadSession": bool(self.kept), "mcpCapabilities": {"http": True}, **able}
            self.send(id=number, result={"protocolVersion": 1, "agentCapabilities": able, "authMethods": []})
        elif method == "session/new":
            self.session = str(uuid.uuid4())
            self.send(id=number, result={"sessionId": self.session})
        elif method == "session/load":
            self.load(number, params["sessionId"])
        elif method == "session/cancel":
            self.cancelled = True
        elif method == "session/prompt" and self.prompts and self.folds:
            self.prompts.append(number)
            self.update("agent_message_chunk", content={"type": "text", "text": f"heard: {text_of(params)}"})
        elif method == "session/prompt":
            self.cancelled = bool(self.prompts)
            self.waiting.append(message)
        else:
            self.send(id=number, error={"code": -32601, "message": f"no {method}"})

    def load(self, number: Any, session: str) -> None:
        path = os.path.join(self.kept, session)
        if not self.kept or not os.path.exists(path):
            self.send(id=number, error={"code": -32002, "message": f"Resource not found: {session}"})
            return
        self.session = session
        with open(path) as file:
            for line in file:
                self.update("agent_message_chunk", content={"type": "text", "text": line})
        self.send(id=number, result={})

    def prompt(self, message: dict[str, Any]) -> None:
        self.prompts, self.cancelled = [message["id"]], False
        try:
            for step in self.play:
                self.step(*next(iter(step.items())))
                if self.cancelled:
                    raise Over("cancelled")
            raise Over("end_turn")
        except Over as over:
            for number in self.prompts:
                self.send(id=number, result={"stopReason": str(over), "usage": {"inputTokens": 10, "outputTokens": 1}})
        self.prompts, self.prompted = [], self.prompted + 1
        self.play = self.later

    def step(self, word: str, given: Any) -> None:
        match word:
            case "say":
                for part in (given[:2], given[2:]):
                    self.update("agent_message_chunk", content={"type": "text", "text": part})
                if self.kept:
                    with open(os.path.join(self.kept, self.session), "a") as file:
                        file.write(given + "\n")
            case "think":
                self.update("agent_thought_chunk", content={"type": "text", "text": given})
            case "run":
                self.use("execute", given, {"command": given}, lambda: subprocess.run(["sh", "-c", given], check=False))
            case "write":
                self.use("edit", "Write", {"path": given[0]}, lambda: write(*given))
            case "once" if not self.prompted:
                self.step(*next(iter(given.items())))
            case "plan":
                entries = [{"content": text, "status": status, "priority": "medium"} for text, status in given]
                self.update("plan", entries=entries)
            case "raw":
                sys.stdout.write(given + "\n")
                sys.stdout.flush()
            case "ask":
                print(json.dumps(self.ask(*given)), file=sys.stderr, flush=True)
            case "wait" | "hang":
                while not self.cancelled and (word == "hang" or not os.path.exists(given)):
                    self.look()
            case "end":
                raise Over(given)
            case "error":
                error = dict(zip(("code", "message", "data"), given, strict=False))
                for number in self.prompts:
                    self.send(id=number, error=error)
                self.prompts = []
                raise Over("")
            case "exit":
                sys.exit(given)

    def use(self, kind: str, title: str, given: dict[str, Any], work: Any) -> None:
        self.calls += 1
        call = {"toolCallId": f"call{self.calls}", "kind": kind, "title": title, "rawInput": given}
        self.update("tool_call", **call, status="pending")
        options = [
            {"optionId": kind, "kind": kind, "name": kind} for kind in ("allow_always", "allow_once", "reject_once")
        ]
        told = self.ask("session/request_permission", {"sessionId": self.session, "toolCall": call, "options": options})
        allowed = told["outcome"].get("optionId") == "allow_once"
        if allowed:
            work()
        status = "completed" if allowed else "failed"
        self.update("tool_call_update", toolCallId=call["toolCallId"], status=status)
        if not allowed and os.environ.get("FAKE_ACP_GIVES_UP"):
            raise Over("end_turn")


def seen(line: bytes) -> None:
    if path := os.environ.get("FAKE_ACP_SEEN"):
        with open(path, "ab", buffering=0) as file:
            file.write(b"%d %s\n" % (os.getpid(), line))


def text_of(params: dict[str, Any]) -> str:
    return "".join(part.get("text", "") for part in params["prompt"])


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def main() -> None:
    fake = Fake()
    while True:
        while not fake.waiting:
            fake.look()
        fake.prompt(fake.waiting.pop(0))


if __name__ == "__main__":
    main()

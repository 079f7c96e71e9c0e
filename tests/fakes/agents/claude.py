"""A stand-in for Claude Code: a program that speaks its lines and plays a scenario, for tests without the real one.

The scenario is JSON, in the variable FAKE_CLAUDE, or in the file that it names: a list of turns, each a list of
actions; a turn that is not there says "ok". What it is started with and told is appended to the file FAKE_CLAUDE_SEEN,
if that is given.

  {"text": T}                      says something
  {"tool": NAME, "input": {...}}   uses a tool: "ask": true asks for leave first, "runs": true runs a Bash command
  {"retry": {...}}                 tries its model again; {"line": {...}} prints any line; {"raw": T} prints that
  {"wait": "told"}                 until a message has come, which it hears; {"wait": FILE} until that is there
  {"error": {"kind", "status", "text"}}   its model failed, and so does the turn
  {"hang": true}                   until it is interrupted
  {"exit": N}                      ends at once, without a result
  {"lost": true}                   as the only action of the first turn: the session to resume is not there

Standard library only: it is run by itself. `tests/unit/engines/test_claude_fake.py` holds it against what was recorded.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

USAGE = {"input_tokens": 100, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 20}


def install(folder: Path) -> dict[str, str]:
    """Puts a `claude` into a folder that plays scenarios; the PATH that begins with it."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "claude"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -I -S '{os.path.abspath(__file__)}' \"$@\"\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def scenario(*turns: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The variable that plays these turns."""
    return {"FAKE_CLAUDE": json.dumps(turns)}


class Interrupted(Exception):
    """By a message or a signal; the word for where it was."""


class Claude:
    """One process of it."""

    def __init__(self, arguments: Sequence[str], turns: Sequence[Sequence[Mapping[str, Any]]]) -> None:
        self.resumed = next((word.partition("=")[2] for word in arguments if word.startswith("--resume=")), "")
        self.session = self.resumed or str(uuid.uuid4())
        self.turns = turns
        self.queue: list[dict[str, Any]] = []
        """Messages that it has not heard."""
        self.heard: set[str] = set()
        self.answers: dict[str, dict[str, Any]] = {}
        self.buffer = b""
        self.open = True
        self.interrupted = False
        self.calls = 0
        self.denials: list[dict[str, Any]] = []
        self.signalled, self.signals = os.pipe()
        """Readable once it was interrupted by a signal."""
        os.set_blocking(self.signals, False)

    def run(self) -> int:
        failed = False
        turn = 0
        while True:
            while self.open and not self.queue:
                self.listen()
            if not self.queue:
                return 1 if failed else 0
            actions = self.turns[turn] if turn < len(self.turns) else ({"text": "ok"},)
            turn += 1
            if self.resumed and any("lost" in action for action in actions):
                return self.lost()
            self.say({"type": "system", "subtype": "init", "session_id": self.session, "tools": [], "model": "fake"})
            failed = self.turn(actions)

    def turn(self, actions: Sequence[Mapping[str, Any]]) -> bool:
        """Whether it failed."""
        before, text = self.calls, ""
        self.denials = []
        try:
            # What has come by now belongs to it; the rest is heard between its actions.
            self.hear(most=1)
            for action in actions:
                found = self.act(action)
                text = text if found is None else found
                self.listen(wait=False)
                if "tool" in action:
                    self.hear()
        except Interrupted as where:
            self.result(before, is_error=True, subtype="error_during_execution", terminal_reason=str(where))
            return True
        except Failure as failure:
            self.result(before, is_error=True, result=failure.text, api_error_status=failure.status)
            return True
        self.result(before, is_error=False, result=text)
        return False

    def act(self, action: Mapping[str, Any]) -> str | None:
        """What it says, where it does."""
        match dict(action):
            case {"text": str(text)}:
                self.answer({"type": "text", "text": text})
                return text
            case {"tool": str(name)}:
                self.tool(name, action)
            case {"retry": dict(given)}:
                self.say({"type": "system", "subtype": "api_retry", "session_id": self.session, **given})
            case {"line": line}:
                self.say(line)
            case {"raw": str(text)}:
                sys.stdout.buffer.write(text.encode())
                sys.stdout.buffer.flush()
            case {"wait": str(what)}:
                self.wait(what)
            case {"error": dict(given)}:
                raise Failure(self, given)
            case {"exit": int(code)}:
                sys.stdout.flush()
                os._exit(code)
            case {"hang": _}:
                while True:
                    self.listen("aborted_streaming")
        return None

    def tool(self, name: str, action: Mapping[str, Any]) -> None:
        given, call = action.get("input", {}), f"toolu_{self.calls}"
        self.answer({"type": "tool_use", "id": call, "name": name, "input": given})
        said, wrong = "done", False
        if action.get("ask"):
            wrong, said, given = self.ask(name, given, call)
        if not wrong and action.get("runs"):
            said, wrong = self.command(given["command"])
        content = {"type": "tool_result", "tool_use_id": call, "content": said, "is_error": wrong}
        self.say({"type": "user", "message": {"role": "user", "content": [content]}, "parent_tool_use_id": None})

    def ask(self, name: str, given: Mapping[str, Any], call: str) -> tuple[bool, str, Mapping[str, Any]]:
        request = str(uuid.uuid4())
        asked = {"subtype": "can_use_tool", "tool_name": name, "input": given, "tool_use_id": call}
        self.say({"type": "control_request", "request_id": request, "request": asked})
        try:
            while request not in self.answers and self.open:
                self.listen("aborted_tools")
        except Interrupted:
            self.say({"type": "control_cancel_request", "request_id": request})
            raise
        found = self.answers.get(request, {"behavior": "deny", "message": "Error: Stream closed"})
        if found.get("behavior") == "allow":
            return False, "done", found["updatedInput"]
        self.denials.append({"tool_name": name, "tool_use_id": call, "tool_input": given})
        return True, found["message"], given

    def command(self, command: str) -> tuple[str, bool]:
        # In a session of its own, as the real one starts them.
        running = subprocess.Popen(
            ["/bin/sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            while running.poll() is None:
                self.listen("aborted_tools", wait=0.02)
        except (Interrupted, KeyboardInterrupt):
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            raise
        assert running.stdout
        return running.stdout.read().decode(), running.returncode != 0

    def wait(self, what: str) -> None:
        if what != "told":
            while not os.path.exists(what):
                self.listen(wait=0.02)
            return
        while not self.queue and self.open:
            self.listen()
        self.hear()

    # -- lines ---------------------------------------------------------------------------------------------------------

    def answer(self, *content: Mapping[str, Any], **more: Any) -> None:
        self.calls += 1
        message = {"id": f"msg_{self.calls}", "model": "fake", "content": content, "usage": USAGE, **more}
        self.say({"type": "assistant", "message": message, "parent_tool_use_id": None, "session_id": self.session})

    def result(self, before: int, **fields: Any) -> None:
        new = self.calls - before
        models = {"fake": {"inputTokens": 100 * self.calls, "outputTokens": 20 * self.calls}} if self.calls else {}
        line = {"type": "result", "subtype": "success", "session_id": self.session, **fields}
        used = {name: count * new for name, count in USAGE.items()}
        cost = {"total_cost_usd": self.calls / 1000, "usage": used, "modelUsage": models}
        self.say({**line, **cost, "num_turns": new, "permission_denials": self.denials})

    def lost(self) -> int:
        problem = f"No conversation found with session ID: {self.session}"
        line = {"type": "result", "subtype": "error_during_execution", "is_error": True, "session_id": self.session}
        self.say({**line, "errors": [problem], "num_turns": 0, "usage": {}, "modelUsage": {}, "total_cost_usd": 0})
        print(problem, file=sys.stderr)
        return 1

    def say(self, line: Mapping[str, Any]) -> None:
        print(json.dumps(line), flush=True)

    # -- what it is told -----------------------------------------------------------------------------------------------

    def hear(self, *, most: int = -1) -> None:
        while self.queue and most != 0:
            most -= 1
            message = self.queue.pop(0)
            self.heard.add(message.get("uuid", ""))
            self.say({**message, "session_id": self.session, "isReplay": True})

    def listen(self, where: str = "aborted_tools", *, wait: float | bool = True) -> None:
        """Takes in what comes next on stdin. Raises Interrupted when that ends the turn."""
        timeout = None if wait is True else float(wait)
        ready, _, _ = select.select([self.signalled, *([0] if self.open else [])], [], [], timeout)
        if self.signalled in ready:
            raise KeyboardInterrupt
        if 0 in ready:
            data = os.read(0, 65536)
            self.open = bool(data)
            self.buffer += data
            for line in self.lines():
                self.told(line)
        if self.interrupted:
            self.interrupted = False
            raise Interrupted(where)

    def lines(self) -> Iterator[dict[str, Any]]:
        *ended, self.buffer = self.buffer.split(b"\n")
        for line in ended:
            seen(line.decode())
            try:
                yield json.loads(line)
            except ValueError as problem:
                print(f"Error parsing streaming input line: {problem}", file=sys.stderr)
                sys.exit(1)

    def told(self, line: dict[str, Any]) -> None:
        match line:
            case {"type": "user", "uuid": str(name)} if name in self.heard or name in [m["uuid"] for m in self.queue]:
                self.say({**line, "session_id": self.session, "isReplay": True})
            case {"type": "user"}:
                self.queue.append(line)
            case {"type": "control_response", "response": {"request_id": str(name), "response": dict(found)}}:
                self.answers.setdefault(name, found)
            case {"type": "control_request", "request_id": str(name), "request": dict(request)}:
                self.interrupted = self.interrupted or request.get("subtype") == "interrupt"
                self.say({"type": "control_response", "response": {"subtype": "success", "request_id": name}})


class Failure(Exception):
    """Its model could not be asked."""

    def __init__(self, agent: Claude, given: Mapping[str, Any]) -> None:
        self.text, self.status = given.get("text", "API Error"), given.get("status")
        message = {"model": "<synthetic>", "content": [{"type": "text", "text": self.text}]}
        agent.say({"type": "assistant", "message": message, "parent_tool_use_id": None, "error": given.get("kind")})


def seen(text: str) -> None:
    path = os.environ.get("FAKE_CLAUDE_SEEN")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text + "\n")


def main(arguments: Sequence[str]) -> int:
    if "--version" in arguments:
        print("2.1.197 (Claude Code)")
        return 0
    seen(json.dumps({"argv": arguments, "cwd": os.getcwd()}))
    told = os.environ.get("FAKE_CLAUDE", "[]")
    turns = json.loads(told if told.lstrip().startswith("[") else Path(told).read_text(encoding="utf-8"))
    agent = Claude(arguments, turns)

    # Not an exception out of nowhere: a command that is just being started has to be ended, too.
    signal.set_wakeup_fd(agent.signals)
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return agent.run()
    except KeyboardInterrupt:
        agent.result(0, is_error=True, subtype="error_during_execution", terminal_reason="aborted_tools")
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The model server: which script answers which call, what is recorded, what is wrong. `http.py` has the bytes.

A call belongs to the agent whose marker `[[script:NAME]]` stands in its first user message (so a sub-agent has a script
of its own), else to the one in the path prefix (`url(NAME)`), else to the one in the key (`key(NAME)`), else to the one
that is named `agent`.

Only calls that offer tools use up a step. What the CLIs ask besides (titles, summaries, quota and safety checks, routes
between models) offers none and is answered with a few words, or with the least JSON where a schema is demanded; counts
of tokens and lists of models never use one. An agent that is started without tools plays by `play(..., toolless=True)`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

from tests.fakes.models.faults import fact
from tests.fakes.models.gates import Gate
from tests.fakes.models.http import serve
from tests.fakes.models.ollama import unknown
from tests.fakes.models.record import DEFAULT, DIALECTS, Reply, Request
from tests.fakes.models.script import FOREVER, BadScript, Step
from tests.fakes.models.tools import resolve
from tests.fakes.models.wire import Answer, Ask

_MARKER = re.compile(r"\[\[script:([\w.-]+)\]\]")
_KEY = re.compile(r"test-key-([\w.-]+?)-0123456789abcdef")


@dataclass
class _Script:
    steps: list[Step]
    toolless: bool = False
    at: int = 0
    answered: int = 0
    """By the step at `at`."""
    calls: int = 0


class Models:
    """A scripted model server on loopback, in threads of this process. Use it in a `with`: that checks it, too.

    `names`: it is a local one (`ollama.py`) with these models alone.
    """

    def __init__(self, *, port: int = 0, names: Sequence[str] = ()) -> None:
        self.names = tuple(names)
        self.requests: list[Request] = []
        self.errors: list[str] = []
        self._scripts: dict[str, _Script] = {}
        self._gates: dict[str, Gate] = {}
        self._changed = threading.Condition(threading.RLock())
        self._http = serve(self, port=port)
        self.port: int = self._http.server_address[1]

    def __enter__(self) -> Models:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        self.close()
        if kind is None:
            self.check()

    def close(self) -> None:
        """Stop; answers that still stand at gates are dropped."""
        self._http.accept_no_more()
        for gate in list(self._gates.values()):
            gate.reached.set()  # Nobody is to wait for what cannot come any more.
        self._http.hang_up()
        for gate in list(self._gates.values()):
            gate.close()

    def check(self) -> None:
        """Raises BadScript with all that went wrong: scripts that were too short, tools that no CLI offered."""
        if self.errors:
            raise BadScript("\n".join(self.errors))

    # What the test says and asks

    def play(self, *steps: Step, agent: str = DEFAULT, toolless: bool = False) -> None:
        """The next steps of the agent, after those that are left."""
        for step in steps:
            if step.fault:
                fact(step.fault, dialect=DIALECTS[0].NAME)
        with self._changed:
            script = self._scripts.setdefault(agent, _Script([]))
            script.steps.extend(steps)
            script.toolless = script.toolless or toolless

    def url(self, agent: str = "") -> str:
        """The base URL without `/v1`; with an agent's name, one that is only that agent's."""
        return f"http://127.0.0.1:{self.port}" + (f"/{agent}" if agent else "")

    @staticmethod
    def key(agent: str = DEFAULT) -> str:
        """A key that names the agent. Long: copilot puts stars for every occurrence of it in its output."""
        return f"test-key-{agent}-0123456789abcdef"

    def gate(self, name: str) -> Gate:
        with self._changed:
            return self._gates.setdefault(name, Gate())

    def left(self, agent: str = DEFAULT) -> int:
        """Steps that have not been used up; an endless one counts until it has answered once."""
        with self._changed:
            script = self._scripts.get(agent)
            if script is None:
                return 0
            endless = script.at < len(script.steps) and script.steps[script.at].times == FOREVER and script.answered
            return len(script.steps) - script.at - bool(endless)

    def calls(self, agent: str = "") -> list[Request]:
        """The model calls that used a step, in their order; of one agent or of all."""
        with self._changed:
            return [one for one in self.requests if one.kind == "step" and agent in ("", one.agent)]

    def until(self, holds: Callable[[Models], bool], *, timeout: float = 60) -> None:
        """Wait until a condition holds; looked at after each change. Raises TimeoutError after so many seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: holds(self), timeout):
                raise TimeoutError(f"after {len(self.requests)} requests; errors: {self.errors}")

    # What the HTTP side asks

    def received(self, request: Request) -> Reply | None:
        """Record the request; the step that answers a model call, None for every other one. Raises BadScript."""
        with self._changed:
            self.requests.append(request)
            try:
                return self._received(request)
            except BadScript as problem:
                self.errors.append(f"{request.method} {request.path} ({request.agent}): {problem}")
                raise
            finally:
                self._changed.notify_all()

    def ended(self, request: Request, how: str) -> None:
        with self._changed:
            request.ended = how
            self._changed.notify_all()

    def _received(self, request: Request) -> Reply | None:
        path = request.path.split("?")[0]
        request.agent = self._agent(request, path)
        dialect = next((one for one in DIALECTS if request.method == "POST" and one.claims(path)), None)
        if dialect is None:
            counted = any(one.counts(path) for one in DIALECTS)
            request.kind = "count" if counted else "other"
            return None
        if not isinstance(request.body, dict):
            raise BadScript("a model call without a JSON object")
        ask: Ask = dialect.read(path, request.body)
        request.ask = ask
        if self.names and ask.model not in self.names:
            request.kind = "side"
            return Reply(request, unknown(ask.model))
        marked = _MARKER.search(ask.first)
        request.agent = marked[1] if marked else request.agent
        script = self._scripts.get(request.agent)
        if not ask.tools and not (script and script.toolless):
            request.kind = "side"
            return None
        if script is None:
            raise BadScript(f"there is no script for {request.agent!r}; there are {', '.join(self._scripts) or 'none'}")
        return self._play(script, request, ask)

    def _agent(self, request: Request, path: str) -> str:
        for name in self._scripts:
            if path.startswith(f"/{name}/"):
                return name
        for header in ("authorization", "x-api-key", "x-goog-api-key"):
            found = _KEY.search(request.headers.get(header, ""))
            if found:
                return found[1]
        return DEFAULT

    def _play(self, script: _Script, request: Request, ask: Ask) -> Reply:
        request.kind = "step"
        if script.at >= len(script.steps):
            raise BadScript(f"the script of {request.agent!r} is over: {len(script.steps)} steps, and one more call")
        step = request.step = script.steps[script.at]
        script.calls += 1
        script.answered += 1
        if script.answered == step.times:
            script.at, script.answered = script.at + 1, 0
        if step.fault:
            return Reply(request, step)
        unique = f"{request.agent}_{ask.length}_{script.calls}".replace(".", "-")
        text, calls = resolve(step, ask, unique=unique)
        return Reply(request, step, Answer(unique, text, calls, step.usage))

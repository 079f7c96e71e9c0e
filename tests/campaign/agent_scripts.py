"""What the agents of `real_agents.py` do: one list of tasks. A real CLI does what its model says, a stand-in what it
plays. Each tool is `./work`, so the ledger counts how often it really ran.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from teamflow.engines.registry import engine
from tests.e2e.tool import Project
from tests.fakes import clis
from tests.fakes.agents import acp, claude, codex
from tests.fakes.models import FOREVER, Models, Run, Step, answer, call, say

STEP: Final = "a"
DONE: Final = "It is made."
OUTPUTS: Final = {"ok": True}
TOOLS: Final = ("tool1", "tool2")


class Task(NamedTuple):
    """`turns`: the tools of each call of the model before the last, which says that it is done. `told`: a message comes
    in between; `schema`: the last word is an output. `slow`: seconds that a tool takes."""

    name: str
    turns: tuple[tuple[str, ...], ...] = ()
    told: bool = False
    schema: bool = False
    slow: float = 0.1

    @property
    def tools(self) -> tuple[str, ...]:
        return tuple(tool for turn in self.turns for tool in turn)


TASKS: Final = (
    Task("text"),
    Task("leave", (TOOLS[:1],)),
    Task("two", (TOOLS[:1], TOOLS[1:])),
    Task("both", (TOOLS,)),
    Task("told", (TOOLS[:1],), told=True, slow=0.5),
    Task("schema", (TOOLS[:1],), schema=True),
)


class Cast(NamedTuple):
    """Who plays. `span`: seconds that it takes for one word."""

    engine: str
    span: float
    weight: int
    real: bool = False

    @property
    def asks(self) -> bool:
        return engine(self.engine).capabilities.asks

    @property
    def goes_on(self) -> bool:
        """Whether it goes on with its task where it is refused something."""
        return not self.real or self.engine in ("claude", "codex")


STAND_INS: Final = (
    Cast("claude", 0.6, 3),
    Cast("codex", 0.6, 3),
    Cast("opencode", 0.6, 2),
    Cast("copilot", 0.6, 2),
)
"""The last two are one ACP agent that folds what it is told into its turn, and one that would drop its turn for it."""

REAL: Final = (
    Cast("claude", 2.5, 4, real=True),
    Cast("codex", 2.5, 5, real=True),
    Cast("codex-exec", 2.0, 3, real=True),
    Cast("gemini", 5.0, 2, real=True),
    Cast("opencode", 5.0, 2, real=True),
    Cast("copilot", 6.0, 2, real=True),
    Cast("claude-agent-acp", 4.0, 3, real=True),
)


class Play(NamedTuple):
    """One agent with one task."""

    cast: Cast
    task: Task

    @property
    def span(self) -> float:
        """Seconds within which it is about done, when nobody disturbs it."""
        return self.cast.span * (1 + len(self.task.tools) / 2)

    def team(self) -> str:
        # What an agent does that cannot ask is done within its fence.
        grants = "{run: [pytest]}" if self.cast.asks else "edit"
        outputs = "outputs: {ok: boolean}" if self.task.schema else "description: Makes it."
        return f"""
inherit_env: ["FAKE_*", SCRIPTED_KEY, COPILOT_CACHE_HOME]
defaults: {{retry: {{delay: 50ms}}, grace: 3s}}
agents:
  {STEP}:
    engine: {self.cast.engine}
    prompt: Make it.
    workspace: {{mode: shared}}
    permissions: {grants}
    retry: {{attempts: 6}}
    {outputs}
  after: {{depends_on: [{STEP}], command: ./work agent 0}}
"""

    def steps(self) -> list[Step]:
        """What the model says to a real one. The last word is repeated to whoever goes on after all has been said."""
        last = answer(OUTPUTS, times=FOREVER) if self.task.schema else say(DONE, times=FOREVER)
        return [call(*(Run(self._command(tool)) for tool in turn)) for turn in self.task.turns] + [last]

    def environment(self, project: Project, models: Models | None) -> dict[str, str]:
        """What the runners of the project are started with."""
        if models is not None:
            return self._real(project, models)
        folder = project.home / "bin"
        folder.mkdir()
        module = {"claude": claude, "codex": codex}.get(self.cast.engine, acp)
        program = folder / self.cast.engine
        program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -I -S '{module.__file__}' \"$@\"\n")
        program.chmod(0o755)
        sessions = project.home / "sessions"
        sessions.mkdir()
        return {
            "PATH": f"{folder}:{project.environ['PATH']}",
            "FAKE_CLAUDE": json.dumps([self._by_claude()]),
            "FAKE_CLAUDE_SEEN": str(seen(project)),
            "FAKE_CODEX": json.dumps({"turns": [self._by_codex(), [{"say": self._last}]]}),
            "FAKE_CODEX_SEEN": str(seen(project)),
            "FAKE_ACP": json.dumps(self._by_acp()),
            "FAKE_ACP_LATER": json.dumps([{"say": self._last}]),
            "FAKE_ACP_SEEN": str(seen(project)),
            "FAKE_ACP_SESSIONS": str(sessions),
            "FAKE_ACP_STEER": "fold" if self.cast.engine == "opencode" else "abort",
        }

    def _real(self, project: Project, models: Models) -> dict[str, str]:
        name = self.cast.engine.removesuffix("-exec")
        clis.program(name)
        made: Mapping[str, str] = clis.ENVIRONMENTS[name](models, project.home / "agent")
        return {**made, "PATH": os.pathsep.join((f"{clis.place()}/node_modules/.bin", os.environ["PATH"]))}

    def _command(self, tool: str) -> str:
        return f"./work {tool} 0 {self.task.slow}"

    @property
    def _last(self) -> str:
        return json.dumps(OUTPUTS) if self.task.schema else DONE

    def _by_claude(self) -> list[dict[str, Any]]:
        uses = [
            {"tool": "Bash", "input": {"command": self._command(tool)}, "ask": True, "runs": True}
            for tool in self.task.tools
        ]
        return [{"text": "So be it."}, *uses, {"text": self._last}]

    def _by_codex(self) -> list[dict[str, Any]]:
        uses = [{"ask": self._command(tool), "runs": True} for tool in self.task.tools]
        return [{"say": "So be it."}, *uses, {"say": self._last}]

    def _by_acp(self) -> list[dict[str, Any]]:
        return [
            {"think": "So be it."},
            *({"run": self._command(tool)} for tool in self.task.tools),
            {"say": self._last},
        ]


def drawn(chance: random.Random, casts: tuple[Cast, ...]) -> Play:
    cast = chance.choices(casts, [one.weight for one in casts])[0]
    fit = [task for task in TASKS if cast.real or cast.engine != "claude" or not task.schema]
    return Play(cast, chance.choice(fit))


def seen(project: Project) -> Path:
    """Where a stand-in writes what it was started with and told."""
    return project.home / "seen"

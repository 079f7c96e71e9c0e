"""A model server, a workspace and a home, for the tests with the real Codex."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from teamflow.core.invocation import (
    Brief,
    EngineEvent,
)
from teamflow.core.outcome import Outcome
from teamflow.engines.codex import CodexEngine
from tests.e2e.codex_recording import keep
from tests.fakes import clis
from tests.fakes.agents.pump import Pump, brief_for
from tests.fakes.models import Models

ENGINE = CodexEngine()
RECORDED = bool(os.environ.get("TEAMFLOW_RECORD"))


class Bench:
    """A model server, a workspace and a home, for one Codex after the other."""

    def __init__(self, models: Models, place: Path) -> None:
        self.models = models
        self.started = 0
        self.place = place
        self.cwd = place / "work"
        self.cwd.mkdir()
        self.outside = place / "outside.txt"
        self.env = clis.codex_env(models, place / "home")
        self.env["PATH"] = os.path.dirname(clis.program("codex")) + os.pathsep + self.env["PATH"]

    def brief(self, prompt: str = "Do it.", **more: Any) -> Brief:
        return brief_for(self.cwd, prompt, **more)

    @contextmanager
    def start(self, prompt: str = "Do it.", **more: Any) -> Iterator[Pump]:
        with Pump(ENGINE, self.brief(prompt, **more), env=self.env) as agent:
            yield agent
            if RECORDED:
                agent.finish()
                self.started += 1
                name = os.environ["PYTEST_CURRENT_TEST"].split("::test_")[1].split(" ")[0].replace("[", "-").rstrip("]")
                places = {str(self.cwd): "/work", str(self.place): "/place"}
                keep(f"{name}-{self.started}", agent, agent.end, replaced=places)

    def attempt(self, prompt: str = "Do it.", **more: Any) -> tuple[Outcome, list[EngineEvent]]:
        with self.start(prompt, **more) as agent:
            outcome = agent.finish()
            assert agent.process.returncode == 0, agent.told()
            return outcome, agent.events

    def heard(self) -> str:
        """What the last call of the model was sent."""
        return json.dumps(self.models.calls()[-1].body["input"])

    def net(self) -> str:
        """A command that tells whether it reaches the loopback network."""
        return f"curl -s -m 2 -o /dev/null -w 'net=%{{http_code}}' {self.models.url()}/v1/models; true"

    def out(self) -> str:
        return f"(touch {self.outside} && echo escaped) 2>&1; true"


@contextmanager
def a_bench() -> Iterator[Bench]:
    # Not below /tmp, which is writable in the sandbox.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place, Models() as models:
        yield Bench(models, Path(place))

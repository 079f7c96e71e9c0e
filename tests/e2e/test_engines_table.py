"""The table of docs/engines.md against the real programs: each claim, as far as it can be seen from outside.

A claim is a function: it brings an agent to the point where the claim shows, and gives what was seen; that is what the
engine's `Capabilities` say. What only one CLI can do is looked at more closely in its own tests.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from teamflow.app.installed import look
from teamflow.core.capabilities import FOLD, Capabilities
from teamflow.core.invocation import Asked, Called
from teamflow.core.outcome import Outcome, Stopped, Succeeded
from teamflow.core.permissions import ALLOW, DENY, Permissions, Verdict
from teamflow.engines.registry import BUILT_IN, engine
from tests.e2e.acp_scenes import NOTES, age
from tests.e2e.claude_scenes import notes_server
from tests.fakes import clis
from tests.fakes.agents.pump import Pump, brief_for
from tests.fakes.models import Models, answer, run, say, tool

pytestmark = pytest.mark.slow

TOOLS: Final[Mapping[str, str]] = {
    **NOTES,
    **dict.fromkeys(("claude", "codex", "codex-exec"), "mcp__team__post_note"),
}
WAIT: Final = run("touch begun; until [ -e go ]; do sleep 0.05; done; echo ready")
ASKING: Final = Permissions(run=("ls",))
FULL: Final = Permissions("full")


class Bench(NamedTuple):
    """One engine, with a place to work, and a model that plays what it is told."""

    name: str
    models: Models
    place: Path

    @property
    def work(self) -> Path:
        return self.place / "work"

    @property
    def can(self) -> Capabilities:
        return engine(self.name).capabilities

    @contextmanager
    def start(self, prompt: str = "Do it.", **more: Any) -> Iterator[Pump]:
        with Pump(engine(self.name), brief_for(self.work, prompt, **more), env=self.env()) as agent:
            yield agent

    def attempt(self, prompt: str = "Do it.", **more: Any) -> Outcome:
        with self.start(prompt, **more) as agent:
            outcome = agent.finish()
            assert isinstance(outcome, Succeeded), (outcome, agent.told())
            return outcome

    def env(self) -> dict[str, str]:
        program = self.can.program[0]
        env = clis.ENVIRONMENTS[program](self.models, self.place / "home")
        return {**env, "PATH": os.pathsep.join((os.path.dirname(clis.program(program)), env["PATH"]))}

    def heard(self) -> str:
        """What the last call of the model was sent."""
        return json.dumps(self.models.calls()[-1].body)


@pytest.fixture
def bench(tmp_path: Path, name: str) -> Iterator[Bench]:
    (tmp_path / "work").mkdir()
    with Models() as models:
        yield Bench(name, models, tmp_path)


# --- what is seen


def goes_on(bench: Bench) -> bool:
    bench.models.play(say("the word is alpha"), say("it was alpha"))
    first = bench.attempt("Remember it.")
    age(bench.place)
    bench.attempt("Which word?", session=first.session)
    return "the word is alpha" in bench.heard()


def steers(bench: Bench) -> bool:
    """Whether what it is told while a command runs is in the next call of its model."""
    bench.models.play(WAIT, say("blue"), say("more"))
    with bench.start(grants=FULL) as agent:
        agent.until(Called)
        told = agent.tell("STEER: say blue.")
        (bench.work / "go").touch()
        agent.finish()
        assert bool(told) == (bench.can.steer == FOLD)
    return "STEER" in json.dumps(bench.models.calls()[1].body)


def is_interrupted(bench: Bench) -> bool:
    """Whether a message ends its turn, with no signal."""
    bench.models.play(WAIT, say("never"))
    with bench.start(grants=FULL) as agent:
        agent.until(Called)
        done = agent.interrupt()
        (bench.work / "go").touch() if not done else None
        outcome = agent.finish()
        assert isinstance(outcome, Succeeded) is not done, (outcome, agent.told())
        assert not isinstance(outcome, Stopped) or done
        return done


def has_schema(bench: Bench) -> bool:
    """Whether it holds its model to outputs, without a word in the prompt."""
    wanted = {"colour": {"type": "string", "enum": ["red", "blue"]}}
    schema = bench.can.schema
    bench.models.play(answer({"colour": "red"}) if schema else say('```json\n{"colour": "red"}\n```'))
    outcome = bench.attempt(schemas=wanted)
    assert "red" in f"{outcome.text} {getattr(outcome, 'outputs', None)}"
    heard = bench.heard()
    assert "colour" in heard
    return "End with one JSON object" not in heard


def asks(bench: Bench) -> bool:
    bench.models.play(run("touch yes"), run("touch no"), say("done"))
    with bench.start(grants=ASKING if bench.can.asks else Permissions()) as agent:
        if bench.can.asks:
            agent.answer(agent.until(Asked).request, Verdict(ALLOW))
            agent.answer(agent.until(Asked).request, Verdict(DENY, "no"))
        agent.finish()
        asked = len(agent.all(Asked))
    assert (bench.work / "yes").exists()
    assert (bench.work / "no").exists() is not bool(asked)
    return bool(asked)


def takes_servers(bench: Bench) -> bool:
    """By HTTP, without a question."""
    with notes_server() as (url, got):
        bench.models.play(tool(TOOLS[bench.name], {"text": "hi"}), say("noted"))
        bench.attempt(servers={"team": {"type": "http", "url": url}}, grants=Permissions(ask="deny"))
        return [one["params"]["arguments"] for one in got if one["method"] == "tools/call"] == [{"text": "hi"}]


def tells_money(bench: Bench) -> bool:
    bench.models.play(say("done"))
    outcome = bench.attempt()
    return outcome.usage is not None and outcome.usage.usd is not None


def looks_only(bench: Bench) -> bool:
    """Whether one that only reads changes nothing."""
    bench.models.play(run("touch no"), say("could not"))
    with bench.start(grants=Permissions("read", ask="deny")) as agent:
        agent.finish()
    return not (bench.work / "no").exists()


CLAIMS: Final[Mapping[str, tuple[Callable[[Bench], bool], Callable[[Capabilities], bool]]]] = {
    "goes on": (goes_on, lambda can: can.resume),
    "steers": (steers, lambda can: can.steer == FOLD),
    "interrupted": (is_interrupted, lambda can: can.interrupt),
    "schema": (has_schema, lambda can: can.schema),
    "asks": (asks, lambda can: can.asks),
    "MCP by HTTP": (takes_servers, lambda can: "http" in can.mcp),
    "money": (tells_money, lambda can: can.cost),
    "only looks": (looks_only, lambda can: "read" in can.enforces),
}


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("name", BUILT_IN)
def test_claim(bench: Bench, claim: str) -> None:
    seen, claimed = CLAIMS[claim]
    assert seen(bench) is claimed(bench.can)


@pytest.mark.parametrize("name", BUILT_IN)
def test_version(bench: Bench) -> None:
    environ = {**bench.env(), "XDG_STATE_HOME": str(bench.place / "state")}
    assert look({bench.name: bench.can}, environ)[bench.name].version == bench.can.tested

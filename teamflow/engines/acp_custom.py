"""An ACP agent that a team file names: `engines: {goose: {command: [goose, acp], output: acp}}`.

Nothing is known of it, so nothing is assumed: it is told nothing while it works, and its tokens are not counted.
"""

from __future__ import annotations

from teamflow.core.capabilities import Capabilities
from teamflow.core.invocation import Brief
from teamflow.core.placeholders import MODEL, fill, placeholders
from teamflow.core.plan import EngineDefinition
from teamflow.engines.acp import AcpEngine
from teamflow.engines.acp_agent import EVERY_SERVER, Agent, Start


def acp_engine(name: str, definition: EngineDefinition) -> AcpEngine:
    capabilities = Capabilities(
        resume=True,
        protocol=True,
        chatty=True,
        tail=True,
        interrupt=True,
        asks=True,
        mcp=EVERY_SERVER,
        login=definition.inherit_env,
        silence=600.0,
        session_within=60.0,
    )
    named = any(MODEL in placeholders(word) for word in (*definition.model, *definition.env.values()))
    agent = Agent(name, capabilities, started_with_model=named, failures=definition.failures)

    def start(brief: Brief) -> Start:
        values = {} if brief.model is None else {MODEL: brief.model}
        argv = (*definition.command, *(fill(word, values) for word in definition.model if values))
        env = {
            key: fill(value, values)
            for key, value in definition.env.items()
            if all(held in values for held in placeholders(value))
        }
        return Start(argv, env)

    return AcpEngine(agent, start)

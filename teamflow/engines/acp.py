"""Every agent that speaks the Agent Client Protocol (version 1), by one translator.

What differs by agent is data (`acp_agent.py`); what is said to and fro is `acp_session.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from teamflow.core.invocation import (
    Brief,
    Invocation,
)
from teamflow.core.outcome import Failed
from teamflow.engines.acp_agent import Agent, Start, server_list
from teamflow.engines.acp_opening import INITIALIZE
from teamflow.engines.acp_session import AcpSession
from teamflow.engines.jsonrpc import Peer
from teamflow.ports import Session


class AcpEngine:
    """`ports.Engine` for one agent; `start` says how its process is started."""

    def __init__(self, agent: Agent, start: Callable[[Brief], Start | Failed]) -> None:
        self.name = agent.name
        self.capabilities = agent.capabilities
        self._agent = agent
        self._start = start

    def invoke(self, brief: Brief) -> Invocation | Failed:
        servers = server_list(brief)
        if isinstance(servers, Failed):
            return servers
        start = self._start(brief)
        if isinstance(start, Failed):
            return start
        return Invocation(
            start.argv,
            env=start.env,
            stdin=Peer().request("initialize", INITIALIZE),
            protocol=True,
            files=start.files,
            listens=True,
            final=start.final,
            obstacles=start.obstacles,
        )

    def session(self, brief: Brief) -> Session:
        return AcpSession(self._agent, brief)

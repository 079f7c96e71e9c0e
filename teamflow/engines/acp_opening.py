"""How a conversation with an ACP agent begins: what is asked of it, one after another, until it can have its prompt.

Decides what an agent must be able to do for this brief, and says in words what it lacks. Each step takes what the agent
answered to the last one and gives the next request, or why there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from teamflow.core.invocation import Brief
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.permissions import FULL
from teamflow.core.plan import Json
from teamflow.core.shell import excerpt
from teamflow.engines.acp_agent import Agent, kind_of, server_list

VERSION: Final = 1
INITIALIZE: Final[Mapping[str, Json]] = {
    "protocolVersion": VERSION,
    "clientCapabilities": {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False},
    "clientInfo": {"name": "teamflow", "title": "teamflow", "version": "1"},
}
AUTHENTICATION_REQUIRED: Final = -32000

Ask: TypeAlias = tuple[str, Mapping[str, Json]]
"""A method and its parameters."""

_KEEPS: Final = "which keeps the permissions of the step: this version of it cannot be used below `full`"
_SESSION: Final = re.compile(r"[^\s\x00-\x1f\x7f-][^\x00-\x1f\x7f]{0,255}")
_MOST_NAMED: Final = 12


class Opening:
    def __init__(self, agent: Agent, brief: Brief) -> None:
        self._agent = agent
        self._brief = brief
        self._able: Mapping[str, Json] = {}
        self._methods: tuple[str, ...] = ()
        self._tried = self._afresh = False
        self.loads = False
        """Whether an older session goes on."""

    def initialized(self, result: Mapping[str, Json]) -> Ask | Failed:
        version = result.get("protocolVersion")
        if isinstance(version, int) and version != VERSION:
            return self._lacks(f"speaks version {version} of ACP, and teamflow version {VERSION}")
        self._able = _object(result.get("agentCapabilities"))
        offered = {_object(item).get("id") for item in _list(result.get("authMethods"))}
        self._methods = tuple(method for method in self._agent.methods if method in offered)
        return self.session()

    def session(self) -> Ask | Failed:
        """Opens a session, or goes on with one."""
        servers = server_list(self._brief)
        if isinstance(servers, Failed):
            return servers
        taken = {"stdio", *(kind for kind in ("http", "sse") if _object(self._able.get("mcpCapabilities")).get(kind))}
        for server in servers:
            if kind_of(server) not in taken:
                name = _object(server).get("name")
                return self._lacks(f"takes no MCP servers by {kind_of(server)}, and {name} is one")
        told: dict[str, Json] = {"cwd": self._brief.cwd, "mcpServers": servers}
        meta = self._agent.meta(self._brief)
        if meta:
            told["_meta"] = meta
        before = None if self._afresh else self._brief.session
        if before is not None and self._able.get("loadSession") is True:
            self.loads = True
            return "session/load", {"sessionId": before, **told}
        if before is not None and "resume" in _object(self._able.get("sessionCapabilities")):
            self.loads = True
            return "session/resume", {"sessionId": before, **told}
        return "session/new", told

    def afresh(self) -> Ask | Failed:
        """After the older session could not be had: a new one, which is told everything. (Gemini loses a session that
        is loaded in the minute in which it began.)"""
        self._afresh, self.loads = True, False
        return self.session()

    def authenticate(self) -> Ask | None:
        """After an answer that it wants to know who it is; None: no way to tell that without a person."""
        if self._tried or not self._methods:
            return None
        self._tried = True
        return "authenticate", {"methodId": self._methods[0]}

    def opened(self, result: Mapping[str, Json]) -> str | Failed:
        """The session's id."""
        id = result.get("sessionId")
        if isinstance(id, str) and _SESSION.fullmatch(id):
            return id
        if self.loads and self._brief.session is not None:
            return self._brief.session
        return self._lacks("opened a session without a name")

    def settings(self, session: str, result: Mapping[str, Json]) -> list[Ask] | Failed:
        """What has to be said before the prompt: the mode in which it asks for leave, the model."""
        options = {_object(item).get("id"): _object(item) for item in _list(result.get("configOptions"))}
        asks: list[Ask] = []
        if self._brief.grants.level != FULL:
            modes = _object(result.get("modes"))
            for name, value in (*self._agent.holds, *self._agent.holds_for(self._brief)):
                held = _hold(session, name, value, options.get(name), modes)
                if held is None:
                    return Failed(FailureClass.START, f"{self._agent.name} does not offer {name} {value}, {_KEEPS}")
                asks += held
        model = self._model(session, options, _object(result.get("models")))
        if isinstance(model, Failed):
            return model
        return [*asks, *model, *self._barrier(session, _object(result.get("modes")))]

    def model(self, result: Mapping[str, Json]) -> Json:
        """The model of a session that was opened, once all is said that `settings` wants; None: it does not tell."""
        if self._brief.model is not None:
            return self._brief.model
        options = [_object(item) for item in _list(result.get("configOptions"))]
        option = next((item for item in options if "model" in (item.get("category"), item.get("id"))), {})
        return option.get("currentValue") or _object(result.get("models")).get("currentModelId")

    def _barrier(self, session: str, modes: Mapping[str, Json]) -> Iterator[Ask]:
        """What changes nothing, and is answered when all of the older session has been played back."""
        mode = modes.get("currentModeId")
        if self.loads and self._agent.replays_late and isinstance(mode, str):
            yield "session/set_mode", {"sessionId": session, "modeId": mode}

    def _model(
        self, session: str, options: Mapping[Json, Mapping[str, Json]], models: Mapping[str, Json]
    ) -> list[Ask] | Failed:
        wanted = self._agent.model(self._brief)
        if wanted is None:
            return []
        option = next((item for item in options.values() if item.get("category") == "model"), options.get("model"))
        if option is not None:
            names = list(_values(option))
            if option.get("currentValue") == wanted:
                return []
            told = {"sessionId": session, "configId": option.get("id"), "value": wanted}
            ask: Ask = ("session/set_config_option", told)
        else:
            names = [_object(item).get("modelId") for item in _list(models.get("availableModels"))]
            if models.get("currentModelId") == wanted:
                return []
            ask = ("session/set_model", {"sessionId": session, "modelId": wanted})
        if wanted in names:
            return [ask]
        if self._agent.started_with_model:
            return []
        if not names:
            return self._lacks(f"lets no model be chosen ({wanted})")
        known = ", ".join(str(name) for name in names[:_MOST_NAMED])
        return Failed(FailureClass.FATAL, f"{self._agent.name} does not offer the model {excerpt(wanted)}, but {known}")

    def _lacks(self, what: str) -> Failed:
        return Failed(FailureClass.START, f"{self._agent.name} {what}")


def _hold(
    session: str, name: str, value: str, option: Mapping[str, Json] | None, modes: Mapping[str, Json]
) -> list[Ask] | None:
    """What sets it; empty: it is so, or is nothing that this agent knows. None: it knows others, and not that one."""
    if option is not None:
        offered, current = list(_values(option)), option.get("currentValue")
        ask: Ask = ("session/set_config_option", {"sessionId": session, "configId": name, "value": ""})
    elif name == "mode":
        offered = [_object(item).get("id") for item in _list(modes.get("availableModes"))]
        current = modes.get("currentModeId")
        ask = ("session/set_mode", {"sessionId": session, "modeId": ""})
    else:
        return []
    if not offered:
        return []
    wanted = _offered(value, offered)
    if wanted is None:
        return None
    method, given = ask
    return [] if current == wanted else [(method, {key: word or wanted for key, word in given.items()})]


def _offered(value: str, offered: list[Json]) -> Json:
    """The value; one of another run where that is not there, so that a recording of it is read as it was."""
    if value in offered:
        return value
    word, dash, _ = value.partition("-")
    return next((one for one in offered if dash and isinstance(one, str) and one.partition("-")[0] == word), None)


def _values(option: Mapping[str, Json]) -> Iterator[Json]:
    """Of a list, or of a list of groups."""
    for item in _list(option.get("options")):
        told = _object(item)
        if "value" in told:
            yield told["value"]
        yield from (_object(inner).get("value") for inner in _list(told.get("options")))


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []

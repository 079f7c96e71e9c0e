"""What of codex's app-server protocol we use, in short: `python -m tests.transcripts.codex_schema` writes it anew.

From the schema that the pinned codex gives of itself (5 MB): the fields of each method that is sent, answered or read,
`!` behind those that must be there, and the words of each enumeration. What differs after an update is to be looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.fakes import clis

KEPT: Final = Path(__file__).with_name("codex_schema.json")

SENT: Final = ("initialize", "thread/start", "thread/resume", "turn/start", "turn/steer", "turn/interrupt")
ASKED: Final = (
    "item/commandExecution/requestApproval",
    "item/fileChange/requestApproval",
    "item/permissions/requestApproval",
    "item/tool/requestUserInput",
    "mcpServer/elicitation/request",
)
TOLD: Final = (
    "error",
    "warning",
    "thread/started",
    "thread/tokenUsage/updated",
    "turn/started",
    "turn/completed",
    "item/started",
    "item/completed",
    "item/agentMessage/delta",
    "item/commandExecution/outputDelta",
)
NAMED: Final = (
    "v2/CodexErrorInfo",
    "v2/TurnStatus",
    "v2/ThreadItem",
    "v2/ThreadTokenUsage",
    "v2/TokenUsageBreakdown",
    "v2/AskForApproval",
    "v2/SandboxMode",
    "CommandExecutionApprovalDecision",
    "FileChangeApprovalDecision",
)
"""Types that are spelt out below the methods."""


def made() -> dict[str, Any]:
    """The short form, from the codex that is installed."""
    with tempfile.TemporaryDirectory() as folder:
        argv = [clis.program("codex"), "app-server", "generate-json-schema", "--out", folder]
        subprocess.run(argv, check=True, capture_output=True)
        whole = json.loads((Path(folder) / "codex_app_server_protocol.schemas.json").read_text())["definitions"]
    types = {**whole, **{f"v2/{name}": value for name, value in whole.get("v2", {}).items()}}
    return {
        "version": clis.versions()["codex"],
        "sent": _methods(types, types["ClientRequest"], SENT),
        "asked": _methods(types, types["ServerRequest"], ASKED),
        "told": _methods(types, types["ServerNotification"], TOLD),
        "types": {name.removeprefix("v2/"): _spelt(types[name]) for name in NAMED},
    }


def _methods(types: dict[str, Any], union: dict[str, Any], wanted: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for one in union["oneOf"]:
        [method] = one["properties"]["method"]["enum"]
        if method in wanted:
            params = one["properties"]["params"]
            found[method] = _spelt(types[_named(params)] if "$ref" in params else params)
    missing = set(wanted) - set(found)
    assert not missing, f"codex has no {missing} any more"
    return dict(sorted(found.items()))


def _named(schema: dict[str, Any]) -> str:
    return str(schema["$ref"]).removeprefix("#/definitions/")


def _spelt(schema: dict[str, Any]) -> Any:
    kinds = schema.get("oneOf") or schema.get("anyOf")
    if kinds:
        return [_spelt(one) for one in kinds]
    if "properties" not in schema:
        return _short(schema)
    required = schema.get("required", [])
    fields = schema["properties"].items()
    return {name + ("!" if name in required else ""): _short(value) for name, value in sorted(fields)}


def _short(schema: Any) -> str:
    """One field: the words that it can be, the name of its type, or its JSON type."""
    if not isinstance(schema, dict):
        return "any"
    if "enum" in schema:
        return "|".join(map(str, schema["enum"]))
    if "$ref" in schema:
        return _named(schema).rsplit("/", 1)[-1]
    kinds = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if kinds:
        return "|".join(_short(one) for one in kinds)
    if schema.get("type") == "array":
        return f"[{_short(schema.get('items'))}]"
    if "properties" in schema:
        return json.dumps(_spelt(schema))
    kind = schema.get("type", "any")
    return "|".join(kind) if isinstance(kind, list) else str(kind)


def text() -> str:
    return json.dumps(made(), indent=1) + "\n"


if __name__ == "__main__":
    KEPT.write_text(text())
    sys.exit(0)

"""What Codex itself says of its app server's protocol: `pinned.json`, which `extract.py` makes."""

from __future__ import annotations

import json
from typing import Any, Final

from jsonschema import Draft7Validator

from tests.fakes.codex_schema.extract import PINNED

RESPONSES: Final = {
    "item/commandExecution/requestApproval": "CommandExecutionRequestApprovalResponse",
    "item/fileChange/requestApproval": "FileChangeRequestApprovalResponse",
    "item/permissions/requestApproval": "PermissionsRequestApprovalResponse",
    "mcpServer/elicitation/request": "McpServerElicitationRequestResponse",
    "item/tool/requestUserInput": "ToolRequestUserInputResponse",
    "item/tool/call": "DynamicToolCallResponse",
    "execCommandApproval": "ExecCommandApprovalResponse",
    "applyPatchApproval": "ApplyPatchApprovalResponse",
}
REQUESTS: Final = {
    "initialize": "v1/InitializeParams",
    "thread/start": "v2/ThreadStartParams",
    "thread/resume": "v2/ThreadResumeParams",
    "turn/start": "v2/TurnStartParams",
    "turn/steer": "v2/TurnSteerParams",
    "turn/interrupt": "v2/TurnInterruptParams",
}


def pinned() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(PINNED.read_text())
    return made


def conforms(name: str, value: Any) -> None:
    """Whether a value is of a type, and has no field that is not pinned. Raises ValidationError."""
    schema = pinned()["types"][name]
    Draft7Validator({**schema, "additionalProperties": False}).validate(value)

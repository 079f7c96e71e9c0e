"""What we use of the app server's protocol, as Codex itself describes it, in one file: `python -m
tests.fakes.codex_schema.extract` writes `pinned.json` anew, with the Codex that is installed for the tests.

Kept are the fields that we send or read, and what they refer to; not their descriptions.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

PINNED: Final = Path(__file__).with_name("pinned.json")

SENT: Final = {
    "v1/InitializeParams": ("clientInfo", "capabilities"),
    "v2/ThreadStartParams": (
        "cwd",
        "model",
        "approvalPolicy",
        "sandbox",
        "permissions",
        "developerInstructions",
        "experimentalRawEvents",
    ),
    "v2/ThreadResumeParams": (
        "threadId",
        "cwd",
        "model",
        "approvalPolicy",
        "sandbox",
        "permissions",
        "developerInstructions",
        "excludeTurns",
    ),
    "v2/TurnStartParams": ("threadId", "input", "outputSchema"),
    "v2/TurnSteerParams": ("threadId", "expectedTurnId", "input", "clientUserMessageId"),
    "v2/TurnInterruptParams": ("threadId", "turnId"),
    "CommandExecutionRequestApprovalResponse": ("decision",),
    "FileChangeRequestApprovalResponse": ("decision",),
    "PermissionsRequestApprovalResponse": ("permissions", "scope"),
    "McpServerElicitationRequestResponse": ("action", "content"),
    "ToolRequestUserInputResponse": ("answers",),
    "DynamicToolCallResponse": ("contentItems", "success"),
    "ExecCommandApprovalResponse": ("decision",),
    "ApplyPatchApprovalResponse": ("decision",),
}
"""By file: what we may send of it, and nothing else."""

READ: Final = {
    "CommandExecutionRequestApprovalParams": (
        "threadId",
        "itemId",
        "command",
        "reason",
        "kind",
        "networkApprovalContext",
    ),
    "FileChangeRequestApprovalParams": ("threadId", "itemId", "grantRoot", "reason"),
    "PermissionsRequestApprovalParams": ("permissions", "reason"),
    "ToolRequestUserInputParams": ("questions",),
    "ExecCommandApprovalParams": ("command", "reason"),
    "ApplyPatchApprovalParams": ("fileChanges", "grantRoot", "reason"),
    "v2/ErrorNotification": ("threadId", "willRetry", "error"),
    "v2/ServerRequestResolvedNotification": ("requestId",),
    "v2/ThreadTokenUsageUpdatedNotification": ("threadId", "tokenUsage"),
}

_TALK: Final = ("title", "description", "$schema", "default", "format")


def extract(folder: Path) -> dict[str, Any]:
    """Of what `codex app-server generate-json-schema --experimental --out FOLDER` wrote."""
    whole = {name: _part(folder / f"{name}.json", fields) for name, fields in (SENT | READ).items()}
    methods = {name: _methods(folder / f"{name}.json") for name in ("ServerRequest", "ServerNotification")}
    items = _plain(json.loads((folder / "v2/ItemStartedNotification.json").read_text()))["definitions"]["ThreadItem"]
    kinds = {one["properties"]["type"]["enum"][0]: sorted(one["properties"]) for one in items["oneOf"]}
    return {"types": whole, "methods": methods, "items": kinds}


def _methods(path: Path) -> list[str]:
    return sorted(one["properties"]["method"]["enum"][0] for one in json.loads(path.read_text())["oneOf"])


def _part(path: Path, fields: tuple[str, ...]) -> dict[str, Any]:
    told = _plain(json.loads(path.read_text()))
    properties = {name: told["properties"][name] for name in fields}
    required = [name for name in told.get("required", ()) if name in fields]
    kept: dict[str, Any] = {}
    _gather(properties, told.get("definitions", {}), kept)
    return {"type": "object", "properties": properties, "required": required, "definitions": kept}


def _gather(value: Any, definitions: dict[str, Any], kept: dict[str, Any]) -> None:
    if isinstance(value, dict):
        name = str(value.get("$ref", "")).removeprefix("#/definitions/")
        if name and name not in kept:
            kept[name] = definitions[name]
            _gather(kept[name], definitions, kept)
        for part in value.values():
            _gather(part, definitions, kept)
    elif isinstance(value, list):
        for part in value:
            _gather(part, definitions, kept)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _plain(part)
            for key, part in value.items()
            if not (key in _TALK and not isinstance(part, dict)) and key != "$schema"
        }
    return [_plain(part) for part in value] if isinstance(value, list) else value


def generate(program: str, environment: dict[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        argv = [program, "app-server", "generate-json-schema", "--experimental", "--out", folder]
        subprocess.run(argv, env=environment, check=True, capture_output=True)
        return extract(Path(folder))


def text(made: dict[str, Any]) -> str:
    """One entry a line."""
    parts = []
    for name, entries in sorted(made.items()):
        rows = [f"  {json.dumps(key)}: {json.dumps(entries[key], sort_keys=True)}" for key in sorted(entries)]
        parts.append(f' "{name}": {{\n' + ",\n".join(rows) + "\n }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> int:
    import os

    from tests.fakes import clis

    PINNED.write_text(text(generate(clis.program("codex"), dict(os.environ))))
    return 0


if __name__ == "__main__":
    sys.exit(main())

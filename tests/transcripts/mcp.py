"""An MCP server over HTTP with one tool, `post_note`: as much of the protocol as a CLI asks for to make one call."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_TOOL = {
    "name": "post_note",
    "description": "Post a note for the team.",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}


class Tools:
    """The server; `called` is what was called, in order: name and arguments."""

    def __init__(self) -> None:
        self.called: list[tuple[str, Any]] = []
        tools = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                """Nothing on stderr."""

            def do_GET(self) -> None:
                self.send_error(405)  # No stream of the server's own: a client goes on without.

            def do_DELETE(self) -> None:
                self.send_error(405)

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if "id" not in asked:
                    self.send_response(202)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                answer = {"jsonrpc": "2.0", "id": asked["id"], **tools.answer(asked)}
                data = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/mcp"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> Tools:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        params = asked.get("params") or {}
        match asked["method"]:
            case "initialize":
                version = params.get("protocolVersion", "2025-06-18")
                about = {"name": "team", "version": "1"}
                return {"result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}}
            case "tools/list":
                return {"result": {"tools": [_TOOL]}}
            case "tools/call":
                self.called.append((params["name"], params.get("arguments")))
                return {"result": {"content": [{"type": "text", "text": "posted"}]}}
            case "ping":
                return {"result": {}}
            case other:
                return {"error": {"code": -32601, "message": f"no {other}"}}

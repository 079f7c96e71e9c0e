"""The HTTP side of the model server: reads requests, sends whole answers and streams, waits at gates, cuts.

Every answer closes its connection; streams are chunked, so that a cut one is a broken one. Refuses to know what is
answered. Under `/-/` a test in another process does what `Models` offers in this one: `GET requests`, `errors`,
`reached/GATE` (which waits), `POST open/GATE`, `play/AGENT` with a script in JSON.
"""

from __future__ import annotations

import gzip
import json
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.fakes.models.faults import Fact, fact
from tests.fakes.models.ollama import listing
from tests.fakes.models.record import DIALECTS, Reply, Request
from tests.fakes.models.script import BadScript, Step, Usage, from_json
from tests.fakes.models.wire import Answer, Ask, Halves, sample

if TYPE_CHECKING:
    from tests.fakes.models.server import Models


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, models: Models, *, port: int) -> None:
        self.models = models
        self.open: set[socket.socket] = set()
        self.changed = threading.Condition()
        super().__init__(("127.0.0.1", port), _Handler)
        self._accepting = threading.Thread(target=self._accept, name="models", daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        """`serve_forever` without its looking around for a shutdown, for which every test would wait."""
        while True:
            try:
                connection, address = self.get_request()
            except OSError:
                return
            with self.changed:
                self.open.add(connection)
            self.process_request(connection, address)

    def accept_no_more(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self.server_close()

    def hang_up(self) -> None:
        """End all connections, and wait until nobody serves one any more."""
        with self.changed:
            for one in self.open:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # It is gone already.
            self.changed.wait_for(lambda: not self.open, 30)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error; everything else is one of ours, or a call that we misread."""
        problem = sys.exc_info()[1]
        if not isinstance(problem, ConnectionError | TimeoutError):
            self.models.errors.append("".join(traceback.format_exception(problem)))


def serve(models: Models, *, port: int) -> _Server:
    return _Server(models, port=port)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    ends: Callable[[str], None]
    """Told before the last byte is sent: a client that has an answer finds it recorded."""

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            with self.server.changed:
                self.server.open.discard(self.connection)
                self.server.changed.notify_all()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def _handle(self) -> None:
        self.close_connection = True
        data = self._body()
        if self.path.startswith("/-/"):
            self.ends = lambda how: None
            self._control(data)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            body = json.loads(data) if data else None
        except ValueError:
            body = data.decode(errors="replace")
        request = Request(self.command, self.path, headers, body)
        self.ends = partial(self.server.models.ended, request)
        try:
            try:
                reply = self.server.models.received(request)
            except BadScript as problem:
                error = {"type": "invalid_request_error", "message": f"bad script: {problem}"}
                self._send(400, {"error": error}, how="refused")
                return
            if not reply:
                self._side(request)
            elif not self._play(reply):
                self.ends("hung up")
        except (ConnectionError, TimeoutError):
            self.ends("hung up")

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            data = b"".join(parts)
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data

    # Answers

    def _play(self, reply: Reply) -> bool:
        """False when the client went away before the end."""
        step, ask = reply.step, reply.request.ask
        assert ask is not None
        dialect = _dialect(ask)
        gate = self.server.models.gate(step.gate) if step.gate else None
        if gate and (step.hold == "before" or not ask.stream) and not gate.pass_with(self.connection):
            return False
        if step.fault:
            return self._fail(step, fact(step.fault, dialect=ask.dialect), ask)
        assert reply.answer is not None
        if ask.stream:
            return self._stream(step, dialect.stream(reply.answer, ask))
        whole = dialect.whole(reply.answer, ask)
        if step.cut:
            self._cut(json.dumps(whole).encode())
        else:
            self._send(200, whole)
        return True

    def _fail(self, step: Step, told: Fact, ask: Ask) -> bool:
        dialect = _dialect(ask)
        if told.in_stream and ask.stream:
            head, _ = dialect.stream(Answer("broken", "This answer breaks off", (), step.usage), ask)
            return self._stream(step, Halves(head, dialect.broken_stream(told)))
        refusal = dialect.refuse(told._replace(status=503) if told.status < 400 else told)
        self._send(refusal.status, refusal.body, headers=refusal.headers)
        return True

    def _stream(self, step: Step, halves: Halves) -> bool:
        gate = self.server.models.gate(step.gate) if step.gate and step.hold != "before" else None
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        if gate and step.hold == "headers" and not gate.pass_with(self.connection):
            return False
        self._chunk(halves.head)
        if gate and step.hold == "middle" and not gate.pass_with(self.connection):
            return False
        if step.cut:
            self._abort()
            return True
        self.ends("answered")
        self._chunk(halves.tail)
        self.wfile.write(b"0\r\n\r\n")
        return True

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _cut(self, whole: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        self.wfile.write(whole[: len(whole) // 2])
        self.wfile.flush()
        self._abort()

    def _abort(self) -> None:
        self.ends("cut")
        self.connection.shutdown(socket.SHUT_RDWR)

    def _side(self, request: Request) -> None:
        """What is no step: trivial answers, and 404 for what nobody knows."""
        path = request.path.split("?")[0]
        if request.kind == "side":
            assert request.ask is not None
            self._side_call(request.ask)
        elif request.kind == "count":
            self._send(200, _counting(path))
        elif self.server.models.names and (found := listing(path, self.server.models.names)) is not None:
            self._send(200, found)
        elif path.endswith("/models"):
            self._send(200, {"object": "list", "data": [], "models": []})
        elif request.method == "HEAD":
            self._send(200, b"")
        else:
            self._send(404, {"error": {"type": "not_found", "message": f"the scripted server has no {path}"}})

    def _side_call(self, ask: Ask) -> None:
        text = json.dumps(sample(ask.schema)) if ask.schema else "side answer"
        answer = Answer("side", text, (), Usage(10, 2))
        dialect = _dialect(ask)
        if ask.stream:
            self._stream(Step(text=text), dialect.stream(answer, ask))
        else:
            self._send(200, dialect.whole(answer, ask))

    def _send(self, status: int, body: Any, *, headers: dict[str, str] | None = None, how: str = "answered") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.ends(how)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    # A test in another process

    def _control(self, data: bytes) -> None:
        models = self.server.models
        match [self.command, *self.path.split("/")[2:]]:
            case ["GET", "requests"]:
                shown = [
                    {
                        name: getattr(one, name)
                        for name in ("method", "path", "headers", "body", "agent", "kind", "ended")
                    }
                    for one in models.requests
                ]
                self._send(200, shown)
            case ["GET", "errors"]:
                self._send(200, models.errors)
            case ["GET", "reached", name]:
                models.gate(name).reached.wait()
                self._send(200, {})
            case ["POST", "open", name]:
                models.gate(name).open()
                self._send(200, {})
            case ["POST", "play", name]:
                try:
                    models.play(*from_json(data.decode()), agent=name)
                except BadScript as problem:
                    self._send(400, {"error": str(problem)})
                else:
                    self._send(200, {})
            case _:
                self._send(404, {"error": "no such control"})


def _dialect(ask: Ask) -> Any:
    return next(one for one in DIALECTS if ask.dialect == one.NAME)


def _counting(path: str) -> dict[str, Any]:
    counted: dict[str, Any] = next(one.count() for one in DIALECTS if one.counts(path))
    return counted

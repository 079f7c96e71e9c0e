"""JSON-RPC 2.0 over lines, as app servers and ACP agents speak it: framing, ids, which answer belongs to which request.

Knows no method. Without I/O: what is to be written comes back as text. Requests that this side makes are numbered from
1 in the order in which they are made, so a session that is fed the same bytes numbers them the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json
from teamflow.engines.lines import JsonLines, parse_json

METHOD_NOT_FOUND: Final = -32601


class Request(NamedTuple):
    """The other side wants an answer."""

    id: str | int
    method: str
    params: Mapping[str, Json]


class Notified(NamedTuple):
    method: str
    params: Mapping[str, Json]


class Answered(NamedTuple):
    """To a request of ours: `result`, or `error` (code, message, data)."""

    id: int
    method: str
    result: Mapping[str, Json]
    error: Mapping[str, Json] | None = None


Incoming: TypeAlias = Request | Notified | Answered


class Peer:
    """One side of a connection. `header`: whether lines say "jsonrpc": "2.0" (an app server's do not)."""

    def __init__(self, *, header: bool = True) -> None:
        self._header = header
        self._lines = JsonLines()
        self._next = 1
        self._open: dict[int, str] = {}

    @property
    def rubbish(self) -> int:
        """Lines that were no message."""
        return self._lines.rubbish

    @property
    def next_id(self) -> int:
        """The number of the next request."""
        return self._next

    def feed(self, data: bytes) -> Iterator[Incoming]:
        """What has come whole. To be run through to its end."""
        for line in self._lines.feed(data):
            yield from self._read(line)

    def finish(self) -> Iterator[Incoming]:
        """What a last line without an end holds."""
        for line in self._lines.finish():
            yield from self._read(line)

    def request(self, method: str, params: Mapping[str, Json]) -> str:
        """The text of a request, which is then open."""
        text = self.draft(method, params)
        self.sent(text)
        return text

    def draft(self, method: str, params: Mapping[str, Json]) -> str:
        """The text of a request as it would be made now; it is open once it is `sent`."""
        return self._line({"id": self._next, "method": method, "params": params})

    def sent(self, text: str) -> None:
        """These lines of ours are on their way: the requests among them are open."""
        for line in text.splitlines():
            message = _message(line)
            number, method = message.get("id"), message.get("method")
            if isinstance(number, int) and isinstance(method, str):
                self._open[number] = method
                self._next = max(self._next, number + 1)

    def is_open(self, number: int) -> bool:
        return number in self._open

    def notify(self, method: str, params: Mapping[str, Json]) -> str:
        return self._line({"method": method, "params": params})

    def respond(self, request: str | int, result: Json) -> str:
        return self._line({"id": request, "result": result})

    def refuse(self, request: str | int, *, code: int = METHOD_NOT_FOUND, message: str) -> str:
        return self._line({"id": request, "error": {"code": code, "message": message}})

    def _line(self, message: Mapping[str, Json]) -> str:
        header: dict[str, Json] = {"jsonrpc": "2.0"} if self._header else {}
        return json.dumps({**header, **message}, separators=(",", ":")) + "\n"

    def _read(self, line: Mapping[str, Json]) -> Iterator[Incoming]:
        number, method, params = line.get("id"), line.get("method"), line.get("params")
        told = params if isinstance(params, Mapping) else {}
        known = isinstance(number, str | int) and not isinstance(number, bool)
        if isinstance(method, str):
            yield Request(number, method, told) if known else Notified(method, told)  # type: ignore[arg-type]
        elif isinstance(number, int) and number in self._open:
            result, error = line.get("result"), line.get("error")
            yield Answered(
                number,
                self._open.pop(number),
                result if isinstance(result, Mapping) else {},
                error if isinstance(error, Mapping) else None,
            )


def _message(line: str) -> Mapping[str, Json]:
    try:
        value = parse_json(line)
    except ValueError:
        return {}
    return value if isinstance(value, Mapping) else {}

"""The model server as a process of its own: `python -m tests.fakes.models PORT [SCRIPT]`, until it is ended.

PORT 0 takes a free one; the base URL is the first line on stdout. SCRIPT is a file of JSON: a list of steps for the one
agent, or an object from names to such lists. The rest goes by `/-/` (see `http.py`).
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from tests.fakes.models.record import DEFAULT
from tests.fakes.models.script import BadScript, from_json
from tests.fakes.models.server import Models


def main(arguments: list[str]) -> int:
    if not arguments or len(arguments) > 2 or not arguments[0].isdecimal():
        print("usage: python -m tests.fakes.models PORT [SCRIPT]", file=sys.stderr)
        return 2
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    server = Models(port=int(arguments[0]))
    try:
        for path in arguments[1:]:
            _load(server, Path(path).read_text())
    except (BadScript, OSError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 2
    print(server.url(), flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    server.close()
    for error in server.errors:
        print(error, file=sys.stderr)
    return 1 if server.errors else 0


def _load(server: Models, text: str) -> None:
    given = json.loads(text)
    scripts = given if isinstance(given, dict) else {DEFAULT: given}
    for agent, steps in scripts.items():
        server.play(*from_json(json.dumps(steps)), agent=agent)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

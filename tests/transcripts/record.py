"""Makes all transcripts anew: `python -m tests.transcripts.record [ENGINE | ENGINE/CASE ...]`. Needs the real CLIs.

Engines: claude, codex, acp. Each case is played by a scripted model server, so that no provider is asked.
Exits with 1 if a case did not come out as it is written.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.transcripts import record_acp, record_claude, record_codex
from tests.transcripts.stage import Stage

Case = Callable[[Stage], None]

ENGINES: dict[str, dict[str, tuple[str, Case]]] = {
    "claude": {name: ("claude", case) for name, case in record_claude.CASES.items()},
    "codex": {name: ("codex", case) for name, case in record_codex.CASES.items()},
    "acp": record_acp.CASES,
}
"""Engine → name of the case → which CLI it is of, and what plays it."""


def main(words: list[str]) -> int:
    wanted = words or list(ENGINES)
    failed = []
    for engine, cases in ENGINES.items():
        for name, (program, case) in cases.items():
            if engine not in wanted and f"{engine}/{name}" not in wanted:
                continue
            try:
                with Stage(engine, program=program) as stage:
                    case(stage)
            except Exception as problem:
                failed.append(f"{engine}/{name}: {type(problem).__name__}: {problem}")
                print(failed[-1][-1500:], file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

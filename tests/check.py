"""The test command: lint, layers, types, tests. `--all` adds the slow suites, campaigns and the benchmark.

Every part runs even if one before it failed, and the end says which did. Further arguments go to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def main(arguments: list[str]) -> int:
    everything = "--all" in arguments
    rest = [word for word in arguments if word != "--all"]
    parts: list[tuple[str, list[str]]] = [
        ("format", [str(BIN / "ruff"), "format", "--check", "--quiet", "."]),
        ("lint", [str(BIN / "ruff"), "check", "--quiet", "."]),
        ("layers", [str(BIN / "lint-imports"), "--no-cache"]),
        ("types", [str(BIN / "mypy"), "--no-error-summary"]),
        ("tests", [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", *rest]),
    ]
    if everything:
        parts[-1][1].extend(["--all", "--durations=25"])
        # Before the tests, which leave file systems and caches busy for minutes.
        parts.insert(-1, ("bench", [sys.executable, "-m", "tests.bench", "--check", "--rounds", "2"]))
    # Hundreds of short processes: without bytecode on disk each would compile all that it imports.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    failed = []
    for name, argv in parts:
        began = time.monotonic()
        code, last = _run(argv, environment)
        print(f"[{name}: {'ok' if code == 0 else f'FAILED ({code})'} in {time.monotonic() - began:.1f} s]", flush=True)
        if code != 0:
            failed.append(f"{name} ({last})" if last else name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _run(argv: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """The exit code, and the last that was said on stderr: of a long output only the end may be kept."""
    last = ""
    with subprocess.Popen(argv, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, errors="replace") as part:
        assert part.stderr is not None
        for line in part.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            last = line.strip() or last
    return part.returncode, last


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

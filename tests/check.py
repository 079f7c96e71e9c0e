"""The test command: lint, layers, types, tests. `--all` adds the slow suites, campaigns and the benchmark.

Every part runs even if one before it failed, and the end says which did. Further arguments go to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


class Part(NamedTuple):
    name: str
    argv: list[str]


def main(arguments: list[str]) -> int:
    everything = "--all" in arguments
    rest = [word for word in arguments if word != "--all"]
    tests = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", *rest]
    looking = [
        Part("types", [str(BIN / "mypy"), "--no-error-summary"]),  # first, for it takes longest
        Part("format", [str(BIN / "ruff"), "format", "--check", "--quiet", "."]),
        Part("lint", [str(BIN / "ruff"), "check", "--quiet", "."]),
        Part("layers", [str(BIN / "lint-imports"), "--no-cache"]),
    ]
    alone = [Part("tests", tests)]
    if everything:
        tests += ["--all", "--durations=25"]
        # Before the tests, which leave file systems and caches busy for minutes.
        alone.insert(0, Part("bench", [sys.executable, "-m", "tests.bench", "--check", "--rounds", "2"]))
    # Hundreds of short processes: without bytecode on disk each would compile all that it imports.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # What only looks at the files has a core each; what comes after it has the machine to itself.
    with ThreadPoolExecutor(max_workers=2) as pool:
        failed = list(pool.map(lambda part: _failure(part, environment, quiet=True), looking))
    failed += [_failure(part, environment, quiet=False) for part in alone]
    wrong = [line for line in failed if line]
    if wrong:
        print(f"failed: {', '.join(wrong)}")
    return 1 if wrong else 0


def _failure(part: Part, environment: dict[str, str], *, quiet: bool) -> str:
    """Runs a part and tells how it went; what is to be said of it at the end, or nothing.

    `quiet`: what it printed is shown once it has ended, in one piece.
    """
    began = time.monotonic()
    code, last, printed = _run(part.argv, environment, quiet=quiet)
    said = "ok" if code == 0 else f"FAILED ({code})"
    print(f"{printed}[{part.name}: {said} in {time.monotonic() - began:.1f} s]", flush=True)
    if code == 0:
        return ""
    return f"{part.name} ({last})" if last else part.name


def _run(argv: list[str], environment: dict[str, str], *, quiet: bool) -> tuple[int, str, str]:
    """The exit code, the last that was said on stderr (of a long output only the end may be kept), and what was printed
    where it is to be kept."""
    if quiet:
        done = subprocess.run(
            argv, cwd=ROOT, env=environment, capture_output=True, text=True, errors="replace", check=False
        )
        errors = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        return done.returncode, errors[-1] if errors else "", done.stdout + done.stderr
    last = ""
    with subprocess.Popen(argv, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, errors="replace") as part:
        assert part.stderr is not None
        for line in part.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            last = line.strip() or last
    return part.returncode, last, ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

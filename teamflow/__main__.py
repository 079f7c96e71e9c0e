"""`teamflow` and `python -m teamflow`. Answers the two questions that need nothing else by itself."""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # typing itself costs as much to import as all that `--version` needs
if TYPE_CHECKING:
    from typing import Never


def main() -> Never:
    """Runs the command line in `sys.argv` and ends the process with its exit code."""
    # Most of what a short process makes lives until its end: looking for garbage in it costs a tenth of the time.
    gc.set_threshold(200_000, 20, 100)
    try:
        code = _main(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    _leave(code)


def _leave(code: int) -> Never:
    """Ends at once: taking a large heap apart piece by piece takes longer than many a command."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 141
    os._exit(code)


def _main(words: list[str]) -> int:
    if words in (["--version"], ["--help"], ["-h"], []):
        return _answer(words)
    if words[0] == "validate":
        gc.disable()  # over before any garbage could matter
    if words[0] == "run":
        from teamflow.cli.quick import quick_run

        code = quick_run(words[1:])
        if code is not None:
            return code
    from teamflow.cli.main import main as cli

    return cli(words)


def _answer(words: list[str]) -> int:
    if words == ["--version"]:
        from teamflow import __version__

        text = f"teamflow {__version__}\n"
    else:
        from teamflow.cli.toplevel import help_text

        text = help_text()
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    return 0 if words else 2


if __name__ == "__main__":
    main()

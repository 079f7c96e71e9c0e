"""`teamflow` and `python -m teamflow`. Answers the two questions that need nothing else by itself."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """The exit code of the command line in `sys.argv`."""
    try:
        return _main(sys.argv[1:])
    except KeyboardInterrupt:
        return 130


def _main(words: list[str]) -> int:
    if words in (["--version"], ["--help"], ["-h"], []):
        return _answer(words)
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
    sys.exit(main())

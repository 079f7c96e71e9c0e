"""The command line in this process, with a directory and an environment of its own.

For calls that are refused or only read: there a process shows no more, and costs hundreds of times as much. What
starts steps, waits, or is signalled is to be a process. What loads modules anew for each call is not shown here, nor
is what Python itself does with streams; `tests/unit/cli/test_help.py` and the tests of processes have that.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path


def here(root: Path, *words: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """The exit code of `teamflow WORDS` in `root`, and what it said. `env`: all of its environment, else ours."""
    from teamflow.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as around:
        around.enter_context(contextlib.chdir(root))
        if env is not None:
            around.enter_context(_environment(env))
        around.enter_context(contextlib.redirect_stdout(out))
        around.enter_context(contextlib.redirect_stderr(err))
        code = main(words)
    return code, out.getvalue(), err.getvalue()


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    kept = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)

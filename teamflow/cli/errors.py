"""From exceptions to messages and exit codes: the one place of the command line that catches broadly.

Known trouble is told in its own words; anything else is a bug, and goes into a report without arguments and secrets.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Mapping

from teamflow.cli.interrupts import keep_interrupts
from teamflow.cli.output import say

USAGE = 2
ENVIRONMENT = 3
INTERNAL = 70
INTERRUPTED = 130
BROKEN_PIPE = 141

_SECRET_NAMES = ("TOKEN", "SECRET", "PASS", "KEY", "AUTH", "CREDENTIAL", "COOKIE")
_SHORTEST = 6
_UNREADABLE = ("CodecError", "PlanFormatError")
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)


def guarded(call: Callable[[], int]) -> int:
    """The exit code of `call`, whatever it raises."""
    keep_interrupts()
    try:
        code = call()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return _broken_pipe()
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 the boundary of the command line
        try:
            return _told(error)
        except BrokenPipeError:
            return _broken_pipe()


def _told(error: Exception) -> int:
    if isinstance(error, OSError) and error.filename is None and error.errno in _DISK:
        _silence()
        say(f"teamflow: the output cannot be written: {error.strerror}")
        return ENVIRONMENT
    code = known_trouble(error)
    if code is None:
        return INTERRUPTED if _was_interrupt(error) else _crashed(error)
    remedy = "\n  read this run with the version that wrote it" if type(error).__name__ in _UNREADABLE else ""
    say(f"teamflow: {error}{remedy}")
    return code


def _was_interrupt(error: Exception) -> bool:
    """Ctrl-C while pydantic's core builds a validator becomes a SchemaError of its own: only the name is left."""
    return type(error).__name__ == "SchemaError" and "KeyboardInterrupt" in str(error)


def known_trouble(error: Exception) -> int | None:
    """The exit code of an exception that tells place, fact and remedy itself; None: a bug.

    By name, because most of these modules were never loaded when something else fails.
    """
    name = type(error).__name__
    if name in ("NoTeamFile", "NoRun", "NoQuestion", "SavedPlanError"):
        return USAGE
    if name in ("StoreError", "WorkspaceError", "MissingSecret", *_UNREADABLE):
        return ENVIRONMENT
    if isinstance(error, OSError) and error.filename is not None and not isinstance(error, BlockingIOError):
        return ENVIRONMENT
    return None


def _broken_pipe() -> int:
    """Whoever read our output has gone: nothing more is said."""
    _silence()
    return BROKEN_PIPE


def _silence() -> None:
    """What stdout still holds goes nowhere, so that Python does not complain of it at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _crashed(error: Exception) -> int:
    report = crash_report(error, sys.argv[1:], os.environ)
    path = _write(report)
    place = f"a report is in {path}" if path else f"no report could be written; it would be:\n{report}"
    say(f"teamflow: internal error ({type(error).__name__}): this is a bug, not yours\n  {place}")
    return INTERNAL


def crash_report(error: BaseException, words: list[str], environ: Mapping[str, str]) -> str:
    """Versions, the verb and its options without their values, and the traceback. Values of variables whose names
    smell of secrets are left out."""
    import traceback

    from teamflow import __version__
    from teamflow.core.redact import Redactor

    verb = [word.partition("=")[0] for word in words if word.startswith("-")]
    first = next((word for word in words if not word.startswith("-")), "")
    lines = [
        f"teamflow {__version__}, Python {sys.version.split()[0]}, {sys.platform}",
        f"verb: {first}, options: {' '.join(verb) or 'none'}",
        "",
        *traceback.format_exception(error),
    ]
    text = "\n".join(line.rstrip("\n") for line in lines) + "\n"
    secret = (name for name in environ if any(word in name.upper() for word in _SECRET_NAMES))
    hidden = {environ[name] for name in secret if len(environ[name]) >= _SHORTEST}
    values = sorted({*hidden, *_project_secrets()}, key=len, reverse=True)
    for value in values:
        text = text.replace(value, "[hidden]")
    return Redactor({value: value for value in values}).text(text)


def _project_secrets() -> set[str]:
    """Values that the runs of this project keep for redaction."""
    from teamflow.app.project import project_around
    from teamflow.app.secrets import read_secrets
    from teamflow.store.layout import Layout

    try:
        layout = Layout(project_around(os.getcwd()).root)
        runs = [name for name in os.listdir(layout.runs) if name.isdigit()]
        newest = sorted(runs, key=int)[-5:]
        return {value for name in newest for value in read_secrets(layout.run(int(name))).values() if len(value) > 3}
    except OSError:
        return set()


def _write(report: str) -> str | None:
    try:
        import tempfile

        descriptor, path = tempfile.mkstemp(prefix="teamflow-crash-", suffix=".txt")
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(report)
    except OSError:
        return None
    return path

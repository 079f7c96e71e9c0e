"""What the keeper has to say of itself: a file that exists only if something was odd."""

import posix

MYPY = False
if MYPY:
    from typing import Any


def note(run_dir: str, text: str) -> None:
    """Adds to the keeper's log, if there is still a place for it."""
    try:
        fd = posix.open(
            run_dir + "/keeper.log", posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC, 0o600
        )
    except OSError:
        return
    try:
        posix.write(fd, text.encode("utf-8", "backslashreplace"))
    except OSError:
        pass
    finally:
        posix.close(fd)


def stack(frame: "Any") -> str:
    """The frames of a moment, as text."""
    import traceback

    return "".join(traceback.format_stack(frame))

"""A real terminal: a tmux server of its own, whose screen is captured."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.e2e.tool import until


class Tmux:
    """A window of 100 columns and 30 rows with a shell in a directory; a context manager.

    `home`: a short path for its socket. `environ` is all that what runs in it is given, besides TERM.
    """

    def __init__(self, home: Path, directory: Path, environ: Mapping[str, str]) -> None:
        self._socket = home / "tmux"
        self._environ = environ
        self.call("new-session", "-d", "-x", "100", "-y", "30", "-c", str(directory), "exec sh")
        self.call("set", "-g", "monitor-bell", "on")

    def __enter__(self) -> Tmux:
        return self

    def __exit__(self, *_: object) -> None:
        self.call("kill-server")

    def call(self, *words: str) -> str:
        """What a tmux command prints."""
        argv = ["tmux", "-S", str(self._socket), "-f", "/dev/null", *words]
        # Its server hands on what it is given itself: here not the CI of whoever runs the tests.
        done = subprocess.run(argv, env=self._environ, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    def start(self, argv: Sequence[str]) -> None:
        """A command line, typed into the shell."""
        self.call("send-keys", "-t", ":0", shlex.join(argv), "Enter")

    def press(self, *keys: str) -> None:
        self.call("send-keys", "-t", ":0", *keys)

    def press_until(self, key: str, text: str) -> None:
        """A key that may come too early is pressed again until this is shown."""
        until(lambda: text in self.screen or self.press(key), f"{text} after {key}", step=0.2)  # type: ignore[func-returns-value]

    @property
    def screen(self) -> str:
        """What can be seen now."""
        return self.call("capture-pane", "-p", "-t", ":0")

    def shows(self, *texts: str, without: str = "") -> str:
        """The screen, once all these are on it and the other one is not."""

        def holds(seen: str) -> bool:
            return all(text in seen for text in texts) and not (without and without in seen)

        return self.once(holds, f"{texts} on the screen")

    def once(self, holds: Callable[[str], bool], what: str) -> str:
        """The screen, once this holds of it."""
        try:
            found = until(lambda: seen if holds(seen := self.screen) else None, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.screen}") from None
        assert isinstance(found, str)
        return found

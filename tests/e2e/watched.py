"""A project whose run is watched: a real `teamflow watch` beside the test, asked by what it records and says."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.e2e.project import Project, Shown
from tests.e2e.tool import until


class Watched:
    """`teamflow watch --progress plain` in a project; a context manager."""

    def __init__(self, project: Project, *words: str, env: Mapping[str, str] | None = None) -> None:
        self.project = project
        self.process = project.popen("watch", "--progress", "plain", *words, env=env)
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait(60)
        self._reader.join(60)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        self._reader.join(60)
        return code

    # -- what it has done ------------------------------------------------------------------------------------

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        if not (self.project.root / ".teamflow" / "state.db").exists():
            return []
        try:
            found = self.project.events()
        except Exception as error:
            if "no run" not in str(error):
                raise
            return []  # not there yet
        return [event for event in found if kind is None or event["kind"] == kind]

    def starts(self, step: str) -> int:
        return sum(event["step"] == step for event in self.events("AttemptStarted"))

    def until(self, condition: Callable[[], object], what: str, *, seconds: float = 60.0) -> None:
        def looked() -> object:
            assert self.process.poll() is None, f"it has ended ({self.process.returncode}):\n{self.said}"
            return condition()

        try:
            until(looked, what, seconds=seconds, step=0.02)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said}") from None

    def rests(self, times: int) -> None:
        """Waits until it has come to rest so often."""
        self.until(lambda: self.said.count("; watching ") >= times, f"rest {times}")

    def status(self) -> Shown:
        return self.project.status()


def save(path: Path, text: str) -> None:
    """As careful editors do: a new file takes the place of the old one."""
    new = path.with_name(f"{path.name}~")
    new.write_text(text)
    os.replace(new, path)
